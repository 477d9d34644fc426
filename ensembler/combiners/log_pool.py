"""The log-linear pool: a product of the members' probabilities, each to a power that is fitted."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from ensembler.arrays import BLOCK_VALUES, FEW_CLASSES, Floats, Labels, Rows, Values, row_blocks, row_spans
from ensembler.combiners._box_newton import Expansion, minimise
from ensembler.combiners.additive import sum_contributions
from ensembler.combiners.base import Combiner, check_weights, is_number, require
from ensembler.combiners.fitted_state import Kind, Numbers
from ensembler.combiners.product_rule import PROBABILITY_CLIP
from ensembler.errors import FitWarning
from ensembler.parallel.blas import one_blas_thread
from ensembler.parallel.threads import side_by_side

LARGEST_WEIGHT = 10.0
"""On separable rows the weights would grow without end."""
PRIOR_SPREAD = 2.0
"""Before any row is seen, the sum of the weights is expected at 1 ± 2."""
FEWEST_BLOCK_ROWS = 32
START_SHARE, FEWEST_START_ROWS = 8, 1024
"""A fit starts where one of eight rows, where these are enough, would end."""
MANY_MEMBERS = 64
"""From so many on, steps cost much more than finding the best sum of equal weights before them."""
SYMMETRIC_FROM = 16
"""Members from which the product of a matrix with its own transpose takes less time than that of two matrices."""


@dataclass
class LogLinearPool(Combiner):
    r"""Log-linear pool (logarithmic opinion pool), its weights fitted to the log loss.

    .. math::
        p(c) \propto \exp\Bigl(b_c + \sum_m w_m \log \max(p_m(c), 10^{-15})\Bigr), \qquad
        \min_{w, b}\; \frac1N \sum_i -\log p(y_i \mid x_i)
        + \lambda \sum_m (w_m - \bar w)^2 + \lambda \sum_c b_c^2

    with weights from 0 to 10 that need not sum to 1: their sum is an inverse temperature, so that the pool is
    calibrated too, and the ridge λ draws the weights towards their own mean :math:`\bar w`. The problem is convex. A
    member of weight 0 can be left out.

    A second, weak ridge :math:`\frac{(\sum_m w_m - 1)^2}{8 N}` is a prior on the sum of the weights. It
    matters where members are right in almost all of few rows, so that the sum would grow without end and one wrong row
    elsewhere would cost a fortune; with thousands of rows it changes nothing that can be seen.

    Parameters
    ----------
    ridge : float
        λ, at least 0.
    bias : bool
        Fit one number a class as well (0 otherwise); they sum to 0.
    signed : bool
        Let weights go down to −10, so that a member may count against what it says.

    Attributes
    ----------
    weights_ : (M,) float64
    bias_ : (C,) float64
        Zeros without ``bias``.

    Warns
    -----
    FitWarning
        A weight has reached its bound, or the fit did not converge.

    References
    ----------
    Genest & Zidek, Combining probability distributions, Statist. Sci. 1 (1986) 114–135, doi 10.1214/ss/1177013825;
    Heskes, Selecting weighting factors in logarithmic opinion pools, NIPS 10 (1997).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(0, 2, 400)
    >>> good = np.clip(0.3 + 0.4 * labels + rng.normal(0, 0.2, 400), 0.01, 0.99)
    >>> noise = rng.uniform(0.01, 0.99, 400)
    >>> proba = np.stack([np.stack([1 - p, p], axis=-1) for p in (good, noise)])
    >>> LogLinearPool().fit(proba, labels).weights_.round(2)
    array([1.86, 0.1 ])
    """

    name: ClassVar[str] = "log-pool"
    family: ClassVar[str] = "pooled"
    source: ClassVar[str] = "Genest & Zidek 1986, doi 10.1214/ss/1177013825; Heskes 1997"
    complexity: ClassVar[int] = 136
    list_position: ClassVar[int] = 9
    variants: ClassVar[tuple[str, ...]] = ("signed=true",)
    freezable: ClassVar[bool] = True
    log_scale: ClassVar[bool] = True
    reported: ClassVar[tuple[str, ...]] = ("weights_", "bias_")
    fitted_state: ClassVar[Mapping[str, Kind]] = {"weights_": Numbers("M"), "bias_": Numbers("C")}

    ridge: float = 0.01
    bias: bool = False
    signed: bool = False

    def check_parameters(self) -> None:
        """Refuse what is no number or no truth value."""
        require(is_number(self.ridge) and self.ridge >= 0, self, "ridge", "a number of at least 0")
        require(isinstance(self.bias, bool), self, "bias", "true or false")
        require(isinstance(self.signed, bool), self, "signed", "true or false")

    def reuse(self, fitted: Mapping[str, Combiner]) -> Self:
        """Return a pool of signed weights that starts where the one without, fitted on the same rows, ended.

        Where no member of that one has weight 0, it ends there as well.
        """
        other = fitted.get(replace(self, signed=False).to_text()) if self.signed else None
        if not isinstance(other, LogLinearPool):
            return self
        known = replace(self)
        vars(known)["_start"] = np.concatenate([other.weights_, other.bias_[: len(other.bias_) * self.bias]])
        return known

    @one_blas_thread
    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        loss = PoolLoss(proba, labels, sample_weight, self.ridge, n_biases=self.n_classes_ if self.bias else 0)
        high = np.full(len(loss.start), LARGEST_WEIGHT)
        low = -high
        if not self.signed:
            low[: self.n_members_] = 0.0
        start = vars(self).pop("_start", None)
        if start is None:
            start = near_start(loss, low, high)
        result = minimise(loss.expand, loss.value, start, low, high)
        self.weights_, biases = np.split(result.point, [self.n_members_])
        self.bias_ = biases - biases.mean() if self.bias else np.zeros(self.n_classes_)
        if not result.converged:
            warnings.warn(f"{self.name}: the fit did not converge", FitWarning, stacklevel=2)
        if (np.abs(self.weights_) >= LARGEST_WEIGHT).any():
            message = f"{self.name}: a weight has reached its bound of {LARGEST_WEIGHT:g}: the rows are separable"
            warnings.warn(message, FitWarning, stacklevel=2)

    def _checked_weights(self, weights: ArrayLike) -> Values:
        self._require_fitted("set weights_")
        return check_weights(weights, (self.n_members_,), f"{self.name}: weights_", signed=self.signed)

    def _scores(self, proba: Floats) -> Values:
        used = np.flatnonzero(self.weights_)
        return sum_contributions(proba, self.frozen_contribution, self.bias_, members=used)

    def frozen_contribution(self, member: int, proba: Floats) -> Values:
        """Return the member's log probabilities times its weight."""
        return np.asarray(self.frozen_weight(member) * log_probabilities(proba))

    def frozen_offset(self) -> Values:
        """Return the biases."""
        return self.bias_

    def fits_proper_score(self) -> bool:
        """Return True: the log loss."""
        return True

    def needs_probabilities(self) -> bool:
        """Return True: one hard vote against a class would veto it."""
        return True

    def n_fitted(self) -> int:
        """One weight a member, and with biases one a class but the last."""
        return self.n_members_ + (self.n_classes_ - 1 if self.bias else 0)


def log_probabilities(proba: Floats) -> Values:
    """Return logarithms, with zeros kept finite."""
    return np.log(np.maximum(proba.astype(np.float64), PROBABILITY_CLIP))


class PoolLoss:
    """The mean log loss of a log-linear pool with its ridge, as a function of the weights and the biases.

    Parameters
    ----------
    proba : (M, N, C)
    labels : (N,)
    sample_weight : (N,)
    ridge : float
    n_biases : int
        C, or 0 for a pool without biases.
    n_rows : int or None
        Rows that the prior on the sum of the weights counts as, by default N.
    """

    def __init__(
        self,
        proba: Floats,
        labels: Labels,
        sample_weight: Values,
        ridge: float,
        n_biases: int,
        n_rows: int | None = None,
    ) -> None:
        self.proba, self.labels, self.ridge, self.n_biases = proba, labels, ridge, n_biases
        self.share = sample_weight / sample_weight.sum()
        self.n_rows = len(labels) if n_rows is None else n_rows
        self.prior = 1.0 / (2.0 * PRIOR_SPREAD**2 * self.n_rows)
        self.spans = row_spans(len(labels), proba.size)
        # The logarithms of many are taken again in every step.
        self.kept = list(self._blocks(self.spans[0])) if len(self.spans) == 1 else None

    @property
    def start(self) -> Values:
        """The geometric mean, without biases."""
        n_members = len(self.proba)
        return np.concatenate([np.full(n_members, 1.0 / n_members), np.zeros(self.n_biases)])

    def value(self, point: Values) -> float:
        """Return the loss at some weights and biases."""

        def of_span(span: slice) -> float:
            return sum(self._block_loss(point, *block)[0] for block in self.blocks(span))

        return self.penalty(point) + sum(side_by_side(of_span, self.spans))

    def expand(self, point: Values) -> Expansion:
        r"""Return the loss with its derivatives.

        With the features :math:`z_{ic}` of class c in row i (the members' logarithms, and the class's indicator) and
        :math:`\bar z_i = \sum_c p_{ic} z_{ic}`, the gradient is the mean of :math:`\bar z_i - z_{i y_i}`, and the
        Hessian that of :math:`\sum_c p_{ic} z_{ic} z_{ic}^\top - \bar z_i \bar z_i^\top`.
        """
        n_members = len(self.proba)
        centred = point[:n_members] - point[:n_members].mean()
        every = np.arange(len(point))

        def of_span(span: slice) -> tuple[float, Values, Values, list[tuple[Values, Values]]]:
            value, gradient, whole = 0.0, np.zeros(len(point)), np.zeros((len(point), len(point)))
            pooled: list[tuple[Values, Values]] = []
            for rows, logs in self.blocks(span):
                share, labels = self.share[rows], self.labels[rows]
                loss, proba = self._block_loss(point, rows, logs)
                mean = np.einsum("mcn,cn->mn", logs, proba)
                value += loss
                gradient[:n_members] += mean.sum(axis=1) - logs[:, labels, np.arange(len(labels))].dot(share)
                if self.n_biases:
                    gradient[n_members:] += proba.sum(axis=1) - np.bincount(labels, share, self.n_biases)
                if self.kept is None:
                    # Logarithms that are not kept would be taken again.
                    whole += self._block_hessian(rows, logs, proba, mean, every)
                else:
                    pooled.append((proba, mean))
            return value, gradient, whole, pooled

        values, gradients, wholes, of_spans = zip(*side_by_side(of_span, self.spans), strict=True)
        value = self.penalty(point) + sum(values)
        gradient = 2 * self.ridge * np.concatenate([centred, point[n_members:]])
        gradient[:n_members] += 2 * self.prior * (point[:n_members].sum() - 1)
        gradient += sum(gradients)
        whole = self._penalty_hessian(every) + sum(wholes)

        def hessian(free: Rows) -> Values:
            if self.kept is None:
                return np.asarray(whole[np.ix_(free, free)])
            found = self._penalty_hessian(free)
            for (rows, logs), (proba, mean) in zip(self.kept, of_spans[0], strict=True):
                found += self._block_hessian(rows, logs, proba, mean, free)
            return found

        return Expansion(value, gradient, hessian)

    def _penalty_hessian(self, free: Rows) -> Values:
        """Return the ridge's part of the Hessian in some of the variables, (f, f)."""
        n_weights = int((free < len(self.proba)).sum())
        hessian = 2 * self.ridge * np.eye(len(free))
        hessian[:n_weights, :n_weights] += 2 * self.prior - 2 * self.ridge / len(self.proba)
        return hessian

    def _block_hessian(self, rows: slice, logs: Values, proba: Values, mean: Values, free: Rows) -> Values:
        """Return what some rows add to the Hessian in some of the variables, (f, f).

        ``proba`` as `_block_loss` returns it, and ``mean`` the mean logarithms under it, (M, n).
        """
        n_members, share = len(logs), self.share[rows]
        weights, biases = free[free < n_members], free[free >= n_members] - n_members
        n_weights, features = len(weights), flat(logs)
        if n_weights < n_members:
            mean, features = mean[weights], features[weights]
        hessian = np.empty((len(free), len(free)))
        if n_weights < SYMMETRIC_FROM:
            products = (features * proba.ravel(order="K")).dot(features.T)
        else:
            rooted = features * np.sqrt(proba.ravel(order="K"))
            products = rooted.dot(rooted.T)
        hessian[:n_weights, :n_weights] = products - (mean / share).dot(mean.T)
        if len(biases):
            proba = proba[biases]
            both = np.einsum("mcn,cn->mc", logs[np.ix_(weights, biases)], proba)
            hessian[:n_weights, n_weights:] = both - (mean / share).dot(proba.T)
            hessian[n_weights:, :n_weights] = hessian[:n_weights, n_weights:].T
            hessian[n_weights:, n_weights:] = np.diag(proba.sum(axis=1)) - (proba / share).dot(proba.T)
        return hessian

    def penalty(self, point: Values) -> float:
        """Return the ridge's part of the loss."""
        weights, biases = point[: len(self.proba)], point[len(self.proba) :]
        spread = ((weights - weights.mean()) ** 2).sum() + (biases**2).sum()
        return float(self.ridge * spread + self.prior * (weights.sum() - 1) ** 2)

    def blocks(self, span: slice) -> Iterable[tuple[slice, Values]]:
        """Return the rows of a span, all of them where logarithms are kept, in blocks of n with their (M, C, n)."""
        return self._blocks(span) if self.kept is None else self.kept

    def _blocks(self, span: slice) -> Iterator[tuple[slice, Values]]:
        n_members, _, n_classes = self.proba.shape
        few, n_values = n_classes <= FEW_CLASSES, n_members * n_classes
        if few:
            # Rows come last in memory: sums over classes are then long additions, not many short ones.
            n_values = min(n_values, BLOCK_VALUES // FEWEST_BLOCK_ROWS)
        for part in row_blocks(span.stop - span.start, n_values):
            rows = slice(span.start + part.start, span.start + part.stop)
            proba = self.proba[:, rows]
            logs = (proba.transpose(0, 2, 1) if few else proba).astype(np.float64, order="C")
            np.maximum(logs, PROBABILITY_CLIP, out=logs)
            np.log(logs, out=logs)
            yield rows, logs if few else logs.transpose(0, 2, 1)

    def _block_loss(self, point: Values, rows: slice, logs: Values) -> tuple[float, Values]:
        """Return the loss of some rows, and their pooled probabilities times what each row counts, (C, n)."""
        share, labels = self.share[rows], self.labels[rows]
        n_members = len(logs)
        scores = np.empty_like(logs[0])
        # Both in the order of memory.
        scores.ravel(order="K")[:] = point[:n_members].dot(flat(logs))
        if self.n_biases:
            scores += point[n_members:, None]
        true = scores[labels, np.arange(len(labels))]
        largest = scores.max(axis=0)
        scores -= largest
        np.exp(scores, out=scores)
        total = scores.sum(axis=0)
        scores *= share / total
        return float(share @ (largest + np.log(total) - true)), scores


def flat(logs: Values) -> Values:
    """Return (M, C, n) logarithms as M rows in the order of memory, which copies nothing."""
    return logs.ravel(order="K").reshape(len(logs), -1)


def near_start(loss: PoolLoss, low: Values, high: Values) -> Values:
    """Return a start near which few steps are left: of many rows, the minimum over one of eight of them.

    Of few rows it is the geometric mean; of many members, or before that minimum, the best multiple of it.
    """
    n_drawn = len(loss.labels) // START_SHARE
    if n_drawn < FEWEST_START_ROWS:
        return loss.start if len(loss.proba) < MANY_MEMBERS else equal_weights(loss)
    drawn = np.sort(np.random.default_rng(0).permutation(len(loss.labels))[:n_drawn])
    some = PoolLoss(loss.proba[:, drawn], loss.labels[drawn], loss.share[drawn], loss.ridge, loss.n_biases, loss.n_rows)
    return minimise(some.expand, some.value, equal_weights(some), low, high).point


def equal_weights(loss: PoolLoss) -> Values:
    """Return the best of the points at which all weights are equal and there are no biases."""
    mean = np.empty(loss.proba.shape[1:])
    for rows, logs in loss.blocks(slice(0, len(mean))):
        mean[rows] = np.exp(logs.mean(axis=0)).T
    alone = PoolLoss(mean[None], loss.labels, loss.share, loss.ridge, 0, loss.n_rows)
    total = minimise(alone.expand, alone.value, alone.start, np.zeros(1), np.full(1, LARGEST_WEIGHT)).point
    return loss.start * total

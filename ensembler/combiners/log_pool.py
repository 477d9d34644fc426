"""The log-linear pool: a product of the members' probabilities, each to a power that is fitted."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ensembler.arrays import Floats, Labels, Values, row_blocks, softmax
from ensembler.combiners._box_newton import Expansion, minimise
from ensembler.combiners.base import Combiner, check_weights, is_number, require, sum_contributions
from ensembler.combiners.fitted_state import Kind, Numbers
from ensembler.combiners.product_rule import PROBABILITY_CLIP
from ensembler.errors import FitWarning
from ensembler.parallel.blas import one_blas_thread

LARGEST_WEIGHT = 10.0
"""On separable rows the weights would grow without end."""
PRIOR_SPREAD = 2.0
"""Before any row is seen, the sum of the weights is expected at 1 ± 2."""
KEPT_VALUES = 1 << 26
"""So many logarithms are kept during a fit; more are taken again in every step."""


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

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        loss = PoolLoss(proba, labels, sample_weight, self.ridge, n_biases=self.n_classes_ if self.bias else 0)
        high = np.full(len(loss.start), LARGEST_WEIGHT)
        low = -high
        if not self.signed:
            low[: self.n_members_] = 0.0
        result = one_blas_thread(minimise)(loss.expand, loss.value, loss.start, low, high)
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
    """

    def __init__(self, proba: Floats, labels: Labels, sample_weight: Values, ridge: float, n_biases: int) -> None:
        self.proba, self.labels, self.ridge, self.n_biases = proba, labels, ridge, n_biases
        self.share = sample_weight / sample_weight.sum()
        self.prior = 1.0 / (2.0 * PRIOR_SPREAD**2 * len(labels))
        self.kept = list(self._blocks()) if proba.size <= KEPT_VALUES else None

    @property
    def start(self) -> Values:
        """The geometric mean, without biases."""
        n_members = len(self.proba)
        return np.concatenate([np.full(n_members, 1.0 / n_members), np.zeros(self.n_biases)])

    def value(self, point: Values) -> float:
        """Return the loss at some weights and biases."""
        return self.penalty(point) + sum(self._block_value(point, *block) for block in self.blocks())

    def expand(self, point: Values) -> Expansion:
        r"""Return the loss with its derivatives.

        With the features :math:`z_{ic}` of class c in row i (the members' logarithms, and the class's indicator) and
        :math:`\bar z_i = \sum_c p_{ic} z_{ic}`, the gradient is the mean of :math:`\bar z_i - z_{i y_i}`, and the
        Hessian that of :math:`\sum_c p_{ic} z_{ic} z_{ic}^\top - \bar z_i \bar z_i^\top`.
        """
        n_members = len(self.proba)
        centred = point[:n_members] - point[:n_members].mean()
        value = self.penalty(point)
        gradient = 2 * self.ridge * np.concatenate([centred, point[n_members:]])
        hessian = 2 * self.ridge * np.eye(len(point))
        hessian[:n_members, :n_members] += 2 * self.prior - 2 * self.ridge / n_members
        gradient[:n_members] += 2 * self.prior * (point[:n_members].sum() - 1)
        for rows, features in self.blocks():
            n_rows, _, n_features = features.shape
            share, labels = self.share[rows], self.labels[rows]
            scores = features @ point
            value += float(share @ (logsumexp(scores) - scores[np.arange(n_rows), labels]))
            weighted = (softmax(scores) * share[:, None])[:, :, None] * features
            mean = weighted.sum(axis=1)
            true = features[np.arange(n_rows), labels]
            gradient += mean.sum(axis=0) - share @ true
            hessian += features.reshape(-1, n_features).T.dot(weighted.reshape(-1, n_features))
            hessian -= mean.T @ (mean / share[:, None])
        return Expansion(value, gradient, hessian)

    def penalty(self, point: Values) -> float:
        """Return the ridge's part of the loss."""
        weights, biases = point[: len(self.proba)], point[len(self.proba) :]
        spread = ((weights - weights.mean()) ** 2).sum() + (biases**2).sum()
        return float(self.ridge * spread + self.prior * (weights.sum() - 1) ** 2)

    def blocks(self) -> Iterable[tuple[slice, Values]]:
        """Return the rows in blocks, each with its features (n, C, M) or (n, C, M + C)."""
        return self._blocks() if self.kept is None else self.kept

    def _blocks(self) -> Iterator[tuple[slice, Values]]:
        n_members, n_samples, n_classes = self.proba.shape
        for rows in row_blocks(n_samples, n_classes * (n_members + self.n_biases)):
            logs = np.ascontiguousarray(np.moveaxis(log_probabilities(self.proba[:, rows]), 0, 2))
            if not self.n_biases:
                yield rows, logs
                continue
            indicators = np.broadcast_to(np.eye(n_classes), (len(logs), n_classes, n_classes))
            yield rows, np.concatenate([logs, indicators], axis=2)

    def _block_value(self, point: Values, rows: slice, features: Values) -> float:
        scores = features @ point
        return float(self.share[rows] @ (logsumexp(scores) - scores[np.arange(len(scores)), self.labels[rows]]))


def logsumexp(scores: Values) -> Values:
    """Return the logarithm of the sum of exponentials over the last axis."""
    largest = scores.max(axis=-1)
    return np.asarray(largest + np.log(np.exp(scores - largest[..., None]).sum(axis=-1)))

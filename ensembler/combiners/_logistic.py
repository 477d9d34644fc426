r"""Multinomial logistic regression with a ridge, to the last digits.

.. math::
    \min_{A, b}\; -\sum_i \frac{v_i}{V} \log p_{y_i}(x_i) + \frac{1}{2 C V} \sum_{kf} A_{kf}^2, \qquad
    p_k(x) \propto e^{A_k x + b_k}

with row weights :math:`v` of sum :math:`V`; of two classes the first has no coefficients. These are the objective and
the optimum of scikit-learn's ``LogisticRegression(C)``. The logarithms of several members' probabilities resemble one
another, so the loss is a long narrow valley; quasi-Newton steps cross it in coordinates in which it is nearly round,
those of the Cholesky factor of its Hessian nearby. A few dozen evaluations are left of hundreds.

Products are written ``a.dot(b)``, not ``a @ b``, during which NumPy keeps other threads waiting where the result is
small; folds are fitted side by side.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np

from ensembler.arrays import Labels, Rows, Values

MOST_COEFFICIENTS = 2048
"""More of them stay in the coordinates they have: a Hessian of 32 MB is the largest that pays."""
FEWEST_HESSIAN_ROWS, MOST_HESSIAN_ROWS, HESSIAN_SHARE = 600, 4096, 8
"""One of eight rows, within these limits, is what a Hessian is made of: as coordinates, that does as well as all."""
FLAT = 1e-8
"""Added to the Hessian's diagonal, since equal steps of all intercepts change nothing."""
TOLERANCE = 1e-7
"""The largest slope at which quasi-Newton steps stop: below it, the loss tells no step from another."""
SEARCH_TOLERANCE = 1e-5
"""The largest slope at which strengths are compared: it changes their losses by less than 1e-4."""
SEARCH_LOSS = 1e-5
"""By how much a loss may be above its minimum where strengths are compared, as far as the ridge alone bounds it."""
FINAL_TOLERANCE = 2e-9
LAST_STEPS = 30
"""Steps by the slope alone that follow, until it is ``FINAL_TOLERANCE``: some 1e-8 of a probability."""
CONVERGED = 10.0
"""The largest slope of an optimum, as a multiple of the tolerance."""
MOST_ITERATIONS = 1000


class Optimum(NamedTuple):
    """Coefficients with the intercepts as their last column, (K, F + 1), and whether the slope says that they are."""

    coefficients: Values
    converged: bool


@dataclass(frozen=True)
class LogisticRows:
    """The rows a logistic regression is fitted on, transposed: sums over rows are then along memory.

    Attributes
    ----------
    columns : (F + 1, N) float64
        The features, and a last row of ones.
    labels : (N,) int64
        Numbers of the classes, each from 0 to ``n_classes`` - 1.
    weights : (N,) float64
    n_classes : int
    """

    columns: Values
    labels: Labels
    weights: Values
    n_classes: int

    def take(self, rows: Rows) -> Self:
        """Return some of the rows."""
        columns = np.ascontiguousarray(self.columns[:, rows])
        return type(self)(columns, self.labels[rows], self.weights[rows], self.n_classes)

    def sample(self, rows: Rows) -> Self:
        """Return some of the rows, weighing together what all do, so that a strength means the same."""
        some = self.take(rows)
        return replace(some, weights=some.weights * (self.weights.sum() / some.weights.sum()))

    @property
    def n_free(self) -> int:
        """Classes with coefficients: all, or one of two."""
        return 1 if self.n_classes == 2 else self.n_classes

    @property
    def share(self) -> Values:
        """What each row weighs, summing to 1."""
        return np.asarray(self.weights / self.weights.sum())

    def ridge(self, strength: float) -> Values:
        """Return what the squares of the coefficients count, 1/(C·V), none for the intercept: (F + 1,)."""
        ridge = np.full(len(self.columns), 1.0 / (strength * self.weights.sum()))
        ridge[-1] = 0.0
        return ridge

    def log_loss(self, coefficients: Values) -> float:
        """Return the weighted mean log loss, without the ridge."""
        return _mean_loss(coefficients @ self.columns, self._targets(), self.share)[0]

    def fit(self, strength: float, start: Values, factor: Values | None, tolerance: float = TOLERANCE) -> Optimum:
        """Minimise the loss at a strength C, from ``start`` (K, F + 1), in the coordinates of ``factor``."""
        from scipy.linalg.blas import dtrsv
        from scipy.optimize import minimize

        share, targets, ridge = self.share, self._targets(), self.ridge(strength)

        def moved(step: Values) -> Values:
            return start + (step if factor is None else dtrsv(factor.T, step)).reshape(start.shape)

        def loss_and_slope(step: Values) -> tuple[float, Values]:
            at = moved(step)
            loss, residuals = _mean_loss(at.dot(self.columns), targets, share)
            slope = (residuals.dot(self.columns.T) + ridge * at).ravel()
            loss += 0.5 * float((ridge * at**2).sum())
            return loss, slope if factor is None else dtrsv(factor.T, slope, trans=1)

        options = {"gtol": tolerance, "ftol": 0.0, "maxiter": MOST_ITERATIONS, "maxfun": 2 * MOST_ITERATIONS}
        found = minimize(loss_and_slope, np.zeros(start.size), jac=True, method="L-BFGS-B", options=options)
        step, slope = found.x, found.jac
        if factor is not None and tolerance == TOLERANCE:
            step, slope = _descended(lambda at: loss_and_slope(at)[1], step)
        return Optimum(moved(step), bool(np.abs(slope).max() <= CONVERGED * tolerance))

    def tolerance(self, strength: float) -> float:
        r"""Return the slope at which a loss is near enough to its minimum to be compared, in plain coordinates.

        With a ridge of :math:`1/(C V)` on D coefficients a loss of slope g is at most :math:`D g^2 C V / 2` above it.
        """
        largest = np.sqrt(2 * SEARCH_LOSS * self.ridge(strength).max() / (self.n_free * len(self.columns)))
        return float(np.clip(largest, TOLERANCE, SEARCH_TOLERANCE))

    def curvature(self, at: Values) -> Values | None:
        """Return the Hessian of the mean loss, without the ridge, (K(F + 1), K(F + 1)); None where it is too large."""
        n_columns = len(self.columns)
        size = self.n_free * n_columns
        if size > MOST_COEFFICIENTS:
            return None
        n_rows = len(self.labels)
        wanted = min(max(n_rows // HESSIAN_SHARE, FEWEST_HESSIAN_ROWS), MOST_HESSIAN_ROWS)
        # Drawn, since in files every so many rows may be of a kind.
        drawn = np.random.default_rng(0).permutation(n_rows)[:wanted] if wanted < n_rows else np.arange(n_rows)
        some = self.take(np.sort(drawn))
        share = some.share
        proba = _mean_loss(at @ some.columns, np.zeros((self.n_free, len(share))), share)[1]
        hessian = np.empty((self.n_free, n_columns, self.n_free, n_columns))
        for one in range(self.n_free):
            for other in range(one, self.n_free):
                # Both halves of a product with its own transpose are made at once.
                weight = proba[one] * (share - proba[one] if one == other else proba[other]) / share
                half = some.columns * np.sqrt(np.maximum(weight, 0.0))
                block = half.dot(half.T)
                hessian[one, :, other] = hessian[other, :, one] = block if one == other else -block
        return hessian.reshape(size, size)

    def factor(self, curvature: Values | None, strength: float) -> Values | None:
        """Return the Cholesky factor of the Hessian with the ridge, a lower triangle."""
        if curvature is None:
            return None
        hessian = curvature + np.diag(np.tile(self.ridge(strength), self.n_free) + FLAT)
        return np.asarray(np.linalg.cholesky(hessian), dtype=np.float64)

    def _targets(self) -> Values:
        """Return a row's share at its class, (K, N)."""
        first = self.n_classes - self.n_free
        return np.asarray((self.labels == np.arange(first, self.n_classes)[:, None]) * self.share)


def _mean_loss(scores: Values, targets: Values, share: Values) -> tuple[float, Values]:
    """Return the mean log loss, and its slope by the scores (K, N); a single row of scores is that of log odds."""
    floor = 0.0 if len(scores) == 1 else -np.inf
    largest = np.maximum(scores.max(axis=0), floor)
    true = float(np.vdot(targets, scores))
    scores = scores - largest
    np.exp(scores, out=scores)
    total = scores.sum(axis=0) + np.exp(floor - largest)
    loss = float(share @ (largest + np.log(total))) - true
    scores *= share / total
    scores -= targets
    return loss, scores


def _descended(slope_at: Callable[[Values], Values], point: Values) -> tuple[Values, Values]:
    """Go down a nearly round valley without looking at heights; return the point and slope where it is flattest.

    Barzilai & Borwein 1988, doi 10.1093/imanum/8.1.141: a step is as long as the one before it should have been.
    """
    slope, length = slope_at(point), 1.0
    best = point, slope
    for _ in range(LAST_STEPS):
        if np.abs(best[1]).max() <= FINAL_TOLERANCE:
            break
        step = -length * slope
        point = point + step
        new_slope = slope_at(point)
        bend = float(step @ (new_slope - slope))
        if not bend > 0:
            break
        slope, length = new_slope, float(step @ step) / bend
        if np.abs(slope).max() < np.abs(best[1]).max():
            best = point, slope
    return best


def chosen_fit(
    rows: LogisticRows, strengths: list[float], folds: list[tuple[Rows, Rows]], searched: Rows | None = None
) -> Optimum:
    """Return the optimum at the strength that loses least on the folds; the smallest one where there are none.

    Going up along the strengths, the fit without a fold starts where it ended before, moved as those without the folds
    before it have moved. Only at the strength that is chosen are all rows fitted, from the middle of these fits, and to
    the last digits. With ``searched``, strengths are compared on these rows alone, among which the folds count.
    """
    some = rows if searched is None else rows.sample(searched)
    parts = [(some.take(train), some.take(rest)) for train, rest in folds]
    start = np.zeros((rows.n_free, len(rows.columns)))
    ends = [start] * len(folds)
    chosen, least, converged = min(strengths), np.inf, True
    for strength in sorted(strengths) if folds else []:
        factor = some.factor(some.curvature(np.mean(ends, axis=0)), strength)
        tolerance = SEARCH_TOLERANCE if factor is not None else some.tolerance(strength)
        fits: list[Optimum] = []
        moved = np.zeros((len(folds), *start.shape))
        for number, (train, _) in enumerate(parts):
            change = moved[:number].mean(axis=0) if number else 0.0
            fits.append(train.fit(strength, ends[number] + change, factor, tolerance))
            moved[number] = fits[-1].coefficients - ends[number]
        ends = [fit.coefficients for fit in fits]
        loss = float(np.mean([rest.log_loss(at) for at, (_, rest) in zip(ends, parts, strict=True)]))
        if loss < least:
            chosen, least, converged = strength, loss, all(fit.converged for fit in fits)
            start = np.mean(ends, axis=0)
    optimum = rows.fit(chosen, start, rows.factor(rows.curvature(start), chosen))
    return Optimum(optimum.coefficients, optimum.converged and converged)

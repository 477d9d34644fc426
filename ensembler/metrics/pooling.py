"""Pooling a paired difference over many prediction sets: random-effects meta-analysis."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ensembler.arrays import Values, check_sample_weight
from ensembler.errors import ShapeError, UnknownNameError, ValueRangeError
from ensembler.metrics.intervals import LEVEL, Interval
from ensembler.metrics.metric import TIED_DECIMALS
from ensembler.metrics.paired import standard_error_of_mean

NEGLIGIBLE = 10.0**-TIED_DECIMALS


@dataclass(frozen=True)
class PooledEffect:
    """What many sets say together about one difference.

    Attributes
    ----------
    effect : float
        The mean over the population of sets.
    standard_error : float
        Of the effect, by Hartung & Knapp: the one that both intervals are made from.
    interval : (float, float) or None
        Where the mean over the population of sets lies, 95 %; None for a single set.
    prediction_interval : (float, float) or None
        Where the difference on a new set will lie, 95 %; None for fewer than three sets.
    tau : float
        Standard deviation of the true differences between sets; 0 for a single set.
    n_sets : int
    """

    effect: float
    standard_error: float
    interval: Interval | None
    prediction_interval: Interval | None
    tau: float
    n_sets: int


def pool_effects(effects: ArrayLike, standard_errors: ArrayLike, method: str = "dersimonian-laird") -> PooledEffect:
    r"""Pool the effects of k sets under a random-effects model.

    Set s has the effect :math:`y_s \sim N(\mu, \tau^2 + \sigma_s^2)`. With :math:`w_s = 1/(\tau^2 + \sigma_s^2)`,

    .. math::

        \hat\mu = \frac{\sum_s w_s y_s}{\sum_s w_s}, \qquad
        \mathrm{se}^2 = \frac{\sum_s w_s (y_s - \hat\mu)^2}{(k - 1) \sum_s w_s}, \qquad
        \hat\mu \pm t_{k-1}\,\mathrm{se}, \qquad
        \hat\mu \pm t_{k-2} \sqrt{\tau^2 + \mathrm{se}^2}

    are the pooled effect, its standard error by Hartung and Knapp, its interval, and the interval that predicts the
    effect on a new set.

    Parameters
    ----------
    effects : (S,)
        One difference a set.
    standard_errors : (S,)
        Of these differences. One of 0 (two rules that agree in every row) counts as the smallest that is not.
    method : {"dersimonian-laird", "paule-mandel"}
        How :math:`\tau^2` is estimated: in one step from moments, or as the value at which
        :math:`\sum_s w_s (y_s - \hat\mu)^2 = k - 1`.

    Raises
    ------
    ShapeError, ValueRangeError
        If they are not one finite number a set, or a standard error is negative.
    UnknownNameError
        If there is no such method.

    Notes
    -----
    If all effects are equal, Hartung and Knapp's standard error is 0, as though nothing were uncertain; it is then
    the fixed-effect one, :math:`1 / \sqrt{\sum_s w_s}`, which a single set has, too.

    References
    ----------
    DerSimonian & Laird 1986, doi 10.1016/0197-2456(86)90046-2; Paule & Mandel 1982, doi 10.6028/jres.087.022;
    Hartung & Knapp 2001, doi 10.1002/sim.791; Higgins, Thompson & Spiegelhalter 2009,
    doi 10.1111/j.1467-985X.2008.00552.x (prediction interval).

    Examples
    --------
    >>> pooled = pool_effects([0.010, 0.004, 0.018, -0.002], [0.004, 0.003, 0.006, 0.005])
    >>> round(pooled.effect, 4), round(pooled.standard_error, 4), round(pooled.tau, 4)
    (0.0069, 0.0039, 0.0055)
    >>> [[round(end, 3) for end in ends] for ends in (pooled.interval, pooled.prediction_interval)]
    [[-0.006, 0.019], [-0.022, 0.036]]
    """
    y, variances = _check_effects(effects, standard_errors)
    if method not in BETWEEN_SETS:
        raise UnknownNameError("method", method, BETWEEN_SETS)
    n_sets = len(y)
    tau_squared = BETWEEN_SETS[method](y, variances) if n_sets > 1 else 0.0
    weights = 1 / (tau_squared + variances)
    effect = _weighted_mean(y, weights)
    if np.ptp(y) <= NEGLIGIBLE:
        error = float(1 / np.sqrt(weights.sum()))
    else:
        error = math.sqrt(_heterogeneity(y, weights) / ((n_sets - 1) * weights.sum()))
    return PooledEffect(
        effect,
        error,
        _t_interval(effect, error, n_sets - 1),
        _t_interval(effect, math.hypot(math.sqrt(tau_squared), error), n_sets - 2),
        math.sqrt(tau_squared),
        n_sets,
    )


def difference_of_shares(better: float, worse: float, n_rows: float) -> tuple[float, float]:
    r"""Return the difference of two shares of the same N rows, and its standard error.

    With b rows that only the first is right about and c that only the second is, the difference is
    :math:`(b - c)/N`. Its variance is that of one more discordant row each way, so that it is never 0:

    .. math:: \mathrm{se}^2 = \frac{(b + 1) + (c + 1) - ((b + 1) - (c + 1))^2 / N}{N^2}

    Parameters
    ----------
    better, worse : float
        b and c: counts, or sums of weights with mean 1.
    n_rows : float

    Raises
    ------
    ValueRangeError
        If b or c is negative, or both are more than there are rows.

    Examples
    --------
    >>> difference_of_shares(30, 20, 1000)
    (0.01, 0.007204165461731151)
    """
    if not (n_rows > 0 and better >= 0 and worse >= 0 and better + worse <= n_rows * (1 + NEGLIGIBLE)):
        raise ValueRangeError(
            f"discordant rows are {better:g} and {worse:g} of {n_rows:g}, expected numbers >= 0, together at most all"
        )
    variance = (better + worse + 2 - (better - worse) ** 2 / n_rows) / n_rows**2
    return (better - worse) / n_rows, math.sqrt(variance)


def difference_of_means(
    differences: ArrayLike, sample_weight: ArrayLike | None = None, groups: NDArray[Any] | None = None
) -> tuple[float, float]:
    r"""Return the mean of one paired difference a row (of losses, say), and its standard error.

    The standard error is :math:`\mathrm{sd}/\sqrt{N}`; with groups, of sums over whole groups: see
    `ensembler.metrics.paired.standard_error_of_mean`. It is 0 where all rows differ by the same.

    Parameters
    ----------
    differences : (N,)
    sample_weight, groups : (N,), optional
        Rows count by their weight; rows of one group are not independent.

    Raises
    ------
    ShapeError, ValueRangeError
        If they are not one finite number a row, or there is only one group, which has no spread.

    Examples
    --------
    >>> difference_of_means([0.5, 0.25, -0.25, 0.5])
    (0.25, 0.15309310892394862)
    """
    array = _check_vector(differences, "differences", "row")
    weights = None if sample_weight is None else check_sample_weight(sample_weight, len(array))
    if groups is not None:
        if np.shape(groups) != array.shape:
            raise ShapeError(f"groups have shape {np.shape(groups)}, expected {array.shape}: one a row")
        if len(np.unique(groups)) < 2:
            raise ValueRangeError("groups hold 1 group, expected at least 2; without groups each row is one")
    return float(np.average(array, weights=weights)), standard_error_of_mean(array, weights, groups)


def _check_vector(values: ArrayLike, subject: str, unit: str) -> Values:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not len(array):
        raise ShapeError(f"{subject} has shape {array.shape}, expected one number a {unit}, and at least one {unit}")
    bad = np.flatnonzero(~np.isfinite(array))
    if len(bad):
        raise ValueRangeError(f"{subject}: {unit} {bad[0]} is {array[bad[0]]}, expected finite numbers; leave it out")
    return array


def _check_effects(effects: ArrayLike, standard_errors: ArrayLike) -> tuple[Values, Values]:
    """Return effects and their variances, none of which is 0."""
    y = _check_vector(effects, "effects", "set")
    errors = _check_vector(standard_errors, "standard_errors", "set")
    if len(y) != len(errors):
        raise ShapeError(f"standard_errors has {len(errors)} sets, effects has {len(y)}; expected one each")
    if errors.min() < 0:
        place = int(np.flatnonzero(errors < 0)[0])
        raise ValueRangeError(f"standard_errors: set {place} is {errors[place]:g}, expected numbers >= 0")
    positive = errors > NEGLIGIBLE
    smallest = errors[positive].min() if positive.any() else NEGLIGIBLE
    return y, np.where(positive, errors, smallest) ** 2


def _weighted_mean(y: Values, weights: Values) -> float:
    return float(weights @ y / weights.sum())


def _heterogeneity(y: Values, weights: Values) -> float:
    """Return Cochran's Q, the weighted sum of squares about the weighted mean."""
    return float(weights @ (y - _weighted_mean(y, weights)) ** 2)


def _dersimonian_laird(y: Values, variances: Values) -> float:
    weights = 1 / variances
    excess = _heterogeneity(y, weights) - (len(y) - 1)
    return max(0.0, excess / float(weights.sum() - (weights**2).sum() / weights.sum()))


def _paule_mandel(y: Values, variances: Values) -> float:
    from scipy.optimize import brentq

    def excess(tau_squared: float) -> float:
        return _heterogeneity(y, 1 / (tau_squared + variances)) - (len(y) - 1)

    if excess(0.0) <= 0:
        return 0.0
    # Were there no errors within sets, the variance between them would be the sample variance: it is never larger.
    highest = float(y.var(ddof=1))
    if excess(highest) >= 0:
        return highest
    return float(brentq(excess, 0.0, highest, xtol=1e-12 * highest))


BETWEEN_SETS: dict[str, Callable[[Values, Values], float]] = {
    "dersimonian-laird": _dersimonian_laird,
    "paule-mandel": _paule_mandel,
}
"""Estimators of the variance between sets from effects and their variances."""


def _t_interval(centre: float, error: float, degrees: int) -> Interval | None:
    from scipy.special import stdtrit

    if degrees < 1:
        return None
    reach = float(stdtrit(degrees, (1 + LEVEL) / 2)) * error
    return centre - reach, centre + reach

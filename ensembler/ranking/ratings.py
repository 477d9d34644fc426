"""Bradley–Terry ratings of rules, by which of two is better on each prediction set."""

import math

import numpy as np
from numpy.typing import ArrayLike

from ensembler.arrays import Values
from ensembler.errors import ParameterError, ShapeError, ValueRangeError, argument
from ensembler.metrics.bootstrap import FEWEST_RESAMPLES, bootstrap_counts
from ensembler.metrics.intervals import percentile_interval
from ensembler.ranking.ranks import check_values

ELO_SCALE = 400 / math.log(10)
ELO_MEAN = 1000.0
RESAMPLES = 1000
RIDGE = 1e-6
CONVERGED = 1e-9
ROUNDING = 1e-12
STEPS, HALVINGS = 100, 30


def pairwise_wins(values: ArrayLike, weights: ArrayLike | None = None) -> Values:
    """Return how often each rule is better than each other one: 1 a set, ½ where they tie.

    Parameters
    ----------
    values : (S, R)
        More is better; values that agree to 12 decimals tie. A set on which a rule is NaN, as it could not run, does
        not count for the pairs of that rule.
    weights : (S,), optional
        How much each set counts, 1 by default.

    Returns
    -------
    (R, R) float64
        Wins of the rule of the row over that of the column; 0 on the diagonal.

    Raises
    ------
    ShapeError, ValueRangeError
        If values are not (S, R), or weights not one finite number >= 0 a set.

    Examples
    --------
    >>> pairwise_wins([[0.9, 0.8, 0.8], [0.7, 0.6, np.nan]])
    array([[0. , 2. , 1. ],
           [0. , 0. , 0.5],
           [0. , 0.5, 0. ]])
    """
    by_set = _wins_by_set(check_values(values))
    counts = np.ones(len(by_set)) if weights is None else np.asarray(weights, dtype=np.float64)
    if counts.shape != (len(by_set),):
        raise ShapeError(f"weights has shape {counts.shape}, expected ({len(by_set)},): one number a set")
    if not (np.isfinite(counts) & (counts >= 0)).all():
        raise ValueRangeError(f"weights is {counts.tolist()}, expected finite numbers >= 0")
    return np.asarray(np.tensordot(counts, by_set, axes=1))


def bradley_terry(wins: ArrayLike) -> Values:
    r"""Return the ratings by which rule i beats rule j with probability :math:`1 / (1 + 10^{(r_j - r_i)/400})`.

    With :math:`r = 1000 + \frac{400}{\ln 10}\,\theta`, they maximise

    .. math:: \sum_{ij} W_{ij} \ln \frac{1}{1 + e^{\theta_j - \theta_i}} - \frac{\lambda}{2} \sum_i \theta_i^2

    by Newton's method. The ridge of :math:`\lambda = 10^{-6}` keeps a rule that always wins finite, though far off, and
    gives groups of rules that were never compared with each other the same mean; it hardly changes other ratings.

    Parameters
    ----------
    wins : (..., R, R)
        Of the rule of the row over that of the column, ties being half a win each: see `pairwise_wins`. The diagonal
        is not read.

    Returns
    -------
    (..., R) float64
        On the Elo scale, of mean 1000; NaN for a rule that was compared with no other.

    Raises
    ------
    ShapeError, ValueRangeError
        If wins are not square, finite and >= 0.

    References
    ----------
    Bradley & Terry 1952, doi 10.2307/2334029.

    Examples
    --------
    A rule that wins three of four times is :math:`400 \log_{10} 3` better.

    >>> bradley_terry([[0, 3], [1, 0]]).round(2).tolist()
    [1095.42, 904.58]
    """
    array = np.asarray(wins, dtype=np.float64)
    if array.ndim < 2 or array.shape[-1] != array.shape[-2]:
        raise ShapeError(f"wins has shape {array.shape}, expected (..., rules, rules)")
    if not (np.isfinite(array) & (array >= 0)).all():
        raise ValueRangeError("wins hold negative or infinite numbers or nan, expected finite numbers >= 0")
    n_rules = array.shape[-1]
    between_two = np.where(np.eye(n_rules, dtype=bool), 0.0, array)
    strengths = _newton(between_two.reshape(-1, n_rules, n_rules)).reshape(array.shape[:-1])
    compared = (between_two + between_two.swapaxes(-1, -2)).sum(axis=-1) > 0
    n_compared = np.maximum(compared.sum(axis=-1, keepdims=True), 1)
    centred = strengths - (strengths * compared).sum(axis=-1, keepdims=True) / n_compared
    return np.where(compared, ELO_MEAN + ELO_SCALE * centred, np.nan)


def ratings(values: ArrayLike, n_resamples: int = RESAMPLES, seed: int = 0) -> tuple[Values, Values]:
    """Return Bradley–Terry ratings of rules, and their 95 % bootstrap intervals over sets.

    Parameters
    ----------
    values : (S, R)
        More is better; NaN where a rule could not run.
    n_resamples, seed : int
        Bootstrap samples of the sets.

    Returns
    -------
    ratings : (R,) float64
        Of mean 1000; NaN for a rule that was compared with no other: see `bradley_terry`.
    intervals : (R, 2) float64
        Ends of the percentile intervals. Samples in which a rule was compared with no other are left out of its
        interval, which is NaN where those are more than half.

    Raises
    ------
    ShapeError
        If values are not (S, R).
    ParameterError
        If there are fewer resamples than an interval needs.

    Examples
    --------
    >>> found, intervals = ratings([[0.9, 0.8], [0.7, 0.6], [0.5, 0.6], [0.8, 0.7]])
    >>> found.round(1).tolist()
    [1095.4, 904.6]
    """
    check_resamples(n_resamples)
    array = check_values(values)
    by_set = _wins_by_set(array)
    blocks = bootstrap_counts(len(array), n_resamples, seed)
    resampled = np.concatenate([bradley_terry(np.tensordot(block, by_set, axes=1)) for block in blocks])
    intervals = [percentile_interval(of_rule) or (np.nan, np.nan) for of_rule in resampled.T]
    return bradley_terry(by_set.sum(axis=0)), np.array(intervals)


def check_resamples(n_resamples: int) -> None:
    """Refuse fewer bootstrap samples than an interval needs."""
    if n_resamples < FEWEST_RESAMPLES:
        raise ParameterError(f"{argument('n_resamples')} is {n_resamples}, expected at least {FEWEST_RESAMPLES}")


def _wins_by_set(values: Values) -> Values:
    """Return (S, R, R): 1 where the rule of the row is better than that of the column, ½ where they tie, else 0."""
    first, second = values[:, :, None], values[:, None, :]
    same_rule = np.eye(values.shape[1], dtype=bool)
    return np.where(same_rule, 0.0, (first > second) + 0.5 * (first == second))


def _newton(wins: Values) -> Values:
    """Return (B, R) strengths that maximise the penalised likelihood of (B, R, R) wins, all B at once."""
    from scipy.special import expit

    identity = np.eye(wins.shape[-1])
    strengths = np.zeros(wins.shape[:-1])
    climbing = np.arange(len(wins))
    for _ in range(STEPS):
        won, current = wins[climbing], strengths[climbing]
        chance = expit(_leads(current))
        # A small chance and its complement are both exact this way: 1 - chance would lose the small one.
        surprise = won * chance.swapaxes(-1, -2)
        gradient = (surprise - surprise.swapaxes(-1, -2)).sum(axis=-1) - RIDGE * current
        information = (won + won.swapaxes(-1, -2)) * chance * chance.swapaxes(-1, -2)
        hessian = (information.sum(axis=-1)[..., None] + RIDGE) * identity - information
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        strengths[climbing] = _climb(won, current, step)
        climbing = climbing[np.abs(step).max(axis=-1) > CONVERGED]
        if not len(climbing):
            break
    return strengths


def _climb(wins: Values, strengths: Values, step: Values) -> Values:
    """Return the strengths after the step, halved where it would lower the likelihood."""
    before = _penalised_likelihood(wins, strengths)
    lowest = before - ROUNDING * np.abs(before)
    length = np.ones((len(wins), 1))
    for _ in range(HALVINGS):
        falls = _penalised_likelihood(wins, strengths + length * step) < lowest
        if not falls.any():
            break
        length[falls] /= 2
    return strengths + length * step


def _penalised_likelihood(wins: Values, strengths: Values) -> Values:
    likelihood = -(wins * np.logaddexp(0.0, -_leads(strengths))).sum(axis=(-2, -1))
    return np.asarray(likelihood - RIDGE / 2 * (strengths**2).sum(axis=-1))


def _leads(strengths: Values) -> Values:
    """Return (B, R, R): by how much the rule of the row is stronger than that of the column."""
    return strengths[:, :, None] - strengths[:, None, :]

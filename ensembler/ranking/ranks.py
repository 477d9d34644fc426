"""Ranks of rules over prediction sets, and whether they could all be equally good.

Values are (S, R): sets, rules; more is better. Values that agree to 12 decimals are tied.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ensembler.arrays import Values
from ensembler.errors import ParameterError, ShapeError, ValueRangeError
from ensembler.metrics import TIED_DECIMALS


@dataclass(frozen=True)
class Friedman:
    """Whether any of several rules differ in rank.

    Attributes
    ----------
    statistic, p_value : float
        Friedman's chi-squared, corrected for ties, and its p-value with k − 1 degrees of freedom.
    iman_davenport, p_iman_davenport : float or None
        Iman and Davenport's F, which is less conservative, and its p-value with k − 1 and (k − 1)(n − 1) degrees of
        freedom; None where all sets rank the rules alike, so that F is infinite, and for a single set.
    """

    statistic: float
    p_value: float
    iman_davenport: float | None
    p_iman_davenport: float | None


def mean_ranks(values: ArrayLike) -> Values:
    """Return the mean rank of each rule over sets: rank 1 is best, and tied rules share the mean of their ranks.

    Parameters
    ----------
    values : (S, R)
        More is better.

    Returns
    -------
    (R,) float64
        Their mean is (R + 1)/2.

    Raises
    ------
    ShapeError, ValueRangeError
        If there is no set or no rule, or a rule has no value on a set: it has no rank there.

    Examples
    --------
    >>> mean_ranks([[0.9, 0.8, 0.8], [0.7, 0.6, 0.9]]).tolist()
    [1.5, 2.75, 1.75]
    """
    return np.asarray(_ranks(values).mean(axis=0))


def friedman(values: ArrayLike) -> Friedman:
    r"""Test that k rules have the same rank, by n sets.

    With the rank :math:`r_{sj}` of rule j on set s, of mean :math:`\bar r = (k + 1)/2`, and the rank sums :math:`R_j`,

    .. math::

        \chi^2 = \frac{(k - 1) \sum_j (R_j - n \bar r)^2}{\sum_{sj} (r_{sj} - \bar r)^2}, \qquad
        F = \frac{(n - 1)\,\chi^2}{n (k - 1) - \chi^2}

    The denominator makes the correction for ties; without them :math:`\chi^2` is
    :math:`\frac{12}{n k (k + 1)} \sum_j R_j^2 - 3 n (k + 1)`. If all rules tie on all sets, both are 0.

    Parameters
    ----------
    values : (S, R)
        More is better.

    Raises
    ------
    ShapeError, ValueRangeError
        If there are fewer than two rules, or a rule has no value on a set.

    References
    ----------
    Friedman 1937, doi 10.1080/01621459.1937.10503522; Iman & Davenport 1980, doi 10.1080/03610928008827904;
    Demšar 2006, https://jmlr.org/papers/v7/demsar06a.html.

    Examples
    --------
    >>> found = friedman([[0.9, 0.8, 0.7], [0.6, 0.5, 0.4], [0.7, 0.8, 0.6], [0.9, 0.8, 0.5]])
    >>> round(found.statistic, 3), round(found.p_value, 3)
    (6.5, 0.039)
    >>> round(found.iman_davenport, 3), round(found.p_iman_davenport, 4)
    (13.0, 0.0066)
    """
    from scipy.stats import chi2, f

    ranks = _ranks(values)
    n_sets, n_rules = ranks.shape
    if n_rules < 2:
        raise ShapeError(f"values has {n_rules} rule, expected at least 2")
    deviations = ranks - (n_rules + 1) / 2
    # Mid-ranks are halves, so that both sums are exact, and with them whether the denominator of F is 0.
    between, total = float((deviations.sum(axis=0) ** 2).sum()), float((deviations**2).sum())
    statistic = (n_rules - 1) * between / total if total else 0.0
    p_value = float(chi2.sf(statistic, n_rules - 1))
    if n_sets < 2 or (total and n_sets * total == between):
        return Friedman(statistic, p_value, None, None)
    iman_davenport = (n_sets - 1) * between / (n_sets * total - between) if total else 0.0
    degrees = n_rules - 1, (n_rules - 1) * (n_sets - 1)
    return Friedman(statistic, p_value, iman_davenport, float(f.sf(iman_davenport, *degrees)))


def critical_difference(n_rules: int, n_sets: int, alpha: float = 0.05) -> float:
    r"""Return by how much two of k mean ranks over n sets must differ to be significant (Nemenyi).

    :math:`\mathrm{CD} = q_\alpha \sqrt{k (k + 1) / (6 n)}`, where :math:`q_\alpha` is the upper quantile of the
    studentised range of k normal variables, divided by :math:`\sqrt 2`.

    Parameters
    ----------
    n_rules, n_sets : int
    alpha : float
        Probability that any two of k equal rules differ by so much.

    Raises
    ------
    ParameterError

    References
    ----------
    Nemenyi 1963; Demšar 2006, https://jmlr.org/papers/v7/demsar06a.html, equation 5 and table 5.

    Examples
    --------
    >>> round(critical_difference(4, 14), 2)
    1.25
    """
    from scipy.stats import studentized_range

    if n_rules < 2 or n_sets < 1:
        raise ParameterError(f"got {n_rules} rules and {n_sets} sets, expected at least 2 rules and 1 set")
    if not 0 < alpha < 1:
        raise ParameterError(f"alpha is {alpha:g}, expected a number between 0 and 1")
    quantile = float(studentized_range.ppf(1 - alpha, n_rules, np.inf)) / math.sqrt(2)
    return quantile * math.sqrt(n_rules * (n_rules + 1) / (6 * n_sets))


def cluster_means(values: ArrayLike, clusters: Sequence[str]) -> Values:
    """Return the mean over the sets of each cluster, so that sets that share rows enter once.

    Parameters
    ----------
    values : (S, ...)
        NaN where a rule could not run; the mean is over the sets on which it could, NaN if there are none.
    clusters : S names
        Sets of the same name are one cluster.

    Returns
    -------
    (K, ...) float64
        In the order in which the clusters first appear.

    Raises
    ------
    ShapeError
        If there is not one name a set.

    Examples
    --------
    >>> cluster_means([[0.75, 0.5], [0.25, np.nan], [1.0, 1.0]], ["wine", "wine", "iris"]).tolist()
    [[0.5, 0.5], [1.0, 1.0]]
    """
    array = np.asarray(values, dtype=np.float64)
    if not array.ndim or len(array) != len(clusters):
        raise ShapeError(f"clusters has {len(clusters)} names, values has shape {array.shape}; expected one name a set")
    names = list(dict.fromkeys(clusters))
    means = np.full((len(names), *array.shape[1:]), np.nan)
    for place, name in enumerate(names):
        members = array[[cluster == name for cluster in clusters]]
        counts = (~np.isnan(members)).sum(axis=0)
        np.divide(np.nansum(members, axis=0), counts, out=means[place, ...], where=counts > 0)
    return means


def check_values(values: ArrayLike) -> Values:
    """Return values as an (S, R) float64 array in which tied ones are equal, or raise what is wrong with its shape."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or 0 in array.shape:
        raise ShapeError(f"values has shape {array.shape}, expected (sets, rules) and at least one of each")
    return np.asarray(np.round(array, TIED_DECIMALS))


def _ranks(values: ArrayLike) -> Values:
    """Return (S, R) mid-ranks within each set, rank 1 best."""
    from scipy.stats import rankdata

    array = check_values(values)
    missing = np.argwhere(np.isnan(array))
    if len(missing):
        place, rule = missing[0]
        raise ValueRangeError(
            f"values: rule {rule} is nan on set {place}, expected a number; leave out the rule, or the set"
        )
    return np.asarray(rankdata(-array, axis=1))

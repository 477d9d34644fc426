"""Comparing classifiers on the same rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Correct, Values
from ensembler.metrics.intervals import Interval

ALPHA, POWER = 0.05, 0.8


@dataclass(frozen=True)
class Discordance:
    """How two classifiers differ on N rows: ``b`` only the first is correct about, ``c`` only the second."""

    n_rows: int
    b: int
    c: int

    @classmethod
    def of(cls, first: Correct, second: Correct) -> "Discordance":
        """Count the rows that only one is correct about."""
        return cls(len(first), int((first & ~second).sum()), int((second & ~first).sum()))

    @property
    def difference(self) -> float:
        """The first one's accuracy minus the second one's."""
        return (self.b - self.c) / self.n_rows

    @property
    def p_value(self) -> float:
        """McNemar's exact test: two-sided binomial of b among b + c; 1 where nothing differs.

        McNemar 1947, doi 10.1007/BF02295996.
        """
        from scipy.special import bdtr

        if self.b == self.c:
            return 1.0
        return float(2 * bdtr(min(self.b, self.c), self.b + self.c, 0.5))

    @property
    def smallest_detectable(self) -> float | None:
        r"""The smallest difference that so many rows show in 80 of 100 cases (two-sided, 5 %), at this discordance.

        :math:`(z_{0.975} + z_{0.8}) \sqrt{(b + c)/N^2}`; None where no row differs, or too few rows could.
        """
        from scipy.special import ndtri

        if self.b + self.c == 0:
            return None
        smallest = float((ndtri(1 - ALPHA / 2) + ndtri(POWER)) * math.sqrt(self.b + self.c) / self.n_rows)
        return smallest if smallest <= 1 else None


def is_significant(interval: Interval | None, p_value: float | None) -> bool:
    """Whether a difference is significant: its interval excludes 0, and the test, where there is one, agrees."""
    if interval is None or interval[0] <= 0 <= interval[1]:
        return False
    return p_value is None or p_value < ALPHA


def resampled_p_value(difference: float, samples: Values) -> float | None:
    r"""Return the two-sided p-value of a difference by its bootstrap samples, (B,); None where too few have one.

    The difference over the standard deviation of its samples is taken for normal, :math:`2\,\Phi(-|d| / s)`, as for
    areas under ROC curves by Robin et al. 2011, doi 10.1186/1471-2105-12-77. It is 1 for a difference of 0.

    >>> round(resampled_p_value(0.2, 0.2 + np.array([-0.1, 0.1] * 50)), 3)
    0.047
    """
    from scipy.special import ndtr

    there = samples[np.isfinite(samples)]
    if not math.isfinite(difference) or len(there) < max(2, len(samples) / 2):
        return None
    if difference == 0:
        return 1.0
    spread = float(there.std(ddof=1))
    return float(2 * ndtr(-abs(difference) / spread)) if spread else 0.0


def standard_error(first: Correct, second: Correct, groups: NDArray[Any] | None = None) -> float:
    """Return the standard error of the difference of two accuracies on the same rows.

    It is that of the mean of the differences row by row: see `standard_error_of_mean`.

    >>> standard_error(np.array([True, True, True, False]), np.array([True, False, False, True]))
    0.414578098794425
    """
    return standard_error_of_mean(first.astype(np.float64) - second, groups=groups)


def standard_error_of_mean(
    values: Values, sample_weight: Values | None = None, groups: NDArray[Any] | None = None
) -> float:
    r"""Return the standard error of the (weighted) mean of one value a row.

    With :math:`e_g` the sum over the rows of a group of weight × (value − mean), it is
    :math:`\sqrt{\sum_g e_g^2}\,/\,\sum_i w_i`; without groups each row is one, and without weights each counts 1.

    >>> standard_error_of_mean(np.array([0.0, 1.0, 0.0, 1.0]))
    0.25
    """
    spread: Values = values - np.average(values, weights=sample_weight)
    total = float(len(values))
    if sample_weight is not None:
        spread, total = sample_weight * spread, float(sample_weight.sum())
    if groups is not None:
        spread = np.asarray(np.bincount(np.unique(groups, return_inverse=True)[1], weights=spread), dtype=np.float64)
    return float(np.sqrt((spread**2).sum())) / total


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number by Holm's step-down method (1979, jstor 4615733).

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [1.0] * len(p_values)
    reached = 0.0
    for rank, index in enumerate(order):
        reached = max(reached, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = reached
    return adjusted


@dataclass(frozen=True)
class CochranQ:
    """Whether any of several classifiers differ in accuracy: the statistic, its degrees of freedom, the p-value."""

    statistic: float
    degrees: int
    p_value: float


def cochran_q(correct: Correct) -> CochranQ:
    r"""Return Cochran's test that K classifiers are equally often correct, for (K, N).

    :math:`Q = (K - 1)\,(K \sum_k G_k^2 - T^2) / (K T - \sum_i L_i^2)` with column totals G, row totals L and their sum
    T (Cochran 1950, doi 10.1093/biomet/37.3-4.256). Where no row tells them apart, Q is 0 and the p-value 1.
    """
    from scipy.special import chdtrc

    n_rules = len(correct)
    by_rule, by_row = correct.sum(axis=1).astype(float), correct.sum(axis=0).astype(float)
    total = by_rule.sum()
    spread = n_rules * total - (by_row**2).sum()
    if n_rules < 2 or spread == 0:
        return CochranQ(0.0, max(n_rules - 1, 0), 1.0)
    statistic = (n_rules - 1) * (n_rules * (by_rule**2).sum() - total**2) / spread
    return CochranQ(float(statistic), n_rules - 1, float(chdtrc(n_rules - 1, statistic)))


def compact_letter_display(differ: NDArray[np.bool_]) -> list[str]:
    """Return letters for K items such that two share one if, and only if, they are not shown to differ.

    Insert-and-absorb (Piepho 2004, doi 10.1198/1061860043515). Items should come best first.

    Parameters
    ----------
    differ : (K, K) bool, symmetric
        Which pairs are shown to differ.

    Examples
    --------
    >>> compact_letter_display(np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]], dtype=bool))
    ['a', 'ab', 'b']
    """
    n_items = len(differ)
    columns = [frozenset(range(n_items))]
    for first in range(n_items):
        for second in range(first + 1, n_items):
            if not differ[first, second]:
                continue
            parted: list[frozenset[int]] = []
            for column in columns:
                parted += [column - {first}, column - {second}] if {first, second} <= column else [column]
            columns = [column for column in dict.fromkeys(parted) if not any(column < other for other in parted)]
    columns.sort(key=sorted)
    return ["".join(letter(place) for place, column in enumerate(columns) if item in column) for item in range(n_items)]


def letter(place: int) -> str:
    """Return a, b, …, z, then a1, b1 and so on."""
    return chr(ord("a") + place % 26) + (str(place // 26) if place >= 26 else "")

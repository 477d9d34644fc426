r"""How differently members err.

Everything but Cohen's kappa is a function of which members are right about which rows. For a pair, :math:`N^{ab}` is
the share of rows about which the first is right (a = 1) or wrong (0) and the second likewise; for a row, :math:`l` is
the number of the L members that are right. What is 0/0 is NaN.

Kuncheva & Whitaker, Measures of diversity in classifier ensembles, Machine Learning 51 (2003) 181–207,
doi 10.1023/A:1022859003006.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Values

Right = NDArray[np.bool_]

MEASURES = (
    "q",
    "rho",
    "disagreement",
    "double-fault",
    "entropy",
    "kw",
    "kappa",
    "difficulty",
    "generalised",
    "coincident-failure",
)
"""The ten of the source, by the names used here."""
MORE_IS_DIVERSE = {"disagreement", "entropy", "kw", "generalised", "coincident-failure"}
"""Measures that grow with diversity; the others fall."""


def pairwise(right: Right) -> dict[str, Values]:
    r"""Return the five pairwise measures of L members, each (L, L).

    With :math:`D = N^{11}N^{00} - N^{10}N^{01}` and the accuracies a and b: disagreement :math:`N^{10} + N^{01}`;
    double fault :math:`N^{00}`; Yule's :math:`Q = D / (N^{11}N^{00} + N^{10}N^{01})`; the correlation
    :math:`\rho = D / \sqrt{a(1-a)\,b(1-b)}`; and :math:`\kappa = 2D / (a(1-a) + b(1-b))`.

    >>> float(pairwise(np.array([[1, 1, 1, 0], [1, 0, 0, 1]], dtype=bool))["disagreement"][0, 1])
    0.75
    """
    values = right.astype(np.float64)
    n_rows = right.shape[1]
    both = values @ values.T / n_rows
    share = values.mean(axis=1)
    first = share[:, None] - both
    second = share[None, :] - both
    neither = 1 - share[:, None] - share[None, :] + both
    product = both * neither - first * second
    a, b = share[:, None], share[None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "disagreement": first + second,
            "double-fault": clean(neither),
            "q": clean(product) / clean(both * neither + first * second),
            "rho": clean(product) / np.sqrt(clean(a * (1 - a) * b * (1 - b))),
            "kappa": 2 * clean(product) / clean(a * (1 - a) + b * (1 - b)),
        }


def clean(values: Values) -> Values:
    """Return values without what rounding leaves of a zero."""
    return np.where(np.abs(values) < 1e-13, 0.0, values)


def cohen_kappa(said: NDArray[np.int64], n_classes: int) -> Values:
    """Return Cohen's kappa of the predicted classes of each pair, (L, L); another measure than the pairwise kappa.

    Cohen 1960, doi 10.1177/001316446002000104.
    """
    n_members, n_rows = said.shape
    shares = np.array([np.bincount(one, minlength=n_classes) for one in said]) / n_rows
    agreed = np.array([[(said[i] == said[j]).mean() for j in range(n_members)] for i in range(n_members)])
    chance = shares @ shares.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((agreed - chance) / (1 - chance))


def mean_of_pairs(matrix: Values) -> float:
    """Return the mean over all pairs; NaN if a pair has none, or there are no pairs."""
    upper = matrix[np.triu_indices(len(matrix), 1)]
    return float(upper.mean()) if len(upper) else float("nan")


def measures(right: Right) -> dict[str, float]:
    r"""Return the ten measures of a committee of L members.

    Pairwise ones are means over pairs. With :math:`\bar p` the mean accuracy and :math:`p_i` the share of rows in which
    exactly i members fail:

    - entropy :math:`\frac1N \sum \min(l, L - l) / (L - \lceil L/2 \rceil)`
    - Kohavi–Wolpert variance :math:`\frac1{NL^2} \sum l (L - l)`
    - interrater agreement :math:`\kappa = 1 - \frac{1}{L}\sum l(L - l) \,/\, (N (L-1)\, \bar p (1 - \bar p))`
    - difficulty :math:`\theta`, the variance of :math:`l/L`
    - generalised diversity :math:`1 - \frac{\sum i(i-1)p_i / (L(L-1))}{\sum i p_i / L}`
    - coincident failure diversity :math:`\frac{1}{1 - p_0} \sum_{i \ge 1} \frac{L - i}{L - 1} p_i`, 0 if nobody fails

    >>> found = measures(np.array([[1, 1, 1, 0], [1, 0, 0, 1], [1, 1, 0, 0]], dtype=bool))
    >>> round(found["disagreement"], 4), round(found["kw"], 4), round(found["difficulty"], 4)
    (0.5, 0.1667, 0.0764)
    """
    pairs = {name: mean_of_pairs(matrix) for name, matrix in pairwise(right).items()}
    return {name: pairs[name] for name in ("q", "rho", "disagreement", "double-fault")} | of_counts(
        np.bincount(right.sum(axis=0), minlength=len(right) + 1)
    )


def of_counts(counts: NDArray[np.int64]) -> dict[str, float]:
    """Return the six measures that need no pairs, from how many rows have l right members, (L + 1,)."""
    size = len(counts) - 1
    n_rows = counts.sum()
    l = np.arange(size + 1)  # noqa: E741 - the source's name
    spread = float((counts * l * (size - l)).sum()) / n_rows
    accuracy = float((counts * l).sum()) / (size * n_rows)
    failing = counts[::-1] / n_rows
    one = float((failing * l).sum()) / size
    if size < 2:
        return dict.fromkeys(
            ("entropy", "kw", "kappa", "difficulty", "generalised", "coincident-failure"), float("nan")
        )
    two = float((failing * l * (l - 1)).sum()) / (size * (size - 1))
    uneven = accuracy * (1 - accuracy)
    found = {
        "entropy": float((counts * np.minimum(l, size - l)).sum()) / n_rows / (size - -(-size // 2)),
        "kw": spread / size**2,
        "kappa": 1 - spread / size / ((size - 1) * uneven) if uneven > 1e-13 else float("nan"),
        "difficulty": float((counts * (l / size - accuracy) ** 2).sum()) / n_rows,
        "generalised": 1 - two / one if one > 0 else float("nan"),
        "coincident-failure": float((failing[1:] * (size - l[1:])).sum()) / (size - 1) / (1 - failing[0])
        if failing[0] < 1
        else 0.0,
    }
    return {name: float(value) for name, value in found.items()}


@dataclass(frozen=True)
class Ambiguity:
    """The Brier score of the mean taken apart: ensemble = mean member − spread."""

    ensemble: float
    mean_member: float
    spread: float


def ambiguity(proba: NDArray[np.floating], labels: NDArray[np.int64]) -> Ambiguity:
    r"""Take the Brier score of the mean of L members apart.

    .. math:: \lVert \bar p - y \rVert^2
       = \frac1L \sum_m \lVert p_m - y \rVert^2 - \frac1L \sum_m \lVert p_m - \bar p \rVert^2

    averaged over rows: what members err on average, minus how far they are from their mean (Krogh & Vedelsby 1995).
    """
    mean = proba.mean(axis=0, dtype=np.float64)
    rows = np.arange(len(labels))

    def brier(one: Values) -> float:
        return float((np.einsum("nc,nc->n", one, one) - 2 * one[rows, labels] + 1).mean())

    members = [brier(member.astype(np.float64)) for member in proba]
    spread = [float(((member.astype(np.float64) - mean) ** 2).sum(axis=1).mean()) for member in proba]
    return Ambiguity(brier(mean), float(np.mean(members)), float(np.mean(spread)))

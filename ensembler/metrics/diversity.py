r"""Measures of how differently the members of an ensemble err.

Everything but Cohen's kappa is a function of which members are correct about which rows. For a pair, :math:`N^{ab}` is
the number of rows about which the first is correct (a = 1) or wrong (0) and the second likewise; for a row, :math:`l`
is the number of the L members that are correct. What is 0/0 is NaN.

Where votes are missing, a pair is measured on the rows that both have answered. Measures of a row's counts are means
over the rows that at least two have answered, with the number of those, :math:`L_i`, in place of L.

Kuncheva & Whitaker, Measures of diversity in classifier ensembles, Machine Learning 51 (2003) 181–207,
doi 10.1023/A:1022859003006.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import MISSING_VOTE, Correct, Floats, Labels, Values

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
PAIRWISE = ("q", "rho", "disagreement", "double-fault")
"""Those of the ten that are means over pairs."""
OF_ROWS = tuple(name for name in MEASURES if name not in PAIRWISE)
"""Those that need only the number of correct members in each row."""


def pairwise(correct: Correct, answered: Correct | None = None) -> dict[str, Values]:
    r"""Return the five pairwise measures of L members, each (L, L).

    With N rows, :math:`D = N^{11}N^{00} - N^{10}N^{01}` and a and b the rows that the first and the second are correct
    about: disagreement :math:`(N^{10} + N^{01}) / N`; double fault :math:`N^{00} / N`; Yule's
    :math:`Q = D / (N^{11}N^{00} + N^{10}N^{01})`; the correlation :math:`\rho = D / \sqrt{a(N-a)\,b(N-b)}`; and
    :math:`\kappa = 2D / (a(N-a) + b(N-b))`. Products and their sums are whole numbers (below 2⁶³ up to four thousand
    million rows), so that nothing cancels where errors are rare.

    Parameters
    ----------
    correct : (L, N) bool
        Which members are correct about which rows.
    answered : (L, N) bool, optional
        Which members have answered which rows; all of them by default. N is then the number of rows that both have.

    >>> float(pairwise(np.array([[1, 1, 1, 0], [1, 0, 0, 1]], dtype=bool))["disagreement"][0, 1])
    0.75
    """
    ones = correct.astype(np.float64)
    both = np.rint(ones @ ones.T).astype(np.int64)
    if answered is None:
        n_rows = np.full_like(both, correct.shape[1])
        hits = np.broadcast_to(both.diagonal()[:, None], both.shape)
    else:
        there = answered.astype(np.float64)
        n_rows = np.rint(there @ there.T).astype(np.int64)
        hits = np.rint(ones @ there.T).astype(np.int64)
    first = hits - both
    second = hits.T - both
    neither = n_rows - hits - second
    difference = both * neither - first * second
    spread = hits * (n_rows - hits)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "disagreement": (first + second) / n_rows,
            "double-fault": neither / n_rows,
            "q": difference / (both * neither + first * second),
            "rho": difference / np.sqrt(spread * spread.T.astype(np.float64)),
            "kappa": 2 * difference / (spread + spread.T),
        }


def cohen_kappa(predicted: NDArray[np.int64], n_classes: int) -> Values:
    r"""Return Cohen's kappa of the predicted classes of each pair, (L, L); another measure than the pairwise kappa.

    :math:`(o - e)/(1 - e)` with the share o of rows in which both predict the same, and the share
    :math:`e = \sum_c q_c r_c` expected of independent predictions that are as frequent. A class of -1 is a missing
    vote: only rows that both have answered count. NaN for two members that predict one and the same class in every such
    row, or have none. Cohen 1960, doi 10.1177/001316446002000104.
    """
    same, n_rows = agreement_counts(predicted)
    answered = predicted != MISSING_VOTE
    by_chance = np.zeros_like(same)
    if answered.all():
        counts = np.array([np.bincount(classes, minlength=n_classes) for classes in predicted])
        by_chance = counts @ counts.T
    else:
        for number, there in enumerate(answered):
            # How often others predict each class where this one has answered, and how often this one where they have.
            of_others = class_counts_of(predicted[:, there], answered[:, there], n_classes)
            of_this = class_counts_of(
                np.broadcast_to(predicted[number, there], (len(predicted), int(there.sum()))),
                answered[:, there],
                n_classes,
            )
            by_chance[number] = (of_others * of_this).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return (n_rows * same - by_chance) / np.where(by_chance == n_rows**2, np.nan, n_rows**2 - by_chance)


def class_counts_of(predicted: NDArray[np.int64], counting: NDArray[np.bool_], n_classes: int) -> NDArray[np.int64]:
    """Return how often each of L predicts each class in the rows that count, (L, C)."""
    cells = (np.arange(len(predicted))[:, None] * n_classes + predicted)[counting]
    return np.bincount(cells, minlength=len(predicted) * n_classes).reshape(len(predicted), n_classes)


def share_different(predicted: NDArray[np.int64]) -> Values:
    """Return the share of the rows that two members have both answered in which they differ, (L, L); NaN without any.

    >>> share_different(np.array([[0, 1, 1, -1], [0, 1, 0, 1]])).round(2).tolist()
    [[0.0, 0.33], [0.33, 0.0]]
    """
    same, n_rows = agreement_counts(predicted)
    return np.asarray((n_rows - same) / np.where(n_rows == 0, np.nan, n_rows))


def agreement_counts(predicted: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return in how many rows two members predict the same, and how many both have answered, each (L, L)."""
    answered = predicted != MISSING_VOTE
    same, n_rows = np.empty((2, len(predicted), len(predicted)), dtype=np.int64)
    for number in range(len(predicted)):
        others = slice(number, None)
        both = answered[others] & answered[number]
        n_rows[number, others] = n_rows[others, number] = np.count_nonzero(both, axis=1)
        alike = (predicted[others] == predicted[number]) & both
        same[number, others] = same[others, number] = np.count_nonzero(alike, axis=1)
    return same, n_rows


def mean_of_pairs(matrix: Values) -> float:
    """Return the mean over all pairs; NaN if a pair has none, or there are no pairs."""
    upper = matrix[np.triu_indices(len(matrix), 1)]
    return float(upper.mean()) if len(upper) else float("nan")


def measures(correct: Correct, answered: Correct | None = None) -> dict[str, float]:
    r"""Return the ten measures of a committee of L members.

    Pairwise ones are means over pairs. With :math:`\bar p` the mean accuracy and :math:`p_i` the share of rows in which
    exactly i members fail:

    - entropy :math:`\frac1N \sum \min(l, L - l) / (L - \lceil L/2 \rceil)`
    - Kohavi–Wolpert variance :math:`\frac1{NL^2} \sum l (L - l)`
    - interrater agreement :math:`\kappa = 1 - \frac{1}{L}\sum l(L - l) \,/\, (N (L-1)\, \bar p (1 - \bar p))`
    - difficulty :math:`\theta`, the variance of :math:`l/L`
    - generalised diversity :math:`1 - \frac{\sum i(i-1)p_i / (L(L-1))}{\sum i p_i / L}`
    - coincident failure diversity :math:`\frac{1}{1 - p_0} \sum_{i \ge 1} \frac{L - i}{L - 1} p_i`, 0 if nobody fails

    >>> values = measures(np.array([[1, 1, 1, 0], [1, 0, 0, 1], [1, 1, 0, 0]], dtype=bool))
    >>> round(values["disagreement"], 4), round(values["kw"], 4), round(values["difficulty"], 4)
    (0.5, 0.1667, 0.0764)
    """
    pairs = {name: mean_of_pairs(matrix) for name, matrix in pairwise(correct, answered).items()}
    return {name: pairs[name] for name in PAIRWISE} | of_rows(correct, answered)


def of_rows(correct: Correct, answered: Correct | None = None) -> dict[str, float]:
    r"""Return the six measures that need no pairs, of a committee of which some may have left rows unanswered.

    With :math:`l_i` of :math:`L_i \ge 2` answers to row i correct, they are means over rows, as of
    :math:`l_i(L_i - l_i)/L_i^2`; the interrater agreement is that of Fleiss & Cuzick for unequal numbers of raters,
    with :math:`\bar L` the mean number of answers,

    .. math:: \kappa = 1 - \frac{\sum_i l_i(L_i - l_i)/L_i}{N (\bar L - 1)\, \bar p (1 - \bar p)}

    and generalised diversity is one minus the mean probability that two members who answered both fail, over that one
    does.

    References
    ----------
    Fleiss & Cuzick, Applied Psychological Measurement 3 (1979) 537–542, doi 10.1177/014662167900300410.
    """
    size = len(correct)
    if answered is None or size < 2:
        return of_counts(np.bincount(correct.sum(axis=0), minlength=size + 1))
    answers = answered.sum(axis=0)
    hits, n = correct.sum(axis=0)[answers > 1], answers[answers > 1]
    fails = n - hits
    if not len(n):
        return dict.fromkeys(OF_ROWS, float("nan"))
    share = hits.sum() / n.sum()
    chance = len(n) * (n.mean() - 1) * share * (1 - share)
    failing = fails > 0
    values = {
        "entropy": (np.minimum(hits, fails) / (n // 2)).mean(),
        "kw": (hits * fails / n**2).mean(),
        "kappa": 1 - (hits * fails / n).sum() / chance if chance > 0 else np.nan,
        "difficulty": (hits / n).var(),
        "generalised": 1 - (fails * (fails - 1) / (n * (n - 1))).mean() / (fails / n).mean()
        if failing.any()
        else np.nan,
        "coincident-failure": (hits / (n - 1))[failing].mean() if failing.any() else 0.0,
    }
    return {name: float(value) for name, value in values.items()}


def of_counts(counts: NDArray[np.int64]) -> dict[str, float]:
    """Return the six measures that need no pairs, from the number of rows with l correct members, (L + 1,)."""
    size = len(counts) - 1
    if size < 2:
        return dict.fromkeys(OF_ROWS, float("nan"))
    l = np.arange(size + 1)  # noqa: E741 - the source's name
    failing = counts[::-1]
    n_rows, hits, fails = int(counts.sum()), int((counts * l).sum()), int((failing * l).sum())
    answers = size * n_rows
    spread = int((counts * l * (size - l)).sum()) / n_rows
    # Whole numbers are divided last: nothing cancels where errors are rare.
    uneven = hits * fails / answers**2
    values = {
        "entropy": int((counts * np.minimum(l, size - l)).sum()) / n_rows / (size - -(-size // 2)),
        "kw": spread / size**2,
        "kappa": 1 - spread / size / ((size - 1) * uneven) if uneven > 0 else float("nan"),
        "difficulty": float((counts * (l / size - hits / answers) ** 2).sum()) / n_rows,
        "generalised": 1 - int((failing * l * (l - 1)).sum()) / ((size - 1) * fails) if fails else float("nan"),
        "coincident-failure": int((failing[1:] * (size - l[1:])).sum()) / ((size - 1) * int(failing[1:].sum()))
        if fails
        else 0.0,
    }
    return {name: float(value) for name, value in values.items()}


@dataclass(frozen=True)
class Ambiguity:
    """The Brier score of the mean as a difference: ensemble = mean member − spread."""

    ensemble: float
    mean_member: float
    spread: float


def ambiguity(proba: Floats, labels: Labels) -> Ambiguity:
    r"""Decompose the Brier score of the mean of L members.

    .. math:: \lVert \bar p - y \rVert^2
       = \frac1L \sum_m \lVert p_m - y \rVert^2 - \frac1L \sum_m \lVert p_m - \bar p \rVert^2

    averaged over rows: what members err on average, minus how far they are from their mean (Krogh & Vedelsby 1995).
    """
    mean = proba.mean(axis=0, dtype=np.float64)
    rows = np.arange(len(labels))

    def brier(values: Values) -> float:
        return float((np.einsum("nc,nc->n", values, values) - 2 * values[rows, labels] + 1).mean())

    members = [brier(member.astype(np.float64)) for member in proba]
    spread = [float(((member.astype(np.float64) - mean) ** 2).sum(axis=1).mean()) for member in proba]
    return Ambiguity(brier(mean), float(np.mean(members)), float(np.mean(spread)))

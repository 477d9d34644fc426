"""How diverse a prediction set is, which members err alike, and whether diversity predicts a committee's gain."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Correct, Values, mid_ranks
from ensembler.metrics import TIED_DECIMALS
from ensembler.metrics.diversity import (
    MEASURES,
    MORE_IS_DIVERSE,
    OF_ROWS,
    PAIRWISE,
    Ambiguity,
    ambiguity,
    cohen_kappa,
    measures,
    of_counts,
    of_rows,
    pairwise,
    share_different,
)
from ensembler.predictions.diagnosis.committee_accuracy import committee_accuracies, memberships
from ensembler.predictions.diagnosis.redundancy import Redundancy, agreement_beyond_accuracy, measure_redundancy
from ensembler.predictions.prediction_set import Predictions

MOST_COMMITTEES = 4096
"""So many committees are looked at for the correlations; of more, this many are drawn with the seed."""
FEWEST_COMMITTEES = 10
"""Of one size, for a rank correlation to say anything."""
BLOCK_VALUES = 1 << 20
"""Rows times committees that are counted at a time."""


@dataclass(frozen=True)
class DiversityGainCorrelation:
    """How strongly a measure of diversity correlates with what committees gain over their mean member.

    Attributes
    ----------
    measure : str
    by_size : dict of int to float
        Spearman's rank correlation with the gain over the mean member, among committees of one size.
    overall : float
        Its mean over sizes, weighted by the number of committees; turned so that positive means diversity helps.
    with_accuracy : float
        The same with the committee's accuracy in place of the gain.
    """

    measure: str
    by_size: dict[int, float]
    overall: float
    with_accuracy: float


@dataclass(frozen=True)
class Diversity:
    """What there is to know about a set's diversity.

    Attributes
    ----------
    pairs : dict of (M, M)
        The pairwise measures, and "cohen-kappa", "different" (share of rows with different classes) and
        "excess-agreement" (agreement beyond what the accuracies imply).
    measures : dict
        The ten measures of all members together.
    ambiguity : Ambiguity or None
        None with hard labels.
    coverage : (M + 1,)
        Share of rows about which at least k members are correct; none is about a row that it has not answered.
    redundancy : Redundancy
        Which members err alike, and which of them add nothing.
    gain_correlations : list of DiversityGainCorrelation
        One for each of the ten measures.
    n_committees : int
        How many committees the correlations rest on.
    sampled : bool
    """

    pairs: dict[str, Values]
    measures: dict[str, float]
    ambiguity: Ambiguity | None
    coverage: Values
    redundancy: Redundancy
    gain_correlations: list[DiversityGainCorrelation]
    n_committees: int
    sampled: bool


def measure_diversity(data: Predictions, seed: int = 0) -> Diversity:
    """Measure the diversity of a set with labels.

    Parameters
    ----------
    data : Predictions
    seed : int
        Draws committees where they are too many.
    """
    labels, predicted = data.true_labels, data.votes
    correct = predicted == labels
    answered = None if data.missing is None else data.answered
    pairs = pairwise(correct, answered)
    pairs["cohen-kappa"] = cohen_kappa(predicted, data.n_classes)
    pairs["different"] = share_different(predicted)
    agreement = agreement_beyond_accuracy(data)
    pairs["excess-agreement"] = agreement.kappa
    hits = correct.sum(axis=0)
    coverage = np.array([(hits >= k).mean() for k in range(data.n_members + 1)])
    committees, sampled = draw_committees(data.n_members, seed)
    return Diversity(
        pairs,
        measures(correct, answered),
        None if data.any_hard else ambiguity(data.proba, labels),
        coverage,
        measure_redundancy(data, agreement, committees),
        correlate_with_gains(data, pairs, committees),
        len(committees),
        sampled,
    )


def draw_committees(n_members: int, seed: int) -> tuple[list[tuple[int, ...]], bool]:
    """Return committees of two members or more: all of them, or some that are drawn."""
    if 2**n_members - n_members - 1 <= MOST_COMMITTEES:
        members = range(n_members)
        sizes = range(2, n_members + 1)
        return [committee for size in sizes for committee in itertools.combinations(members, size)], False
    rng = np.random.default_rng(seed)
    drawn: set[tuple[int, ...]] = set()
    while len(drawn) < MOST_COMMITTEES:
        rows = rng.random((MOST_COMMITTEES - len(drawn), n_members)) < 0.5
        drawn |= {tuple(np.flatnonzero(row).tolist()) for row in rows if row.sum() > 1}
    return sorted(drawn, key=lambda committee: (len(committee), committee)), True


def correlate_with_gains(
    data: Predictions, pairs: dict[str, Values], committees: list[tuple[int, ...]]
) -> list[DiversityGainCorrelation]:
    """Correlate each measure with what the mean of a committee gains over its mean member.

    A missing vote is a member's error, and a row that nobody in the committee answers has the largest class.
    """
    having = memberships(committees, data.n_members)
    sizes = having.sum(axis=1)
    accuracies = committee_accuracies(data, having)
    gains = accuracies - having @ data.correct.mean(axis=1) / sizes
    values = committee_measures(data, pairs, having)

    def by_size(diversity: Values, outcome: Values) -> dict[int, float]:
        return {
            int(size): rank_correlation(diversity[sizes == size], outcome[sizes == size]) for size in np.unique(sizes)
        }

    correlations = []
    for name in MEASURES:
        diversity = values[name] if name in MORE_IS_DIVERSE else -values[name]
        with_gains = by_size(diversity, gains)
        with_accuracy = pooled(by_size(diversity, accuracies), sizes)
        correlations.append(DiversityGainCorrelation(name, with_gains, pooled(with_gains, sizes), with_accuracy))
    return correlations


def committee_measures(data: Predictions, pairs: dict[str, Values], having: Correct) -> dict[str, Values]:
    """Return the ten measures of committees (K, M), those of pairs from the matrices of all; each (K,)."""
    values = {name: mean_of_committee_pairs(pairs[name], having) for name in PAIRWISE}
    if data.missing is None:
        found = [of_counts(counts) for counts in correct_members(data.correct, having)]
    else:
        correct, answered = data.correct, data.answered
        found = [of_rows(correct[members], answered[members]) for members in having]
    return values | {name: np.array([measures[name] for measures in found]) for name in OF_ROWS}


def mean_of_committee_pairs(matrix: Values, having: Correct) -> Values:
    """Return the mean of a symmetric matrix over the pairs in each committee; NaN where one of these is."""
    unknown = np.isnan(matrix)
    known = np.where(unknown, 0.0, matrix)
    np.fill_diagonal(known, 0.0)
    np.fill_diagonal(unknown, val=False)
    members = having.astype(np.float64)
    sizes = members.sum(axis=1)
    total, n_unknown = (((members @ each) * members).sum(axis=1) for each in (known, unknown.astype(np.float64)))
    return np.asarray(np.where(n_unknown > 0, np.nan, total / (sizes * (sizes - 1))))


def correct_members(correct: Correct, having: Correct) -> Iterator[NDArray[np.int64]]:
    """Yield for each committee the number of rows with l of its L members correct, (L + 1,)."""
    n_committees, most = having.shape[0], having.shape[1] + 1
    counts = np.zeros(n_committees * most, dtype=np.int64)
    members, first = having.astype(np.float32), np.arange(n_committees)[:, None] * most
    size = max(1, BLOCK_VALUES // max(1, n_committees))
    for start in range(0, correct.shape[1], size):
        hits = (members @ correct[:, start : start + size].astype(np.float32)).astype(np.int64)
        counts += np.bincount((first + hits).ravel(), minlength=len(counts))
    for row, committee_size in zip(counts.reshape(n_committees, most), having.sum(axis=1), strict=True):
        yield row[: committee_size + 1]


def rank_correlation(diversity: Values, outcome: Values) -> float:
    """Return Spearman's rank correlation over committees whose diversity is defined; NaN where either is constant."""
    kept = ~np.isnan(diversity)
    if kept.sum() < FEWEST_COMMITTEES:
        return float("nan")
    # What differs by rounding only is tied.
    first, second = (np.round(values[kept], TIED_DECIMALS) for values in (diversity, outcome))
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(mid_ranks(first), mid_ranks(second))[0, 1])


def pooled(by_size: dict[int, float], sizes: NDArray[np.int64]) -> float:
    """Return the mean over sizes, weighted by the number of committees."""
    known = {size: value for size, value in by_size.items() if not np.isnan(value)}
    if not known:
        return float("nan")
    weights = [int((sizes == size).sum()) for size in known]
    return float(np.average(list(known.values()), weights=weights))

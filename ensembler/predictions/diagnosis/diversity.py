"""How diverse a prediction set is, which members err alike, and whether diversity predicts a committee's gain."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import MISSING_VOTE, Correct, Labels, Values, mid_ranks
from ensembler.metrics import TIED_DECIMALS
from ensembler.metrics.diversity import (
    MEASURES,
    MORE_IS_DIVERSE,
    PAIRWISE,
    Ambiguity,
    ambiguity,
    cohen_kappa,
    measures,
    of_rows,
    pairwise,
)
from ensembler.predictions.diagnosis.redundancy import (
    Redundancy,
    agreement_beyond_accuracy,
    committee_accuracy,
    measure_redundancy,
)
from ensembler.predictions.prediction_set import Predictions

MOST_COMMITTEES = 4096
"""So many committees are looked at for the correlations; of more, this many are drawn with the seed."""
FEWEST_COMMITTEES = 10
"""Of one size, for a rank correlation to say anything."""


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
    different = np.array([[share_different(first, second) for second in predicted] for first in predicted])
    pairs["different"] = different
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


def share_different(first: Labels, second: Labels) -> float:
    """Return the share of the rows that two members have answered in which they differ; NaN without such rows."""
    both = (first != MISSING_VOTE) & (second != MISSING_VOTE)
    return float((first[both] != second[both]).mean()) if both.any() else float("nan")


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
    correct, answered = data.correct, None if data.missing is None else data.answered
    member_accuracy = correct.mean(axis=1)
    values = {name: np.empty(len(committees)) for name in MEASURES}
    accuracies, gains, sizes = np.empty(len(committees)), np.empty(len(committees)), np.array([*map(len, committees)])
    for number, committee in enumerate(committees):
        members = list(committee)
        for name, value in committee_measures(correct, answered, pairs, members).items():
            values[name][number] = value
        accuracy = committee_accuracy(data, members)
        accuracies[number] = accuracy
        gains[number] = accuracy - float(member_accuracy[members].mean())

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


def committee_measures(
    correct: Correct, answered: Correct | None, pairs: dict[str, Values], members: list[int]
) -> dict[str, float]:
    """Return the ten measures of some of the members, those of pairs from the matrices of all."""
    upper = np.triu_indices(len(members), 1)
    of_pairs = {name: float(pairs[name][np.ix_(members, members)][upper].mean()) for name in PAIRWISE}
    return of_pairs | of_rows(correct[members], None if answered is None else answered[members])


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

"""How diverse a prediction set is, who is redundant, and whether diversity predicts anything here."""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Values
from ensembler.metrics import TIED_DECIMALS
from ensembler.metrics.diversity import (
    MEASURES,
    MORE_IS_DIVERSE,
    Ambiguity,
    ambiguity,
    cohen_kappa,
    measures,
    of_counts,
    pairwise,
)
from ensembler.predictions.prediction_set import Predictions

MOST_COMMITTEES = 4096
"""So many committees are looked at for the correlations; of more, this many are drawn with the seed."""
FEWEST_COMMITTEES = 10
"""Of one size, for a rank correlation to say anything."""
SAME_GROUP = 0.15
"""Share of rows with different classes below which members are clustered, as checkpoints of one run are."""


@dataclass(frozen=True)
class Folklore:
    """Whether a measure of diversity predicts the gain of committees.

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
        The pairwise measures, and "cohen-kappa" and "different" (share of rows with different classes).
    measures : dict
        The ten measures of all members together.
    ambiguity : Ambiguity or None
        None with hard labels.
    coverage : (M + 1,)
        Share of rows in which at least k members are right.
    clusters : list of list of str
        Groups of members that nearly say the same.
    folklore : list of Folklore
    n_committees : int
        How many committees the correlations rest on.
    sampled : bool
    """

    pairs: dict[str, Values]
    measures: dict[str, float]
    ambiguity: Ambiguity | None
    coverage: Values
    clusters: list[list[str]]
    folklore: list[Folklore]
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
    labels = data.truth
    said = np.array([member.argmax(axis=1) for member in data.proba])
    right = said == labels
    pairs = pairwise(right)
    pairs["cohen-kappa"] = cohen_kappa(said, data.n_classes)
    different = np.array([[(one != other).mean() for other in said] for one in said])
    pairs["different"] = different
    hits = right.sum(axis=0)
    coverage = np.array([(hits >= k).mean() for k in range(data.n_members + 1)])
    committees, sampled = draw_committees(data.n_members, seed)
    return Diversity(
        pairs,
        measures(right),
        None if data.any_hard else ambiguity(data.proba, labels),
        coverage,
        cluster(different, data.names),
        settle_folklore(data, right, pairs, committees),
        len(committees),
        sampled,
    )


def draw_committees(n_members: int, seed: int) -> tuple[list[tuple[int, ...]], bool]:
    """Return committees of two members or more: all of them, or some that are drawn."""
    if 2**n_members - n_members - 1 <= MOST_COMMITTEES:
        members = range(n_members)
        sizes = range(2, n_members + 1)
        return [one for size in sizes for one in itertools.combinations(members, size)], False
    rng = np.random.default_rng(seed)
    drawn: set[tuple[int, ...]] = set()
    while len(drawn) < MOST_COMMITTEES:
        rows = rng.random((MOST_COMMITTEES - len(drawn), n_members)) < 0.5
        drawn |= {tuple(np.flatnonzero(row).tolist()) for row in rows if row.sum() > 1}
    return sorted(drawn, key=lambda one: (len(one), one)), True


def cluster(different: Values, names: tuple[str, ...]) -> list[list[str]]:
    """Return groups of members of which all pairs say the same class nearly everywhere."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(names) < 2:
        return []
    tree = linkage(squareform(different, checks=False), method="complete")
    groups = fcluster(tree, SAME_GROUP, criterion="distance")
    found: dict[int, list[str]] = {}
    for name, group in zip(names, groups.tolist(), strict=True):
        found.setdefault(group, []).append(name)
    return [group for group in found.values() if len(group) > 1]


def settle_folklore(
    data: Predictions, right: NDArray[np.bool_], pairs: dict[str, Values], committees: list[tuple[int, ...]]
) -> list[Folklore]:
    """Correlate each measure with what the mean of a committee gains over its mean member."""
    accuracy = right.mean(axis=1)
    found: dict[str, list[float]] = {name: [] for name in MEASURES}
    gains, reached, sizes = [], [], []
    whole = data.proba.astype(np.float64)
    for members in committees:
        index = list(members)
        hits = np.bincount(right[index].sum(axis=0), minlength=len(index) + 1)
        ten = of_counts(hits)
        upper = np.triu_indices(len(index), 1)
        for name in ("q", "rho", "disagreement", "double-fault"):
            ten[name] = float(pairs[name][np.ix_(index, index)][upper].mean())
        for name in MEASURES:
            found[name].append(ten[name])
        value = float((whole[index].sum(axis=0).argmax(axis=1) == data.truth).mean())
        reached.append(value)
        gains.append(value - float(accuracy[index].mean()))
        sizes.append(len(index))
    of_size = np.array(sizes)
    result = []
    for name in MEASURES:
        sign = 1.0 if name in MORE_IS_DIVERSE else -1.0
        values = sign * np.array(found[name])
        by_size = {
            int(size): correlation(values[of_size == size], np.array(gains)[of_size == size])
            for size in np.unique(of_size)
        }
        with_accuracy = {
            int(size): correlation(values[of_size == size], np.array(reached)[of_size == size])
            for size in np.unique(of_size)
        }
        result.append(Folklore(name, by_size, pooled(by_size, of_size), pooled(with_accuracy, of_size)))
    return result


def correlation(first: Values, second: Values) -> float:
    """Return Spearman's rank correlation; NaN where either does not vary."""
    from scipy.stats import rankdata

    kept = ~np.isnan(first)
    if kept.sum() < FEWEST_COMMITTEES:
        return float("nan")
    ranks: list[Any] = [rankdata(np.round(values[kept], TIED_DECIMALS)) for values in (first, second)]
    if np.ptp(ranks[0]) == 0 or np.ptp(ranks[1]) == 0:
        return float("nan")
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def pooled(by_size: dict[int, float], sizes: NDArray[np.int64]) -> float:
    """Return the mean over sizes, weighted by the number of committees."""
    known = {size: value for size, value in by_size.items() if not np.isnan(value)}
    if not known:
        return float("nan")
    weights = [int((sizes == size).sum()) for size in known]
    return float(np.average(list(known.values()), weights=weights))

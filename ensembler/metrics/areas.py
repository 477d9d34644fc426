"""Metrics of how the rows of a class are ranked by its probability: areas under the ROC and precision-recall curves.

Each class is set against all others, and the metric is the mean over the classes that occur. A sample of rows is how
often each was drawn; the plain value is that of the sample that has every row once, or as often as it weighs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Labels, Rows, Values
from ensembler.metrics.bootstrap import Counts
from ensembler.metrics.predicted import Predicted
from ensembler.metrics.sums import Probas, Scored, nan_mean

BLOCK_VALUES = 1 << 16
"""Counts that are summed up at a time: half a megabyte, so that it stays in a core's cache."""


class ClassRanking(NamedTuple):
    """The rows of a class and those of all others, each by descending probability of the class.

    Attributes
    ----------
    rows, others : (P,), (Q,)
        Numbers of the rows of the class, and of the others.
    above, not_below : (P,)
        How many of the others are more probable than each row of the class, and how many are at least as probable.
    level : (P,)
        How many rows of the class are at least as probable as each of them.
    """

    rows: Rows
    others: Rows
    above: Rows
    not_below: Rows
    level: Rows

    @classmethod
    def of(cls, inside: NDArray[np.bool_], proba: NDArray[np.floating]) -> "ClassRanking":
        """Rank rows by the probability of a class that some of them are of."""
        descending = -proba
        rows, others = (np.flatnonzero(part) for part in (inside, ~inside))
        rows, others = (part[np.argsort(descending[part])] for part in (rows, others))
        own, other = descending[rows], descending[others]
        return cls(
            rows,
            others,
            np.searchsorted(other, own, side="left"),
            np.searchsorted(other, own, side="right"),
            np.searchsorted(own, own, side="right"),
        )


def area_under_roc(ranking: ClassRanking, counts: Values) -> Values:
    """Return the area under the ROC curve on samples (N, b): (b,), NaN where a sample has rows of one kind only."""
    drawn, passed = counts[ranking.rows], cumulated(counts[ranking.others])
    between = passed[ranking.above] + passed[ranking.not_below]
    n_rows, n_others = drawn.sum(axis=0), passed[-1]
    with np.errstate(invalid="ignore"):
        return np.asarray(1.0 - np.einsum("nb,nb->b", drawn, between) / (2.0 * n_rows * n_others))


def areas_under_roc(labels: Labels, columns: NDArray[np.floating], classes: Labels) -> Values:
    """Return the areas of some classes where every row counts once, of their probabilities (K, N): (K,).

    The same numbers as those of `area_under_roc`, from mid-ranks: all classes at once, without sums of weights.
    """
    order = np.argsort(columns, axis=1)
    ordered = np.take_along_axis(columns, order, axis=1)
    places, same = np.arange(columns.shape[1]), ordered[:, 1:] == ordered[:, :-1]
    first, last = np.tile(places, (2, len(columns), 1))
    first[:, 1:][same] = 0
    last[:, :-1][same] = places[-1]
    np.maximum.accumulate(first, axis=1, out=first)
    last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
    inside = labels[order] == classes[:, None]
    n_rows = inside.sum(axis=1)
    n_pairs = n_rows * (columns.shape[1] - n_rows)
    in_order = ((first + last) * inside).sum(axis=1) - n_rows * (n_rows - 1)
    with np.errstate(invalid="ignore"):
        return np.asarray(1.0 - (2 * n_pairs - in_order) / (2.0 * n_pairs))


def area_under_precision(ranking: ClassRanking, counts: Values) -> Values:
    """Return the average precision on samples (N, b): (b,), NaN where a sample has no row of the class."""
    drawn = counts[ranking.rows]
    found = cumulated(drawn)[ranking.level]
    told = found + cumulated(counts[ranking.others])[ranking.not_below]
    precision = np.divide(found, told, out=np.zeros_like(found), where=told > 0)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.einsum("nb,nb->b", drawn, precision) / drawn.sum(axis=0))


def cumulated(counts: Values) -> Values:
    """Return the sums of the first rows, from none to all of them, (n + 1, b)."""
    sums = np.zeros((len(counts) + 1, counts.shape[1]))
    np.cumsum(counts, axis=0, out=sums[1:])
    return sums


@dataclass(frozen=True)
class OfRankings:
    """A metric of how rows are ranked by the probability of a class: of one class, or the mean over those that occur.

    Parameters
    ----------
    area : callable
        ``area(ranking, counts)``: from a class' ranking and samples (N, b) to (b,).
    unweighted : callable, optional
        ``unweighted(labels, columns, classes)``: the same of several classes where every row counts once, from their
        probabilities (K, N) to (K,).
    """

    area: Callable[[ClassRanking, Values], Values]
    unweighted: Callable[[Labels, NDArray[np.floating], Labels], Values] | None = None
    parameter_names: tuple[str, ...] = ("class",)

    def __call__(self, labels: Labels, proba: Scored, sample_weight: Values | None = None, **parameters: Any) -> Values:
        """Return the metric for each leading index of ``proba`` (..., N, C)."""
        flat = [proba] if isinstance(proba, Predicted) else list(proba.reshape(-1, *proba.shape[-2:]))
        if sample_weight is None and self.unweighted is not None:
            classes = ranked_classes(labels, **parameters)
            some = np.array_split(classes, -(-len(classes) * len(labels) // BLOCK_VALUES))
            of_each = [
                [self.unweighted(labels, np.ascontiguousarray(array[:, part].T), part) for part in some]
                for array in map(np.asarray, flat)
            ]
            values = nan_mean(np.array([np.concatenate(parts) for parts in of_each]))
        else:
            weight = np.ones((1, len(labels))) if sample_weight is None else sample_weight[None]
            values = self.of_counts(labels, flat, **parameters)(weight)[0]
        return np.asarray(values.reshape(proba.shape[:-2]))

    def of_counts(self, labels: Labels, probas: Probas, **parameters: Any) -> Callable[[Counts], Values]:
        """Return what evaluates R predictions on samples of their rows, as (b, R)."""
        classes = ranked_classes(labels, **parameters).tolist()
        rankings = []
        for proba in probas:
            array = np.asarray(proba)
            rankings.append([ClassRanking.of(labels == label, array[:, label]) for label in classes])

        def of_counts(counts: Counts) -> Values:
            areas = np.empty((len(counts), len(probas), len(classes)))
            size = max(1, BLOCK_VALUES // len(labels))
            for start in range(0, len(counts), size):
                block = np.ascontiguousarray(counts[start : start + size].T, dtype=np.float64)
                for rule, of_rule in enumerate(rankings):
                    for place, ranking in enumerate(of_rule):
                        areas[start : start + size, rule, place] = self.area(ranking, block)
            return nan_mean(areas)

        return of_counts


def ranked_classes(labels: Labels, **parameters: Any) -> Labels:
    """Return the class that was asked for, else those that occur."""
    one = parameters.get("class")
    return np.unique(labels) if one is None else np.array([one])


roc_auc = OfRankings(area_under_roc, areas_under_roc)
r"""Area under the ROC curve of each class against all others, averaged over the classes that occur.

With the rows P of a class, all others Q, row weights w and the class' probabilities p it is the weighted share of pairs
in the right order, ties counting half:

.. math:: \frac{\sum_{i \in P} \sum_{j \in Q} w_i w_j \left([p_i > p_j] + \frac12 [p_i = p_j]\right)}
               {\sum_{i \in P} w_i \, \sum_{j \in Q} w_j}

Between 0 and 1, and one half where probabilities say nothing; NaN where only one class occurs. The parameter ``class``
takes one class. Hanley & McNeil 1982, doi 10.1148/radiology.143.1.7063747.
"""

average_precision = OfRankings(area_under_precision)
r"""Average precision of each class against all others, averaged over the classes that occur.

.. math:: \frac{1}{\sum_{i \in P} w_i} \sum_{i \in P} w_i
          \frac{\sum_{j \in P} w_j [p_j \ge p_i]}{\sum_j w_j [p_j \ge p_i]}

the precision among the rows at least as probable as a row of the class, averaged over its rows: the area under the
precision-recall curve, without interpolation. Where probabilities say nothing it is the share of the class. The
parameter ``class`` takes one class, as the rare one of two. Davis & Goadrich 2006, doi 10.1145/1143844.1143874.
"""

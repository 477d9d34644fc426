"""How accurate weighted means are, for many weights at once."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ensembler.arrays import Floats, Labels, Values, row_blocks
from ensembler.combiners.fitted_state import TINY
from ensembler.metrics.scores import accuracy
from ensembler.parallel.blas import one_blas_thread

JUST_BELOW_ZERO = -TINY


@dataclass(frozen=True)
class Leads:
    """By how much each member prefers the true class to another, where that decides whether a mean is correct.

    No mean with weights of at least 0 is wrong because of a class that every member finds less probable than the true
    one, and none is correct about a row in which one class is more probable to every member. What is left are rows, and
    of each the classes that may win.

    Attributes
    ----------
    leads : list of (R_j, M)
        Of the j-th class that may win in a row, for the rows that have so many; those that have most come first.
    more_than : list of (R_j,)
        What a mean's lead must exceed: of equally probable classes the first wins.
    weight : (R_1,)
    always_correct : float
        Weight of the rows that every mean is correct about.
    total : float
        Weight of all rows.
    """

    leads: list[Values]
    more_than: list[Values]
    weight: Values
    always_correct: float
    total: float

    @classmethod
    def of(cls, proba: Floats, labels: Labels, sample_weight: Values) -> Self:
        """Look for the classes that may win, (M, N, C) probabilities given."""
        n_members, n_rows, n_classes = proba.shape
        leads, more_than = [], []
        counts = np.zeros(n_rows, dtype=np.intp)
        always_wrong = np.zeros(n_rows, dtype=bool)
        for rows in row_blocks(n_rows, n_members * n_classes):
            block, true = proba[:, rows].astype(np.float64), labels[rows]
            places = np.arange(len(true))
            of_classes = block[:, places, true][:, :, None] - block
            always_wrong[rows] = np.any(np.all(of_classes < 0, axis=0), axis=1)
            may_win = np.any(of_classes <= 0, axis=0) & ~always_wrong[rows, None]
            may_win[places, true] = False
            counts[rows] = may_win.sum(axis=1)
            row, rival = np.nonzero(may_win)
            leads.append(of_classes[:, row, rival].T)
            more_than.append(np.where(rival > true[row], JUST_BELOW_ZERO, 0.0))
        pairs, bounds = np.concatenate(leads), np.concatenate(more_than)
        ordered = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
        first = (np.cumsum(counts) - counts)[ordered]
        having = [first[: np.count_nonzero(counts > number)] + number for number in range(counts.max())]
        return cls(
            [pairs[places] for places in having],
            [bounds[places] for places in having],
            sample_weight[ordered],
            float(sample_weight[(counts == 0) & ~always_wrong].sum()),
            float(sample_weight.sum()),
        )

    @one_blas_thread
    def accuracy(self, weights: Values) -> Values:
        """Return the accuracy (D,) of the weighted mean for each row of some weights (D, M)."""
        correct = np.full(len(weights), self.always_correct)
        for rows in row_blocks(len(self.weight), len(weights)):
            wins = np.ones((rows.stop - rows.start, len(weights)), dtype=bool)
            for leads, more_than in zip(self.leads, self.more_than, strict=True):
                some = leads[rows]
                wins[: len(some)] &= some @ weights.T > more_than[rows, None]
            correct += self.weight[rows] @ wins
        return correct / self.total


def best_first(proba: Floats, labels: Labels, sample_weight: Values) -> Labels:
    """Return the numbers of the members, the most accurate first, by whatever order they come in.

    Among equally accurate ones the more confident of true classes is first. What is drawn at random for members in
    this order does not depend on how they are numbered.
    """
    confident = proba[:, np.arange(len(labels)), labels].astype(np.float64) @ sample_weight
    return np.lexsort((-confident, -accuracy(labels, proba, sample_weight)))

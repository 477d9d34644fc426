"""How accurate the mean of each of many committees is."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Correct, Values
from ensembler.parallel.blas import one_blas_thread
from ensembler.predictions.prediction_set import Predictions

BLOCK_VALUES = 1 << 18
"""Sums of one class that are kept at a time: two megabytes, so that they stay in a core's cache."""


def memberships(committees: Sequence[Collection[int]], n_members: int) -> Correct:
    """Return which members each committee has, (K, M).

    >>> memberships([(0, 2), (1,)], 3).astype(int).tolist()
    [[1, 0, 1], [0, 1, 0]]
    """
    having = np.zeros((len(committees), n_members), dtype=bool)
    for number, committee in enumerate(committees):
        having[number, list(committee)] = True
    return having


@one_blas_thread
def committee_accuracies(data: Predictions, having: Correct) -> Values:
    """Return the accuracy of the mean of each committee, (K,), of those whose members are true in ``having``, (K, M).

    Sums of all committees are products of matrices, class by class. Rows that no member of a committee has answered go
    to the largest class.
    """
    weights = having.astype(np.float64)
    labels = data.true_labels
    largest = int(np.bincount(labels).argmax())
    n_correct = np.zeros(len(having), dtype=np.int64)
    size = max(1, BLOCK_VALUES // max(1, len(having)))
    for start in range(0, data.n_samples, size):
        rows = slice(start, start + size)
        winners = most_probable_sums(weights, data.proba[:, rows])
        if data.missing is not None:
            winners[weights @ ~data.missing[:, rows] == 0] = largest
        n_correct += (winners == labels[rows]).sum(axis=1)
    return n_correct / data.n_samples


def most_probable_sums(weights: Values, proba: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the class with the first maximum of each weighted sum over members and row, (K, n)."""
    largest = weights @ proba[:, :, 0].astype(np.float64)
    winners = np.zeros(largest.shape, dtype=np.int64)
    for number in range(1, proba.shape[2]):
        total = weights @ proba[:, :, number].astype(np.float64)
        winners[total > largest] = number
        np.maximum(largest, total, out=largest)
    return winners

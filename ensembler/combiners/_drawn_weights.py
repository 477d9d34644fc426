"""How accurate weighted means are, for many weights at once."""

import numpy as np

from ensembler.arrays import Floats, Labels, Values
from ensembler.metrics.scores import accuracy
from ensembler.parallel.blas import one_blas_thread

BLOCK_VALUES = 1 << 20
"""So many margins are looked at together."""


@one_blas_thread
def weighted_accuracies(proba: Floats, labels: Labels, sample_weight: Values, weights: Values) -> Values:
    """Return the accuracy (D,) of the weighted mean of the members for each row of some weights (D, M).

    A row is answered correctly if its true class has the first maximum, by the margins over the other classes.
    """
    n_members, n_rows, n_classes = proba.shape
    total, step = np.zeros(len(weights)), max(1, BLOCK_VALUES // (n_classes * len(weights)))
    for start in range(0, n_rows, step):
        rows = slice(start, start + step)
        block = proba[:, rows].transpose(1, 2, 0).astype(np.float64)
        numbers, true = np.arange(len(block)), labels[rows]
        differences = block[numbers, true][:, None] - block
        # The true class is no rival of itself.
        differences[numbers, true] = 1.0
        margins = (differences.reshape(-1, n_members) @ weights.T).reshape(len(block), n_classes, -1)
        least = margins.min(axis=1)
        correct = least > 0
        tied_rows, tied_weights = np.nonzero(least == 0)
        if len(tied_rows):
            rivals = margins[tied_rows, :, tied_weights] == 0
            earlier = np.arange(n_classes) < true[tied_rows, None]
            correct[tied_rows, tied_weights] = ~(rivals & earlier).any(axis=1)
        total += sample_weight[rows] @ correct
    return np.asarray(total / sample_weight.sum())


def best_first(proba: Floats, labels: Labels, sample_weight: Values) -> Labels:
    """Return the numbers of the members, the most accurate first, by whatever order they come in.

    Among equally accurate ones the more confident of true classes is first. What is drawn at random for members in
    this order does not depend on how they are numbered.
    """
    confident = proba[:, np.arange(len(labels)), labels].astype(np.float64) @ sample_weight
    return np.lexsort((-confident, -accuracy(labels, proba, sample_weight)))

"""How accurate weighted means are, for many weights at once."""

import numpy as np

from ensembler.arrays import Floats, Labels, Values, row_blocks
from ensembler.metrics.scores import accuracy


def weighted_accuracies(proba: Floats, labels: Labels, sample_weight: Values, weights: Values) -> Values:
    """Return the accuracy (D,) of the weighted mean of the members for each row of some weights (D, M).

    A row is answered correctly if the true class has the first maximum, by margins over the other classes.
    """
    total = np.zeros(len(weights))
    for label in np.unique(labels):
        of_label = np.flatnonzero(labels == label)
        for part in row_blocks(len(of_label), len(weights)):
            rows = of_label[part]
            block = proba[:, rows].astype(np.float64)
            correct = np.ones((len(weights), len(rows)), dtype=bool)
            for other in range(block.shape[2]):
                if other != label:
                    margins = weights @ (block[:, :, label] - block[:, :, other])
                    correct &= margins > 0 if other < label else margins >= 0
            total += correct @ sample_weight[rows]
    return np.asarray(total / sample_weight.sum())


def best_first(proba: Floats, labels: Labels, sample_weight: Values) -> Labels:
    """Return the numbers of the members, the most accurate first, by whatever order they come in.

    Among equally accurate ones the more confident of true classes is first. What is drawn at random for members in
    this order does not depend on how they are numbered.
    """
    confident = proba[:, np.arange(len(labels)), labels].astype(np.float64) @ sample_weight
    return np.lexsort((-confident, -accuracy(labels, proba, sample_weight)))

"""What is read off the rows and columns of confusion matrices."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import most_probable


def confusion_matrix(
    labels: NDArray[np.int64],
    predicted: NDArray[np.integer],
    n_classes: int,
    sample_weight: NDArray[np.float64] | None = None,
) -> NDArray[Any]:
    """Return how often, or with what weight, each true class (row) was predicted as each class (column), (C, C)."""
    cells = labels * n_classes + predicted
    return np.bincount(cells, weights=sample_weight, minlength=n_classes**2).reshape(n_classes, n_classes)


def class_counts(
    labels: NDArray[np.int64],
    predicted: NDArray[np.integer],
    n_classes: int,
    sample_weight: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the confusion matrix's diagonal, row sums and column sums, each (..., C), without the matrix."""
    lead = predicted.shape[:-1]
    flat = predicted.reshape(-1, predicted.shape[-1])
    correct, given = np.empty((len(flat), n_classes)), np.empty((len(flat), n_classes))
    for row, classes in enumerate(flat):
        hits = classes == labels
        weight = None if sample_weight is None else sample_weight[hits]
        correct[row] = np.bincount(labels[hits], weights=weight, minlength=n_classes)
        given[row] = np.bincount(classes, weights=sample_weight, minlength=n_classes)
    true = np.tile(np.bincount(labels, weights=sample_weight, minlength=n_classes).astype(np.float64), (len(flat), 1))
    return correct.reshape(*lead, n_classes), true.reshape(*lead, n_classes), given.reshape(*lead, n_classes)


def recall_per_class(
    labels: NDArray[np.int64],
    proba: NDArray[np.floating],
    sample_weight: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the share of each class that is found, (..., C); NaN for a class that no row has."""
    correct, true, _ = class_counts(labels, most_probable(proba), proba.shape[-1], sample_weight)
    with np.errstate(invalid="ignore"):
        return np.asarray(correct / true)

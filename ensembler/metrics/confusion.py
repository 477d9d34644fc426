"""Confusion matrices and what is read off their rows."""

import numpy as np
from numpy.typing import NDArray


def confusion_matrix(
    labels: NDArray[np.int64],
    predicted: NDArray[np.integer],
    n_classes: int,
    sample_weight: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Count rows by true class (first of the last two axes) and predicted class (last).

    Parameters
    ----------
    labels : (N,) int64
    predicted : (..., N) integers
    n_classes : int
    sample_weight : (N,) float64, optional
        Summed instead of counting rows.

    Returns
    -------
    (..., C, C) float64
    """
    lead = predicted.shape[:-1]
    flat = predicted.reshape(-1, predicted.shape[-1]).astype(np.int64)
    cells = labels * n_classes + flat + (np.arange(len(flat)) * n_classes**2)[:, None]
    weights = None if sample_weight is None else np.broadcast_to(sample_weight, flat.shape).ravel()
    counts = np.bincount(cells.ravel(), weights=weights, minlength=len(flat) * n_classes**2)
    return counts.reshape(*lead, n_classes, n_classes).astype(np.float64)


def recall_per_class(
    labels: NDArray[np.int64],
    proba: NDArray[np.floating],
    sample_weight: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the share of each class that is found, (..., C); NaN for a class that no row has."""
    matrix = confusion_matrix(labels, proba.argmax(axis=-1), proba.shape[-1], sample_weight)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.diagonal(matrix, axis1=-2, axis2=-1) / matrix.sum(axis=-1))

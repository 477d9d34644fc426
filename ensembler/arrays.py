"""Rows of class scores, and how they become rows of probabilities without losing their winner."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

BLOCK_VALUES = 1 << 16
"""Float64 values that one working block may hold: half a megabyte, so that it stays in a core's cache."""


def row_blocks(n_samples: int, values_per_row: int) -> Iterator[slice]:
    """Yield slices over rows so that one block holds about `BLOCK_VALUES` values, and at least one row."""
    step = max(1, BLOCK_VALUES // max(1, values_per_row))
    for start in range(0, n_samples, step):
        yield slice(start, min(start + step, n_samples))


def softmax(scores: Floats) -> NDArray[np.float64]:
    r"""Turn log scores into probabilities: :math:`p_c = e^{s_c} / \sum_k e^{s_k}`, over the last axis."""
    scores = np.asarray(scores, dtype=np.float64)
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def sigmoid(scores: Floats) -> NDArray[np.float64]:
    r"""Turn log odds into probabilities, :math:`1 / (1 + e^{-s})`, without overflow."""
    return np.exp(-np.logaddexp(0.0, -np.asarray(scores, dtype=np.float64)))


def normalise(scores: Floats) -> NDArray[np.float64]:
    """Divide each row of non-negative scores by its sum; a row of zeros becomes uniform."""
    scores = np.asarray(scores, dtype=np.float64)
    totals = scores.sum(axis=-1, keepdims=True)
    empty = totals == 0
    if empty.any():
        scores = np.where(empty, 1.0, scores)
        totals = np.where(empty, float(scores.shape[-1]), totals)
    return np.asarray(scores / totals)


def with_argmax_of(proba: NDArray[np.float64], scores: Floats) -> NDArray[np.float64]:
    """Restore the winner of ``scores`` where rounding made it tie with an earlier class.

    Division and ``exp`` never swap two classes, but they can make two different scores equal, and then the first
    maximum is another one. In such rows the winner is raised by one unit in the last place.
    """
    winner = scores.argmax(axis=-1)
    lost = proba.argmax(axis=-1) != winner
    if lost.any():
        rows = np.flatnonzero(lost)
        proba[rows, winner[rows]] = np.nextafter(proba[rows].max(axis=-1), np.inf)
    return proba


def one_hot(labels: NDArray[np.integer], n_classes: int) -> NDArray[np.float32]:
    """Return the (N, C) float32 indicator matrix of integer labels."""
    encoded = np.zeros((len(labels), n_classes), dtype=np.float32)
    encoded[np.arange(len(labels)), labels] = 1.0
    return encoded


def clip_accuracy(accuracy: NDArray[np.float64], n_samples: int) -> NDArray[np.float64]:
    """Keep accuracies measured on N rows within [1/(2N), 1 − 1/(2N)], so that logarithms and powers stay finite."""
    margin = 1.0 / (2.0 * n_samples)
    return np.clip(accuracy, margin, 1.0 - margin)

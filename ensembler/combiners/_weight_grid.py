"""The accuracy of a weighted average at every point of a grid of weights, exactly and without trying most of them.

Between neighbouring grid points weights move little. For one row let t be the score of the true class minus that of
its strongest rival. From one weight vector to another t moves by at most the sum of absolute weight changes times the
largest probability. A row whose t has one sign at both ends of a stretch of the grid, and is further from zero than
the weights move in between, is right (or wrong) throughout. The rows that remain are tried in the middle of the
stretch, and so on.
"""

import numpy as np
from numpy.typing import NDArray

from ensembler.probabilities import Floats

Values = NDArray[np.float64]

BLOCK_VALUES = 1 << 22
FIRST_STRIDE = 64
NEARLY_TIED = 1e-9
"""Rows closer to a tie than this are decided by the sum in ascending member order, not by a matrix product."""


def accuracy_over_grid(proba: Floats, labels: NDArray[np.int64], sample_weight: Values, weights: Values) -> Values:
    """Return the accuracy of the average under each row of ``weights`` (Q, M), as (Q,) float64.

    Parameters
    ----------
    proba : (M, N, C)
    labels : (N,) int64
    sample_weight : (N,) float64
    weights : (Q, M) float64
        Non-negative, each row summing to 1, ordered so that neighbours are alike.
    """
    n_members, n_samples, n_classes = proba.shape
    travelled = np.concatenate([[0.0], np.abs(np.diff(weights, axis=0)).sum(axis=1).cumsum()])
    travelled *= float(proba.max())
    right = np.zeros(len(weights) + 1)
    right_from = np.zeros(len(weights) + 1)
    step = max(1, BLOCK_VALUES // (n_members * n_classes))
    for start in range(0, n_samples, step):
        rows = slice(start, start + step)
        block = Block(proba[:, rows].astype(np.float64), labels[rows], sample_weight[rows])
        add_block(block, weights, travelled, right, right_from)
    total = right[:-1] + right_from.cumsum()[:-1]
    return np.asarray(np.round(total / sample_weight.sum(), 12))


class Block:
    """Some rows in float64, and how they fare under given weights."""

    def __init__(self, proba: Values, labels: NDArray[np.int64], sample_weight: Values) -> None:
        self.proba, self.labels, self.sample_weight = proba, labels, sample_weight

    def take(self, rows: NDArray[np.intp]) -> "Block":
        """Return the block of some of the rows."""
        return Block(self.proba[:, rows], self.labels[rows], self.sample_weight[rows])

    def margins(self, weights: Values) -> tuple[Values, NDArray[np.bool_]]:
        """Return the margin of each row (Q, n) under each weight vector (Q, M), and whether the row is right."""
        n_members, n_rows, n_classes = self.proba.shape
        scores = (weights @ self.proba.reshape(n_members, -1)).reshape(len(weights), n_rows, n_classes)
        index = np.arange(n_rows)
        truth = scores[:, index, self.labels]
        scores[:, index, self.labels] = -np.inf
        margin = truth - scores.max(axis=-1)
        right = margin > 0
        points, rows = np.nonzero(np.abs(margin) < NEARLY_TIED)
        if len(rows):
            exact = np.zeros((len(rows), n_classes))
            for member in range(n_members):
                exact += weights[points, member, None] * self.proba[member, rows]
            right[points, rows] = exact.argmax(axis=-1) == self.labels[rows]
        return margin, right


def add_block(block: Block, weights: Values, travelled: Values, right: Values, right_from: Values) -> None:
    """Add the weight of right rows: at single grid points to ``right``, over stretches to ``right_from``."""
    anchors = np.unique(np.append(np.arange(0, len(weights), FIRST_STRIDE), len(weights) - 1))
    margin, is_right = block.margins(weights[anchors])
    right[anchors] += is_right @ block.sample_weight
    everything = np.arange(len(block.labels))
    stretches = [(anchors[i], anchors[i + 1], everything, margin[i], margin[i + 1]) for i in range(len(anchors) - 1)]
    while stretches:
        low, high, rows, at_low, at_high = stretches.pop()
        if high - low < 2:
            continue
        settled = (np.sign(at_low) == np.sign(at_high)) & (
            np.abs(at_low) + np.abs(at_high) > travelled[high] - travelled[low] + NEARLY_TIED
        )
        certain = block.sample_weight[rows[settled & (at_low > 0)]].sum()
        right_from[low + 1] += certain
        right_from[high] -= certain
        open_rows = ~settled
        if open_rows.any():
            rows = rows[open_rows]
            middle = (low + high) // 2
            part = block.take(rows)
            at_middle, is_right = part.margins(weights[middle : middle + 1])
            right[middle] += is_right[0] @ part.sample_weight
            stretches.append((low, middle, rows, at_low[open_rows], at_middle[0]))
            stretches.append((middle, high, rows, at_middle[0], at_high[open_rows]))

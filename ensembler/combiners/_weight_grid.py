"""The accuracy of a weighted average at every point of a grid of weights, exactly and without trying most of them.

A row's margin is the score of its true class minus that of its strongest rival. On a stretch of the grid the weights
lie close to the chord between their values at its two ends; call *bend* the largest sum, over the members, of
absolute distances from that chord, times the largest probability. Scores are linear in the weights, so a row whose
margin exceeds the bend at both ends is correct all along the stretch, and a row that the same rival beats by more than
the bend at both ends is wrong all along it. The rows that remain are tried in the middle of the stretch, and so on.
"""

import copy
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Floats, Values, row_blocks, row_spans
from ensembler.metrics import TIED_DECIMALS
from ensembler.parallel.threads import side_by_side

Indices = NDArray[np.int64]

BLOCK_VALUES = 1 << 21
FIRST_BEND = 0.03
"""Stretches that bend more than this are divided before any row is looked at."""
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
    spans = row_spans(n_samples, proba.size)
    grid = Grid(weights, max(side_by_side(lambda span: float(proba[:, span].max()), spans)))
    step = max(1, BLOCK_VALUES // (n_members * n_classes))

    def correct(span: slice) -> Values:
        counted = grid.uncounted()
        for start in range(span.start, span.stop, step):
            rows = slice(start, min(start + step, span.stop))
            # Members last: one row's values lie together, and a product with the weights runs along them.
            block = np.empty((len(labels[rows]), n_classes, n_members))
            block[:] = np.moveaxis(proba[:, rows], 0, 2)
            counted.add(block, labels[rows], sample_weight[rows])
        return counted.correct()

    return np.asarray(np.round(sum(side_by_side(correct, spans)) / sample_weight.sum(), TIED_DECIMALS))


@dataclass(frozen=True)
class Level:
    """Stretches of the grid between two points each, their bends, and where their halves are on the next level.

    Only stretches with a point inside are listed; a half without one is -1.
    """

    low: Indices
    high: Indices
    bend: Values
    first_half: Indices
    second_half: Indices

    @property
    def middle(self) -> Indices:
        """The point at which each stretch is divided."""
        return (self.low + self.high) // 2


class Grid:
    """The weight vectors, and the row weight that has been correct so far under each of them."""

    def __init__(self, weights: Values, largest: float) -> None:
        self.weights, self.largest = weights, largest
        self.at_point, self.from_point_on = np.zeros(len(weights)), np.zeros(len(weights) + 1)
        self.anchors = np.array(self.divide(0, len(weights) - 1) if len(weights) > 1 else [0])
        self.levels: list[Level] = []
        low, high = self.anchors[:-1], self.anchors[1:]
        inside = high - low > 1
        self.first_stretches = np.flatnonzero(inside)
        low, high = low[inside], high[inside]
        while len(low):
            middle = (low + high) // 2
            next_low, next_high = np.stack([low, middle], axis=1).ravel(), np.stack([middle, high], axis=1).ravel()
            inside = next_high - next_low > 1
            place = np.where(inside, inside.cumsum() - 1, -1)
            self.levels.append(Level(low, high, self.bends(low, high), place[::2], place[1::2]))
            low, high = next_low[inside], next_high[inside]

    def uncounted(self) -> Self:
        """Return the same grid before any row is counted."""
        grid = copy.copy(self)
        grid.at_point, grid.from_point_on = np.zeros(len(self.weights)), np.zeros(len(self.weights) + 1)
        return grid

    def correct(self) -> Values:
        """Return the row weight that is correct at each point."""
        return np.asarray(self.at_point + self.from_point_on.cumsum()[:-1])

    def bends(self, low: Indices, high: Indices) -> Values:
        """Return how far the weights stray from the chords of stretches that follow one another without overlap."""
        lengths = high - low + 1
        starts = lengths.cumsum() - lengths
        stretch = np.repeat(np.arange(len(low)), lengths)
        steps = np.arange(len(stretch)) - starts[stretch]
        share = (steps / (lengths - 1)[stretch])[:, None]
        chord = (1.0 - share) * self.weights[low[stretch]] + share * self.weights[high[stretch]]
        stray = np.abs(self.weights[low[stretch] + steps] - chord).sum(axis=1)
        return np.asarray(np.maximum.reduceat(stray, starts) * self.largest + NEARLY_TIED)

    def divide(self, low: int, high: int) -> list[int]:
        """Return points between which the weights bend little, both ends included."""
        if high - low < 2 or self.bends(np.array([low]), np.array([high]))[0] <= FIRST_BEND:
            return [low, high]
        middle = (low + high) // 2
        return [*self.divide(low, middle)[:-1], *self.divide(middle, high)]

    def add(self, block: Values, labels: Indices, sample_weight: Values) -> None:
        """Count the rows of a block, (n, C, M)."""
        n_rows, n_classes, n_members = block.shape
        n_points, n_anchors = len(self.weights), len(self.anchors)
        scores = (block.reshape(-1, n_members) @ self.weights[self.anchors].T).reshape(n_rows, n_classes, n_anchors)
        every_row, every_anchor = np.repeat(np.arange(n_rows), n_anchors), np.tile(self.anchors, n_rows)
        scores = np.ascontiguousarray(np.moveaxis(scores, 2, 1)).reshape(-1, n_classes)
        margin, rival, correct = self.evaluate(scores, block, labels, every_row, every_anchor)
        self.at_point[self.anchors] += sample_weight @ correct.reshape(n_rows, n_anchors)
        # From here on there is one entry for each pair of a row and a stretch, with both ends in the last axis.
        first = self.first_stretches
        row, stretch = np.repeat(np.arange(n_rows), len(first)), np.tile(np.arange(len(first)), n_rows)
        ends = np.stack([first, first + 1], axis=-1).ravel()
        margin = margin.reshape(n_rows, n_anchors)[:, ends].reshape(-1, 2)
        rival = rival.reshape(n_rows, n_anchors)[:, ends].reshape(-1, 2)
        for level in self.levels:
            bend = level.bend[stretch]
            always_correct = (margin[:, 0] > bend) & (margin[:, 1] > bend)
            always_wrong = (margin[:, 0] < -bend) & (margin[:, 1] < -bend) & (rival[:, 0] == rival[:, 1])
            certain, weight = stretch[always_correct], sample_weight[row[always_correct]]
            self.from_point_on += np.bincount(level.low[certain] + 1, weight, n_points + 1)
            self.from_point_on -= np.bincount(level.high[certain], weight, n_points + 1)
            left = np.flatnonzero(~(always_correct | always_wrong))
            row, stretch, margin, rival = row[left], stretch[left], margin[left], rival[left]
            middle = level.middle[stretch]
            inner, new_rival, correct = self.evaluate(self.scores(block, row, middle), block, labels, row, middle)
            self.at_point += np.bincount(middle, sample_weight[row] * correct, n_points)
            halves = np.concatenate([level.first_half[stretch], level.second_half[stretch]])
            kept = np.flatnonzero(halves >= 0)
            row, stretch = np.tile(row, 2)[kept], halves[kept]
            margin, rival = in_halves(margin, inner)[kept], in_halves(rival, new_rival)[kept]

    def scores(self, block: Values, row: Indices, point: Indices) -> Values:
        """Return the scores (K, C) of some rows, each under its own weight vector."""
        scores = np.empty((len(row), block.shape[1]))
        for part in row_blocks(len(row), block.shape[1] * block.shape[2]):
            np.matmul(block[row[part]], self.weights[point[part]][:, :, None], out=scores[part][:, :, None])
        return scores

    def evaluate(
        self, scores: Values, block: Values, labels: Indices, row: Indices, point: Indices
    ) -> tuple[Values, Indices, NDArray[np.bool_]]:
        """Return margins, strongest rivals and whether rows are correct, each (K,); ``scores`` (K, C) is used up."""
        every, true = np.arange(len(row)), labels[row]
        margin = scores[every, true]
        scores[every, true] = -np.inf
        rival = scores.argmax(axis=1)
        margin -= scores[every, rival]
        correct = margin > 0
        tied = np.flatnonzero(np.abs(margin) < NEARLY_TIED)
        if len(tied):
            exact = np.zeros((len(tied), block.shape[1]))
            for member in range(block.shape[2]):
                exact += self.weights[point[tied], member, None] * block[row[tied], :, member]
            correct[tied] = exact.argmax(axis=1) == true[tied]
        return margin, rival, correct


def in_halves(ends: NDArray[Any], middle: NDArray[Any]) -> NDArray[Any]:
    """Return the ends of all first halves, then of all second halves, from the ends (K, 2) and the middles (K,)."""
    first, second = ends.copy(), ends.copy()
    first[:, 1] = second[:, 0] = middle
    return np.concatenate([first, second])

"""Margins in fixed point, without the rows that no committee can change.

The margin of a (row, rival) pair is what a member gives to the row's true class minus what it gives to the rival.
Margins are multiplied by a power of two and rounded to 32-bit integers. Sums of integers are exact, so that they depend
on no order; a rounded sum is within ``slack`` of the true one, and pairs whose sum is nearer to zero than that are
settled in float64 by the definition of the sum.

The scale is the largest power of two with which the largest possible sum stays below 2^30. For means of M
probabilities it resolves M · 2^-29, so 4 · 10^-8 for twenty members. Contributions that are whole multiples of the
resolution (votes, ranks, hard labels) are exact, and nothing is left to settle.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Rows, Values
from ensembler.combiners.additive import AdditiveCombiner
from ensembler.subsets.contributions import BLOCK_VALUES, Contributions

Block = tuple[Rows, AdditiveCombiner, Callable[[], Values]]
Integers = NDArray[np.int32]
LIMIT_BITS = 30
FLOAT_BITS = 52
TINY = 2.0**-900


@dataclass(frozen=True)
class Margins:
    """The open (row, rival) pairs of some rows: P pairs of R rows.

    Attributes
    ----------
    n_members, n_rows : int
        Of all rows, open or not.
    always_correct : int
        Rows about which every committee with a member is correct.
    row_starts : (R + 1,)
        Where the pairs of each open row begin.
    steps : (M, P) int32
        Each member's margin of each pair.
    start : (P,) int32
        The margin of the empty committee.
    win, lose : int
        A sum of at least ``win`` beats the rival, one of at most ``lose`` is beaten, in between is too near to tell.
    own, rival : (M, R), (M, P) float64
        Contributions to the true class and to the rival, to settle what is too near.
    own_start, rival_start : (R,), (P,) float64
    strict : (P,) bool
        Whether the rival wins a tie.
    """

    n_members: int
    n_rows: int
    always_correct: int
    row_starts: NDArray[np.int32]
    steps: Integers
    start: Integers
    win: int
    lose: int
    own: Values
    rival: Values
    own_start: Values
    rival_start: Values
    strict: NDArray[np.bool_]

    @property
    def row_of_pair(self) -> Integers:
        """The open row of each pair."""
        return np.repeat(np.arange(len(self.row_starts) - 1, dtype=np.int32), np.diff(self.row_starts))


def blocks_of(data: Contributions) -> list[Block]:
    """Return all blocks with what gives their contributions, which few are computed only once for."""
    few = data.n_members * data.n_rows * data.n_classes <= BLOCK_VALUES
    blocks = [(rows, rule, partial(data.of, rows, rule)) for rows, rule in data.blocks()]
    return [(rows, rule, cache(give)) for rows, rule, give in blocks] if few else list(blocks)


def choose_scale(blocks: list[Block], n_members: int) -> tuple[int, bool]:
    """Return the power of two that margins are multiplied with, as its exponent, and whether that loses nothing."""
    spread, largest = np.zeros(n_members + 1), np.zeros(n_members + 1)
    for _, rule, give in blocks:
        added, offset = give(), rule.offset()
        # Reducing a short last axis takes ten times as long.
        by_class = np.moveaxis(added, 2, 0).copy()
        spread[:-1] = np.maximum(spread[:-1], np.ptp(by_class, axis=0).max(axis=1, initial=0.0))
        largest[:-1] = np.maximum(largest[:-1], np.abs(added).max(axis=(1, 2), initial=0.0))
        spread[-1], largest[-1] = max(spread[-1], np.ptp(offset)), max(largest[-1], np.abs(offset).max())
    # Sums of margins stay below 2^30, and the rounding of sums in float64 below half a unit.
    bits = LIMIT_BITS - 1 - math.frexp(spread.sum() + TINY)[1]
    exponent = min(bits, FLOAT_BITS - math.frexp((n_members + 1) * largest.sum() + TINY)[1])
    # Whole multiples of a unit lose nothing, and neither do their sums.
    for _, rule, give in blocks:
        for values in (rule.offset(), *give()):
            scaled = np.ldexp(values, exponent)
            if (scaled != np.rint(scaled)).any():
                return exponent, False
    return exponent, True


def make_margins(data: Contributions) -> Margins:
    """Put the margins of some rows into fixed point, and drop what no committee with a member can change."""
    blocks = blocks_of(data)
    exponent, exact = choose_scale(blocks, data.n_members)
    slack = 0 if exact else data.n_members // 2 + 2
    win, lose = (0, -1) if exact else (slack + 1, -slack - 1)
    always_correct = 0
    kept: list[tuple[NDArray[Any], ...]] = []
    lengths: list[NDArray[np.intp]] = []
    classes = np.arange(data.n_classes)
    for rows, rule, give in blocks:
        added, labels, offset = give(), data.labels[rows], rule.offset()
        position = np.arange(len(rows))
        own = added[:, position, labels]
        strict = classes < labels[:, None]
        margins = own[:, :, None] - added
        steps = np.rint(np.ldexp(margins, exponent, out=margins), out=margins).astype(np.int32)
        start = np.rint(np.ldexp(offset[labels][:, None] - offset, exponent)).astype(np.int32)
        if exact:
            start -= strict
        least, most = steps.min(axis=0), steps.max(axis=0)
        down, up = np.minimum(steps, 0).sum(axis=0, dtype=np.int32), np.maximum(steps, 0).sum(axis=0, dtype=np.int32)
        rivals = classes != labels[:, None]
        # With a member at least: the worst and the best sum of one or more members.
        worst = start + np.where(least > 0, least, down)
        best = start + np.where(most < 0, most, up)
        beaten = (rivals & (best <= lose)).any(axis=1)
        pairs = rivals & (worst < win) & ~beaten[:, None]
        count = pairs.sum(axis=1)
        always_correct += int(((count == 0) & ~beaten).sum())
        opened = count > 0
        lengths.append(count[opened])
        row, rival = np.nonzero(pairs)
        kept.append(
            (
                steps[:, row, rival],
                start[row, rival],
                added[:, row, rival],
                np.broadcast_to(offset[rival], rival.shape),
                strict[row, rival],
                own[:, opened],
                offset[labels[opened]],
            )
        )
    columns = [np.concatenate(parts, axis=-1) for parts in zip(*kept, strict=True)]
    return Margins(
        n_members=data.n_members,
        n_rows=data.n_rows,
        always_correct=always_correct,
        row_starts=np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int32),
        steps=np.ascontiguousarray(columns[0]),
        start=columns[1],
        win=win,
        lose=lose,
        own=np.ascontiguousarray(columns[5]),
        rival=np.ascontiguousarray(columns[2]),
        own_start=columns[6],
        rival_start=np.ascontiguousarray(columns[3]),
        strict=columns[4],
    )

"""The compiled scan: one committee that answers first, every committee that may follow it, every threshold between."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ensembler.arrays import Values

BLOCK = 32
"""Thresholds that are left out at once where none of them can be worth it."""


class FirstStage(NamedTuple):
    """A committee that answers first, its n rows in descending order of its confidence.

    Attributes
    ----------
    rows : (n,) int32
    ends : (n,) bool
        Whether the row before is one of higher confidence, so that a threshold fits between the two.
    correct : (n,)
        The weight of the row where the committee is correct, else 0.
    weight : (n,)
        Of the row.
    passed : (n,)
        The share of the weight of all rows from here on.
    missed : (n + 1,)
        The weight of the rows before a place about which the committee is wrong.
    base : float
        The weight of correct rows, of all rows, if it answers all n.
    cost : float
        Of a row, on average over all rows, if it answers all n.
    """

    rows: NDArray[np.int32]
    ends: NDArray[np.bool_]
    correct: Values
    weight: Values
    passed: Values
    missed: Values
    base: float
    cost: float


class Found(NamedTuple):
    """Places for cascades that were not surpassed when they were found."""

    second: NDArray[np.int32]
    kept: NDArray[np.int32]
    cost: Values
    value: Values


@njit(nogil=True, cache=True)
def scan(
    first: FirstStage,
    followers: NDArray[np.int32],
    extra: Values,
    correct: NDArray[np.uint8],
    lowest: Values,
    scale: float,
    shift: int,
    begin: int,
    found: Found,
) -> tuple[int, int]:
    """Look at every threshold of a first stage with every committee that may follow it.

    Parameters
    ----------
    first : FirstStage
    followers : (F,)
        Committees that may follow.
    extra : (F,)
        What a row costs more that is passed on to each.
    correct : (S, N)
        Of all committees.
    lowest : (B + 3,)
        The lowest known cost of anything whose value falls into a bin, or a higher one; kept up to date.
    scale : float
        Bins for a unit of value.
    shift : int
        0 where a bin is one value (weights are 1), so that an equally good one has to be cheaper; else 1: only what is
        surpassed by the next bin is left out.
    begin : int
        The follower to begin with.
    found : Found
        Filled with cascades that nothing known surpasses: the follower's place, rows kept, cost and value.

    Returns
    -------
    number of cascades found, follower to go on with (F at the end)
    """
    n_rows, room, count = len(first.rows), len(found.cost), 0
    for place in range(begin, len(followers)):
        if room - count < n_rows:
            return count, place
        answers = correct[followers[place]]
        value, more = first.base, extra[place]
        last = n_rows
        while last > 1:
            # The rows of a block: at best, the other committee is correct about all that the first is wrong about.
            start = max(last - BLOCK, 1)
            most = value + first.missed[last] - first.missed[start]
            least = first.cost + min(more * first.passed[start], more * first.passed[last - 1])
            highest = int(most * scale + 0.5) if shift == 0 else int(most * scale) + 2
            if least >= lowest[highest]:
                if shift == 0:
                    n_correct = 0
                    for position in range(start, last):
                        n_correct += answers[first.rows[position]]
                    value += n_correct - (last - start) + (first.missed[last] - first.missed[start])
                else:
                    for position in range(last - 1, start - 1, -1):
                        value += first.weight[position] * answers[first.rows[position]] - first.correct[position]
                last = start
                continue
            for position in range(last - 1, start - 1, -1):
                value += first.weight[position] * answers[first.rows[position]] - first.correct[position]
                if not first.ends[position]:
                    continue
                cost = first.cost + more * first.passed[position]
                bin_ = int(value * scale + 0.5) if shift == 0 else int(value * scale)
                if cost < lowest[bin_ + shift]:
                    found.second[count] = followers[place]
                    found.kept[count] = position
                    found.cost[count] = cost
                    found.value[count] = value
                    count += 1
                    known = bin_
                    while known >= 0 and lowest[known] > cost:
                        lowest[known] = cost
                        known -= 1
            last = start
    return count, len(followers)

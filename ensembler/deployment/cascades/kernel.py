"""The compiled scan: one committee that answers first, every committee that may follow it, every threshold between."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ensembler.arrays import Values


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
    lowest : (B + 2,)
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
        for position in range(n_rows - 1, 0, -1):
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
    return count, len(followers)

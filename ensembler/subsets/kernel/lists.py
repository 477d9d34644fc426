"""Lists of open (row, rival) pairs, and how deciding a member makes two of one, sixteen pairs at a time."""

from typing import Any, NamedTuple

import numpy as np

from ensembler.subsets.kernel.compiling import inlined, internal
from ensembler.subsets.kernel.lanes import (
    add,
    at_least,
    compress,
    gather,
    length,
    load_words,
    maximum,
    minimum,
    ones,
    splat_words,
    subtract,
    unequal,
)

BEYOND = 32
"""Words after a list that may be read or written."""


class Lists(NamedTuple):
    """The open pairs of each node on the way, (nodes, T) int32: number in the tile, row, and bounds of their sums.

    The bounds are the least and the most that the sum can become. A list ends with a row that does not exist, and with
    pairs that do.
    """

    pairs: Any
    rows: Any
    lows: Any
    highs: Any


@inlined
def keep(lists, node, state, pairs, rows, lows, highs, won, lost, ends, inside):
    """Append what stays open of sixteen pairs to a node's list: a row goes with its first lost pair.

    Outcomes are masks; ``ends`` has the last pair of each row. The sum carries what is lost to the end of its row, the
    shifts take it back to all of the row. ``state`` is the number of pairs in the list, where the row that goes on
    starts among them, whether it is lost, and the number of rows that are not.
    """
    n_pairs, first, carry, alive = state
    runs = inside & ~ends
    carried = runs + (lost & runs) + carry
    dead = (carried | lost) & ends
    gone = dead | (runs & (dead >> 1))
    runs &= runs >> 1
    gone |= runs & (gone >> 2)
    runs &= runs >> 2
    gone |= runs & (gone >> 4)
    runs &= runs >> 4
    gone |= runs & (gone >> 8)
    kept = inside & ~(won | gone)
    n_pairs = first if dead & ends & -ends else n_pairs
    place = node * lists.pairs.shape[1] + n_pairs
    compress(lists.pairs, place, pairs, kept)
    compress(lists.rows, place, rows, kept)
    compress(lists.lows, place, lows, kept)
    compress(lists.highs, place, highs, kept)
    n_pairs += ones(kept)
    first = n_pairs - ones(kept & (-1 << length(ends))) if ends else first
    return n_pairs, first, carried >> 16, alive - ones(dead)


@inlined
def close(lists, node, n_pairs):
    """End a list."""
    compress(lists.pairs, node * lists.pairs.shape[1] + n_pairs, splat_words(0), 0xFFFF)
    lists.rows[node, n_pairs] = -1


@internal
def divide(lists, node, n_pairs, alive, steps, step, win, lose, without):
    """Decide a member for the committees of a node; return the pairs and the rows that are not lost, of both halves.

    The half with the member comes after that ``without`` it. Its margins start at ``step`` of the flat ``steps``. With
    the margin's positive part gone, the most that a sum can become is less, with its negative part gone the least is
    more; including the member moves both.
    """
    zeros, least, beaten = splat_words(0), splat_words(win), splat_words(lose + 1)
    included, nothing = without + 1, np.int64(0)
    one = two = (nothing, nothing, nothing, alive)
    for position in range(0, n_pairs, 16):
        place = node * lists.pairs.shape[1] + position
        inside = (1 << min(n_pairs - position, 16)) - 1
        pairs, rows = load_words(lists.pairs, place), load_words(lists.rows, place)
        ends = inside & unequal(rows, load_words(lists.rows, place + 1))
        lows, highs = load_words(lists.lows, place), load_words(lists.highs, place)
        margins = gather(steps, step, pairs)
        down, up = minimum(margins, zeros), maximum(margins, zeros)
        low, high = subtract(lows, down), subtract(highs, up)
        won, lost = at_least(low, least), inside & ~at_least(high, beaten)
        one = keep(lists, without, one, pairs, rows, low, high, won, lost, ends, inside)
        low, high = add(lows, up), add(highs, down)
        won, lost = at_least(low, least), inside & ~at_least(high, beaten)
        two = keep(lists, included, two, pairs, rows, low, high, won, lost, ends, inside)
    close(lists, without, one[0])
    close(lists, included, two[0])
    return one[0], one[3], two[0], two[3]

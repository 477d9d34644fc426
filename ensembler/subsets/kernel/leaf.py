"""The last eight members, which are not decided one after another: a comparison answers for 64 committees.

The partial sums of the 256 subsets of these members (lanes) are sorted beforehand, for each (row, rival) pair. Together
with the members decided before, a lane beats the rival if its sum reaches a threshold. How many sums stay below it is
found by two comparisons of sixteen; the lanes that reach it are those of a higher rank. A rank is a byte, and comparing
ranks is exact.
"""

from typing import Any, NamedTuple

import numpy as np

from ensembler.subsets.kernel.compiling import compiled, inlined, internal
from ensembler.subsets.kernel.lanes import (
    above,
    add,
    at_least,
    both,
    byte,
    choose,
    count,
    count_below,
    either,
    load_bytes,
    load_words,
    maximum,
    minimum,
    prefetch,
    set_byte,
    set_word,
    splat_bytes,
    splat_flag,
    splat_words,
    store_bytes,
    store_words,
    word,
)

MEMBERS = 8
LANES = 1 << MEMBERS
MOST_COUNTED = 255
"""Rows that a byte can count."""
NEVER = np.iinfo(np.int32).max


class Leaf(NamedTuple):
    """The members that are not walked, and their partial sums for all pairs or for those of a tile.

    Attributes
    ----------
    steps : (8, P + 16) int32
        Their margins, and zeros that complete a vector.
    masks, places : (256,) int64
        What the members of a lane add to the committee's mask and to its place in the result.
    sums : (T, 256) int32
        By how much each sum exceeds the least, in ascending order, for each pair.
    ranks : (T, 256) uint8
        Where in that order each lane is.
    pivots : (T, 16) int32
        The last of each sixteen sums but the last sixteen.
    """

    steps: Any
    masks: Any
    places: Any
    sums: Any
    ranks: Any
    pivots: Any


class Work(NamedTuple):
    """Where a thread works on a leaf.

    Attributes
    ----------
    ranks : (P,) uint8
        The rank to exceed, for each open pair.
    near : (P,) int32
        Which open pairs have a lane that is too near to tell.
    few : (256,) uint8
        Rows counted since the last time they were added up.
    totals : (C,) int32
        The sums of a row's pairs.
    nodes : (6, nodes) int64
        Of each node, its pairs and its rows that are not lost; of each depth, the committee's mask, number and size,
        and which half is next.
    """

    ranks: Any
    near: Any
    few: Any
    totals: Any
    nodes: Any


@inlined
def exchange(sums, lanes, one, two):
    """Put the smaller of two sums first, and its lane, for sixteen pairs."""
    first, second = load_words(sums, one), load_words(sums, two)
    in_order = at_least(second, first)
    store_words(sums, one, minimum(first, second))
    store_words(sums, two, maximum(first, second))
    first, second = load_words(lanes, one), load_words(lanes, two)
    store_words(lanes, one, choose(in_order, first, second))
    store_words(lanes, two, choose(in_order, second, first))


@compiled
def sort_sums(leaf, first, end):
    """Sort the partial sums of the pairs from ``first`` to ``end`` into the first places of a leaf's tables.

    The sums with a member are those without it, moved by its step, and sorted like them. A bitonic network merges both,
    for sixteen pairs at once. In which order equal sums come does not matter.
    """
    sums, lanes = np.empty(16 * LANES, dtype=np.int32), np.empty(16 * LANES, dtype=np.int32)
    for start in range(first, end, 16):
        store_words(sums, 0, splat_words(0))
        store_words(lanes, 0, splat_words(0))
        for member in range(MEMBERS):
            width = 1 << member
            step, bit = load_words(leaf.steps, member * leaf.steps.shape[1] + start), splat_words(width)
            for lane in range(width):
                mirrored = 16 * (width - 1 - lane)
                store_words(sums, 16 * (width + lane), add(load_words(sums, mirrored), step))
                store_words(lanes, 16 * (width + lane), add(load_words(lanes, mirrored), bit))
            distance = width
            while distance:
                for block in range(0, 2 * width, 2 * distance):
                    for lane in range(block, block + distance):
                        exchange(sums, lanes, 16 * lane, 16 * (lane + distance))
                distance >>= 1
        for column in range(min(16, end - start)):
            place = (start - first + column) * LANES
            least = word(sums, column)
            for rank in range(LANES):
                set_word(leaf.sums, place + rank, word(sums, 16 * rank + column) - least)
                set_byte(leaf.ranks, place + word(lanes, 16 * rank + column), rank)
            for part in range(15):
                pivot = word(leaf.sums, place + 16 * part + 15)
                set_word(leaf.pivots, place // LANES * 16 + part, pivot)
            set_word(leaf.pivots, place // LANES * 16 + 15, NEVER)


@internal
def settle(data, first_pair, pairs, first, last, totals, mask):
    """Say whether a committee is correct about a row with pairs that are too near to tell, by the sum in float64.

    The row has ``first_pair`` + ``pairs[first:last]``, whose sums are the first of ``totals``.
    """
    for position in range(last - first):
        if totals[position] <= data.lose:
            return False
    for position in range(last - first):
        if totals[position] >= data.win:
            continue
        pair = first_pair + pairs[first + position]
        row = data.row_of_pair[pair]
        ours, theirs = data.own_start[row], data.rival_start[pair]
        for member in range(len(data.own)):
            if (mask >> member) & 1:
                ours += data.own[member, row]
                theirs += data.rival[member, pair]
        if ours < theirs or (ours == theirs and data.strict[pair]):
            return False
    return True


@internal
def settle_rows(data, leaf, work, tile, pairs, rows, lows, n_near, mask, counts):
    """Settle each committee of a leaf that is too near to tell about a row with one of the near pairs."""
    settled = -1
    for number in range(n_near):
        first = last = work.near[number]
        if rows[first] == settled:
            continue
        settled = rows[first]
        while first > 0 and rows[first - 1] == settled:
            first -= 1
        while rows[last] == settled:
            last += 1
        for lane in range(LANES):
            near = False
            for position in range(first, last):
                pair = tile.table + pairs[position]
                total = lows[position] + leaf.sums[pair, leaf.ranks[pair, lane]]
                work.totals[position - first] = total
                near |= data.lose < total < data.win
            if near and settle(data, tile.first_pair, pairs, first, last, work.totals, mask | leaf.masks[lane]):
                counts[lane] += 1


@internal
def find_ranks(leaf, work, tile, lists, start, n_pairs, win, width):
    """Find the rank that lanes must exceed, for each pair; tables that do not fit a cache are fetched ahead.

    Returns how many pairs have a lane that is too near to tell, and the number of rows.
    """
    table = tile.table * LANES
    for position in range(n_pairs):
        pair, threshold = word(lists.pairs, start + position), win - word(lists.lows, start + position)
        part = pair * LANES + 16 * count_below(leaf.pivots, (tile.table + pair) * 16, threshold)
        set_word(work.near, position, part)
        prefetch(leaf.sums, table + part)
    n_near = n_rows = 0
    for position in range(n_pairs):
        threshold, part = win - word(lists.lows, start + position), table + word(work.near, position)
        for line in range(0, LANES, 64):
            prefetch(leaf.ranks, part // LANES * LANES + line)
        place = part + count_below(leaf.sums, part, threshold) - 1
        set_byte(work.ranks, position, place)
        set_word(work.near, n_near, position)
        n_near += word(leaf.sums, place) >= threshold - width
        n_rows += word(lists.rows, start + position) != word(lists.rows, start + position + 1)
    return n_near, n_rows


@inlined
def count_lanes(counts, alive, ranks, place, rank, end):
    """Take up a pair for 64 lanes: those that beat all rivals of a row are counted where the row ends."""
    alive = both(alive, above(load_bytes(ranks, place), rank))
    return count(counts, both(alive, end)), either(alive, end)


@internal
def count_rows(leaf, work, tile, lists, start, n_pairs, counts):
    """Add up the rows about which each committee of a leaf is correct."""
    ranks, few = leaf.ranks, work.few
    alive_0 = alive_1 = alive_2 = alive_3 = splat_flag(1)
    for done in range(0, n_pairs, MOST_COUNTED):
        few_0 = few_1 = few_2 = few_3 = splat_bytes(0)
        for position in range(done, min(done + MOST_COUNTED, n_pairs)):
            place = (tile.table + word(lists.pairs, start + position)) * LANES
            rank = splat_bytes(byte(work.ranks, position))
            end = splat_flag(word(lists.rows, start + position) != word(lists.rows, start + position + 1))
            few_0, alive_0 = count_lanes(few_0, alive_0, ranks, place, rank, end)
            few_1, alive_1 = count_lanes(few_1, alive_1, ranks, place + 64, rank, end)
            few_2, alive_2 = count_lanes(few_2, alive_2, ranks, place + 128, rank, end)
            few_3, alive_3 = count_lanes(few_3, alive_3, ranks, place + 192, rank, end)
        store_bytes(few, 0, few_0)
        store_bytes(few, 64, few_1)
        store_bytes(few, 128, few_2)
        store_bytes(few, 192, few_3)
        for lane in range(LANES):
            counts[lane] += few[lane]


@internal
def count_leaf(data, leaf, work, tile, lists, node, n_pairs, alive, mask, counts):
    """Add to ``counts`` the rows about which each committee of a leaf is correct: ``alive``, but for those it loses."""
    start = node * lists.pairs.shape[1]
    n_near, n_rows = find_ranks(leaf, work, tile, lists, start, n_pairs, data.win, data.win - data.lose - 1)
    for lane in range(LANES):
        counts[lane] += alive - n_rows
    count_rows(leaf, work, tile, lists, start, n_pairs, counts)
    if n_near:
        pairs, rows, lows = lists.pairs[node], lists.rows[node], lists.lows[node]
        settle_rows(data, leaf, work, tile, pairs, rows, lows, n_near, mask, counts)

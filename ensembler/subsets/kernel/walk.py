"""The compiled walk over the committees of one shard; imported only where there are enough of them to pay for it.

A committee S is correct about a row if for every rival class the sum of its members' margins (score of the true class
minus score of the rival) is positive. The walk decides member after member; with the smallest and largest sums that the
undecided members can add, most (row, rival) pairs are settled high up and never looked at again. The last members are
not walked: `ensembler.subsets.kernel.leaf` looks at all of their committees at once. Rows are taken in tiles, each
through the whole walk, so that what belongs to them stays in a core's cache.

Everything is in 32-bit fixed point (`ensembler.subsets.kernel.margins`), so that no sum depends on the order of its
terms; sums too near to zero for that are settled in float64.
"""

from typing import Any, NamedTuple

import numpy as np

from ensembler.subsets.kernel.compiling import compiled, internal
from ensembler.subsets.kernel.leaf import LANES, MEMBERS, count_leaf, settle, sort_sums
from ensembler.subsets.kernel.lists import close, divide

TILE_PAIRS = 2048
"""Pairs of a tile that are open in the shard, but for the last row's."""


class OpenPairs(NamedTuple):
    """The open (row, rival) pairs of some rows, as `ensembler.subsets.kernel.margins.Margins` says them."""

    start: Any
    row_starts: Any
    row_of_pair: Any
    steps: Any
    win: Any
    lose: Any
    always_correct: Any
    own: Any
    rival: Any
    own_start: Any
    rival_start: Any
    strict: Any


class WalkOrder(NamedTuple):
    """The members that vary within a shard, in the order in which they are decided.

    Attributes
    ----------
    steps : (D + 1, P) int32
        The walked members' margins in order, and zeros.
    low, high : (P,) int32
        The least and most that all members of the shard can add.
    masks, places : (D,) int64
        What including a walked member adds to the committee's mask and to its place in the result.
    """

    steps: Any
    low: Any
    high: Any
    masks: Any
    places: Any


class Bounds(NamedTuple):
    """What all committees of a shard have, and the sizes that are asked for."""

    mask: Any
    size: Any
    size_min: Any
    size_max: Any


class Tile(NamedTuple):
    """Some rows: the first of their pairs, where its sorted sums are, and the number of pairs and rows."""

    first_pair: Any
    table: Any
    n_pairs: Any
    n_rows: Any


@compiled
def count_committees(data, masks, out):
    """Count the correct rows of some committees, each by itself."""
    n_members, n_pairs = data.steps.shape
    row_starts, win, lose = data.row_starts, data.win, data.lose
    sums = np.empty(n_pairs, dtype=np.int32)
    all_pairs = np.arange(n_pairs).astype(np.int32)
    for place, mask in enumerate(masks):
        sums[:] = data.start
        for member in range(n_members):
            if (mask >> member) & 1:
                step = data.steps[member]
                for pair in range(n_pairs):
                    sums[pair] += step[pair]
        correct = data.always_correct
        for row in range(len(row_starts) - 1):
            first, last = row_starts[row], row_starts[row + 1]
            least = sums[first]
            for pair in range(first + 1, last):
                least = min(least, sums[pair])
            near = win > least > lose
            if least >= win or (near and settle(data, 0, all_pairs, first, last, sums[first:last], mask)):
                correct += 1
        out[place] = correct


@internal
def walk_tile(data, order, leaf, bounds, start_sums, tile, lists, work, counts):
    """Add to ``counts`` (2^D, 256) the rows of a tile about which each committee of a shard is correct.

    Node 2d + i has the first d members decided, the last of them left out or included; the last node has all pairs.
    """
    depth_end, n_all, root = len(order.masks), len(start_sums), len(lists.pairs) - 1
    for pair in range(tile.n_pairs):
        place = tile.first_pair + pair
        lists.pairs[root, pair] = pair
        lists.rows[root, pair] = data.row_of_pair[place]
        lists.lows[root, pair] = start_sums[place] + order.low[place]
        lists.highs[root, pair] = start_sums[place] + order.high[place]
    close(lists, root, tile.n_pairs)
    kept, alive, mask, number, size, next_half = work.nodes
    next_half[:] = 0
    node, after_last = np.int64(0), depth_end * n_all + tile.first_pair
    kept[0], alive[0], _, _ = divide(
        lists, root, tile.n_pairs, tile.n_rows, order.steps, after_last, data.win, data.lose, node
    )
    number[0] = 0
    mask[0], size[0] = bounds.mask, bounds.size
    depth = 0
    while depth >= 0:
        half = next_half[depth]
        if depth == depth_end or half == 2:
            if depth == depth_end:
                count_leaf(
                    data, leaf, work, tile, lists, node, kept[node], alive[node], mask[depth], counts[number[depth]]
                )
            next_half[depth] = 0
            depth -= 1
            continue
        new = depth + 1
        if half == 0:
            kept[2 * new], alive[2 * new], kept[2 * new + 1], alive[2 * new + 1] = divide(
                lists, node, kept[node], alive[node], order.steps, depth * n_all + tile.first_pair, data.win, data.lose,
                2 * new,
            )  # fmt: skip
        next_half[depth] = half + 1
        new_size = size[depth] + half
        if new_size <= bounds.size_max and new_size + depth_end - new + MEMBERS >= bounds.size_min:
            mask[new] = mask[depth] + half * order.masks[depth]
            number[new] = 2 * number[depth] + half
            size[new] = new_size
            depth, node = new, 2 * new + half


@compiled
def walk(data, order, leaf, bounds, start_sums, lists, work, counts, out):
    """Count the correct rows of every committee of a shard into ``out``, but for sizes that no subtree has.

    ``data`` are `OpenPairs`, ``order`` is a `WalkOrder`, ``leaf`` a `Leaf`, ``bounds`` are `Bounds`, and ``start_sums``
    (P,) the margins with the members that all committees of the shard have. Lists, work and ``counts`` (2^D, 256) are
    where the walk works. Partial sums that are not there for all pairs are sorted for one tile after another.
    """
    row_starts, depth_end = data.row_starts, len(order.masks)
    n_rows, whole = len(row_starts) - 1, len(leaf.sums) == len(start_sums)
    for number in range(len(counts)):
        for lane in range(LANES):
            counts[number, lane] = data.always_correct
    first_row = 0
    while first_row < n_rows:
        first_pair, end_row, n_open = np.int64(row_starts[first_row]), first_row, 0
        while end_row < n_rows and n_open < TILE_PAIRS and (whole or row_starts[end_row] - first_pair < TILE_PAIRS):
            for pair in range(row_starts[end_row], row_starts[end_row + 1]):
                total = start_sums[pair]
                n_open += (total + order.low[pair] < data.win) & (total + order.high[pair] > data.lose)
            end_row += 1
        end_pair = np.int64(row_starts[end_row])
        if not whole:
            sort_sums(leaf, first_pair, end_pair)
        tile = Tile(first_pair, first_pair if whole else np.int64(0), end_pair - first_pair, end_row - first_row)
        walk_tile(data, order, leaf, bounds, start_sums, tile, lists, work, counts)
        first_row = end_row
    for number in range(len(counts)):
        place = 0
        for depth in range(depth_end):
            place += (number >> (depth_end - 1 - depth) & 1) * order.places[depth]
        for lane in range(LANES):
            out[place + leaf.places[lane]] = counts[number, lane]

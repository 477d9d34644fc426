"""The compiled walk over the committees of one shard; imported only where there are enough of them to pay for it.

A committee S is correct about a row if for every rival class the sum of its members' margins (score of the true class
minus score of the rival) is positive. The walk decides member after member; with the smallest and largest sums that the
undecided members can add, most (row, rival) pairs are settled high up and never looked at again. The last members are
not walked: their partial sums stand ready in two small tables, and one comparison decides one committee.

Everything is in 32-bit fixed point (`ensembler.subsets.kernel.margins`), so that no sum depends on the order of its
terms; sums too near to zero for that are settled in float64.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from ensembler.subsets.kernel.lanes import LANES, add_one, at_least, within

LOW, HIGH = 4, 4
"""Members of the two tables: 2^LOW lanes are compared at once, for each of 2^HIGH thresholds."""
THRESHOLDS = 1 << HIGH


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
    lows, highs : (D + 1, P) int32
        The least and most that all undecided members can add after so many decisions.
    low_table, high_table : (P, 2^LOW), (P, 2^HIGH) int32
        Partial sums of the members that are not walked.
    masks, slots : (D,) int64
        What including a walked member adds to the committee's mask and to its place in the result.
    lane_masks, lane_slots, lane_sizes : (LANES · THRESHOLDS,) int64
        The same for the members of the tables, and how many they are.
    """

    steps: Any
    lows: Any
    highs: Any
    low_table: Any
    high_table: Any
    masks: Any
    slots: Any
    lane_masks: Any
    lane_slots: Any
    lane_sizes: Any


class Bounds(NamedTuple):
    """What all committees of a shard have, and the sizes that are asked for."""

    mask: Any
    size: Any
    size_min: Any
    size_max: Any


def compiled(function):
    """Compile without the interpreter lock; keep the result on disk where there is a place to write it."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:
        return njit(nogil=True)(function)


@compiled
def partial_sums(steps):
    """Return the sums of every subset of a few members, (P, 2^n) for steps (n, P)."""
    n, n_pairs = steps.shape
    table = np.zeros((n_pairs, 1 << n), dtype=np.int32)
    for pair in range(n_pairs):
        for member in range(n):
            width = 1 << member
            for lane in range(width):
                table[pair, width + lane] = table[pair, lane] + steps[member, pair]
    return table


@compiled
def narrow(sums, pairs, starts, n_rows, step, low, high, win, lose, new_sums, new_pairs, new_starts):
    """Add a member's step to the open pairs, drop what is settled; return the rows left and the correct ones."""
    kept_rows = 0
    kept = 0
    correct = 0
    for row in range(n_rows):
        first = kept
        lost = False
        for position in range(starts[row], starts[row + 1]):
            pair = pairs[position]
            total = sums[position] + step[pair]
            if total + high[pair] <= lose:
                lost = True
                break
            new_sums[kept] = total
            new_pairs[kept] = pair
            if total + low[pair] < win:
                kept += 1
        if lost:
            kept = first
        elif kept == first:
            correct += 1
        else:
            kept_rows += 1
            new_starts[kept_rows] = kept
    return kept_rows, correct


@compiled
def settle(data, pairs, totals, n_pairs, mask):
    """Say whether a committee is correct about a row with pairs that are too near to tell, by the sum in float64."""
    for position in range(n_pairs):
        if totals[position] <= data.lose:
            return False
    for position in range(n_pairs):
        if totals[position] >= data.win:
            continue
        pair = pairs[position]
        row = data.row_of_pair[pair]
        ours, theirs = data.own_start[row], data.rival_start[pair]
        for member in range(len(data.own)):
            if (mask >> member) & 1:
                ours += data.own[member, row]
                theirs += data.rival[member, pair]
        if ours < theirs or (ours == theirs and data.strict[pair]):
            return False
    return True


@compiled
def count_leaf(data, order, sums, pairs, starts, n_rows, counts, mask, near):
    """Add to ``counts`` the open rows about which each committee of a leaf is correct."""
    low_table, high_table, win = order.low_table, order.high_table, data.win
    width = win - data.lose - 1
    for row in range(n_rows):
        first, last = starts[row], starts[row + 1]
        doubtful = np.uint16(0)
        if last - first == 1:
            pair, needed = pairs[first], win - sums[first]
            place = pair * LANES
            for high in range(THRESHOLDS):
                threshold = needed - high_table[pair, high]
                add_one(counts, high * LANES, at_least(low_table, place, threshold))
                doubtful |= within(low_table, place, threshold - width, width)
        elif last - first == 2:
            one, needed_one = pairs[first], win - sums[first]
            two, needed_two = pairs[first + 1], win - sums[first + 1]
            place_one, place_two = one * LANES, two * LANES
            for high in range(THRESHOLDS):
                threshold_one = needed_one - high_table[one, high]
                threshold_two = needed_two - high_table[two, high]
                correct = at_least(low_table, place_one, threshold_one) & at_least(low_table, place_two, threshold_two)
                add_one(counts, high * LANES, correct)
                doubtful |= within(low_table, place_one, threshold_one - width, width)
                doubtful |= within(low_table, place_two, threshold_two - width, width)
        else:
            for high in range(THRESHOLDS):
                correct = np.uint16(0xFFFF)
                for position in range(first, last):
                    pair = pairs[position]
                    threshold = win - sums[position] - high_table[pair, high]
                    correct &= at_least(low_table, pair * LANES, threshold)
                    doubtful |= within(low_table, pair * LANES, threshold - width, width)
                add_one(counts, high * LANES, correct)
        if doubtful:
            for lane in range(THRESHOLDS * LANES):
                some = False
                for position in range(first, last):
                    pair = pairs[position]
                    total = sums[position] + high_table[pair, lane // LANES] + low_table[pair, lane % LANES]
                    near[position - first] = total
                    some |= data.lose < total < win
                if some and settle(data, pairs[first:last], near, last - first, mask | order.lane_masks[lane]):
                    counts[lane] += 1


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
            if least >= win or (
                least > lose and settle(data, all_pairs[first:last], sums[first:last], last - first, mask)
            ):
                correct += 1
        out[place] = correct


@compiled
def walk(data, order, bounds, start_sums, out):
    """Count the correct rows of every committee of a shard into ``out``; -1 where the size is not wanted.

    ``data`` are `OpenPairs`, ``order`` is a `WalkOrder`, ``bounds`` are `Bounds`, and ``start_sums`` (P,) the margins
    with the members that all committees of the shard have.
    """
    row_starts, win, lose = data.row_starts, data.win, data.lose
    steps, lows, highs = order.steps, order.lows, order.highs
    masks, slots, lane_slots, lane_sizes = order.masks, order.slots, order.lane_slots, order.lane_sizes
    size_min, size_max = bounds.size_min, bounds.size_max
    depth_end = len(masks)
    n_pairs = len(start_sums)
    n_rows = len(row_starts) - 1
    n_lanes = len(lane_slots)
    sums = np.empty((depth_end + 1, n_pairs + 1), dtype=np.int32)
    pairs = np.empty((depth_end + 1, n_pairs + 1), dtype=np.int32)
    starts = np.zeros((depth_end + 1, n_rows + 1), dtype=np.int32)
    rows = np.zeros(depth_end + 1, dtype=np.int64)
    correct = np.zeros(depth_end + 1, dtype=np.int64)
    mask = np.zeros(depth_end + 1, dtype=np.int64)
    slot = np.zeros(depth_end + 1, dtype=np.int64)
    size = np.zeros(depth_end + 1, dtype=np.int64)
    state = np.zeros(depth_end + 1, dtype=np.int8)
    counts = np.empty(n_lanes, dtype=np.int32)
    most = 1
    for row in range(n_rows):
        most = max(most, row_starts[row + 1] - row_starts[row])
    near = np.empty(most, dtype=np.int32)
    nothing = steps[depth_end]

    all_pairs = np.arange(n_pairs).astype(np.int32)
    rows[0], settled = narrow(
        start_sums, all_pairs, row_starts, n_rows, nothing, lows[0], highs[0], win, lose, sums[0], pairs[0], starts[0]
    )
    correct[0] = data.always_correct + settled
    mask[0], size[0] = bounds.mask, bounds.size
    undecided = depth_end + lane_sizes[n_lanes - 1]
    depth = 0
    while depth >= 0:
        if depth == depth_end:
            counts[:] = correct[depth]
            count_leaf(data, order, sums[depth], pairs[depth], starts[depth], rows[depth], counts, mask[depth], near)
            for lane in range(n_lanes):
                total = size[depth] + lane_sizes[lane]
                fits = size_min <= total <= size_max
                out[slot[depth] + lane_slots[lane]] = counts[lane] if fits else -1
            depth -= 1
            continue
        if state[depth] == 2:
            state[depth] = 0
            depth -= 1
            continue
        included = state[depth]
        state[depth] += 1
        new = depth + 1
        new_size = size[depth] + included
        if new_size > size_max or new_size + undecided - new < size_min:
            continue
        rows[new], settled = narrow(
            sums[depth], pairs[depth], starts[depth], rows[depth], steps[depth] if included else nothing,
            lows[new], highs[new], win, lose, sums[new], pairs[new], starts[new],
        )  # fmt: skip
        correct[new] = correct[depth] + settled
        mask[new] = mask[depth] + (masks[depth] if included else 0)
        slot[new] = slot[depth] + (slots[depth] if included else 0)
        size[new] = new_size
        depth = new

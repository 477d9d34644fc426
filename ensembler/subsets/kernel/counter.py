"""Counting the correct rows of the committees of a shard by the compiled walk."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ensembler.subsets.contributions import Contributions
from ensembler.subsets.kernel.margins import Margins, make_margins
from ensembler.subsets.kernel.unanswered import UnansweredRows
from ensembler.subsets.plan import Plan
from ensembler.subsets.tally import Layout, Summary, subset_masks

if TYPE_CHECKING:
    from ensembler.subsets.kernel.leaf import Leaf, Work
    from ensembler.subsets.kernel.lists import Lists
    from ensembler.subsets.kernel.walk import OpenPairs, WalkOrder

Counts = NDArray[np.int32]
CACHE_LINE = 64
MOST_TABLES = 1 << 19
"""Pairs whose partial sums are sorted once (0.7 GB); those of more are sorted for each shard."""


@dataclass
class Counter:
    """Counts the correct rows of all committees of a shard, for one set of rows."""

    plan: Plan
    pairs: "OpenPairs"
    order: "WalkOrder"
    leaf: "Leaf"
    unanswered: UnansweredRows

    @classmethod
    def of(cls, data: Contributions, plan: Plan) -> "Counter":
        """Put margins into fixed point and order the members by influence."""
        return cls.of_pairs(plan, open_pairs(make_margins(data)), UnansweredRows.of(data))

    @classmethod
    def of_pairs(cls, plan: Plan, pairs: "OpenPairs", unanswered: UnansweredRows) -> "Counter":
        """Order the members by influence and make the tables."""
        return cls(plan, pairs, *order_members(pairs, plan), unanswered)

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave the tables out where a counter is sent: they are large, and soon made."""
        return Counter.of_pairs, (self.plan, self.pairs, self.unanswered)

    def with_plan(self, plan: Plan) -> "Counter":
        """Return a counter of the same rows for shards of another size."""
        return Counter.of_pairs(plan, self.pairs, self.unanswered)

    def count(self, shard: int) -> Counts:
        """Return the correct rows of each committee of a shard, in order of their masks; -1 for those not asked for."""
        from ensembler.subsets.kernel.walk import Bounds, walk

        plan = self.plan
        start = self.pairs.start.copy()
        fixed = Layout(plan).fixed(shard)
        for member in fixed:
            start += self.pairs.steps[member]
        out = np.empty(1 << plan.shard_bits, dtype=np.int32)
        leaf, *room = make_room(self.pairs, self.order, self.leaf)
        mask = sum(1 << member for member in fixed)
        bounds = Bounds(mask, len(fixed), max(plan.size_min, 1), plan.size_max)
        walk(self.pairs, self.order, leaf, bounds, start, *room, out)
        if len(fixed) < bounds.size_min or len(fixed) + plan.shard_bits > bounds.size_max:
            sizes = len(fixed) + np.bitwise_count(np.arange(len(out)))
            out[(sizes < bounds.size_min) | (sizes > bounds.size_max)] = -1
        if len(self.unanswered.masks):
            np.add(out, self.unanswered.of_shard(plan, shard), out=out, where=out >= 0, casting="same_kind")
        return out

    def count_some(self, masks: NDArray[np.int64]) -> Counts:
        """Return the correct rows of some committees."""
        from ensembler.subsets.kernel.walk import count_committees

        out = np.empty(len(masks), dtype=np.int32)
        count_committees(self.pairs, masks, out)
        if len(self.unanswered.masks):
            np.add(out, self.unanswered.of_masks(masks), out=out, casting="same_kind")
        return out


def summarise_counts(counts: NDArray[np.int32], n_rows: int) -> Summary:
    """Sum up the counts of a shard, negative where they are not asked for."""
    from ensembler.subsets.kernel.summary import summarise

    bits = len(counts).bit_length() - 1
    n_low, n_high = bits // 2, bits - bits // 2
    summary = Summary(
        inside=np.zeros((bits, bits + 1), dtype=np.int64),
        totals=np.zeros(bits + 1, dtype=np.int64),
        best=np.full(bits + 1, -1, dtype=np.int64),
        histogram=np.zeros((bits + 1, n_rows + 1), dtype=np.int64),
    )
    sizes, most = np.bitwise_count(np.arange(1 << n_high)).astype(np.int64), np.full(bits + 1, -1, dtype=np.int64)
    by_high, by_size = (np.zeros((n + 2, 1 << n_low), dtype=np.int64) for n in (n_high, n_low))
    summarise(counts, sizes, most, by_high, by_size, *summary)
    return summary


def open_pairs(margins: Margins) -> "OpenPairs":
    """Return margins as the compiled code takes them."""
    from ensembler.subsets.kernel.walk import OpenPairs

    return OpenPairs(**{name: getattr(margins, name) for name in OpenPairs._fields})


def order_members(pairs: "OpenPairs", plan: Plan) -> tuple["WalkOrder", "Leaf"]:
    """Order the members that vary within a shard by influence: the first are walked, the last are those of a leaf."""
    from ensembler.subsets.kernel.leaf import MEMBERS, Leaf, sort_sums
    from ensembler.subsets.kernel.walk import WalkOrder

    varying, n_pairs = plan.free[: plan.shard_bits], len(pairs.start)
    influence = np.abs(pairs.steps[varying]).sum(axis=1, dtype=np.int64)
    bits = np.argsort(-influence, kind="stable")
    order = [varying[bit] for bit in bits]
    walked, last = order[:-MEMBERS], order[-MEMBERS:]
    n_tables = n_pairs if n_pairs <= MOST_TABLES else 0
    leaf = Leaf(
        steps=np.pad(pairs.steps[last], ((0, 0), (0, 16))),
        masks=subset_masks(last),
        places=subset_masks(bits[-MEMBERS:].tolist()),
        **tables(n_tables),
    )
    sort_sums(leaf, 0, n_tables)
    steps = np.zeros((len(walked) + 1, n_pairs), dtype=np.int32)
    steps[:-1] = pairs.steps[walked]
    walk_order = WalkOrder(
        steps=steps,
        low=np.minimum(pairs.steps[varying], 0).sum(axis=0, dtype=np.int32),
        high=np.maximum(pairs.steps[varying], 0).sum(axis=0, dtype=np.int32),
        masks=np.array([1 << member for member in walked], dtype=np.int64),
        places=np.array([1 << bit for bit in bits[:-MEMBERS].tolist()], dtype=np.int64),
    )
    return walk_order, leaf


def make_room(pairs: "OpenPairs", order: "WalkOrder", leaf: "Leaf") -> tuple["Leaf", "Lists", "Work", Counts]:
    """Return where a walk works: tables for a tile where there are none for all pairs, lists, and counts."""
    from ensembler.subsets.kernel.leaf import LANES, Work
    from ensembler.subsets.kernel.lists import BEYOND, Lists
    from ensembler.subsets.kernel.walk import TILE_PAIRS

    n_pairs, depth = len(pairs.start), len(order.masks)
    most = int(np.diff(pairs.row_starts).max(initial=1))
    if len(leaf.sums) < n_pairs:
        n_pairs = min(n_pairs, TILE_PAIRS + most)
        leaf = leaf._replace(**tables(n_pairs))
    shape = (2 * depth + 3, n_pairs + BEYOND)
    work = Work(
        ranks=np.empty(n_pairs + 1, dtype=np.uint8),
        near=np.empty(n_pairs + 1, dtype=np.int32),
        few=np.empty(LANES, dtype=np.uint8),
        totals=np.empty(most, dtype=np.int32),
        nodes=np.empty((6, 2 * depth + 2), dtype=np.int64),
    )
    counts = np.empty((1 << depth, LANES), dtype=np.int32)
    return leaf, Lists(*(np.empty(shape, dtype=np.int32) for _ in Lists._fields)), work, counts


def tables(n_pairs: int) -> dict[str, NDArray[Any]]:
    """Return room for a leaf's tables."""
    from ensembler.subsets.kernel.leaf import LANES

    return {
        "sums": aligned((n_pairs, LANES), np.int32),
        "ranks": aligned((n_pairs, LANES), np.uint8),
        "pivots": aligned((n_pairs, 16), np.int32),
    }


def aligned(shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
    """Return an array whose vectors do not straddle cache lines."""
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    buffer = np.empty(n_bytes + CACHE_LINE, dtype=np.uint8)
    start = -buffer.ctypes.data % CACHE_LINE
    return buffer[start : start + n_bytes].view(dtype).reshape(shape)

"""Counting the correct rows of the committees of a shard by the compiled walk."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ensembler.subsets.contributions import Contributions
from ensembler.subsets.kernel.margins import Margins, make_margins
from ensembler.subsets.kernel.unanswered import UnansweredRows
from ensembler.subsets.plan import Plan
from ensembler.subsets.tally import Layout

if TYPE_CHECKING:
    from ensembler.subsets.kernel.walk import OpenPairs, WalkOrder

Counts = NDArray[np.int32]


@dataclass
class Counter:
    """Counts the correct rows of all committees of a shard, for one set of rows."""

    plan: Plan
    pairs: "OpenPairs"
    order: "WalkOrder"
    unanswered: UnansweredRows

    @classmethod
    def of(cls, data: Contributions, plan: Plan) -> "Counter":
        """Put margins into fixed point and order the members by influence."""
        pairs = open_pairs(make_margins(data))
        return cls(plan, pairs, order_members(pairs, plan), UnansweredRows.of(data))

    def with_plan(self, plan: Plan) -> "Counter":
        """Return a counter of the same rows for shards of another size."""
        return Counter(plan, self.pairs, order_members(self.pairs, plan), self.unanswered)

    def count(self, shard: int) -> Counts:
        """Return the correct rows of each committee of a shard, in order of their masks; -1 for those not asked for."""
        from ensembler.subsets.kernel.walk import Bounds, walk

        plan = self.plan
        start = self.pairs.start.copy()
        fixed = Layout(plan).fixed(shard)
        for member in fixed:
            start += self.pairs.steps[member]
        out = np.empty(1 << plan.shard_bits, dtype=np.int32)
        mask = sum(1 << member for member in fixed)
        bounds = Bounds(mask, len(fixed), max(plan.size_min, 1), plan.size_max)
        walk(self.pairs, self.order, bounds, start, out)
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


def open_pairs(margins: Margins) -> "OpenPairs":
    """Return margins as the compiled code takes them."""
    from ensembler.subsets.kernel.walk import OpenPairs

    return OpenPairs(**{name: getattr(margins, name) for name in OpenPairs._fields})


def order_members(pairs: "OpenPairs", plan: Plan) -> "WalkOrder":
    """Order the members that vary within a shard by influence, and make the tables of the walk."""
    from ensembler.subsets.kernel.walk import HIGH, LOW, WalkOrder, partial_sums

    varying = plan.free[: plan.shard_bits]
    influence = np.abs(pairs.steps[varying]).sum(axis=1, dtype=np.int64)
    order = [varying[bit] for bit in np.argsort(-influence, kind="stable")]
    slots = {member: 1 << bit for bit, member in enumerate(varying)}
    walked, leaf = order[: -(LOW + HIGH)], order[-(LOW + HIGH) :]
    steps = np.zeros((len(walked) + 1, len(pairs.start)), dtype=np.int32)
    steps[:-1] = pairs.steps[walked]
    lows, highs = np.empty_like(steps), np.empty_like(steps)
    lows[-1] = np.minimum(pairs.steps[leaf], 0).sum(axis=0)
    highs[-1] = np.maximum(pairs.steps[leaf], 0).sum(axis=0)
    for depth in range(len(walked) - 1, -1, -1):
        lows[depth] = lows[depth + 1] + np.minimum(steps[depth], 0)
        highs[depth] = highs[depth + 1] + np.maximum(steps[depth], 0)
    lanes = np.arange(1 << len(leaf))
    inside = [(lanes >> bit & 1).astype(np.int64) for bit in range(len(leaf))]
    return WalkOrder(
        steps=steps,
        lows=lows,
        highs=highs,
        low_table=partial_sums(pairs.steps[leaf[:LOW]]),
        high_table=partial_sums(pairs.steps[leaf[LOW:]]),
        masks=np.array([1 << member for member in walked], dtype=np.int64),
        slots=np.array([slots[member] for member in walked], dtype=np.int64),
        lane_masks=sum((bit << member for bit, member in zip(inside, leaf, strict=True)), np.zeros_like(lanes)),
        lane_slots=sum((bit * slots[member] for bit, member in zip(inside, leaf, strict=True)), np.zeros_like(lanes)),
        lane_sizes=sum(inside, np.zeros_like(lanes)),
    )

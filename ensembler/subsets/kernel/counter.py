"""Counting the right rows of the committees of a shard by the compiled walk."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.subsets.contributions import Contributions
from ensembler.subsets.kernel.margins import Margins, make_margins
from ensembler.subsets.plan import Plan
from ensembler.subsets.tally import Layout

Counts = NDArray[np.int32]


@dataclass
class Counter:
    """Counts the right rows of all committees of a shard, for one set of rows."""

    plan: Plan
    margins: Margins
    prepared: dict[str, Any]

    @classmethod
    def of(cls, data: Contributions, plan: Plan) -> "Counter":
        """Put margins into fixed point and order the members by influence."""
        margins = make_margins(data)
        return cls(plan, margins, prepare(margins, plan))

    def with_plan(self, plan: Plan) -> "Counter":
        """Return a counter of the same rows for shards of another size."""
        return Counter(plan, self.margins, prepare(self.margins, plan))

    def count(self, shard: int) -> Counts:
        """Return the right rows of each committee of a shard, in order of their masks; -1 for those not asked for."""
        from ensembler.subsets.kernel.walk import walk

        plan, margins, ready = self.plan, self.margins, self.prepared
        start = margins.start.copy()
        fixed = Layout(plan).fixed(shard)
        for member in fixed:
            start += margins.steps[member]
        out = np.empty(1 << plan.shard_bits, dtype=np.int32)
        walk(
            start,
            margins.row_starts,
            margins.row_of_pair,
            ready["steps"],
            ready["lows"],
            ready["highs"],
            ready["low_table"],
            ready["high_table"],
            margins.win,
            margins.lose,
            ready["masks"],
            ready["slots"],
            ready["lane_masks"],
            ready["lane_slots"],
            ready["lane_sizes"],
            sum(1 << member for member in fixed),
            len(fixed),
            max(plan.size_min, 1),
            plan.size_max,
            margins.always_right,
            margins.own,
            margins.rival,
            margins.own_start,
            margins.rival_start,
            margins.strict,
            out,
        )
        return out

    def count_some(self, masks: NDArray[np.int64]) -> Counts:
        """Return the right rows of some committees."""
        from ensembler.subsets.kernel.walk import count_committees

        margins = self.margins
        out = np.empty(len(masks), dtype=np.int32)
        count_committees(
            masks,
            margins.start,
            margins.row_starts,
            margins.row_of_pair,
            margins.steps,
            margins.win,
            margins.lose,
            margins.always_right,
            margins.own,
            margins.rival,
            margins.own_start,
            margins.rival_start,
            margins.strict,
            out,
        )
        return out


def prepare(margins: Margins, plan: Plan) -> dict[str, Any]:
    """Order the members that vary within a shard by influence, and make the tables of the walk."""
    from ensembler.subsets.kernel.walk import HIGH, LOW, partial_sums

    varying = plan.free[: plan.shard_bits]
    influence = np.abs(margins.steps[varying]).sum(axis=1, dtype=np.int64)
    order = [varying[bit] for bit in np.argsort(-influence, kind="stable")]
    slots = {member: 1 << bit for bit, member in enumerate(varying)}
    walked, leaf = order[: -(LOW + HIGH)], order[-(LOW + HIGH) :]
    n_pairs = len(margins.start)
    steps = np.zeros((len(walked) + 1, n_pairs), dtype=np.int32)
    steps[:-1] = margins.steps[walked]
    lows = np.empty_like(steps)
    highs = np.empty_like(steps)
    lows[-1] = np.minimum(margins.steps[leaf], 0).sum(axis=0)
    highs[-1] = np.maximum(margins.steps[leaf], 0).sum(axis=0)
    for depth in range(len(walked) - 1, -1, -1):
        lows[depth] = lows[depth + 1] + np.minimum(steps[depth], 0)
        highs[depth] = highs[depth + 1] + np.maximum(steps[depth], 0)
    lanes = np.arange(1 << len(leaf))
    inside = [(lanes >> bit & 1).astype(np.int64) for bit in range(len(leaf))]
    return {
        "steps": steps,
        "lows": lows,
        "highs": highs,
        "low_table": partial_sums(margins.steps[leaf[:LOW]]),
        "high_table": partial_sums(margins.steps[leaf[LOW:]]),
        "masks": np.array([1 << member for member in walked], dtype=np.int64),
        "slots": np.array([slots[member] for member in walked], dtype=np.int64),
        "lane_masks": sum(bit << member for bit, member in zip(inside, leaf, strict=True)),
        "lane_slots": sum(bit * slots[member] for bit, member in zip(inside, leaf, strict=True)),
        "lane_sizes": sum(inside),
    }

"""Rows that a committee leaves without a vote, which have the class prior.

Margins know nothing of the prior: to them, all classes tie in such a row. What that makes wrong depends on nothing but
whether all members of a committee are among those whose votes are missing, so that it is put right for all committees
of a shard at once, by sums over supersets.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensembler.subsets.contributions import Contributions
from ensembler.subsets.plan import Plan
from ensembler.subsets.tally import Layout

Masks = NDArray[np.int64]


@dataclass(frozen=True)
class UnansweredRows:
    """By how much the counts of committees without a vote are off: ``gains`` for members within each of ``masks``."""

    masks: Masks
    gains: Masks

    @classmethod
    def of(cls, data: Contributions) -> "UnansweredRows":
        """Look for rows in which members add nothing, and in which the prior says another class than a tie."""
        bits = 1 << np.arange(data.n_members, dtype=np.int64)
        masks, gains = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
        for rows, rule in data.blocks():
            tied, labels = rule.offset().argmax(), data.labels[rows]
            gain = (labels == rule.start().argmax()).astype(np.int64) - (labels == tied)
            kept = np.flatnonzero(gain)
            if len(kept) and (rule.start() != rule.offset()).any():
                masks.append(bits @ ~data.of(rows[kept], rule).any(axis=2))
                gains.append(gain[kept])
        found, place = np.unique(np.concatenate(masks), return_inverse=True)
        total = np.zeros(len(found), dtype=np.int64)
        np.add.at(total, place, np.concatenate(gains))
        # Rows that every member answers are left by no committee.
        return cls(found[found != 0], total[found != 0])

    def of_shard(self, plan: Plan, shard: int) -> Masks:
        """Return what is to be added to the count of each place of a shard."""
        layout = Layout(plan)
        fixed = sum(1 << member for member in layout.fixed(shard))
        inside = (fixed & ~self.masks) == 0
        place = np.zeros(int(inside.sum()), dtype=np.int64)
        for bit, member in enumerate(layout.varying):
            place |= (self.masks[inside] >> member & 1) << bit
        sums = np.zeros(1 << plan.shard_bits, dtype=np.int64)
        np.add.at(sums, place, self.gains[inside])
        for bit in range(plan.shard_bits):
            halves = sums.reshape(-1, 2, 1 << bit)
            halves[:, 0] += halves[:, 1]
        return sums

    def of_masks(self, committees: Masks) -> Masks:
        """Return what is to be added to the counts of some committees."""
        sums = np.zeros(len(committees), dtype=np.int64)
        for mask, gain in zip(self.masks, self.gains, strict=True):
            sums += gain * ((committees & ~mask) == 0)
        return sums

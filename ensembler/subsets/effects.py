"""How often adding a member to a committee helped and hurt, and by how much."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Values
from ensembler.subsets.evaluators import CountsByWalk

SAMPLED_PAIRS = 1_000_000
CLUSTER_BITS = 8
"""Pairs are sampled in clusters of 2^8, which a walk counts at once."""


@dataclass(frozen=True)
class Effects:
    """What adding each member to a committee of at least one other did.

    Attributes
    ----------
    helped, hurt : (M,)
        Shares of the committees that became better and worse.
    mean : (M,)
        By how much the value changed on average.
    n_pairs : int
        How many committees were looked at for the shares, over all members.
    standard_error : (M,) or None
        Of ``helped`` and ``hurt`` (the larger one) where pairs were sampled; None where all were counted.
    """

    helped: Values
    hurt: Values
    mean: Values
    n_pairs: int
    standard_error: Values | None = None

    @property
    def helped_at_all(self) -> float:
        """Share of all additions that made a committee better."""
        return float(self.helped.mean())


def counted_effects(table: NDArray[Any], mean: Values) -> Effects:
    """Count all pairs of a committee with and without a member, from the values of all committees, (2^M,)."""
    n_members = len(mean)
    pairs = 2 ** (n_members - 1) - 1
    helped, hurt = np.full(n_members, np.nan), np.full(n_members, np.nan)
    for member in range(n_members if pairs else 0):
        halves = table.reshape(-1, 2, 1 << member)
        # The pair (no member, this one alone) is the first entry of the first block.
        helped[member] = np.count_nonzero(halves[:, 1] > halves[:, 0])
        hurt[member] = np.count_nonzero(halves[:, 1] < halves[:, 0])
        alone = (table[1 << member], table[0])
        helped[member] -= alone[0] > alone[1]
        hurt[member] -= alone[0] < alone[1]
    return Effects(helped / max(pairs, 1), hurt / max(pairs, 1), mean, pairs * n_members)


def sampled_effects(evaluator: CountsByWalk, mean: Values, seed: int) -> Effects:
    """Draw clusters of pairs that share all but a few members, and count each cluster with one or two walks."""
    n_members = len(mean)
    plan = replace(evaluator.plan, shard_bits=CLUSTER_BITS)
    counter = evaluator.counter.with_plan(plan)
    # Members that vary within a cluster have half as many pairs in it.
    each = (CLUSTER_BITS << (CLUSTER_BITS - 1)) + ((n_members - CLUSTER_BITS) << CLUSTER_BITS)
    n_clusters = max(2, -(-SAMPLED_PAIRS // each))
    rng = np.random.default_rng(seed)
    helped, hurt = np.empty((n_members, n_clusters)), np.empty((n_members, n_clusters))
    for member in range(n_members):
        bit = member - CLUSTER_BITS
        for cluster in range(n_clusters):
            # Prefix 0 would hold the pair of no member and this one alone.
            prefix = int(rng.integers(1, 1 << plan.prefix_bits))
            if bit < 0:
                halves = counter.count(prefix).reshape(-1, 2, 1 << member)
                change = halves[:, 1] - halves[:, 0]
            else:
                without = prefix & ~(1 << bit) or 1 << (bit + 1) % plan.prefix_bits
                change = counter.count(without | 1 << bit) - counter.count(without)
            helped[member, cluster], hurt[member, cluster] = (change > 0).mean(), (change < 0).mean()
    spread = np.maximum(helped.std(axis=1, ddof=1), hurt.std(axis=1, ddof=1))
    return Effects(helped.mean(axis=1), hurt.mean(axis=1), mean, n_clusters * each, spread / np.sqrt(n_clusters))

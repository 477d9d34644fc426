"""Which committees are asked for, and how they are divided into shards."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ensembler.errors import UsageError, spelled

MOST_MEMBERS = 62
"""Masks are signed 64-bit integers."""
SHARD_BITS = 20
ONE_SHARD_BITS = 12
"""So many free members or fewer are one shard; more are at least sixteen, for several workers."""
FEWEST_SHARDS_BITS = 4
LEAST_SHARD_BITS = 8
PLACES_A_START = 1 << 14
"""Starting a shard costs about as much as so many places of it."""


@dataclass(frozen=True)
class Plan:
    """The committees of an exact sweep: their sizes, and the members that all of them have.

    Free members are decided by the sweep. The last of them are fixed within a shard; the first ``shard_bits`` vary, so
    that the committees of a shard are 2^shard_bits places in ascending order of their masks.
    """

    n_members: int
    size_min: int
    size_max: int
    must: tuple[int, ...] = ()
    shard_bits: int = SHARD_BITS

    @property
    def free(self) -> list[int]:
        """The members that a committee may have or not."""
        return [member for member in range(self.n_members) if member not in self.must]

    @property
    def must_mask(self) -> int:
        """The mask of the members that every committee has."""
        return sum(1 << member for member in self.must)

    @property
    def n_places(self) -> int:
        """Number of subsets of the free members."""
        return 1 << len(self.free)

    @property
    def n_committees(self) -> int:
        """Number of committees asked for."""
        free, fixed = len(self.free), len(self.must)
        sizes = range(max(self.size_min, fixed, 1), self.size_max + 1)
        return sum(math.comb(free, size - fixed) for size in sizes)

    @property
    def complete(self) -> bool:
        """Whether all committees of all members are asked for, as Shapley values need them."""
        return not self.must and self.size_min <= 1 and self.size_max == self.n_members

    @property
    def n_shards(self) -> int:
        """Number of shards with a committee of a size asked for."""
        bits = self.prefix_bits
        return sum(math.comb(bits, count) for count in self.prefix_sizes)

    @property
    def prefix_bits(self) -> int:
        """Number of free members that are fixed within a shard."""
        return max(0, len(self.free) - self.shard_bits)

    @property
    def prefix_sizes(self) -> range:
        """How many of them a shard may have, so that it has a committee of a size asked for."""
        fixed, varying = len(self.must), min(self.shard_bits, len(self.free))
        return range(max(0, self.size_min - fixed - varying), min(self.prefix_bits, self.size_max - fixed) + 1)

    def shards(self) -> Iterator[int]:
        """Yield the shards with a committee of a size asked for, by the number of members that they fix."""
        for count in self.prefix_sizes:
            for bits in itertools.combinations(range(self.prefix_bits), count):
                yield sum(1 << bit for bit in bits)


def make_plan(
    n_members: int, size_min: int = 1, size_max: int | None = None, must: tuple[int, ...] = (), shard_bits: int = 0
) -> Plan:
    """Check what is asked for and choose the size of a shard.

    Raises
    ------
    UsageError
        There are more members than a mask has bits, or no committee has such a size.
    """
    if n_members > MOST_MEMBERS:
        raise UsageError(
            f"an exact sweep takes at most {MOST_MEMBERS} members, got {n_members}; "
            f"leave some out, or search with {spelled('--search greedy or --search beam', 'search_subsets')}"
        )
    size_max = n_members if size_max is None else size_max
    if not 1 <= size_min <= size_max <= n_members:
        raise UsageError(
            f"committee sizes are {size_min} to {size_max}, expected 1 <= smallest <= largest <= {n_members}"
        )
    if len(must) > size_max:
        raise UsageError(f"{len(must)} members must be in, and a committee has at most {size_max}")
    free = n_members - len(must)
    most = shard_bits or (free if free <= ONE_SHARD_BITS else min(SHARD_BITS, free - FEWEST_SHARDS_BITS))
    plan = Plan(n_members, size_min, size_max, tuple(sorted(must)), min(most, free))
    if shard_bits or free <= ONE_SHARD_BITS:
        return plan
    # Narrow sizes leave large shards nearly empty.
    smaller = [replace(plan, shard_bits=bits) for bits in range(LEAST_SHARD_BITS, plan.shard_bits)]
    return min([plan, *smaller], key=lambda plan: plan.n_shards * (PLACES_A_START + (1 << plan.shard_bits)))

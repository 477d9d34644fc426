"""What is kept of a sweep when its committees are not: mergeable, exact, and small.

Values are such that more is better (numbers of correct rows, or scores with their sign turned where less is better).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Values
from ensembler.subsets.plan import Plan

Masks = NDArray[np.int64]


def subset_sums(terms: Sequence[float]) -> Values:
    """Return the sum of every subset of some terms, 2^n of them, in order of their masks."""
    sums = np.zeros(1)
    for term in terms:
        sums = np.concatenate([sums, sums + term])
    return sums


def subset_masks(members: Sequence[int]) -> Masks:
    """Return the mask of every subset of some members, 2^n of them."""
    masks = np.zeros(1, dtype=np.int64)
    for member in members:
        masks = np.concatenate([masks, masks | (1 << member)])
    return masks


@dataclass(frozen=True)
class Layout:
    """Where the committees of a shard are: the same for all shards of a plan, but for the fixed members."""

    plan: Plan
    costs: tuple[float, ...] | None = None

    @property
    def varying(self) -> list[int]:
        """The members that vary within a shard."""
        return self.plan.free[: self.plan.shard_bits]

    def fixed(self, shard: int) -> list[int]:
        """Return the members that every committee of a shard has."""
        tail = self.plan.free[self.plan.shard_bits :]
        return sorted([*self.plan.must, *(member for bit, member in enumerate(tail) if shard >> bit & 1)])

    @cached_property
    def masks(self) -> Masks:
        """The mask of each place, without the fixed members."""
        return subset_masks(self.varying)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """The size of each place, without the fixed members."""
        return np.bitwise_count(np.arange(1 << self.plan.shard_bits)).astype(np.int64)

    @cached_property
    def by_size(self) -> list[NDArray[np.intp]]:
        """The places of each size, in order."""
        order = np.argsort(self.sizes, kind="stable")
        ends = np.cumsum(np.bincount(self.sizes, minlength=self.plan.shard_bits + 1))
        return np.split(order, ends[:-1])

    @cached_property
    def local_costs(self) -> Values:
        """The cost of each place, without the fixed members."""
        assert self.costs is not None
        return subset_sums([self.costs[member] for member in self.varying])

    @cached_property
    def by_cost(self) -> NDArray[np.intp]:
        """All places, cheapest first."""
        return np.argsort(self.local_costs, kind="stable")


@dataclass
class Tally:
    """What was found in some shards.

    Attributes
    ----------
    histogram : (M + 1, N + 1) int64 or None
        Number of committees of each size with each number of correct rows; None for values that are not counts.
    inside : (M, M + 1)
        Sum of the values of the committees of each size that have a member.
    totals : (M + 1,)
        Sum of the values of the committees of each size.
    best_masks, best_values : (M + 1,)
        The best committee of each size, the smallest mask among equals; -1 and minus infinity where there is none.
    top_masks, top_values, top_sizes : (T,)
        The ``n_top`` best of all, best first; equal ones by size, then by mask.
    front_masks, front_values, front_costs : (F,)
        Committees that no cheaper or equally cheap one surpasses, cheapest first; empty without costs.
    """

    histogram: NDArray[np.int64] | None
    inside: Values
    totals: Values
    best_masks: Masks
    best_values: Values
    top_masks: Masks
    top_values: Values
    top_sizes: NDArray[np.int64]
    front_masks: Masks
    front_values: Values
    front_costs: Values
    n_top: int

    def merge(self, other: "Tally") -> "Tally":
        """Return the tally of both."""
        better = (other.best_values > self.best_values) | (
            (other.best_values == self.best_values) & (other.best_masks < self.best_masks)
        )
        top = ranked(
            np.concatenate([self.top_masks, other.top_masks]),
            np.concatenate([self.top_values, other.top_values]),
            np.concatenate([self.top_sizes, other.top_sizes]),
            self.n_top,
        )
        both = self.histogram is not None and other.histogram is not None
        return Tally(
            self.histogram + other.histogram if both else None,  # type: ignore[operator]
            self.inside + other.inside,
            self.totals + other.totals,
            np.where(better, other.best_masks, self.best_masks),
            np.where(better, other.best_values, self.best_values),
            *top,
            *cheapest(
                np.concatenate([self.front_masks, other.front_masks]),
                np.concatenate([self.front_values, other.front_values]),
                np.concatenate([self.front_costs, other.front_costs]),
            ),
            self.n_top,
        )


def ranked(
    masks: Masks, values: Values, sizes: NDArray[np.int64], most: int
) -> tuple[Masks, Values, NDArray[np.int64]]:
    """Return the best, best first: by value, then fewer members, then the smaller mask."""
    order = np.lexsort((masks, sizes, -values))[:most]
    return masks[order], values[order], sizes[order]


def cheapest(masks: Masks, values: Values, costs: Values) -> tuple[Masks, Values, Values]:
    """Return the committees that no cheaper or equally cheap one surpasses or equals, cheapest first."""
    order = np.lexsort((masks, -values, costs))
    masks, values, costs = masks[order], values[order], costs[order]
    before = np.maximum.accumulate(np.concatenate([[-np.inf], values]))[:-1] if len(values) else values
    kept = values > before
    return masks[kept], values[kept], costs[kept]


def tally_shard(
    values: Values, wanted: NDArray[np.bool_], shard: int, layout: Layout, n_rows: int | None, top: int
) -> Tally:
    """Take up a shard's values (2^shard_bits,), of which only the wanted ones are there; ``n_rows`` for counts."""
    plan, fixed = layout.plan, layout.fixed(shard)
    n_members, base, extra = plan.n_members, sum(1 << member for member in fixed), len(fixed)
    whole = bool(wanted.all())
    inside, totals = sums_by_size(values if whole else np.where(wanted, values, 0.0), layout, fixed)
    histogram = None if n_rows is None else np.zeros((n_members + 1, n_rows + 1), dtype=np.int64)
    best_masks = np.full(n_members + 1, -1, dtype=np.int64)
    best_values = np.full(n_members + 1, -np.inf)
    for size, all_places in enumerate(layout.by_size):
        places = all_places if whole else all_places[wanted[all_places]]
        if not len(places):
            continue
        found = values[places]
        first = int(found.argmax())
        best_values[size + extra] = found[first]
        best_masks[size + extra] = base + layout.masks[places[first]]
        if histogram is not None:
            histogram[size + extra] = np.bincount(found.astype(np.int64), minlength=n_rows + 1)  # type: ignore[operator]
    places = np.flatnonzero(wanted)
    if len(places) > top:
        kept = values[places]
        bound = np.partition(kept, len(kept) - top)[len(kept) - top]
        places = places[kept >= bound]
    best = ranked(base + layout.masks[places], values[places], layout.sizes[places] + extra, top)
    nothing = np.zeros(0)
    front = (nothing.astype(np.int64), nothing, nothing)
    if layout.costs is not None:
        order = layout.by_cost if whole else layout.by_cost[wanted[layout.by_cost]]
        sorted_values = values[order]
        before = np.maximum.accumulate(np.concatenate([[-np.inf], sorted_values]))[:-1]
        order = order[sorted_values > before]
        costs = layout.local_costs[order] + sum(layout.costs[member] for member in fixed)
        front = cheapest(base + layout.masks[order], values[order], costs)
    return Tally(histogram, inside, totals, best_masks, best_values, *best, *front, top)


def sums_by_size(values: Values, layout: Layout, fixed: Sequence[int]) -> tuple[Values, Values]:
    """Return the sum of values by (member, size) over the committees that have the member, and by size over all.

    The places are a matrix over (upper half of the bits, lower half); two products with indicators of sizes leave small
    matrices, from which every member's sums are read. Sums of whole numbers are exact below 2^53.
    """
    plan, extra = layout.plan, len(fixed)
    n_low = plan.shard_bits // 2
    n_high = plan.shard_bits - n_low
    matrix = np.asarray(values, dtype=np.float64).reshape(1 << n_high, 1 << n_low)
    by_high = indicator(n_high).T @ matrix
    by_low = matrix @ indicator(n_low)
    inside = np.zeros((plan.n_members, plan.n_members + 1))
    totals = np.zeros(plan.n_members + 1)
    both = by_high @ indicator(n_low)
    add_diagonals(totals, both, extra)
    for bit, member in enumerate(layout.varying):
        if bit < n_low:
            has = np.arange(1 << n_low) >> bit & 1
            add_diagonals(inside[member], (by_high * has) @ indicator(n_low), extra)
        else:
            has = np.arange(1 << n_high) >> (bit - n_low) & 1
            add_diagonals(inside[member], indicator(n_high).T @ (by_low * has[:, None]), extra)
    inside[list(fixed)] = totals
    return inside, totals


def indicator(n_bits: int) -> Values:
    """Return the matrix (2^n, n + 1) with one where a place has a size."""
    return np.asarray(np.bitwise_count(np.arange(1 << n_bits))[:, None] == np.arange(n_bits + 1), dtype=np.float64)


def add_diagonals(into: Values, matrix: Values, offset: int) -> None:
    """Add the element (i, j) to ``into[i + j + offset]``."""
    for i, row in enumerate(matrix):
        into[i + offset : i + offset + len(row)] += row

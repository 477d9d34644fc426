"""What is kept of a sweep when its committees are not: mergeable, exact, and small.

Values are such that more is better (numbers of correct rows, or scores with their sign turned where less is better).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

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


class Summary(NamedTuple):
    """What is known of the places of a shard, by the number of varying members.

    Attributes
    ----------
    inside, totals : (b, b + 1), (b + 1,)
        Sums of the values of the places with a varying member, and of all.
    best : (b + 1,)
        The first of the best places; -1 where there is none.
    histogram : (b + 1, N + 1) or None
        Of the values, where they are counts.
    """

    inside: NDArray[Any]
    totals: NDArray[Any]
    best: NDArray[np.int64]
    histogram: NDArray[np.int64] | None


def summarise_values(values: Values, wanted: NDArray[np.bool_], layout: Layout, n_rows: int | None) -> Summary:
    """Sum up the values of a shard, of which only the wanted ones are there; ``n_rows`` for counts."""
    bits, whole = layout.plan.shard_bits, bool(wanted.all())
    inside, totals = sums_by_size(values if whole else np.where(wanted, values, 0.0), bits)
    best = np.full(bits + 1, -1, dtype=np.int64)
    histogram = None if n_rows is None else np.zeros((bits + 1, n_rows + 1), dtype=np.int64)
    for size, all_places in enumerate(layout.by_size):
        places = all_places if whole else all_places[wanted[all_places]]
        if not len(places):
            continue
        found = values[places]
        best[size] = places[found.argmax()]
        if histogram is not None:
            histogram[size] = np.bincount(found.astype(np.int64), minlength=len(histogram[size]))
    return Summary(inside, totals, best, histogram)


def tally_shard(
    values: NDArray[Any], wanted: NDArray[np.bool_], summary: Summary, shard: int, layout: Layout, top: int
) -> Tally:
    """Take up a shard's values (2^shard_bits,), of which only the wanted ones are there, with what is known of them."""
    plan, fixed = layout.plan, layout.fixed(shard)
    n_members, base, extra = plan.n_members, sum(1 << member for member in fixed), len(fixed)
    sizes = slice(extra, extra + plan.shard_bits + 1)
    inside, totals = np.zeros((n_members, n_members + 1)), np.zeros(n_members + 1)
    totals[sizes] = summary.totals
    inside[layout.varying, sizes] = summary.inside
    inside[fixed] = totals
    histogram = None
    if summary.histogram is not None:
        histogram = np.zeros((n_members + 1, summary.histogram.shape[1]), dtype=np.int64)
        histogram[sizes] = summary.histogram
    best_masks = np.full(n_members + 1, -1, dtype=np.int64)
    best_values = np.full(n_members + 1, -np.inf)
    best_masks[sizes] = np.where(summary.best >= 0, base + layout.masks[summary.best], -1)
    best_values[sizes] = np.where(summary.best >= 0, values[summary.best], -np.inf)
    places = best_places(values, wanted, summary.histogram, top)
    best = ranked(base + layout.masks[places], values[places].astype(np.float64), layout.sizes[places] + extra, top)
    nothing = np.zeros(0)
    front = (nothing.astype(np.int64), nothing, nothing)
    if layout.costs is not None:
        order = layout.by_cost if wanted.all() else layout.by_cost[wanted[layout.by_cost]]
        sorted_values = values[order].astype(np.float64)
        before = np.maximum.accumulate(np.concatenate([[-np.inf], sorted_values]))[:-1]
        order = order[sorted_values > before]
        costs = layout.local_costs[order] + sum(layout.costs[member] for member in fixed)
        front = cheapest(base + layout.masks[order], values[order].astype(np.float64), costs)
    return Tally(histogram, inside, totals, best_masks, best_values, *best, *front, top)


def best_places(
    values: NDArray[Any], wanted: NDArray[np.bool_], histogram: NDArray[np.int64] | None, top: int
) -> NDArray[np.intp]:
    """Return the places of the ``top`` best of the wanted values, and of those that equal the last of them."""
    if histogram is not None:
        at_least = np.cumsum(histogram.sum(axis=0)[::-1])
        bound = len(at_least) - 1 - int(np.searchsorted(at_least, min(top, at_least[-1])))
        return np.flatnonzero(wanted & (values >= bound))
    places = np.flatnonzero(wanted)
    if len(places) > top:
        kept = values[places]
        places = places[kept >= np.partition(kept, len(kept) - top)[len(kept) - top]]
    return places


def sums_by_size(values: Values, n_bits: int) -> tuple[Values, Values]:
    """Return the sum of values by (member, size) over the committees that have the member, and by size over all.

    The places are a matrix over (upper half of the bits, lower half); two products with indicators of sizes leave small
    matrices, from which every member's sums are read. Sums of whole numbers are exact below 2^53.
    """
    n_low = n_bits // 2
    n_high = n_bits - n_low
    matrix = np.asarray(values, dtype=np.float64).reshape(1 << n_high, 1 << n_low)
    by_high = indicator(n_high).T @ matrix
    by_low = matrix @ indicator(n_low)
    inside, totals = np.zeros((n_bits, n_bits + 1)), np.zeros(n_bits + 1)
    add_diagonals(totals, by_high @ indicator(n_low))
    for bit in range(n_low):
        has = np.arange(1 << n_low) >> bit & 1
        add_diagonals(inside[bit], (by_high * has) @ indicator(n_low))
    for bit in range(n_high):
        has = np.arange(1 << n_high) >> bit & 1
        add_diagonals(inside[n_low + bit], indicator(n_high).T @ (by_low * has[:, None]))
    return inside, totals


def indicator(n_bits: int) -> Values:
    """Return the matrix (2^n, n + 1) with one where a place has a size."""
    return np.asarray(np.bitwise_count(np.arange(1 << n_bits))[:, None] == np.arange(n_bits + 1), dtype=np.float64)


def add_diagonals(into: Values, matrix: Values) -> None:
    """Add the element (i, j) to ``into[i + j]``."""
    for i, row in enumerate(matrix):
        into[i : i + len(row)] += row

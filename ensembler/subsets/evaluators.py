"""From a shard of committees to one value each, of which more is better."""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import FEW_CLASSES, Values, most_probable
from ensembler.metrics import TIED_DECIMALS
from ensembler.subsets.contributions import Contributions, all_outcomes, outcomes, undisputed
from ensembler.subsets.kernel.counter import Counter
from ensembler.subsets.plan import Plan
from ensembler.subsets.tally import Layout

DOUBLING_BITS = 12
"""With so many members or fewer, NumPy is done before a compiler has started."""
LEAST_WALK_BITS = 8
"""The walk needs shards of so many varying members."""


class Evaluator(Protocol):
    """Values of committees on one set of rows.

    NaN stands for a committee that the rule cannot run on.
    """

    @property
    def plan(self) -> Plan:
        """Which committees are asked for."""
        ...

    @property
    def n_rows(self) -> int | None:
        """The number of rows where values are counts."""
        ...

    @property
    def empty(self) -> float:
        """The value of the empty committee."""
        ...

    def values(self, shard: int) -> Values:
        """Return the values of all places of a shard, those that are not asked for included."""
        ...

    def values_of(self, masks: Sequence[int]) -> Values:
        """Return the values of some committees."""
        ...


@runtime_checkable
class HasOutcomes(Protocol):
    """An evaluator that can say about which rows a committee is correct."""

    def outcomes(self, masks: Sequence[int]) -> NDArray[np.bool_]:
        """Say about which rows some committees are correct, (S, N)."""
        ...


@dataclass
class IndividualCounts:
    """Correct rows of an additive rule's committees by the definition, where few members are free."""

    plan: Plan
    data: Contributions
    empty: float

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.data.n_rows

    def values(self, shard: int) -> Values:
        """Return the counts of a shard."""
        layout = Layout(self.plan)
        base = sum(1 << member for member in layout.fixed(shard))
        return self.values_of((base + layout.masks).tolist())

    def values_of(self, masks: Sequence[int]) -> Values:
        """Return the counts of some committees."""
        return np.asarray(self.outcomes(masks).sum(axis=1), dtype=np.float64)

    def outcomes(self, masks: Sequence[int]) -> NDArray[np.bool_]:
        """Say about which rows some committees are correct."""
        return outcomes(self.data, masks)


class CountsByDoubling(IndividualCounts):
    """Correct rows of an additive rule's committees, all at once, for few members."""

    def values(self, shard: int) -> Values:
        """Return the counts of all committees."""
        data = self.data
        found = np.zeros(1 << data.n_members)
        for rows, rule in data.blocks():
            disputed = rows
            if data.n_classes <= FEW_CLASSES and not rule.offset().any():
                correct, wrong = undisputed(data.of(rows, rule), data.labels[rows])
                found += correct.sum()
                disputed = rows[~correct & ~wrong]
            for _, part in all_outcomes(data, disputed, rule):
                found += part.sum(axis=1)
        return np.asarray(found[self.plan.must_mask + Layout(self.plan).masks])


@dataclass
class CountsByWalk(IndividualCounts):
    """Correct rows of an additive rule's committees, by the compiled walk."""

    counter: Counter

    def values(self, shard: int) -> Values:
        """Return the counts of a shard."""
        return self.counter.count(shard).astype(np.float64)

    def values_of(self, masks: Sequence[int]) -> Values:
        """Return the counts of some committees."""
        return self.counter.count_some(np.asarray(masks, dtype=np.int64)).astype(np.float64)


def rounded(evaluator: Evaluator, values: Values) -> Values:
    """Return values that are equal where they differ by rounding only; counts are exact."""
    return values if evaluator.n_rows is not None else np.round(values, TIED_DECIMALS)


def counts(data: Contributions, plan: Plan, empty: float) -> IndividualCounts:
    """Return how correct rows are counted: in NumPy where that is quicker than starting a compiler."""
    started = "ensembler.subsets.kernel.walk" in sys.modules and plan.shard_bits >= LEAST_WALK_BITS
    if data.n_members <= DOUBLING_BITS and plan.prefix_bits == 0 and not started:
        return CountsByDoubling(plan, data, empty)
    if plan.shard_bits < LEAST_WALK_BITS:
        return IndividualCounts(plan, data, empty)
    return CountsByWalk(plan, data, empty, Counter.of(data, plan))


@dataclass
class IndividualValues:
    """Values of any rule, from the probabilities of each committee by itself.

    Parameters
    ----------
    measure : callable
        From a committee's (N, C) probabilities to its value; None counts correct rows.
    predict : callable
        From a committee's members to its (N, C) probabilities on all rows; None where the rule cannot run on them.
    """

    plan: Plan
    predict: Callable[[list[int]], Values | None]
    measure: Callable[[Values], float] | None
    labels: NDArray[np.int64]
    empty: float

    @property
    def n_rows(self) -> int | None:
        """Number of rows where values are counts."""
        return len(self.labels) if self.measure is None else None

    def values(self, shard: int) -> Values:
        """Return the values of a shard; NaN for sizes that are not asked for."""
        layout, plan = Layout(self.plan), self.plan
        fixed = layout.fixed(shard)
        base = sum(1 << member for member in fixed)
        found = np.full(1 << plan.shard_bits, np.nan)
        sizes = layout.sizes + len(fixed)
        for place in np.flatnonzero((sizes >= max(1, plan.size_min)) & (sizes <= plan.size_max)):
            found[place] = self.value(base + int(layout.masks[place]))
        return found

    def value(self, mask: int) -> float:
        """Return the value of one committee, NaN where the rule cannot run on it."""
        proba = self.proba(mask)
        if proba is None:
            return math.nan
        return float((most_probable(proba) == self.labels).sum()) if self.measure is None else self.measure(proba)

    def proba(self, mask: int) -> Values | None:
        """Return the probabilities of one committee."""
        return self.predict([member for member in range(self.plan.n_members) if mask >> member & 1])

    def values_of(self, masks: Sequence[int]) -> Values:
        """Return the values of some committees."""
        return np.array([self.value(int(mask)) for mask in masks])

    def outcomes(self, masks: Sequence[int]) -> NDArray[np.bool_]:
        """Say about which rows some committees are correct."""
        correct = np.zeros((len(masks), len(self.labels)), dtype=bool)
        for position, mask in enumerate(masks):
            proba = self.proba(int(mask))
            if proba is not None:
                correct[position] = most_probable(proba) == self.labels
        return correct

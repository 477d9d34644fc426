"""The values of every committee on one set of rows, and what can be asked of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Values
from ensembler.errors import NotApplicableError, UsageError
from ensembler.subsets.effects import Effects, counted_effects, sampled_effects
from ensembler.subsets.evaluators import CountsByWalk, Evaluator, rounded
from ensembler.subsets.plan import Plan
from ensembler.subsets.shapley import banzhaf_values, mean_effects, shapley_values
from ensembler.subsets.tally import Layout, Tally
from ensembler.subsets.workers import TABLE_BITS, wanted_places

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Committee:
    """A committee: its mask (bit i for member i), its members' names, and its value."""

    mask: int
    members: tuple[str, ...]
    value: float

    @property
    def size(self) -> int:
        """Number of members."""
        return len(self.members)


class SizeSummary(NamedTuple):
    """How the committees of one size did."""

    size: int
    n_committees: int
    worst: float
    median: float
    best: float
    committee: Committee


@dataclass
class SubsetSweep:
    """The result of a sweep on one split.

    Values are in the units of the metric. Where less is better (Brier score, log loss) their sign is turned, so that
    more is always better, in Shapley values too.

    Attributes
    ----------
    names : tuple of str
        The members, in the order of the bits of a mask.
    rule, metric : str
    plan : Plan
        Which committees were asked for.
    n_rows : int
    n_top : int
        How many of the best committees `top` returns.
    tally : Tally
    table : (2^M,) or None
        The value of every committee (correct rows for accuracy, -1 or NaN for those not asked for); None where there
        are too many places.
    listed : (S,) or None
        Masks and values, in order of masks, where few of many places were asked for.
    optimistic : bool
        Whether the rule's weights were fitted on these very rows.
    """

    names: tuple[str, ...]
    rule: str
    metric: str
    plan: Plan
    n_rows: int
    n_top: int
    tally: Tally
    table: NDArray[Any] | None
    evaluator: Evaluator
    listed: NDArray[np.void] | None = None
    optimistic: bool = False
    notes: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        """Return what was swept."""
        return f"<SubsetSweep: {self.rule}, {self.plan.n_committees:,} committees of {len(self.names)} members>"

    @property
    def unit(self) -> float:
        """What a value is divided by to be in the metric's units."""
        return float(self.n_rows) if self.evaluator.n_rows is not None else 1.0

    @cached_property
    def correct(self) -> NDArray[np.int32]:
        """The correct rows of every committee, (2^M,), indexed by mask.

        Entry 0, the empty committee, is the number of rows of the most frequent class. Committees that were not asked
        for have -1.
        """
        if self.evaluator.n_rows is None:
            raise UsageError(f"a sweep by {self.metric} counts no correct rows; sweep by accuracy")
        if self.table is None or self.plan.n_members > TABLE_BITS:
            raise UsageError(
                f"there are 2^{self.plan.n_members} masks, too many for a table; ask best(k), by_size(), to_frame() …"
            )
        counts = np.full(1 << self.plan.n_members, -1, dtype=np.int32)
        counts[self.masks] = self.table
        counts[0] = round(self.evaluator.empty)
        return counts

    @property
    def masks(self) -> NDArray[np.int64]:
        """The mask of each entry of the table."""
        layout = Layout(Plan(self.plan.n_members, 1, self.plan.n_members, self.plan.must, len(self.plan.free)))
        return self.plan.must_mask + layout.masks

    def committee(self, mask: int, value: float | None = None) -> Committee:
        """Return a committee by its mask."""
        members = tuple(name for member, name in enumerate(self.names) if mask >> member & 1)
        return Committee(int(mask), members, self.value_of([mask])[0] if value is None else value / self.unit)

    def value_of(self, masks: Sequence[int] | NDArray[np.int64]) -> list[float]:
        """Return the values of some committees, in the metric's units."""
        plain = [int(mask) for mask in masks]
        if self.table is not None and not self.plan.must and self.wanted_sizes([mask.bit_count() for mask in plain]):
            found = self.table[plain].astype(np.float64)
        else:
            found = rounded(self.evaluator, self.evaluator.values_of(plain))
        return [float(value) / self.unit for value in found]

    def wanted_sizes(self, sizes: Sequence[int]) -> bool:
        """Whether committees of all these sizes were asked for."""
        return all(max(1, self.plan.size_min) <= size <= self.plan.size_max for size in sizes)

    def best(self, k: int | None = None) -> Committee:
        """Return the best committee, or the best of k members; the smaller, then the smaller mask, among equals."""
        if k is None:
            return self.committee(int(self.tally.top_masks[0]), float(self.tally.top_values[0]))
        if not 0 <= k <= self.plan.n_members or self.tally.best_masks[k] < 0:
            raise UsageError(
                f"no committee of {k} members was swept; sizes are {self.plan.size_min} to {self.plan.size_max}"
            )
        return self.committee(int(self.tally.best_masks[k]), float(self.tally.best_values[k]))

    def top(self) -> list[Committee]:
        """Return the best committees, best first, as many as were asked for."""
        masks, values = self.tally.top_masks[: self.n_top], self.tally.top_values[: self.n_top]
        return [self.committee(mask, value) for mask, value in zip(masks.tolist(), values.tolist(), strict=True)]

    def by_size(self) -> list[SizeSummary]:
        """Return how the committees of each size did."""
        found = []
        for size in np.flatnonzero(self.tally.best_masks >= 0).tolist():
            number, worst, median = self._spread(size)
            best = self.best(size)
            found.append(SizeSummary(size, number, worst / self.unit, median / self.unit, best.value, best))
        return found

    def _spread(self, size: int) -> tuple[int, float, float]:
        """Return how many committees of a size there are, the worst value, and the median."""
        if self.tally.histogram is not None:
            row = self.tally.histogram[size]
            total, cumulative = int(row.sum()), np.cumsum(row)
            low = int(np.searchsorted(cumulative, (total - 1) // 2 + 1))
            high = int(np.searchsorted(cumulative, total // 2 + 1))
            return total, float(np.flatnonzero(row)[0]), (low + high) / 2
        kept = self.values_of_size(size)
        return len(kept), float(kept.min()), float(np.median(kept))

    def values_of_size(self, size: int) -> NDArray[Any]:
        """Return the values of all committees of a size, where they are kept."""
        return np.asarray(self.kept[1][self.kept_sizes == size])

    @cached_property
    def kept_sizes(self) -> NDArray[np.int64]:
        """The sizes of the committees that are kept."""
        return np.bitwise_count(self.kept[0]).astype(np.int64)

    @cached_property
    def kept(self) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """The masks and values of all committees that were asked for, in order of masks.

        Raises
        ------
        UsageError
            They were too many to keep.
        """
        if self.listed is not None:
            return self.listed["mask"], self.listed["value"]
        if self.table is None:
            raise UsageError(f"{self.plan.n_committees:,} committees are too many to keep; ask for fewer (k, must)")
        masks = self.masks
        places = wanted_places(np.bitwise_count(masks), self.plan) & self.there
        return masks[places], self.table[places]

    @property
    def there(self) -> NDArray[np.bool_]:
        """Which entries of the table have a value."""
        assert self.table is not None
        return np.asarray(self.table >= 0 if self.evaluator.n_rows is not None else ~np.isnan(self.table))

    def require_complete(self, what: str) -> None:
        """Refuse what only a sweep of all committees can tell."""
        if self.notes:
            raise NotApplicableError(f"{what} need a value of every committee; {self.notes[0]}")
        if not self.plan.complete:
            raise NotApplicableError(f"{what} need all committees of the members; sweep without sizes and without must")

    def shapley(self) -> Values:
        """Return each member's exact Shapley value, (M,).

        They sum to the value of all members minus that of none: the share of the most frequent class for accuracy, that
        of guessing for balanced accuracy, that of equal probabilities for the Brier score and log loss.
        """
        self.require_complete("Shapley values")
        return shapley_values(self.tally.inside, self.tally.totals, self.evaluator.empty) / self.unit

    def banzhaf(self) -> Values:
        """Return each member's exact Banzhaf value, (M,)."""
        self.require_complete("Banzhaf values")
        return banzhaf_values(self.tally.inside, self.tally.totals, self.evaluator.empty) / self.unit

    def effects(self, seed: int = 0) -> Effects:
        """Return how often adding each member helped and hurt, and by how much on average.

        All pairs are counted where the table is kept; else a million pairs drawn with the seed.
        """
        self.require_complete("effects of adding a member")
        mean = mean_effects(self.tally.inside, self.tally.totals) / self.unit
        if self.table is not None:
            return counted_effects(self.table, mean)
        assert isinstance(self.evaluator, CountsByWalk)
        return sampled_effects(self.evaluator, mean, seed)

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each committee: mask, size, and correct rows and accuracy, or the metric's value."""
        import pandas as pd

        masks, values = self.kept
        frame = pd.DataFrame({"mask": masks, "size": self.kept_sizes})
        if self.evaluator.n_rows is not None:
            frame["correct"] = values.astype(np.int64)
            frame["accuracy"] = frame["correct"] / self.n_rows
        else:
            frame["value"] = values
        return frame

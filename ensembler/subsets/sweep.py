"""Sweeping every committee of a set on one split, and what can be asked of the result."""

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ensembler.arrays import Values
from ensembler.combiners.base import Combiner
from ensembler.errors import NotApplicableError, UsageError
from ensembler.metrics import TIED_DECIMALS
from ensembler.subsets.evaluators import Evaluator
from ensembler.subsets.plan import Plan
from ensembler.subsets.shapley import banzhaf_values, mean_effects, shapley_values
from ensembler.subsets.tally import Layout, Tally, tally_shard

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from ensembler.subsets.checkpoint import Store

TABLE_BITS = 26
"""With so many free members or fewer, the value of every committee is kept by its place."""
MOST_LISTED = 2**24
"""With so many committees or fewer of more members, masks and values are listed."""
SAMPLED_PAIRS = 1_000_000
CLUSTER_BITS = 8
"""Pairs are sampled in clusters of 2^8, which a walk counts at once."""
LISTED = np.dtype([("mask", np.int64), ("value", np.float64)])

Progress = Callable[[int, int, str], None]


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
    tally : Tally
    table : (2^M,) or None
        The value of every committee (right rows for accuracy, -1 or NaN for those not asked for); None where there are
        too many places.
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
        """The right rows of every committee, (2^M,), indexed by mask.

        Entry 0, the empty committee, is the number of rows of the most frequent class. Committees that were not asked
        for have -1.
        """
        if self.evaluator.n_rows is None:
            raise UsageError(f"a sweep by {self.metric} counts no right rows; sweep by accuracy")
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
        """Return the best committees, best first, as many as were asked to be kept."""
        pairs = zip(self.tally.top_masks.tolist(), self.tally.top_values.tolist(), strict=True)
        return [self.committee(mask, value) for mask, value in pairs]

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
        return count_bits(self.kept[0])

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
        places = wanted_places(count_bits(masks), self.plan) & self.there
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
        n_members = self.plan.n_members
        if self.table is None:
            return self._sampled_effects(mean, seed)
        pairs = 2 ** (n_members - 1) - 1
        helped, hurt = np.full(n_members, np.nan), np.full(n_members, np.nan)
        for member in range(n_members if pairs else 0):
            halves = self.table.reshape(-1, 2, 1 << member)
            # The pair (no member, this one alone) is the first entry of the first block.
            helped[member] = np.count_nonzero(halves[:, 1] > halves[:, 0])
            hurt[member] = np.count_nonzero(halves[:, 1] < halves[:, 0])
            alone = (self.table[1 << member], self.table[0])
            helped[member] -= alone[0] > alone[1]
            hurt[member] -= alone[0] < alone[1]
        return Effects(helped / max(pairs, 1), hurt / max(pairs, 1), mean, pairs * n_members)

    def _sampled_effects(self, mean: Values, seed: int) -> Effects:
        """Draw clusters of pairs that share all but a few members, and count each cluster with one or two walks."""
        from ensembler.subsets.evaluators import CountsByWalk

        assert isinstance(self.evaluator, CountsByWalk)
        n_members = self.plan.n_members
        plan = replace(self.plan, shard_bits=CLUSTER_BITS)
        counter = self.evaluator.counter.with_plan(plan)
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

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each committee: mask, size, and right rows and accuracy, or the metric's value."""
        import pandas as pd

        masks, values = self.kept
        frame = pd.DataFrame({"mask": masks, "size": self.kept_sizes})
        if self.evaluator.n_rows is not None:
            frame["correct"] = values.astype(np.int64)
            frame["accuracy"] = frame["correct"] / self.n_rows
        else:
            frame["value"] = values
        return frame


def count_bits(masks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of bits set in each mask."""
    return np.asarray(np.bitwise_count(masks), dtype=np.int64)


def wanted_places(sizes: NDArray[np.int64], plan: Plan) -> NDArray[np.bool_]:
    """Say which committees of such sizes were asked for."""
    return (sizes >= max(1, plan.size_min)) & (sizes <= plan.size_max)


def one_shard(
    shared: tuple[Evaluator, Layout], shard: int, top: int, keep: str
) -> tuple[Tally, NDArray[Any] | None, bool]:
    """Evaluate a shard: the piece of work that threads and clusters share.

    Returns its tally, its values where they are kept, and whether the rule could not run on a committee of it.
    """
    evaluator, layout = shared
    values = rounded(evaluator, evaluator.values(shard))
    wanted = wanted_places(layout.sizes + len(layout.fixed(shard)), layout.plan)
    missing = np.isnan(values)
    tally = tally_shard(values, wanted & ~missing, shard, layout, evaluator.n_rows, top)
    part = None
    if keep == "list":
        places = np.flatnonzero(wanted & ~missing)
        part = np.empty(len(places), dtype=LISTED)
        part["mask"] = layout.masks[places] + sum(1 << member for member in layout.fixed(shard))
        part["value"] = values[places]
    elif keep == "table":
        part = np.where(wanted, values, np.nan)
        if evaluator.n_rows is not None:
            part = np.where(np.isnan(part), -1, part).astype(np.int32)
    return tally, part, bool((wanted & missing).any())


def rounded(evaluator: Evaluator, values: Values) -> Values:
    """Return values that are equal where they differ by rounding only; counts are exact."""
    return values if evaluator.n_rows is not None else np.round(values, TIED_DECIMALS)


def what_to_keep(plan: Plan) -> str:
    """Return "table", "list" or "nothing", whatever fits the memory."""
    if len(plan.free) <= TABLE_BITS:
        return "table"
    return "list" if plan.n_committees <= MOST_LISTED else "nothing"


@dataclass(frozen=True)
class Crew:
    """Who evaluates shards: an executor, how many tasks may wait, and how all workers are given a value once."""

    executor: Executor
    n_waiting: int
    share: Callable[[Any], Any] = lambda value: value


def run_sweep(
    evaluator: Evaluator,
    layout: Layout,
    *,
    top: int,
    keep: str,
    crew: Crew,
    store: "Store | None" = None,
    key: str = "",
    tick: Callable[[int], None] | None = None,
) -> tuple[Tally, NDArray[Any] | None, NDArray[np.void] | None, bool]:
    """Evaluate all shards of a plan and merge what was found in the order of shards, whoever is done first.

    Returns the tally, the table or the list where one is kept, and whether the rule could not run on some committees.
    """
    from ensembler.subsets.checkpoint import State

    plan = layout.plan
    state = State() if store is None else store.read(key)
    table: NDArray[Any] | None = None
    listed: list[NDArray[Any]] = [part for _, part in state.parts] if keep == "list" else []
    if keep == "table":
        counted = evaluator.n_rows is not None
        table = np.full(plan.n_places, -1 if counted else np.nan, dtype=np.int32 if counted else np.float64)
        for shard, part in state.parts:
            put(table, part, shard)
        state.parts = []
    waiting: deque[tuple[int, Future[Any]]] = deque()

    def take() -> None:
        shard, future = waiting.popleft()
        tally, part, missing = future.result()
        if table is not None:
            put(table, part, shard)
        if keep == "list":
            listed.append(part)
        state.tally = tally if state.tally is None else state.tally.merge(tally)
        state.missing |= missing
        state.done += 1
        if store is not None:
            store.add(key, state, shard, part, last=state.done == plan.n_shards)
        if tick is not None:
            tick(state.done)

    if tick is not None:
        tick(state.done)
    if state.done < plan.n_shards:
        shared = crew.share((evaluator, layout))
        try:
            for shard in itertools.islice(plan.shards(), state.done, None):
                waiting.append((shard, crew.executor.submit(one_shard, shared, shard, top, keep)))
                if len(waiting) >= crew.n_waiting:
                    take()
            while waiting:
                take()
        finally:
            for _, future in waiting:
                future.cancel()
    assert state.tally is not None
    found = np.sort(np.concatenate(listed), order="mask") if keep == "list" else None
    return state.tally, table, found, state.missing


def put(table: NDArray[Any], part: NDArray[Any], shard: int) -> None:
    """Write a shard's values to their place."""
    table[shard * len(part) : (shard + 1) * len(part)] = part


@contextmanager
def threads(n_jobs: int | None = None) -> "Iterator[Crew]":
    """Give threads of this process, by default one a core, each with one BLAS thread so that bytes repeat."""
    import joblib
    from threadpoolctl import threadpool_limits

    number = joblib.effective_n_jobs(-1 if n_jobs is None else n_jobs)
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(number) as pool:
        yield Crew(pool, 2 * number)


def sweep_subsets(
    proba: ArrayLike,
    labels: ArrayLike,
    rule: str | Combiner = "mean",
    *,
    metric: str = "accuracy",
    sizes: tuple[int, int] | None = None,
    must: Sequence[int | str] = (),
    names: Sequence[str] | None = None,
    top: int = 10,
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> SubsetSweep:
    """Evaluate a rule on every committee of the members, on one set of rows.

    Parameters
    ----------
    proba : (M, N, C)
        Class probabilities of each member.
    labels : (N,)
        Class index of each row.
    rule : str or Combiner
        A rule that has been fitted is taken as it is. One that has not is fitted on these very rows, and the result is
        marked ``optimistic``; use the command ``ensembler subsets`` or `study_subsets` to fit and choose elsewhere.
    metric : "accuracy", "balanced-accuracy", "brier" or "log-loss"
    sizes : (smallest, largest), optional
        Only committees of such sizes.
    must : sequence of int or str, optional
        Members, by number or name, that every committee has.
    names : sequence of str, optional
        Of the members.
    top : int
        How many of the best committees are kept in the order of `SubsetSweep.top`.
    n_jobs : int, optional
        Number of threads; by default one a core. The result does not depend on it.
    progress : callable, optional
        Called as ``progress(done, total, what)``.

    Returns
    -------
    SubsetSweep

    Raises
    ------
    UsageError
        More than 62 members, sizes or members that do not exist, a metric that the rule does not have.
    ShapeError, ValueRangeError
        The arrays do not fit or hold values that cannot be probabilities or labels.

    Examples
    --------
    >>> import numpy as np
    >>> from ensembler import SimpleAverage, sweep_subsets
    >>> proba = np.array([[[0.9, 0.1], [0.6, 0.4]], [[0.6, 0.4], [0.1, 0.9]], [[0.3, 0.7], [0.4, 0.6]]])
    >>> sweep = sweep_subsets(proba, [0, 1], rule=SimpleAverage())
    >>> sweep.correct.tolist()
    [1, 1, 2, 2, 1, 1, 1, 2]
    >>> sweep.best(2).members, sweep.shapley().round(3).tolist()
    (('member-0', 'member-1'), [0.167, 0.417, -0.083])
    """
    from ensembler.predictions.prediction_set import Predictions
    from ensembler.subsets.study import sweep_predictions

    data = Predictions(proba, labels, names=names)
    return sweep_predictions(
        data, rule, metric=metric, sizes=sizes, must=must, top=top, n_jobs=n_jobs, progress=progress
    )

"""Evaluating all shards of a plan, by whoever is there, and merging what was found."""

import itertools
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ensembler.parallel.workers import WorkerPool
from ensembler.subsets.evaluators import CountsByWalk, Evaluator, rounded
from ensembler.subsets.kernel.counter import summarise_counts
from ensembler.subsets.plan import Plan
from ensembler.subsets.tally import Layout, Tally, summarise_values, tally_shard

if TYPE_CHECKING:
    from ensembler.subsets.checkpoint import Store

TABLE_BITS = 26
"""With so many free members or fewer, the value of every committee is kept by its place."""
MOST_LISTED = 2**24
"""With so many committees or fewer of more members, masks and values are listed."""
LISTED = np.dtype([("mask", np.int64), ("value", np.float64)])


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
    if isinstance(evaluator, CountsByWalk):
        values: NDArray[Any] = evaluator.counter.count(shard)
        wanted, missing = values >= 0, False
        summary = summarise_counts(values, evaluator.n_rows)
    else:
        values = rounded(evaluator, evaluator.values(shard))
        asked, absent = wanted_places(layout.sizes + len(layout.fixed(shard)), layout.plan), np.isnan(values)
        wanted, missing = asked & ~absent, bool((asked & absent).any())
        summary = summarise_values(values, wanted, layout, evaluator.n_rows)
    tally = tally_shard(values, wanted, summary, shard, layout, top)
    part = None
    if keep == "list":
        places = np.flatnonzero(wanted)
        part = np.empty(len(places), dtype=LISTED)
        part["mask"] = layout.masks[places] + sum(1 << member for member in layout.fixed(shard))
        part["value"] = values[places]
    elif keep == "table" and evaluator.n_rows is not None:
        part = np.where(wanted, values, -1).astype(np.int32, copy=False)
    elif keep == "table":
        part = np.where(wanted, values, np.nan)
    return tally, part, missing


def what_to_keep(plan: Plan) -> str:
    """Return "table", "list" or "nothing", whatever fits the memory."""
    if len(plan.free) <= TABLE_BITS:
        return "table"
    return "list" if plan.n_committees <= MOST_LISTED else "nothing"


def run_sweep(
    evaluator: Evaluator,
    layout: Layout,
    *,
    top: int,
    keep: str,
    pool: WorkerPool,
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
        shared = pool.share((evaluator, layout))
        try:
            for shard in itertools.islice(plan.shards(), state.done, None):
                waiting.append((shard, pool.executor.submit(one_shard, shared, shard, top, keep)))
                if len(waiting) >= pool.n_waiting:
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

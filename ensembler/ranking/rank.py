"""Comparing rules over many prediction sets."""

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ensembler.combiners.base import Combiner
from ensembler.combiners.registry import named_rules
from ensembler.comparison.candidates import MetricLike, list_candidates
from ensembler.comparison.protocol import DEFAULT_FOLDS, check_fit_on, check_seed
from ensembler.errors import DataError, EnsemblerError, ParameterError, UsageError, argument
from ensembler.metrics import Metric, get_metric
from ensembler.parallel.progress import Progress
from ensembler.parallel.workers import Workers, process_pool
from ensembler.predictions.prediction_set import Predictions
from ensembler.ranking import cache
from ensembler.ranking.clusters import compile_pattern, find_clusters
from ensembler.ranking.learning_curve import (
    BySize,
    measure_sizes,
    pooled_curve,
    sizes_from_plain,
    sizes_to_plain,
)
from ensembler.ranking.measurement import SetValues, measure_set
from ensembler.ranking.ratings import check_resamples
from ensembler.ranking.results import Ranking
from ensembler.ranking.tables import RuleTable

ROPE = 0.005
RESAMPLES = 1000


def rank_rules(
    sets: Mapping[str, Predictions] | Sequence[Predictions],
    rules: str | Combiner | Sequence[str | Combiner] | None = None,
    *,
    metric: MetricLike = "accuracy",
    fit_on: str | None = None,
    folds: int | None = None,
    part: float | None = None,
    seed: int = 0,
    rope: float = ROPE,
    n_resamples: int = RESAMPLES,
    cluster: str | None = None,
    learning_curve: bool = False,
    cache_folder: str | Path | None = None,
    workers: Workers | None = None,
    progress: Progress | None = None,
) -> Ranking:
    """Compare combination rules over many prediction sets.

    Parameters
    ----------
    sets : mapping from name to Predictions, or sequence of Predictions
        With labels. Sets that share labels are predictions of the same rows: one cluster, which counts once.
    rules : str, Combiner or sequence of them, optional
        ``"all"``, or a family's name, stands for several. By default those of `compare_rules`.
    metric : str, Metric or callable
    fit_on, folds, part, seed
        One protocol for all sets, as in `Split.of`.
    rope : float
        Region of practical equivalence: smaller differences of the metric do not matter.
    n_resamples : int
        Bootstrap samples of clusters behind the ratings' intervals.
    cluster : str, optional
        A regular expression for the sets' names; sets with equal matches are one cluster, see `find_clusters`.
    learning_curve : bool
        Also fit every rule on growing samples of the fitting rows.
    cache_folder : path, optional
        A folder where the values of each set are kept, so that a run that is killed, or repeated, goes on.
    workers : callable, optional
        Starts a pool of workers; by default one process a core.
    progress : callable, optional
        Called as ``progress(done, total, set)``.

    Returns
    -------
    Ranking

    Raises
    ------
    UsageError
        No sets, or options that cannot be.
    EnsemblerError
        A set cannot be compared; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from ensembler import Predictions
    >>> rng = np.random.default_rng(0)
    >>> def draw(n_rows):
    ...     labels = rng.integers(0, 3, n_rows)
    ...     logits = 2 * np.eye(3)[labels] + rng.normal(size=(4, n_rows, 3)) * np.array([1, 1, 2, 4])[:, None, None]
    ...     proba = np.exp(logits)
    ...     return Predictions(proba / proba.sum(axis=-1, keepdims=True), labels)
    >>> ranking = rank_rules([draw(300) for _ in range(6)], ["mean", "log-pool", "max"])
    >>> ranking.recommended, [rule.name for rule in ranking.rules]
    ('log-pool', ['log-pool', 'mean', 'max'])
    """
    named = name_sets(sets)
    measure = get_metric(metric)
    check_seed(seed, DEFAULT_FOLDS if folds is None else folds)
    if not (isinstance(rope, (int, float)) and math.isfinite(rope) and rope >= 0):
        raise ParameterError(f"{argument('rope')} is {rope!r}, expected a number of at least 0")
    check_resamples(n_resamples)
    if cluster is not None:
        compile_pattern(cluster)
    protocol = {"fit_on": check_fit_on(fit_on, part), "folds": folds, "part": part, "seed": seed}
    asked = None if rules is None else named_rules([rules] if isinstance(rules, (str, Combiner)) else rules)
    list_candidates(asked, next(iter(named.values())), measure, "none")
    work = Work(asked, measure, protocol, None if cache_folder is None else Path(cache_folder))
    values, curves = run(named, work, workers or process_pool, progress, learning_curve=learning_curve)
    ordered = tuple(values[name] for name in named)
    if not any(item.rules for item in ordered):
        raise UsageError("none of the rules can run on any of the sets (hard labels need votes, as majority-vote)")
    clusters = find_clusters([item.name for item in ordered], [item.labels for item in ordered], cluster)
    curve = pooled_curve([curves[name] for name in named], clusters, measure) if learning_curve else None
    return RuleTable.of(ordered, clusters, measure).ranking(rope, n_resamples, protocol, curve)


def name_sets(sets: Mapping[str, Predictions] | Sequence[Predictions]) -> dict[str, Predictions]:
    """Return the sets by name; refuse anything else."""
    if isinstance(sets, Predictions):
        raise UsageError("sets is one prediction set, expected several: [Predictions, …]")
    named = dict(sets) if isinstance(sets, Mapping) else {f"set-{index}": item for index, item in enumerate(sets)}
    if not named:
        raise UsageError("no prediction sets given, expected at least one")
    for name, item in named.items():
        if not isinstance(item, Predictions):
            raise UsageError(f"set {name!r} is a {type(item).__name__}, expected Predictions")
    return named


@dataclass(frozen=True)
class Work:
    """What is measured of every set."""

    rules: list[str | Combiner] | None
    metric: Metric
    protocol: Mapping[str, Any]
    cache: Path | None


Piece = tuple[str, bool]
"""A piece of work: the name of a set, and whether it is its learning curve that is measured, not its values."""


def run(
    sets: Mapping[str, Predictions],
    work: Work,
    workers: Workers,
    progress: Progress | None,
    *,
    learning_curve: bool,
) -> tuple[dict[str, SetValues], dict[str, BySize]]:
    """Measure all sets, by whoever is there; what is in the cache is read."""
    # The largest sets first, so that no worker waits for one at the end.
    order = sorted(sets, key=lambda name: -sets[name].proba.size)
    pieces = [(name, sized) for sized in ([False, True] if learning_curve else [False]) for name in order]
    # The cache is kept here: workers may be on machines that do not see its folder.
    paths = {
        (name, sized): cache.cache_file(
            work.cache, sets[name], work.rules, work.metric, {**work.protocol, "sized": sized}
        )
        for name, sized in pieces
    }
    known = {
        piece: cache.read(path, sizes_from_plain if piece[1] else SetValues.from_dict) for piece, path in paths.items()
    }
    results: dict[Piece, Any] = {piece: value for piece, value in known.items() if value is not None}
    missing = [piece for piece in pieces if piece not in results]
    for piece, value in measured(sets, work, workers, missing) if missing else ():
        cache.write(paths[piece], sizes_to_plain(value) if piece[1] else value.to_dict())
        results[piece] = value
        if progress is not None:
            progress(len(results), len(pieces), piece[0])
    values = {name: replace(value, name=name) for (name, sized), value in results.items() if not sized}
    return values, {name: value for (name, sized), value in results.items() if sized}


def measured(
    sets: Mapping[str, Predictions], work: Work, workers: Workers, pieces: Sequence[Piece]
) -> Iterator[tuple[Piece, Any]]:
    """Yield what workers measure, in the order in which they are done."""
    with workers() as pool:
        futures = {
            pool.executor.submit(measure_one, name, sets[name], work, sized=sized): (name, sized)
            for name, sized in pieces
        }
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            for future in futures:
                future.cancel()


def measure_one(name: str, predictions: Predictions, work: Work, *, sized: bool) -> Any:
    """Measure one set, or its learning curve: the piece of work that workers share."""
    from threadpoolctl import threadpool_limits

    try:
        with threadpool_limits(1):
            if sized:
                return measure_sizes(predictions, work.rules, work.metric, seed=work.protocol["seed"])
            return measure_set(name, predictions, work.rules, work.metric, work.protocol)
    except EnsemblerError as error:
        kind = UsageError if isinstance(error, UsageError) else DataError
        raise kind(f"set {name!r}: {error}") from error

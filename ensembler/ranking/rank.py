"""Comparing rules over many prediction sets."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ensembler.combiners.base import Combiner
from ensembler.combiners.registry import make_rule
from ensembler.comparison.candidates import MetricLike
from ensembler.comparison.protocol import DEFAULT_FOLDS, check_fit_on, check_seed
from ensembler.errors import DataError, EnsemblerError, ParameterError, UsageError
from ensembler.metrics import Metric, get_metric
from ensembler.parallel.progress import Progress
from ensembler.parallel.workers import Workers, process_pool
from ensembler.predictions.prediction_set import Predictions
from ensembler.ranking import cache
from ensembler.ranking.clusters import find_clusters
from ensembler.ranking.learning_curve import (
    BySize,
    measure_sizes,
    pooled_curve,
    sizes_from_plain,
    sizes_to_plain,
)
from ensembler.ranking.measurement import SetValues, measure_set
from ensembler.ranking.results import Ranking
from ensembler.ranking.tables import RuleTable

ROPE = 0.005
RESAMPLES = 1000


def rank_rules(
    sets: Mapping[str, Predictions] | Sequence[Predictions],
    rules: Sequence[str | Combiner] | None = None,
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
    rules : sequence of str or Combiner, optional
        By default all that need no parameters.
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
        raise ParameterError(f"rope is {rope!r}, expected a number of at least 0")
    protocol = {"fit_on": check_fit_on(fit_on, part), "folds": folds, "part": part, "seed": seed}
    for rule in rules or ():
        _ = make_rule(rule) if isinstance(rule, str) else rule
    work = Work(
        None if rules is None else list(rules), measure, protocol, None if cache_folder is None else Path(cache_folder)
    )
    total = len(named) * (2 if learning_curve else 1)
    values, curves = run(named, work, workers or process_pool, progress, total, learning_curve=learning_curve)
    ordered = tuple(values[name] for name in named)
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


def run(
    sets: Mapping[str, Predictions],
    work: Work,
    workers: Workers,
    progress: Progress | None,
    total: int,
    *,
    learning_curve: bool,
) -> tuple[dict[str, SetValues], dict[str, BySize]]:
    """Measure all sets, by whoever is there."""
    values: dict[str, SetValues] = {}
    curves: dict[str, BySize] = {}
    kinds = [False, True] if learning_curve else [False]
    # The largest sets first, so that no worker waits for one at the end.
    order = sorted(sets, key=lambda name: -sets[name].proba.size)
    with workers() as pool:
        futures = {
            pool.executor.submit(measure_one, name, sets[name], work, sized=sized): (name, sized)
            for sized in kinds
            for name in order
        }
        try:
            for done, future in enumerate(as_completed(futures)):
                name, sized = futures[future]
                if progress is not None:
                    progress(done, total, name)
                if sized:
                    curves[name] = future.result()
                else:
                    values[name] = future.result()
        finally:
            for future in futures:
                future.cancel()
    return values, curves


def measure_one(name: str, predictions: Predictions, work: Work, *, sized: bool) -> Any:
    """Measure one set, or its learning curve: the piece of work that workers share."""
    from threadpoolctl import threadpool_limits

    path = cache.cache_file(work.cache, predictions, work.rules, work.metric, {**work.protocol, "sized": sized})
    known = cache.read(path)
    if known is not None:
        return sizes_from_plain(known) if sized else replace(SetValues.from_dict(known), name=name)
    try:
        with threadpool_limits(1):
            if sized:
                sizes = measure_sizes(predictions, work.rules, work.metric, seed=work.protocol["seed"])
                cache.write(path, sizes_to_plain(sizes))
                return sizes
            values = measure_set(name, predictions, work.rules, work.metric, work.protocol)
            cache.write(path, values.to_dict())
            return values
    except EnsemblerError as error:
        kind = UsageError if isinstance(error, UsageError) else DataError
        raise kind(f"set {name!r}: {error}") from error

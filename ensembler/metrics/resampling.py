"""Metrics of several predictions on the same bootstrap samples of their rows, so that their differences are paired."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Labels, Values
from ensembler.metrics.areas import OfRankings
from ensembler.metrics.bootstrap import RESAMPLES, Counts, Units, bootstrap_counts
from ensembler.metrics.metric import Metric
from ensembler.metrics.sums import (
    OfBinSums,
    OfClassCounts,
    OfCounts,
    OfRowMeans,
    Probas,
    RowMean,
    of_class_counts,
    of_means,
)

BLOCKS_AT_ONCE = 4
MapBlocks = Callable[[Callable[[Counts], dict[str, Values]], Sequence[Counts]], Iterable[dict[str, Values]]]


def resampled_metrics(
    metrics: Sequence[Metric],
    labels: Labels,
    probas: Probas,
    *,
    sample_weight: Values | None = None,
    groups: NDArray[Any] | None = None,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
    map_blocks: MapBlocks = map,
) -> dict[str, Values]:
    """Return the metrics of R predictions on the same bootstrap samples of their rows, (B, R) by name.

    Parameters
    ----------
    metrics : sequence of Metric
        Functions of the user, which know nothing of counts, are left out of the result.
    labels : (N,)
    probas : R arrays (N, C)
    sample_weight, groups : (N,), optional
        Rows count by their weight; whole groups are drawn.
    map_blocks : callable
        What goes through blocks of samples, as `map` does: on several cores, `ensembler.parallel.threads.side_by_side`.

    Notes
    -----
    A class that a sample does not have is left out of its means over classes. Of more than 131,072 rows, or groups,
    random units are drawn instead, as `ensembler.metrics.bootstrap.Units` says; metrics of rankings still draw rows.
    """
    units = Units.of(len(labels), sample_weight, groups, seed)
    numbered = {metric.name: dict(metric.numbered(probas[0].shape[1]).parameters) for metric in metrics}
    means, by_class = {}, {}
    of_units: list[OfCounts] = []
    of_rows: list[OfCounts] = []
    evaluated = of_rows if units is None else of_units
    for metric in metrics:
        function, parameters = metric.function, numbered[metric.name]
        if isinstance(function, OfClassCounts):
            by_class[metric.name] = function, parameters
        elif isinstance(function, (RowMean, OfRowMeans)):
            means[metric.name] = function, parameters
        elif isinstance(function, OfBinSums):
            evaluated.append(named(metric.name, function.of_counts(labels, probas, units, **parameters)))
        elif isinstance(function, OfRankings):
            of_rows.append(named(metric.name, function.of_counts(labels, probas, **parameters)))
    if by_class:
        evaluated.append(of_class_counts(by_class, labels, probas, units))
    if means:
        evaluated.append(of_means(means, labels, probas, units))
    found: dict[str, Values] = {}
    if of_rows:
        samples = bootstrap_counts(len(labels), n_resamples, seed, groups)
        found |= evaluate(of_rows, samples, sample_weight, map_blocks)
    if of_units and units is not None:
        found |= evaluate(of_units, bootstrap_counts(len(units.sizes), n_resamples, seed), None, map_blocks)
    return {metric.name: found[metric.name] for metric in metrics if metric.name in found}


def named(name: str, of_counts: Callable[[Counts], Values]) -> OfCounts:
    """Return what evaluates one metric, by its name."""
    return lambda counts: {name: of_counts(counts)}


def evaluate(
    evaluated: Sequence[OfCounts], blocks: Iterator[Counts], sample_weight: Values | None, map_blocks: MapBlocks
) -> dict[str, Values]:
    """Evaluate metrics on all samples."""

    def of_block(block: Counts) -> dict[str, Values]:
        counts: Counts = block if sample_weight is None else block * sample_weight
        return {name: values for of_counts in evaluated for name, values in of_counts(counts).items()}

    parts: list[dict[str, Values]] = []
    while some := list(itertools.islice(blocks, BLOCKS_AT_ONCE)):
        parts += map_blocks(of_block, some)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

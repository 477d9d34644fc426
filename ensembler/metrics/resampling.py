"""Metrics of several predictions on the same bootstrap samples of their rows, so that their differences are paired."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Labels, Values
from ensembler.metrics.areas import OfRankings
from ensembler.metrics.bootstrap import RESAMPLES, Counts, Units, bootstrap_counts
from ensembler.metrics.metric import Metric
from ensembler.metrics.sums import OfBinSums, OfClassCounts, OfCounts, OfRowMeans, Probas, RowMean, class_sums


def resampled_metrics(
    metrics: Sequence[Metric],
    labels: Labels,
    probas: Probas,
    *,
    sample_weight: Values | None = None,
    groups: NDArray[Any] | None = None,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
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

    Notes
    -----
    A class that a sample does not have is left out of its means over classes. Of more than 131,072 rows, or groups,
    random units are drawn instead, as `ensembler.metrics.bootstrap.Units` says; metrics of rankings still draw rows.
    """
    units = Units.of(len(labels), sample_weight, groups, seed)
    of_units: dict[str, OfCounts] = {}
    of_rows: dict[str, OfCounts] = {}
    shared = None
    for metric in metrics:
        function, parameters = metric.function, dict(metric.numbered(probas[0].shape[1]).parameters)
        evaluated = of_rows if units is None else of_units
        if isinstance(function, OfClassCounts):
            shared = shared or class_sums(labels, probas, units)
            n_sums = len(probas) * probas[0].shape[1]
            evaluated[metric.name] = function.of_sums(shared, n_sums, **parameters)
        elif isinstance(function, (RowMean, OfRowMeans, OfBinSums)):
            evaluated[metric.name] = function.of_counts(labels, probas, units, **parameters)
        elif isinstance(function, OfRankings):
            of_rows[metric.name] = function.of_counts(labels, probas, **parameters)
    found: dict[str, Values] = {}
    if of_rows:
        found |= evaluate(of_rows, bootstrap_counts(len(labels), n_resamples, seed, groups), sample_weight)
    if of_units and units is not None:
        found |= evaluate(of_units, bootstrap_counts(len(units.sizes), n_resamples, seed), None)
    return {metric.name: found[metric.name] for metric in metrics if metric.name in found}


def evaluate(
    evaluated: dict[str, OfCounts], blocks: Iterable[Counts], sample_weight: Values | None
) -> dict[str, Values]:
    """Evaluate metrics on all samples."""
    parts: dict[str, list[Values]] = {name: [] for name in evaluated}
    for block in blocks:
        counts: Counts = block if sample_weight is None else block * sample_weight
        for name, of_counts in evaluated.items():
            parts[name].append(of_counts(counts))
    return {name: np.concatenate(values) for name, values in parts.items()}

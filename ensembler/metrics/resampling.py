"""Metrics of several predictions on the same bootstrap samples of their rows, so that their differences are paired."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Labels, Values
from ensembler.metrics.areas import OfRankings
from ensembler.metrics.bootstrap import RESAMPLES, Counts, bootstrap_counts
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
    A class that a sample does not have is left out of its means over classes.
    """
    evaluated: dict[str, OfCounts] = {}
    shared = None
    for metric in metrics:
        function, parameters = metric.function, dict(metric.numbered(probas[0].shape[1]).parameters)
        if isinstance(function, OfClassCounts):
            shared = shared or class_sums(labels, probas)
            evaluated[metric.name] = function.of_sums(shared, **parameters)
        elif isinstance(function, (RowMean, OfRowMeans, OfBinSums, OfRankings)):
            evaluated[metric.name] = function.of_counts(labels, probas, **parameters)
    parts: dict[str, list[Values]] = {name: [] for name in evaluated}
    for block in bootstrap_counts(len(labels), n_resamples, seed, groups):
        counts: Counts = block if sample_weight is None else block * sample_weight
        for name, of_counts in evaluated.items():
            parts[name].append(of_counts(counts))
    return {name: np.concatenate(values) for name, values in parts.items()}

"""The difference of a metric between two predictions of the same rows, with its standard error."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Floats, Labels, Values
from ensembler.metrics.bootstrap import bootstrap_counts, enough_units
from ensembler.metrics.metric import METRICS, TIED_DECIMALS, Metric
from ensembler.metrics.pooling import PooledEffect, difference_of_means, difference_of_shares, pool_effects
from ensembler.metrics.predicted import Predicted, taken
from ensembler.metrics.resampling import resampled_metrics
from ensembler.metrics.sums import RowMean

RESAMPLES = 200
RESAMPLES_BY_CALL = 60
"""A function of the user's is called once a sample."""


@dataclass(frozen=True)
class Difference:
    """A paired difference of a metric; positive is better.

    Attributes
    ----------
    value : float
    standard_error : float
        NaN where rows, or groups, are too few to tell.
    """

    value: float
    standard_error: float


def paired_difference(
    metric: Metric,
    labels: Labels,
    first: Floats | Predicted,
    second: Floats | Predicted,
    *,
    sample_weight: Values | None = None,
    groups: NDArray[Any] | None = None,
    seed: int = 0,
) -> Difference:
    """Return by how much the first of two (N, C) predictions is better than the second.

    The standard error of an accuracy has one discordant row more each way, so that it is never 0; that of a mean over
    rows (log loss, Brier score) is the usual one, over groups where there are some; that of any other metric is the
    standard deviation over bootstrap samples.

    Examples
    --------
    >>> labels = np.array([0, 1, 1, 0] * 25)
    >>> good = np.where(np.eye(2)[labels] == 1, 0.8, 0.2)
    >>> chance = np.full((100, 2), 0.5)
    >>> round(paired_difference(METRICS["brier"], labels, good, chance).value, 2)
    0.42
    """
    function = metric.function
    if isinstance(function, RowMean):
        rows = [taken(function.rows, labels, proba, **dict(metric.parameters)) for proba in (first, second)]
        if metric == METRICS["accuracy"] and groups is None:
            return Difference(*share_difference(rows[0], rows[1], sample_weight))
        signed = metric.signed(np.subtract(rows[0], rows[1], dtype=np.float64))
        if groups is not None and len(np.unique(groups)) < 2:
            return Difference(float(np.average(signed, weights=sample_weight)), np.nan)
        return Difference(*difference_of_means(signed, sample_weight, groups))
    values = metric.signed(
        metric(labels, first, sample_weight) - metric(labels, second, sample_weight),
    )
    if not enough_units(len(labels), groups):
        return Difference(float(values), np.nan)
    samples = resampled_metrics(
        [metric],
        labels,
        [first, second],
        sample_weight=sample_weight,
        groups=groups,
        n_resamples=RESAMPLES,
        seed=seed,
    ).get(metric.name)
    if samples is None:
        samples = called_on_samples(metric, labels, (first, second), sample_weight, groups, seed)
    spread = samples[:, 0] - samples[:, 1]
    spread = spread[np.isfinite(spread)]
    return Difference(float(values), float(spread.std(ddof=1)) if len(spread) > 1 else np.nan)


@dataclass(frozen=True)
class Tally:
    """On how many sets something is better than a baseline, as good, and worse."""

    wins: int
    ties: int
    losses: int

    @classmethod
    def of(cls, differences: Values) -> "Tally":
        """Count the signs of differences; NaN is left out, and what is 0 to 12 decimals is a tie."""
        there = np.round(differences[np.isfinite(differences)], TIED_DECIMALS)
        return cls(int((there > 0).sum()), int((there == 0).sum()), int((there < 0).sum()))


def share_difference(first: Values, second: Values, sample_weight: Values | None) -> tuple[float, float]:
    """Return the difference of two accuracies and its standard error."""
    weight = np.ones(len(first)) if sample_weight is None else sample_weight
    better, worse = (weight[(a > b)].sum() for a, b in ((first, second), (second, first)))
    return difference_of_shares(float(better), float(worse), float(weight.sum()))


def called_on_samples(
    metric: Callable[..., Any],
    labels: Labels,
    predictions: tuple[Floats | Predicted, Floats | Predicted],
    sample_weight: Values | None,
    groups: NDArray[Any] | None,
    seed: int,
) -> Values:
    """Return a metric that is no function of sums on bootstrap samples, (B, 2); NaN where a sample has no value."""
    found = []
    probas = [np.asarray(predicted) for predicted in predictions]
    for block in bootstrap_counts(len(labels), RESAMPLES_BY_CALL, seed, groups):
        for counts in block.astype(np.int64):
            rows = np.repeat(np.arange(len(labels)), counts)
            weight = None if sample_weight is None else sample_weight[rows]
            try:
                found.append([float(metric(labels[rows], proba[rows], weight)) for proba in probas])
            except ValueError:
                # A sample may lack a class that the metric cannot do without.
                found.append([np.nan, np.nan])
    return np.array(found)


def pool_by_cluster(differences: Sequence[Difference], clusters: Sequence[str]) -> PooledEffect | None:
    """Pool the differences of many sets; None where none has a standard error.

    The sets of a cluster share rows, so that they count once: by the mean of their differences, with the mean of their
    standard errors, as if they were one set measured several times.
    """
    by_cluster: dict[str, list[Difference]] = {}
    for difference, cluster in zip(differences, clusters, strict=True):
        if np.isfinite(difference.standard_error) and np.isfinite(difference.value):
            by_cluster.setdefault(cluster, []).append(difference)
    if not by_cluster:
        return None
    effects = [np.mean([difference.value for difference in group]) for group in by_cluster.values()]
    errors = [np.mean([difference.standard_error for difference in group]) for group in by_cluster.values()]
    return pool_effects(effects, errors)

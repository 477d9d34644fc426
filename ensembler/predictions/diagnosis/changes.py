"""The rows on which two predictions differ, and what the difference comes to in each metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Rows, Values
from ensembler.errors import AlignmentError, UsageError
from ensembler.metrics import METRICS, Metric
from ensembler.metrics.bootstrap import RESAMPLES, enough_units
from ensembler.metrics.intervals import Interval, percentile_interval, wilson
from ensembler.metrics.paired import Discordance, is_significant
from ensembler.metrics.resampling import resampled_metrics
from ensembler.predictions.prediction_set import Predictions

if TYPE_CHECKING:
    import pandas as pd

Proba = NDArray[np.floating[Any]]
REPORTED = ("accuracy", "balanced-accuracy", "macro-f1", "log-loss", "brier", "ece")


@dataclass(frozen=True)
class ClassChange:
    """How many rows of one class a prediction gains and loses against another."""

    name: str
    rows: int
    gained: int
    lost: int


@dataclass(frozen=True)
class MetricChange:
    """A metric of both predictions, and the first one's lead with its 95 % interval; positive where it is better."""

    metric: str
    first: float
    second: float
    difference: float
    interval: Interval | None


@dataclass(frozen=True)
class RowChanges:
    """The rows on which two predictions differ, the first against the second.

    Attributes
    ----------
    first, second : str
    pair : Discordance
    gained, lost : (n,) int
        Rows that only the first, and only the second, is correct about.
    relabelled : int
        Number of rows in which they predict different classes, correct or not.
    by_class : list of ClassChange
    """

    first: str
    second: str
    pair: Discordance
    gained: Rows
    lost: Rows
    relabelled: int
    by_class: list[ClassChange]


@dataclass(frozen=True)
class Changes(RowChanges):
    """Two predictions of the same rows: the rows on which they differ, and their metrics with intervals.

    Attributes
    ----------
    intervals : pair of (low, high) or None
        Of the two accuracies: Wilson's, or with groups bootstrap.
    metrics : list of MetricChange
    significant : bool
        Whether the interval of the accuracies' difference excludes 0, and McNemar's test agrees where it applies.
    n_resamples, seed : int
        Of the bootstrap.
    """

    intervals: tuple[Interval | None, Interval | None]
    metrics: list[MetricChange]
    significant: bool
    n_resamples: int
    seed: int


def changed_rows(data: Predictions, names: tuple[str, str], probas: tuple[Proba, Proba]) -> RowChanges:
    """Return the rows on which two predictions of the rows of a set differ."""
    labels = data.true_labels
    predicted = [proba.argmax(axis=1) for proba in probas]
    first, second = (classes == labels for classes in predicted)
    gained, lost = np.flatnonzero(first & ~second), np.flatnonzero(second & ~first)
    counts = [np.bincount(labels[rows], minlength=data.n_classes).tolist() for rows in (slice(None), gained, lost)]
    return RowChanges(
        names[0],
        names[1],
        Discordance.of(first, second),
        gained,
        lost,
        int((predicted[0] != predicted[1]).sum()),
        [ClassChange(*of_class) for of_class in zip(data.classes, *counts, strict=True)],
    )


def side_by_side(parts: Sequence[Predictions], folders: Sequence[str]) -> Predictions:
    """Return the members of several sets of the same rows as one set, each named after its folder as well.

    Raises
    ------
    AlignmentError
        The rows, their labels or the classes are not the same.
    """
    first = parts[0]
    for part in parts[1:]:
        if not np.array_equal(part.true_labels, first.true_labels) or part.classes != first.classes:
            raise AlignmentError(
                f"the files in {folders[0]} and {folders[-1]} do not have the same labels ({first.n_samples:,} and "
                f"{part.n_samples:,} rows), expected predictions of the same rows"
            )
        if part.ids is not None and first.ids is not None and not np.array_equal(part.ids, first.ids):
            raise AlignmentError(f"the files in {folders[0]} and {folders[-1]} do not have their rows in one order")
    return first.replace(
        proba=np.concatenate([part.proba for part in parts]),
        names=[f"{name} ({folder})" for part, folder in zip(parts, folders, strict=True) for name in part.names],
        metadata=[metadata for part in parts for metadata in part.metadata],
        hard=[hard for part in parts for hard in part.hard],
        missing=np.concatenate([~part.answered for part in parts]),
        validation=None,
    )


def compare_two(
    data: Predictions,
    names: tuple[str, str],
    probas: tuple[Proba, Proba],
    *,
    hard: bool = False,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
) -> Changes:
    """Compare two predictions of the rows of a set.

    Parameters
    ----------
    data : Predictions
        Labels, class names, groups.
    names, probas
        Of the two; the first is measured against the second.
    hard : bool
        Whether either exists as class labels only, so that probabilities mean nothing.
    n_resamples, seed
        Of the bootstrap.
    """
    if data.sample_weight is not None:
        raise UsageError("rows are counted here, and row weights have no effect; drop them")
    rows = changed_rows(data, names, probas)
    metrics: list[Metric] = [METRICS[name] for name in REPORTED if not (hard and METRICS[name].needs_probabilities)]
    samples = resampled_metrics(
        metrics, data.true_labels, probas, groups=data.groups, n_resamples=n_resamples, seed=seed
    )
    if not enough_units(data.n_samples, data.groups):
        samples = {}
    changes = [metric_change(metric, data, probas, samples.get(metric.name)) for metric in metrics]
    accuracy = changes[0]
    intervals: list[Interval | None] = [
        wilson(round(value * data.n_samples), data.n_samples)
        if data.groups is None
        else percentile_interval(samples["accuracy"][:, index])
        if samples
        else None
        for index, value in enumerate((accuracy.first, accuracy.second))
    ]
    return Changes(
        **vars(rows),
        intervals=(intervals[0], intervals[1]),
        metrics=changes,
        significant=is_significant(accuracy.interval, rows.pair.p_value if data.groups is None else None),
        n_resamples=n_resamples,
        seed=seed,
    )


def metric_change(
    metric: Metric, data: Predictions, probas: tuple[Proba, Proba], samples: Values | None
) -> MetricChange:
    """Return a metric of both predictions; ``samples`` (B, 2) are its bootstrap values, None where rows are too few."""
    first, second = (float(metric(data.true_labels, proba, None)) for proba in probas)
    interval = None
    if samples is not None:
        interval = percentile_interval(metric.signed(samples[:, 0] - samples[:, 1]))
    return MetricChange(metric.name, first, second, float(metric.signed(first - second)), interval)


def change_frame(data: Predictions, names: tuple[str, str], probas: tuple[Proba, Proba]) -> "pd.DataFrame":
    """Return a table of the rows in which two predictions name different classes, and which of them is correct."""
    import pandas as pd

    labels, classes = data.true_labels, np.array(data.classes, dtype=object)
    predicted = [proba.argmax(axis=1) for proba in probas]
    rows = np.flatnonzero(predicted[0] != predicted[1])
    correct = [prediction[rows] == labels[rows] for prediction in predicted]
    columns: dict[str, Any] = {"row": rows}
    if data.ids is not None:
        columns["id"] = data.ids[rows]
    columns["label"] = classes[labels[rows]]
    for name, prediction, proba in zip(names, predicted, probas, strict=True):
        columns[name] = classes[prediction[rows]]
        columns[f"p({name})"] = proba[rows, prediction[rows]]
        columns[f"p(label) {name}"] = proba[rows, labels[rows]]
    columns["change"] = np.select([correct[0], correct[1]], ["gained", "lost"], "other")
    return pd.DataFrame(columns)

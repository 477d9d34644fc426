"""Metrics as functions of sums over rows: defined once, for one set of rows and for thousands of bootstrap samples.

A sample of rows is how often each was drawn. A metric that needs nothing but sums over the rows is evaluated on all
samples by one matrix product; its plain value is that of the sample that has every row once.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Labels, Values, most_probable
from ensembler.metrics.bootstrap import Counts, Units
from ensembler.metrics.confusion import class_counts
from ensembler.metrics.predicted import Predicted, taken

Proba = NDArray[np.floating[Any]]
Scored = Proba | Predicted
Probas = Sequence[Proba] | Sequence[Predicted] | Sequence[Scored]
OfCounts = Callable[[Counts], dict[str, Values]]
"""From samples (b, N) to metrics by name: the values of R predictions on each sample, (b, R)."""
ClassSums = tuple[Values, Values, Values]
MOST_SUMS = 1 << 21
"""Sums by prediction and class that are kept of some samples at a time."""


def weighted_mean(values: NDArray[Any], sample_weight: Values | None) -> Values:
    """Return the mean over the last axis, with row weights where given."""
    if sample_weight is None:
        return np.asarray(values.mean(axis=-1, dtype=np.float64))
    return np.asarray((values @ sample_weight) / sample_weight.sum())


def nan_mean(values: Values) -> Values:
    """Return the mean over the last axis of what is not NaN; NaN where everything is."""
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(there, values, 0.0).sum(axis=-1) / there.sum(axis=-1))


def divided(sums: Values, counts: Counts, units: Units | None = None) -> Values:
    """Divide each sample's sums by its weight; NaN where it has none."""
    total = counts.sum(axis=1, dtype=np.float64) if units is None else counts @ units.sizes
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / total[:, None])


def predicted_classes(_: Labels, proba: Proba) -> Labels:
    """Return the most probable class of each row, (..., N)."""
    return most_probable(proba)


@dataclass(frozen=True)
class RowMean:
    """A metric that is the mean of a value per row.

    Parameters
    ----------
    rows : callable
        ``rows(labels, proba, **parameters)``: from (N,) and (..., N, C) to (..., N).
    """

    rows: Callable[..., NDArray[Any]]

    def __call__(self, labels: Labels, proba: Scored, sample_weight: Values | None = None, **parameters: Any) -> Values:
        """Return the metric for each leading index of ``proba`` (..., N, C)."""
        return weighted_mean(taken(self.rows, labels, proba, **parameters), sample_weight)

    @property
    def parameter_names(self) -> list[str]:
        """The metric's own parameters."""
        return keyword_names(self.rows)

    def columns(self, labels: Labels, probas: Probas, **parameters: Any) -> list[NDArray[Any]]:
        """Return the values per row whose means make R predictions' values: one column (N,) each."""
        return [taken(self.rows, labels, proba, **parameters) for proba in probas]

    def of_means(self, means: Values, n_rules: int) -> Values:
        """Return the values of R predictions, (..., R), from the means of their columns."""
        assert means.shape[-1] == n_rules
        return means


@dataclass(frozen=True)
class OfClassCounts:
    """A metric of how many rows of each class there are, are predicted, and are predicted correctly.

    Parameters
    ----------
    value : callable
        ``value(correct, predicted, true, **parameters)``, each (..., C), returning the leading axes.
    """

    value: Callable[..., Values]
    parameter_names: tuple[str, ...] = ()

    def __call__(self, labels: Labels, proba: Scored, sample_weight: Values | None = None, **parameters: Any) -> Values:
        """Return the metric for each leading index of ``proba`` (..., N, C)."""
        said = taken(predicted_classes, labels, proba)
        correct, true, predicted = class_counts(labels, said, proba.shape[-1], sample_weight)
        return self.value(correct, predicted, true, **parameters)


@dataclass(frozen=True)
class OfRowMeans:
    """A metric of the means of several values per row.

    Parameters
    ----------
    rows : callable
        ``rows(labels, proba)``: from (N,) and (..., N, C) to (K, ..., N) float64.
    value : callable
        From the K means, (K, ...), to the metric, the other axes.
    """

    rows: Callable[..., Values]
    value: Callable[[Values], Values]
    parameter_names: tuple[str, ...] = ()

    def __call__(self, labels: Labels, proba: Scored, sample_weight: Values | None = None) -> Values:
        """Return the metric for each leading index of ``proba`` (..., N, C)."""
        return self.value(weighted_mean(taken(self.rows, labels, proba), sample_weight))

    def columns(self, labels: Labels, probas: Probas) -> list[NDArray[Any]]:
        """Return the values per row whose means make R predictions' values: K columns (N,) each."""
        return [row for proba in probas for row in taken(self.rows, labels, proba)]

    def of_means(self, means: Values, n_rules: int) -> Values:
        """Return the values of R predictions, (..., R), from the means of their columns."""
        return self.value(np.moveaxis(means.reshape(*means.shape[:-1], n_rules, -1), -1, 0))


@dataclass(frozen=True)
class OfBinSums:
    """A metric that adds up, over bins of rows, absolute sums of a signed value per row.

    Parameters
    ----------
    binned : callable
        ``binned(labels, proba, **parameters)``: from one (N, C) to the bin of each row, its value, and how many bins.
    """

    binned: Callable[..., tuple[NDArray[np.intp], Values, int]]

    def __call__(self, labels: Labels, proba: Scored, sample_weight: Values | None = None, **parameters: Any) -> Values:
        """Return the metric for each leading index of ``proba`` (..., N, C)."""
        flat = [proba] if isinstance(proba, Predicted) else proba.reshape(-1, *proba.shape[-2:])
        weight = np.ones(len(labels)) if sample_weight is None else sample_weight
        found = np.empty(len(flat))
        for index, rows in enumerate(flat):
            bins, values, n_bins = taken(self.binned, labels, rows, **parameters)
            found[index] = np.abs(np.bincount(bins, weights=weight * values, minlength=n_bins)).sum() / weight.sum()
        return found.reshape(proba.shape[:-2])

    @property
    def parameter_names(self) -> list[str]:
        """The metric's own parameters."""
        return keyword_names(self.binned)

    def of_counts(
        self, labels: Labels, probas: Probas, units: Units | None = None, **parameters: Any
    ) -> Callable[[Counts], Values]:
        """Return what evaluates R predictions on samples of their rows, or of units of rows, as (b, R)."""
        from scipy.sparse import csr_array

        n_rows, n_rules = len(labels), len(probas)
        parts = [taken(self.binned, labels, proba, **parameters) for proba in probas]
        n_bins = parts[0][2]
        if units is not None:
            dense = np.concatenate([units.sums(values, bins, n_bins) for bins, values, _ in parts], axis=1)
            return lambda counts: divided(
                np.abs((counts.astype(np.float64) @ dense).reshape(-1, n_rules, n_bins)).sum(axis=2), counts, units
            )
        places = np.array([bins for bins, _, _ in parts]) + n_bins * np.arange(n_rules)[:, None]
        values = np.array([values for _, values, _ in parts])
        rows = np.broadcast_to(np.arange(n_rows), places.shape)
        sums = csr_array((values.ravel(), (places.ravel(), rows.ravel())), shape=(n_rules * n_bins, n_rows))

        def of_counts(counts: Counts) -> Values:
            found = np.asarray(sums @ np.ascontiguousarray(counts.T, dtype=np.float64)).T
            return divided(np.abs(found.reshape(-1, n_rules, n_bins)).sum(axis=2), counts)

        return of_counts


def of_means(
    metrics: Mapping[str, tuple[RowMean | OfRowMeans, dict[str, Any]]],
    labels: Labels,
    probas: Probas,
    units: Units | None = None,
) -> OfCounts:
    """Return what evaluates several metrics of means, by name with their parameters, in one product for all."""
    n_rules = len(probas)
    columns = {name: metric.columns(labels, probas, **values) for name, (metric, values) in metrics.items()}
    every = [column for several in columns.values() for column in several]
    if units is None:
        matrix = np.stack(every, axis=1, dtype=np.float64)
    else:
        matrix = np.concatenate([units.sums(column) for column in every], axis=1)
    ends = np.cumsum([len(several) for several in columns.values()])[:-1]

    def of_counts(counts: Counts) -> dict[str, Values]:
        means = divided(counts.astype(np.float64) @ matrix, counts, units)
        parts = zip(metrics.items(), np.split(means, ends, axis=1), strict=True)
        return {name: metric.of_means(part, n_rules) for (name, (metric, _)), part in parts}

    return of_counts


def of_class_counts(
    metrics: Mapping[str, tuple[OfClassCounts, dict[str, Any]]],
    labels: Labels,
    probas: Probas,
    units: Units | None = None,
) -> OfCounts:
    """Return what evaluates several metrics of class counts, by name with their parameters, from sums made once."""
    sums = class_sums(labels, probas, units)
    size = max(1, MOST_SUMS // (len(probas) * probas[0].shape[1]))

    def of_counts(counts: Counts) -> dict[str, Values]:
        found: dict[str, list[Values]] = {name: [] for name in metrics}
        for start in range(0, len(counts), size):
            some = sums(counts[start : start + size])
            for name, (metric, values) in metrics.items():
                found[name].append(metric.value(*some, **values))
        return {name: np.concatenate(parts) for name, parts in found.items()}

    return of_counts


def class_sums(labels: Labels, probas: Probas, units: Units | None = None) -> Callable[[Counts], ClassSums]:
    """Return what gives the correct, predicted and true rows of each class in samples of rows, or of units of rows.

    Of b samples and R predictions: (b, R, C), (b, R, C) and (b, 1, C).
    """
    from scipy.sparse import csr_array

    if units is not None:
        return class_sums_of_units(labels, probas, units)
    n_rows, n_classes, n_rules = len(labels), probas[0].shape[1], len(probas)
    predicted = np.array([taken(predicted_classes, labels, proba) for proba in probas])
    offsets = n_classes * np.arange(n_rules)[:, None]
    rows = np.broadcast_to(np.arange(n_rows), predicted.shape)
    shape = (n_rules * n_classes, n_rows)
    ones = np.ones(predicted.size, dtype=np.float32)
    all_predicted = csr_array((ones, ((predicted + offsets).ravel(), rows.ravel())), shape=shape)
    correct = predicted == labels
    all_correct = csr_array((ones[: correct.sum()], ((predicted + offsets)[correct], rows[correct])), shape=shape)
    true = np.zeros((n_rows, n_classes), dtype=np.float32)
    true[np.arange(n_rows), labels] = 1.0

    def sums(counts: Counts) -> ClassSums:
        turned = np.ascontiguousarray(counts.T)
        of_rules = [np.asarray(matrix @ turned, dtype=np.float64).T for matrix in (all_correct, all_predicted)]
        hits, predictions = (part.reshape(-1, n_rules, n_classes) for part in of_rules)
        return hits, predictions, np.asarray(counts @ true, dtype=np.float64)[:, None]

    return sums


def class_sums_of_units(labels: Labels, probas: Probas, units: Units) -> Callable[[Counts], ClassSums]:
    """Return what gives the same in samples of units of rows."""
    n_classes, n_rules = probas[0].shape[1], len(probas)
    predicted = [taken(predicted_classes, labels, proba) for proba in probas]
    ones = np.ones(len(labels))
    all_correct = np.concatenate([units.sums(said == labels, said, n_classes) for said in predicted], axis=1)
    all_predicted = np.concatenate([units.sums(ones, said, n_classes) for said in predicted], axis=1)
    true = units.sums(ones, labels, n_classes)

    def sums(counts: Counts) -> ClassSums:
        drawn = counts.astype(np.float64)
        hits, predictions = ((drawn @ part).reshape(-1, n_rules, n_classes) for part in (all_correct, all_predicted))
        return hits, predictions, (drawn @ true)[:, None]

    return sums


def keyword_names(function: Callable[..., Any]) -> list[str]:
    """Return the names of a function's keyword-only parameters."""
    parameters = inspect.signature(function).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]

"""Bootstrap samples of rows, as one matrix of counts that everything under comparison shares.

All rules are measured on the same samples, so that their differences are paired. A metric of a sample is a function of
sums over its rows, and the sums over all samples are one matrix product.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Labels, Values
from ensembler.metrics import Metric
from ensembler.metrics.bootstrap import RESAMPLES, Counts, bootstrap_counts
from ensembler.metrics.calibration import ECE_BINS, confidence_bins
from ensembler.metrics.scores import LOG_LOSS_CLIP, top_k_hits, true_class_proba
from ensembler.serialization import parse_spec

Probas = Sequence[NDArray[np.floating[Any]]]


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
        Those that are no function of sums over rows (ROC AUC, functions of the user) are left out of the result.
    labels : (N,)
    probas : R arrays (N, C)
    sample_weight, groups : (N,), optional
        Rows count by their weight; whole groups are drawn.

    Notes
    -----
    A class that a sample does not have is left out of its means over classes.
    """
    wanted = [metric for metric in metrics if base_name(metric) in (*ROW_SUMS, *CLASS_SUMS)]
    by_row = {
        metric.name: ROW_SUMS[base_name(metric)](labels, probas, **parse_spec(metric.name)[1])
        for metric in wanted
        if base_name(metric) in ROW_SUMS
    }
    by_class = {metric.name: CLASS_SUMS[base_name(metric)] for metric in wanted if metric.name not in by_row}
    sums = class_sums(labels, probas) if by_class else None
    parts: dict[str, list[Values]] = {metric.name: [] for metric in wanted}
    for block in bootstrap_counts(len(labels), n_resamples, seed, groups):
        counts = block if sample_weight is None else (block * sample_weight).astype(np.float32)
        for name, of_counts in by_row.items():
            parts[name].append(of_counts(counts))
        if sums is not None:
            found = sums(counts)
            for name, of_sums in by_class.items():
                parts[name].append(of_sums(*found))
    return {name: np.concatenate(values) for name, values in parts.items()}


def base_name(metric: Metric) -> str:
    """Return a metric's name without parameters."""
    return metric.name.partition(":")[0]


OfCounts = Callable[[Counts], Values]


def divided(sums: Values, counts: Counts) -> Values:
    """Divide each sample's sums by its weight; NaN where it has none."""
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / counts.sum(axis=1, dtype=np.float64)[:, None])


def row_means(rows: Values) -> OfCounts:
    """Return what gives the weighted means of R values a row, (R, N)."""
    columns = np.ascontiguousarray(rows.T)

    def mean(counts: Counts) -> Values:
        return divided(counts.astype(np.float64) @ columns, counts)

    return mean


def accuracy_sums(labels: Labels, probas: Probas) -> OfCounts:
    """Resample the accuracy."""
    return row_means(np.array([proba.argmax(axis=1) == labels for proba in probas], dtype=np.float64))


def top_k_sums(labels: Labels, probas: Probas, k: int = 2) -> OfCounts:
    """Resample the top-k accuracy."""
    return row_means(np.array([top_k_hits(labels, proba, k) for proba in probas], dtype=np.float64))


def log_loss_sums(labels: Labels, probas: Probas) -> OfCounts:
    """Resample the log loss."""
    true = np.array([true_class_proba(labels, proba) for proba in probas])
    return row_means(-np.log(np.clip(true, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)))


def brier_sums(labels: Labels, probas: Probas) -> OfCounts:
    """Resample the Brier score."""
    squares = np.array([np.einsum("nc,nc->n", proba, proba, dtype=np.float64) for proba in probas])
    true = np.array([true_class_proba(labels, proba) for proba in probas])
    return row_means(squares - 2 * true + 1.0)


def class_sums(labels: Labels, probas: Probas) -> Callable[[Counts], tuple[Values, Values, Values]]:
    """Return what gives right, predicted and true counts by class: (b, R, C), (b, R, C) and (b, C)."""
    from scipy.sparse import csr_array

    n_rows, n_classes, n_rules = len(labels), probas[0].shape[1], len(probas)
    predicted = np.array([proba.argmax(axis=1) for proba in probas])
    offsets = n_classes * np.arange(n_rules)[:, None]
    rows = np.broadcast_to(np.arange(n_rows), predicted.shape)
    shape = (n_rules * n_classes, n_rows)
    ones = np.ones(predicted.size, dtype=np.float32)
    said = csr_array((ones, ((predicted + offsets).ravel(), rows.ravel())), shape=shape)
    right = predicted == labels
    hit = csr_array((ones[: right.sum()], ((predicted + offsets)[right], rows[right])), shape=shape)
    truth = np.zeros((n_rows, n_classes), dtype=np.float32)
    truth[np.arange(n_rows), labels] = 1.0

    def sums(counts: Counts) -> tuple[Values, Values, Values]:
        turned = np.ascontiguousarray(counts.T)
        found = [np.asarray(matrix @ turned, dtype=np.float64).T for matrix in (hit, said)]
        return (*(part.reshape(-1, n_rules, n_classes) for part in found), np.asarray(counts @ truth, dtype=np.float64))  # type: ignore[return-value]

    return sums


def nan_mean(values: Values) -> Values:
    """Return the mean over the last axis of what is there; NaN where nothing is."""
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(there, values, 0.0).sum(axis=2) / there.sum(axis=2))


def balanced_accuracy(right: Values, _: Values, true: Values) -> Values:
    """Return the mean recall of the classes that a sample has."""
    with np.errstate(invalid="ignore"):
        return nan_mean(right / true[:, None])


def macro_f1(right: Values, said: Values, true: Values) -> Values:
    """Return the mean F1 of the classes that occur in a sample or are predicted in it."""
    with np.errstate(invalid="ignore"):
        return nan_mean(2 * right / (said + true[:, None]))


def matthews(right: Values, said: Values, true: Values) -> Values:
    """Return the Matthews correlation coefficient."""
    total = true.sum(axis=1)[:, None]
    covariance = right.sum(axis=2) * total - (true[:, None] * said).sum(axis=2)
    scale = (total**2 - (said**2).sum(axis=2)) * (total**2 - (true**2).sum(axis=1)[:, None])
    return np.asarray(np.where(scale > 0, covariance / np.sqrt(np.where(scale > 0, scale, 1.0)), 0.0))


def ece_sums(labels: Labels, probas: Probas, bins: int = ECE_BINS) -> OfCounts:
    """Resample the expected calibration error."""
    from scipy.sparse import csr_array

    n_rows, n_rules = len(labels), len(probas)
    confidence = np.array([proba.max(axis=1) for proba in probas], dtype=np.float64)
    right = np.array([proba.argmax(axis=1) == labels for proba in probas])
    places = confidence_bins(confidence, bins) + bins * np.arange(n_rules)[:, None]
    rows = np.broadcast_to(np.arange(n_rows), places.shape)
    surplus = csr_array(((right - confidence).ravel(), (places.ravel(), rows.ravel())), shape=(n_rules * bins, n_rows))

    def ece(counts: Counts) -> Values:
        found = np.asarray(surplus @ np.ascontiguousarray(counts.T, dtype=np.float64)).T
        return divided(np.abs(found.reshape(-1, n_rules, bins)).sum(axis=2), counts)

    return ece


ROW_SUMS: dict[str, Callable[..., OfCounts]] = {
    "accuracy": accuracy_sums,
    "top-k-accuracy": top_k_sums,
    "log-loss": log_loss_sums,
    "brier": brier_sums,
    "ece": ece_sums,
}
CLASS_SUMS: dict[str, Callable[[Values, Values, Values], Values]] = {
    "balanced-accuracy": balanced_accuracy,
    "macro-f1": macro_f1,
    "mcc": matthews,
}

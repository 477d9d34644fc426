"""Scores of class probabilities: (..., N, C) in, one number per leading index out.

All take ``labels`` (N,) int64, ``proba`` (..., N, C) and an optional ``sample_weight`` (N,), and compute in float64.
The predicted class is the first maximum of a row.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Labels, Values
from ensembler.errors import ParameterError
from ensembler.metrics.confusion import class_counts, recall_per_class

Proba = NDArray[np.floating]
Weights = NDArray[np.float64] | None

LOG_LOSS_CLIP = float(np.finfo(np.float64).eps)
"""Probabilities are kept this far from 0 and 1 before the logarithm, as scikit-learn does for float64."""


def weighted_mean(values: NDArray[Any], sample_weight: Weights) -> Values:
    """Mean over the last axis, with row weights where given."""
    if sample_weight is None:
        return np.asarray(values.mean(axis=-1, dtype=np.float64))
    return np.asarray((values @ sample_weight) / sample_weight.sum())


def true_class_proba(labels: Labels, proba: Proba) -> Values:
    """Return the probability given to the true class, (..., N) float64."""
    return np.asarray(proba[..., np.arange(len(labels)), labels], dtype=np.float64)


def accuracy(labels: Labels, proba: Proba, sample_weight: Weights = None) -> Values:
    """Share of rows whose most probable class is the true one."""
    return weighted_mean(proba.argmax(axis=-1) == labels, sample_weight)


def top_k_accuracy(labels: Labels, proba: Proba, sample_weight: Weights = None, *, k: int = 2) -> Values:
    """Share of rows whose true class is among the k most probable; among equals the earlier class counts first."""
    if k >= proba.shape[-1]:
        raise ParameterError(f"top-k-accuracy: k is {k}, expected less than the {proba.shape[-1]} classes")
    return weighted_mean(top_k_hits(labels, proba, k), sample_weight)


def top_k_hits(labels: Labels, proba: Proba, k: int) -> NDArray[np.bool_]:
    """Say in which rows the true class is among the k most probable, (..., N)."""
    truth = true_class_proba(labels, proba)[..., None]
    earlier = np.arange(proba.shape[-1]) < labels[:, None]
    rank = ((proba > truth) | ((proba == truth) & earlier)).sum(axis=-1)
    return np.asarray(rank < k)


def balanced_accuracy(labels: Labels, proba: Proba, sample_weight: Weights = None) -> Values:
    """Mean of the recalls of the classes that occur in the labels."""
    return np.asarray(np.nanmean(recall_per_class(labels, proba, sample_weight), axis=-1))


def macro_f1(labels: Labels, proba: Proba, sample_weight: Weights = None) -> Values:
    """Unweighted mean of the F1 scores of the classes that occur in the labels or the predictions."""
    right, true, predicted = class_counts(labels, proba.argmax(axis=-1), proba.shape[-1], sample_weight)
    with np.errstate(invalid="ignore"):
        f1 = 2 * right / (true + predicted)
    return np.asarray(np.nanmean(f1, axis=-1))


def matthews(labels: Labels, proba: Proba, sample_weight: Weights = None) -> Values:
    r"""Matthews correlation coefficient for any number of classes.

    Gorodkin 2004, doi 10.1016/j.compbiolchem.2004.09.006. With the
    confusion matrix's total s, trace c, true counts t and predicted counts p:
    :math:`(cs - t\cdot p) / \sqrt{(s^2 - p\cdot p)(s^2 - t\cdot t)}`, and 0 where the denominator is 0.
    """
    diagonal, true, predicted = class_counts(labels, proba.argmax(axis=-1), proba.shape[-1], sample_weight)
    total, right = true.sum(axis=-1), diagonal.sum(axis=-1)
    covariance = right * total - (true * predicted).sum(axis=-1)
    scale = (total**2 - (predicted**2).sum(axis=-1)) * (total**2 - (true**2).sum(axis=-1))
    return np.asarray(np.where(scale > 0, covariance / np.sqrt(np.where(scale > 0, scale, 1.0)), 0.0))


def log_loss(labels: Labels, proba: Proba, sample_weight: Weights = None) -> Values:
    """Mean negative log probability of the true class, in nats."""
    clipped = np.clip(true_class_proba(labels, proba), LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
    return weighted_mean(-np.log(clipped), sample_weight)


def brier(labels: Labels, proba: Proba, sample_weight: Weights = None) -> Values:
    r"""Brier score as Brier (1950, doi 10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2) defined it.

    :math:`\frac1N \sum_i \sum_c (p_{ic} - [y_i = c])^2`, between 0 and 2; with two classes it is twice the
    one-column form that is common for binary problems.
    """
    squares = np.einsum("...nc,...nc->...n", proba, proba, dtype=np.float64)
    return weighted_mean(squares - 2 * true_class_proba(labels, proba) + 1.0, sample_weight)


def roc_auc(labels: Labels, proba: Proba, sample_weight: Weights = None) -> Values:
    """One-vs-rest area under the ROC curve, averaged over the classes that occur; NaN if only one does."""
    from sklearn.metrics import roc_auc_score

    lead = proba.shape[:-2]
    flat = proba.reshape(-1, *proba.shape[-2:])
    present = np.unique(labels)
    areas = np.full((len(flat), len(present)), np.nan)
    if len(present) > 1:
        for index, rows in enumerate(flat):
            for column, c in enumerate(present):
                areas[index, column] = roc_auc_score(labels == c, rows[:, c], sample_weight=sample_weight)
    return np.asarray(areas.mean(axis=-1)).reshape(lead)

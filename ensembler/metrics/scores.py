"""Scores of class probabilities: (..., N, C) in, one number per leading index out.

Each is called as ``accuracy(labels, proba, sample_weight)`` with ``labels`` (N,) int64, ``proba`` (..., N, C) and an
optional ``sample_weight`` (N,), and computes in float64. The predicted class is the first maximum of a row.
"""

import numpy as np

from ensembler.arrays import Correct, Labels, Values, most_probable
from ensembler.errors import ParameterError
from ensembler.metrics.sums import OfClassCounts, OfRowMeans, Proba, RowMean, nan_mean

LOG_LOSS_CLIP = float(np.finfo(np.float64).eps)
"""Probabilities are kept this far from 0 and 1 before the logarithm, as scikit-learn does for float64."""


def true_class_proba(labels: Labels, proba: Proba) -> Values:
    """Return the probability given to the true class, (..., N) float64."""
    return np.asarray(proba[..., np.arange(len(labels)), labels], dtype=np.float64)


def correct_rows(labels: Labels, proba: Proba) -> Correct:
    """Say in which rows the most probable class is the true one, (..., N)."""
    return np.asarray(most_probable(proba) == labels)


def top_k_rows(labels: Labels, proba: Proba, *, k: int = 2) -> Correct:
    """Say in which rows the true class is among the k most probable, (..., N); the earlier class among equals."""
    if k >= proba.shape[-1]:
        raise ParameterError(f"top-k-accuracy: k is {k}, expected less than the {proba.shape[-1]} classes")
    true = true_class_proba(labels, proba)[..., None]
    earlier = np.arange(proba.shape[-1]) < labels[:, None]
    rank = ((proba > true) | ((proba == true) & earlier)).sum(axis=-1)
    return np.asarray(rank < k)


def log_losses(labels: Labels, proba: Proba) -> Values:
    """Return the negative log probability of the true class of each row, in nats, (..., N)."""
    return clipped_losses(true_class_proba(labels, proba))


def clipped_losses(true_proba: Values) -> Values:
    """Return the negative logarithm of the true class's probability, in nats."""
    return np.asarray(-np.log(np.clip(true_proba, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)))


def brier_scores(labels: Labels, proba: Proba) -> Values:
    """Return the squared distance of each row from the indicator of its class, (..., N)."""
    squares = np.einsum("...nc,...nc->...n", proba, proba, dtype=np.float64)
    return np.asarray(squares - 2 * true_class_proba(labels, proba) + 1.0)


def mean_recall(correct: Values, _: Values, true: Values) -> Values:
    """Return the mean of the recalls of the classes that occur."""
    with np.errstate(invalid="ignore"):
        return nan_mean(correct / true)


def mean_f1(correct: Values, predicted: Values, true: Values) -> Values:
    """Return the mean of the F1 scores of the classes that occur or are predicted."""
    with np.errstate(invalid="ignore"):
        return nan_mean(2 * correct / (true + predicted))


def correlation(correct: Values, predicted: Values, true: Values) -> Values:
    """Return the Matthews correlation of a confusion matrix, from its diagonal and its sums."""
    total, hits = true.sum(axis=-1), correct.sum(axis=-1)
    covariance = hits * total - (true * predicted).sum(axis=-1)
    scale = (total**2 - (predicted**2).sum(axis=-1)) * (total**2 - (true**2).sum(axis=-1))
    return np.asarray(np.where(scale > 0, covariance / np.sqrt(np.where(scale > 0, scale, 1.0)), 0.0))


def f1_of_class(correct: Values, predicted: Values, true: Values, **parameters: int) -> Values:
    """Return the F1 score of one class; NaN where it neither occurs nor is predicted."""
    label = parameters["class"]
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * correct[..., label] / (true[..., label] + predicted[..., label]))


def class_moments(labels: Labels, proba: Proba) -> Values:
    """Return the number of the true and of the predicted class of each row, their squares and product, (5, ..., N)."""
    said = most_probable(proba).astype(np.float64)
    true = np.broadcast_to(labels.astype(np.float64), said.shape)
    return np.stack([true, said, true**2, said**2, true * said])


def agreement(means: Values) -> Values:
    """Return quadratically weighted κ from the means of `class_moments`."""
    true, said, true_square, said_square, product = means
    distance, expected = true_square + said_square - 2 * product, true_square + said_square - 2 * true * said
    with np.errstate(invalid="ignore"):
        return np.asarray(1.0 - distance / expected)


accuracy = RowMean(correct_rows)
"""Share of rows whose most probable class is the true one."""

top_k_accuracy = RowMean(top_k_rows)
"""Share of rows whose true class is among the k most probable; among equals the earlier class counts first."""

log_loss = RowMean(log_losses)
"""Mean negative log probability of the true class, in nats."""

brier = RowMean(brier_scores)
r"""Brier score as Brier (1950, doi 10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2) defined it.

:math:`\frac1N \sum_i \sum_c (p_{ic} - [y_i = c])^2`, between 0 and 2; with two classes it is twice the one-column form
that is common for binary problems.
"""

balanced_accuracy = OfClassCounts(mean_recall)
"""Mean of the recalls of the classes that occur in the labels."""

macro_f1 = OfClassCounts(mean_f1)
"""Unweighted mean of the F1 scores of the classes that occur in the labels or the predictions."""

matthews = OfClassCounts(correlation)
r"""Matthews correlation coefficient for any number of classes.

Gorodkin 2004, doi 10.1016/j.compbiolchem.2004.09.006. With the confusion matrix's total s, trace c, true counts t and
predicted counts p: :math:`(cs - t\cdot p) / \sqrt{(s^2 - p\cdot p)(s^2 - t\cdot t)}`, and 0 where the denominator is 0.
"""

class_f1 = OfClassCounts(f1_of_class, parameter_names=("class",))
"""F1 score of one class, the parameter ``class``: the harmonic mean of its precision and recall."""

quadratic_kappa = OfRowMeans(class_moments, agreement)
r"""Cohen's κ with quadratic weights, for classes in an order.

Cohen 1968, doi 10.1037/h0026256. With the class numbers y of the rows and those that are predicted, z, it is

.. math:: 1 - \frac{\mathrm{E}(y - z)^2}{\mathrm{E}y^2 + \mathrm{E}z^2 - 2\,\mathrm{E}y\,\mathrm{E}z}

the mean squared distance over that of independent answers with the same shares: 1 where all are right, 0 for answers
that know nothing of the labels; NaN where both say one and the same class throughout.
"""

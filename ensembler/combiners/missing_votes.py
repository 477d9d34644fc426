"""What rules do where votes are missing: rows of zeros, which add nothing to any sum."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import FEW_CLASSES, MANY_VALUES, Correct, Floats, Labels, Values, clip_accuracy, most_probable
from ensembler.metrics.confusion import class_counts
from ensembler.metrics.scores import correct_rows
from ensembler.metrics.sums import weighted_mean
from ensembler.parallel.threads import side_by_side

NO_VOTE = 2.0**-960
"""What the class prior is multiplied with where it must not move any sum with a vote in it."""


def answered(proba: Floats) -> NDArray[np.bool_]:
    """Say in which rows (..., N) of some predictions (..., N, C) there is a vote."""
    if proba.shape[-1] > FEW_CLASSES:
        there = np.array(proba[..., 0] > 0)
        if there.mean() > 0.5:
            # Probabilities are seldom 0: few rows have to be read whole.
            there[~there] = proba[~there].any(axis=-1)
            return there
    if proba.dtype == np.float16:
        # Products in half precision are slow, and would overflow.
        return np.asarray(proba.any(axis=-1))
    return np.asarray(proba @ np.ones(proba.shape[-1], dtype=proba.dtype) > 0)


def class_prior(labels: Labels, sample_weight: Values | None, n_classes: int) -> Values:
    r"""Return the class prior, (C,): :math:`(N_c + 1) / (N + C)` with :math:`N_c` of the N rows of class c.

    Row weights, where there are any, have mean 1.
    """
    counts = np.bincount(labels, weights=sample_weight, minlength=n_classes)
    return np.asarray((counts + 1.0) / (len(labels) + n_classes))


def vote_accuracy(labels: Labels, proba: Floats, sample_weight: Values, *, clip: bool = False) -> Values:
    r"""Return the accuracy of each member on the rows that it has answered, (M,).

    A member that has answered none counts as guessing, :math:`1/C`. With ``clip``, accuracies on n rows are kept within
    :math:`[1/(2n), 1 - 1/(2n)]`.
    """
    there = answered(proba)
    n_answered = there.sum(axis=1)
    correct = correct_of_members(labels, proba)
    if there.all():
        values = weighted_mean(correct, sample_weight)
    else:
        with np.errstate(invalid="ignore"):
            values = ((correct & there) @ sample_weight) / (there @ sample_weight)
    known = n_answered > 0
    if clip:
        values = clip_accuracy(values, np.maximum(n_answered, 1))
    return np.where(known, values, 1.0 / proba.shape[-1])


def correct_of_members(labels: Labels, proba: Floats) -> Correct:
    """Return in which rows each member's most probable class is the true one, (M, N)."""
    if proba.size <= MANY_VALUES:
        return correct_rows(labels, proba)
    return np.stack(side_by_side(partial(correct_rows, labels), list(proba)))


def vote_counts(labels: Labels, proba: Floats, sample_weight: Values) -> tuple[Values, Values, Values]:
    """Return how many rows each member has correct, how many it has answered, and how many it predicts.

    Each (M, C): the first two by the true class.
    """
    n_classes = proba.shape[-1]
    there, votes = answered(proba), most_probable(proba)
    if there.all():
        return class_counts(labels, votes, n_classes, sample_weight)
    of_members = [
        class_counts(labels[rows], member[rows], n_classes, sample_weight[rows])
        for rows, member in zip(there, votes, strict=True)
    ]
    correct, true, given = (np.array(counts) for counts in zip(*of_members, strict=True))
    return correct, true, given


def fill_unanswered(proba: Floats, prior: Values) -> Floats:
    """Return predictions (..., N, C) with the class prior (C,) in rows without a vote."""
    there = answered(proba)
    if there.all():
        return proba
    return np.where(there[..., None], proba, prior.astype(proba.dtype))

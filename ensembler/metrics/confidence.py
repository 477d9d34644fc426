"""How sure a prediction is of its answer: one number a row, from 0 to 1, by which rows are kept, passed on or left out.

Every signal grows with confidence, and rows with the same number cannot be told apart by it.
"""

from collections.abc import Callable

import numpy as np

from ensembler.arrays import MISSING_VOTE, Floats, Labels, Values
from ensembler.errors import UnknownNameError

SIGNALS = ("top-probability", "margin", "entropy", "agreement", "mutual-information")
"""What confidence can be read from, the default first."""

OF_MEMBERS = ("agreement", "mutual-information")
"""Signals that say how far members agree; with one member they are 1 everywhere."""


def top_probability(proba: Floats) -> Values:
    r"""Return the largest probability of each row, :math:`\max_c p_c`.

    >>> top_probability(np.array([[0.7, 0.2, 0.1]])).tolist()
    [0.7]
    """
    return np.asarray(proba.max(axis=-1), dtype=np.float64)


def margin(proba: Floats) -> Values:
    r"""Return by how much the most probable class leads the second, :math:`p_{(1)} - p_{(2)}`.

    >>> margin(np.array([[0.75, 0.25, 0.0]])).tolist()
    [0.5]
    """
    largest = np.partition(proba.astype(np.float64, copy=False), proba.shape[-1] - 2, axis=-1)
    return np.asarray(largest[..., -1] - largest[..., -2])


def entropy(proba: Floats) -> Values:
    r"""Return Shannon's entropy of each row in nats, :math:`-\sum_c p_c \ln p_c` with :math:`0 \ln 0 = 0`.

    >>> entropy(np.array([[0.5, 0.5], [1.0, 0.0]])).round(4).tolist()
    [0.6931, 0.0]
    """
    values = proba.astype(np.float64, copy=False)
    logarithms = np.log(values, out=np.zeros_like(values), where=values > 0)
    return np.asarray(np.maximum(-np.einsum("...c,...c->...", values, logarithms), 0.0))


def entropy_confidence(proba: Floats) -> Values:
    r"""Return :math:`1 - H(p) / \ln C`: 1 where one class has all, 0 where all have the same.

    >>> entropy_confidence(np.array([[0.5, 0.5], [1.0, 0.0]])).tolist()
    [0.0, 1.0]
    """
    return np.asarray(np.clip(1.0 - entropy(proba) / np.log(proba.shape[-1]), 0.0, 1.0))


def agreement(members: Floats, predicted: Labels) -> Values:
    """Return the share of the members (M, N, C) whose most probable class is the one predicted for the row, (N,).

    Members that leave a row unanswered (zeros) are not asked; where all do, the share is 0.

    >>> agreement(np.array([[[0.9, 0.1]], [[0.4, 0.6]]]), np.array([0])).tolist()
    [0.5]
    """
    return share_of_votes(votes(members), predicted)


def votes(members: Floats) -> Labels:
    """Return the most probable class of each member and row, (M, N); -1 where a row is unanswered.

    >>> votes(np.array([[[0.9, 0.1]], [[0.0, 0.0]]])).tolist()
    [[0], [-1]]
    """
    return np.where(members.any(axis=-1), members.argmax(axis=-1), MISSING_VOTE)


def share_of_votes(cast: Labels, predicted: Labels) -> Values:
    """Return the share of the votes (M, N) for the class predicted for the row, of those that are there."""
    there = np.maximum(np.count_nonzero(cast != MISSING_VOTE, axis=0), 1)
    return np.asarray(np.count_nonzero(cast == predicted, axis=0) / there, dtype=np.float64)


def mutual_information(members: Floats) -> Values:
    r"""Return how far the members (M, N, C) contradict each other, in nats: :math:`H(\bar p) - \overline{H(p_m)}`.

    That is the Jensen–Shannon divergence of their probabilities: Houlsby et al. 2011, arXiv 1112.5745.

    >>> mutual_information(np.array([[[1.0, 0.0]], [[0.0, 1.0]]])).round(4).tolist()
    [0.6931]
    """
    mean = members.mean(axis=0, dtype=np.float64)
    return np.asarray(np.maximum(entropy(mean) - np.mean([entropy(member) for member in members], axis=0), 0.0))


OF_PROBABILITIES: dict[str, Callable[[Floats], Values]] = {
    "top-probability": top_probability,
    "margin": margin,
    "entropy": entropy_confidence,
}


def confidence(signal: str, proba: Floats, members: Floats) -> Values:
    """Return the confidence of each row, (N,) from 0 to 1.

    Parameters
    ----------
    signal : str
        One of `SIGNALS`. Mutual information is turned round: 1 − I / ln C.
    proba : (N, C)
        Of the ensemble.
    members : (M, N, C)
        Of the members it is made of.

    Raises
    ------
    UnknownNameError

    Examples
    --------
    >>> members = np.array([[[0.9, 0.1], [0.6, 0.4]], [[0.7, 0.3], [0.2, 0.8]]])
    >>> confidence("agreement", members.mean(axis=0), members).tolist()
    [1.0, 0.5]
    """
    if signal in OF_PROBABILITIES:
        return OF_PROBABILITIES[signal](proba)
    if signal == "agreement":
        return agreement(members, proba.argmax(axis=-1))
    if signal == "mutual-information":
        return np.asarray(np.clip(1.0 - mutual_information(members) / np.log(proba.shape[-1]), 0.0, 1.0))
    raise UnknownNameError("confidence signal", signal, SIGNALS)

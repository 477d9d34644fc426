"""Scores of how badly a class fits a row, and their quantiles: what conformal prediction sets are made of.

Every score is a function of a row's probabilities and, where it is randomised, of one number drawn for the row.
"""

import math
from fractions import Fraction
from typing import Any

import numpy as np

from ensembler.arrays import Floats, Values

SCORES = ("lac", "aps", "raps")
"""Scores of a class, the default first."""


def conformal_level(n_rows: int, alpha: float) -> int:
    r"""Return which of the calibration scores is the quantile, from 1: :math:`\lceil (n+1)(1-\alpha) \rceil`.

    More than ``n_rows`` means that there are too few rows for any.

    >>> conformal_level(99, 0.1), conformal_level(8, 0.1)
    (90, 9)
    """
    # In fractions, since 100 · (1 − 0.93) is more than 7 in floating point.
    return math.ceil((n_rows + 1) * (1 - Fraction(repr(float(alpha)))))


def conformal_quantile(scores: Values, alpha: float) -> float:
    r"""Return the :math:`\lceil (n+1)(1-\alpha) \rceil`-th smallest calibration score; infinity beyond the largest.

    A new row that is drawn like the calibration rows has a score of no more than that with a probability of at least
    :math:`1-\alpha`. Vovk, Gammerman & Shafer 2005, doi 10.1007/b106715.

    >>> conformal_quantile(np.arange(1.0, 100.0), 0.1), conformal_quantile(np.arange(1.0, 9.0), 0.1)
    (90.0, inf)
    """
    place = conformal_level(len(scores), alpha)
    return float(np.partition(scores, place - 1)[place - 1]) if place <= len(scores) else math.inf


def class_scores(
    score: str, proba: Floats, drawn: Values | None = None, *, penalty: float = 0.0, free: int = 0
) -> Values:
    r"""Return the score of every class in every row, (N, C); the more, the worse the class fits.

    - ``lac``: :math:`1 - p_c` (Sadinle, Lei & Wasserman 2019, doi 10.1080/01621459.2017.1395341);
    - ``aps``: the probability of c and of all classes before it, by descending probability, less :math:`u\,p_c` where
      u is drawn (Romano, Sesia & Candès 2020, arXiv 2006.02544);
    - ``raps``: the same, and a penalty for every rank beyond the free ones, :math:`\lambda\,(r_c - k)_+`
      (Angelopoulos, Bates, Malik & Jordan 2021, arXiv 2009.14193).

    Classes of equal probability rank by their numbers.

    Parameters
    ----------
    score : str
        One of `SCORES`.
    proba : (N, C)
    drawn : (N,) optional
        Numbers from 0 to 1, one a row: the scores are randomised.
    penalty, free : float, int
        Of ``raps``: λ and k.

    >>> class_scores("lac", np.array([[0.5, 0.25, 0.25]])).tolist()
    [[0.5, 0.75, 0.75]]
    >>> class_scores("aps", np.array([[0.25, 0.5, 0.25]])).tolist()
    [[0.75, 0.5, 1.0]]
    """
    values = proba.astype(np.float64, copy=False)
    if score == "lac":
        return np.asarray(1.0 - values)
    order = np.argsort(-values, axis=-1, kind="stable")
    ranked = np.take_along_axis(values, order, axis=-1)
    summed = np.cumsum(ranked, axis=-1)
    if drawn is not None:
        summed -= drawn[:, None] * ranked
    if score == "raps":
        summed += penalty * np.maximum(np.arange(1, values.shape[-1] + 1) - free, 0)
    scores = np.empty_like(summed)
    np.put_along_axis(scores, order, summed, axis=-1)
    return scores


def label_scores(scores: Values, labels: Any) -> Values:
    """Return the score of each row's label, (N,)."""
    return np.asarray(scores[np.arange(len(labels)), labels])

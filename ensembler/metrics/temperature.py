"""Temperature scaling: making probabilities as confident as they are correct, without changing who wins."""

import math
from dataclasses import dataclass

import numpy as np

from ensembler.arrays import Floats, Labels, Values, row_blocks, softmax, with_argmax_of
from ensembler.metrics import METRICS

CLIP = 1e-15
"""Probabilities are kept this far from 0 before the logarithm."""
COLDEST, HOTTEST = 1e-3, 1e3
LIKELY = 1.0
"""Most temperatures lie between 1/e and e."""
TOLERANCE = 1e-10


def log_clipped(proba: Floats) -> Values:
    """Return logarithms, with zeros kept finite."""
    return np.log(np.clip(np.asarray(proba, dtype=np.float64), CLIP, None))


def fit_temperature(proba: Floats, labels: Labels, sample_weight: Values | None = None) -> float:
    r"""Return the temperature T at which softmax(log p / T) has the least log loss.

    With :math:`\beta = 1/T` and :math:`z = \log p` the loss
    :math:`\frac1N \sum_i [\log \sum_c e^{\beta z_{ic}} - \beta z_{i y_i}]` is convex in :math:`\beta`, so that its
    derivative has one zero, which Brent's method finds. T is between 0.001 and 1,000: predictions that are always
    correct, or never, would have none.

    Guo et al. 2017, arXiv 1706.04599.

    >>> rng = np.random.default_rng(0)
    >>> honest = rng.dirichlet(np.ones(3), 20_000)
    >>> labels = (honest.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    >>> round(fit_temperature(softmax(2.5 * np.log(honest)), labels), 1)
    2.5
    """
    from scipy.optimize import brentq

    n_rows, n_classes = proba.shape
    weight = np.ones(n_rows) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    weight = weight / weight.sum()

    # Class by class in memory: sums over few classes are many times faster so.
    logs = np.ascontiguousarray(log_clipped(proba).T)
    true = logs[labels, np.arange(n_rows)]

    def slope(log_beta: float) -> float:
        """Return the derivative of the loss by beta."""
        beta, total = math.exp(log_beta), 0.0
        for rows in row_blocks(n_rows, n_classes):
            block = logs[:, rows]
            shares = np.exp(beta * (block - block.max(axis=0)))
            mean = (shares * block).sum(axis=0) / shares.sum(axis=0)
            total += float(weight[rows] @ (mean - true[rows]))
        return total

    low, high = -math.log(HOTTEST), -math.log(COLDEST)
    for inner in (LIKELY, high):
        # The slope grows with beta: a narrow bracket where that will do.
        if slope(-inner) < 0 < slope(inner):
            return math.exp(-float(brentq(slope, -inner, inner, xtol=TOLERANCE)))
    return HOTTEST if slope(low) >= 0 else COLDEST


def apply_temperature(proba: Floats, temperature: float) -> Values:
    """Return softmax(log p / T), (N, C) float64; the most probable class of each row stays."""
    scores = log_clipped(proba)
    return with_argmax_of(softmax(scores / temperature), np.asarray(proba))


@dataclass(frozen=True)
class AtBestTemperature:
    """A rule's log loss when it is calibrated first.

    Attributes
    ----------
    temperature : float
        The best one on all scored rows; above 1 the rule is too confident, below 1 not confident enough.
    log_loss : float
        At the best temperature of the other half of the rows, for each half, so that nothing is fitted where it is
        measured.
    """

    temperature: float
    log_loss: float


def at_best_temperature(
    proba: Values, labels: Labels, sample_weight: Values | None = None, seed: int = 0
) -> AtBestTemperature:
    """Return the log loss at the best temperature: what rankings by log loss should go by.

    Ashukha et al. 2020, arXiv 2002.06470.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    halves = [order[::2], order[1::2]]
    scaled = np.empty(proba.shape)
    for fitted_on, rest in (halves, halves[::-1]):
        if len(fitted_on) and (sample_weight is None or sample_weight[fitted_on].any()):
            part = None if sample_weight is None else sample_weight[fitted_on]
            scaled[rest] = apply_temperature(proba[rest], fit_temperature(proba[fitted_on], labels[fitted_on], part))
        else:
            scaled[rest] = proba[rest]
    loss = float(METRICS["log-loss"](labels, scaled, sample_weight))
    return AtBestTemperature(fit_temperature(proba, labels, sample_weight), loss)

"""Temperature scaling: making probabilities as confident as they are correct, without changing who wins."""

import math
from dataclasses import dataclass

import numpy as np

from ensembler.arrays import FEW_CLASSES, Floats, Labels, Rows, Values, row_blocks, softmax, with_argmax_of
from ensembler.metrics.scores import clipped_losses, true_class_proba
from ensembler.metrics.sums import weighted_mean

CLIP = 1e-15
"""Probabilities are kept this far from 0 before the logarithm."""
COLDEST, HOTTEST = 1e-3, 1e3
LIKELY = 1.0
"""Most temperatures lie between 1/e and e."""
TOLERANCE = 1e-10
MOST_VALUES = 1 << 20
"""So many probabilities, and no more, are given to Brent's method."""
SAMPLED_VALUES, FEWEST_ROWS = 1 << 16, 1 << 9
"""Brent's method is given so many of more probabilities, but at least these rows."""
MOST_STEPS = 20
SETTLED = 1e-7
"""A step of Newton's method after which the error is about its square."""
LARGEST = 700.0
"""What an exponential does not overflow at."""


def log_clipped(proba: Floats) -> Values:
    """Return logarithms, with zeros kept finite."""
    clipped = np.clip(np.asarray(proba, dtype=np.float64), CLIP, None)
    return np.asarray(np.log(clipped, out=clipped))


def fit_temperature(proba: Floats, labels: Labels, sample_weight: Values | None = None) -> float:
    r"""Return the temperature T at which softmax(log p / T) has the least log loss.

    With :math:`\beta = 1/T` and :math:`z = \log p` the loss
    :math:`\frac1N \sum_i [\log \sum_c e^{\beta z_{ic}} - \beta z_{i y_i}]` is convex in :math:`\beta`, so that its
    derivative has one zero, which Brent's method finds. T is between 0.001 and 1,000: predictions that are always
    correct, or never, would have none. Of many rows, Brent's method is given some, and Newton's goes on from there with
    all of them: the second derivative is the variance of :math:`z_i` under the probabilities at T.

    Guo et al. 2017, arXiv 1706.04599.

    >>> rng = np.random.default_rng(0)
    >>> honest = rng.dirichlet(np.ones(3), 20_000)
    >>> labels = (honest.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    >>> round(fit_temperature(softmax(2.5 * np.log(honest)), labels), 1)
    2.5
    """
    weight = np.ones(len(labels)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    start = start_of_many(proba, labels, weight)
    found = None if start is None else by_newton(gaps(proba, labels), weight, start)
    return by_brent(proba, labels, weight) if found is None else found


def start_of_many(proba: Floats, labels: Labels, weight: Values) -> float | None:
    """Return the temperature of some of many rows; None where there are not many, or the some have no weight."""
    n_rows, n_classes = proba.shape
    step = n_rows // max(FEWEST_ROWS, SAMPLED_VALUES // n_classes) if n_rows * n_classes > MOST_VALUES else 1
    return by_brent(proba[::step], labels[::step], weight[::step]) if step > 1 and weight[::step].any() else None


def by_brent(proba: Floats, labels: Labels, weight: Values) -> float:
    """Return the temperature by Brent's method."""
    from scipy.optimize import brentq

    weight = weight / weight.sum()
    logs = log_clipped(proba).T
    if len(logs) <= FEW_CLASSES:
        # Class by class in memory: sums over few classes are many times faster so, and over many ones slower.
        logs = np.ascontiguousarray(logs)
    true = logs[labels, np.arange(len(labels))]
    given = (logs, true, weight)
    low, high = -math.log(HOTTEST), -math.log(COLDEST)
    for inner in (LIKELY, high):
        # The slope grows with beta: a narrow bracket where that will do.
        if slope(-inner, *given) < 0 < slope(inner, *given):
            # SciPy keeps the function in a circle of references, but not its arguments.
            return math.exp(-float(brentq(slope, -inner, inner, args=given, xtol=TOLERANCE)))
    return HOTTEST if slope(low, *given) >= 0 else COLDEST


def slope(log_beta: float, logs: Values, true: Values, weight: Values) -> float:
    """Return the derivative of the loss by beta, from logarithms (C, N) and those of the true classes."""
    beta, total = math.exp(log_beta), 0.0
    n_classes, n_rows = logs.shape
    for rows in row_blocks(n_rows, n_classes):
        block = logs[:, rows]
        shares = np.exp(beta * (block - block.max(axis=0)))
        mean = (shares * block).sum(axis=0) / shares.sum(axis=0)
        total += float(weight[rows] @ (mean - true[rows]))
    return total


def gaps(proba: Floats, labels: Labels) -> Values:
    """Return by how much the logarithm of each class is above that of the true one, (C, N), or (1, N) of two classes.

    The true class itself has 0, which is left out where there are two.
    """
    n_rows, n_classes = proba.shape
    found = np.empty((1 if n_classes == 2 else n_classes, n_rows), order="C" if n_classes <= FEW_CLASSES else "F")
    for rows in row_blocks(n_rows, n_classes):
        logs, own = log_clipped(proba[rows]), labels[rows]
        places = np.arange(len(own))
        if n_classes == 2:
            found[0, rows] = logs[places, 1 - own] - logs[places, own]
        else:
            found[:, rows] = (logs - logs[places, own][:, None]).T
    return found


def by_newton(gap: Values, weight: Values, start: float) -> float | None:
    """Return the temperature by Newton's method; None where it does not settle between the limits.

    ``gap`` as `gaps` returns it.
    """
    log_beta = -math.log(start)
    for _ in range(MOST_STEPS):
        first, bend = derivatives(gap, weight, math.exp(log_beta))
        if not bend > 0:
            return None
        # In the logarithm of beta, whose derivative is beta.
        change = first / (bend * math.exp(log_beta))
        log_beta -= change
        if not abs(log_beta) < math.log(HOTTEST):
            return None
        if abs(change) < SETTLED:
            return math.exp(-log_beta)
    return None


def derivatives(gap: Values, weight: Values, beta: float) -> tuple[float, float]:
    """Return the first and the second derivative by beta of the summed loss."""
    first = second = 0.0
    for rows in row_blocks(gap.shape[1], len(gap) + 1):
        block, of_rows = gap[:, rows], weight[rows]
        if len(gap) == 1:
            # Of two classes, the other one's probability is all there is to know.
            [other] = block
            share = 1.0 / (1.0 + np.exp(np.minimum(-beta * other, LARGEST)))
            mean = share * other
            variance = mean * (other - mean)
        else:
            shares = np.exp(beta * (block - block.max(axis=0)))
            shares /= shares.sum(axis=0)
            weighted = shares * block
            mean = weighted.sum(axis=0)
            weighted *= block
            variance = weighted.sum(axis=0) - mean**2
        first += float(of_rows @ mean)
        second += float(of_rows @ variance)
    return first, second


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
    if proba.size > MOST_VALUES:
        found = at_best_of_many(proba, labels, sample_weight, order)
        if found is not None:
            return found
    halves = [order[::2], order[1::2]]
    true_proba = np.empty(len(labels))
    for fitted_on, rest in (halves, halves[::-1]):
        if len(fitted_on) and (sample_weight is None or sample_weight[fitted_on].any()):
            part = None if sample_weight is None else sample_weight[fitted_on]
            temperature = fit_temperature(proba[fitted_on], labels[fitted_on], part)
            for block in row_blocks(len(rest), proba.shape[1]):
                rows = rest[block]
                true_proba[rows] = true_class_proba(labels[rows], apply_temperature(proba[rows], temperature))
        else:
            true_proba[rest] = proba[rest, labels[rest]]
    loss = float(weighted_mean(clipped_losses(true_proba), sample_weight))
    return AtBestTemperature(fit_temperature(proba, labels, sample_weight), loss)


def at_best_of_many(
    proba: Values, labels: Labels, sample_weight: Values | None, order: Rows
) -> AtBestTemperature | None:
    """Return the same for many rows, whose logarithms are taken once; None where Newton's method does not settle.

    ``order`` divides the rows into halves.
    """
    weight = np.ones(len(labels)) if sample_weight is None else sample_weight
    start = start_of_many(proba, labels, weight)
    if start is None:
        return None
    first = np.zeros(len(labels), dtype=bool)
    first[order[::2]] = True
    # Many rows are read much faster in their order.
    halves = [np.flatnonzero(first), np.flatnonzero(~first)]
    gap, losses = gaps(proba, labels), np.empty(len(labels))
    for fitted_on, rest in (halves, halves[::-1]):
        temperature = by_newton(of_rows(gap, fitted_on), weight[fitted_on], start)
        if temperature is None:
            return None
        for block in row_blocks(len(rest), len(gap)):
            losses[rest[block]] = losses_of(of_rows(gap, rest[block]), temperature)
    temperature = by_newton(gap, weight, start)
    if temperature is None:
        return None
    return AtBestTemperature(temperature, float(weighted_mean(losses, sample_weight)))


def of_rows(gap: Values, rows: Rows) -> Values:
    """Return some rows of (C, N) values, in the same order in memory."""
    return gap[:, rows] if gap.flags.c_contiguous else gap.T[rows].T


def losses_of(gap: Values, temperature: float) -> Values:
    """Return the clipped log loss of rows at a temperature, (n,), from what `gaps` returns of them."""
    scaled = gap / temperature
    if len(gap) == 1:
        return clipped_losses(1.0 / (1.0 + np.exp(np.minimum(scaled[0], LARGEST))))
    largest = scaled.max(axis=0)
    return clipped_losses(np.exp(-largest) / np.exp(scaled - largest).sum(axis=0))

"""Temperature scaling: making probabilities as confident as they are correct, without changing who wins."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ensembler.arrays import (
    FEW_CLASSES,
    Floats,
    Labels,
    Rows,
    Values,
    largest,
    row_blocks,
    row_spans,
    softmax,
    with_argmax_of,
)
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
MOST_STEPS = 8
SETTLED = 1e-5
"""A step of Newton's method after which the error is about its square."""
TINY = 1e-300
LARGEST = 700.0
"""What an exponential does not overflow at."""

MapSpans = Callable[[Callable[[slice], Any], list[slice]], Iterable[Any]]
"""What goes through spans of rows, as `map` does."""


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
    if start is None:
        return of_few(proba, labels, weight)
    return Gaps.of(proba, labels).best_temperature(weight, start)


def start_of_many(proba: Floats, labels: Labels, weight: Values) -> float | None:
    """Return the temperature of some of many rows; None where there are not many, or the some have no weight."""
    n_rows, n_classes = proba.shape
    step = n_rows // max(FEWEST_ROWS, SAMPLED_VALUES // n_classes) if n_rows * n_classes > MOST_VALUES else 1
    return of_few(proba[::step], labels[::step], weight[::step]) if step > 1 and weight[::step].any() else None


def of_few(proba: Floats, labels: Labels, weight: Values) -> float:
    """Return the temperature from logarithms that are all taken at once."""
    weight = weight / weight.sum()
    logs = log_clipped(proba).T
    if len(logs) <= FEW_CLASSES:
        # Class by class in memory: sums over few classes are many times faster so, and over many ones slower.
        logs = np.ascontiguousarray(logs)
    true = logs[labels, np.arange(len(labels))]
    return by_brent(slope, logs, true, weight)


def by_brent(slope: Callable[..., float], *given: Any) -> float:
    """Return the temperature by Brent's method from the derivative of the loss by beta, a function of beta's logarithm.

    ``given`` are further arguments of it.
    """
    from scipy.optimize import brentq

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


@dataclass(frozen=True)
class Gaps:
    """Logarithms of the probabilities of many rows, next to the largest of each row.

    Attributes
    ----------
    of_classes : (C, N) float64
        At most 0; of two classes by how much the other one's is above that of the true class, (1, N).
    of_true : (N,) float64
        Those of the true classes.
    map_spans : callable
        What goes through spans of the rows.
    """

    of_classes: Values
    of_true: Values
    map_spans: MapSpans

    @classmethod
    def of(cls, proba: Floats, labels: Labels, map_spans: MapSpans = map) -> "Gaps":
        """Take the logarithms of (N, C) probabilities."""
        n_rows, n_classes = proba.shape
        of_classes = np.empty(
            (1 if n_classes == 2 else n_classes, n_rows), order="C" if n_classes <= FEW_CLASSES else "F"
        )
        of_true = np.zeros(n_rows)

        def take(span: slice) -> None:
            for part in row_blocks(span.stop - span.start, n_classes):
                rows = slice(span.start + part.start, span.start + part.stop)
                logs, own = log_clipped(proba[rows]), labels[rows]
                places = np.arange(len(own))
                if n_classes == 2:
                    of_classes[0, rows] = logs[places, 1 - own] - logs[places, own]
                    continue
                logs -= largest(logs)[:, None]
                of_true[rows] = logs[places, own]
                of_classes[:, rows] = logs.T

        list(map_spans(take, row_spans(n_rows, proba.size, MOST_VALUES)))
        return cls(of_classes, of_true, map_spans)

    def take(self, rows: Rows) -> "Gaps":
        """Return those of some rows, in the same order in memory."""
        of_classes = self.of_classes
        some = of_classes[:, rows] if of_classes.flags.c_contiguous else of_classes.T[rows].T
        return Gaps(some, self.of_true[rows], self.map_spans)

    def best_temperature(self, weight: Values, start: float) -> float:
        """Return the temperature by Newton's method, or by Brent's where that does not soon settle."""
        if COLDEST < start < HOTTEST:
            log_beta = -math.log(start)
            for _ in range(MOST_STEPS):
                first, bend = self.derivatives(weight, math.exp(log_beta))
                # In the logarithm of beta, whose derivative is beta.
                change = first / max(bend * math.exp(log_beta), TINY)
                log_beta -= change
                if not abs(log_beta) < math.log(HOTTEST):
                    break
                if abs(change) < SETTLED:
                    return math.exp(-log_beta)

        def slope(log_beta: float, gaps: "Gaps", counts: Values) -> float:
            return gaps.derivatives(counts, math.exp(log_beta))[0]

        return by_brent(slope, self, weight)

    def derivatives(self, weight: Values, beta: float) -> tuple[float, float]:
        """Return the first and the second derivative by beta of the summed loss."""
        n_values, n_rows = self.of_classes.shape

        def of_span(span: slice) -> tuple[float, float]:
            first = second = 0.0
            for part in row_blocks(span.stop - span.start, n_values + 1):
                rows = slice(span.start + part.start, span.start + part.stop)
                block, counts = self.of_classes[:, rows], weight[rows]
                if n_values == 1:
                    # Of two classes, the other one's probability is all there is to know.
                    [other] = block
                    share = 1.0 / (1.0 + np.exp(np.minimum(-beta * other, LARGEST)))
                    mean = share * other
                    variance = mean * (other - mean)
                else:
                    shares = beta * block
                    np.exp(shares, out=shares)
                    total = shares.sum(axis=0)
                    shares *= block
                    mean = shares.sum(axis=0) / total
                    variance = np.einsum("cn,cn->n", shares, block) / total - mean**2
                first += float(counts @ (mean - self.of_true[rows]))
                second += float(counts @ variance)
            return first, second

        spans = row_spans(n_rows, self.of_classes.size, MOST_VALUES)
        firsts, seconds = zip(*self.map_spans(of_span, spans), strict=True)
        return sum(firsts), sum(seconds)

    def losses(self, temperature: float) -> Values:
        """Return the clipped log loss of each row at a temperature, (N,)."""
        n_values, n_rows = self.of_classes.shape
        losses = np.empty(n_rows)

        def take(span: slice) -> None:
            for part in row_blocks(span.stop - span.start, n_values):
                rows = slice(span.start + part.start, span.start + part.stop)
                scaled = self.of_classes[:, rows] / temperature
                if n_values == 1:
                    true_proba = 1.0 / (1.0 + np.exp(np.minimum(scaled[0], LARGEST)))
                else:
                    true_proba = np.exp(self.of_true[rows] / temperature) / np.exp(scaled, out=scaled).sum(axis=0)
                losses[rows] = clipped_losses(true_proba)

        list(self.map_spans(take, row_spans(n_rows, self.of_classes.size, MOST_VALUES)))
        return losses


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
    proba: Values,
    labels: Labels,
    sample_weight: Values | None = None,
    seed: int = 0,
    map_spans: MapSpans = map,
) -> AtBestTemperature:
    """Return the log loss at the best temperature: what rankings by log loss should go by.

    ``map_spans`` goes through spans of many rows, as `map` does; on several cores,
    `ensembler.parallel.threads.side_by_side`.

    Ashukha et al. 2020, arXiv 2002.06470.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    if proba.size > MOST_VALUES:
        found = at_best_of_many(proba, labels, sample_weight, order, map_spans)
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
    proba: Values, labels: Labels, sample_weight: Values | None, order: Rows, map_spans: MapSpans = map
) -> AtBestTemperature | None:
    """Return the same for many rows, whose logarithms are taken once; None where there are too few.

    ``order`` divides the rows into halves.
    """
    weight = np.ones(len(labels)) if sample_weight is None else sample_weight
    start = start_of_many(proba, labels, weight)
    if start is None:
        return None
    gaps, losses = Gaps.of(proba, labels, map_spans), np.empty(len(labels))
    temperature = gaps.best_temperature(weight, start)
    first = np.zeros(len(labels), dtype=bool)
    first[order[::2]] = True
    # Many rows are read much faster in their order.
    rows = [np.flatnonzero(first), np.flatnonzero(~first)]
    for fitted_on, rest in (rows, rows[::-1]):
        of_half, counts = 1.0, weight[fitted_on]
        if counts.any():
            # The best of half of the rows is mostly near to that of all.
            of_half = gaps.take(fitted_on).best_temperature(counts, temperature)
        losses[rest] = gaps.take(rest).losses(of_half)
    return AtBestTemperature(temperature, float(weighted_mean(losses, sample_weight)))

"""Temperature scaling: making probabilities as sure as they are right, without changing who wins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Floats, row_blocks, softmax, with_argmax_of
from ensembler.combiners.base import Combiner, Labels, Values, from_plain, require, to_plain
from ensembler.metrics import METRICS
from ensembler.metrics.calibration import ECE_BINS, confidence_bins

CLIP = 1e-15
"""Probabilities are kept this far from 0 before the logarithm."""
COLDEST, HOTTEST = 1e-3, 1e3
STEPS, CLOSE = 60, 1e-10


def log_clipped(proba: Floats) -> Values:
    """Return logarithms, with zeros kept finite."""
    return np.log(np.clip(np.asarray(proba, dtype=np.float64), CLIP, None))


def fit_temperature(proba: Floats, labels: Labels, sample_weight: Values | None = None) -> float:
    r"""Return the temperature T at which softmax(log p / T) has the least log loss.

    With :math:`\beta = 1/T` and :math:`z = \log p` the loss
    :math:`\frac1N \sum_i [\log \sum_c e^{\beta z_{ic}} - \beta z_{i y_i}]` is convex in :math:`\beta`; it is minimised
    by Newton steps kept inside a bracket. T is between 0.001 and 1,000: predictions that are always right, or never,
    would have none.

    Guo et al. 2017, arXiv 1706.04599.

    >>> rng = np.random.default_rng(0)
    >>> honest = rng.dirichlet(np.ones(3), 20_000)
    >>> labels = (honest.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    >>> round(fit_temperature(softmax(2.5 * np.log(honest)), labels), 1)
    2.5
    """
    n_rows, n_classes = proba.shape
    weight = np.ones(n_rows) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    weight = weight / weight.sum()

    def slope(beta: float) -> tuple[float, float]:
        """Return the loss's first and second derivative."""
        first, second = 0.0, 0.0
        for rows in row_blocks(n_rows, n_classes):
            z = log_clipped(proba[rows])
            scaled = softmax(beta * z)
            mean = np.einsum("nc,nc->n", scaled, z)
            first += float(weight[rows] @ (mean - z[np.arange(len(z)), labels[rows]]))
            second += float(weight[rows] @ (np.einsum("nc,nc,nc->n", scaled, z, z) - mean**2))
        return first, second

    low, high = 1 / HOTTEST, 1 / COLDEST
    beta = 1.0
    for _ in range(STEPS):
        first, second = slope(beta)
        if first > 0:
            high = beta
        else:
            low = beta
        step = beta - first / second if second > 0 else np.inf
        new = step if low < step < high else float(np.sqrt(low * high))
        if abs(new - beta) <= CLOSE * beta:
            break
        beta = new
    return float(1 / beta)


def apply_temperature(proba: Floats, temperature: float) -> Values:
    """Return softmax(log p / T), (N, C) float64; the most probable class of each row stays."""
    scores = log_clipped(proba)
    return with_argmax_of(softmax(scores / temperature), np.asarray(proba))


@dataclass(frozen=True)
class AtBestTemperature:
    """A rule's log loss when its sureness is put right first.

    Attributes
    ----------
    temperature : float
        The best one on all scored rows; above 1 the rule is too sure, below 1 not sure enough.
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
    for fitted_on, held in (halves, halves[::-1]):
        if len(fitted_on) and (sample_weight is None or sample_weight[fitted_on].any()):
            part = None if sample_weight is None else sample_weight[fitted_on]
            scaled[held] = apply_temperature(proba[held], fit_temperature(proba[fitted_on], labels[fitted_on], part))
        else:
            scaled[held] = proba[held]
    loss = float(METRICS["log-loss"](labels, scaled, sample_weight))
    return AtBestTemperature(fit_temperature(proba, labels, sample_weight), loss)


@dataclass(frozen=True)
class Reliability:
    """How often predictions of some sureness are right, in equal-width bins of the top-1 confidence.

    ``weights`` are the rows' weights, summed. Empty bins have NaN.
    """

    edges: tuple[float, ...]
    rows: tuple[int, ...]
    weights: tuple[float, ...]
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]

    @property
    def error(self) -> float:
        """The expected calibration error: mean distance of confidence and accuracy, weighted by rows."""
        pairs = zip(self.weights, self.confidence, self.accuracy, strict=True)
        return sum(weight * abs(hit - sure) for weight, sure, hit in pairs if weight) / sum(self.weights)


def reliability(
    proba: Floats, labels: Labels, sample_weight: Values | None = None, bins: int = ECE_BINS
) -> Reliability:
    """Return the reliability diagram of (N, C) probabilities; the bins are those of the ECE."""
    confidence = proba.max(axis=1).astype(np.float64)
    right = (proba.argmax(axis=1) == labels).astype(np.float64)
    place = confidence_bins(confidence, bins)
    weight = np.ones(len(labels)) if sample_weight is None else sample_weight
    rows = np.bincount(place, minlength=bins)
    total = np.bincount(place, weights=weight, minlength=bins)
    with np.errstate(invalid="ignore"):
        sure = np.bincount(place, weights=weight * confidence, minlength=bins) / total
        hit = np.bincount(place, weights=weight * right, minlength=bins) / total
    edges = np.linspace(0.0, 1.0, bins + 1)
    return Reliability(*(tuple(values.tolist()) for values in (edges, rows, total, sure, hit)))


@dataclass
class Calibrated(Combiner):
    """A rule with temperature scaling before it or after it, fitted on the same rows as the rule.

    Parameters
    ----------
    rule : Combiner
    step : "members" or "ensemble"
        Each member gets a temperature before the rule sees it (calibrate, then pool); or the rule's result gets one
        (pool, then calibrate: Rahaman & Thiery 2021, arXiv 2007.08792).
    """

    rule: Combiner
    step: Literal["members", "ensemble"] = "ensemble"

    source: ClassVar[str] = "Guo et al. 2017, arXiv 1706.04599"

    def __post_init__(self) -> None:
        # Tables and JSON call it by the rule's name; the temperatures stand beside.
        vars(self)["name"] = self.rule.name

    def check_parameters(self) -> None:
        """Refuse unknown steps."""
        require(self.step in ("members", "ensemble"), self, "step", "'members' or 'ensemble'")
        self.rule.check_parameters()

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        inner: Combiner = type(self.rule)(**self.rule.get_params(deep=False))
        if self.step == "members":
            self.temperatures_ = np.array([fit_temperature(member, labels, sample_weight) for member in proba])
            proba = self._members(proba)
        self.rule_ = inner.fit(proba, labels, sample_weight, check_input=False)
        if self.step == "ensemble":
            self.temperatures_ = np.array(
                [fit_temperature(self.rule_.predict_proba(proba, check_input=False), labels, sample_weight)]
            )
        if hasattr(self.rule_, "weights_"):
            self.weights_ = self.rule_.weights_

    def _members(self, proba: Floats) -> NDArray[np.float64]:
        pairs = zip(proba, self.temperatures_, strict=True)
        return np.stack([apply_temperature(member, temperature) for member, temperature in pairs])

    def _scores(self, proba: Floats) -> Values:
        if self.step == "members":
            return self.rule_.scores(self._members(proba), check_input=False)
        return apply_temperature(self.rule_.predict_proba(proba, check_input=False), float(self.temperatures_[0]))

    def to_proba(self, scores: Values) -> Values:
        """Turn what `scores` returned into probabilities."""
        return self.rule_.to_proba(scores) if self.step == "members" else scores

    def needs_probabilities(self) -> bool:
        """Return True: hard labels have no sureness to put right."""
        return True

    def n_fitted(self) -> int:
        """Count the rule's own numbers and the temperatures."""
        return self.rule_.n_fitted() + len(self.temperatures_)

    def fitted(self) -> dict[str, Any]:
        """Return what the rule learned, and the temperatures."""
        return {**self.rule_.fitted(), "temperatures": self.temperatures_.tolist()}

    def state(self) -> dict[str, Any]:
        """Return what the rule has fitted, and the temperatures."""
        return {"rule": self.rule_.state(), "temperatures_": to_plain(self.temperatures_)}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Give the rule what it had fitted, and take the temperatures."""
        self.rule_ = type(self.rule)(**self.rule.get_params(deep=False)).restore(state["rule"])
        self.n_members_, self.n_classes_ = self.rule_.n_members_, self.rule_.n_classes_
        self.temperatures_ = from_plain(state["temperatures_"])
        if hasattr(self.rule_, "weights_"):
            self.weights_ = self.rule_.weights_
        return self

    def bind(self, names: Sequence[str], metadata: Sequence[Mapping[str, Any]]) -> Self:
        """Bind the rule inside."""
        return replace(self, rule=self.rule.bind(names, metadata))

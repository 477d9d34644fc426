"""When not to answer: thresholds set on rows that chose nothing else, and what comes of them on the scored rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Rows, Values
from ensembler.combiners.base import Combiner
from ensembler.comparison.calibration_rows import CalibratedFit, CalibratedRule, calibrated_rule
from ensembler.comparison.protocol import Split, SplitResult, split_of
from ensembler.deployment.abstention import DELTA, RISK, Abstention, Thresholds, check_share
from ensembler.errors import NotApplicableError, UnknownNameError, argument
from ensembler.metrics.confidence import OF_MEMBERS, SIGNALS, confidence
from ensembler.metrics.intervals import Interval
from ensembler.metrics.selective import (
    Answered,
    RiskCoverage,
    answered_steps,
    area_differences,
    error_auroc,
    risk_coverage,
)
from ensembler.parallel.progress import Progress
from ensembler.predictions.prediction_set import Predictions

MOST_STEPS = 100
"""Steps of a curve that have an interval."""
LEVELS = tuple(range(10, 101, 10))
"""Coverages in per cent that are listed."""


@dataclass(frozen=True, eq=False)
class Signal:
    """A signal of confidence on the scored rows.

    Attributes
    ----------
    name : str
    confidence : (N,)
    curve : RiskCoverage
    auroc : float
        How probably a correct row has more confidence than a wrong one.
    area_difference : (low, high) or None
        95 % interval of how much larger its area is than the first signal's.
    tried_by_fit : sequence of Thresholds
        Set on the calibration rows of each fit; ``final`` is that of the fit that is saved.
    final : Thresholds
    threshold : float or None
        Of the fit that is saved, for the wanted risk; None where none is shown to keep it.
    reached : Answered or None
        What comes of the thresholds for the wanted risk.
    """

    name: str
    confidence: Values
    curve: RiskCoverage
    auroc: float
    area_difference: Interval | None
    tried_by_fit: Sequence[Thresholds]
    final: Thresholds
    threshold: float | None
    reached: Answered | None


@dataclass(frozen=True)
class Level:
    """A threshold that was set on calibration rows, and what it does on the scored ones.

    Attributes
    ----------
    aimed : float
        The coverage that was aimed at.
    threshold, bound : float
        Of the fit that is saved: the risk on new rows does not exceed the bound, at all levels at once.
    scored : Answered
    """

    aimed: float
    threshold: float
    bound: float
    scored: Answered


@dataclass(frozen=True, eq=False)
class AbstentionStudy(SplitResult):
    """What abstention does to a rule.

    Attributes
    ----------
    rule : CalibratedRule
    signals : tuple of Signal
        Every signal of confidence, the one that was asked for first.
    risk, delta : float
    abstention : Abstention or None
        What to use on new rows; None where no threshold is shown to keep the risk.
    answered : (N,) bool
        Which of the scored rows are answered.
    reached : Answered
        What comes of it.
    levels : tuple of Level
        Ten, and the one of the threshold.
    band : tuple of Answered
        Up to 100 steps of the curve of the first signal, with intervals.
    by_class, by_group : dict
        From the name of a class or a group to what comes of its rows; no groups without groups.
    """

    rule: CalibratedRule
    signals: tuple[Signal, ...]
    risk: float
    delta: float
    abstention: Abstention | None
    answered: NDArray[np.bool_]
    reached: Answered
    levels: tuple[Level, ...]
    band: tuple[Answered, ...]
    by_class: Mapping[str, Answered]
    by_group: Mapping[str, Answered]

    @property
    def signal(self) -> Signal:
        """The signal that the threshold is of."""
        return self.signals[0]


def study_abstention(
    predictions: Predictions,
    rule: str | Combiner | None = None,
    *,
    confidence: str = SIGNALS[0],
    risk: float = RISK,
    delta: float = DELTA,
    calibration_share: float | None = None,
    fit_on: str | None = None,
    folds: int | None = None,
    part: float | None = None,
    seed: int | None = None,
    split: Split | None = None,
    calibrate: str = "none",
    progress: Progress | None = None,
) -> AbstentionStudy:
    r"""Set a threshold of confidence for a wanted risk, and measure on other rows what it does.

    Parameters
    ----------
    predictions : Predictions
        With labels. Row weights count in fits and in what is measured; the promise counts each calibration row once.
    rule : str or Combiner, optional
        By default the recommended one.
    confidence : str
        One of `ensembler.metrics.confidence.SIGNALS`; the others are compared with it.
    risk, delta : float
        Of the answers to new rows, at most the share ``risk`` is wrong, with probability :math:`1-\delta`.
    calibration_share : float, optional
        The share of the fitting rows that sets the threshold, by default 0.5; a rule that learns nothing leaves all.
    fit_on, folds, part, seed, split
        As in `compare_rules`, but for ``"test"``, which leaves no rows.
    calibrate : "none", "members" or "ensemble"
        A temperature, as in `compare_rules`.
    progress : callable, optional

    Returns
    -------
    AbstentionStudy

    Raises
    ------
    UsageError, NotApplicableError

    Examples
    --------
    >>> from ensembler import load_predictions
    >>> from ensembler.predictions import bundled
    >>> study = study_abstention(load_predictions(bundled.published_folder()), "mean", risk=0.2)
    >>> round(study.abstention.threshold, 3), round(study.reached.coverage, 3), round(study.reached.risk, 3)
    (0.548, 0.573, 0.155)
    """
    check_share(argument("risk"), risk)
    check_share(argument("delta"), delta)
    if confidence not in SIGNALS:
        raise UnknownNameError("confidence signal", confidence, SIGNALS)
    split = split_of(predictions, split, fit_on=fit_on, folds=folds, part=part, seed=seed)
    fitted = calibrated_rule(split, rule, share=calibration_share, calibrate=calibrate, progress=progress)
    alone = len(fitted.final.rule.members_used()) == 1
    if alone and confidence in OF_MEMBERS:
        raise NotApplicableError(
            f"{fitted.name} reads one member, with which {confidence} is the same in every row; "
            f"take {SIGNALS[0]}, margin or entropy"
        )
    names = [confidence, *(name for name in SIGNALS if name != confidence and not (alone and name in OF_MEMBERS))]
    signals = measure_signals(fitted, names, risk, delta)
    return conclude(fitted, signals, risk, delta)


def confidence_of(fit: CalibratedFit, signal: str, *, of_calibration: bool) -> Values:
    """Return a fit's confidence of its calibration rows, or of its scored rows."""
    rows, proba = (fit.calibration, fit.calibration_proba) if of_calibration else (fit.scored, fit.proba)
    return rule_confidence(fit.rule, signal, proba, rows)


def rule_confidence(rule: Combiner, signal: str, proba: Values, rows: Predictions) -> Values:
    """Return the confidence of a rule's probabilities of some rows, by the members that it reads."""
    used = list(rule.members_used())
    missing = None if rows.missing is None else rows.missing[used]
    return confidence(signal, proba, rows.proba[used], missing)


def thresholds_of(fit: CalibratedFit, signal: str, delta: float) -> Thresholds:
    """Set a fit's thresholds on its calibration rows; rows of weight 0 are not there."""
    rows = fit.calibration
    correct = fit.calibration_proba.argmax(axis=-1) == rows.true_labels
    there = np.ones(rows.n_samples, dtype=bool) if rows.sample_weight is None else rows.sample_weight > 0
    if not there.any():
        raise NotApplicableError("no calibration row has a weight above 0")
    return Thresholds.of(correct[there], confidence_of(fit, signal, of_calibration=True)[there], delta)


def measure_signals(fitted: CalibratedRule, names: Sequence[str], risk: float, delta: float) -> list[Signal]:
    """Set thresholds by each signal, and measure it on the scored rows."""
    data, correct = fitted.scored, fitted.correct
    weight, groups, seed = data.sample_weight, data.groups, fitted.split.seed
    confidences = [fitted.gather(partial(confidence_of, signal=name, of_calibration=False)) for name in names]
    differences = area_differences(correct, confidences, weight, groups, seed=seed)
    there = slice(None) if weight is None else weight > 0
    signals = []
    for name, values, difference in zip(names, confidences, differences, strict=True):
        tried_by_fit = [thresholds_of(fit, name, delta) for fit in fitted.fits]
        final = tried_by_fit[0] if fitted.fits[0] is fitted.final else thresholds_of(fitted.final, name, delta)
        answered = answered_by(fitted, values, [threshold_for(tried, risk) for tried in tried_by_fit])
        step = final.step_for(risk)
        threshold = None if step is None else float(final.thresholds[step])
        reached = None if step is None else Answered.of(correct, answered, weight, groups, seed=seed)
        curve, auroc = risk_coverage(correct, values, weight), error_auroc(correct[there], values[there])
        signals.append(Signal(name, values, curve, auroc, difference, tried_by_fit, final, threshold, reached))
    return signals


def threshold_for(tried: Thresholds, risk: float) -> float:
    """Return the threshold for a risk; where there is none, one that no row reaches."""
    step = tried.step_for(risk)
    return np.inf if step is None else float(tried.thresholds[step])


def answered_by(fitted: CalibratedRule, confidences: Values, thresholds: Sequence[float]) -> NDArray[np.bool_]:
    """Return which scored rows reach the threshold of the fit that predicts them."""
    answered = np.zeros(len(confidences), dtype=bool)
    for fit, threshold in zip(fitted.fits, thresholds, strict=True):
        answered[fit.rows] = confidences[fit.rows] >= threshold
    return answered


def conclude(fitted: CalibratedRule, signals: Sequence[Signal], risk: float, delta: float) -> AbstentionStudy:
    """Say what to use on new rows, and measure what it does to the scored ones, on the whole and in parts."""
    first, data, correct = signals[0], fitted.scored, fitted.correct
    abstention = None
    if first.threshold is not None:
        abstention = Abstention(first.name, first.threshold, risk, delta, first.final.n_rows)
    answered = answered_by(fitted, first.confidence, [threshold_for(tried, risk) for tried in first.tried_by_fit])
    parts: list[tuple[str, str, Rows]] = [
        ("class", name, np.flatnonzero(data.true_labels == label)) for label, name in enumerate(data.classes)
    ]
    if data.groups is not None:
        groups, place = np.unique(data.groups, return_inverse=True)
        parts += [("group", str(name), np.flatnonzero(place == number)) for number, name in enumerate(groups.tolist())]
    found: dict[str, dict[str, Answered]] = {"class": {}, "group": {}}
    for kind, name, rows in parts:
        some = None if data.sample_weight is None else data.sample_weight[rows]
        within = None if kind == "group" or data.groups is None else data.groups[rows]
        found[kind][name] = Answered.of(correct[rows], answered[rows], some, within, seed=fitted.split.seed)
    levels = levels_of(fitted, first)
    return AbstentionStudy(
        fitted.split,
        fitted,
        tuple(signals),
        risk,
        delta,
        abstention,
        answered,
        Answered.of(correct, answered, data.sample_weight, data.groups, seed=fitted.split.seed),
        levels,
        band_of(correct, first.confidence, first.curve, data, fitted.split.seed),
        found["class"],
        found["group"],
    )


def levels_of(fitted: CalibratedRule, signal: Signal) -> tuple[Level, ...]:
    """Measure the thresholds of some coverages on the scored rows."""
    data = fitted.scored
    final = signal.final
    places = [level * len(final.coverages) // 100 - 1 for level in LEVELS]
    if signal.threshold is not None and signal.threshold not in final.thresholds[places]:
        places = sorted({*places, int(np.flatnonzero(final.thresholds == signal.threshold)[-1])})
    answered = np.array(
        [
            answered_by(fitted, signal.confidence, [float(tried.thresholds[place]) for tried in signal.tried_by_fit])
            for place in places
        ]
    )
    scored = answered_steps(fitted.correct, answered, data.sample_weight, data.groups, seed=fitted.split.seed)
    return tuple(
        Level(float(final.coverages[place]), float(final.thresholds[place]), float(final.bounds[place]), reached)
        for place, reached in zip(places, scored, strict=True)
    )


def band_of(
    correct: NDArray[np.bool_], confidences: Values, curve: RiskCoverage, data: Predictions, seed: int
) -> tuple[Answered, ...]:
    """Return steps of a curve with the intervals of their risks, evenly over coverage."""
    answered = confidences >= curve.thresholds[curve_steps(curve)][:, None]
    return tuple(answered_steps(correct, answered, data.sample_weight, data.groups, seed=seed))


def curve_steps(curve: RiskCoverage, most: int = MOST_STEPS) -> Rows:
    """Return the numbers of at most so many steps of a curve, evenly over coverage, the last one always."""
    wanted = np.searchsorted(curve.coverage, np.arange(1, most + 1) / most - 1e-12)
    return np.unique(np.minimum(wanted, len(curve.coverage) - 1))

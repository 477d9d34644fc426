"""Fitting the rules of a comparison and measuring what they say about the scored rows."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ensembler.arrays import Values
from ensembler.comparison.fitting import Candidate, Fitted, cross_fit, fit_and_apply
from ensembler.comparison.folds import Folds
from ensembler.comparison.results import MemberScore, RuleScore
from ensembler.errors import NotApplicableError
from ensembler.metrics import METRICS, Metric
from ensembler.metrics.calibration import reliability
from ensembler.metrics.confusion import recall_per_class
from ensembler.metrics.sums import weighted_mean
from ensembler.metrics.temperature import at_best_temperature
from ensembler.predictions.prediction_set import Predictions

Progress = Callable[[int, int, str], None]


class Counter:
    """Counts fits for a progress display."""

    def __init__(self, progress: Progress | None, candidates: Sequence[Candidate], n_folds: int, nested: bool) -> None:
        learners = sum(one.rule.is_trainable for one in candidates)
        once, folded = len(candidates), learners * n_folds + len(candidates) - learners
        self.progress, self.done = progress, 0
        self.total = once + folded * (1 + n_folds if nested else 1)

    def tick(self, what: str) -> None:
        """Say what is fitted next."""
        if self.progress is not None:
            self.progress(self.done, self.total, what)
        self.done += 1


@dataclass(frozen=True)
class Setting:
    """What a comparison works on: the rows, the rules, the metrics and the folds of the fitting rows."""

    fitting: Predictions
    scored: Predictions
    candidates: list[Candidate]
    metrics: list[Metric]
    parts: Folds
    n_folds: int
    seed: int
    counter: Counter

    def running(self) -> list[Candidate]:
        """Return the rules that have not been left out."""
        return [one for one in self.candidates if one.left_out is None]

    def score(self, name: str, fitted: Fitted, proba: Values) -> RuleScore:
        """Measure a fitted rule by what it said about the scored rows."""
        values = {}
        for metric in self.metrics:
            undefined = metric.needs_probabilities and self.scored.any_hard
            values[metric.name] = math.nan if undefined else measure(metric, self.scored, proba)
        recall = recall_per_class(self.scored.truth, proba, self.scored.sample_weight)
        entry = RuleScore(name, fitted.rule, values, recall, proba, notes=fitted.notes)
        if not self.scored.any_hard:
            entry.calibration = at_best_temperature(proba, self.scored.truth, self.scored.sample_weight, self.seed)
            entry.reliability = reliability(proba, self.scored.truth, self.scored.sample_weight)
        return entry


def score_fitted(setting: Setting) -> list[RuleScore]:
    """Fit each rule on the fitting rows and measure it on the scored rows."""
    entries = []
    for one in setting.running():
        setting.counter.tick(one.name)
        try:
            fitted = fit_and_apply(one, setting.fitting, setting.scored)
        except NotApplicableError as error:
            one.left_out = str(error)
            continue
        entries.append(setting.score(one.name, fitted, fitted.proba))
    return entries


def score_crossed(setting: Setting) -> list[RuleScore]:
    """Measure each rule, fold by fold, on rows it has not seen; fit it on all rows for its weights."""
    crossed = cross_fit(setting.running(), setting.fitting, setting.parts, setting.counter.tick)
    entries = []
    for one in setting.running():
        setting.counter.tick(one.name)
        if one.name in crossed.failed:
            one.left_out = crossed.failed[one.name]
            continue
        try:
            fitted = fit_and_apply(one, setting.fitting, setting.scored)
        except NotApplicableError as error:
            one.left_out = str(error)
            continue
        entry = setting.score(one.name, fitted, crossed.proba[one.name])
        entry.fold_rules = crossed.rules.get(one.name, [])
        entries.append(entry)
    return entries


def score_members(setting: Setting) -> list[MemberScore]:
    """Measure each member by itself."""
    scored, fitting = setting.scored, setting.fitting
    table = {metric.name: metric(scored.truth, scored.proba, scored.sample_weight) for metric in setting.metrics}
    recall = recall_per_class(scored.truth, scored.proba, scored.sample_weight)
    fit_accuracy = None
    if fitting is not scored:
        fit_accuracy = METRICS["accuracy"](fitting.truth, fitting.proba, fitting.sample_weight)
    return [
        MemberScore(
            name=name,
            metrics={
                metric.name: math.nan
                if metric.needs_probabilities and scored.hard[index]
                else float(table[metric.name][index])
                for metric in setting.metrics
            },
            recall=recall[index],
            fit_accuracy=None if fit_accuracy is None else float(fit_accuracy[index]),
        )
        for index, name in enumerate(scored.names)
    ]


def oracle_accuracy(scored: Predictions) -> float:
    """Return the share of rows in which any member is right."""
    right = np.zeros(scored.n_samples, dtype=bool)
    for member in scored.proba:
        right |= member.argmax(axis=-1) == scored.truth
    return float(weighted_mean(right, scored.sample_weight))


def measure(metric: Metric, data: Predictions, proba: Values) -> float:
    """Return a metric of some (N, C) probabilities on labelled rows."""
    return float(metric(data.truth, proba, data.sample_weight))

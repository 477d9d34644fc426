"""Fitting the rules of a comparison, and measuring what they predict of the scored rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ensembler.arrays import Values
from ensembler.combiners.base import Combiner
from ensembler.combiners.missing_votes import class_prior, fill_unanswered
from ensembler.comparison.candidates import Candidate
from ensembler.comparison.fitting import Fit, cross_fit, fit_and_apply
from ensembler.comparison.progress import FitCounter
from ensembler.comparison.protocol import Split
from ensembler.comparison.results import MemberScore
from ensembler.errors import NotApplicableError
from ensembler.metrics import Metric
from ensembler.metrics.calibration import Reliability, reliability
from ensembler.metrics.confusion import class_counts, recall_per_class
from ensembler.metrics.predicted import Predicted
from ensembler.metrics.sums import weighted_mean
from ensembler.metrics.temperature import AtBestTemperature, at_best_temperature
from ensembler.predictions.prediction_set import Predictions

LeftOut = list[tuple[str, str]]
"""Names of rules that cannot run, with the reasons."""


def fit_rules(candidates: Sequence[Candidate], split: Split, counter: FitCounter) -> tuple[list[Fit], LeftOut]:
    """Fit each rule, and predict the scored rows: in cross-fitting, each by a rule that has not seen it."""
    running = [candidate for candidate in candidates if candidate.left_out is None]
    cross_fitted = cross_fit(running, split.fitting, split.folds, counter.tick) if split.cross_fitted else None
    failed = {} if cross_fitted is None else cross_fitted.failed
    fits: list[Fit] = []
    fitted: dict[str, Combiner] = {}
    left_out = {candidate.name: candidate.left_out for candidate in candidates if candidate.left_out is not None}
    for candidate in running:
        counter.tick(candidate.name)
        if candidate.name in failed:
            left_out[candidate.name] = failed[candidate.name]
            continue
        try:
            predicted = None if cross_fitted is None else cross_fitted.predicted[candidate.name]
            fit = fit_and_apply(candidate, split.fitting, split.scored, fitted, predicted)
        except NotApplicableError as error:
            left_out[candidate.name] = str(error)
            continue
        fitted[fit.rule.to_text()] = fit.rule
        if cross_fitted is not None:
            fit = replace(fit, fold_rules=tuple(cross_fitted.rules.get(candidate.name, ())))
        fits.append(fit)
    return fits, [(candidate.name, left_out[candidate.name]) for candidate in candidates if candidate.name in left_out]


@dataclass(frozen=True)
class Measured:
    """What a prediction of the scored rows comes to.

    Attributes
    ----------
    metrics : dict
        NaN where a metric means nothing.
    recall : (C,)
    calibration, reliability
        None with hard labels.
    """

    metrics: dict[str, float]
    recall: Values
    calibration: AtBestTemperature | None
    reliability: Reliability | None


def measure_all(metrics: Sequence[Metric], scored: Predictions, predicted: Predicted, seed: int) -> Measured:
    """Measure a prediction by every metric."""
    with predicted.held() as proba:
        return measure_held(metrics, scored, predicted, proba, seed)


def measure_held(
    metrics: Sequence[Metric], scored: Predictions, predicted: Predicted, proba: Values, seed: int
) -> Measured:
    """Measure a prediction, whose probabilities are there, by every metric."""
    values = {
        metric.name: math.nan if metric.needs_probabilities and scored.any_hard else measure(metric, scored, predicted)
        for metric in metrics
    }
    labels, weight = scored.true_labels, scored.sample_weight
    recall = recall_per_class(labels, proba, weight)
    if scored.any_hard:
        return Measured(values, recall, None, None)
    calibration = at_best_temperature(proba, labels, weight, seed)
    return Measured(values, recall, calibration, reliability(proba, labels, weight))


def measure_members(metrics: Sequence[Metric], split: Split) -> list[MemberScore]:
    """Measure each member by itself.

    A missing vote counts as wrong in the accuracy and in recalls; other metrics are those of the member as it would be
    used alone, with the prior of the fitting rows where it does not answer.
    """
    scored, fitting = split.scored, split.fitting
    alone = scored.proba
    if scored.missing is not None:
        alone = fill_unanswered(alone, class_prior(fitting.true_labels, fitting.sample_weight, fitting.n_classes))
    table = {metric.name: metric(scored.true_labels, alone, scored.sample_weight) for metric in metrics}
    table["accuracy"] = scored.member_accuracy
    recall = recall_of_votes(scored)
    fit_accuracy = None if fitting is scored else fitting.member_accuracy
    answered_accuracy, n_missing = scored.answered_accuracy, scored.n_missing
    return [
        MemberScore(
            name,
            {
                metric.name: math.nan
                if metric.needs_probabilities and scored.hard[index]
                else float(table[metric.name][index])
                for metric in metrics
            },
            recall[index],
            None if fit_accuracy is None else float(fit_accuracy[index]),
            answered_accuracy=float(answered_accuracy[index]),
            n_missing=int(n_missing[index]),
        )
        for index, name in enumerate(scored.names)
    ]


def recall_of_votes(data: Predictions) -> Values:
    """Return the recall of each member and class, (M, C), with missing votes counted as wrong."""
    n_classes = data.n_classes
    # A missing vote is one for a class that no row has.
    votes = np.where(data.answered, data.votes, n_classes)
    correct, true, _ = class_counts(data.true_labels, votes, n_classes + 1, data.sample_weight)
    with np.errstate(invalid="ignore"):
        return np.asarray((correct / true)[:, :n_classes])


def oracle_accuracy(scored: Predictions) -> float:
    """Return the share of rows in which any member is correct."""
    return float(weighted_mean(np.asarray(scored.correct.any(axis=0)), scored.sample_weight))


def measure(metric: Metric, data: Predictions, predicted: Predicted) -> float:
    """Return a metric of a prediction of labelled rows."""
    return float(metric(data.true_labels, predicted, data.sample_weight))

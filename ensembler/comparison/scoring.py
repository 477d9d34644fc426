"""Fitting the rules of a comparison, and measuring what they predict of the scored rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ensembler.arrays import Values
from ensembler.combiners.missing_votes import class_prior, fill_unanswered
from ensembler.comparison.candidates import Candidate
from ensembler.comparison.fitting import CrossFit, Fit, Part, cross_fit, fit_parts
from ensembler.comparison.predicting import predicted_by
from ensembler.comparison.progress import FitCounter
from ensembler.comparison.protocol import Split
from ensembler.comparison.results import MemberScore
from ensembler.metrics import Metric
from ensembler.metrics.calibration import Reliability, reliability
from ensembler.metrics.confusion import class_counts, recall_per_class
from ensembler.metrics.predicted import Predicted
from ensembler.metrics.sums import weighted_mean
from ensembler.metrics.temperature import AtBestTemperature, MapSpans, at_best_temperature
from ensembler.predictions.prediction_set import Predictions

LeftOut = list[tuple[str, str]]
"""Names of rules that cannot run, with the reasons."""


def fit_rules(candidates: Sequence[Candidate], split: Split, counter: FitCounter) -> tuple[list[Fit], LeftOut]:
    """Fit each rule, and predict the scored rows: in cross-fitting, each by a rule that has not seen it."""
    if split.cross_fitted:
        fits, left_out, _ = fit_rules_in_folds(candidates, split, counter)
        return fits, left_out
    running = [candidate for candidate in candidates if candidate.left_out is None]
    [whole] = fit_parts([Part(running, split.fitting)], counter.tick, together=False)
    return fits_of(candidates, split, CrossFit(whole=whole))


def fit_rules_in_folds(
    candidates: Sequence[Candidate], split: Split, counter: FitCounter
) -> tuple[list[Fit], LeftOut, dict[str, Predicted]]:
    """Fit each rule, and predict the scored rows; and return what each predicts of the fitting rows out of fold."""
    running = [candidate for candidate in candidates if candidate.left_out is None]
    found = cross_fit(running, split.fitting, split.folds, counter.tick, whole=True)
    fits, left_out = fits_of(candidates, split, found)
    return fits, left_out, {fit.name: found.predicted[fit.name] for fit in fits if fit.name in found.predicted}


def fits_of(candidates: Sequence[Candidate], split: Split, found: CrossFit) -> tuple[list[Fit], LeftOut]:
    """Return the rules that could be fitted, and why others could not be."""
    why_not = {candidate.name: candidate.left_out for candidate in candidates if candidate.left_out is not None}
    why_not |= found.failed | found.whole.failed if split.cross_fitted else found.whole.failed
    fits = []
    for name in (candidate.name for candidate in candidates if candidate.name not in why_not):
        rule, notes = found.whole.rules[name], found.whole.notes[name]
        if split.cross_fitted:
            fits.append(Fit(name, rule, found.predicted[name], notes, tuple(found.rules.get(name, ()))))
        else:
            fits.append(Fit(name, rule, predicted_by(rule, split.scored), notes))
    return fits, [(candidate.name, why_not[candidate.name]) for candidate in candidates if candidate.name in why_not]


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


def measure_all(
    metrics: Sequence[Metric], scored: Predictions, predicted: Predicted, seed: int, map_spans: MapSpans = map
) -> Measured:
    """Measure a prediction by every metric.

    ``map_spans`` goes through spans of many rows, as `map` does.
    """
    with predicted.held() as proba:
        return measure_held(metrics, scored, predicted, proba, seed, map_spans)


def measure_held(
    metrics: Sequence[Metric],
    scored: Predictions,
    predicted: Predicted,
    proba: Values,
    seed: int,
    map_spans: MapSpans,
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
    calibration = at_best_temperature(proba, labels, weight, seed, map_spans)
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

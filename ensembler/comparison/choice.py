"""Choosing a rule without the scored rows."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ensembler.comparison.fitting import cross_fit
from ensembler.comparison.folds import make_folds
from ensembler.comparison.results import REFERENCE, RuleScore
from ensembler.comparison.scoring import Setting, measure
from ensembler.metrics import TIED_DECIMALS, Metric


def choose_inside(setting: Setting, entries: list[RuleScore]) -> None:
    """Give each rule its cross-fitted score inside the fitting rows."""
    crossed = cross_fit(setting.running(), setting.fitting, setting.parts, setting.counter.tick)
    for entry in entries:
        if entry.name in crossed.proba:
            entry.choice_score = measure(setting.metrics[0], setting.fitting, crossed.proba[entry.name])


def choose_nested(setting: Setting, entries: list[RuleScore]) -> dict[str, Any] | None:
    """Choose a rule for each fold by cross-fitting inside the other folds; return how well those choices did.

    A rule's own choice score is the mean over folds of what it reached inside the others.
    """
    data, metric = setting.fitting, setting.metrics[0]
    if not setting.parts.pairs:
        return None
    outcome = np.empty((data.n_samples, data.n_classes))
    by_fold: list[str | None] = []
    inside: dict[str, list[float]] = {entry.name: [] for entry in entries}
    compared = [entry for entry in entries if entry.name != REFERENCE]
    for train, held in setting.parts.pairs:
        if data.sample_weight is not None and not data.sample_weight[train].any():
            by_fold.append(None)
            continue
        fitting = data.take(train)
        parts = make_folds(fitting.truth, fitting.groups, setting.n_folds, setting.seed)
        crossed = cross_fit(setting.running(), fitting, parts, setting.counter.tick)
        scores = {name: measure(metric, fitting, proba) for name, proba in crossed.proba.items()}
        for name, value in scores.items():
            inside[name].append(value)
        best = pick(compared, scores, metric)
        by_fold.append(best)
        if best is not None:
            outcome[held] = next(entry.proba for entry in compared if entry.name == best)[held]
    for entry in entries:
        if len(inside[entry.name]) == len(setting.parts.pairs):
            entry.choice_score = float(np.mean(inside[entry.name]))
    if None in by_fold:
        return None
    return {"metric": metric.name, "value": measure(metric, data, outcome), "by_fold": by_fold}


def pick(entries: Sequence[RuleScore], scores: Mapping[str, float | None], metric: Metric) -> str | None:
    """Return the rule with the best score; ties go to fewer fitted numbers, fewer members, the smaller mask."""
    ranked = [
        (
            -round(ranking_value(metric, score), TIED_DECIMALS),
            entry.rule.n_fitted(),
            len(members := entry.rule.members_used()),
            sum(1 << member for member in members),
            position,
        )
        for position, entry in enumerate(entries)
        if (score := scores.get(entry.name)) is not None and not math.isnan(score)
    ]
    return entries[min(ranked)[-1]].name if ranked else None


def ranking_value(metric: Metric, value: float) -> float:
    """Return a value of which more is better, minus infinity for one that is not a number."""
    return -math.inf if math.isnan(value) else float(metric.signed(value))

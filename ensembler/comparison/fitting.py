"""Fitting rules on a prediction set: once, or with every row predicted by a rule that has not seen it."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ensembler.arrays import Values
from ensembler.combiners.base import Combiner, clone
from ensembler.combiners.registry import make_rule
from ensembler.comparison.folds import Folds
from ensembler.errors import FitWarning, NotApplicableError
from ensembler.predictions.prediction_set import Predictions


@dataclass
class Candidate:
    """A rule under comparison, bound to the members of a set; ``left_out`` says why it cannot run."""

    name: str
    given: Combiner
    rule: Combiner
    left_out: str | None = None

    def fit(self, data: Predictions) -> Combiner:
        """Return an own copy of the rule, fitted on labelled rows."""
        return clone(self.rule).fit(data.proba, data.truth, data.sample_weight, check_input=False)


def candidate(rule: str | Combiner, data: Predictions, metric: str | Callable[..., Any] | None = None) -> Candidate:
    """Bind a rule, given as text or as an object, to a prediction set.

    Rules written as text that have a metric of their own use ``metric`` unless the text says otherwise.
    """
    name = rule if isinstance(rule, str) else rule.to_text()
    given = make_rule(rule) if isinstance(rule, str) else rule
    given.check_parameters()
    if (
        isinstance(rule, str)
        and metric is not None
        and "metric" in given.get_params(deep=False)
        and "metric=" not in rule
    ):
        given.set_params(metric=metric)
    made = Candidate(name, given, given)
    if data.any_hard and given.needs_probabilities():
        made.left_out = "needs probabilities, and some members are hard labels"
        return made
    try:
        made.rule = given.bind(data.names, data.metadata)
    except NotApplicableError as error:
        made.left_out = str(error)
    return made


@dataclass
class Fitted:
    """A rule fitted on some rows, what it says about others, and what it warned of."""

    rule: Combiner
    proba: Values
    notes: list[str] = field(default_factory=list)


def fit_and_apply(candidate: Candidate, fitting: Predictions, scored: Predictions) -> Fitted:
    """Fit on one set of rows and predict another, keeping warnings of doubtful fits as notes."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FitWarning)
        rule = candidate.fit(fitting)
    notes = []
    for item in caught:
        if issubclass(item.category, FitWarning):
            notes.append(str(item.message))
        else:
            warnings.warn_explicit(item.message, item.category, item.filename, item.lineno)
    return Fitted(rule, rule.predict_proba(scored.proba, check_input=False), notes)


@dataclass
class CrossFit:
    """Out-of-fold probabilities of each rule, (N, C), what was fitted in each fold, and why a rule could not be."""

    proba: dict[str, Values] = field(default_factory=dict)
    rules: dict[str, list[Combiner]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def cross_fit(
    candidates: Sequence[Candidate], data: Predictions, folds: Folds, tick: Callable[[str], None]
) -> CrossFit:
    """Predict each fold with rules fitted on the others. Rules that learn nothing need no folds."""
    result = CrossFit()
    learners = [one for one in candidates if one.rule.is_trainable]
    for one in candidates:
        if not one.rule.is_trainable:
            tick(one.name)
            result.proba[one.name] = one.fit(data).predict_proba(data.proba, check_input=False)
        elif folds.pairs:
            result.proba[one.name] = np.empty((data.n_samples, data.n_classes))
        else:
            result.failed[one.name] = f"cannot be cross-fitted: {folds.note}"
    for train, held in folds.pairs:
        if data.sample_weight is not None and not data.sample_weight[train].any():
            for one in learners:
                result.failed[one.name] = "cannot be cross-fitted: a fold leaves no row of positive weight to fit on"
                result.proba.pop(one.name, None)
            break
        fitting, rest = data.take(train), data.proba[:, held]
        for one in learners:
            tick(one.name)
            if one.name in result.failed:
                continue
            try:
                with warnings.catch_warnings():
                    # What is doubtful is noted once, at the fit on all rows.
                    warnings.simplefilter("ignore", FitWarning)
                    rule = one.fit(fitting)
            except NotApplicableError as error:
                result.failed[one.name] = str(error)
                del result.proba[one.name]
                continue
            result.proba[one.name][held] = rule.predict_proba(rest, check_input=False)
            result.rules.setdefault(one.name, []).append(rule)
    return result

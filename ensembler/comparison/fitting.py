"""Fitting rules on a prediction set: once, or with every row predicted by a rule that has not seen it."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ensembler.arrays import Rows, Values, widened
from ensembler.combiners.base import Combiner
from ensembler.comparison.candidates import Candidate, bind_rule
from ensembler.comparison.folds import Folds
from ensembler.comparison.protocol import Split
from ensembler.errors import FitWarning, NotApplicableError
from ensembler.metrics.predicted import Predicted
from ensembler.parallel.threads import side_by_side
from ensembler.predictions.prediction_set import Predictions

BLOCK_VALUES = 1 << 23
"""Probabilities of members that are combined at a time."""
SMALL_SET = 1 << 23
"""Probabilities of members of a set whose folds are fitted side by side."""


@dataclass(frozen=True)
class Fit:
    """A fitted rule, its probabilities on the scored rows, and what it warned of.

    Attributes
    ----------
    name : str
    rule : Combiner
        Fitted on the fitting rows; in cross-fitting, on all rows.
    predicted : Predicted
        What it predicts of the scored rows.
    notes : tuple of str
    fold_rules : tuple of Combiner
        In cross-fitting, the rule as fitted for each fold.
    """

    name: str
    rule: Combiner
    predicted: Predicted
    notes: tuple[str, ...] = ()
    fold_rules: tuple[Combiner, ...] = ()

    @property
    def proba(self) -> Values:
        """Its probabilities on the scored rows, (N, C)."""
        return self.predicted.proba


def fit_and_apply(
    candidate: Candidate,
    fitting: Predictions,
    scored: Predictions,
    fitted: Mapping[str, Combiner] | None = None,
    predicted: Predicted | None = None,
) -> Fit:
    """Fit on one set of rows and predict another, keeping warnings of doubtful fits as notes.

    ``fitted`` are rules by their texts that are fitted on the same rows. With ``predicted``, in cross-fitting, the
    other rows are predicted already.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FitWarning)
        rule = candidate.fit(fitting, fitted)
    notes = []
    for item in caught:
        if issubclass(item.category, FitWarning):
            notes.append(str(item.message))
        else:
            warnings.warn_explicit(item.message, item.category, item.filename, item.lineno)
    if predicted is None:
        predicted = predicted_by(rule, scored)
    return Fit(candidate.name, rule, predicted, tuple(notes))


def predicted_by(rule: Combiner, data: Predictions, rows: Rows | None = None) -> Predicted:
    """Return what a fitted rule predicts of some rows, by default all."""
    n_rows = data.n_samples if rows is None else len(rows)
    return predicted_in_folds([(np.arange(n_rows), rule)], data, rows)


def predicted_in_folds(
    parts: Sequence[tuple[Rows, Combiner]], data: Predictions, rows: Rows | None = None
) -> Predicted:
    """Return what fitted rules predict of the rows that belong to each, which together are all.

    ``rows`` are those of the data that are meant, by default all; parts are numbered among them.
    """
    labels = data.true_labels if rows is None else data.true_labels[rows]

    def make() -> Values:
        proba = np.empty((len(labels), data.n_classes))
        size = max(1, BLOCK_VALUES // (data.n_members * data.n_classes))
        for places, rule in parts:
            # A block of rows at a time where they are many, so that little more than the result is kept.
            for start in range(0, len(places), size):
                some = places[start : start + size]
                block = data.proba[:, as_slice(some if rows is None else rows[some])]
                proba[as_slice(some)] = rule.predict_proba(widened(block), check_input=False)
        return proba

    return Predicted(labels, make, data.n_classes)


def as_slice(rows: Rows) -> Rows | slice:
    """Return rows that follow one another as a slice, which copies nothing."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == len(rows) else rows


def mean_of_members(split: Split) -> Predicted:
    """Return the simple mean of the members on the scored rows; in rows that nobody answers the class prior."""
    scored = split.scored
    if scored.missing is None:
        return Predicted(
            scored.true_labels,
            lambda: np.asarray(scored.proba.mean(axis=0, dtype=np.float64)),
            scored.n_classes,
        )
    mean = bind_rule("mean", split.fitting)
    if split.cross_fitted and split.folds.pairs:
        return cross_fit([mean], split.fitting, split.folds, lambda _: None).predicted["mean"]
    return fit_and_apply(mean, split.fitting, scored).predicted


@dataclass
class CrossFit:
    """What each rule predicts out of fold, what was fitted in each fold, and why a rule could not be."""

    predicted: dict[str, Predicted] = field(default_factory=dict)
    rules: dict[str, list[Combiner]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def cross_fit(
    candidates: Sequence[Candidate],
    data: Predictions,
    folds: Folds,
    tick: Callable[[str], None],
    rows: Rows | None = None,
) -> CrossFit:
    """Predict each fold with rules fitted on the others. Rules that learn nothing need no folds.

    ``rows`` are those of the data that are meant, by default all; folds are numbered among them.
    """
    result = CrossFit()
    trained = [candidate for candidate in candidates if candidate.learns_from(data)]
    for candidate in candidates:
        if not candidate.learns_from(data):
            tick(candidate.name)
            result.predicted[candidate.name] = predicted_by(candidate.fit(data), data, rows)
        elif not folds.pairs:
            result.failed[candidate.name] = f"cannot be cross-fitted: {folds.note}"
    fitted_on = [train if rows is None else rows[train] for train, _ in folds.pairs if trained]
    if data.sample_weight is not None and not all(data.sample_weight[part].any() for part in fitted_on):
        reason = "cannot be cross-fitted: a fold leaves no row of positive weight to fit on"
        result.failed |= {candidate.name: reason for candidate in trained}
        fitted_on = []
    for fitted, failed in fit_parts(trained, data, fitted_on, tick):
        result.failed = failed | result.failed
        for name, rule in fitted.items():
            result.rules.setdefault(name, []).append(rule)
    for candidate in trained:
        if candidate.name not in result.failed:
            rules = result.rules[candidate.name]
            parts = [(rest, rule) for (_, rest), rule in zip(folds.pairs, rules, strict=True)]
            result.predicted[candidate.name] = predicted_in_folds(parts, data, rows)
    # In the order in which they were given.
    result.predicted = {each.name: result.predicted[each.name] for each in candidates if each.name in result.predicted}
    return result


def fit_parts(
    candidates: Sequence[Candidate], data: Predictions, parts: Sequence[Rows], tick: Callable[[str], None]
) -> list[tuple[dict[str, Combiner], dict[str, str]]]:
    """Fit rules on each of several parts of the rows; return by part those fitted, and why others could not be.

    Small sets have their parts side by side on the cores; large ones, for memory, one after another.
    """

    def fit(train: Rows) -> tuple[dict[str, Combiner], dict[str, str]]:
        fitting = data.take(train)
        rules: dict[str, Combiner] = {}
        failed: dict[str, str] = {}
        by_text: dict[str, Combiner] = {}
        for candidate in candidates:
            tick(candidate.name)
            try:
                rule = candidate.fit(fitting, by_text)
            except NotApplicableError as error:
                failed[candidate.name] = str(error)
                continue
            by_text[rule.to_text()] = rules[candidate.name] = rule
        return rules, failed

    with warnings.catch_warnings():
        # What is doubtful is noted once, at the fit on all rows. Filters belong to all threads, so here for all.
        warnings.simplefilter("ignore", FitWarning)
        return side_by_side(fit, parts) if data.proba.size <= SMALL_SET else [fit(part) for part in parts]

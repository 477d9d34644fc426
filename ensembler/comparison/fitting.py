"""Fitting rules on a prediction set: once, or with every row predicted by a rule that has not seen it."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ensembler.arrays import Values
from ensembler.combiners.base import Combiner
from ensembler.comparison.candidates import Candidate, bind_rule
from ensembler.comparison.folds import Folds
from ensembler.comparison.protocol import Split
from ensembler.errors import FitWarning, NotApplicableError
from ensembler.predictions.prediction_set import Predictions


@dataclass(frozen=True)
class Fit:
    """A fitted rule, its probabilities on the scored rows, and what it warned of.

    Attributes
    ----------
    name : str
    rule : Combiner
        Fitted on the fitting rows; in cross-fitting, on all rows.
    proba : (N, C)
    notes : tuple of str
    fold_rules : tuple of Combiner
        In cross-fitting, the rule as fitted for each fold.
    """

    name: str
    rule: Combiner
    proba: Values
    notes: tuple[str, ...] = ()
    fold_rules: tuple[Combiner, ...] = ()


def fit_and_apply(
    candidate: Candidate,
    fitting: Predictions,
    scored: Predictions,
    fitted: Mapping[str, Combiner] | None = None,
    proba: Values | None = None,
) -> Fit:
    """Fit on one set of rows and predict another, keeping warnings of doubtful fits as notes.

    ``fitted`` are rules by their texts that are fitted on the same rows. With ``proba``, in cross-fitting, the other
    rows are predicted already.
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
    if proba is None:
        proba = rule.predict_proba(scored.proba, check_input=False)
    return Fit(candidate.name, rule, proba, tuple(notes))


def mean_proba(split: Split) -> Values:
    """Return the simple mean of the members on the scored rows, (N, C); in rows that nobody answers the class prior."""
    if split.scored.missing is None:
        return np.asarray(split.scored.proba.mean(axis=0, dtype=np.float64))
    mean = bind_rule("mean", split.fitting)
    if split.cross_fitted and split.folds.pairs:
        return cross_fit([mean], split.fitting, split.folds, lambda _: None).proba["mean"]
    return fit_and_apply(mean, split.fitting, split.scored).proba


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
    trained = [candidate for candidate in candidates if candidate.learns_from(data)]
    for candidate in candidates:
        if not candidate.learns_from(data):
            tick(candidate.name)
            result.proba[candidate.name] = candidate.fit(data).predict_proba(data.proba, check_input=False)
        elif folds.pairs:
            result.proba[candidate.name] = np.empty((data.n_samples, data.n_classes))
        else:
            result.failed[candidate.name] = f"cannot be cross-fitted: {folds.note}"
    for train, rest in folds.pairs if trained else ():
        if data.sample_weight is not None and not data.sample_weight[train].any():
            for candidate in trained:
                result.failed[candidate.name] = (
                    "cannot be cross-fitted: a fold leaves no row of positive weight to fit on"
                )
                result.proba.pop(candidate.name, None)
            break
        fit_fold(trained, data, train, rest, result, tick)
    return result


def fit_fold(
    candidates: Sequence[Candidate],
    data: Predictions,
    train: np.ndarray,
    rest: np.ndarray,
    result: CrossFit,
    tick: Callable[[str], None],
) -> None:
    """Fit rules on some rows, and add their probabilities of the rest to the result."""
    fitting, proba = data.take(train), data.proba[:, rest]
    fitted: dict[str, Combiner] = {}
    for candidate in candidates:
        tick(candidate.name)
        if candidate.name in result.failed:
            continue
        try:
            with warnings.catch_warnings():
                # What is doubtful is noted once, at the fit on all rows.
                warnings.simplefilter("ignore", FitWarning)
                rule = candidate.fit(fitting, fitted)
        except NotApplicableError as error:
            result.failed[candidate.name] = str(error)
            del result.proba[candidate.name]
            continue
        fitted[rule.to_text()] = rule
        result.proba[candidate.name][rest] = rule.predict_proba(proba, check_input=False)
        result.rules.setdefault(candidate.name, []).append(rule)

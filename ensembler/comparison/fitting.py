"""Fitting rules on a prediction set: once, or with every row predicted by a rule that has not seen it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ensembler.arrays import Rows, Values
from ensembler.combiners.base import Combiner
from ensembler.comparison.candidates import Candidate, bind_rule
from ensembler.comparison.fit_warnings import kept_fit_warnings
from ensembler.comparison.folds import Folds
from ensembler.comparison.predicting import predicted_by, predicted_of_each
from ensembler.comparison.protocol import Split
from ensembler.errors import NotApplicableError
from ensembler.metrics.predicted import Predicted
from ensembler.parallel.threads import side_by_side
from ensembler.predictions.prediction_set import Predictions

TINY_SET, SMALL_SET = 1 << 15, 1 << 23
"""Probabilities of members of a set whose fits go side by side; those of fewer would wait for Python, not calculate."""
MOST_TOGETHER = 1 << 25
"""Probabilities of members of all sets whose fits are made, and kept, together."""


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


def fit_and_apply(candidate: Candidate, fitting: Predictions, scored: Predictions) -> Fit:
    """Fit on one set of rows and predict another, keeping warnings of doubtful fits as notes."""
    with kept_fit_warnings() as taken_warnings:
        rule = candidate.fit(fitting)
        return Fit(candidate.name, rule, predicted_by(rule, scored), taken_warnings())


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
class PartFit:
    """Rules fitted on the same rows, why others could not be, and what is doubtful, all by name."""

    rules: dict[str, Combiner] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass
class CrossFit:
    """What each rule predicts out of fold, what was fitted in each fold, and why a rule could not be.

    Attributes
    ----------
    predicted : dict
    rules : dict
        By name, in the order of the folds; of those that learn nothing, none.
    failed : dict
    whole : PartFit
        What was fitted on all rows at once, where that was asked for.
    """

    predicted: dict[str, Predicted] = field(default_factory=dict)
    rules: dict[str, list[Combiner]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    whole: PartFit = field(default_factory=PartFit)


@dataclass(frozen=True)
class Folded:
    """Rows to cross-fit on.

    Attributes
    ----------
    data : Predictions
    folds : Folds
    rows : (n,) or None
        Those of the data that are meant, by default all; folds are numbered among them.
    """

    data: Predictions
    folds: Folds
    rows: Rows | None = None

    def fitting_parts(self) -> list[Rows]:
        """Return the rows of the data that are left without each fold."""
        return [train if self.rows is None else self.rows[train] for train, _ in self.folds.pairs]

    def why_not(self) -> str | None:
        """Return why nothing can be learnt on these folds; None where it can."""
        if not self.folds.pairs:
            return f"cannot be cross-fitted: {self.folds.note}"
        weight = self.data.sample_weight
        if weight is not None and not all(weight[part].any() for part in self.fitting_parts()):
            return "cannot be cross-fitted: a fold leaves no row of positive weight to fit on"
        return None


def cross_fit(
    candidates: Sequence[Candidate],
    data: Predictions,
    folds: Folds,
    tick: Callable[[str], None],
    *,
    whole: bool = False,
) -> CrossFit:
    """Predict each fold with rules fitted on the others. Rules that learn nothing need no folds.

    With ``whole``, all rules are fitted on all rows as well.
    """
    return next(cross_fit_each(candidates, [Folded(data, folds)], tick, whole=whole))


def cross_fit_each(
    candidates: Sequence[Candidate], sets: Sequence[Folded], tick: Callable[[str], None], *, whole: bool = False
) -> Iterator[CrossFit]:
    """Cross-fit on each of several sets of rows, as `cross_fit` does on one.

    Small sets have all their fits side by side on the cores; tiny ones, and for memory large ones, one after another.
    """
    for some in fitted_together(sets):
        trained = [
            [one for one in candidates if one.learns_from(each.data)] if each.why_not() is None else [] for each in some
        ]
        parts = [
            [Part(candidates, each.data)] * whole + [Part(learn, each.data, rows) for rows in each.fitting_parts()]
            for each, learn in zip(some, trained, strict=True)
        ]
        together = all(TINY_SET <= each.data.proba.size <= SMALL_SET for each in some)
        fitted = iter(fit_parts([part for several in parts for part in several], tick, together=together))
        for each, several in zip(some, parts, strict=True):
            of_parts = [next(fitted) for _ in several]
            yield out_of_fold(candidates, each, of_parts, tick, whole=whole, together=together)


def fitted_together(sets: Sequence[Folded]) -> Iterator[list[Folded]]:
    """Yield sets, in order, so many at a time as are small together."""
    some: list[Folded] = []
    for each in sets:
        if some and sum(one.data.proba.size for one in [*some, each]) > MOST_TOGETHER:
            yield some
            some = []
        some.append(each)
    if some:
        yield some


def out_of_fold(
    candidates: Sequence[Candidate],
    each: Folded,
    fitted: Sequence[PartFit],
    tick: Callable[[str], None],
    *,
    whole: bool,
    together: bool,
) -> CrossFit:
    """Predict with what was fitted without each fold, and on all rows before that if ``whole``.

    Rules predict side by side if ``together``.
    """
    data, folds, rows = each.data, each.folds, each.rows
    result = CrossFit(whole=fitted[0]) if whole else CrossFit()
    fitted, reason = fitted[whole:], each.why_not()
    everything = np.arange(data.n_samples if rows is None else len(rows))
    parts: dict[str, list[tuple[Rows, Combiner]]] = {}
    for candidate in candidates:
        name = candidate.name
        if name in result.whole.failed:
            result.failed[name] = result.whole.failed[name]
            continue
        if not candidate.learns_from(data):
            if not whole:
                tick(name)
            rule = result.whole.rules[name] if whole else candidate.fit(data)
            parts[name] = [(everything, rule)]
            continue
        failed = [reason] if reason is not None else [part.failed[name] for part in fitted if name in part.failed]
        if failed:
            result.failed[name] = failed[0]
            continue
        rules = result.rules[name] = [part.rules[name] for part in fitted]
        parts[name] = [(rest, rule) for (_, rest), rule in zip(folds.pairs, rules, strict=True)]
    result.predicted.update(predicted_of_each(parts, data, rows, together=together))
    return result


@dataclass(frozen=True)
class Part:
    """Rules to fit on some rows of a set, by default all."""

    candidates: Sequence[Candidate]
    data: Predictions
    rows: Rows | None = None


def fit_parts(parts: Sequence[Part], tick: Callable[[str], None], *, together: bool) -> Iterable[PartFit]:
    """Fit rules on each of several parts of the rows, side by side if ``together``."""

    def fit(part: Part) -> PartFit:
        found = PartFit()
        if not part.candidates:
            return found
        fitting = part.data if part.rows is None else part.data.take(part.rows)
        by_text: dict[str, Combiner] = {}
        for candidate in part.candidates:
            tick(candidate.name)
            try:
                rule = candidate.fit(fitting, by_text)
            except NotApplicableError as error:
                found.failed[candidate.name] = str(error)
                taken_warnings()  # those of what failed are not the next one's
                continue
            by_text[rule.to_text()] = found.rules[candidate.name] = rule
            found.notes[candidate.name] = taken_warnings()
        return found

    with kept_fit_warnings() as taken_warnings:
        return side_by_side(fit, parts) if together else [fit(part) for part in parts]

"""What a shift against the class prior does to a rule, and in which classes one model alone does better."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from ensembler.arrays import Values
from ensembler.combiners.balanced import Balanced, unshifted
from ensembler.comparison.results import Comparison, RuleScore, tau_of
from ensembler.metrics import METRICS
from ensembler.metrics.confusion import recall_per_class
from ensembler.report.leading import MOST_CLASSES, compared_rules
from ensembler.report.tables import WORSE, Table, mark_optimistic, number

OVERALL = ("accuracy", "balanced-accuracy")


@dataclass(frozen=True)
class Figures:
    """Recalls of some predictions of the scored rows, (C,), and what they come to over all classes, by metric."""

    recall: Values
    overall: dict[str, float]

    @classmethod
    def of(cls, result: Comparison, proba: Values) -> Self:
        """Measure probabilities of the scored rows."""
        scored = result.scored
        labels, weight = scored.true_labels, scored.sample_weight
        overall = {name: float(METRICS[name](labels, proba, weight)) for name in OVERALL}
        return cls(recall_per_class(labels, proba, weight), overall)


@dataclass(frozen=True)
class ShiftEffect:
    """A rule before and after the shift, and the best member before it.

    Attributes
    ----------
    rule : RuleScore
        The chosen rule, or the first where none is chosen.
    best_member : Figures or None
        None where there is no best member.
    before, after : Figures
        Of the rule.
    """

    rule: RuleScore
    best_member: Figures | None
    before: Figures
    after: Figures

    @classmethod
    def of(cls, result: Comparison) -> Self:
        """Measure what the shift does, from the very rules that were fitted before it."""
        rule, best = compared_rules(result)[0], result.best_member
        return cls(
            rule,
            None if best is None else Figures.of(result, unshifted_proba(result, best)),
            Figures.of(result, unshifted_proba(result, rule)),
            Figures.of(result, rule.proba),
        )

    def losing_classes(self) -> list[int]:
        """Return the classes in which the best member has a higher recall than the rule before the shift, in order."""
        if self.best_member is None:
            return []
        return np.flatnonzero(self.best_member.recall > self.before.recall).tolist()


def unshifted_proba(result: Comparison, entry: RuleScore) -> Values:
    """Return what a fitted rule says of the scored rows before the shift; in cross-fitting, that of each row's fold."""
    proba = result.scored.proba
    if not entry.fold_rules:
        return unshifted(entry.rule).predict_proba(proba, check_input=False)
    combined = np.empty(entry.proba.shape)
    for rule, (_, rest) in zip(entry.fold_rules, result.split.folds.pairs, strict=True):
        combined[rest] = unshifted(rule).predict_proba(proba[:, rest], check_input=False)
    return combined


def shift_table(result: Comparison) -> Table:
    """Show the classes that a rule loses to the best member, and the overall figures, without the shift and with it."""
    effect = ShiftEffect.of(result)
    classes, n_rows = result.predictions.classes, result.scored.n_samples
    counts = np.bincount(result.scored.true_labels, minlength=len(classes))
    losing = effect.losing_classes()
    columns = [effect.best_member, effect.before, effect.after]
    rows = []
    for label in most_losing(effect, losing):
        values = [math.nan if column is None else float(column.recall[label]) for column in columns]
        rows.append([classes[label], f"{counts[label]:,}", *marked(values)])
    for name in OVERALL:
        values = [math.nan if column is None else column.overall[name] for column in columns]
        rows.append([name.replace("-", " "), f"{n_rows:,}", *marked(values)])
    name = effect.rule.name
    notes = [shift_sentence(result)]
    if losing:
        notes.append(
            f"classes in which the best member, not shifted, has a higher recall than {name} without the shift"
        )
        notes.append(f"{WORSE} worse than that member")
    elif effect.best_member is not None:
        notes.append(f"in no class has the best member, not shifted, a higher recall than {name} without the shift")
    if len(losing) > MOST_CLASSES:
        notes.append(f"{len(losing) - MOST_CLASSES} more of these classes are not shown (--json has all recalls)")
    title = mark_optimistic(f"What the shift does to {name}", optimistic=result.protocol.optimistic)
    headers = ["class", "rows", "best\nmember", "without\nshift", f"with shift\nτ = {tau_text(effect.rule)}"]
    return Table(title, headers, rows, notes)


def most_losing(effect: ShiftEffect, losing: list[int]) -> list[int]:
    """Return all these classes, or where they are many those in which the rule loses most, in order."""
    if effect.best_member is None or len(losing) <= MOST_CLASSES:
        return losing
    loss = (effect.best_member.recall - effect.before.recall)[losing]
    return sorted(losing[place] for place in np.argsort(-loss, kind="stable")[:MOST_CLASSES])


def marked(values: list[float]) -> list[str]:
    """Write the figures of the best member and of the rule, with a mark where it is below the best member's."""
    return [f"{number(value)} {WORSE if value < values[0] else ' '}" for value in values]


def tau_text(entry: RuleScore) -> str:
    """Write τ of a rule; in cross-fitting, the range over folds where they differ."""
    taus = [tau for rule in entry.fold_rules or [entry.rule] if (tau := tau_of(rule)) is not None]
    low, high = (number(end, 2) for end in (min(taus), max(taus)))
    return low if low == high else f"{low} … {high}"


def shift_sentence(result: Comparison) -> str:
    """Say what is shifted, and where τ comes from; no full stop."""
    what = "log p − τ log P(class) in every rule, and in the best member that gains are measured against"
    rule = result.rules[0].rule
    if isinstance(rule, Balanced) and rule.tau == "auto":
        return f"{what}; τ is fitted with each rule, for {rule.metric}"
    return f"{what}; τ is given"

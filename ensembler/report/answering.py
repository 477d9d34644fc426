"""What a comparison says of answering some rows only: risk–coverage curves of rules, and by several signals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ensembler.arrays import Values
from ensembler.comparison.results import Comparison, RuleScore
from ensembler.deployment.abstention_study import LEVELS, band_of, rule_confidence
from ensembler.metrics.confidence import OF_MEMBERS, SIGNALS
from ensembler.metrics.selective import Answered, RiskCoverage, answered_steps, risk_coverage
from ensembler.report.leading import leading_rules, rule_named
from ensembler.report.tables import Table, format_interval, mark_optimistic, number


@dataclass(frozen=True, eq=False)
class Answering:
    """A risk–coverage curve with its name, and steps of it with intervals where there are some."""

    label: str
    confidence: Values
    curve: RiskCoverage
    band: Sequence[Answered] = ()


def answering_by(result: Comparison, entry: RuleScore, signal: str, label: str, *, banded: bool = False) -> Answering:
    """Return the curve of a rule by a signal of confidence on the scored rows."""
    data = result.scored
    correct = entry.proba.argmax(axis=-1) == data.true_labels
    sure = rule_confidence(entry.rule, signal, entry.proba, data)
    curve = risk_coverage(correct, sure, data.sample_weight)
    band = band_of(correct, sure, curve, data, result.protocol.seed) if banded else ()
    return Answering(label, sure, curve, band)


def rules_answering(result: Comparison) -> list[Answering]:
    """Return the curves of the leading rules and of the best member, by their top probabilities."""
    names = leading_rules(result) or [entry.name for entry in result.rules[:1]]
    entries = [entry for name in names if (entry := rule_named(result, name)) is not None]
    curves = [
        answering_by(result, entry, SIGNALS[0], entry.name, banded=not place) for place, entry in enumerate(entries)
    ]
    if curves and result.best_member is not None:
        curves.append(answering_by(result, result.best_member, SIGNALS[0], "best member"))
    return curves


def signals_answering(result: Comparison) -> list[Answering]:
    """Return the curves of the first leading rule by every signal that tells its rows apart."""
    names = leading_rules(result) or [entry.name for entry in result.rules[:1]]
    entry = rule_named(result, names[0]) if names else None
    if entry is None:
        return []
    alone = len(entry.rule.members_used()) == 1
    kept = [name for name in SIGNALS if not (alone and name in OF_MEMBERS)]
    return [answering_by(result, entry, name, name, banded=not place) for place, name in enumerate(kept)]


def coverage_table(result: Comparison, first: Answering) -> Table:
    """Show how often answers are wrong by how many rows are answered."""
    entry, data = result[first.label], result.scored
    correct = entry.proba.argmax(axis=-1) == data.true_labels
    wanted = np.searchsorted(first.curve.coverage, np.array(LEVELS) / 100 - 1e-12)
    steps = np.unique(np.minimum(wanted, len(first.curve.coverage) - 1))
    thresholds = first.curve.thresholds[steps]
    answered = first.confidence >= thresholds[:, None]
    found = answered_steps(correct, answered, data.sample_weight, data.groups, seed=result.protocol.seed)
    rows = []
    for part, threshold in zip(found, thresholds.tolist(), strict=True):
        cells = [number(part.coverage), number(threshold), f"{part.n_answered:,}"]
        rows.append([*cells, number(part.risk), format_interval(part.interval)])
    notes = [
        f"{first.label} by its top probability; AURC, the mean risk over coverage, {number(first.curve.aurc)}",
        "thresholds are those of the scored rows: `ensembler abstain` sets one on other rows, with a promise",
    ]
    headers = ["coverage", "top\nprobability", "answered", "risk", "95 % interval"]
    title = mark_optimistic("How often answers are wrong", optimistic=result.protocol.optimistic)
    return Table(title, headers, rows, notes, left=())

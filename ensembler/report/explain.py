"""Tables, sentences and JSON of ``ensembler explain``: what a rule changed, and which rows are hard for all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ensembler.arrays import MISSING_VOTE
from ensembler.comparison.results import Comparison, RuleScore
from ensembler.predictions.diagnosis.changes import RowChanges, changed_rows
from ensembler.predictions.diagnosis.error_signals import UNCERTAIN, ErrorSignal, error_signals, uncertainty_of
from ensembler.predictions.diagnosis.hard_rows import HardRow, contested_rows, missed_by_all, missed_rows
from ensembler.predictions.prediction_set import Predictions
from ensembler.predictions.provenance import provenance
from ensembler.report.compare import class_table
from ensembler.report.tables import MISSING, SIGNIFICANT, Document, Table, count, format_interval, number
from ensembler.serialization import document

SCHEMA = "ensembler.explain/2"
MOST_VOTES = 4


@dataclass(frozen=True)
class HardRows:
    """The rows that are hard for all members.

    Attributes
    ----------
    contested : list of HardRow
        The rows that members disagree on most.
    missed : list of HardRow
        The rows that all members miss, those first in which they are most confident of one wrong class.
    n_missed : int
        How many rows all members miss.
    """

    contested: list[HardRow]
    missed: list[HardRow]
    n_missed: int

    @classmethod
    def of(cls, data: Predictions, rule: RuleScore, most: int) -> "HardRows":
        """Find the hardest rows, with the classes that a rule predicts for them."""
        proba = rule.proba
        return cls(contested_rows(data, proba, most), missed_rows(data, proba, most), len(missed_by_all(data)))


@dataclass(frozen=True)
class Explanation:
    """What a rule changed against the best member, and the rows that are hard for all.

    ``recommended`` says that the rule was not named, but is what a comparison recommends.
    """

    comparison: Comparison
    rule: RuleScore
    changes: RowChanges
    hard: HardRows
    signals: list[ErrorSignal]
    recommended: bool = False

    @classmethod
    def of(cls, comparison: Comparison, rule: RuleScore, most: int, *, recommended: bool = False) -> "Explanation":
        """Explain a rule of a comparison that has a best member, with so many hard rows of each kind."""
        assert comparison.best_member is not None
        data = comparison.scored
        pair = (rule.proba, comparison.best_member.proba)
        changes = changed_rows(data, (rule.name, "the best member"), pair)
        signals = error_signals(data, rule.proba, comparison.protocol.seed)
        return cls(comparison, rule, changes, HardRows.of(data, rule, most), signals, recommended)


def describe_explanation(explanation: Explanation, command: str | None = None) -> dict[str, Any]:
    """Return an explanation as the document that ``--json`` prints."""
    result, changes, hard = explanation.comparison, explanation.changes, explanation.hard
    parts = uncertainty_of(result.scored)._asdict()

    def described(row: HardRow) -> dict[str, Any]:
        return {**vars(row), "uncertainty": {name: float(values[row.row]) for name, values in parts.items()}}

    body = {
        "rule": explanation.rule.name,
        "recommended": explanation.recommended,
        "best_member": result.best_member_name,
        "class_names": result.scored.classes,
        "rescued": changes.gained,
        "broken": changes.lost,
        "by_class": [vars(change) for change in changes.by_class],
        "error_signals": [vars(signal) for signal in explanation.signals],
        "contested": [described(row) for row in hard.contested],
        "missed_by_all": hard.n_missed,
        "missed": [described(row) for row in hard.missed],
        "protocol": vars(result.protocol),
    }
    return document(SCHEMA, body, provenance(result.predictions, result.protocol.seed, command))


def explain_document(explanation: Explanation) -> Document:
    """Arrange what a rule changed, and the rows that are hard, for reading."""
    result, pair = explanation.comparison, explanation.changes.pair
    rule = explanation.rule.name + (", the recommended rule," if explanation.recommended else "")
    head = (
        f"{rule} against the best member, {result.best_member_name}: of {count(pair.n_rows, 'row')} it rescues "
        f"{pair.b:,} and breaks {pair.c:,}."
    )
    hard = explanation.hard
    tables = [contested_table(hard, result.scored), missed_table(hard, result.scored)]
    signals = signals_table(explanation.rule.name, explanation.signals, alone=result.scored.n_members == 1)
    return Document([head, class_table(explanation.changes), signals, *tables])


def signals_table(rule: str, signals: Sequence[ErrorSignal], *, alone: bool = False) -> Table:
    """Show how well the rule's confidence and the members' uncertainty find its errors."""
    rows = []
    for place, signal in enumerate(signals):
        ends = signal.difference_interval
        mark = SIGNIFICANT if ends is not None and (ends[0] > 0 or ends[1] < 0) else " "
        difference = number(signal.difference, 3, sign=True) if place else MISSING
        means = [number(signal.when_right, 3), number(signal.when_wrong, 3)]
        rows.append([signal.name, number(signal.auroc, 3), f"{difference}{mark}", format_interval(ends, 3, sign=True)])
        rows[-1] += means
    first = signals[0].name
    apart = f"{', '.join(UNCERTAIN.values())}: the members' uncertainty, in nats; the first is the sum of the others"
    scaled = ["entropy as a confidence: 1 − H / log C"] * any(signal.name == "entropy" for signal in signals)
    notes = [
        f"AUROC: how probably a row that {rule} is right about is surer than one it is wrong about",
        f"more: against {first}, with its interval; {SIGNIFICANT} excludes 0",
        *scaled,
        *([] if alone else [apart]),
    ]
    headers = ["signal", "AUROC", "more ", "95 % interval", "mean\nif right", "mean\nif wrong"]
    return Table("What finds its errors", headers, rows, notes)


def contested_table(hard: HardRows, data: Predictions) -> Table:
    """Show the rows that members disagree on most."""
    notes = ["entropy of the members' votes, in bits"]
    return hard_table("Most contested rows", "entropy", hard.contested, data, notes)


def missed_table(hard: HardRows, data: Predictions) -> Table:
    """Show the rows that all members miss."""
    missed = f"{count(hard.n_missed, 'row')} {'is' if hard.n_missed == 1 else 'are'} missed by every member"
    notes = [f"{missed}; a label that all contradict surely may be wrong"]
    return hard_table("Missed by all, and confident of a wrong class", "p of it", hard.missed, data, notes)


def hard_table(title: str, heading: str, rows: list[HardRow], data: Predictions, notes: list[str]) -> Table:
    """Show hard rows with their labels, what the rule predicts, and the members' votes."""
    cells = [
        [
            str(row.row) if data.ids is None else f"{row.row} ({data.ids[row.row]})",
            data.classes[row.label],
            data.classes[row.said],
            number(row.value, 3),
            format_votes(row, data.classes),
        ]
        for row in rows
    ]
    return Table(title, ["row", "label", "rule says", heading, "votes"], cells, notes, left=(0, 1, 2, 4))


def format_votes(row: HardRow, classes: tuple[str, ...]) -> str:
    """Write the votes of a row, most first."""
    ranked = sorted((-votes, label) for label, votes in enumerate(row.votes) if votes)
    text = ", ".join(f"{classes[label]} × {-votes}" for votes, label in ranked[:MOST_VOTES])
    return text + (", …" if len(ranked) > MOST_VOTES else "")


def votes_table(data: Predictions, row: int, rule: str, predicted: int) -> Table:
    """Show what every member predicts for one row."""
    label = int(data.true_labels[row])
    rows = []
    for name, hard, member, vote in zip(data.names, data.hard, data.proba, data.votes[:, row].tolist(), strict=True):
        if vote == MISSING_VOTE:
            rows.append([name, MISSING, MISSING, MISSING, ""])
            continue
        of_vote = MISSING if hard else number(float(member[row, vote]), 3)
        of_label = MISSING if hard else number(float(member[row, label]), 3)
        rows.append([name, data.classes[vote], of_vote, of_label, "right" if vote == label else ""])
    parts = uncertainty_of(data.take(np.array([row])))._asdict()
    apart = ", ".join(f"{UNCERTAIN[part]} {number(float(value[0]), 3)}" for part, value in parts.items())
    notes = [f"of the members, in nats: {apart}"] if data.n_members > 1 else []
    title = f"Row {row}: label {data.classes[label]}, {rule} says {data.classes[predicted]}"
    return Table(title, ["member", "says", "p(says)", "p(label)", ""], rows, notes, left=(0, 1, 4))

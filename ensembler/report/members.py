"""Tables and JSON of ``ensembler members``: what is in a prediction set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ensembler.predictions.prediction_set import Predictions
from ensembler.predictions.provenance import provenance
from ensembler.report.tables import Document, Table, count, number
from ensembler.serialization import document, jsonable

SCHEMA = "ensembler.members/1"
MOST_CLASSES = 30
LONGEST_VALUE = 24
ANSWERED_NOTE = "acc.: missing votes count as wrong; acc. of answered: on the rows that a member has answered"


@dataclass(frozen=True)
class MemberEntry:
    """A member: its accuracies, its mean largest probability (None for hard labels), and its metadata.

    In ``accuracy`` and ``val_accuracy`` a missing vote counts as wrong; ``answered_accuracy`` is of answered rows only.
    """

    name: str
    kind: str
    accuracy: float | None
    answered_accuracy: float | None
    missing: int
    val_accuracy: float | None
    confidence: float | None
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class ClassEntry:
    """A class and how many rows have it; ``rows`` is None without labels, ``val_rows`` without validation rows."""

    name: str
    rows: int | None
    val_rows: int | None


@dataclass(frozen=True)
class SetSummary:
    """How large a prediction set is, how its classes are balanced, and what each member is."""

    n_members: int
    n_rows: int
    n_val_rows: int | None
    n_classes: int
    classes: tuple[ClassEntry, ...]
    members: tuple[MemberEntry, ...]
    n_unanswered: int = 0


def describe_set(summary: SetSummary, data: Predictions, command: str | None = None) -> dict[str, Any]:
    """Return what is in a set as the document that ``--json`` prints."""
    body = {
        **vars(summary),
        "classes": [vars(entry) for entry in summary.classes],
        "members": [vars(member) for member in summary.members],
    }
    return document(SCHEMA, body, provenance(data, None, command))


def summarize_set(predictions: Predictions) -> SetSummary:
    """Return what is in a prediction set."""
    validation = predictions.validation
    return SetSummary(
        n_members=predictions.n_members,
        n_rows=predictions.n_samples,
        n_val_rows=None if validation is None else validation.n_samples,
        n_classes=predictions.n_classes,
        classes=tuple(
            ClassEntry(
                name=name,
                rows=None if predictions.labels is None else int((predictions.labels == label).sum()),
                val_rows=None if validation is None else int((validation.true_labels == label).sum()),
            )
            for label, name in enumerate(predictions.classes)
        ),
        members=member_entries(predictions),
        n_unanswered=predictions.n_unanswered,
    )


def member_entries(predictions: Predictions) -> tuple[MemberEntry, ...]:
    """Return what each member is."""
    unknown: list[float | None] = [None] * predictions.n_members
    labelled = predictions.labels is not None
    accuracy: list[float | None] = predictions.member_accuracy.tolist() if labelled else unknown
    answered_accuracy: list[float | None] = predictions.answered_accuracy.tolist() if labelled else unknown
    missing = predictions.n_missing.tolist()
    val_accuracy = None if predictions.validation is None else predictions.validation.member_accuracy.tolist()
    entries = []
    for index, (name, hard) in enumerate(zip(predictions.names, predictions.hard, strict=True)):
        entries.append(
            MemberEntry(
                name=name,
                kind="hard labels" if hard else "probabilities",
                accuracy=accuracy[index],
                answered_accuracy=answered_accuracy[index],
                missing=missing[index],
                val_accuracy=None if val_accuracy is None else val_accuracy[index],
                confidence=None if hard else float(predictions.proba[index].max(axis=-1).mean(dtype=np.float64)),
                metadata=jsonable(dict(predictions.metadata[index])),
            )
        )
    return tuple(entries)


def members_document(summary: SetSummary) -> Document:
    """Arrange what is in a set for reading."""
    val_rows = "no validation rows" if summary.n_val_rows is None else count(summary.n_val_rows, "validation row")
    size = f"{count(summary.n_members, 'member')}, {count(summary.n_rows, 'row')}"
    sentence = f"{size}, {val_rows}, {summary.n_classes} classes."
    if summary.n_unanswered:
        sentence += f" No member answers {summary.n_unanswered:,} of the rows; they go to the class prior."
    labelled = all(member.accuracy is not None for member in summary.members)
    ranked = sorted(summary.members, key=lambda member: -(member.accuracy or 0))
    if not labelled:
        sentence = f"{sentence[:-1]}, no labels."
    parts: list[Table | str] = [sentence, *([classes_table(summary)] if labelled else []), members_table(ranked)]
    known = [[member.name, format_metadata(member.metadata)] for member in ranked if member.metadata]
    if known:
        parts.append(Table("Metadata", ["member", "what is known"], known, ["more of it with --json"], left=(0, 1)))
    return Document(parts)


def classes_table(summary: SetSummary) -> Table:
    """Show how many rows each class has; where classes are many, the most frequent ones."""
    shown, notes = list(summary.classes), []
    if len(shown) > MOST_CLASSES:
        shown = sorted(shown, key=lambda entry: -(entry.rows or 0))[:MOST_CLASSES]
        notes = [f"{summary.n_classes - MOST_CLASSES} rarer classes are not shown (--json has all)"]
    rows = [
        [entry.name, f"{entry.rows or 0:,}", number((entry.rows or 0) / summary.n_rows, 3)]
        + ([] if entry.val_rows is None else [f"{entry.val_rows:,}"])
        for entry in shown
    ]
    headers = ["class", "rows", "share", *([] if summary.n_val_rows is None else ["val. rows"])]
    return Table("Classes", headers, rows, notes)


def members_table(members: list[MemberEntry]) -> Table:
    """Show each member's accuracy and confidence."""
    with_val = any(member.val_accuracy is not None for member in members)
    with_missing = any(member.missing for member in members)
    rows = [
        [member.name]
        + ([number(member.val_accuracy)] if with_val else [])
        + [number(member.accuracy)]
        + ([number(member.answered_accuracy), f"{member.missing:,}"] if with_missing else [])
        + [number(member.confidence), member.kind]
        for member in members
    ]
    answered = ["acc. of\nanswered", "missing"] if with_missing else []
    headers = ["member", *(["val.\nacc."] if with_val else []), "acc.", *answered, "confidence", "kind"]
    notes = ["confidence: mean of the largest probability; above the accuracy, a member is overconfident"]
    if with_missing:
        notes.append(ANSWERED_NOTE)
    return Table("Members", headers, rows, notes, left=(0, len(headers) - 1))


def format_metadata(metadata: Mapping[str, Any]) -> str:
    """Write metadata in one line: single values, without long ones such as checksums."""
    simple = {key: value for key, value in metadata.items() if not isinstance(value, (dict, list))}
    texts = {key: f"{value:.4g}" if isinstance(value, float) else str(value) for key, value in simple.items()}
    return ", ".join(f"{key}={text}" for key, text in texts.items() if len(text) <= LONGEST_VALUE)

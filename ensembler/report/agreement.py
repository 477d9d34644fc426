"""Tables, sentences and JSON of members without labels: how far they agree."""

from typing import Any

import numpy as np

from ensembler.predictions.diagnosis.agreement import Agreement
from ensembler.predictions.prediction_set import Predictions
from ensembler.predictions.provenance import provenance
from ensembler.report.tables import Document, Table, count, number
from ensembler.serialization import document

SCHEMA = "ensembler.agreement/1"
MOST_COLUMNS = 12


def describe_agreement(agreement: Agreement, data: Predictions, command: str | None = None) -> dict[str, Any]:
    """Return the agreement of members as the document that ``--json`` prints."""
    body = {"members": data.names, "n_rows": data.n_samples, "classes": data.classes, **vars(agreement)}
    return document(SCHEMA, body, provenance(data, None, command))


def agreement_document(agreement: Agreement, data: Predictions) -> Document:
    """Arrange the agreement of members for reading."""
    opening = (
        f"{count(data.n_members, 'member')}, {count(data.n_samples, 'row')}, no labels: only how far members "
        f"agree can be measured. All predict one class in {agreement.unanimous:.1%} of the rows."
    )
    parts: list[Table | str] = [opening]
    if data.n_members > 1:
        parts.append(pair_table(agreement, data))
    parts.append(class_table(agreement, data))
    if agreement.clusters:
        groups = "; ".join(", ".join(names) for names in agreement.clusters)
        parts.append(f"Nearly the same predictions: {groups}.")
    return Document(parts)


def pair_table(agreement: Agreement, data: Predictions) -> Table:
    """Show of each pair how many rows differ; with many members, each one's mean and its closest partner."""
    different, names = agreement.different, data.names
    if len(names) == 2:
        rows = [[" and ".join(names), number(different[0, 1]), number(agreement.cohen_kappa[0, 1], 3)]]
        return Table("Pair", ["members", "rows that differ", "Cohen's κ"], rows)
    if len(names) <= MOST_COLUMNS:
        rows = [
            [f"{index + 1} {name}", *("·" if other == index else number(value, 3) for other, value in enumerate(row))]
            for index, (name, row) in enumerate(zip(names, different.tolist(), strict=True))
        ]
        return Table("Share of rows that differ", ["member", *map(str, range(1, len(names) + 1))], rows)
    others = different + np.eye(len(names)) * 9
    rows = [
        [
            name,
            number(float(np.delete(different[index], index).mean()), 3),
            names[int(others[index].argmin())],
            number(float(others[index].min()), 3),
        ]
        for index, name in enumerate(names)
    ]
    return Table("Pairs", ["member", "mean share that differs", "most alike", "rows that differ"], rows, left=(0, 2))


def class_table(agreement: Agreement, data: Predictions) -> Table:
    """Show how often each member predicts each class."""
    shown = list(range(min(data.n_classes, MOST_COLUMNS)))
    rows = [
        [name, *(number(float(shares[index]), 3) for index in shown)]
        for name, shares in zip(data.names, agreement.class_shares, strict=True)
    ]
    notes = [f"and {data.n_classes - len(shown)} more classes"] if data.n_classes > len(shown) else []
    return Table("Predicted classes", ["member", *(data.classes[index] for index in shown)], rows, notes)

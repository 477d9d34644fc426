"""What ``ensembler members`` and ``ensembler list`` say."""

import dataclasses
import json
from typing import Any

import numpy as np

from ensembler.combiners.base import Combiner
from ensembler.metrics import METRICS
from ensembler.predictions.prediction_set import Predictions
from ensembler.report.tables import Document, Table, number
from ensembler.serialization import jsonable

MOST_CLASSES = 30
LONGEST_FACT = 24


def describe_members(predictions: Predictions) -> dict[str, Any]:
    """Describe a prediction set and each of its members in plain values."""
    validation = predictions.validation
    accuracy = METRICS["accuracy"](predictions.truth, predictions.proba, predictions.sample_weight)
    val_accuracy = None
    if validation is not None:
        val_accuracy = METRICS["accuracy"](validation.truth, validation.proba, validation.sample_weight)
    members = []
    for index, name in enumerate(predictions.names):
        hard = predictions.hard[index]
        members.append(
            {
                "name": name,
                "kind": "hard labels" if hard else "probabilities",
                "accuracy": float(accuracy[index]),
                "val_accuracy": None if val_accuracy is None else float(val_accuracy[index]),
                "confidence": None if hard else float(predictions.proba[index].max(axis=-1).mean(dtype=np.float64)),
                "metadata": dict(predictions.metadata[index]),
            }
        )
    balance = [
        {
            "name": name,
            "rows": int((predictions.truth == label).sum()),
            "val_rows": None if validation is None else int((validation.truth == label).sum()),
        }
        for label, name in enumerate(predictions.classes)
    ]
    return dict(
        jsonable(
            {
                "schema": "ensembler.members/1",
                "n_members": predictions.n_members,
                "n_rows": predictions.n_samples,
                "n_val_rows": None if validation is None else validation.n_samples,
                "n_classes": predictions.n_classes,
                "classes": balance,
                "members": members,
            }
        )
    )


def members_document(description: dict[str, Any]) -> Document:
    """Arrange the description of a set for reading."""
    with_val = description["n_val_rows"] is not None
    val_rows = f", {description['n_val_rows']:,} validation rows" if with_val else ", no validation rows"
    sizes = f"{description['n_members']} members, {description['n_rows']:,} rows"
    sentence = f"{sizes}{val_rows}, {description['n_classes']} classes."
    classes = sorted(description["classes"], key=lambda entry: -entry["rows"])
    cut = len(classes) > MOST_CLASSES
    shown = classes[:MOST_CLASSES] if cut else description["classes"]
    rows = [
        [entry["name"], f"{entry['rows']:,}", number(entry["rows"] / description["n_rows"], 3)]
        + ([f"{entry['val_rows']:,}"] if with_val else [])
        for entry in shown
    ]
    notes = [f"{len(classes) - MOST_CLASSES} rarer classes are not shown (--json has all)"] if cut else []
    balance = Table("Classes", ["class", "rows", "share", *(["val. rows"] if with_val else [])], rows, notes)
    ranked = sorted(description["members"], key=lambda member: -member["accuracy"])
    rows = [
        [member["name"]]
        + ([number(member["val_accuracy"])] if with_val else [])
        + [number(member["accuracy"]), number(member["confidence"]), member["kind"]]
        for member in ranked
    ]
    headers = ["member", *(["val.\nacc."] if with_val else []), "acc.", "confidence", "kind"]
    notes = ["confidence: mean of the largest probability; above the accuracy, a member is too sure of itself"]
    parts: list[Table | str] = [sentence, balance, Table("Members", headers, rows, notes, left=(0, len(headers) - 1))]
    known = [[member["name"], facts(member["metadata"])] for member in ranked if member["metadata"]]
    if known:
        parts.append(Table("Metadata", ["member", "what is known"], known, ["more of it with --json"], left=(0, 1)))
    return Document(parts)


def facts(metadata: dict[str, Any]) -> str:
    """Write metadata in one line: single values, without long ones such as checksums."""
    simple = {key: value for key, value in metadata.items() if not isinstance(value, (dict, list))}
    told = {key: f"{value:.4g}" if isinstance(value, float) else str(value) for key, value in simple.items()}
    return ", ".join(f"{key}={value}" for key, value in told.items() if len(value) <= LONGEST_FACT)


def describe_rules(rules: dict[str, type[Combiner]]) -> list[dict[str, Any]]:
    """Describe every rule in plain values."""
    described = []
    for name, rule in rules.items():
        defaults = {field.name: field.default for field in dataclasses.fields(rule)}  # type: ignore[arg-type]
        described.append(
            {
                "name": name,
                "class": rule.__name__,
                "summary": (rule.__doc__ or "").strip().partition("\n")[0],
                "learns": rule.learns,
                "hard_labels": not rule().needs_probabilities(),
                "parameters": jsonable(defaults),
                "source": rule.source,
            }
        )
    return described


def rules_document(described: list[dict[str, Any]]) -> Document:
    """Arrange the rules for reading."""
    rows = []
    for rule in described:
        defaults = [f"  {key}={plain(value)}" for key, value in rule["parameters"].items()]
        rows.append(
            [
                "\n".join([rule["name"], *defaults]),
                "yes" if rule["learns"] else "no",
                f"{rule['summary']}\n{rule['source']}",
            ]
        )
    table = Table("Rules", ["rule\n  parameter=default", "learns", "what it does\nsource"], rows, left=(0, 1, 2))
    metrics = "Metrics: " + ", ".join(METRICS) + " (top-k-accuracy:k=3)."
    usage = "Parameters are given as --rule NAME:KEY=VALUE,KEY=VALUE, values as JSON or plain text."
    return Document([table, usage, metrics])


def plain(value: Any) -> str:
    """Write a default as it would be typed."""
    return value if isinstance(value, str) else json.dumps(value)

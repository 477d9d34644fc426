"""Tables and JSON of ``ensembler list``: every rule with its parameters and source, and every metric."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ensembler.combiners.base import Combiner
from ensembler.metrics import METRICS
from ensembler.report.tables import Document, Table
from ensembler.serialization import jsonable

SCHEMA = "ensembler.list/1"


@dataclass(frozen=True)
class RuleEntry:
    """A rule: its names, what it does, whether it learns weights and takes hard labels, defaults, and its source."""

    name: str
    class_name: str
    summary: str
    learns: bool
    hard_labels: bool
    parameters: dict[str, Any]
    source: str

    @classmethod
    def of(cls, name: str, rule: type[Combiner]) -> "RuleEntry":
        """Read what a rule says about itself."""
        defaults = {field.name: field.default for field in dataclasses.fields(rule)}  # type: ignore[arg-type]
        return cls(
            name=name,
            class_name=rule.__name__,
            summary=(rule.__doc__ or "").strip().partition("\n")[0],
            learns=rule.is_trainable,
            hard_labels=not rule().needs_probabilities(),
            parameters=jsonable(defaults),
            source=rule.source,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "name": self.name,
            "class": self.class_name,
            "summary": self.summary,
            "learns": self.learns,
            "hard_labels": self.hard_labels,
            "parameters": self.parameters,
            "source": self.source,
        }


def rule_entries(rules: dict[str, type[Combiner]]) -> list[RuleEntry]:
    """Return what every rule says about itself."""
    return [RuleEntry.of(name, rule) for name, rule in rules.items()]


def describe_rules(rules: Sequence[RuleEntry]) -> dict[str, Any]:
    """Return rules and metrics as the document that ``--json`` prints."""
    return {"schema": SCHEMA, "rules": [rule.to_dict() for rule in rules], "metrics": list(METRICS)}


def rules_document(rules: Sequence[RuleEntry]) -> Document:
    """Arrange rules and metrics for reading."""
    rows = []
    for rule in rules:
        defaults = [f"  {key}={format_default(value)}" for key, value in rule.parameters.items()]
        learns = "yes" if rule.learns else "no"
        rows.append(["\n".join([rule.name, *defaults]), learns, f"{rule.summary}\n{rule.source}"])
    table = Table("Rules", ["rule\n  parameter=default", "learns", "what it does\nsource"], rows, left=(0, 1, 2))
    metrics = "Metrics: " + ", ".join(METRICS) + " (top-k-accuracy:k=3)."
    usage = "Parameters are given as --rule NAME:KEY=VALUE,KEY=VALUE, values as JSON or plain text."
    return Document([table, usage, metrics])


def format_default(value: Any) -> str:
    """Write a default as it would be typed."""
    return value if isinstance(value, str) else json.dumps(value)

"""Tables and JSON of ``ensembler list``: every rule with its parameters and source, and every metric."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ensembler.combiners.base import Combiner
from ensembler.combiners.families import FAMILIES, describe_family
from ensembler.comparison.evidence import shipped_evidence
from ensembler.metrics import METRICS
from ensembler.report.tables import MISSING, Document, Table, number
from ensembler.serialization import jsonable

SCHEMA = "ensembler.list/1"


@dataclass(frozen=True)
class SetsEvidence:
    """What many sets say of a rule: its average gains over the mean, and from how many fitting rows it has one.

    The log loss is None of a rule that only hard labels have evidence of.
    """

    n_sets: int
    accuracy: float
    log_loss: float
    pays_from: int | None

    @classmethod
    def of(cls, name: str) -> "SetsEvidence | None":
        """Look a rule up in the evidence that the package ships."""
        evidence = shipped_evidence()
        gains = [evidence.average(name, metric, "probabilities") for metric in ("accuracy", "log-loss")]
        if name == "mean" or gains[0] is None or gains[1] is None:
            return None
        return cls(evidence.n_sets("probabilities"), gains[0], gains[1], evidence.pays_from(name, "probabilities"))


@dataclass(frozen=True)
class RuleEntry:
    """A rule: its names, family and source, what it does, whether it learns and takes hard labels, and its defaults."""

    name: str
    family: str
    class_name: str
    summary: str
    learns: bool
    hard_labels: bool
    parameters: dict[str, Any]
    source: str
    evidence: "SetsEvidence | None"

    @classmethod
    def of(cls, name: str, rule: type[Combiner]) -> "RuleEntry":
        """Read what a rule says about itself."""
        defaults = {field.name: field.default for field in dataclasses.fields(rule)}  # type: ignore[arg-type]
        return cls(
            name=name,
            family=rule.family,
            class_name=rule.__name__,
            summary=(rule.__doc__ or "").strip().partition("\n")[0],
            learns=rule.is_trainable,
            hard_labels=not rule().needs_probabilities(),
            parameters=jsonable(defaults),
            source=rule.source,
            evidence=SetsEvidence.of(name),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "name": self.name,
            "family": self.family,
            "class": self.class_name,
            "summary": self.summary,
            "learns": self.learns,
            "hard_labels": self.hard_labels,
            "parameters": self.parameters,
            "source": self.source,
            "evidence": None if self.evidence is None else vars(self.evidence),
        }


def rule_entries(rules: dict[str, type[Combiner]]) -> list[RuleEntry]:
    """Return what every rule says about itself."""
    return [RuleEntry.of(name, rule) for name, rule in rules.items()]


def describe_rules(rules: Sequence[RuleEntry]) -> dict[str, Any]:
    """Return rules and metrics as the document that ``--json`` prints."""
    return {"schema": SCHEMA, "rules": [rule.to_dict() for rule in rules], "metrics": list(METRICS)}


def rules_document(rules: Sequence[RuleEntry]) -> Document:
    """Arrange rules by their families, and metrics, for reading."""
    n_sets = shipped_evidence().n_sets("probabilities")
    notes = [
        f"accuracy, log loss: how much better than the mean, on average over {n_sets} sets",
        "from rows: so many fitting rows a rule needs to have a lower log loss than the mean",
    ]
    usage = "Parameters are given as --rule NAME:KEY=VALUE,KEY=VALUE, values as JSON or plain text."
    families = "A family's name stands for its rules, as in --rule fixed, and all for every rule."
    tables = [family_table(family, some) for family, some in by_family(rules).items()]
    tables[-1] = dataclasses.replace(tables[-1], notes=notes)
    return Document([*tables, usage, families, metrics_table()])


def by_family(rules: Sequence[RuleEntry]) -> dict[str, list[RuleEntry]]:
    """Return rules by their families, in the order of `FAMILIES`."""
    others = [rule.family for rule in rules if rule.family not in FAMILIES]
    found = {family: [rule for rule in rules if rule.family == family] for family in [*FAMILIES, *others]}
    return {family: some for family, some in found.items() if some}


def family_table(family: str, rules: Sequence[RuleEntry]) -> Table:
    """Arrange the rules of a family."""
    rows = []
    for rule in rules:
        defaults = [f"  {key}={format_default(value)}" for key, value in rule.parameters.items()]
        learns = "yes" if rule.learns else "no"
        cells = [learns, *evidence_cells(rule), f"{rule.summary}\n{rule.source}"]
        rows.append(["\n".join([rule.name, *defaults]), *cells])
    headers = ["rule\n  parameter=default", "learns", "accuracy\nin points", "log\nloss", "from\nrows"]
    title = f"{family}: {describe_family(family)}"
    return Table(title, [*headers, "what it does\nsource"], rows, left=(0, 1, 5), broken=True)


def metrics_table() -> Table:
    """Say of every metric what it is."""
    rows = [
        [
            metric.name,
            "more" if metric.greater_is_better else "less",
            "no" if metric.needs_probabilities else "yes",
            metric.summary,
        ]
        for metric in METRICS.values()
    ]
    notes = ["a class is given by its name or number: of a mean over classes, roc-auc:class=NAME takes one"]
    headers = ["metric", "better", "hard\nlabels", "what it is"]
    return Table("Metrics", headers, rows, notes, left=(0, 1, 2, 3))


def evidence_cells(rule: RuleEntry) -> list[str]:
    """Write what many sets say of a rule."""
    found = rule.evidence
    if found is None:
        return [MISSING] * 3
    rows = MISSING if found.pays_from is None or not rule.learns else str(found.pays_from)
    return [f"{100 * found.accuracy:+.2f}", number(found.log_loss, 3, sign=True), rows]


def format_default(value: Any) -> str:
    """Write a default as it would be typed."""
    return value if isinstance(value, str) else json.dumps(value)

"""What ``ensembler subsets --search`` says."""

from typing import Any

from ensembler.predictions.provenance import provenance
from ensembler.report.tables import Document, Table, number
from ensembler.serialization import jsonable
from ensembler.subsets.describe import mask_number
from ensembler.subsets.search import Search, SearchStudy, Step

CHOSEN = "★"


def describe_search(study: SearchStudy, command: str | None = None) -> dict[str, Any]:
    """Return a search as plain values, in the shape of an exact study."""
    names = study.predictions.names

    def entry(step: Step) -> dict[str, Any]:
        members = [name for member, name in enumerate(names) if step.mask >> member & 1]
        across = study.protocol.fit_on == "cross"
        return {
            "mask": mask_number(step.mask, len(names)),
            "members": members,
            "size": step.size,
            "accuracy": step.accuracy,
            "val_accuracy": None if across else step.selection_accuracy,
        }

    def rule(one: Search) -> dict[str, Any]:
        order = sorted(one.steps, key=lambda step: (-step.selection_accuracy, step.size))
        return {
            "rule": one.rule,
            "n_subsets": one.n_evaluated,
            "best": [entry(step) for step in order],
            "chosen": entry(one.chosen),
            "luckiest": None,
            "nested": one.nested,
            "by_size": [entry(step) for step in one.steps],
        }

    document = {
        "schema": "ensembler.subsets-search/1",
        "n_rows": study.predictions.n_samples,
        "n_classes": study.predictions.n_classes,
        "metric": "accuracy",
        "search": "greedy" if study.width == 1 else "beam",
        "width": study.width,
        "members": list(names),
        "weights_frozen": study.frozen,
        "calibrate": study.calibrate,
        "must": [names[member] for member in study.must],
        "protocol": vars(study.protocol),
        "rules": [rule(one) for one in study.rules],
        "left_out": [{"name": name, "reason": reason} for name, reason in study.left_out],
        "reproducibility": provenance(study.predictions, study.protocol.seed, command),
    }
    plain = jsonable(document)
    assert isinstance(plain, dict)
    return plain


def search_document(found: dict[str, Any]) -> Document:
    """Arrange a described search for reading."""
    kind = "greedy forward search" if found["width"] == 1 else f"beam search, {found['width']} wide"
    protocol = found["protocol"]
    where = (
        "on the scored rows themselves"
        if protocol["fit_on"] in ("cross", "test")
        else f"on {protocol['n_fit']:,} other rows than the {protocol['n_scored']:,} scored ones"
    )
    parts: list[Table | str] = [f"{len(found['members'])} members: {kind} {where}. What it finds need not be the best."]
    if protocol["optimistic"]:
        parts.append("OPTIMISTIC: fitted and chosen on the scored rows.")
    if found["weights_frozen"]:
        parts.append("Weights are fitted once, on all members, and stay as they are in every committee.")
    if found["calibrate"] == "members":
        parts.append("Each member has a temperature, fitted where weights are.")
    for rule in found["rules"]:
        inside = rule["chosen"]["val_accuracy"] is not None
        rows = []
        before: set[str] = set()
        for entry in rule["by_size"]:
            now = set(entry["members"])
            change = [f"+{name}" for name in entry["members"] if name not in before]
            change += [f"−{name}" for name in sorted(before - now)]
            mark = CHOSEN if entry["mask"] == rule["chosen"]["mask"] else ""
            told = ", ".join(change[:6]) + (f" and {len(change) - 6} more" if len(change) > 6 else "")
            rows.append(
                [mark, str(entry["size"]), *[number(entry["val_accuracy"])] * inside, number(entry["accuracy"]), told]
            )
            before = now
        headers = ["", "size", *["acc.\nto choose"] * inside, "accuracy", "change"]
        strong = [row for row, cells in enumerate(rows) if cells[0]]
        title = f"Best found of each size: {rule['rule']}, {rule['n_subsets']:,} committees looked at"
        parts.append(Table(title, headers, rows, left=(0, len(headers) - 1), strong=strong))
        chosen = rule["chosen"]
        text = f"{rule['rule']}: use {', '.join(chosen['members'])}: accuracy {number(chosen['accuracy'])}."
        if rule["nested"] is not None:
            text += f" Searching anew in each fold reached {number(rule['nested'])}: the honest figure."
        parts.append(text)
    parts += [f"Left out: {one['name']}: {one['reason']}" for one in found["left_out"]]
    return Document(parts)

"""What ``ensembler bench`` says: the members, the rules, the recalls, and which rule to use."""

import numpy as np

from ensembler.report.tables import Document, Table, number
from ensembler.results import Comparison, RuleScore

CHOSEN, LUCKIEST, WORSE = "★", "†", "↓"
SHORT = {
    "accuracy": "acc.",
    "balanced-accuracy": "bal.\nacc.",
    "macro-f1": "macro\nF1",
    "log-loss": "log\nloss",
    "brier": "Brier",
    "ece": "ECE",
    "mcc": "MCC",
    "roc-auc": "ROC\nAUC",
}
MOST_MEMBERS = 20
MOST_CLASSES = 20
LEADING = 3


def bench_document(result: Comparison) -> Document:
    """Arrange a comparison for reading."""
    parts: list[Table | str] = [protocol_sentence(result), members_table(result), rules_table(result)]
    if result.rules:
        parts.append(recall_table(result))
    parts.append(conclusion(result))
    return Document(parts)


def protocol_sentence(result: Comparison) -> str:
    """Say which rows weights were fitted on, which were scored, and how a rule was chosen."""
    protocol = result.protocol
    size = f"{result.predictions.n_members} members, {result.predictions.n_classes} classes. "
    by_groups = " by group" if result.predictions.groups is not None else ""
    folds = f"{protocol.folds}-fold cross-fitting{by_groups} (seed {protocol.seed})" if protocol.folds else "no folds"
    match protocol.fit_on:
        case "val":
            rows = (
                f"Weights are fitted on {protocol.n_fit:,} validation rows and scored on {protocol.n_scored:,} others"
            )
        case "part":
            rows = f"Weights are fitted on {protocol.n_fit:,} of the rows and scored on the other {protocol.n_scored:,}"
        case "cross":
            rows = f"Each of {protocol.n_scored:,} rows is scored by rules that have not seen it: {folds}"
        case _:
            rows = f"Weights are fitted on the {protocol.n_scored:,} rows that are scored"
    how = "" if protocol.fit_on == "cross" else f"; a rule is chosen by {folds} inside the fitting rows"
    optimistic = (
        " OPTIMISTIC: fitted on the scored rows, so every figure flatters the rules that learn."
        if protocol.optimistic
        else ""
    )
    notes = "".join(f" Note: {note}." for note in protocol.notes)
    return f"{size}{rows}{how}.{optimistic}{notes}"


def header(metric: str) -> str:
    """Return the short heading of a metric."""
    return SHORT.get(metric) or heading(metric)


def mark_optimistic(title: str, result: Comparison) -> str:
    """Say in the title that the figures are optimistic, where they are."""
    return f"{title} (optimistic)" if result.protocol.optimistic else title


def members_table(result: Comparison) -> Table:
    """Show each member by itself, best first."""
    metrics = result.metric_names
    with_fit = any(member.fit_accuracy is not None for member in result.members)
    ranked = sorted(result.members, key=lambda member: -member.metrics["accuracy"])
    shown = ranked[:MOST_MEMBERS]
    fitted = "val.\nacc." if result.protocol.fit_on == "val" else "fit\nacc."
    rows = [
        [member.name]
        + ([number(member.fit_accuracy)] if with_fit else [])
        + [number(member.metrics[metric]) for metric in metrics]
        for member in shown
    ]
    notes = []
    if len(shown) < len(ranked):
        notes.append(f"{len(ranked) - len(shown)} more members are not shown; `ensembler members` lists all.")
    headers = ["member", *([fitted] if with_fit else []), *map(header, metrics)]
    return Table(mark_optimistic("Members", result), headers, rows, notes)


def rules_table(result: Comparison) -> Table:
    """Show each rule, best on the scored rows first, with the chosen and the luckiest marked."""
    rows = []
    for entry in result.rules:
        marks = (CHOSEN if entry.name == result.chosen else "") + (LUCKIEST if entry.name == result.luckiest else "")
        cells = [number(entry.metrics[metric]) for metric in result.metric_names]
        rows.append([marks, entry.name, *cells, number(entry.gain, sign=True)])
    strong = [index for index, entry in enumerate(result.rules) if entry.name == result.chosen]
    notes = [f"{CHOSEN} chosen without the scored rows: the one to use   {LUCKIEST} luckiest: best on the scored rows"]
    if result.best_member is not None:
        where = {"val": "on validation", "test": "on the same rows"}.get(result.protocol.fit_on, "on the fitting rows")
        notes.append(f"gain: {result.metric} against the best member chosen {where}, {result.best_member_name}")
    if result.predictions.n_members > 1:
        notes.append(f"oracle: in {number(result.oracle)} of the rows at least one member is right")
    notes += [
        f"{entry.name}: {note.removeprefix(entry.rule.name + ': ')}" for entry in result.rules for note in entry.notes
    ]
    by_reason: dict[str, list[str]] = {}
    for name, reason in result.left_out:
        by_reason.setdefault(reason, []).append(name)
    notes += [f"left out: {', '.join(names)}: {reason}" for reason, names in by_reason.items()]
    title = mark_optimistic("Combination rules", result)
    return Table(
        title, ["", "rule", *map(header, result.metric_names), "gain"], rows, notes, left=(0, 1), strong=strong
    )


def recall_table(result: Comparison) -> Table:
    """Compare recall per class of the chosen and leading rules with the best member's, marking losses."""
    compared = compared_rules(result)
    counts = np.bincount(result.scored.truth, minlength=result.predictions.n_classes)
    base = result.best_member.recall if result.best_member is not None else np.full(len(counts), np.nan)
    shown = shown_classes(base, compared[0].recall)
    rows = []
    for label in shown:
        cells = [loss_marked(entry.recall[label], base[label]) for entry in compared]
        rows.append([result.predictions.classes[label], f"{counts[label]:,}", f"{number(base[label])}  ", *cells])
    notes = []
    losing = [
        result.predictions.classes[label] for label in range(len(counts)) if compared[0].recall[label] < base[label]
    ]
    if result.best_member is not None:
        few = ", ".join(losing[:10]) + (f" and {len(losing) - 10} more" if len(losing) > 10 else "")
        notes.append(f"{WORSE} worse than the best member; {compared[0].name} is worse in {few or 'no class'}")
    if len(shown) < len(counts):
        notes.append(f"{len(counts) - len(shown)} classes in between are not shown (--json has all)")
    headers = ["class", "rows", "best\nmember", *(heading(entry.name) for entry in compared)]
    return Table(mark_optimistic("Recall per class", result), headers, rows, notes)


def compared_rules(result: Comparison) -> list[RuleScore]:
    """Return the chosen rule and the leading others; a single member is no ensemble to compare."""
    leading = [entry for entry in result.rules if entry.name != result.chosen and entry.rule.name != "best-member"]
    chosen = [entry for entry in result.rules if entry.name == result.chosen]
    return [*chosen, *leading[:LEADING]] or result.rules[:1]


def shown_classes(base: np.ndarray, recall: np.ndarray) -> list[int]:
    """Return all classes, or where they are many those in which the rule loses and gains most, in order."""
    if len(base) <= MOST_CLASSES:
        return list(range(len(base)))
    order = np.argsort(np.nan_to_num(recall - base), kind="stable")
    half = MOST_CLASSES // 2
    return sorted([*order[:half].tolist(), *order[-half:].tolist()])


def loss_marked(value: float, base: float) -> str:
    """Write a recall, with a mark where it is below the best member's."""
    return f"{number(value)} {WORSE if value < base else ' '}"


def heading(name: str) -> str:
    """Break a long rule name at a hyphen or before its parameters."""
    name = name.replace(":", ":\n", 1)
    return name.replace("-", "-\n", 1) if len(name.split("\n")[0]) > 12 else name


def conclusion(result: Comparison) -> str:
    """Say in a sentence which rule to use and what it brings."""
    if result.chosen is None:
        return "No rule could be chosen without the scored rows; see the notes above."
    entry = result[result.chosen]
    gain = (
        ""
        if not np.isfinite(entry.gain)
        else f", {number(entry.gain, sign=True)} against the best member {result.best_member_name}"
    )
    text = f"Use {entry.name}: {result.metric} {number(entry.metrics[result.metric])}{gain}."
    if result.nested is not None:
        nested = number(result.nested["value"])
        text += f" Choosing a rule anew in each fold reached {nested}: the honest figure for the choice."
    if result.chosen != result.luckiest and result.luckiest is not None:
        best = result[result.luckiest]
        reached = number(best.metrics[result.metric])
        text += f" {best.name} reached {reached} on the scored rows, which could not be known without them."
    return text

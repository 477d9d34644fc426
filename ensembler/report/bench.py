"""What ``ensembler bench`` says: the members, the rules, the recalls, and which rule to use."""

import math

import numpy as np

from ensembler.comparison.results import Comparison, MemberScore, RuleScore, Verdict
from ensembler.metrics.calibration import Reliability
from ensembler.report.tables import MISSING, Document, Table, number

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
MOST_PANELS = 4


def bench_document(result: Comparison) -> Document:
    """Arrange a comparison for reading."""
    parts: list[Table | str] = [protocol_sentence(result), members_table(result), rules_table(result)]
    if result.verdict is not None:
        parts += difference_tables(result, result.verdict)
    if any(entry.calibration is not None for entry in result.rules):
        parts.append(calibration_table(result))
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
            others = "scored on the same rows" if protocol.optimistic else f"scored on {protocol.n_scored:,} others"
            rows = f"Weights are fitted on {protocol.n_fit:,} validation rows and {others}"
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


def members_table(result: Comparison, most: int = MOST_MEMBERS) -> Table:
    """Show each member by itself, best first."""
    metrics = result.metric_names
    with_fit = any(member.fit_accuracy is not None for member in result.members)
    less = not result.first_metric.greater_is_better

    def place(member: MemberScore) -> tuple[bool, float, float]:
        value = member.metrics[result.metric]
        known = math.isfinite(value)
        return not known, (value if less else -value) if known else 0.0, -member.metrics["accuracy"]

    ranked = sorted(result.members, key=place)
    shown = ranked[:most]
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
    notes = [f"{CHOSEN} {result.protocol.how_chosen}   {LUCKIEST} luckiest: best on the scored rows"]
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
    return [*chosen, *leading[:LEADING]] or list(result.rules[:1])


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


def interval_notes(result: Comparison, verdict: Verdict) -> list[str]:
    """Say where intervals and p-values come from."""
    samples = f"{verdict.n_resamples:,} bootstrap samples of the scored rows, fitted weights as they are"
    if result.scored.sample_weight is None and result.scored.groups is None:
        return [
            f"95 % intervals: Wilson's for accuracy, else {samples}",
            "p: McNemar's exact test of the accuracies, adjusted by Holm for all rules against the same one",
        ]
    return [
        f"95 % intervals: {samples}",
        "rows with weights or groups are no independent trials, so that there are no p-values and no letters",
    ]


def difference_tables(result: Comparison, verdict: Verdict) -> list[Table]:
    """Show each rule's interval, and its paired comparisons with the best member and with the simple mean."""
    metric = result.metric
    own = interval_notes(result, verdict)
    if verdict.cochran is not None and len(result.rules) > 1:
        own.append(f"Cochran's Q that no rule differs from any other: p {p_value(verdict.cochran.p_value)}")
    if verdict.letters is not None:
        own.append(
            "rules that share a letter are not shown to differ (McNemar, Holm over all pairs), which is not 'equal'"
        )
    tables = []
    strong = [row for row, entry in enumerate(result.rules) if entry.name == verdict.recommended]
    for other, notes in (("best member", own), ("mean", power_notes(result))):
        first = other == "best member"
        tests = [entry.against_best if first else entry.against_mean for entry in result.rules]
        if not any(tests) and not first:
            continue
        rows = []
        for entry, test in zip(result.rules, tests, strict=True):
            cells = [entry.name]
            if first:
                cells.append(interval(entry.intervals.get(metric)))
            if test is None:
                cells += [MISSING, MISSING, MISSING]
            else:
                cells += [number(test.difference, sign=True), interval(test.interval, sign=True), p_value(test.p_holm)]
            if first and verdict.letters is not None:
                cells.append(verdict.letters[entry.name])
            rows.append(cells)
        headers = ["rule", *([metric] if first else []), "difference", "95 % interval", "p"]
        left: tuple[int, ...] = (0,)
        if first and verdict.letters is not None:
            left = (0, len(headers))
            headers.append("letters")
        title = mark_optimistic(f"Noise or not: {metric} against the {other}", result)
        tables.append(Table(title, headers, rows, notes, left=left, strong=strong))
    return tables


def calibration_table(result: Comparison) -> Table:
    """Show how sure rules are, and their log loss when that is put right, best first."""
    entries = [entry for entry in result.rules if entry.calibration is not None]
    entries.sort(key=lambda entry: entry.calibration.log_loss if entry.calibration is not None else 0.0)
    rows = [
        [
            entry.name,
            number(entry.metrics["ece"]),
            number(entry.metrics["log-loss"]),
            number(entry.calibration.temperature, 2),
            number(entry.calibration.log_loss),
        ]
        for entry in entries
        if entry.calibration is not None
    ]
    notes = [
        "best T: the temperature that would fit the scored rows; above 1 the rule is too sure, below 1 not sure enough",
        "log loss at best T: fitted on half of the rows and measured on the other; compare rules by this one",
    ]
    if result.calibrate == "members":
        notes.append("each member had a temperature, fitted with the rule, before it was combined")
    elif result.calibrate == "ensemble":
        notes.append("each rule's result had a temperature, fitted with the rule")
    headers = ["rule", "ECE", "log loss", "best T", "log loss\nat best T"]
    return Table(mark_optimistic("Calibration", result), headers, rows, notes)


def reliability_panels(result: Comparison) -> list[tuple[str, Reliability]]:
    """Return reliability diagrams of the best member, of what to use, the chosen rule, the mean and a leading rule."""
    recommended = None if result.verdict is None else result.verdict.recommended
    wanted = [recommended, result.chosen, "mean", *(entry.name for entry in compared_rules(result))]
    panels = []
    if result.best_member is not None and result.best_member.reliability is not None:
        panels.append((f"best member: {result.best_member_name}", result.best_member.reliability))
    for name in dict.fromkeys(wanted):
        entry = next((one for one in result.rules if one.name == name), None)
        if entry is not None and entry.reliability is not None and len(panels) < MOST_PANELS:
            panels.append((entry.name, entry.reliability))
    return panels


def power_notes(result: Comparison) -> list[str]:
    """Say how small a difference these rows could have shown, and what is excluded, for the chosen rule."""
    if result.chosen is None:
        return []
    test = result[result.chosen].against_mean or result[result.chosen].against_best
    if test is None:
        return []
    notes = []
    if test.smallest_detectable is not None:
        notes.append(
            f"{result.chosen} and {test.against} disagree so often that these rows show an accuracy difference of "
            f"{number(test.smallest_detectable)} in 8 of 10 cases, and smaller ones less often"
        )
    if test.excluded_beyond is not None:
        notes.append(
            f"{result.chosen} and {test.against}: differences beyond ±{number(test.excluded_beyond)} are excluded"
        )
    return notes


def interval(ends: tuple[float, float] | None, *, sign: bool = False) -> str:
    """Write an interval."""
    return MISSING if ends is None else f"{number(ends[0], sign=sign)} … {number(ends[1], sign=sign)}"


def p_value(value: float | None) -> str:
    """Write a p-value; small ones as a bound."""
    if value is None:
        return MISSING
    return "<.001" if value < 0.001 else number(value, 3)


def conclusion(result: Comparison) -> str:
    """Say in a sentence which rule to use and what it brings."""
    if result.chosen is None:
        return "No rule could be chosen without the scored rows; see the notes above."
    if result.verdict is not None:
        text = " ".join(result.verdict.sentences)
    else:
        entry = result[result.chosen]
        text = f"Use {entry.name}: {result.metric} {number(entry.metrics[result.metric])}."
    if result.nested is not None:
        nested = number(result.nested["value"])
        text += f" Choosing a rule anew in each fold reached {nested}: the honest figure for the choice."
    if result.chosen != result.luckiest and result.luckiest is not None and not result.protocol.optimistic:
        best = result[result.luckiest]
        reached = number(best.metrics[result.metric])
        text += f" {best.name} reached {reached} on the scored rows, which could not be known without them."
    luck = None if result.verdict is None else result.verdict.optimism
    if luck is not None and len(result.rules) > 1 and luck.optimism > 0:
        text += (
            f" Of the best accuracy, {number(luck.raw)}, {number(luck.optimism)} is the luck of the best of "
            f"{luck.n_candidates} (bootstrap bias correction leaves {number(luck.corrected)})."
        )
    return text

"""Tables and sentences of ``ensembler bench``: the members, the rules, the recalls, and which rule to use."""

import math

import numpy as np

from ensembler.comparison.outcome import use
from ensembler.comparison.results import Comparison, MemberScore, RuleScore
from ensembler.comparison.wording import format_value, reason_sentences, standing
from ensembler.metrics import TIED_DECIMALS
from ensembler.ranking.learning_curve import LearningCurve
from ensembler.report.balance import shift_table
from ensembler.report.differences import difference, unit
from ensembler.report.leading import (
    best_member_recall,
    compared_rules,
    losing_classes,
    recommended_rule,
    shown_classes,
)
from ensembler.report.learning_curve import learning_curve_table
from ensembler.report.members import ANSWERED_NOTE
from ensembler.report.noise import difference_tables
from ensembler.report.tables import (
    CHOSEN,
    LUCKIEST,
    RECOMMENDED,
    WORSE,
    Document,
    Table,
    count,
    heading,
    mark_optimistic,
    number,
    some_of,
)

MOST_MEMBERS = 20
MOST_LOSING = 10


def full_document(result: Comparison, curve: LearningCurve | None = None) -> Document:
    """Arrange all of a comparison for reading: the verdict, then every table."""
    parts: list[Table | str] = [" ".join(conclusion(result)), protocol_sentence(result)]
    parts += [rules_table(result), members_table(result)]
    if result.verdict is not None:
        parts += difference_tables(result, result.verdict)
    if any(entry.calibration is not None for entry in result.rules):
        parts.append(calibration_table(result))
    if result.rules:
        parts.append(recall_table(result))
    return Document([*parts, *asked_tables(result, curve)])


def asked_tables(result: Comparison, curve: LearningCurve | None) -> list[Table | str]:
    """Return the tables of what was asked for by an option of its own: shifts of the prior, a learning curve."""
    shifted = result.balance is not None and bool(result.rules)
    tables: list[Table | str] = [shift_table(result)] if shifted else []
    return tables if curve is None else [*tables, learning_curve_table(curve, recommended_rule(result))]


def short_protocol(result: Comparison) -> str:
    """Say in a line which rows were fitted on and scored."""
    protocol = result.protocol
    match protocol.fit_on:
        case "val":
            text = f"fitted on {count(protocol.n_fit, 'validation row')}, scored on {protocol.n_scored:,} others"
        case "part":
            text = f"fitted on {protocol.n_fit:,} of the rows, scored on the other {protocol.n_scored:,}"
        case "cross":
            text = f"{count(protocol.n_scored, 'row')}, cross-fitted in {protocol.folds} folds"
        case _:
            text = f"fitted on the {count(protocol.n_scored, 'scored row')}"
    warned = "; OPTIMISTIC: these are the same rows" if protocol.optimistic else ""
    return f"{text}{warned}{''.join(f'; {note}' for note in protocol.notes)}"


def protocol_sentence(result: Comparison) -> str:
    """Say which rows weights were fitted on, which were scored, and how a rule was chosen."""
    protocol = result.protocol
    size = f"{count(result.predictions.n_members, 'member')}, {result.predictions.n_classes} classes. "
    by_groups = " by group" if result.predictions.groups is not None else ""
    folds = f"{protocol.folds}-fold cross-fitting{by_groups} (seed {protocol.seed})" if protocol.folds else "no folds"
    match protocol.fit_on:
        case "val":
            others = "scored on the same rows" if protocol.optimistic else f"scored on {protocol.n_scored:,} others"
            rows = f"Weights are fitted on {count(protocol.n_fit, 'validation row')} and {others}"
        case "part":
            rows = f"Weights are fitted on {protocol.n_fit:,} of the rows and scored on the other {protocol.n_scored:,}"
        case "cross":
            rows = f"Each of {count(protocol.n_scored, 'row')} is scored by rules that have not seen it: {folds}"
        case _:
            rows = f"Weights are fitted on the {count(protocol.n_scored, 'scored row')}"
    how = "" if protocol.fit_on == "cross" else f"; a rule is chosen by {folds} inside the fitting rows"
    optimistic = (
        " OPTIMISTIC: fitted on the scored rows, so every figure flatters the rules that learn."
        if protocol.optimistic
        else ""
    )
    notes = "".join(f" Note: {note}." for note in protocol.notes)
    return f"{size}{rows}{how}.{optimistic}{notes}"


def members_table(result: Comparison, most: int = MOST_MEMBERS) -> Table:
    """Show each member by itself, best first."""
    metric, metrics = result.first_metric, result.metrics
    with_fit = any(member.fit_accuracy is not None for member in result.members)

    def place(member: MemberScore) -> tuple[bool, float, float]:
        value = member.metrics[metric.name]
        known = math.isfinite(value)
        return not known, -metric.signed(value) if known else 0.0, -member.metrics["accuracy"]

    ranked = sorted(result.members, key=place)
    shown = ranked[:most]
    fitted = "val.\nacc." if result.protocol.fit_on == "val" else "fit\nacc."
    with_missing = any(member.n_missing for member in result.members)
    rows = [
        [member.name]
        + ([number(member.fit_accuracy)] if with_fit else [])
        + ([number(member.answered_accuracy), f"{member.n_missing:,}"] if with_missing else [])
        + [number(member.metrics[metric.name]) for metric in metrics]
        for member in shown
    ]
    notes = [f"{ANSWERED_NOTE}; other metrics: with the class prior in the other rows"] if with_missing else []
    if result.scored.n_unanswered:
        notes.append(
            f"no member answers {result.scored.n_unanswered:,} of the rows; with every rule they go to the class prior"
        )
    if len(shown) < len(ranked):
        notes.append(f"{len(ranked) - len(shown)} more members are not shown; `ensembler members` lists all.")
    extra = [*([fitted] if with_fit else []), *(["acc. of\nanswered", "missing"] if with_missing else [])]
    headers = ["member", *extra, *(metric.short or heading(metric.name) for metric in metrics)]
    return Table(mark_optimistic("Members", optimistic=result.protocol.optimistic), headers, rows, notes)


def rules_table(result: Comparison) -> Table:
    """Show each rule, best on the scored rows first, with the chosen and the luckiest marked."""
    metrics = result.metrics
    rows = []
    marked = {RECOMMENDED: result.recommended, CHOSEN: result.chosen, LUCKIEST: result.luckiest}
    for entry in result.rules:
        marks = "".join(mark for mark, name in marked.items() if entry.name == name)
        cells = [number(entry.metrics[metric.name]) for metric in metrics]
        rows.append([marks, entry.name, *cells, difference(result.first_metric, entry.gain)])
    strong = [index for index, entry in enumerate(result.rules) if entry.name == result.recommended]
    title = mark_optimistic("Combination rules", optimistic=result.protocol.optimistic)
    headers = ["", "rule", *(metric.short or heading(metric.name) for metric in metrics), "gain"]
    return Table(title, headers, rows, rules_notes(result), left=(0, 1), strong=strong)


def rules_legend(result: Comparison) -> str:
    """Say what the marks of rules are."""
    return f"{RECOMMENDED} recommended   {CHOSEN} {result.protocol.how_chosen}   {LUCKIEST} best on the scored rows"


def rules_notes(result: Comparison) -> list[str]:
    """Say what the marks and the gain are, what was doubtful in a fit, and which rules were left out."""
    notes = [rules_legend(result)]
    if result.best_member is not None:
        where = {"val": "on validation", "test": "on the same rows"}.get(result.protocol.fit_on, "on the fitting rows")
        what = unit(result.first_metric)
        notes.append(f"gain: {what} against the best member chosen {where}, {result.best_member_name}")
    if result.predictions.n_members > 1:
        notes.append(f"oracle: in {number(result.oracle)} of the rows at least one member is right")
    notes += [
        f"{entry.name}: {note.removeprefix(entry.rule.name + ': ')}" for entry in result.rules for note in entry.notes
    ]
    by_reason: dict[str, list[str]] = {}
    for name, reason in result.left_out:
        by_reason.setdefault(reason, []).append(name)
    return notes + [f"left out: {', '.join(names)}: {reason}" for reason, names in by_reason.items()]


def recall_table(result: Comparison) -> Table:
    """Compare recall per class of the chosen and leading rules with the best member's, marking losses."""
    compared, classes = compared_rules(result), result.predictions.classes
    counts = np.bincount(result.scored.true_labels, minlength=len(classes))
    base = best_member_recall(result)
    shown = shown_classes(base, compared[0].recall)
    rows = []
    for label in shown:
        cells = [loss_marked(entry.recall[label], base[label]) for entry in compared]
        rows.append([classes[label], f"{counts[label]:,}", f"{number(base[label])}  ", *cells])
    notes = []
    if result.best_member is not None:
        losing = some_of(losing_classes(result), MOST_LOSING) or "no class"
        notes.append(f"{WORSE} worse than the best member; {compared[0].name} is worse in {losing}")
    if len(shown) < len(counts):
        notes.append(f"{len(counts) - len(shown)} classes in between are not shown (--json has all)")
    headers = ["class", "rows", "best\nmember", *(heading(entry.name) for entry in compared)]
    return Table(mark_optimistic("Recall per class", optimistic=result.protocol.optimistic), headers, rows, notes)


def loss_marked(value: float, base: float) -> str:
    """Write a recall, with a mark where it is below the best member's."""
    return f"{number(value)} {WORSE if value < base else ' '}"


def calibration_table(result: Comparison) -> Table:
    """Show how confident rules are, and their log loss at the best temperature, best first."""
    pairs = [(entry, entry.calibration) for entry in result.rules if entry.calibration is not None]
    pairs.sort(key=lambda pair: round(pair[1].log_loss, TIED_DECIMALS))
    rows = [
        [
            entry.name,
            number(entry.metrics["ece"]),
            number(entry.metrics["log-loss"]),
            number(calibration.temperature, 2),
            number(calibration.log_loss),
        ]
        for entry, calibration in pairs
    ]
    notes = [
        "best T: temperature that would fit the scored rows; above 1 a rule is overconfident, below 1 underconfident",
        "log loss at best T: fitted on half of the rows and measured on the other; compare rules by this one",
    ]
    if result.calibrate == "members":
        notes.append("each member had a temperature, fitted with the rule, before it was combined")
    elif result.calibrate == "ensemble":
        notes.append("each rule's result had a temperature, fitted with the rule")
    headers = ["rule", "ECE", "log loss", "best T", "log loss\nat best T"]
    return Table(mark_optimistic("Calibration", optimistic=result.protocol.optimistic), headers, rows, notes)


def conclusion(result: Comparison) -> list[str]:
    """Return the sentences that say which rule to use and what it brings."""
    imbalance = result.imbalance if result.metric == "accuracy" else None
    return [*advice(result), *reservations(result), *([] if imbalance is None else [imbalance.sentence])]


def advice(result: Comparison) -> list[str]:
    """Return the sentences that say which rule to use, and whether its lead is noise."""
    if result.advice is None:
        return ["No rule could run; see the notes above."]
    if result.verdict is not None:
        return list(result.verdict.sentences)
    rule = result[result.advice.rule]
    value = format_value(result.first_metric, rule.metrics[result.metric])
    optimistic = result.protocol.optimistic
    stands = standing(result.advice, value, [], result.first_metric, optimistic=optimistic, untested=None)
    return [f"{use(of_some=result.of_some)} {stands}", *reason_sentences(result.advice, result.first_metric)]


def reservations(result: Comparison) -> list[str]:
    """Return the sentences that say what choosing anew reaches, and the selection optimism of the best result."""
    if result.chosen is None:
        return []
    sentences = []
    if result.nested is not None:
        nested = number(result.nested["value"])
        sentences.append(f"Choosing a rule anew in each fold reached {nested}: the honest figure for the choice.")
    if result.chosen != result.luckiest and result.luckiest is not None and not result.protocol.optimistic:
        best = reached(result, result[result.luckiest])
        sentences.append(f"{result.luckiest} reached {best} on the scored rows, which could not be known without them.")
    luck = None if result.verdict is None else result.verdict.optimism
    if luck is not None and len(result.rules) > 1 and luck.optimism > 0:
        sentences.append(
            f"Of the best accuracy, {number(luck.raw)}, {100 * luck.optimism:.2f} points are the selection optimism of "
            f"the best of {luck.n_candidates} (bootstrap bias correction leaves {number(luck.corrected)})."
        )
    return sentences


def reached(result: Comparison, entry: RuleScore) -> str:
    """Write what a rule reached in the metric that ranks."""
    return number(entry.metrics[result.metric])

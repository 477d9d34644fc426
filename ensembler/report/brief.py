"""What ``ensembler bench`` prints unless asked for more: the verdict, the leading rules, and how to see the rest."""

import numpy as np

from ensembler.comparison.results import Comparison, RuleScore
from ensembler.metrics import METRICS
from ensembler.report.bench import advice, rules_legend, short_protocol
from ensembler.report.differences import difference, difference_interval
from ensembler.report.tables import (
    CHOSEN,
    LUCKIEST,
    RECOMMENDED,
    Document,
    Table,
    count,
    mark_optimistic,
    number,
    some_of,
)

MOST_RULES = 10
MOST_NAMED = 3
SAME = 1e-6
"""Rules whose metrics differ by less say the same: their weights differ where iterations ended."""
BESIDE = ("log-loss", "ece")
"""Metrics that say how far probabilities can be believed, beside the one that ranks."""


def brief_document(result: Comparison, asked: list[Table | str]) -> Document:
    """Arrange a comparison for a screen: the answer first, then the leading rules, then what was asked for."""
    verdict = [*advice(result)[:1], *of_unknown(result)]
    if result.metric == "accuracy" and result.imbalance is not None:
        verdict.append(result.imbalance.sentence)
    if not result.rules:
        return Document([" ".join(verdict), *asked])
    return Document([" ".join(verdict), leading_table(result), *asked])


def of_unknown(result: Comparison) -> list[str]:
    """Say which rules other sets say nothing of, where the recommended one is another."""
    if result.advice is None or not result.advice.unknown or result.recommended in result.advice.unknown:
        return []
    names = some_of(result.advice.unknown, MOST_NAMED)
    return [f"Other sets say nothing of {names}, and these rows do not show enough of a lead."]


def leading_table(result: Comparison) -> Table:
    """Show the best rules, and those that are recommended, chosen, luckiest, or held against."""
    metric = result.first_metric
    beside = [name for name in BESIDE if name in shown_metrics(result) and name != metric.name]
    marked = {RECOMMENDED: result.recommended, CHOSEN: result.chosen, LUCKIEST: result.luckiest}
    shown = leading(result)
    rows = []
    for entry in shown:
        marks = "".join(mark for mark, name in marked.items() if entry.name == name)
        test = entry.against_best
        cells = [difference(metric, entry.gain)]
        if result.verdict is not None:
            cells.append(difference_interval(metric, None if test is None else test.interval))
        rows.append(
            [
                marks,
                entry.name,
                number(entry.metrics[metric.name]),
                *cells,
                *(number(entry.metrics[name]) for name in beside),
            ]
        )
    headers = ["", "rule", metric.short or metric.name, "vs. best\nmember"]
    headers += ["95 %"] if result.verdict is not None else []
    headers += [METRICS[name].short or name for name in beside]
    strong = [place for place, entry in enumerate(shown) if entry.name == result.recommended]
    title = mark_optimistic(
        f"{len(shown)} of {count(len(result.rules), 'rule')}", optimistic=result.protocol.optimistic
    )
    return Table(title, headers, rows, notes(result), left=(0, 1), strong=strong)


def shown_metrics(result: Comparison) -> set[str]:
    """Return the names of the metrics that were measured."""
    return {metric.name for metric in result.metrics}


def leading(result: Comparison) -> list[RuleScore]:
    """Return the best rules on the scored rows, in that order, among them all that are marked and what they beat."""
    wanted = {result.recommended, result.chosen, result.luckiest, "mean", "best-member"}
    always = [entry for entry in result.rules if entry.name in wanted]
    others = [entry for entry in result.rules if entry.name not in wanted and not repeats_another(entry, result)]
    kept = {entry.name for entry in [*always, *others[: max(0, MOST_RULES - len(always))]]}
    return [entry for entry in result.rules if entry.name in kept]


def repeats_another(entry: RuleScore, result: Comparison) -> bool:
    """Whether a rule is another one with parameters that made no difference here, but for where iterations end."""
    base = entry.name.partition(":")[0]
    others = [other for other in result.rules if other.name == base != entry.name]
    return any(
        np.allclose(list(entry.metrics.values()), list(other.metrics.values()), atol=SAME, rtol=SAME, equal_nan=True)
        for other in others
    )


def notes(result: Comparison) -> list[str]:
    """Say what the marks are, where rules were fitted, and how to see the rest."""
    unit = "points" if result.first_metric.share else result.metric
    lines = [rules_legend(result)]
    if result.best_member is not None:
        lines.append(f"best member: {result.best_member_name}   differences: {unit}, intervals by the bootstrap")
    lines.append(short_protocol(result))
    if result.scored.n_unanswered:
        lines.append(f"no member answers {result.scored.n_unanswered:,} of the rows; they go to the class prior")
    lines.append("members, tests, calibration, classes: --full   one page: ensembler report")
    return lines

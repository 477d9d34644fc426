"""The few figures at the top of a page: what to use, what it is held against, and what could be reached."""

from ensembler.comparison.results import Comparison, RuleScore
from ensembler.report.blocks import Card
from ensembler.report.leading import recommended_rule, rule_named
from ensembler.report.tables import mark_optimistic, number


def cards(result: Comparison) -> list[Card]:
    """Return the few figures that matter."""
    best_member, chosen = result.best_member, result.chosen
    use = recommended_rule(result) or chosen
    made: list[Card] = []
    if use == "best-member" and best_member is not None:
        made.append(rule_card(result, "Use one model alone", best_member, result.best_member_name))
    elif use is not None:
        made.append(rule_card(result, "Use", result[use]))
        if chosen is not None and chosen != use:
            label = "Chosen" if result.protocol.optimistic else result.protocol.how_chosen.capitalize()
            made.append(rule_card(result, label, result[chosen]))
    if best_member is not None and use != "best-member":
        made.append(rule_card(result, "Best single model", best_member, result.best_member_name))
    mean = rule_named(result, "mean")
    if mean is not None and use != "mean":
        made.append(rule_card(result, "Simple mean", mean, "of all members"))
    if result.predictions.n_members > 1:
        made.append(Card("Some member is right", format_share(result.oracle), "of all rows: the ceiling"))
    return made


def rule_card(result: Comparison, label: str, entry: RuleScore, name: str | None = None) -> Card:
    """Return the card of a rule: what it reached in the metric that ranks, with its interval."""
    metric = result.first_metric
    write = format_share if metric.share else number
    ends = entry.intervals.get(metric.name)
    note = "" if ends is None else f"95 %: {write(ends[0])} to {write(ends[1])}"
    label = mark_optimistic(label, optimistic=result.protocol.optimistic)
    return Card(label, write(entry.metrics[metric.name]), entry.name if name is None else name, note)


def format_share(value: float) -> str:
    """Write a share in per cent."""
    return f"{100 * value:.2f} %"

"""The three figures below a page's answer: the best single model, the cheapest choice that is as good, the ceiling."""

from ensembler.comparison.results import Comparison
from ensembler.metrics import Metric
from ensembler.report.alternatives import Alternative, alternatives, member_cost
from ensembler.report.answer import format_interval, format_lead, in_words
from ensembler.report.blocks import Card
from ensembler.report.survey import Survey
from ensembler.report.tables import mark_optimistic, number


def cards(survey: Survey) -> list[Card]:
    """Return the figures that the answer is seen against; none where there is nothing to combine."""
    result = survey.comparison
    if result.predictions.n_members == 1:
        return []
    made = [best_model(result), cheapest(survey), ceiling(result)]
    return [card for card in made if card is not None]


def best_model(result: Comparison) -> Card | None:
    """Return the best single model's card, with its interval."""
    best, metric = result.best_member, result.first_metric
    if best is None:
        return None
    ends = best.intervals.get(metric.name)
    note = "" if ends is None else f"95 % interval {format_value(metric, ends[0])} to {format_value(metric, ends[1])}"
    label = mark_optimistic("Best single model", optimistic=result.protocol.optimistic)
    return Card(label, format_value(metric, best.metrics[metric.name]), str(result.best_member_name), note)


def cheapest(survey: Survey) -> Card | None:
    """Return the card of what costs least to run and is not shown to be worse than what is recommended."""
    result, metric = survey.comparison, survey.comparison.first_metric
    if result.recommended is None or result.protocol.optimistic:
        return None
    use, others = result[result.recommended], alternatives(survey)
    cost = recommended_cost(survey)
    # What costs the same is simpler if it is the mean, which nothing is fitted for.
    cheap = [other for other in others if other.as_good and (other.cost < cost or other.name == "the mean")]
    if any(other.better for other in others):
        # The answer is a committee that is shown to be better than what is recommended: so must be what replaces it.
        cheap = [other for other in others if other.better and other.against_best_member is not None]
    found = min(cheap, key=lambda other: (other.cost, -other.value), default=None)
    if found is None or found.test is None:
        note = "nothing cheaper that was tested is as good" if any(other.test for other in others) else "untested"
        return Card(
            "Cheapest as good", format_value(metric, use.metrics[metric.name]), in_words(use.name, result), note
        )
    lead = format_lead(metric, found.test, in_words(use.name, result)) + format_interval(metric, found.test)
    return Card("Cheapest as good", format_value(metric, found.value), found.name, f"{running(found)}; {lead}")


def recommended_cost(survey: Survey) -> float:
    """Return what running the recommended rule costs, as a share of all members."""
    result = survey.comparison
    assert result.advice is not None
    if result.advice.rule == "best-member":
        return member_cost(survey, result.best_member_name)[0]
    return 1.0 - sum(member_cost(survey, name)[0] for name in result.advice.unused)


def running(found: Alternative) -> str:
    """Say what running it costs."""
    if found.cost >= 1:
        return "runs all members, nothing is fitted"
    return f"{found.cost:.0%} of the {'cost' if found.priced else 'members'}".replace("%", " %")


def ceiling(result: Comparison) -> Card:
    """Return the share of the rows that some member is right about."""
    return Card("Ceiling", f"{100 * result.oracle:.1f} %", "some member is right", "no pick among answers does better")


def format_value(metric: Metric, value: float) -> str:
    """Write a value of the metric: shares in per cent."""
    return f"{100 * value:.1f} %" if metric.share else number(value)

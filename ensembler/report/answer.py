"""The answer of a page in one sentence of plain words: what to use, what it gains, and what it cannot be told from."""

from dataclasses import dataclass

from ensembler.comparison.outcome import PairedTest
from ensembler.comparison.results import Comparison
from ensembler.metrics import Metric
from ensembler.report.alternatives import Alternative, alternatives
from ensembler.report.survey import Survey
from ensembler.report.tables import number

BEST = "your best model"
MOST_DECIMALS = 6


@dataclass(frozen=True)
class Answer:
    """What to use.

    Attributes
    ----------
    title : str
        In few words, for the title of the page.
    sentence : str
        With what it gains and cannot be told apart from.
    rule : str or None
        The name of the rule that it is about.
    """

    title: str
    sentence: str
    rule: str | None = None


def answer(survey: Survey) -> Answer:
    """Say what to use, by how much it is better than the best single model, and what it cannot be told apart from."""
    result = survey.comparison
    if result.recommended is None:
        return Answer("No rule could run", "No rule could run on this set; the sections below say why")
    if result.predictions.n_members == 1:
        return only_member(result)
    if result.protocol.optimistic:
        return optimistic(result)
    others = alternatives(survey)
    better = max((other for other in others if other.better), key=lambda other: other.value, default=None)
    if better is not None and better.against_best_member is not None:
        return committee_answer(result, better)
    return rule_answer(result, others)


def only_member(result: Comparison) -> Answer:
    """Say that there is nothing to combine."""
    name = result.predictions.names[0]
    reached = format_score(result.first_metric, result.members[0].metrics[result.metric])
    title = f"One model only: {name}, {reached}"
    return Answer(title, f"{title}; there is nothing to combine it with")


def optimistic(result: Comparison) -> Answer:
    """Say that nothing follows for other rows."""
    rule = str(result.recommended)
    reached = format_score(result.first_metric, result[rule].metrics[result.metric])
    title = f"Use {in_words(rule, result)}: {reached} (optimistic)"
    return Answer(title, f"{title}, on rows that it was fitted on: nothing follows for others", rule)


def committee_answer(result: Comparison, use: Alternative) -> Answer:
    """Say by how much a committee is better than the best single model, and than what is recommended for all."""
    metric, test = result.first_metric, use.against_best_member
    assert test is not None
    assert use.test is not None
    use_it = f"Use {use.name}: {format_score(metric, use.value)}, {format_lead(metric, test, BEST)}"
    recommended = in_words(str(result.recommended), result)
    lead = format_lead(metric, use.test, f"{recommended} of all members")
    return Answer(use_it, f"{use_it}{format_interval(metric, test)}, {lead}{format_interval(metric, use.test)}")


def rule_answer(result: Comparison, others: list[Alternative]) -> Answer:
    """Say what the recommended rule gains, or that nothing is shown to be better than the best single model."""
    metric, rule = result.first_metric, str(result.recommended)
    entry, best = result[rule], result.best_member
    reached = format_score(metric, entry.metrics[metric.name])
    alike = alike_clause(others, result)
    if rule == "best-member":
        title = f"Use {in_words(rule, result)}: {reached}"
        return Answer(title, f"{title}; {nothing_better(result)}", rule)
    title, test = f"Use {in_words(rule, result)}: {reached}", entry.against_best
    if best is None:
        return Answer(title, f"{title}{alike}", rule)
    if test is None:
        test = PairedTest("best member", entry.gain, None, 0, 0, None)
    if test.interval is None or (test.significant and test.difference > 0):
        use_it = f"{title}, {format_lead(metric, test, BEST)}"
        return Answer(use_it, f"{use_it}{format_interval(metric, test)}{alike}", rule)
    alone = f"{BEST}, {result.best_member_name} ({format_score(metric, best.metrics[metric.name])})"
    lead = f"{format_lead(metric, test, 'it')}{format_interval(metric, test)}"
    if any_shown_better(result):
        return Answer(title, f"{title}, which is not shown to be better than {alone}: {lead}", rule)
    title = f"Nothing is shown to beat {BEST}, {result.best_member_name}"
    return Answer(title, f"Nothing is shown to beat {alone}; {in_words(rule, result)} reaches {reached}, {lead}", rule)


def any_shown_better(result: Comparison) -> bool:
    """Whether any rule is shown to be better than the best single model on the scored rows."""
    tests = [entry.against_best for entry in result.rules]
    return any(test is not None and test.significant and test.difference > 0 for test in tests)


def nothing_better(result: Comparison) -> str:
    """Say of a best single model that is recommended how the rules compare with it."""
    if any_shown_better(result):
        return "some rules do better on the scored rows, which could not be known without them"
    return "no combination is shown to be better"


def alike_clause(others: list[Alternative], result: Comparison) -> str:
    """Name what cannot be told apart from what is recommended: the simple mean, and the cheapest committee."""
    alike = [other for other in others if other.as_good and not other.better]
    whole = [other.name for other in alike if other.name == "the mean"]
    committees = [other for other in alike if other.name not in ("the mean", f"{result.best_member_name} alone")]
    cheapest = min(committees, key=lambda other: (other.cost, other.name), default=None)
    named = [*whole, *([] if cheapest is None else [cheapest.short])]
    return f"; it cannot be told apart from {' or '.join(named)}" if named else ""


def in_words(rule: str, result: Comparison) -> str:
    """Name a rule as it stands after "Use"."""
    return f"{result.best_member_name} alone" if rule == "best-member" else f"the {rule}" if rule == "mean" else rule


def format_score(metric: Metric, value: float) -> str:
    """Write what is reached: shares of rows in per cent."""
    name = metric.name.replace("-", " ")
    return f"{100 * value:.1f} % {name}" if metric.share else f"{name} {number(value)}"


def format_lead(metric: Metric, test: PairedTest, other: str) -> str:
    """Write a difference: shares of rows in percentage points."""
    factor, decimals = precision(metric, test)
    lead = factor * test.difference
    if not lead:
        return f"no different from {other}"
    if metric.share:
        return f"{abs(lead):.{decimals}f} points {'above' if lead > 0 else 'below'} {other}"
    return f"{abs(lead):.{decimals}f} {'better' if lead > 0 else 'worse'} than {other}"


def format_interval(metric: Metric, test: PairedTest) -> str:
    """Write the interval of a difference in brackets, and that McNemar's test does not confirm it where that is so."""
    if test.interval is None:
        return " (untested)"
    factor, decimals = precision(metric, test)
    low, high = (f"{round(factor * end, decimals) + 0.0:.{decimals}f}".replace("-", "−") for end in test.interval)
    doubt = "; McNemar's test does not confirm it" if test.unconfirmed else ""
    return f" (95 % interval {low} to {high}{doubt})"


def precision(metric: Metric, test: PairedTest) -> tuple[float, int]:
    """Return what a difference is multiplied by, and its decimals: so many that a small one is not told as none."""
    factor, decimals = (100.0, 1) if metric.share else (1.0, 4)
    while decimals < MOST_DECIMALS and test.difference and not round(factor * test.difference, decimals):
        decimals += 1
    return factor, decimals

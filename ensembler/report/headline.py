"""The one sentence that says what to use, where committees were tried as well as rules."""

from typing import Protocol

from ensembler.comparison.outcome import Advice, PairedTest
from ensembler.comparison.wording import format_difference, lead_clause, unconfirmed
from ensembler.metrics import METRICS, TIED_DECIMALS
from ensembler.report.tables import number
from ensembler.subsets.baselines import Baselines
from ensembler.subsets.summaries import CommitteeEntry

ACCURACY = METRICS["accuracy"]


class Tried(Protocol):
    """A rule's committees, of a study or of a search."""

    @property
    def rule(self) -> str: ...  # noqa: D102
    @property
    def chosen(self) -> CommitteeEntry | None: ...  # noqa: D102
    @property
    def nested(self) -> float | None: ...  # noqa: D102
    @property
    def baselines(self) -> Baselines | None: ...  # noqa: D102


def headline(advice: Advice | None, rules: tuple[Tried, ...], n_members: int) -> str | None:
    """Say whether to use the recommended rule with all members, or a committee that is shown to be better.

    The committee is that of the rule with the best score where committees are chosen; None where none was tested.
    """
    tested = [rule for rule in rules if rule.chosen is not None and rule.baselines is not None]
    if advice is None or not tested or n_members == 1:
        return None
    rule = max(tested, key=selection_score)
    assert rule.chosen is not None
    assert rule.baselines is not None
    test, best = rule.baselines.against_recommended, rule.baselines.against_best_member
    reached = rule.chosen.accuracy if rule.nested is None else rule.nested
    members = ", ".join(rule.chosen.members)
    recommended = in_words(advice, n_members)
    if test.significant and test.difference > 0:
        text = f"Use {rule.rule} of {members}: accuracy {number(reached)}; "
        text += format_difference(test, recommended, share=True)
        return f"{text}{'' if best is None else '; ' + lead_clause(best, 'the best single model', ACCURACY)}."
    text = f"Use {recommended}: accuracy {number(round(reached - test.difference, TIED_DECIMALS))}"
    return f"{text}; {committee_clause(test, f'{rule.rule} of {members}')}."


def untested(advice: Advice | None, n_members: int, metric: str) -> str | None:
    """Say what is recommended where committees are chosen by a metric that they are not tested by; None elsewhere."""
    if advice is None or n_members == 1 or metric == ACCURACY.name:
        return None
    return (
        f"Use {in_words(advice, n_members)}; the committees below are chosen by {metric}, and are tested against it "
        "where they are chosen by accuracy."
    )


def in_words(advice: Advice, n_members: int) -> str:
    """Say what is recommended without choosing members."""
    return "the best single model" if advice.rule == "best-member" else f"{advice.rule} of all {n_members} members"


def selection_score(rule: Tried) -> float:
    """Return the accuracy by which a rule's committee was chosen."""
    chosen = rule.chosen
    assert chosen is not None
    return chosen.accuracy if chosen.val_accuracy is None else chosen.val_accuracy


def committee_clause(test: PairedTest, committee: str) -> str:
    """Say how the chosen committee compares with what is recommended."""
    lead = format_difference(test, "", share=True)
    if test.interval is None:
        return f"the committee chosen, {committee}, is {lead}, untested"
    if test.significant or test.unconfirmed:
        return f"the committee chosen, {committee}, is {lead}{unconfirmed(test)}"
    return f"the committee chosen, {committee}, cannot be told apart from it: {lead}"

"""What could be used in place of what is recommended: the best single model, committees, the simple mean.

None of them is found on the scored rows; these only test each against what is recommended.
"""

from dataclasses import dataclass, replace

from ensembler.comparison.outcome import PairedTest
from ensembler.comparison.results import Comparison
from ensembler.metrics import TIED_DECIMALS
from ensembler.metrics.sums import weighted_mean
from ensembler.report.leading import rule_named
from ensembler.report.survey import Survey
from ensembler.subsets.baselines import paired
from ensembler.subsets.evaluators import HasOutcomes
from ensembler.subsets.results import RuleStudy, SubsetStudy
from ensembler.subsets.search import SearchStudy

MOST_NAMED = 4
"""So many members of a committee are named; more are counted."""


@dataclass(frozen=True)
class Alternative:
    """Something that could be used.

    Attributes
    ----------
    name : str
        In words, as it stands after "Use".
    value : float
        What it reaches on the scored rows, in the metric that ranks.
    cost : float
        What it costs to run, as a share of running all members; where costs are not known, its share of the members.
    priced : bool
        Whether costs are known.
    test : PairedTest or None
        Against what is recommended, positive where the alternative is better; None where nothing was tested.
    against_best_member : PairedTest or None
    short : str
        The name, with members counted instead of named.
    """

    name: str
    value: float
    cost: float
    priced: bool = False
    test: PairedTest | None = None
    against_best_member: PairedTest | None = None
    short: str = ""

    @property
    def as_good(self) -> bool:
        """Whether it was tested and is not shown to be worse, nor has an interval below 0, than what is recommended."""
        test = self.test
        if test is None or test.interval is None:
            return False
        return not (test.difference < 0 and (test.significant or test.unconfirmed))

    @property
    def better(self) -> bool:
        """Whether it is shown to be better than what is recommended."""
        return self.test is not None and self.test.significant and self.test.difference > 0


def turned(test: PairedTest | None, against: str) -> PairedTest | None:
    """Return a test as seen from the other side."""
    if test is None:
        return None
    ends = None if test.interval is None else (-test.interval[1], -test.interval[0])
    return replace(
        test, against=against, difference=-test.difference, interval=ends, better=test.worse, worse=test.better
    )


def alternatives(survey: Survey) -> list[Alternative]:
    """Return what could be used in place of what is recommended, the best single model first."""
    result = survey.comparison
    return [*whole_alternatives(survey), *committee_alternatives(survey, result)]


def whole_alternatives(survey: Survey) -> list[Alternative]:
    """Return the best single model and the simple mean, where they are not what is recommended."""
    result, found = survey.comparison, []
    use, metric = result.recommended, result.metric
    if use is None:
        return []
    best, entry = result.best_member, result[use]
    if best is not None and use != "best-member":
        cost, priced = member_cost(survey, result.best_member_name)
        test = turned(entry.against_best, use)
        name = f"{result.best_member_name} alone"
        found.append(Alternative(name, best.metrics[metric], cost, priced, test))
    mean = rule_named(result, "mean")
    if mean is not None and use != "mean":
        test = turned(entry.against_mean, use)
        priced = survey.study is not None and survey.study.costs is not None
        found.append(Alternative("the mean", mean.metrics[metric], 1.0, priced, test, mean.against_best))
    return found


def member_cost(survey: Survey, name: str | None) -> tuple[float, bool]:
    """Return what a member costs as a share of all, and whether that is known."""
    names = survey.comparison.predictions.names
    costs = None if survey.study is None else survey.study.costs
    if costs is None or name not in names or not sum(costs) > 0:
        return 1 / len(names), False
    return costs[names.index(name)] / sum(costs), True


def committee_alternatives(survey: Survey, result: Comparison) -> list[Alternative]:
    """Return each rule's chosen committee, and the cheapest within one standard error of the best of those rows."""
    recommendation = result.recommendation
    if result.metric != "accuracy" or recommendation is None:
        return []
    study: SubsetStudy | SearchStudy | None = survey.study if survey.study is not None else survey.search
    found = []
    for rule in () if study is None else study.rules:
        if rule.baselines is None or rule.chosen is None:
            continue
        test, best = rule.baselines.against_recommended, rule.baselines.against_best_member
        value = round(test.difference + result[recommendation.advice.rule].metrics["accuracy"], TIED_DECIMALS)
        members = members_of(rule.chosen.mask, result.predictions.names)
        cost, priced = committee_cost(survey, members)
        if (rule.rule, len(members)) != (recommendation.advice.rule, result.predictions.n_members):
            names = committee_names(rule.rule, members, result)
            found.append(Alternative(names[0], value, cost, priced, test, best, names[1]))
        if isinstance(rule, RuleStudy):
            found += cheapest_alternative(survey, rule)
    return found


def cheapest_alternative(survey: Survey, rule: RuleStudy) -> list[Alternative]:
    """Return the cheapest committee within one standard error of the best, tested on rows it was not chosen on."""
    result, sweep = survey.comparison, rule.scored
    recommendation, evaluator = result.recommendation, sweep.evaluator
    if rule.cost is None or recommendation is None or rule.choice is sweep or not isinstance(evaluator, HasOutcomes):
        return []
    mask = rule.cost.cheapest.mask
    if rule.chosen is not None and mask == rule.chosen.mask:
        return []
    scored, seed = result.scored, result.split.seed
    correct = evaluator.outcomes([mask])[0]
    labels = scored.true_labels
    test = paired(correct, recommendation.proba.argmax(axis=1) == labels, "recommended", scored, seed)
    best = recommendation.best_member
    alone = None if best is None else paired(correct, best.argmax(axis=1) == labels, "best member", scored, seed)
    members = members_of(mask, result.predictions.names)
    cost, priced = committee_cost(survey, members)
    names = committee_names(rule.rule, members, result)
    accuracy = float(weighted_mean(correct, scored.sample_weight))
    return [Alternative(names[0], accuracy, cost, priced, test, alone, names[1])]


def members_of(mask: int, names: tuple[str, ...]) -> list[str]:
    """Return the members of a committee."""
    return [name for member, name in enumerate(names) if mask >> member & 1]


def committee_cost(survey: Survey, members: list[str]) -> tuple[float, bool]:
    """Return what members cost together, as a share of all."""
    shares = [member_cost(survey, name) for name in members]
    return sum(cost for cost, _ in shares), all(priced for _, priced in shares)


def committee_names(rule: str, members: list[str], result: Comparison) -> tuple[str, str]:
    """Name a committee by its rule and members, and by their number."""
    rule = f"the {rule}" if rule == "mean" else rule
    n_members = result.predictions.n_members
    if len(members) == 1:
        return (f"{members[0]} alone",) * 2
    if len(members) == n_members:
        return (f"{rule} of all {n_members} members",) * 2
    short = f"{rule} of {len(members)} members"
    return (f"{rule} of {', '.join(members)}" if len(members) <= MOST_NAMED else short), short

"""Finding a cascade on labelled rows: which committees, which thresholds, and what they may promise."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from ensembler.arrays import Rows
from ensembler.combiners.base import Combiner
from ensembler.combiners.registry import make_rule
from ensembler.comparison.calibration_rows import keep_back
from ensembler.comparison.folds import make_folds
from ensembler.comparison.protocol import DEFAULT_FOLDS, check_seed
from ensembler.deployment.abstention import check_share
from ensembler.deployment.cascades.committees import SIGNALS, Answers, Committees
from ensembler.deployment.cascades.costs import Costs, check_cost
from ensembler.deployment.cascades.definition import CascadeDefinition, Stage
from ensembler.deployment.cascades.front import CascadeData, Front, PricedRoute, Route, two_stages, with_further_stage
from ensembler.deployment.cascades.goal import Goal
from ensembler.deployment.cascades.guarantee import (
    Guarantee,
    bolder_thresholds,
    cheapest_agreeing,
    controlled,
    learn_then_test,
)
from ensembler.deployment.cascades.search import good_committees
from ensembler.deployment.recipe import Recipe
from ensembler.errors import NotApplicableError, ParameterError, UnknownNameError, UsageError, argument
from ensembler.parallel.progress import Progress
from ensembler.predictions.prediction_set import Predictions
from ensembler.subsets.contributions import Contributions
from ensembler.subsets.rules import TOO_STEEP, Part, SweptRule, can_be_additive

MOST_STAGES = 8
EXACT_STEPS, EXACT_BYTES = 3e10, 2e9
"""Rows times pairs of committees, and bytes of their answers, up to which every pair is looked at."""
EXACT_MEMBERS = 13
CALIBRATION_SHARE = 0.3


@dataclass(frozen=True)
class CascadeOptions:
    """What kind of cascade is looked for.

    Attributes
    ----------
    confidence : str
        What the confidence is read from.
    n_stages : int
        At most so many stages.
    goal : Goal
    alpha, delta : float or None
        What is promised: see `ensembler.deployment.cascades.guarantee`.
    calibration_share : float
        The share of the rows that set thresholds which promise something, and choose nothing else.
    costs : Costs or None
        By default those of the members' metadata.
    seed : int
    """

    confidence: str = "top-probability"
    n_stages: int = 2
    goal: Goal = field(default_factory=Goal)
    alpha: float | None = None
    delta: float | None = None
    calibration_share: float = CALIBRATION_SHARE
    costs: Costs | None = None
    seed: int = 0

    @classmethod
    def of(
        cls,
        *,
        confidence: str = "top-probability",
        stages: int = 2,
        target: float | None = None,
        budget: float | None = None,
        match: str | None = None,
        alpha: float | None = None,
        delta: float | None = None,
        calibration_share: float | None = None,
        costs: Costs | Sequence[float] | None = None,
        seed: int = 0,
    ) -> Self:
        """Check options.

        Parameters
        ----------
        confidence : "top-probability", "margin", "entropy" or "agreement"
        stages : int
            At most so many; more than two are found by giving the best cascades one more, and are not exhaustive.
        target, budget, match
            An accuracy, a share of the cost of all members, or "full": see `Goal`.
        alpha : float, optional
            Promise that the cascade differs from its last stage (all members, unless there is a goal) in at most this
            share of new rows.
        delta : float, optional
            Promise it with probability 1 − delta instead of in expectation, and against all members whatever the last
            stage; with ``target``, promise that accuracy.
        calibration_share : float, optional
            The share of rows that sets the thresholds of a promise, by default 0.3.
        costs : Costs or sequence of float, optional
        seed : int
            Divides rows.

        Raises
        ------
        UsageError, ParameterError
        """
        goal = Goal.of(target, budget, match)
        check_seed(seed)
        if confidence not in SIGNALS:
            raise UnknownNameError("confidence signal", confidence, SIGNALS)
        if not isinstance(stages, int) or not 2 <= stages <= MOST_STAGES:
            raise ParameterError(f"{argument('stages')} is {stages}, expected a whole number from 2 to {MOST_STAGES}")
        for name, value in (("alpha", alpha), ("delta", delta), ("calibration_share", calibration_share)):
            if value is not None:
                check_share(argument(name), value)
        if delta is not None and alpha is None and target is None:
            raise UsageError(
                f"{argument('delta')} has no effect without a promise; give {argument('alpha')} or a target accuracy"
            )
        if delta is not None and alpha is not None and target is not None:
            raise UsageError(
                f"a promise is of alpha or of the target accuracy; give {argument('delta')} with one of them"
            )
        if calibration_share is not None and alpha is None and delta is None:
            raise UsageError(
                f"{argument('calibration_share')} has no effect without a promise; give {argument('alpha')} or drop it"
            )
        if alpha is not None and stages > 2 and (delta is None or not goal.given):
            raise UsageError(
                f"several thresholds keep a promise by {argument('delta')} only, and need a goal; give it and "
                f"{argument('budget')} or {argument('match')}, or drop {argument('stages')}"
            )
        if costs is not None and not isinstance(costs, Costs):
            costs = Costs(tuple(check_cost(cost, "a cost") for cost in costs), "cost")
        share = CALIBRATION_SHARE if calibration_share is None else calibration_share
        return cls(confidence, stages, goal, alpha, delta, share, costs, seed)

    @property
    def promises(self) -> bool:
        """Whether thresholds are to promise something."""
        return self.alpha is not None or self.delta is not None

    @property
    def wanted(self) -> str:
        """The cascade that is wanted, in words."""
        if self.alpha is not None and not self.goal.given:
            return f"the cheapest that differs from all members in {self.alpha:.3g} of the rows at most"
        return self.goal.words

    def costs_of(self, predictions: Predictions) -> Costs:
        """Return the costs given, or those of the members' metadata."""
        costs = Costs.of_set(predictions) if self.costs is None else self.costs
        if len(costs.members) != predictions.n_members:
            raise ParameterError(
                f"costs has {len(costs.members)} entries, expected one for each of {predictions.n_members} members"
            )
        return costs


@dataclass(frozen=True, eq=False)
class FittedCascade:
    """A cascade, and what it was picked from.

    Attributes
    ----------
    definition : CascadeDefinition
    chosen : PricedRoute
        Its route, with what it reaches and costs on the rows it was chosen on.
    front : Front
        Of those rows.
    committees : Committees
        That routes refer to.
    rule : SweptRule
        With the rows that its weights were fitted on.
    data : CascadeData
        The rows it was chosen on.
    exact : bool
        Whether every pair of committees was looked at.
    """

    definition: CascadeDefinition
    chosen: PricedRoute
    front: Front
    committees: Committees
    rule: SweptRule
    data: CascadeData
    exact: bool


def fit_cascade(
    predictions: Predictions,
    rule: str | Combiner,
    options: CascadeOptions,
    *,
    n_folds: int = DEFAULT_FOLDS,
    progress: Progress | None = None,
) -> FittedCascade:
    """Find the cascade that is wanted on some labelled rows."""
    if options.promises and predictions.sample_weight is not None:
        raise UsageError(
            "promises are of exchangeable rows, which have no weights; drop the weights, or alpha and delta"
        )
    rows = np.arange(predictions.n_samples)
    spared: Rows | None = None
    if options.promises:
        rows, spared = keep_back(predictions, options.calibration_share, options.seed)
    fitting = predictions if spared is None else predictions.take(rows)
    check_additive(rule)
    swept = SweptRule.of(rule, fitting, "accuracy", freeze=True)
    folds = make_folds(fitting.true_labels, fitting.groups, n_folds, options.seed)
    added = contributions_of(swept, fitting, swept.cross_fitted(folds, fitting.n_samples))
    costs = options.costs_of(predictions)
    exact = is_exact(fitting.n_members, fitting.n_samples)
    committees, n_first = (
        (Committees.every(fitting.n_members), 2**fitting.n_members - 1) if exact else good_committees(added)
    )
    answers = Answers.of(added, committees, options.confidence, n_first)
    data = CascadeData.of(committees, answers, costs, fitting.sample_weight, n_first)
    front = find_front(data, options.n_stages, progress)
    chosen = choose(front, data, fitting, options)
    guarantee = None
    if spared is not None:
        chosen, guarantee = promised(chosen, data, swept, predictions.take(spared), costs, options)
    definition = CascadeDefinition(
        Recipe.of(ready_rule(swept), fitting),
        steps_of(chosen.route, committees),
        options.confidence,
        costs,
        guarantee,
    )
    return FittedCascade(definition, chosen, front, committees, swept, data, exact)


def check_additive(rule: str | Combiner) -> None:
    """Raise unless committees of a rule are sums of what members add, with weights that stay as they are."""
    given = make_rule(rule)
    if not can_be_additive(given):
        raise NotApplicableError(
            f"{given.name}: its committees are no sums of what members add, so that there are no cascades of it; take "
            "mean, a weighted average, log-pool or a vote"
        )


def is_exact(n_members: int, n_rows: int) -> bool:
    """Whether every pair of committees can be looked at."""
    if n_members > EXACT_MEMBERS:
        return False
    return bool(3.0**n_members * n_rows <= EXACT_STEPS and 2.0**n_members * n_rows * 11 <= EXACT_BYTES)


def contributions_of(rule: SweptRule, rows: Predictions, parts: Sequence[Part]) -> Contributions:
    """Return what members add to the scores of rows, by rules fitted elsewhere."""
    data = rule.contributions(rows, parts)
    if data is None:
        raise NotApplicableError(f"{rule.name}: {TOO_STEEP}")
    return data


def find_front(data: CascadeData, n_stages: int, progress: Progress | None) -> Front:
    """Return the front of cascades of so many stages at most."""
    front = two_stages(data, progress)
    for _ in range(n_stages - 2):
        front = with_further_stage(data, front, progress)
    return front


def choose(front: Front, data: CascadeData, rows: Predictions, options: CascadeOptions) -> PricedRoute:
    """Return the route that is wanted; where something is promised, one that is likely to keep it."""
    goal = options.goal
    if options.alpha is not None and not goal.given:
        return data.price(cheapest_agreeing(data, options.alpha))
    if options.delta is not None and goal.accuracy is not None:
        # As far above the target as chance may take calibration rows below it.
        return replace_goal(goal, options, data.n_rows).choose(with_several_stages(front), data, rows)
    return goal.choose(with_several_stages(front) if options.promises else front, data, rows)


def replace_goal(goal: Goal, options: CascadeOptions, n_rows: int) -> Goal:
    """Return a goal of accuracy with a margin that makes it likely to be shown on the calibration rows."""
    from scipy.special import ndtri

    assert goal.accuracy is not None
    share = options.calibration_share
    n_calibration = n_rows * share / (1 - share)
    margin = float(-ndtri(options.delta)) * np.sqrt(goal.accuracy * (1 - goal.accuracy) / n_calibration)
    return replace(goal, accuracy=min(goal.accuracy + margin, 1.0))


def with_several_stages(front: Front) -> Front:
    """Return the routes of a front that have a threshold to set."""
    kept = tuple(entry for entry in front.routes if entry.route.thresholds)
    if not kept:
        raise NotApplicableError(
            "no cascade of two stages is worth its cost here, so that there is no threshold to set"
        )
    return Front(kept, front.n_cascades)


def data_of_routes(
    rule: SweptRule, rows: Predictions, routes: Sequence[Route], known: CascadeData, costs: Costs, signal: str
) -> tuple[CascadeData, list[Route]]:
    """Return what the committees of some routes, and all members, answer on rows that the rule was not fitted on.

    The routes are returned as well, with their committees by the numbers that they have there.
    """
    committees = known.committees
    used = sorted({committee for route in routes for committee in route.committees} | {committees.whole})
    place = {committee: position for position, committee in enumerate(used)}
    part = Committees(tuple(committees.members[committee] for committee in used), committees.n_members)
    answers = Answers.of(contributions_of(rule, rows, rule.whole(rows.n_samples)), part, signal, len(part))
    data = CascadeData.of(part, answers, costs, rows.sample_weight, len(part))
    renumbered = [
        replace(route, committees=tuple(place[committee] for committee in route.committees)) for route in routes
    ]
    return data, renumbered


def promised(
    chosen: PricedRoute, data: CascadeData, rule: SweptRule, spared: Predictions, costs: Costs, options: CascadeOptions
) -> tuple[PricedRoute, Guarantee]:
    """Set the thresholds of a route on rows that chose nothing else."""
    calibration, (route,) = data_of_routes(rule, spared, [chosen.route], data, costs, options.confidence)
    if options.delta is None:
        assert options.alpha is not None
        made, guarantee = controlled(route, calibration, options.alpha)
    else:
        target = options.goal.accuracy if options.alpha is None else None
        alpha = options.alpha if target is None else 1 - target
        assert alpha is not None
        attempts = bolder_thresholds(chosen.route, data)
        made, guarantee = learn_then_test(route, attempts, calibration, alpha, options.delta, target=target is not None)
    return data.price(replace(chosen.route, thresholds=made.thresholds)), guarantee


def steps_of(route: Route, committees: Committees) -> tuple[Stage, ...]:
    """Return the stages of a route with their members."""
    thresholds = (*route.thresholds, None)
    return tuple(
        Stage(committees.members[committee], threshold)
        for committee, threshold in zip(route.committees, thresholds, strict=True)
    )


def ready_rule(swept: SweptRule) -> Combiner:
    """Return the rule fitted on all its fitting rows."""
    from ensembler.subsets.rules import quietly_fitted

    return swept.ready if swept.ready is not None else quietly_fitted(swept.candidate, swept.fitting)

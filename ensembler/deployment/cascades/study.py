"""Looking for a cascade honestly: found on the fitting rows, measured on the scored ones."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Correct, Rows, Values
from ensembler.combiners.base import Combiner
from ensembler.comparison.outcome import PairedTest
from ensembler.comparison.protocol import Split, split_of
from ensembler.deployment.cascades.definition import Stage
from ensembler.deployment.cascades.fitting import (
    CascadeOptions,
    FittedCascade,
    data_of_routes,
    fit_cascade,
    steps_of,
)
from ensembler.deployment.cascades.front import PricedRoute, Route
from ensembler.deployment.cascades.results import (
    CascadeStudy,
    CascadeSummary,
    ClassShare,
    FrontPoint,
    StageSummary,
)
from ensembler.errors import NotApplicableError
from ensembler.metrics.bootstrap import enough_units
from ensembler.metrics.intervals import Interval
from ensembler.metrics.paired import Discordance, standard_error_of_mean
from ensembler.metrics.sums import weighted_mean
from ensembler.parallel.progress import Progress
from ensembler.predictions.prediction_set import Predictions
from ensembler.subsets.baselines import paired

NORMAL = 1.959963984540054
"""The 97.5 % point of the normal distribution."""


@dataclass(eq=False)
class Outcomes:
    """What became of each scored row in one cascade.

    Attributes
    ----------
    stage : (N,)
    predicted : (N,)
    cost : (N,)
    last : (N,)
        The answer of its last stage.
    """

    stage: Rows
    predicted: NDArray[np.uint16]
    cost: Values
    last: NDArray[np.uint16]

    @classmethod
    def empty(cls, n_rows: int) -> Self:
        """Return places for so many rows."""
        return cls(
            np.zeros(n_rows, dtype=np.intp),
            np.zeros(n_rows, dtype=np.uint16),
            np.zeros(n_rows),
            np.zeros(n_rows, dtype=np.uint16),
        )

    def put(self, rows: Rows, other: "Outcomes") -> None:
        """Take over what became of some of the rows."""
        for name, values in vars(other).items():
            getattr(self, name)[rows] = values


@dataclass(eq=False)
class Measured:
    """The scored rows in the cascade that is wanted, in those of the front, and in those they are compared with.

    Attributes
    ----------
    chosen : Outcomes
    front : list of Outcomes
    full, member : (N,)
        The answers of all members, and of the best one.
    """

    chosen: Outcomes
    front: list[Outcomes]
    full: NDArray[np.uint16]
    member: NDArray[np.uint16]

    @classmethod
    def empty(cls, n_rows: int, n_front: int) -> Self:
        """Return places for so many rows."""
        answers = [np.zeros(n_rows, dtype=np.uint16) for _ in range(2)]
        return cls(Outcomes.empty(n_rows), [Outcomes.empty(n_rows) for _ in range(n_front)], *answers)

    def put(self, rows: Rows, other: "Measured") -> None:
        """Take over what became of some of the rows."""
        self.chosen.put(rows, other.chosen)
        for mine, theirs in zip(self.front, other.front, strict=True):
            mine.put(rows, theirs)
        self.full[rows], self.member[rows] = other.full, other.member


def study_cascades(
    predictions: Predictions,
    rule: str | Combiner = "mean",
    options: CascadeOptions | None = None,
    *,
    fit_on: str | None = None,
    folds: int | None = None,
    part: float | None = None,
    seed: int | None = None,
    split: Split | None = None,
    progress: Progress | None = None,
) -> CascadeStudy:
    """Find the cascade that is wanted on the fitting rows, and measure it and its front on the scored rows.

    Parameters
    ----------
    predictions : Predictions
        With labels.
    rule : str or Combiner
        How committees combine; weights are fitted once, on all members.
    options : CascadeOptions, optional
        What is wanted; by default the cheapest cascade within one standard error of the best.
    fit_on, folds, part, seed, split
        As in `ensembler.compare_rules`. Where rows are cross-fitted, each fold is answered by a cascade that was found
        without it; those of the front are then the best that cost as much without it.
    progress : callable, optional
        Called as ``progress(done, total, what)``.

    Returns
    -------
    CascadeStudy

    Raises
    ------
    UsageError, DataError
        As in `ensembler.compare_rules`.
    NotApplicableError
        The rule has no weights that could be frozen, or nothing reaches the goal.
    """
    split = split_of(predictions, split, fit_on=fit_on, folds=folds, part=part, seed=seed)
    options = replace(CascadeOptions() if options is None else options, seed=split.seed)
    options = replace(options, costs=options.costs_of(predictions))
    found = fit_cascade(split.fitting, rule, options, n_folds=split.n_folds, progress=progress)
    routes = found.front.routes
    if split.cross_fitted:
        measured = measured_by_fold(split, rule, options, routes, progress)
    else:
        measured = measure(found, [entry.route for entry in routes], split.scored, options)
    member = best_member(found)
    return CascadeStudy(
        split=split,
        rule=found.rule.name,
        confidence=options.confidence,
        n_stages=options.n_stages,
        wanted=options.wanted,
        definition=found.definition,
        summary=summarize(found, measured, split, member),
        front=tuple(front_points(found, measured, split)),
        guarantee=found.definition.guarantee,
        n_cascades=found.front.n_cascades,
        exact=found.exact,
        stage=measured.chosen.stage,
    )


def best_member(found: FittedCascade) -> int:
    """Return the number of the member that is most accurate where the cascade was chosen."""
    data = found.data
    alone = [
        (float(data.weight @ data.answers.correct[place]), -members[0], members[0])
        for place, members in enumerate(data.committees.members)
        if len(members) == 1
    ]
    return max(alone)[2]


def measure(found: FittedCascade, front: Sequence[Route], rows: Predictions, options: CascadeOptions) -> Measured:
    """Send rows through a cascade and through those of a front."""
    committees = found.committees
    member = Route((committees.members.index((best_member(found),)),))
    routes = [found.chosen.route, *front, member]
    costs = found.definition.costs
    data, (chosen, *others, alone) = data_of_routes(found.rule, rows, routes, found.data, costs, options.confidence)

    def outcomes(route: Route) -> Outcomes:
        followed = data.follow(route)
        return Outcomes(followed.stage, followed.predicted, followed.cost, data.answers.predicted[route.committees[-1]])

    return Measured(
        outcomes(chosen),
        [outcomes(route) for route in others],
        data.answers.predicted[data.committees.whole],
        data.answers.predicted[alone.committees[0]],
    )


def measured_by_fold(
    split: Split,
    rule: str | Combiner,
    options: CascadeOptions,
    front: Sequence[PricedRoute],
    progress: Progress | None,
) -> Measured:
    """Answer each fold by cascades that were found without it."""
    pairs = split.folds.pairs
    if not pairs:
        raise NotApplicableError(f"cascades cannot be cross-fitted: {split.folds.note}")
    measured = Measured.empty(split.fitting.n_samples, len(front))
    for number, (train, rest) in enumerate(pairs):
        if progress is not None:
            progress(number, len(pairs), f"without fold {number + 1}")
        found = fit_cascade(split.fitting.take(train), rule, options, n_folds=split.n_folds)
        alike = [as_cheap_as(found, entry.cost) for entry in front]
        measured.put(rest, measure(found, alike, split.fitting.take(rest), options))
    return measured


def as_cheap_as(found: FittedCascade, cost: float) -> Route:
    """Return the best route of a front that costs no more, or the cheapest."""
    routes = found.front.routes
    return next((entry.route for entry in reversed(routes) if entry.cost <= cost * (1 + 1e-12)), routes[0].route)


def summarize(found: FittedCascade, measured: Measured, split: Split, member: int) -> CascadeSummary:
    """Return what the cascade that is wanted reaches and costs."""
    scored, chosen, data = split.scored, measured.chosen, found.data
    labels, weight = scored.true_labels, scored.sample_weight
    correct = chosen.predicted == labels
    full, alone = measured.full == labels, measured.member == labels
    costs = found.definition.costs
    depth = max(len(found.definition.steps), int(chosen.stage.max()) + 1)

    def share(values: NDArray[np.bool_]) -> float:
        return float(np.average(values, weights=weight))

    return CascadeSummary(
        stages=named(found.definition.steps, scored.names),
        accuracy=share(correct),
        val_accuracy=found.chosen.value / float(data.weight.sum()),
        cost=float(np.average(chosen.cost, weights=weight)),
        val_cost=found.chosen.cost,
        full_cost=costs.full,
        reached=tuple(share(chosen.stage >= number) for number in range(depth)),
        full_accuracy=share(full),
        val_full_accuracy=data.price(Route((data.committees.whole,))).value / float(data.weight.sum()),
        best_member=scored.names[member],
        best_member_accuracy=share(alone),
        best_member_cost=float(costs.of(np.eye(scored.n_members, dtype=bool)[[member]])[0]),
        against_full=tested(correct, full, "all members", split),
        against_best_member=tested(correct, alone, "best member", split),
        disagreement=share(chosen.predicted != measured.full),
        disagreement_with_last=share(chosen.predicted != chosen.last),
        by_class=tuple(class_shares(chosen.stage > 0, correct, full, scored)),
    )


def tested(first: Correct, second: Correct, name: str, split: Split) -> PairedTest:
    """Compare two on the scored rows; where rows have weights, by the standard error of the weighted difference."""
    scored = split.scored
    if scored.sample_weight is None:
        return paired(first, second, name, scored, split.seed)
    value, interval = difference(first, second, scored)
    return PairedTest.of(name, Discordance.of(first, second), value, interval, independent=False)


def difference(first: Correct, second: Correct, scored: Predictions) -> tuple[float, Interval | None]:
    """Return a difference of accuracies and its 95 % interval by its standard error; None where rows are too few."""
    lead = first.astype(np.float64) - second
    value = float(np.average(lead, weights=scored.sample_weight))
    if not enough_units(len(lead), scored.groups):
        return value, None
    margin = NORMAL * standard_error_of_mean(lead, scored.sample_weight, scored.groups)
    return value, (value - margin, value + margin)


def class_shares(escalated: Correct, correct: Correct, full: Correct, scored: Predictions) -> list[ClassShare]:
    """Return how each class fares: which rows are passed on, and what that brings, by weight where rows have one."""
    weight = np.ones(scored.n_samples) if scored.sample_weight is None else scored.sample_weight

    def share(values: Correct, rows: Correct) -> float | None:
        return float(weighted_mean(values[rows], weight[rows])) if rows.any() else None

    shares = []
    for number, name in enumerate(scored.classes):
        of_class = (scored.true_labels == number) & (weight > 0)
        passed_on = share(escalated, of_class)
        if passed_on is None:
            continue
        stopped, passed = of_class & ~escalated, of_class & escalated
        shares.append(
            ClassShare(
                name=name,
                n_rows=int(of_class.sum()),
                escalated=passed_on,
                accuracy_stopped=share(correct, stopped),
                accuracy_escalated=share(correct, passed),
                accuracy_full=share(full, passed),
            )
        )
    return shares


def front_points(found: FittedCascade, measured: Measured, split: Split) -> list[FrontPoint]:
    """Return the front with what became of it on the scored rows."""
    scored, total = split.scored, float(found.data.weight.sum())
    labels, weight, full_cost = scored.true_labels, scored.sample_weight, found.definition.costs.full
    full, alone = measured.full == labels, measured.member == labels
    points = []
    for entry, outcomes in zip(found.front.routes, measured.front, strict=True):
        correct = outcomes.predicted == labels
        against_full, interval = difference(correct, full, scored)
        against_member, member_interval = difference(correct, alone, scored)
        points.append(
            FrontPoint(
                stages=named(steps_of(entry.route, found.committees), scored.names),
                accuracy=float(np.average(correct, weights=weight)),
                cost_share=float(np.average(outcomes.cost, weights=weight)) / full_cost,
                val_accuracy=entry.value / total,
                val_cost_share=entry.cost / full_cost,
                against_full=against_full,
                against_full_interval=interval,
                against_best_member=against_member,
                against_best_member_interval=member_interval,
                chosen=entry.route == found.chosen.route,
            )
        )
    return points


def named(steps: Sequence[Stage], names: Sequence[str]) -> tuple[StageSummary, ...]:
    """Return stages with their members by name."""
    return tuple(StageSummary(tuple(names[member] for member in step.members), step.threshold) for step in steps)

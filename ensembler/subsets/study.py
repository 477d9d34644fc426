"""Sweeping committees honestly: fitted and chosen without the scored rows."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ensembler.combiners.base import Combiner
from ensembler.comparison.compare import (
    DEFAULT_PART,
    check_members_calibrate,
    check_seed,
    divide,
    protocol_of,
    resolve_fit_on,
)
from ensembler.comparison.folds import Folds, make_folds
from ensembler.comparison.results import Protocol
from ensembler.comparison.verdict import PairedTest
from ensembler.errors import NotApplicableError, UnknownNameError, UsageError
from ensembler.metrics.bootstrap import mean_interval
from ensembler.metrics.paired import Discordance, standard_error
from ensembler.metrics.selection import BiasCorrected, bias_corrected_best
from ensembler.predictions.loading.folder import COSTS, is_cost
from ensembler.predictions.prediction_set import Predictions
from ensembler.subsets.evaluators import Judge
from ensembler.subsets.plan import Plan, make_plan
from ensembler.subsets.rules import METRICS, Subject, crossed, subject, whole
from ensembler.subsets.sweep import Committee, Crew, Progress, SubsetSweep, run_sweep, threads, what_to_keep
from ensembler.subsets.tally import Layout

if TYPE_CHECKING:
    from ensembler.subsets.checkpoint import Store

EXACT_OPTIMISM = 2**13
"""With so many committees or fewer, the optimism of the best one is computed over all of them."""
TOP_OPTIMISM = 1000
MOST_OUTCOMES = 2**26
"""Most rows times committees whose outcomes are held at once for it."""
MANY_REFITS, MANY_COMMITTEES = 256, 2**25
"""From so many committees on, a rule's cost is told before it is paid."""
REFITTED_BITS, LOG_LOSS_BITS = 4, 12


AccuracyOf = Callable[[Sequence[int]], list[float]]
Workers = Callable[[], AbstractContextManager[Crew]]
"""Starts whoever evaluates shards."""


@dataclass(frozen=True)
class Estimate:
    """What a rule is about to cost: seconds on one core, and committees of how many members."""

    rule: str
    n_committees: int
    n_members: int
    core_seconds: float
    refitted: bool


@dataclass
class Asked:
    """What is asked of all sweeps of a study."""

    metric: str = "accuracy"
    sizes: tuple[int, int] | None = None
    must: tuple[int, ...] = ()
    top: int = 10
    shard_bits: int = 0
    costs: tuple[float, ...] | None = None
    workers: Workers = threads
    store: "Store | None" = None
    progress: Progress | None = None
    before: "Callable[[Estimate], None] | None" = None
    with_accuracy: bool = False

    def plan(self, n_members: int, rule: Subject, metric: str) -> Plan:
        """Return the committees, in shards that suit what evaluates them."""
        low, high = self.sizes or (1, n_members)
        bits = REFITTED_BITS if rule.is_slow(metric) else LOG_LOSS_BITS if metric == "log-loss" else 0
        return make_plan(n_members, low, high, self.must, self.shard_bits or bits)

    def sweep(
        self,
        rule: Subject,
        scored: Predictions,
        parts: Sequence[Any],
        what: str,
        *,
        optimistic: bool,
        metric: str | None = None,
    ) -> SubsetSweep:
        """Evaluate a rule on all committees that are asked for.

        Raises
        ------
        NotApplicableError
            The rule can run on none of them.
        """
        metric = metric or self.metric
        plan = self.plan(scored.n_members, rule, metric)
        evaluator = rule.evaluator(scored, parts, metric, plan)
        layout = Layout(plan, self.costs)
        keep = what_to_keep(plan)
        if keep == "nothing" and metric != "accuracy":
            raise UsageError(
                f"{plan.n_committees:,} committees by {metric} are too many; sweep by accuracy, or fewer members"
            )
        show = self.progress
        with self.workers() as crew:
            tally, table, listed, missing = run_sweep(
                evaluator,
                layout,
                top=max(self.top, TOP_OPTIMISM),
                keep=keep,
                crew=crew,
                store=self.store,
                key=what,
                tick=None if show is None else lambda done: show(done, plan.n_shards, what),
            )
        if not len(tally.top_masks):
            raise NotApplicableError("it can run on none of these committees")
        notes = ["the rule cannot run on some committees, which are left out"] if missing else []
        return SubsetSweep(
            names=scored.names,
            rule=rule.candidate.name,
            metric=metric,
            plan=plan,
            n_rows=scored.n_samples,
            tally=tally,
            table=table,
            evaluator=evaluator,
            listed=listed,
            optimistic=optimistic,
            notes=notes,
        )


@dataclass
class RuleStudy:
    """One rule on every committee.

    Attributes
    ----------
    scored : SubsetSweep
        On the scored rows.
    choice : SubsetSweep or None
        On the fitting rows, cross-fitted: what the committee is chosen by. The scored sweep itself in cross-fitting;
        None where the rows cannot be divided.
    chosen, luckiest : Committee or None
        The best on the fitting rows, and the best on the scored rows, which luck has helped.
    accuracy, val_accuracy : callable
        From masks to accuracies on the scored rows, and on the rows the committee is chosen by.
    nested : float or None
        In cross-fitting: what choosing a committee anew in each fold reaches on the rows of that fold.
    optimism : BiasCorrected or None
        What is left of the luckiest when it is chosen anew in every bootstrap sample; for accuracy.
    optimism_is_bound : bool
        Whether that was computed over the best committees only, so that the optimism is a lower bound.
    counted : pair of SubsetSweep, or None
        Both sweeps by accuracy, where the metric is another one and they were asked for.
    against_whole : PairedTest or None
        The chosen committee against all members, by accuracy on rows that it was not chosen on.
    thrifty : Committee or None
        The cheapest committee within one standard error of the chosen one on the fitting rows, where costs are known.
    """

    scored: SubsetSweep
    choice: SubsetSweep | None
    chosen: Committee | None
    luckiest: Committee
    accuracy: AccuracyOf
    val_accuracy: AccuracyOf
    nested: float | None = None
    against_whole: PairedTest | None = None
    optimism: BiasCorrected | None = None
    optimism_is_bound: bool = False
    front: list[tuple[Committee, float]] = field(default_factory=list)
    thrifty: Committee | None = None
    counted: "tuple[SubsetSweep, SubsetSweep | None] | None" = None

    @property
    def rule(self) -> str:
        """The rule's name."""
        return self.scored.rule


@dataclass
class SubsetStudy:
    """The result of `study_subsets`."""

    predictions: Predictions
    scored: Predictions
    protocol: Protocol
    metric: str
    frozen: bool
    calibrate: str
    rules: list[RuleStudy]
    left_out: list[tuple[str, str]]
    must: tuple[int, ...]
    costs: tuple[float, ...] | None
    cost_unit: str | None
    top: int


def study_subsets(
    predictions: Predictions,
    rules: Sequence[str | Combiner] = ("mean",),
    *,
    metric: str = "accuracy",
    sizes: tuple[int, int] | None = None,
    must: Sequence[str] = (),
    freeze: bool = False,
    calibrate: str = "none",
    fit_on: str | None = None,
    folds: int = 5,
    part: float | None = None,
    seed: int = 0,
    top: int = 10,
    workers: Workers | None = None,
    store: "Store | None" = None,
    progress: Progress | None = None,
    before: Callable[[Estimate], None] | None = None,
    with_accuracy: bool = False,
) -> SubsetStudy:
    """Evaluate rules on every committee, choose one without the scored rows, and say how lucky the best one was.

    Parameters
    ----------
    predictions : Predictions
        With labels; without row weights, since right rows are counted.
    rules : sequence of str or Combiner
        Additive rules go through the exact kernel; others are fitted again on the members of every committee.
    metric, sizes, must
        As in `sweep_subsets`.
    freeze : bool
        Fit class- and exponential-weighted once on all members, which makes them additive.
    calibrate : "none" or "members"
        Fit a temperature to each member, on the rows that weights are fitted on, before it is combined.
    fit_on, folds, part, seed
        As in `compare_rules`.
    top : int
        How many of the best committees are listed.
    workers : callable, optional
        Starts whoever evaluates shards, see `ensembler.subsets.sweep.threads`, the default.
    store : Store, optional
        A checkpoint.
    progress : callable, optional
        Called as ``progress(done, total, what)``.
    with_accuracy : bool
        Sweep by accuracy as well where the metric is another one, so that every committee has both.
    before : callable, optional
        Called with an `Estimate` before a rule that is refitted, or that has very many committees; what it raises ends
        the study.

    Returns
    -------
    SubsetStudy

    Raises
    ------
    UsageError
        Sizes, members, metrics or protocols that do not exist; row weights.
    DataError
        There are no labels, or no validation rows where they are asked for.
    """
    asked = prepare(predictions, metric, sizes, must, top, workers, store, progress)
    asked.before, asked.with_accuracy = before, with_accuracy
    check_seed(seed, folds)
    check_members_calibrate(calibrate, predictions)
    fit_on = resolve_fit_on(fit_on, part, predictions)
    fitting, scored = divide(predictions, fit_on, DEFAULT_PART if part is None else part, seed)
    parts = make_folds(fitting.truth, fitting.groups, folds, seed)
    protocol = protocol_of(predictions, fit_on, part, parts, seed, fitting, scored)
    found, left_out = [], []
    for rule in rules:
        try:
            one = subject(rule, fitting, metric, freeze=freeze, calibrate=calibrate == "members")
            found.append(study_rule(one, scored, parts, protocol, asked, folds))
        except NotApplicableError as error:
            left_out.append((rule if isinstance(rule, str) else rule.name, str(error)))
    if left_out and not found:
        raise UsageError("; ".join(f"{name}: {reason}" for name, reason in left_out))
    return SubsetStudy(
        predictions,
        scored,
        protocol,
        metric,
        freeze,
        calibrate,
        found,
        left_out,
        asked.must,
        asked.costs,
        member_costs(predictions)[0],
        top,
    )


def prepare(
    predictions: Predictions,
    metric: str,
    sizes: tuple[int, int] | None,
    must: Sequence[str | int],
    top: int,
    workers: Workers | None,
    store: "Store | None",
    progress: Progress | None,
) -> Asked:
    """Check what is asked for."""
    if metric not in METRICS:
        raise UnknownNameError("metric of a sweep", metric, METRICS)
    if predictions.any_hard and metric in ("brier", "log-loss"):
        raise UsageError(f"metric {metric} needs probabilities, and some members are hard labels; sweep by accuracy")
    weighted = [
        one for one in (predictions, predictions.validation) if one is not None and one.sample_weight is not None
    ]
    if weighted:
        raise UsageError("a sweep counts right rows and takes no row weights; drop them")
    if top < 1:
        raise UsageError(f"top is {top}, expected at least 1")
    members = []
    for name in must:
        if isinstance(name, str) and name not in predictions.names:
            raise UnknownNameError("member", name, predictions.names)
        member = predictions.names.index(name) if isinstance(name, str) else int(name)
        if not 0 <= member < predictions.n_members:
            raise UsageError(f"member number {member} is not there, expected 0 to {predictions.n_members - 1}")
        members.append(member)
    return Asked(
        metric=metric,
        sizes=sizes,
        must=tuple(sorted(set(members))),
        top=top,
        costs=member_costs(predictions)[1],
        workers=workers or threads,
        store=store,
        progress=progress,
    )


def member_costs(predictions: Predictions) -> tuple[str | None, tuple[float, ...] | None]:
    """Return what each member costs and in what; nothing where the metadata of a member has no figure."""
    for key in COSTS:
        found = [facts.get(key) for facts in predictions.metadata]
        known = [float(one) for one in found if is_cost(one)]
        if len(known) == len(found):
            return key.replace("_", "-"), tuple(known)
    return None, None


def study_rule(
    one: Subject, scored: Predictions, folds: Folds, protocol: Protocol, asked: Asked, n_folds: int
) -> RuleStudy:
    """Sweep one rule on the rows it is chosen by and on the scored rows."""
    fitting, name, seed = one.fitting, one.candidate.name, protocol.seed
    across = protocol.fit_on == "cross"
    try:
        inside = crossed(one, folds, fitting.n_samples)
    except NotApplicableError:
        if across:
            raise
        inside = None
    parts = inside if across else whole(scored.n_samples)
    assert parts is not None
    if asked.before is not None:
        tell_cost(one, scored, parts, inside, asked, across=across, n_folds=n_folds)
    result = asked.sweep(one, scored, parts, f"{name}: scored rows", optimistic=protocol.optimistic)
    choice = None
    if across:
        choice = result
    elif inside is not None:
        choice = asked.sweep(one, fitting, inside, f"{name}: fitting rows", optimistic=False)
    chosen = None if choice is None else choice.best()
    study = RuleStudy(
        result,
        choice,
        chosen,
        result.best(),
        accuracy_of(one, scored, parts, result),
        accuracy_of(one, fitting, inside, choice),
    )
    if across and folds.pairs:
        study.nested = nested_value(one, folds, asked, n_folds, seed)
    if asked.metric == "accuracy":
        if not across and not protocol.optimistic:
            study.against_whole = against_whole(study, scored, seed)
        if not protocol.optimistic:
            study.optimism, study.optimism_is_bound = luck(result, seed, scored.groups)
        if asked.costs is not None and choice is not None:
            study.front, study.thrifty = cost_front(choice, (scored if across else fitting).groups)
    elif asked.with_accuracy:
        study.counted = (
            asked.sweep(one, scored, parts, f"{name}: scored rows, right", optimistic=False, metric="accuracy"),
            None
            if across or inside is None
            else asked.sweep(one, fitting, inside, f"{name}: fitting rows, right", optimistic=False, metric="accuracy"),
        )
    return study


def against_whole(study: RuleStudy, scored: Predictions, seed: int) -> PairedTest | None:
    """Compare the chosen committee with all members, where it is another one."""
    whole, evaluator = (1 << scored.n_members) - 1, study.scored.evaluator
    if study.chosen is None or study.chosen.mask == whole or not isinstance(evaluator, Judge):
        return None
    first, second = evaluator.outcomes([study.chosen.mask, whole])
    pair = Discordance.of(first, second)
    difference = first.astype(float) - second
    interval = mean_interval(difference, scored.groups, seed=seed)
    independent = scored.groups is None
    return PairedTest.of("all members", pair, float(difference.mean()), interval, independent=independent)


def tell_cost(
    one: Subject,
    scored: Predictions,
    parts: Sequence[Any],
    inside: Sequence[Any] | None,
    asked: Asked,
    *,
    across: bool,
    n_folds: int,
) -> None:
    """Time a shard from the middle and say what all sweeps of a rule will cost, where that can be much."""
    plan = asked.plan(scored.n_members, one, asked.metric)
    refitted = one.is_slow(asked.metric)
    if asked.before is None or plan.n_committees < (MANY_REFITS if refitted else MANY_COMMITTEES):
        return
    evaluator = one.evaluator(scored, parts, asked.metric, plan)
    middle = (1 << plan.prefix_sizes[len(plan.prefix_sizes) // 2]) - 1
    if not refitted:
        evaluator.values(middle)  # The first call compiles.
    started = time.perf_counter()
    evaluator.values(middle)
    seconds = (time.perf_counter() - started) * plan.n_shards
    # Sweeps beside the one on the scored rows: on the fitting rows, or inside the complement of each fold.
    fits = len(inside) if refitted and inside is not None else 1
    rows = one.fitting.n_samples / scored.n_samples
    seconds *= 1 + (fits * rows if not across else n_folds * (1 - 1 / n_folds))
    if refitted and asked.metric == "accuracy":
        seconds *= 1 + min(1.0, EXACT_OPTIMISM / plan.n_committees) / (1 + fits)
    asked.before(Estimate(one.candidate.name, plan.n_committees, plan.n_members, seconds, refitted))


def accuracy_of(one: Subject, rows: Predictions, parts: Sequence[Any] | None, sweep: SubsetSweep | None) -> AccuracyOf:
    """Return what gives the accuracies of some committees: the sweep itself, or an evaluation of its own."""
    if sweep is not None and sweep.metric == "accuracy":
        return sweep.value_of

    if sweep is None or parts is None:
        return lambda masks: [float("nan")] * len(masks)
    evaluator = one.evaluator(rows, parts, "accuracy", sweep.plan)
    return lambda masks: [float(value) / rows.n_samples for value in evaluator.values_of(masks)]


def nested_value(one: Subject, folds: Folds, asked: Asked, n_folds: int, seed: int) -> float | None:
    """Choose a committee for each fold by cross-fitting inside the others; return what the choices reach."""
    data = one.fitting
    total = 0.0
    for number, (train, held) in enumerate(folds.pairs, start=1):
        inner = one.without(train)
        parts = make_folds(inner.fitting.truth, inner.fitting.groups, n_folds, seed)
        try:
            inside = crossed(inner, parts, len(train))
        except NotApplicableError:
            return None
        what = f"{one.candidate.name}: choosing without fold {number}"
        try:
            best = asked.sweep(inner, inner.fitting, inside, what, optimistic=False).best()
        except NotApplicableError:
            return None
        rest = data.take(held)
        plan = asked.plan(data.n_members, one, asked.metric)
        value = inner.evaluator(rest, whole(len(held)), asked.metric, plan).values_of([best.mask])[0]
        total += value if asked.metric == "accuracy" else value * len(held)
    return float(total / data.n_samples)


def luck(sweep: SubsetSweep, seed: int, groups: NDArray[Any] | None) -> tuple[BiasCorrected | None, bool]:
    """Correct the best committee of a sweep for having been picked; over all committees where they are not too many.

    Returns None for a single committee, which nobody picked.
    """
    most = max(2, min(EXACT_OPTIMISM, MOST_OUTCOMES // sweep.n_rows))
    everything = sweep.plan.n_committees <= most and what_to_keep(sweep.plan) != "nothing"
    best = sweep.tally.top_masks[: min(most, TOP_OPTIMISM)]
    masks = (sweep.kept[0] if everything else best).tolist()
    if len(masks) < 2:
        return None, False
    masks.sort(key=lambda mask: (mask.bit_count(), mask))
    assert isinstance(sweep.evaluator, Judge)
    return bias_corrected_best(sweep.evaluator.outcomes(masks), seed=seed, groups=groups), not everything


def cost_front(sweep: SubsetSweep, groups: NDArray[Any] | None) -> tuple[list[tuple[Committee, float]], Committee]:
    """Return the committees that no cheaper one equals, with their costs, and the cheapest that is as good as the best.

    As good is within one standard error of the paired difference.
    """
    tally = sweep.tally
    front = [
        (sweep.committee(mask, value), float(cost))
        for mask, value, cost in zip(
            tally.front_masks.tolist(), tally.front_values.tolist(), tally.front_costs.tolist(), strict=True
        )
    ]
    best = sweep.best()
    assert isinstance(sweep.evaluator, Judge)
    right = sweep.evaluator.outcomes([best.mask, *(committee.mask for committee, _ in front)])
    for position, (committee, _) in enumerate(front, start=1):
        lead = float(right[0].mean() - right[position].mean())
        if lead <= standard_error(right[0], right[position], groups):
            return front, committee
    return front, best


def sweep_predictions(
    data: Predictions,
    rule: str | Combiner = "mean",
    *,
    metric: str = "accuracy",
    sizes: tuple[int, int] | None = None,
    must: Sequence[int | str] = (),
    top: int = 10,
    n_jobs: int | None = None,
    shard_bits: int = 0,
    progress: Progress | None = None,
) -> SubsetSweep:
    """Sweep one split of a prediction set, fitting the rule on the same rows unless it comes fitted."""
    asked = prepare(data, metric, sizes, must, top, lambda: threads(n_jobs), None, progress)
    asked.shard_bits = shard_bits
    one = subject(rule, data, metric, freeze=False)
    optimistic = one.candidate.rule.is_trainable and one.ready is None
    return asked.sweep(one, data, whole(data.n_samples), one.candidate.name, optimistic=optimistic)

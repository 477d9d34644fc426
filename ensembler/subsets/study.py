"""Sweeping committees honestly: fitted and chosen without the scored rows."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ensembler.arrays import Correct
from ensembler.combiners.base import Combiner
from ensembler.combiners.registry import make_rule, named_rules
from ensembler.comparison.candidates import check_members_calibrate
from ensembler.comparison.protocol import Split, check_predictions, split_of
from ensembler.errors import NotApplicableError, Problems, UsageError
from ensembler.parallel.blas import one_blas_thread
from ensembler.parallel.progress import Progress
from ensembler.parallel.workers import Workers
from ensembler.predictions.prediction_set import Predictions
from ensembler.subsets.choice import cost_front, nested_choice, paired_with_whole, selection_optimism
from ensembler.subsets.committees import Committee, SubsetSweep
from ensembler.subsets.evaluators import HasOutcomes
from ensembler.subsets.request import Estimate, SweepRequest, member_costs
from ensembler.subsets.results import AccuracyOf, RuleStudy, SubsetStudy
from ensembler.subsets.rules import Part, SweptRule

if TYPE_CHECKING:
    from ensembler.subsets.checkpoint import Store


@one_blas_thread
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
    folds: int | None = None,
    part: float | None = None,
    seed: int | None = None,
    split: Split | None = None,
    top: int = 10,
    workers: Workers | None = None,
    store: "Store | None" = None,
    progress: Progress | None = None,
    announce: Callable[[Estimate], None] | None = None,
    with_accuracy: bool = False,
) -> SubsetStudy:
    """Evaluate rules on every committee, choose one without the scored rows, and correct the best one for its luck.

    Parameters
    ----------
    predictions : Predictions
        With labels; without row weights, since rows are counted.
    rules : sequence of str or Combiner
        A family's name stands for its rules, ``"all"`` for every one.
        Additive rules go through the exact kernel; others are fitted again on the members of every committee.
    metric, sizes, must
        As in `sweep_subsets`.
    freeze : bool
        Fit rules that are `freezable` (class- and exponential-weighted, log-pool, …) once on all members, which makes
        them additive.
    calibrate : "none" or "members"
        Fit a temperature to each member, on the rows that weights are fitted on, before it is combined.
    fit_on, folds, part, seed, split
        As in `compare_rules`.
    top : int
        How many of the best committees are listed.
    workers : callable, optional
        Starts who evaluates, see `ensembler.parallel.workers.thread_pool`, the default.
    store : Store, optional
        A checkpoint.
    progress : callable, optional
        Called as ``progress(done, total, what)``.
    announce : callable, optional
        Called with an `Estimate` before a rule that is refitted, or that has very many committees; what it raises ends
        the study.
    with_accuracy : bool
        Sweep by accuracy as well where the metric is another one, so that every committee has both.

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
    check_predictions(predictions)
    problems = Problems()
    with problems.collected():
        request = SweepRequest.of(
            predictions,
            metric=metric,
            sizes=sizes,
            must=must,
            top=top,
            workers=workers,
            store=store,
            progress=progress,
            announce=announce,
            with_accuracy=with_accuracy,
        )
    with problems.collected():
        check_members_calibrate(calibrate, predictions)
    with problems.collected():
        split = split_of(predictions, split, fit_on=fit_on, folds=folds, part=part, seed=seed)
    asked = named_rules(rules)
    for rule in asked:
        with problems.collected():
            make_rule(rule)
    problems.raise_all()
    found, left_out = [], []
    for rule in asked:
        try:
            swept = SweptRule.of(rule, split.fitting, metric, freeze=freeze, calibrate=calibrate == "members")
            found.append(study_rule(swept, split, request))
        except NotApplicableError as error:
            left_out.append((rule if isinstance(rule, str) else rule.name, str(error)))
    if left_out and not found:
        raise UsageError("; ".join(f"{name}: {reason}" for name, reason in left_out))
    return SubsetStudy(
        split=split,
        metric=metric,
        frozen=freeze,
        calibrate=calibrate,
        rules=tuple(found),
        left_out=tuple(left_out),
        must=request.must,
        costs=request.costs,
        cost_unit=member_costs(predictions)[0],
        top=top,
    )


def study_rule(rule: SweptRule, split: Split, request: SweepRequest) -> RuleStudy:
    """Sweep one rule on the rows it is chosen by and on the scored rows."""
    scored, protocol, cross_fitted = split.scored, split.protocol, split.cross_fitted
    selection = selection_parts(rule, split)
    parts = selection if cross_fitted and selection is not None else rule.whole(scored.n_samples)
    announce(rule, split, request, parts, selection)
    result = request.sweep(rule, scored, parts, f"{rule.name}: scored rows", optimistic=protocol.optimistic)
    choice = result if cross_fitted else None
    if not cross_fitted and selection is not None:
        choice = request.sweep(rule, rule.fitting, selection, f"{rule.name}: fitting rows", optimistic=False)
    by_accuracy = request.metric == "accuracy"
    chosen = None if choice is None else choice.best()
    optimism, is_bound = None, False
    if by_accuracy and not protocol.optimistic:
        optimism, is_bound = selection_optimism(result, split.seed, scored.groups)
    against_whole = None
    if by_accuracy and not cross_fitted and not protocol.optimistic:
        against_whole = paired_with_whole(chosen, result, scored, split.seed)
    nested = nested_choice(rule, split, request) if cross_fitted and split.folds.pairs else None
    fresh = None if nested is None else nested.correct
    if by_accuracy and not cross_fitted and not protocol.optimistic:
        fresh = outcomes_of(chosen, result)
    cost = None
    if by_accuracy and request.costs is not None and choice is not None:
        cost = cost_front(choice, (scored if cross_fitted else rule.fitting).groups)
    return RuleStudy(
        scored=result,
        choice=choice,
        chosen=chosen,
        luckiest=result.best(),
        accuracy=accuracy_of(rule, scored, parts, result),
        val_accuracy=accuracy_of(rule, rule.fitting, selection, choice),
        nested=None if nested is None else nested.value,
        against_whole=against_whole,
        fresh_correct=fresh,
        optimism=optimism,
        optimism_is_bound=is_bound,
        cost=cost,
        counted=counted_sweeps(rule, split, request, parts, selection),
    )


def outcomes_of(chosen: Committee | None, sweep: SubsetSweep) -> Correct | None:
    """Return about which scored rows the chosen committee is correct."""
    if chosen is None or not isinstance(sweep.evaluator, HasOutcomes):
        return None
    correct: Correct = sweep.evaluator.outcomes([chosen.mask])[0]
    return correct


def selection_parts(rule: SweptRule, split: Split) -> list[Part] | None:
    """Return the cross-fitted parts of the rows that a committee is chosen by; None where they cannot be divided.

    Raises
    ------
    NotApplicableError
        They cannot be divided, and are the scored rows.
    """
    try:
        return rule.cross_fitted(split.folds, rule.fitting.n_samples)
    except NotApplicableError:
        if split.cross_fitted:
            raise
        return None


def announce(
    rule: SweptRule, split: Split, request: SweepRequest, parts: Sequence[Part], selection: Sequence[Part] | None
) -> None:
    """Say what a rule will cost, with the sweeps beside the one on the scored rows."""
    fits = len(selection) if rule.is_slow(request.metric) and selection is not None else 1
    # On the fitting rows, or inside the complement of each fold.
    sweeps = fits * rule.fitting.n_samples / split.scored.n_samples
    if split.cross_fitted:
        sweeps = split.n_folds * (1 - 1 / split.n_folds)
    request.announce_cost(rule, split.scored, parts, sweeps, fits)


def counted_sweeps(
    rule: SweptRule, split: Split, request: SweepRequest, parts: Sequence[Part], selection: Sequence[Part] | None
) -> tuple[SubsetSweep, SubsetSweep | None] | None:
    """Sweep by accuracy as well, where that is asked for beside another metric."""
    if request.metric == "accuracy" or not request.with_accuracy:
        return None

    def sweep(which: str) -> SubsetSweep:
        rows, of_rows = (split.scored, parts) if which == "scored" else (rule.fitting, selection or ())
        what = f"{rule.name}: {which} rows, correct"
        return request.sweep(rule, rows, of_rows, what, optimistic=False, metric="accuracy")

    return sweep("scored"), None if split.cross_fitted or selection is None else sweep("fitting")


def accuracy_of(
    rule: SweptRule, rows: Predictions, parts: Sequence[Part] | None, sweep: SubsetSweep | None
) -> AccuracyOf:
    """Return what gives the accuracies of some committees: the sweep itself, or an evaluation of its own."""
    if sweep is not None and sweep.metric == "accuracy":
        return sweep.value_of
    if sweep is None or parts is None:
        return lambda masks: [float("nan")] * len(masks)
    evaluator = rule.evaluator(rows, parts, "accuracy", sweep.plan)
    return lambda masks: [float(value) / rows.n_samples for value in evaluator.values_of(masks)]

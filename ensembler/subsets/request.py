"""What is asked of the sweeps of a study, and what they are about to cost."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from ensembler.errors import NotApplicableError, Problems, UnknownNameError, UsageError, argument
from ensembler.metrics import METRICS, get_metric
from ensembler.parallel.progress import Progress
from ensembler.parallel.workers import Workers, thread_pool
from ensembler.predictions.loading.folder import COSTS, is_cost
from ensembler.predictions.prediction_set import Predictions
from ensembler.subsets.committees import SubsetSweep
from ensembler.subsets.plan import Plan, make_plan
from ensembler.subsets.rules import Part, SweptRule
from ensembler.subsets.tally import Layout
from ensembler.subsets.workers import run_sweep, what_to_keep

if TYPE_CHECKING:
    from ensembler.subsets.checkpoint import Store

MOST_RANKED = 1000
"""So many of the best committees are kept in order, for the correction of the best one's selection optimism."""
EXACT_OPTIMISM = 2**13
"""With so many committees or fewer, that correction is computed over all of them."""
MANY_REFITS, MANY_COMMITTEES = 256, 2**25
"""From so many committees on, a rule's cost is announced before it is paid."""
REFITTED_BITS, LOG_LOSS_BITS = 4, 12


@dataclass(frozen=True)
class Estimate:
    """What a rule is about to cost: seconds on one core, and committees of how many members."""

    rule: str
    n_committees: int
    n_members: int
    core_seconds: float
    refitted: bool


@dataclass(frozen=True)
class SweepRequest:
    """What is asked of all sweeps of a study.

    Attributes
    ----------
    metric : str
    sizes : (smallest, largest) or None
    must : tuple of int
        Members that every committee has.
    top : int
        How many of the best committees are listed.
    shard_bits : int
        2^shard_bits committees are evaluated at a time; 0 chooses.
    costs : tuple of float or None
        Of the members.
    workers : callable
        Starts who evaluates.
    store : Store or None
        A checkpoint.
    progress, announce : callable or None
        Called with how far a sweep is, and with an `Estimate` before much work.
    with_accuracy : bool
        Sweep by accuracy as well where the metric is another one.
    """

    metric: str = "accuracy"
    sizes: tuple[int, int] | None = None
    must: tuple[int, ...] = ()
    top: int = 10
    shard_bits: int = 0
    costs: tuple[float, ...] | None = None
    workers: Workers = thread_pool
    store: "Store | None" = None
    progress: Progress | None = None
    announce: Callable[[Estimate], None] | None = None
    with_accuracy: bool = False

    @classmethod
    def of(
        cls,
        predictions: Predictions,
        *,
        metric: str = "accuracy",
        sizes: tuple[int, int] | None = None,
        must: Sequence[str | int] = (),
        top: int = 10,
        shard_bits: int = 0,
        workers: Workers | None = None,
        store: "Store | None" = None,
        progress: Progress | None = None,
        announce: Callable[[Estimate], None] | None = None,
        with_accuracy: bool = False,
    ) -> Self:
        """Check what is asked for.

        Raises
        ------
        UsageError
            Metrics or members that do not exist; row weights, which a count has no place for.
        """
        if not isinstance(metric, str):
            raise UnknownNameError("metric of a sweep", str(getattr(metric, "name", metric)), METRICS)
        problems = Problems()
        with problems.collected():
            bound = get_metric(metric).bind(predictions.classes)
            if predictions.any_hard and bound.needs_probabilities:
                raise UsageError(
                    f"metric {metric} needs probabilities, and some members are hard labels; sweep by accuracy"
                )
        parts = [part for part in (predictions, predictions.validation) if part is not None]
        if any(part.sample_weight is not None for part in parts):
            problems.add(UsageError("a sweep counts correct rows and takes no row weights; drop them"))
        if top < 1:
            problems.add(UsageError(f"{argument('top')} is {top}, expected at least 1"))
        numbers = set()
        for name in must:
            with problems.collected():
                numbers.add(member_number(name, predictions))
        problems.raise_all()
        members = tuple(sorted(numbers))
        return cls(
            metric=metric,
            sizes=sizes,
            must=members,
            top=top,
            shard_bits=shard_bits,
            costs=member_costs(predictions)[1],
            workers=workers or thread_pool,
            store=store,
            progress=progress,
            announce=announce,
            with_accuracy=with_accuracy,
        )

    def plan(self, n_members: int, rule: SweptRule, metric: str) -> Plan:
        """Return the committees, in shards that suit what evaluates them."""
        low, high = self.sizes or (1, n_members)
        bits = REFITTED_BITS if rule.is_slow(metric) else LOG_LOSS_BITS if metric == "log-loss" else 0
        return make_plan(n_members, low, high, self.must, self.shard_bits or bits)

    def sweep(
        self,
        rule: SweptRule,
        scored: Predictions,
        parts: Sequence[Part],
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
        keep = what_to_keep(plan)
        if keep == "nothing" and metric != "accuracy":
            raise UsageError(
                f"{plan.n_committees:,} committees by {metric} are too many; sweep by accuracy, or fewer members"
            )
        show = self.progress
        with self.workers() as pool:
            tally, table, listed, missing = run_sweep(
                evaluator,
                Layout(plan, self.costs),
                top=max(self.top, MOST_RANKED),
                keep=keep,
                pool=pool,
                store=self.store,
                key=what,
                tick=None if show is None else lambda done: show(done, plan.n_shards, what),
            )
        if not len(tally.top_masks):
            raise NotApplicableError("it can run on none of these committees")
        notes = ["the rule cannot run on some committees, which are left out"] if missing else []
        return SubsetSweep(
            names=scored.names,
            rule=rule.name,
            metric=metric,
            plan=plan,
            n_rows=scored.n_samples,
            n_top=self.top,
            tally=tally,
            table=table,
            evaluator=evaluator,
            listed=listed,
            optimistic=optimistic,
            notes=notes,
        )

    def announce_cost(
        self, rule: SweptRule, scored: Predictions, parts: Sequence[Part], sweeps: float, selection_parts: int
    ) -> None:
        """Time a shard from the middle and say what a rule will cost, where that can be much.

        Parameters
        ----------
        rule, scored, parts
            As in `sweep`.
        sweeps : float
            How many sweeps there will be beside this one, in units of it.
        selection_parts : int
            Parts of the rows to choose by, where every committee is fitted again.
        """
        plan = self.plan(scored.n_members, rule, self.metric)
        refitted = rule.is_slow(self.metric)
        if self.announce is None or plan.n_committees < (MANY_REFITS if refitted else MANY_COMMITTEES):
            return
        evaluator = rule.evaluator(scored, parts, self.metric, plan)
        middle = (1 << plan.prefix_sizes[len(plan.prefix_sizes) // 2]) - 1
        if not refitted:
            evaluator.values(middle)  # The first call compiles.
        started = time.perf_counter()
        evaluator.values(middle)
        seconds = (time.perf_counter() - started) * plan.n_shards * (1 + sweeps)
        if refitted and self.metric == "accuracy":
            seconds *= 1 + min(1.0, EXACT_OPTIMISM / plan.n_committees) / (1 + selection_parts)
        self.announce(Estimate(rule.name, plan.n_committees, plan.n_members, seconds, refitted))


def member_number(name: str | int, predictions: Predictions) -> int:
    """Return the number of a member that is given by name or number."""
    if isinstance(name, str) and name not in predictions.names:
        raise UnknownNameError("member", name, predictions.names)
    member = predictions.names.index(name) if isinstance(name, str) else int(name)
    if not 0 <= member < predictions.n_members:
        raise UsageError(f"member number {member} is not there, expected 0 to {predictions.n_members - 1}")
    return member


def member_costs(predictions: Predictions) -> tuple[str | None, tuple[float, ...] | None]:
    """Return what each member costs and in what; nothing where the metadata of a member has no figure."""
    for key in COSTS:
        found = [facts.get(key) for facts in predictions.metadata]
        known = [float(cost) for cost in found if is_cost(cost)]
        if len(known) == len(found):
            return key.replace("_", "-"), tuple(known)
    return None, None

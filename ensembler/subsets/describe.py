"""Summaries of studies and searches of committees, and a study as a table of all its committees."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ensembler.errors import NotApplicableError
from ensembler.metrics import get_metric
from ensembler.subsets.committees import SubsetSweep
from ensembler.subsets.results import RuleStudy, SubsetStudy
from ensembler.subsets.search import Search, SearchStudy, Step
from ensembler.subsets.shortcuts import Regret, regrets
from ensembler.subsets.summaries import (
    CommitteeEntry,
    CostSummary,
    EffectsSummary,
    MemberValue,
    OptimismSummary,
    RuleSummary,
    SearchRuleSummary,
    SearchSummary,
    SizeEntry,
    StudySummary,
)

if TYPE_CHECKING:
    import pandas as pd

PLAIN_BITS = 53
"""Masks of so many bits are exact as JSON numbers everywhere."""


def describe_study(study: SubsetStudy, command: str | None = None) -> dict[str, Any]:
    """Return a study as the document that ``--json`` prints."""
    return summarize_study(study).to_dict(command)


def summarize_study(study: SubsetStudy) -> StudySummary:
    """Return what a study comes to: for each rule the best committees, sizes, values of members, costs."""
    return StudySummary(
        predictions=study.predictions,
        metric=study.metric,
        weights_frozen=study.frozen,
        calibrate=study.calibrate,
        must=tuple(study.predictions.names[member] for member in study.must),
        costs=study.costs,
        protocol=study.protocol,
        advice=study.advice,
        rules=tuple(summarize_rule(rule, study) for rule in study.rules),
        left_out=tuple(study.left_out),
    )


def summarize_rule(rule: RuleStudy, study: SubsetStudy) -> RuleSummary:
    """Return what one rule's committees come to."""
    scored, metric = rule.scored, study.metric
    plan, choice = scored.plan, rule.choice or scored
    values = member_values(scored, study.protocol.seed)
    whole = None
    if plan.size_max == plan.n_members:
        whole = entries(rule, [(1 << plan.n_members) - 1], metric)[0]
    return RuleSummary(
        rule=rule.rule,
        n_subsets=plan.n_committees,
        sizes=(plan.size_min, plan.size_max),
        complete=plan.complete and not scored.notes,
        optimistic=scored.optimistic,
        best=entries(rule, [committee.mask for committee in choice.top()], metric),
        chosen=None if rule.chosen is None else entries(rule, [rule.chosen.mask], metric)[0],
        luckiest=entries(rule, [rule.luckiest.mask], metric)[0],
        whole=whole,
        against_whole=rule.against_whole,
        baselines=rule.baselines,
        nested=None if rule.nested is None else natural(rule.nested, metric),
        optimism=optimism_of(rule),
        by_size=size_entries(scored),
        notes=tuple(scored.notes),
        members=None if values is None else values[0],
        effects=None if values is None else values[1],
        cost=cost_of(rule, study),
        regret=regrets_of(choice),
    )


def optimism_of(rule: RuleStudy) -> OptimismSummary | None:
    """Return the selection optimism of the luckiest committee, where that was computed."""
    corrected = rule.optimism
    if corrected is None:
        return None
    return OptimismSummary(
        method="bootstrap bias correction",
        accuracy=corrected.raw,
        corrected=corrected.corrected,
        optimism=corrected.optimism,
        n_subsets=corrected.n_candidates,
        n_resamples=corrected.n_resamples,
        lower_bound=rule.optimism_is_bound,
    )


def size_entries(sweep: SubsetSweep) -> tuple[SizeEntry, ...]:
    """Return how the committees of each size did."""
    return tuple(
        SizeEntry(
            size=size.size,
            n_subsets=size.n_committees,
            worst=natural(size.worst, sweep.metric),
            median=natural(size.median, sweep.metric),
            best=natural(size.best, sweep.metric),
            mask=mask_number(size.committee.mask, sweep.plan.n_members),
            members=size.committee.members,
        )
        for size in sweep.by_size()
    )


def regrets_of(sweep: SubsetSweep) -> tuple[Regret, ...] | None:
    """Return how far shortcuts stay behind the best committee of each size, where the sweep is complete."""
    try:
        return tuple(regrets(sweep))
    except NotApplicableError:
        return None


def cost_of(rule: RuleStudy, study: SubsetStudy) -> CostSummary | None:
    """Return the committees that no cheaper one equals, where costs are known."""
    if rule.cost is None or study.cost_unit is None:
        return None
    masks = [committee.mask for committee, _ in rule.cost.committees]
    front = entries(rule, masks, study.metric, [cost for _, cost in rule.cost.committees])
    return CostSummary(study.cost_unit, front, front[masks.index(rule.cost.cheapest.mask)])


def member_values(sweep: SubsetSweep, seed: int) -> tuple[tuple[MemberValue, ...], EffectsSummary] | None:
    """Return what each member is worth, and what adding one did, where the sweep is complete."""
    try:
        shapley, banzhaf, effects = sweep.shapley(), sweep.banzhaf(), sweep.effects(seed)
    except NotApplicableError:
        return None
    alone = sweep.value_of([1 << member for member in range(sweep.plan.n_members)])
    error = effects.standard_error
    members = tuple(
        MemberValue(
            name=name,
            alone=natural(alone[member], sweep.metric),
            shapley=float(shapley[member]),
            banzhaf=float(banzhaf[member]),
            helped=float(effects.helped[member]),
            hurt=float(effects.hurt[member]),
            mean_effect=float(effects.mean[member]),
            standard_error=None if error is None else float(error[member]),
        )
        for member, name in enumerate(sweep.names)
    )
    summary = EffectsSummary(
        helped_at_all=effects.helped_at_all,
        n_pairs=effects.n_pairs,
        sampled=error is not None,
        no_member=natural(sweep.evaluator.empty / sweep.unit, sweep.metric),
    )
    return members, summary


def natural(value: float, metric: str) -> float:
    """Return a value in the metric's own direction."""
    return float(get_metric(metric).signed(value))


def mask_number(mask: int, n_members: int) -> int | str:
    """Return a mask as a number, or as decimal text where numbers would lose bits."""
    return mask if n_members <= PLAIN_BITS else str(mask)


def entries(
    rule: RuleStudy, masks: Sequence[int], metric: str, costs: Sequence[float] | None = None
) -> tuple[CommitteeEntry, ...]:
    """Describe some committees: members, and values on the scored rows and on the rows they are chosen by."""
    scored, missing = rule.scored, [None] * len(masks)
    choice = None if rule.choice is rule.scored else rule.choice
    accuracy = rule.accuracy(masks)
    val_accuracy: Sequence[float | None] = missing if choice is None else rule.val_accuracy(masks)
    values: Sequence[float | None] = missing
    val_values: Sequence[float | None] = missing
    if metric != "accuracy":
        values = [natural(value, metric) for value in scored.value_of(masks)]
        if choice is not None:
            val_values = [natural(value, metric) for value in choice.value_of(masks)]
    described = []
    for position, mask in enumerate(masks):
        committee = scored.committee(mask, 0.0)
        described.append(
            CommitteeEntry(
                mask=mask_number(mask, scored.plan.n_members),
                members=committee.members,
                size=committee.size,
                accuracy=accuracy[position],
                val_accuracy=val_accuracy[position],
                value=values[position],
                val_value=val_values[position],
                cost=None if costs is None else costs[position],
            )
        )
    return tuple(described)


def summarize_search(study: SearchStudy) -> SearchSummary:
    """Return what a search comes to: for each rule the best committee of each size that it came upon."""
    return SearchSummary(
        predictions=study.predictions,
        width=study.width,
        sizes=study.sizes,
        weights_frozen=study.frozen,
        calibrate=study.calibrate,
        must=tuple(study.predictions.names[member] for member in study.must),
        protocol=study.protocol,
        advice=study.advice,
        rules=tuple(summarize_path(rule, study) for rule in study.rules),
        left_out=tuple(study.left_out),
    )


def summarize_path(rule: Search, study: SearchStudy) -> SearchRuleSummary:
    """Return what one rule's search comes to."""
    names = study.predictions.names
    on_scored_rows = study.protocol.fit_on == "cross"

    def entry(step: Step) -> CommitteeEntry:
        return CommitteeEntry(
            mask=mask_number(step.mask, len(names)),
            members=tuple(name for member, name in enumerate(names) if step.mask >> member & 1),
            size=step.size,
            accuracy=step.accuracy,
            val_accuracy=None if on_scored_rows else step.selection_accuracy,
        )

    order = sorted(rule.steps, key=lambda step: (-step.selection_accuracy, step.size))
    return SearchRuleSummary(
        rule=rule.rule,
        n_subsets=rule.n_evaluated,
        best=tuple(entry(step) for step in order),
        chosen=entry(rule.chosen),
        nested=rule.nested,
        by_size=tuple(entry(step) for step in rule.steps),
        baselines=rule.baselines,
    )


def study_frame(study: SubsetStudy) -> "pd.DataFrame":
    """Return one row for each rule and committee; with another metric, of a study ``with_accuracy``."""
    import pandas as pd

    frames = []
    for rule in study.rules:
        scored, choice = rule.counted or (rule.scored, None if rule.choice is rule.scored else rule.choice)
        frame = scored.to_frame()
        frame.insert(0, "rule", rule.rule)
        if choice is not None:
            chosen_by = choice.to_frame().set_index("mask").reindex(frame["mask"])
            frame["val_correct"] = chosen_by["correct"].to_numpy()
            frame["val_accuracy"] = chosen_by["accuracy"].to_numpy()
        if study.metric != "accuracy":
            frame["metric"] = study.metric
            for column, sweep in (("value", rule.scored), ("val_value", rule.choice)):
                if sweep is not None and (column == "value" or sweep is not rule.scored):
                    values = sweep.to_frame().set_index("mask").reindex(frame["mask"])["value"].to_numpy()
                    frame[column] = get_metric(study.metric).signed(values)
        if study.predictions.n_members > PLAIN_BITS:
            frame["mask"] = frame["mask"].astype(str)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

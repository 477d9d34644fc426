"""A study of committees as plain values: what ``--json`` prints and tables are made of."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ensembler.errors import NotApplicableError
from ensembler.metrics import METRICS
from ensembler.predictions.provenance import provenance
from ensembler.serialization import jsonable
from ensembler.subsets.results import RuleStudy, SubsetStudy
from ensembler.subsets.shortcuts import regrets
from ensembler.subsets.sweep import SubsetSweep

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "ensembler.subsets/1"
PLAIN_BITS = 53
"""Masks of so many bits are exact as JSON numbers everywhere."""


def describe_study(study: SubsetStudy, command: str | None = None) -> dict[str, Any]:
    """Return the whole result as plain values.

    Values are in the metric's own direction; Shapley values, effects and regrets are such that more is better for the
    former two and worse for the latter.
    """
    document = {
        "schema": SCHEMA,
        "n_rows": study.predictions.n_samples,
        "n_classes": study.predictions.n_classes,
        "metric": study.metric,
        "weights_frozen": study.frozen,
        "calibrate": study.calibrate,
        "members": list(study.predictions.names),
        "must": [study.predictions.names[member] for member in study.must],
        "costs": study.costs,
        "protocol": vars(study.protocol),
        "rules": [describe_rule(one, study) for one in study.rules],
        "left_out": [{"name": name, "reason": reason} for name, reason in study.left_out],
        "reproducibility": provenance(study.predictions, study.protocol.seed, command),
    }
    plain = jsonable(document)
    assert isinstance(plain, dict)
    return plain


def describe_rule(one: RuleStudy, study: SubsetStudy) -> dict[str, Any]:
    """Return one rule's committees as plain values."""
    scored, metric = one.scored, study.metric
    choice = one.choice or scored
    document: dict[str, Any] = {
        "rule": one.rule,
        "n_subsets": scored.plan.n_committees,
        "sizes": [scored.plan.size_min, scored.plan.size_max],
        "complete": scored.plan.complete and not scored.notes,
        "optimistic": scored.optimistic,
        "best": entries(one, [committee.mask for committee in choice.top()[: study.top]], metric),
        "chosen": None if one.chosen is None else entries(one, [one.chosen.mask], metric)[0],
        "luckiest": entries(one, [one.luckiest.mask], metric)[0],
        "whole": None,
        "against_whole": None if one.against_whole is None else one.against_whole.to_dict(),
        "nested": None if one.nested is None else natural(one.nested, metric),
        "optimism": None,
        "by_size": [
            {
                "size": size.size,
                "n_subsets": size.n_committees,
                "worst": natural(size.worst, metric),
                "median": natural(size.median, metric),
                "best": natural(size.best, metric),
                "mask": mask_number(size.committee.mask, scored.plan.n_members),
                "members": list(size.committee.members),
            }
            for size in scored.by_size()
        ],
        "notes": scored.notes,
        **member_values(scored, study.protocol.seed),
        "cost": None,
    }
    if scored.plan.size_max == scored.plan.n_members:
        document["whole"] = entries(one, [(1 << scored.plan.n_members) - 1], metric)[0]
    if one.optimism is not None:
        document["optimism"] = {
            "method": "bootstrap bias correction",
            "accuracy": one.optimism.raw,
            "corrected": one.optimism.corrected,
            "optimism": one.optimism.optimism,
            "n_subsets": one.optimism.n_candidates,
            "n_resamples": one.optimism.n_resamples,
            "lower_bound": one.optimism_is_bound,
        }
    try:
        document["regret"] = [vars(regret) for regret in regrets(choice)]
    except NotApplicableError:
        document["regret"] = None
    if one.cost is not None:
        listed = [committee.mask for committee, _ in one.cost.committees]
        front, names = entries(one, listed, metric), study.predictions.names
        for entry, (_, cost) in zip(front, one.cost.committees, strict=True):
            entry["cost"] = cost
        document["cost"] = {
            "unit": study.cost_unit,
            "front": front,
            "thrifty": next(
                entry for entry in front if entry["mask"] == mask_number(one.cost.cheapest.mask, len(names))
            ),
        }
    return document


def member_values(sweep: SubsetSweep, seed: int) -> dict[str, Any]:
    """Return what each member is worth, where the sweep is complete."""
    try:
        shapley, banzhaf, effects = sweep.shapley(), sweep.banzhaf(), sweep.effects(seed)
    except NotApplicableError:
        return {"members": None, "effects": None}
    alone = sweep.value_of([1 << member for member in range(sweep.plan.n_members)])
    members = [
        {
            "name": name,
            "alone": natural(alone[member], sweep.metric),
            "shapley": shapley[member],
            "banzhaf": banzhaf[member],
            "helped": effects.helped[member],
            "hurt": effects.hurt[member],
            "mean_effect": effects.mean[member],
            "standard_error": None if effects.standard_error is None else effects.standard_error[member],
        }
        for member, name in enumerate(sweep.names)
    ]
    return {
        "members": members,
        "effects": {
            "helped_at_all": effects.helped_at_all,
            "n_pairs": effects.n_pairs,
            "sampled": effects.standard_error is not None,
            "no_member": natural(sweep.evaluator.empty / sweep.unit, sweep.metric),
        },
    }


def natural(value: float, metric: str) -> float:
    """Return a value in the metric's own direction."""
    return float(METRICS[metric].signed(value))


def mask_number(mask: int, n_members: int) -> int | str:
    """Return a mask as a number, or as decimal text where numbers would lose bits."""
    return mask if n_members <= PLAIN_BITS else str(mask)


def entries(one: RuleStudy, masks: Sequence[int], metric: str) -> list[dict[str, Any]]:
    """Describe some committees: members, accuracy on the scored rows and on the rows they are chosen by."""
    accuracy = one.accuracy(masks)
    across = one.choice is None or one.choice is one.scored
    val_accuracy: Sequence[float | None] = [None] * len(masks) if across else one.val_accuracy(masks)
    found = []
    values = one.scored.value_of(masks)
    val_values: Sequence[float | None] = [None] * len(masks)
    if not across and one.choice is not None:
        val_values = one.choice.value_of(masks)
    for position, mask in enumerate(masks):
        committee = one.scored.committee(mask, 0.0)
        entry = {
            "mask": mask_number(mask, one.scored.plan.n_members),
            "members": list(committee.members),
            "size": committee.size,
            "accuracy": accuracy[position],
            "val_accuracy": val_accuracy[position],
        }
        if metric != "accuracy":
            inside = val_values[position]
            entry["value"] = natural(values[position], metric)
            entry["val_value"] = None if inside is None else natural(inside, metric)
        found.append(entry)
    return found


def study_frame(study: SubsetStudy) -> "pd.DataFrame":
    """Return one row for each rule and committee; with another metric, of a study ``with_accuracy``."""
    import pandas as pd

    frames = []
    for one in study.rules:
        right, inside = one.counted or (one.scored, None if one.choice is one.scored else one.choice)
        frame = right.to_frame()
        frame.insert(0, "rule", one.rule)
        if inside is not None:
            chosen_by = inside.to_frame().set_index("mask").reindex(frame["mask"])
            frame["val_correct"] = chosen_by["correct"].to_numpy()
            frame["val_accuracy"] = chosen_by["accuracy"].to_numpy()
        if study.metric != "accuracy":
            frame["metric"] = study.metric
            for column, sweep in (("value", one.scored), ("val_value", one.choice)):
                if sweep is not None and (column == "value" or sweep is not one.scored):
                    values = sweep.to_frame().set_index("mask").reindex(frame["mask"])["value"].to_numpy()
                    frame[column] = METRICS[study.metric].signed(values)
        if study.predictions.n_members > PLAIN_BITS:
            frame["mask"] = frame["mask"].astype(str)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

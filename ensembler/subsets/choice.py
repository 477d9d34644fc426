"""Choosing a committee, and how far a choice can be believed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Correct
from ensembler.comparison.choice import tie_order
from ensembler.comparison.outcome import PairedTest
from ensembler.comparison.protocol import Split
from ensembler.errors import NotApplicableError
from ensembler.metrics.paired import standard_error
from ensembler.metrics.selection import BiasCorrected, bias_corrected_best
from ensembler.predictions.prediction_set import Predictions
from ensembler.subsets.baselines import paired
from ensembler.subsets.committees import Committee, SubsetSweep
from ensembler.subsets.evaluators import HasOutcomes
from ensembler.subsets.request import EXACT_OPTIMISM, MOST_RANKED, SweepRequest
from ensembler.subsets.results import CostFront
from ensembler.subsets.rules import SweptRule
from ensembler.subsets.workers import what_to_keep

MOST_OUTCOMES = 2**26
"""Most rows times committees whose outcomes are held at once for the correction of the best one."""


def paired_with_whole(
    chosen: Committee | None, sweep: SubsetSweep, scored: Predictions, seed: int
) -> PairedTest | None:
    """Compare the chosen committee with all members, where it is another one."""
    whole = (1 << scored.n_members) - 1
    if chosen is None or chosen.mask == whole or not isinstance(sweep.evaluator, HasOutcomes):
        return None
    first, second = sweep.evaluator.outcomes([chosen.mask, whole])
    return paired(first, second, "all members", scored, seed)


@dataclass(frozen=True)
class Nested:
    """What choosing a committee anew in each fold reaches, and about which rows, for accuracy."""

    value: float
    correct: Correct | None


def nested_choice(rule: SweptRule, split: Split, request: SweepRequest) -> Nested | None:
    """Choose a committee for each fold by cross-fitting inside the others; return what the choices reach."""
    data = rule.fitting
    total = 0.0
    correct = np.zeros(data.n_samples, dtype=bool) if request.metric == "accuracy" else None
    for number, (train, rest) in enumerate(split.folds.pairs, start=1):
        inner = rule.fitted_on(train)
        what = f"{rule.name}: choosing without fold {number}"
        try:
            # Dividing millions of rows takes long, and a rule that learns nothing needs no folds.
            trained = inner.is_trainable
            parts = inner.cross_fitted(split.inside(train)[1], len(train)) if trained else inner.whole(len(train))
            best = request.sweep(inner, inner.fitting, parts, what, optimistic=False).best()
        except NotApplicableError:
            return None
        held_out = data.take(rest)
        plan = request.plan(data.n_members, rule, request.metric)
        evaluator = inner.evaluator(held_out, inner.whole(len(rest)), request.metric, plan)
        value = evaluator.values_of([best.mask])[0]
        total += value if request.metric == "accuracy" else value * len(rest)
        if correct is not None:
            assert isinstance(evaluator, HasOutcomes)
            correct[rest] = evaluator.outcomes([best.mask])[0]
    return Nested(float(total / data.n_samples), correct)


def selection_optimism(sweep: SubsetSweep, seed: int, groups: NDArray[Any] | None) -> tuple[BiasCorrected | None, bool]:
    """Correct the best committee of a sweep for having been picked; over all committees where they are not too many.

    Returns None for a single committee, which nobody picked; and whether the correction is a lower bound.
    """
    most = max(2, min(EXACT_OPTIMISM, MOST_OUTCOMES // sweep.n_rows))
    everything = sweep.plan.n_committees <= most and what_to_keep(sweep.plan) != "nothing"
    best = sweep.tally.top_masks[: min(most, MOST_RANKED)]
    masks = (sweep.kept[0] if everything else best).tolist()
    if len(masks) < 2:
        return None, False
    masks.sort(key=tie_order)
    assert isinstance(sweep.evaluator, HasOutcomes)
    return bias_corrected_best(sweep.evaluator.outcomes(masks), seed=seed, groups=groups), not everything


def cost_front(sweep: SubsetSweep, groups: NDArray[Any] | None) -> CostFront:
    """Return the committees that no cheaper one equals, and the cheapest within one standard error of the best."""
    tally = sweep.tally
    columns = (tally.front_masks.tolist(), tally.front_values.tolist(), tally.front_costs.tolist())
    front = tuple((sweep.committee(mask, value), float(cost)) for mask, value, cost in zip(*columns, strict=True))
    best = sweep.best()
    assert isinstance(sweep.evaluator, HasOutcomes)
    correct = sweep.evaluator.outcomes([best.mask, *(committee.mask for committee, _ in front)])
    for position, (committee, _) in enumerate(front, start=1):
        lead = float(correct[0].mean() - correct[position].mean())
        if lead <= standard_error(correct[0], correct[position], groups):
            return CostFront(front, committee)
    return CostFront(front, best)

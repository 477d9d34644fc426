"""Choosing a rule without the scored rows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from ensembler.arrays import Rows, check_sample_weight
from ensembler.combiners.base import Combiner
from ensembler.comparison.candidates import Candidate
from ensembler.comparison.fitting import Fit, Folded, cross_fit_each
from ensembler.comparison.folds import split_part
from ensembler.comparison.progress import FitCounter
from ensembler.comparison.protocol import Split
from ensembler.comparison.scoring import measure
from ensembler.metrics import TIED_DECIMALS, Metric
from ensembler.metrics.predicted import Pieces, Predicted
from ensembler.predictions.prediction_set import Predictions

MOST_TO_CHOOSE = 1 << 27
"""Probabilities of members, at most, that a rule is chosen by for a fold."""


@dataclass(frozen=True)
class Choice:
    """How rules did where they are chosen.

    Attributes
    ----------
    scores : dict
        By rule, the first metric cross-fitted inside the fitting rows; in cross-fitting, the mean over folds of what it
        reached inside the others, or on a sample of very many rows there.
    nested : dict or None
        In cross-fitting: what choosing a rule anew in each fold reached, and the choices.
    predicted : dict
        By rule, what it predicts of the fitting rows out of fold; those of the best single member by the name
        `REFERENCE`.
    best : str or None
        The rule with the best score.
    """

    scores: dict[str, float] = field(default_factory=dict)
    nested: dict[str, Any] | None = None
    predicted: dict[str, Predicted] = field(default_factory=dict)
    best: str | None = None


class Named(Protocol):
    """Anything with a name and a fitted rule."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def rule(self) -> Combiner: ...  # noqa: D102


def score_choices(
    candidates: Sequence[Candidate],
    fits: Sequence[Fit],
    predicted: Mapping[str, Predicted],
    split: Split,
    metric: Metric,
    counter: FitCounter,
) -> Choice:
    """Give each rule its cross-fitted score inside the fitting rows, of which ``predicted`` is what it predicts."""
    names = [fit.name for fit in fits]
    if split.cross_fitted:
        running = [candidate for candidate in candidates if candidate.name in names]
        choice = choose_nested(running, fits, split, metric, counter)
    else:
        scored = [name for name in names if name in predicted]
        choice = Choice({name: measure(metric, split.fitting, predicted[name]) for name in scored})
    return replace(choice, predicted=dict(predicted), best=pick(fits, choice.scores, metric))


def choose_nested(
    candidates: Sequence[Candidate], fits: Sequence[Fit], split: Split, metric: Metric, counter: FitCounter
) -> Choice:
    """Choose a rule for each fold by cross-fitting inside the other folds; return how well those choices did."""
    data = split.fitting
    if not split.folds.pairs:
        return Choice()
    predicted = {fit.name: fit.predicted for fit in fits}
    by_fold: list[str | None] = []
    trained = [candidate for candidate in candidates if candidate.learns_from(data)]
    scores_by_fold: dict[str, list[float]] = {fit.name: [] for fit in fits}
    weights = data.sample_weight
    # Dividing millions of rows takes long, and rules that learn nothing need no folds.
    parts = [rows_to_choose_on(split, train) for train, _ in split.folds.pairs]
    counting = [rows for rows in parts if has_weight(data, rows)] if trained else []
    inside = cross_fit_each(trained, [rows_inside(split, rows) for rows in counting], counter.tick)
    for rows in parts:
        if not has_weight(data, rows):
            by_fold.append(None)
            continue
        found = next(inside).predicted if trained else {}
        for candidate in candidates:
            if candidate not in trained:
                # What learns nothing predicts these rows as it predicts all.
                counter.tick(candidate.name)
                found[candidate.name] = predicted[candidate.name].of_rows(rows)
        weight = None if weights is None else check_sample_weight(weights[rows], len(rows))
        scores = {name: float(metric(each.labels, each, weight)) for name, each in found.items()}
        for name, value in scores.items():
            scores_by_fold[name].append(value)
        best = pick(fits, scores, metric)
        by_fold.append(best)
    n_folds = len(split.folds.pairs)
    scores = {name: float(np.mean(values)) for name, values in scores_by_fold.items() if len(values) == n_folds}
    if None in by_fold:
        return Choice(scores)
    outcome = Pieces([(rest, predicted[str(name)]) for (_, rest), name in zip(split.folds.pairs, by_fold, strict=True)])
    return Choice(scores, {"metric": metric.name, "value": measure(metric, data, outcome), "by_fold": by_fold})


def rows_to_choose_on(split: Split, train: Rows) -> Rows:
    """Return the rows outside of a fold on which a rule is chosen for it: all of them, or a sample of very many."""
    fitting = split.fitting
    share = MOST_TO_CHOOSE / (len(train) * fitting.n_members * fitting.n_classes)
    groups = None if fitting.groups is None or share >= 1 else fitting.groups[train]
    if groups is not None:
        # Two in each fold, so that these can be made.
        share = max(share, 2 * split.n_folds / len(np.unique(groups)))
    if share >= 1:
        return train
    return train[split_part(fitting.true_labels[train], groups, share, split.seed)[0]]


def has_weight(data: Predictions, rows: Rows) -> bool:
    """Whether any of some rows counts."""
    return data.sample_weight is None or bool(data.sample_weight[rows].any())


def rows_inside(split: Split, rows: Rows) -> Folded:
    """Return some of the fitting rows with folds of their own; weights of some rows have a mean of their own."""
    if split.fitting.sample_weight is None:
        return Folded(split.fitting, split.folds_inside(rows), rows)
    return Folded(*split.inside(rows))


def pick(rules: Sequence[Named], scores: Mapping[str, float | None], metric: Metric) -> str | None:
    """Return the rule with the best score; ties go to fewer fitted numbers, fewer members, the smaller mask."""
    ranked = []
    for position, entry in enumerate(rules):
        score = scores.get(entry.name)
        if score is None or math.isnan(score):
            continue
        mask = sum(1 << member for member in entry.rule.members_used())
        descending = -round(ranking_value(metric, score), TIED_DECIMALS)
        ranked.append((descending, entry.rule.n_fitted(), *tie_order(mask), position))
    return rules[min(ranked)[-1]].name if ranked else None


def tie_order(mask: int) -> tuple[int, int]:
    """Return what sorts equally good committees: fewer members, then the smaller mask (bit i for member i)."""
    return mask.bit_count(), mask


def ranking_value(metric: Metric, value: float) -> float:
    """Return a value of which more is better, minus infinity for one that is not a number."""
    return -math.inf if math.isnan(value) else float(metric.signed(value))

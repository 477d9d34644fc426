"""Searching for a good committee where there are too many to look at: greedy forward, or with a beam."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Correct, Labels, Values
from ensembler.combiners.base import Combiner
from ensembler.combiners.registry import named_rules
from ensembler.comparison.candidates import check_members_calibrate
from ensembler.comparison.choice import tie_order
from ensembler.comparison.outcome import Advice
from ensembler.comparison.protocol import Split, SplitResult, check_predictions, split_of
from ensembler.errors import NotApplicableError, UsageError, argument
from ensembler.parallel.blas import one_blas_thread
from ensembler.parallel.progress import Progress
from ensembler.predictions.prediction_set import Predictions
from ensembler.subsets.baselines import Baselines
from ensembler.subsets.contributions import Contributions, outcomes
from ensembler.subsets.request import SweepRequest
from ensembler.subsets.rules import TOO_STEEP, Part, SweptRule

BLOCK_VALUES = 1 << 17
"""Scores that are looked at together: a megabyte, so that they stay in a core's cache."""


@dataclass(frozen=True)
class Step:
    """The best committee found of one size.

    Attributes
    ----------
    size, mask : int
    selection_accuracy, accuracy : float
        On the rows that were searched, and on the scored rows.
    """

    size: int
    mask: int
    selection_accuracy: float
    accuracy: float


@dataclass(frozen=True)
class Search:
    """What a search found for one rule.

    Attributes
    ----------
    rule : str
    steps : tuple of Step
        By size.
    chosen : Step
        The best where it was searched; the smaller among equals.
    nested : float or None
        In cross-fitting: what a search in each fold's complement reaches on the fold.
    fresh_correct, baselines
        As in `ensembler.subsets.results.RuleStudy`.
    n_evaluated : int
        How many committees were looked at.
    """

    rule: str
    steps: tuple[Step, ...]
    chosen: Step
    nested: float | None
    n_evaluated: int
    fresh_correct: Correct | None = field(default=None, compare=False)
    baselines: Baselines | None = None


@dataclass(frozen=True)
class SearchStudy(SplitResult):
    """The result of `search_subsets`; fields as in `ensembler.subsets.results.SubsetStudy`, and the beam's width."""

    width: int
    sizes: tuple[int, int]
    must: tuple[int, ...]
    frozen: bool
    calibrate: str
    rules: tuple[Search, ...]
    left_out: tuple[tuple[str, str], ...]
    advice: Advice | None = None


@dataclass(frozen=True)
class Beam:
    """How committees are grown: the sizes, the members that all have, how many are kept of each size."""

    sizes: tuple[int, int]
    must: tuple[int, ...]
    width: int
    progress: Progress | None = None


@one_blas_thread
def search_subsets(
    predictions: Predictions,
    rules: Sequence[str | Combiner] = ("mean",),
    *,
    width: int = 1,
    sizes: tuple[int, int] | None = None,
    must: Sequence[str] = (),
    freeze: bool = False,
    calibrate: str = "none",
    fit_on: str | None = None,
    folds: int | None = None,
    part: float | None = None,
    seed: int | None = None,
    split: Split | None = None,
    progress: Progress | None = None,
) -> SearchStudy:
    """Grow committees member by member, keeping the ``width`` best of each size; exact for none but the first size.

    With width 1 this is greedy forward selection without replacement. The search runs on the fitting rows
    (cross-fitted), never on the scored ones, unless they are the same. On its way it adds members as it finds them;
    what it reports is counted in ascending member order as everywhere, which differs in rows that tie to the last bit.

    Parameters
    ----------
    predictions : Predictions
        Any number of members.
    rules : sequence of str or Combiner
        Additive rules; others are left out with the reason.
    width : int
        How many committees of each size are kept.
    sizes, must, freeze, calibrate, fit_on, folds, part, seed, split, progress
        As in `study_subsets`.
    """
    if width < 1:
        raise UsageError(f"{argument('width')} is {width}, expected at least 1")
    check_predictions(predictions)
    request = SweepRequest.of(predictions, sizes=sizes, must=must, progress=progress)
    low, high = sizes or (1, predictions.n_members)
    if not 1 <= low <= high <= predictions.n_members:
        raise UsageError(
            f"committee sizes are {low} to {high}, expected 1 <= smallest <= largest <= {len(predictions.names)}"
        )
    if len(request.must) > high:
        raise UsageError(f"{len(request.must)} members must be in, and a committee has at most {high}")
    check_members_calibrate(calibrate, predictions)
    split = split_of(predictions, split, fit_on=fit_on, folds=folds, part=part, seed=seed)
    beam = Beam((low, high), request.must, width, progress)
    found, left_out = [], []
    for rule in named_rules(rules):
        try:
            swept = SweptRule.of(rule, split.fitting, "accuracy", freeze=freeze, calibrate=calibrate == "members")
            if not swept.additive:
                raise NotApplicableError("only additive rules can be searched step by step")
            found.append(search_rule(swept, split, beam))
        except NotApplicableError as error:
            left_out.append((rule if isinstance(rule, str) else rule.name, str(error)))
    if left_out and not found:
        raise UsageError("; ".join(f"{name}: {reason}" for name, reason in left_out))
    return SearchStudy(split, width, (low, high), request.must, freeze, calibrate, tuple(found), tuple(left_out))


def search_rule(rule: SweptRule, split: Split, beam: Beam) -> Search:
    """Search with one rule, on the fitting rows and, in cross-fitting, again without each fold."""
    n_fitting = rule.fitting.n_samples
    selection = contributions(rule, rule.fitting, rule.cross_fitted(split.folds, n_fitting))
    masks, n_evaluated = grow(selection, beam, rule.name)
    scored = selection
    if not split.cross_fitted:
        scored = contributions(rule, split.scored, rule.whole(split.scored.n_samples))
    correct = outcomes(scored, masks)
    accuracies = correct.mean(axis=1).tolist()
    values = outcomes(selection, masks).mean(axis=1).tolist()
    steps = tuple(
        Step(mask.bit_count(), mask, value, accuracy)
        for mask, value, accuracy in zip(masks, values, accuracies, strict=True)
    )
    nested = nested_outcomes(rule, split, beam) if split.cross_fitted and split.folds.pairs else None
    chosen = min(steps, key=lambda step: (-step.selection_accuracy, *tie_order(step.mask)))
    fresh = nested
    if not split.cross_fitted and not split.protocol.optimistic:
        fresh = correct[masks.index(chosen.mask)]
    value = None if nested is None else float(nested.mean())
    return Search(rule.name, steps, chosen, value, n_evaluated, fresh)


def nested_outcomes(rule: SweptRule, split: Split, beam: Beam) -> Correct | None:
    """Search without each fold, and return about which rows of the folds the committees found are correct."""
    correct = np.zeros(rule.fitting.n_samples, dtype=bool)
    for number, (train, rest) in enumerate(split.folds.pairs, start=1):
        inner = rule.fitted_on(train)
        _, folds = split.inside(train)
        try:
            data = contributions(inner, inner.fitting, inner.cross_fitted(folds, len(train)))
        except NotApplicableError:
            return None
        masks, _ = grow(data, beam, f"{rule.name}: without fold {number}")
        reached = outcomes(data, masks).sum(axis=1).tolist()
        best = min(zip(reached, masks, strict=True), key=lambda pair: (-pair[0], *tie_order(pair[1])))[1]
        held_out = contributions(inner, rule.fitting.take(rest), inner.whole(len(rest)))
        correct[rest] = outcomes(held_out, [best])[0]
    return correct


def contributions(rule: SweptRule, rows: Predictions, parts: Sequence[Part]) -> Contributions:
    """Return what members add to the scores of some rows."""
    data = rule.contributions(rows, parts)
    if data is None:
        raise NotApplicableError(TOO_STEEP)
    return data


def grow(data: Contributions, beam: Beam, what: str) -> tuple[list[int], int]:
    """Return the best committee found of each size, and how many were looked at.

    Among equally good committees the smaller mask comes first.
    """
    added, start = whole_contributions(data)
    of_truth = added[:, data.labels, np.arange(data.n_rows)]
    must, sizes = beam.must, beam.sizes
    kept = {sum(1 << member for member in must): start + added[list(must)].sum(axis=0)}
    path: list[int] = []
    n_evaluated = 0
    first = max(len(must), 1)
    if must and len(must) >= sizes[0]:
        path += kept
    for size in range(len(must) + 1, sizes[1] + 1):
        if beam.progress is not None:
            beam.progress(size - first, sizes[1] - first + 1, what)
        seen: dict[int, tuple[int, int, int]] = {}
        for mask, scores in kept.items():
            for member, correct in enumerate(count_each(scores, added, of_truth, data.labels).tolist()):
                if not mask >> member & 1:
                    seen.setdefault(mask | 1 << member, (correct, mask, member))
        n_evaluated += len(seen)
        best = sorted(seen.items(), key=lambda item: (-item[1][0], item[0]))[: beam.width]
        kept = {mask: kept[parent] + added[member] for mask, (_, parent, member) in best}
        if size >= sizes[0]:
            path.append(best[0][0])
    return path, n_evaluated


def count_each(scores: Values, added: Values, of_truth: Values, labels: Labels) -> NDArray[np.int64]:
    """Return how many rows are correct with each member added to the scores (C, N) of a committee, (M,).

    Correct is a row in which the true class has the largest score, and no class before it has the same. ``of_truth`` is
    what members add to the true classes, (M, N).
    """
    n_classes, n_rows = scores.shape
    found = np.zeros(len(added), dtype=np.int64)
    size = max(1, BLOCK_VALUES // n_classes)
    for start in range(0, n_rows, size):
        rows = slice(start, start + size)
        own, so_far = labels[rows], scores[:, rows]
        so_far_own, before = so_far[own, np.arange(len(own))], np.arange(n_classes)[:, None] < own
        together = max(1, BLOCK_VALUES // so_far.size)
        for first in range(0, len(added), together):
            some = slice(first, first + together)
            total = so_far + added[some, :, rows]
            largest = total.max(axis=1)
            beaten = ((total == largest[:, None]) & before).any(axis=1)
            found[some] += np.count_nonzero((so_far_own + of_truth[some, rows] == largest) & ~beaten, axis=1)
    return found


def whole_contributions(data: Contributions) -> tuple[Values, Values]:
    """Return all contributions, (M, C, N), and the offsets, (C, N): classes first, so that maxima are along memory."""
    added = np.empty((data.n_members, data.n_classes, data.n_rows))
    start = np.empty((data.n_classes, data.n_rows))
    for rows, rule in data.blocks():
        added[..., rows] = np.moveaxis(data.of(rows, rule), 1, 2)
        start[:, rows] = np.broadcast_to(rule.start(), (len(rows), data.n_classes)).T
    return added, start

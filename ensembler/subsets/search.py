"""Searching for a good committee where there are too many to look at: greedy forward, or with a beam."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ensembler.arrays import Values
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
from ensembler.errors import NotApplicableError, UsageError
from ensembler.predictions.prediction_set import Predictions
from ensembler.subsets.contributions import Contributions, outcomes
from ensembler.subsets.rules import TOO_STEEP, Subject, crossed, subject, whole
from ensembler.subsets.sweep import Progress

MOST_VALUES = 1 << 22


@dataclass(frozen=True)
class Step:
    """The best committee found of one size: its mask, and its accuracy where it was searched and on the scored rows."""

    size: int
    mask: int
    inside: float
    accuracy: float


@dataclass
class Search:
    """What a search found for one rule.

    Attributes
    ----------
    steps : list of Step
        By size.
    chosen : Step
        The best where it was searched; the smaller among equals.
    nested : float or None
        In cross-fitting: what a search in each fold's complement reaches on the fold.
    n_evaluated : int
        How many committees were looked at.
    """

    rule: str
    steps: list[Step]
    chosen: Step
    nested: float | None
    n_evaluated: int


@dataclass
class SearchStudy:
    """The result of `search_subsets`."""

    predictions: Predictions
    protocol: Protocol
    width: int
    sizes: tuple[int, int]
    must: tuple[int, ...]
    frozen: bool
    calibrate: str
    rules: list[Search]
    left_out: list[tuple[str, str]]


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
    folds: int = 5,
    part: float | None = None,
    seed: int = 0,
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
    sizes, must, freeze, calibrate, fit_on, folds, part, seed, progress
        As in `study_subsets`.
    """
    from ensembler.subsets.study import prepare

    if width < 1:
        raise UsageError(f"width is {width}, expected at least 1")
    asked = prepare(predictions, "accuracy", sizes, must, 1, None, None, progress)
    low, high = sizes or (1, predictions.n_members)
    if not 1 <= low <= high <= predictions.n_members:
        raise UsageError(
            f"committee sizes are {low} to {high}, expected 1 <= smallest <= largest <= {len(predictions.names)}"
        )
    if len(asked.must) > high:
        raise UsageError(f"{len(asked.must)} members must be in, and a committee has at most {high}")
    check_seed(seed, folds)
    check_members_calibrate(calibrate, predictions)
    fit_on = resolve_fit_on(fit_on, part, predictions)
    fitting, scored = divide(predictions, fit_on, DEFAULT_PART if part is None else part, seed)
    parts = make_folds(fitting.truth, fitting.groups, folds, seed)
    found, left_out = [], []
    for rule in rules:
        try:
            one = subject(rule, fitting, "accuracy", freeze=freeze, calibrate=calibrate == "members")
            if not one.additive:
                raise NotApplicableError("only additive rules can be searched step by step")
            found.append(search_rule(one, scored, parts, fit_on, (low, high), asked.must, width, folds, seed, progress))
        except NotApplicableError as error:
            left_out.append((rule if isinstance(rule, str) else rule.name, str(error)))
    if left_out and not found:
        raise UsageError("; ".join(f"{name}: {reason}" for name, reason in left_out))
    protocol = protocol_of(predictions, fit_on, part, parts, seed, fitting, scored)
    return SearchStudy(predictions, protocol, width, (low, high), asked.must, freeze, calibrate, found, left_out)


def search_rule(
    one: Subject,
    scored: Predictions,
    folds: Folds,
    fit_on: str,
    sizes: tuple[int, int],
    must: tuple[int, ...],
    width: int,
    n_folds: int,
    seed: int,
    progress: Progress | None,
) -> Search:
    """Search with one rule, on the fitting rows and, in cross-fitting, again without each fold."""
    across = fit_on == "cross"
    inside = contributions(one, one.fitting, crossed(one, folds, one.fitting.n_samples))
    masks, n_evaluated = beam(inside, sizes, must, width, progress, one.candidate.name)
    outside = inside if across else contributions(one, scored, whole(scored.n_samples))
    accuracies = outcomes(outside, masks).mean(axis=1).tolist()
    values = outcomes(inside, masks).mean(axis=1).tolist()
    steps = [
        Step(mask.bit_count(), mask, value, accuracy)
        for mask, value, accuracy in zip(masks, values, accuracies, strict=True)
    ]
    nested = None
    if across and folds.pairs:
        right = 0
        for number, (train, held) in enumerate(folds.pairs, start=1):
            inner = one.without(train)
            parts = make_folds(inner.fitting.truth, inner.fitting.groups, n_folds, seed)
            try:
                data = contributions(inner, inner.fitting, crossed(inner, parts, len(train)))
            except NotApplicableError:
                break
            found, _ = beam(data, sizes, must, width, progress, f"{one.candidate.name}: without fold {number}")
            reached = outcomes(data, found).sum(axis=1).tolist()
            best = max(zip(reached, found, strict=True), key=lambda one: (one[0], -one[1].bit_count()))[1]
            rest = one.fitting.take(held)
            right += int(outcomes(contributions(inner, rest, whole(len(held))), [best]).sum())
        else:
            nested = right / one.fitting.n_samples
    chosen = max(steps, key=lambda step: (step.inside, -step.size))
    return Search(one.candidate.name, steps, chosen, nested, n_evaluated)


def contributions(
    one: Subject, rows: Predictions, parts: Sequence[tuple[np.ndarray | None, np.ndarray]]
) -> Contributions:
    """Return what members add to the scores of some rows."""
    spoken = [(held, one.fitted(fitted_on)) for fitted_on, held in parts]
    if any(rule.weights_underflow() for _, rule in spoken):
        raise NotApplicableError(TOO_STEEP)
    return Contributions(one.heated(rows, parts).proba, rows.truth, spoken)


def beam(
    data: Contributions, sizes: tuple[int, int], must: tuple[int, ...], width: int, progress: Progress | None, what: str
) -> tuple[list[int], int]:
    """Return the best committee found of each size, and how many were looked at.

    Among equally good committees the smaller mask comes first.
    """
    added, start = whole_contributions(data)
    kept = {sum(1 << member for member in must): start + added[list(must)].sum(axis=0)}
    path: list[int] = []
    n_evaluated = 0
    first = max(len(must), 1)
    if must and len(must) >= sizes[0]:
        path += kept
    for size in range(len(must) + 1, sizes[1] + 1):
        if progress is not None:
            progress(size - first, sizes[1] - first + 1, what)
        seen: dict[int, tuple[int, int, int]] = {}
        for mask, scores in kept.items():
            others = [member for member in range(data.n_members) if not mask >> member & 1]
            for member, right in zip(others, count_each(scores, added, others, data.labels), strict=True):
                seen.setdefault(mask | 1 << member, (right, mask, member))
        n_evaluated += len(seen)
        best = sorted(seen.items(), key=lambda item: (-item[1][0], item[0]))[:width]
        kept = {mask: kept[parent] + added[member] for mask, (_, parent, member) in best}
        if size >= sizes[0]:
            path.append(best[0][0])
    return path, n_evaluated


def count_each(scores: Values, added: Values, members: list[int], labels: np.ndarray) -> list[int]:
    """Return how many rows are right with each of some members added."""
    size = max(1, MOST_VALUES // scores.size)
    found: list[int] = []
    for begin in range(0, len(members), size):
        block = scores + added[members[begin : begin + size]]
        found += (block.argmax(axis=2) == labels).sum(axis=1).tolist()
    return found


def whole_contributions(data: Contributions) -> tuple[Values, Values]:
    """Return all contributions, (M, N, C), and the offsets, (N, C)."""
    added = np.empty((data.n_members, data.n_rows, data.n_classes))
    start = np.empty((data.n_rows, data.n_classes))
    for rows, rule in data.blocks():
        added[:, rows] = data.of(rows, rule)
        start[rows] = rule.offset()
    return added, start

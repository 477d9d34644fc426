"""Which rows are fitted on and which are scored."""

import warnings
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Rows
from ensembler.combiners.stratified import stratified_folds
from ensembler.errors import ParameterError, argument


@dataclass(frozen=True)
class Folds:
    """Pairs of (fitting rows, test rows), and what had to be changed to get them.

    No pairs at all means that the rows cannot be divided; ``note`` says why.
    """

    pairs: list[tuple[Rows, Rows]] = field(default_factory=list)
    note: str | None = None


def make_folds(labels: NDArray[np.int64], groups: NDArray[np.generic] | None, n_folds: int, seed: int) -> Folds:
    """Divide rows into stratified shuffled folds, keeping groups together.

    A class with fewer rows than folds reduces their number, to 2 at least.
    """
    if n_folds < 2:
        raise ParameterError(f"{argument('folds')} is {n_folds}, expected at least 2")
    units, what = (len(labels), "row") if groups is None else (len(np.unique(groups)), "group")
    if units < 2:
        return Folds(note=f"one {what} cannot be divided into folds")
    counts = np.bincount(labels)
    counts = counts[counts > 0]
    possible = min(n_folds, max(2, int(counts.min())), units)
    note = None
    if possible < n_folds:
        limits = f"the smallest class has {counts.min()} of the rows and there are {units} {what}s"
        note = f"{possible} folds instead of {n_folds}: {limits}"
    if groups is not None:
        splits = _whole_groups(labels, groups, possible, seed)
    elif counts.max() < possible:
        shuffled = np.random.default_rng(seed).permutation(len(labels))
        tests = [np.sort(part) for part in np.array_split(shuffled, possible)]
        splits = [(np.setdiff1d(shuffled, test), test) for test in tests]
    else:
        splits = stratified_folds(labels, possible, seed)
    pairs = [(train, test) for train, test in splits if len(train) and len(test)]
    return Folds(pairs, note) if len(pairs) > 1 else Folds(note=f"the {what}s cannot be divided into two folds")


def _whole_groups(
    labels: NDArray[np.int64], groups: NDArray[np.generic], n_folds: int, seed: int
) -> list[tuple[Rows, Rows]]:
    """Return folds of whole groups, stratified as far as these allow."""
    from sklearn.model_selection import StratifiedGroupKFold

    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # scikit-learn warns of small classes; a note says it.
        warnings.simplefilter("ignore", UserWarning)
        return list(folds.split(np.zeros((len(labels), 1)), labels, groups))


def split_part(
    labels: NDArray[np.int64], groups: NDArray[np.generic] | None, fraction: float, seed: int
) -> tuple[Rows, Rows]:
    """Divide rows into a part to fit on and a rest to score, stratified, or by group where there are groups."""
    if not 0 < fraction < 1:
        raise ParameterError(f"{argument('part')} is {fraction:g}, expected a fraction between 0 and 1")
    rng = np.random.default_rng(seed)
    if groups is None:
        # Take rows at even distances from the shuffled rows in order of class: each class gives its share within one.
        order = rng.permutation(len(labels))
        order = order[np.argsort(labels[order], kind="stable")]
        steps = np.floor(np.arange(len(labels) + 1) * fraction + 1e-9)
        picked = np.zeros(len(labels), dtype=bool)
        picked[order[np.diff(steps) > 0]] = True
    else:
        names = rng.permutation(np.unique(groups))
        picked = np.isin(groups, names[: round(fraction * len(names))])
    if not picked.any() or picked.all():
        units = f"{len(labels)} rows" if groups is None else f"{len(np.unique(groups))} groups"
        raise ParameterError(f"{argument('part')} {fraction:g} of {units} leaves nothing to fit on or nothing to score")
    return np.flatnonzero(picked), np.flatnonzero(~picked)

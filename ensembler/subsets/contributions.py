"""What each member adds to the class scores of each row: all that an exact sweep needs to know of a rule."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import FEW_CLASSES, Floats, Labels, Rows, Values, as_slice, most_probable
from ensembler.combiners.additive import AdditiveCombiner

BLOCK_VALUES = 1 << 21
"""Most float64 values of a block of contributions."""
DOUBLING_BLOCK = 1 << 17
"""Most scores of all committees at a time, so that they stay in the cache."""
FEW_RIVALS = 0.125
"""Share of the classes up to which rivals are few; in hard votes nearly all are, most of which nobody votes for."""
MOST_DOUBLED = 13
"""Members up to which all committees are scored where many are asked for."""


@dataclass(frozen=True)
class Contributions:
    """Contributions of M members to the scores of N rows and C classes, computed block by block.

    Parameters
    ----------
    proba : (M, N, C)
    labels : (N,)
    parts : sequence of (rows, rule)
        Which fitted rule speaks for which rows: one for all, or one for each fold.
    """

    proba: Floats
    labels: Labels
    parts: Sequence[tuple[Rows, AdditiveCombiner]]

    @property
    def n_members(self) -> int:
        """Number of members."""
        return len(self.proba)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.labels)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return int(self.proba.shape[2])

    def take(self, rows: Rows) -> "Contributions":
        """Return the contributions to some rows, in that order."""
        place = np.full(self.n_rows, -1)
        place[rows] = np.arange(len(rows))
        parts = []
        for rows_of_part, rule in self.parts:
            kept = place[rows_of_part]
            parts.append((kept[kept >= 0], rule))
        return Contributions(self.proba[:, rows], self.labels[rows], parts)

    def blocks(self) -> list[tuple[Rows, AdditiveCombiner]]:
        """Return all rows in blocks whose contributions fit the memory, each with its rule."""
        size = max(1, BLOCK_VALUES // (self.n_members * self.n_classes))
        return [(rows[start : start + size], rule) for rows, rule in self.parts for start in range(0, len(rows), size)]

    def committee_proba(self, members: list[int]) -> Values:
        """Return the (N, C) probabilities of one committee."""
        proba = np.empty((self.n_rows, self.n_classes))
        for rows, rule in self.parts:
            scores = np.zeros((len(rows), self.n_classes)) + rule.start()
            for member in members:
                scores += rule.contribution(member, self.proba[member, rows])
            proba[rows] = rule.to_proba(scores)
        return proba

    def of(self, rows: Rows, rule: AdditiveCombiner) -> Values:
        """Return what each member adds, (M, n, C) in float64."""
        some = as_slice(rows)
        return np.stack([rule.contribution(member, self.proba[member, some]) for member in range(self.n_members)])


def outcomes(data: Contributions, committees: Sequence[int]) -> NDArray[np.bool_]:
    """Say about which rows some committees are correct, (S, N); the definition itself, for a few of them.

    Contributions are added to `AdditiveCombiner.start` in ascending member order, in float64; the first maximum wins.
    """
    correct = np.empty((len(committees), data.n_rows), dtype=bool)
    if data.n_members <= MOST_DOUBLED and len(committees) << 3 > 1 << data.n_members:
        for rows, rule in data.parts:
            for some, part in all_outcomes(data, rows, rule):
                correct[:, some] = part[np.asarray(committees)]
        return correct
    for rows, rule in data.blocks():
        added, labels = data.of(rows, rule), data.labels[rows]
        for position, mask in enumerate(committees):
            scores = np.empty(added.shape[1:])
            scores[:] = rule.start()
            for member in range(data.n_members):
                if int(mask) >> member & 1:
                    scores += added[member]
            correct[position, rows] = most_probable(scores) == labels
    return correct


def undisputed(added: Values, labels: Labels) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say which rows every committee with a member is correct about, and which it is wrong about, (n,) each.

    All members prefer the true class to every rival, or the same rival to it, by more than sums can round away.
    """
    rows = np.arange(len(labels))
    true, enough = added[:, rows, labels], 1e-9 * np.abs(added).max(initial=1e-290)
    # A class at a time: reductions over a short last axis take many times as long.
    correct, wrong = np.ones(len(labels), dtype=bool), np.zeros(len(labels), dtype=bool)
    for label, scores in enumerate(np.moveaxis(added, 2, 0)):
        margins = true - scores
        correct &= (margins > enough).all(axis=0) | (labels == label)
        wrong |= (margins < -enough).all(axis=0)
    return correct, wrong


def all_outcomes(data: Contributions, rows: Rows, rule: AdditiveCombiner) -> Iterator[tuple[Rows, NDArray[np.bool_]]]:
    """Yield some of the rows at a time, and about which of them each of all committees is correct, (2^M, n).

    The scores of a committee are those of the committee without its last member, plus that member's contribution:
    by doubling, every committee costs one addition, and the order of terms is that of the definition. Classes that the
    true one is ahead of for every member win in no committee. Of few classes, rows of one true class go together, with
    all of their rivals; of many, each row has rivals of its own.
    """
    n_members, n_classes, start = data.n_members, data.n_classes, rule.start()
    many_classes = n_classes > FEW_CLASSES
    size = max(1, DOUBLING_BLOCK // (n_classes << n_members))
    at_a_time = max(1 if many_classes else size, BLOCK_VALUES // (n_members * n_classes))
    kinds = [rows] if many_classes else [rows[data.labels[rows] == label] for label in np.unique(data.labels[rows])]
    for alike in kinds:
        for first in range(0, len(alike), at_a_time):
            many = alike[first : first + at_a_time]
            added, labels = data.of(many, rule), data.labels[many]
            is_rival = ~leads(added, labels, start)
            if many_classes:
                for part, correct in doubled_by_row(added, labels, is_rival, start):
                    yield many[part], correct
                continue
            for place in range(0, len(many), size):
                part = slice(place, min(place + size, len(many)))
                rivals = np.flatnonzero(is_rival[part].any(axis=0))
                yield many[part], doubled(added[:, part], int(labels[0]), rivals, start)


def leads(added: Values, labels: Labels, start: Values) -> NDArray[np.bool_]:
    """Say in which rows the true class is ahead of a class for every member, by more than rounding: (n, C)."""
    enough = 1e-9 * np.abs(added).max(initial=1e-290)
    true = added[:, np.arange(len(labels)), labels] - enough
    ahead = np.ones(added.shape[1:], dtype=bool)
    for member, of_true in zip(added, true, strict=True):
        ahead &= of_true[:, None] > member
    if start.any():
        ahead &= start[labels][:, None] - start > -enough / 2
    return ahead


def doubled_by_row(
    added: Values, labels: Labels, is_rival: NDArray[np.bool_], start: Values
) -> Iterator[tuple[slice, NDArray[np.bool_]]]:
    """Yield some of the rows at a time, and about which of them all committees are correct, (2^M, n).

    Sums are of the true classes and of each row's rivals, true in ``is_rival`` (n, C), which lie side by side: in runs
    of those before and those after the true class, of which the largest sum counts.
    """
    is_rival = is_rival & (np.arange(is_rival.shape[1]) != labels[:, None])
    if not start.any() and is_rival.mean() > FEW_RIVALS:
        # Classes that nobody votes for all have a sum of 0, of which the first is the one that wins.
        empty = np.asarray(~added.any(axis=0))
        empty[np.arange(len(labels)), empty.argmax(axis=1)] = False
        is_rival &= ~empty
    row, rival = np.nonzero(is_rival)
    run = 2 * row + (rival > labels[row])
    ends = np.cumsum(np.bincount(row, minlength=len(labels)))
    most, begin = max(1, DOUBLING_BLOCK >> len(added)), 0
    while begin < len(labels):
        done = int(ends[begin - 1]) if begin else 0
        # As many rows as have so many rivals, or fewer than so many rows, but one at least.
        end = min(max(begin + 1, int(np.searchsorted(ends, done + most, side="right"))), begin + most)
        own = np.arange(begin, end)
        true = sums_of_all(added[:, own, labels[own]], start[labels[own]])
        correct = np.ones(true.shape, dtype=bool)
        for low in range(done, int(ends[end - 1]), most):
            some = slice(low, min(low + most, int(ends[end - 1])))
            others = sums_of_all(added[:, row[some], rival[some]], start[rival[some]])
            first = np.flatnonzero(np.diff(run[some], prepend=-1)).tolist()
            for start_of_run, end_of_run in zip(first, [*first[1:], len(others)], strict=True):
                place, is_after = divmod(int(run[low + start_of_run]) - 2 * begin, 2)
                largest = others[start_of_run:end_of_run].max(axis=0)
                beats = np.greater_equal if is_after else np.greater
                correct[place] &= beats(true[place], largest)
        yield slice(begin, end), correct.T
        begin = end


def sums_of_all(added: Values, start: Values) -> Values:
    """Return the sums of all committees, (k, 2^M), of what members add (M, k)."""
    sums = np.empty((added.shape[1], 1 << len(added)))
    sums[:, 0] = start
    for member, scores in enumerate(added):
        width = 1 << member
        np.add(sums[:, :width], scores[:, None], out=sums[:, width : 2 * width])
    return sums


def doubled(added: Values, label: int, rivals: NDArray[np.intp], start: Values) -> NDArray[np.bool_]:
    """Say about which rows of a class all committees are correct, (2^M, n), from their sums for it and its rivals."""
    n_members, n_samples, _ = added.shape
    classes = np.concatenate([[label], rivals[rivals != label]])
    sums = np.empty((len(classes), 1 << n_members, n_samples))
    sums[:, 0] = start[classes][:, None]
    for member, scores in enumerate(added[:, :, classes]):
        width = 1 << member
        np.add(sums[:, :width], scores.T[:, None], out=sums[:, width : 2 * width])
    correct = np.ones((1 << n_members, n_samples), dtype=bool)
    for rival, of_rival in zip(classes[1:], sums[1:], strict=True):
        if rival < label:
            correct &= sums[0] > of_rival
        else:
            correct &= sums[0] >= of_rival
    return correct

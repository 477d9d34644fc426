"""What each of many committees answers on some rows: whether it is correct, and how confident it is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import FEW_CLASSES, Floats, Labels, Rows, Values, most_probable
from ensembler.combiners.additive import AdditiveCombiner
from ensembler.deployment.cascades.costs import Inside
from ensembler.metrics.confidence import OF_PROBABILITIES, confidence_of_proba, share_of_votes, votes
from ensembler.subsets.contributions import Contributions

SIGNALS = (*OF_PROBABILITIES, "agreement")
"""What a cascade can read confidence from."""


@dataclass(frozen=True, eq=False)
class Committees:
    """Committees of M members; of cascades that are equally good, those of earlier ones are preferred.

    Attributes
    ----------
    members : tuple of tuple of int
        Of each committee, ascending.
    n_members : int
    """

    members: tuple[tuple[int, ...], ...]
    n_members: int

    @classmethod
    def every(cls, n_members: int) -> "Committees":
        """Return all committees that have a member.

        >>> Committees.every(2).members
        ((0,), (1,), (0, 1))
        """
        numbers = range(n_members)
        return cls(tuple(some for size in range(1, n_members + 1) for some in combinations(numbers, size)), n_members)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.members)

    @cached_property
    def inside(self) -> Inside:
        """Which members are in which committee, (S, M)."""
        inside = np.zeros((len(self), self.n_members), dtype=bool)
        for position, members in enumerate(self.members):
            inside[position, list(members)] = True
        return inside

    def supersets(self, committee: int) -> NDArray[np.int32]:
        """Return the committees that have all members of one, and others."""
        having = np.asarray(self.inside[:, list(self.members[committee])].all(axis=1))
        having[committee] = False
        return np.flatnonzero(having).astype(np.int32)

    def subsets(self, committee: int) -> NDArray[np.int32]:
        """Return the committees that have some of the members of one, and no others."""
        others = ~self.inside[committee]
        having = np.asarray(~self.inside[:, others].any(axis=1))
        having[committee] = False
        return np.flatnonzero(having).astype(np.int32)

    @cached_property
    def whole(self) -> int:
        """The place of the committee of all members."""
        return self.members.index(tuple(range(self.n_members)))


@dataclass(frozen=True, eq=False)
class Answers:
    """What committees answer on N rows.

    Attributes
    ----------
    correct : (S, N) uint8
        1 where the committee predicts the label.
    confidence : (F, N)
        Of the first F of them, which others may follow: by the signal asked for, from 0 to 1.
    predicted : (S, N) uint16
        The class.
    """

    correct: NDArray[np.uint8]
    confidence: Values
    predicted: NDArray[np.uint16]

    @classmethod
    def of(cls, data: Contributions, committees: Committees, signal: str, n_first: int) -> "Answers":
        """Let committees answer, rows block by block so that what they share stays at hand."""
        confidence = np.empty((n_first, data.n_rows))
        predicted = np.empty((len(committees), data.n_rows), dtype=np.uint16)
        for rows, rule in data.blocks():
            block = Block.of(data.proba[:, rows], rule)
            for position, scores in block.walk(committees.members):
                winner = most_probable(scores)
                predicted[position, rows] = winner
                if position < n_first:
                    answer, members = rule.to_proba(scores), committees.members[position]
                    confidence[position, rows] = block.confidence(signal, answer, members, winner)
        correct = (predicted == data.labels.astype(np.uint16)).view(np.uint8)
        return cls(correct, confidence, predicted)


@dataclass(frozen=True, eq=False)
class Block:
    """Some rows: what each member adds to their scores, and the classes that members vote for.

    Of few classes, the scores of one are side by side in memory, over which maxima and sums take a fraction of the
    time.
    """

    rule: AdditiveCombiner
    added: Mapping[int, Values]
    votes: Mapping[int, Labels]

    @classmethod
    def of(cls, proba: Floats, rule: AdditiveCombiner, members: Sequence[int] | None = None) -> "Block":
        """Take the probabilities (M, n, C) of all members, or of those whose numbers are given."""
        numbers = range(len(proba)) if members is None else members
        return cls(
            rule,
            {number: contribution(rule, number, rows) for number, rows in zip(numbers, proba, strict=True)},
            dict(zip(numbers, votes(proba), strict=True)),
        )

    def scores(self, members: Sequence[int]) -> Values:
        """Return the scores of a committee: contributions added to the start in ascending order of members."""
        total = np.zeros_like(self.added[members[0]]) + self.rule.start()
        for member in members:
            total += self.added[member]
        return total

    def walk(self, committees: Sequence[tuple[int, ...]]) -> Iterator[tuple[int, Values]]:
        """Yield each committee's place and its scores, one addition each where all committees are there.

        In order of members, committees that begin alike follow one another.
        """
        totals = [np.zeros_like(next(iter(self.added.values()))) + self.rule.start()]
        path: tuple[int, ...] = ()
        for position in sorted(range(len(committees)), key=committees.__getitem__):
            members = committees[position]
            alike = 0
            while alike < min(len(path), len(members)) and path[alike] == members[alike]:
                alike += 1
            del totals[alike + 1 :]
            for member in members[alike:]:
                totals.append(totals[-1] + self.added[member])
            path = members
            yield position, totals[-1]

    def confidence(self, signal: str, proba: Values, members: Sequence[int], predicted: Labels) -> Values:
        """Return how confident a committee is of its answers, (n,)."""
        if signal in OF_PROBABILITIES:
            return confidence_of_proba(signal, proba)
        return share_of_votes(np.stack([self.votes[member] for member in members]), predicted)

    def joined(self, other: "Block") -> "Block":
        """Return the same rows with the members of another block as well."""
        return Block(self.rule, {**other.added, **self.added}, {**other.votes, **self.votes})

    def take(self, rows: Rows) -> "Block":
        """Return some of the rows."""
        return Block(
            self.rule,
            {member: added[rows] for member, added in self.added.items()},
            {member: cast[rows] for member, cast in self.votes.items()},
        )


def contribution(rule: AdditiveCombiner, member: int, proba: Floats) -> Values:
    """Return what a member adds to the scores of some rows (n, C); class by class in memory where there are few."""
    added = rule.contribution(member, proba)
    return np.asfortranarray(added) if proba.shape[1] <= FEW_CLASSES else added

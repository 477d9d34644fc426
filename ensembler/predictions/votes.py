"""What members answer: their votes, which of them are correct, and which are missing."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ensembler.arrays import MISSING_VOTE, Correct, Floats, Labels, Missing, Values, check_missing, most_probable
from ensembler.errors import ValueRangeError
from ensembler.metrics.sums import weighted_mean


class Votes:
    """The answers of members whose probabilities, one-hot votes or missing votes stand in ``proba`` (M, N, C)."""

    proba: Floats
    missing: Missing | None
    sample_weight: Values | None

    @property
    def true_labels(self) -> Labels:
        """The labels."""
        raise NotImplementedError

    def votes_of(self, member: int) -> Labels:
        """Return a member's most probable class in each row, (N,) int64; -1 for a missing vote."""
        votes = most_probable(self.proba[member])
        return votes if self.missing is None else np.where(self.missing[member], MISSING_VOTE, votes)

    @property
    def votes(self) -> Labels:
        """Each member's most probable class in each row, (M, N) int64; -1 for a missing vote."""
        return np.array([self.votes_of(member) for member in range(len(self.proba))])

    @cached_property
    def correct(self) -> Correct:
        """Which members are correct about which rows, (M, N); none is about a row that it has not answered."""
        return np.array([self.votes_of(member) == self.true_labels for member in range(len(self.proba))])

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which members have answered which rows, (M, N)."""
        return np.ones(self.proba.shape[:2], dtype=bool) if self.missing is None else ~self.missing

    @property
    def n_missing(self) -> NDArray[np.int64]:
        """How many votes of each member are missing, (M,)."""
        return np.asarray((~self.answered).sum(axis=1), dtype=np.int64)

    @property
    def n_unanswered(self) -> int:
        """How many rows no member has answered."""
        return 0 if self.missing is None else int(self.missing.all(axis=0).sum())

    @property
    def member_accuracy(self) -> Values:
        """Accuracy of each member, (M,), with missing votes counted as wrong; rows are weighted."""
        return weighted_mean(self.correct, self.sample_weight)

    @property
    def answered_accuracy(self) -> Values:
        """Accuracy of each member on the rows that it has answered, (M,); NaN for one that has answered none."""
        if self.missing is None:
            return self.member_accuracy
        weight = np.ones(self.proba.shape[1]) if self.sample_weight is None else self.sample_weight
        with np.errstate(invalid="ignore"):
            return np.asarray((self.correct @ weight) / (self.answered @ weight))


def missing_votes(missing: ArrayLike, proba: Floats, names: Sequence[str], hard: Sequence[bool]) -> Missing | None:
    """Return which votes are missing, None for none of them; only hard members may have any."""
    array = check_missing(missing, proba, names)
    for name, is_hard, votes in zip(names, hard, array, strict=True):
        if votes.any() and not is_hard:
            raise ValueRangeError(
                f"member {name!r} has {votes.sum()} missing votes and is probabilities; only hard labels may have "
                "missing votes (hard=), so drop those rows or leave the member out"
            )
    return array if array.any() else None

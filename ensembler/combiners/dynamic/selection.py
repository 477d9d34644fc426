"""What rules have in common that weigh the members anew for each row."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import ROW_SUM_TOLERANCE, Correct, Floats, Labels, Rows, Values, most_probable, row_blocks
from ensembler.combiners.base import Combiner, clone, is_whole, require
from ensembler.combiners.dynamic.neighbours import NearestProfiles, as_profiles
from ensembler.combiners.fitted_state import LARGEST, SIZES, TINY, Kind, Numbers
from ensembler.errors import ValueRangeError

FITTING_ROWS: Mapping[str, Kind] = {
    "profiles_": Numbers("NF", low=0.0, high=1.0 + ROW_SUM_TOLERANCE),
    "labels_": Numbers("N", low=0, dtype="int64"),
    "row_weights_": Numbers("N", low=TINY, high=LARGEST),
}
"""The fitted state of a rule that keeps its fitting rows: members' probabilities, labels, and row weights."""

TIE_BREAK = 1e-6
"""Among classes with equally many votes, the one of the highest mean probability wins."""


@dataclass(frozen=True, eq=False)
class FittingRows:
    """The labelled rows that members are judged by.

    Attributes
    ----------
    profiles : (N, M·C) float64
    labels : (N,) int64
    weights : (N,) float64
    n_members : int
    """

    profiles: Values
    labels: Labels
    weights: Values
    n_members: int

    @cached_property
    def search(self) -> NearestProfiles:
        """The search for the nearest of them."""
        return NearestProfiles(self.profiles)

    @cached_property
    def votes(self) -> Labels:
        """The class that each member votes for, (N, M)."""
        return most_probable(self.profiles.reshape(len(self.profiles), self.n_members, -1))

    @cached_property
    def correct(self) -> Correct:
        """Which members are correct about which rows, (N, M)."""
        return np.asarray(self.votes == self.labels[:, None])

    @cached_property
    def true_proba(self) -> Values:
        """The probability that each member gives to the class of each row, (N, M)."""
        shaped = self.profiles.reshape(len(self.profiles), self.n_members, -1)
        return np.take_along_axis(shaped, self.labels[:, None, None], axis=2)[:, :, 0]

    def same_as(self, other: "FittingRows") -> bool:
        """Whether others are the same rows."""
        return (
            self.n_members == other.n_members
            and np.array_equal(self.labels, other.labels)
            and np.array_equal(self.weights, other.weights)
            and np.array_equal(self.profiles, other.profiles)
        )


@dataclass(frozen=True, eq=False)
class Region:
    """The regions of competence of n rows: for each the k nearest fitting rows, the nearest first.

    Attributes
    ----------
    rows : (n, k)
        Numbers of the fitting rows.
    proba : (M, n, C)
        The members' probabilities in the n rows.
    fitting : FittingRows
    """

    rows: Rows
    proba: Floats
    fitting: FittingRows

    @property
    def votes(self) -> Labels:
        """What the members vote for in the n rows, (n, M)."""
        return np.asarray(most_probable(self.proba).T)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Which neighbours each member is correct about, (n, k, M)."""
        return self.fitting.correct[self.rows]

    @property
    def weights(self) -> Values:
        """Row weights of the neighbours, (n, k)."""
        return self.fitting.weights[self.rows]

    @property
    def labels(self) -> Labels:
        """Labels of the neighbours, (n, k)."""
        return self.fitting.labels[self.rows]

    @property
    def neighbour_votes(self) -> Labels:
        """What the members vote for in the neighbours, (n, k, M)."""
        return self.fitting.votes[self.rows]

    def weight_correct(self) -> Values:
        """Return the weight of the neighbours that each member is correct about, (n, M)."""
        return np.asarray((self.weights[:, :, None] * self.correct).sum(axis=1))

    def accuracy(self, among: NDArray[np.bool_] | None = None) -> Values:
        """Return the accuracy of each member, (n, M), among neighbours (n, k, M) or all; 0 where there are none."""
        weights = self.weights[:, :, None]
        correct = self.correct if among is None else self.correct & among
        total = weights.sum(axis=1) if among is None else (weights * among).sum(axis=1)
        with np.errstate(invalid="ignore"):
            share = (weights * correct).sum(axis=1) / total
        return np.where(total > 0, share, 0.0)


class DynamicSelection(Combiner):
    """A rule that keeps its fitting rows, and weighs the members anew in each row by what they got right there.

    A subclass has a parameter ``votes``: whether members' most probable classes count instead of their probabilities.
    """

    family: ClassVar[str] = "dynamic"
    by_default: ClassVar[bool] = False
    list_position: ClassVar[int] = 3000
    fitted_state: ClassVar[Mapping[str, Kind]] = FITTING_ROWS

    votes: bool
    _fitting: FittingRows

    @property
    def profiles_(self) -> Values:
        """The members' probabilities in the fitting rows, (N, M·C)."""
        return self._fitting.profiles

    @property
    def labels_(self) -> Labels:
        """The labels of the fitting rows, (N,)."""
        return self._fitting.labels

    @property
    def row_weights_(self) -> Values:
        """The weights of the fitting rows, (N,)."""
        return self._fitting.weights

    def reuse(self, fitted: Mapping[str, Combiner]) -> Self:
        """Return a rule that shares its fitting rows, and the neighbours found among them, with another one."""
        other = next((rule for rule in fitted.values() if isinstance(rule, DynamicSelection)), None)
        if other is None:
            return self
        known = clone(self)
        vars(known)["_known_rows"] = other._fitting
        return known

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        rows = FittingRows(as_profiles(proba), labels.copy(), sample_weight, len(proba))
        known = vars(self).pop("_known_rows", None)
        self._fitting = known if known is not None and rows.same_as(known) else rows

    @abstractmethod
    def _member_weights(self, proba: Floats) -> Values:
        """Return the weights of the members in each row, (N, M); zeros in a row where all count the same."""

    def _scores(self, proba: Floats) -> Values:
        weights = self._member_weights(proba)
        weights[~weights.any(axis=1)] = 1.0
        scores = np.zeros(proba.shape[1:])
        for rows in row_blocks(len(scores), self.n_classes_):
            block, members = scores[rows], proba[:, rows]
            for member, weight in zip(members, weights[rows].T, strict=True):
                if self.votes:
                    block[np.arange(len(block)), most_probable(member)] += weight
                else:
                    block += weight[:, None] * member.astype(np.float64)
            if self.votes:
                block += TIE_BREAK * members.mean(axis=0, dtype=np.float64)
        return scores

    def n_fitted(self) -> int:
        """Count, for each fitting row, which members are correct."""
        return len(self.labels_) * self.n_members_

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Take the fitting rows, and what else was fitted."""
        values = self.take_state(state)
        labels, n_classes = values["labels_"], values["n_classes_"]
        if labels.max() >= n_classes:
            raise ValueRangeError(f"{self.name}: labels_ holds {labels.max()}, expected 0 to {n_classes - 1}")
        self.n_members_, self.n_classes_ = values["n_members_"], n_classes
        profiles, labels, weights = (values.pop(name) for name in FITTING_ROWS)
        self._fitting = FittingRows(profiles, labels, weights, self.n_members_)
        for name in values.keys() - set(SIZES):
            setattr(self, name, values[name])
        return self

    def _state_sizes(self, M: int, C: int) -> dict[str, int]:
        return {"F": M * C}


@dataclass
class NearestRowsSelection(DynamicSelection):
    """A rule that judges members by the k fitting rows nearest to each new one in output space.

    Parameters
    ----------
    k : int
        Neighbours; all rows where there are fewer.
    votes : bool
        Count the selected members' most probable classes instead of averaging their probabilities.
    """

    fitted_state: ClassVar[Mapping[str, Kind]] = FITTING_ROWS

    k: int = 7
    votes: bool = False

    def check_parameters(self) -> None:
        """Refuse what is no number of neighbours, or no truth value."""
        require(is_whole(self.k) and self.k >= 1, self, "k", "a whole number of at least 1")
        require(isinstance(self.votes, bool), self, "votes", "true or false")

    def _member_weights(self, proba: Floats) -> Values:
        nearest = self._fitting.search.nearest(proba, self.k)
        weights = np.empty((proba.shape[1], len(proba)))
        for rows in row_blocks(len(weights), nearest.shape[1] * len(proba)):
            weights[rows] = self.competence(Region(nearest[rows], proba[:, rows], self._fitting))
        return weights

    @abstractmethod
    def competence(self, region: Region) -> Values:
        """Return the weights of the members, (n, M), in rows with these regions of competence."""


def best_of(competence: Values) -> Values:
    """Return 1 for the members of the highest competence (n, M) in each row, 0 for the others."""
    highest = competence.max(axis=1, keepdims=True)
    # Sums of the same weights in another order differ in the last digits.
    return np.where(competence >= highest * (1 - 1e-12), 1.0, 0.0)

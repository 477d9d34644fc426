"""Rules whose scores are sums over members, and weighted means.

The committees of an additive rule need no more than what each member adds, computed once.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ensembler.arrays import Floats, Values, normalise, row_blocks
from ensembler.combiners.base import NEGLIGIBLE, Combiner
from ensembler.combiners.fitted_state import TINY, Kind, Numbers
from ensembler.combiners.missing_votes import NO_VOTE
from ensembler.errors import ParameterError

MULTIPLIERS = Numbers("M", low=TINY)


class AdditiveCombiner(Combiner):
    """A rule whose scores are a sum of one contribution per member, plus an offset that no member changes.

    Fitted on all members and fitted on some of them, a member's contribution leads to the same winner; a sweep over
    subsets needs nothing else.
    """

    @abstractmethod
    def contribution(self, member: int, proba: Floats) -> Values:
        """Return the (n, C) float64 contribution of a member with probabilities ``proba`` (n, C)."""

    def offset(self) -> Values:
        """Return the (C,) scores of an empty committee."""
        return np.zeros(self.n_classes_)

    def start(self) -> Values:
        """Return what contributions are added to in a sweep, (C,): the offset, and in rows without a vote the prior.

        The class prior is so small beside any vote that it decides nowhere else.
        """
        prior = getattr(self, "class_prior_", None)
        return self.offset() if prior is None or self.log_scale else self.offset() + NO_VOTE * prior

    def weights_underflow(self) -> bool:
        """Whether weights are so small beside others that sums of them mean nothing in a part of the members."""
        return False

    def _scores(self, proba: Floats) -> Values:
        scores = sum_contributions(proba, self.contribution, self.offset())
        return scores if self.log_scale else self._filled(scores)


class WeightedMean(AdditiveCombiner):
    """A mean with one weight a member, which may be set: ``rule.weights_ = [0.7, 0.3]`` on a fitted rule.

    A rule's ``_fit`` calls `_take` with a multiplier a member, of which only the ratios matter.
    """

    fitted_state: ClassVar[Mapping[str, Kind]] = {"_multipliers": MULTIPLIERS}

    _multipliers: Values

    @property
    def weights_(self) -> Values:
        """The weights of the members, (M,), summing to 1."""
        multipliers = self._multipliers
        return normalise(np.where(multipliers > NEGLIGIBLE, multipliers, float(multipliers.max() <= NEGLIGIBLE)))

    @weights_.setter
    def weights_(self, weights: ArrayLike) -> None:
        checked = self._checked_weights(weights)
        if not checked.any():
            raise ParameterError(f"{self.name}: weights_ is {checked.tolist()}, expected not all of them 0")
        self._take(checked)

    def _take(self, multipliers: Values) -> None:
        # A member of no weight still decides where no other one is there.
        self._multipliers = np.where(multipliers > 0, multipliers, NEGLIGIBLE)

    @property
    def is_fixed_weighted_mean(self) -> bool:
        """Return True."""
        return True

    def contribution(self, member: int, proba: Floats) -> Values:
        """Return the member's probabilities times its weight."""
        return np.asarray(self._multipliers[member] * proba.astype(np.float64))


class FittedMean(Combiner):
    """A mean with one weight a member that depends on which other members are there: ``_fit`` sets ``weights_``."""

    def _scores(self, proba: Floats) -> Values:
        return self._filled(weighted_sum(proba, self.weights_))

    @property
    def is_fixed_weighted_mean(self) -> bool:
        """Return True."""
        return True


def sum_contributions(
    proba: Floats,
    contribution: Callable[[int, Floats], Values],
    offset: Values | float = 0.0,
    members: Iterable[int] | None = None,
) -> Values:
    """Add contributions to the offset in ascending member order, in float64: the one definition of the sum.

    Those of all members, unless ``members`` says which.
    """
    n_members, n_samples, n_classes = proba.shape
    scores = np.empty((n_samples, n_classes))
    scores[:] = offset
    for rows in row_blocks(n_samples, n_classes):
        block = scores[rows]
        for member in range(n_members) if members is None else members:
            block += contribution(member, proba[member, rows])
    return scores


def weighted_sum(proba: Floats, weights: Values) -> Values:
    """Sum of weight times probabilities, with ``weights`` (M,) or (M, C); members of weight 0 are not read."""
    used = np.flatnonzero(weights.reshape(len(weights), -1).any(axis=1))
    n_samples, n_classes = proba.shape[1:]
    scores = np.zeros((n_samples, n_classes))
    for rows in row_blocks(n_samples, n_classes):
        block = scores[rows]
        for member in used:
            block += weights[member] * proba[member, rows].astype(np.float64)
    return scores

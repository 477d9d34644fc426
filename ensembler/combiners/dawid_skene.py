"""How often members call each class what, estimated without labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np

from ensembler.arrays import FEW_CLASSES, MISSING_VOTE, Floats, Labels, Values
from ensembler.combiners.additive import sum_contributions
from ensembler.combiners.base import Combiner, is_number, is_whole, require
from ensembler.combiners.behaviour_knowledge import list_votes, vote_keys, vote_shares
from ensembler.combiners.fitted_state import TINY, Kind, Numbers
from ensembler.combiners.missing_votes import answered
from ensembler.combiners.naive_bayes import look_up_votes
from ensembler.parallel.blas import one_blas_thread

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    Counts: TypeAlias = Values | csr_array

SMALLEST = 1e-10
"""Shares that have come to nothing."""
DENSE_VALUES = 1 << 22
"""Ones and zeros up to which matrices with few zeros in a row are multiplied as they are."""


@dataclass
class DawidSkene(Combiner):
    r"""The most probable class given all votes, with the members' confusion estimated without labels (Dawid–Skene).

    .. math::
        s_c = \log \pi_c + \sum_m \log e_m(d_m \mid c)

    with :math:`d_m` the vote of member m. The class shares :math:`\pi` and the confusion :math:`e_m` maximise the
    likelihood of the votes, found by the EM algorithm from the shares of votes. It is meant for people who label the
    same rows independently of each other. Models that are trained on the same rows err together, which it takes for
    agreement on the right class: it is never recommended, and here for rows without labels and for comparison.

    Parameters
    ----------
    max_iter : int
        Steps of the EM algorithm at most.
    tol : float
        The gain of the evidence lower bound a vote below which it ends.

    Attributes
    ----------
    priors_ : (C,) float64
        The class shares, of the fitting rows, estimated without their labels.
    confusion_ : (M, C, C) float64
        Of each member, the share of the rows of each class (last axis) that it calls each class (middle axis).

    References
    ----------
    Dawid & Skene, J. R. Stat. Soc. C 28 (1979) 20–28, doi 10.2307/2346806.

    Examples
    --------
    >>> import numpy as np
    >>> votes = np.array([[0, 0, 1, 1, 0, 1], [0, 0, 1, 1, 0, 1], [0, 1, 1, 0, 0, 1]])
    >>> rule = DawidSkene().fit(np.eye(2)[votes])
    >>> rule.predict(np.eye(2)[votes])
    array([0, 0, 1, 1, 0, 1])
    >>> rule.confusion_[2].round(2)
    array([[0.67, 0.33],
           [0.33, 0.67]])
    """

    name: ClassVar[str] = "dawid-skene"
    family: ClassVar[str] = "voting"
    source: ClassVar[str] = "Dawid & Skene 1979, doi 10.2307/2346806"
    is_trainable: ClassVar[bool] = False
    never_recommended: ClassVar[bool] = True
    complexity: ClassVar[int] = 116
    list_position: ClassVar[int] = 2000
    by_default: ClassVar[bool] = False
    freezable: ClassVar[bool] = True
    log_scale: ClassVar[bool] = True
    counts_votes: ClassVar[bool] = True
    takes_missing_votes: ClassVar[bool] = True
    reported: ClassVar[tuple[str, ...]] = ("priors_",)
    fitted_state: ClassVar[Mapping[str, Kind]] = {
        "priors_": Numbers("C", low=TINY, high=1.0 + 1e-9),
        "confusion_": Numbers("MCC", low=TINY, high=1.0 + 1e-9),
    }

    max_iter: int = 100
    tol: float = 1e-5

    def check_parameters(self) -> None:
        """Refuse impossible numbers."""
        require(is_whole(self.max_iter) and self.max_iter >= 1, self, "max_iter", "a whole number of at least 1")
        require(is_number(self.tol) and self.tol >= 0, self, "tol", "a number of at least 0")

    @one_blas_thread
    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        votes = list_votes(proba)
        kept = (votes != MISSING_VOTE).any(axis=1)
        if not kept.any():
            # Nobody has said anything of these rows: every class and every vote is as probable as any other.
            self.priors_ = np.full(self.n_classes_, 1.0 / self.n_classes_)
            self.confusion_ = np.full((self.n_members_, self.n_classes_, self.n_classes_), 1.0 / self.n_classes_)
            return
        # Rows with the same votes are one row that counts as often.
        _, first, number = np.unique(vote_keys(votes[kept], self.n_classes_), return_index=True, return_inverse=True)
        votes, weight = votes[kept][first], np.asarray(np.bincount(number, sample_weight[kept]), dtype=np.float64)
        counts, given = vote_matrix(votes, self.n_classes_), (votes != MISSING_VOTE).sum(axis=1)
        posterior = vote_shares(votes, self.n_classes_)
        self._maximise(counts, posterior, weight)
        likelihood = self._log_likelihood(counts)
        bound = -np.inf
        for _ in range(self.max_iter):
            joint = likelihood + np.log(self.priors_)
            posterior = np.exp(joint - joint.max(axis=1, keepdims=True))
            posterior /= posterior.sum(axis=1, keepdims=True)
            self._maximise(counts, posterior, weight)
            likelihood = self._log_likelihood(counts)
            last, bound = bound, self._bound(likelihood, posterior, weight, given)
            if bound - last < self.tol:
                break

    def _log_likelihood(self, counts: "Counts") -> Values:
        """Return the logarithm of how probable each row's votes are in each class, (N, C)."""
        return np.asarray(counts.T @ np.log(self.confusion_.reshape(-1, self.n_classes_)))

    def _maximise(self, counts: "Counts", posterior: Values, weight: Values) -> None:
        """Estimate shares from the rows' probabilities of each class."""
        weighted = posterior * weight[:, None]
        self.priors_ = np.maximum(weighted.sum(axis=0) / weight.sum(), SMALLEST)
        shape = (self.n_members_, self.n_classes_, self.n_classes_)
        confusion = np.maximum((counts @ weighted).reshape(shape), SMALLEST)
        self.confusion_ = confusion / confusion.sum(axis=1, keepdims=True)

    def _bound(self, likelihood: Values, posterior: Values, weight: Values, given: Labels) -> float:
        """Return the evidence lower bound divided by the number of votes, with one prior a vote as crowd-kit has it."""
        joint = likelihood + given[:, None] * np.log(self.priors_)
        surprise = np.log(np.maximum(posterior, SMALLEST))
        return float(weight @ (posterior * (joint - surprise)).sum(axis=1) / (weight @ given))

    def _scores(self, proba: Floats) -> Values:
        scores = sum_contributions(proba, self.frozen_contribution, self.frozen_offset())
        if hasattr(self, "class_prior_"):
            there = answered(proba).any(axis=0)
            scores[~there] = np.log(self.class_prior_)
        return scores

    def frozen_contribution(self, member: int, proba: Floats) -> Values:
        """Return how probable the member's vote is in each class, as logarithms; zeros without a vote."""
        return look_up_votes(np.log(self.confusion_[member]), proba)

    def frozen_offset(self) -> Values:
        """Return the logarithms of the class shares."""
        return np.asarray(np.log(self.priors_))


def vote_matrix(votes: Labels, n_classes: int) -> "Counts":
    """Return which rows have which vote of which member, (M·C, N), ones among zeros; sparse where that is large."""
    rows, members = np.nonzero(votes != MISSING_VOTE)
    cells = members * n_classes + votes[rows, members]
    shape = (votes.shape[1] * n_classes, len(votes))
    if n_classes <= FEW_CLASSES and shape[0] * shape[1] <= DENSE_VALUES:
        counts = np.zeros(shape)
        counts[cells, rows] = 1.0
        return counts
    from scipy.sparse import csr_array

    return csr_array((np.ones(len(rows)), (cells, rows)), shape=shape)

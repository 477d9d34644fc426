"""Votes weighted by the recall of each member on each class."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembler.arrays import FEW_CLASSES, Floats, Labels, Values, most_probable
from ensembler.combiners.additive import AdditiveCombiner
from ensembler.combiners.fitted_state import PRIORS, TINY, Kind, Numbers
from ensembler.combiners.missing_votes import answered, class_prior, vote_counts

RECALLS = Numbers("MC", low=TINY, high=1.0 - 2.0**-53)


@dataclass
class RecallCombiner(AdditiveCombiner):
    r"""The most probable class if members err independently, in each class as often as their recall says.

    .. math::
        s_c = \log P(c) + \sum_{m\,:\,m \text{ votes } c} \Bigl[ \log\frac{r_{mc}}{1 - r_{mc}} + \log(C - 1) \Bigr]
            + \sum_m \log(1 - r_{mc}), \qquad P(c) = \frac{N_c + 1}{N + C}

    with :math:`r_{mc}` the recall of member m on class c, clipped to :math:`[1/(2n + 2), 1 - 1/(2n + 2)]` for the
    :math:`n` fitting rows of c that m has answered: 1/2 for a class without any. The last sum is over the members that
    have answered. Committees are swept exactly. Probabilities are the softmax of the scores, and much too confident
    where members err together: calibrate them before they are used as such.

    Attributes
    ----------
    priors_ : (C,) float64
    recall_ : (M, C) float64
        After clipping.

    References
    ----------
    Kuncheva & Rodríguez, A weighted voting framework for classifiers ensembles, Knowledge and Information Systems 38
    (2014) 259–275, doi 10.1007/s10115-012-0586-6.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.4, 0.6], [0.3, 0.7]]])
    >>> RecallCombiner().fit(proba, [0, 1]).recall_
    array([[0.75, 0.75],
           [0.25, 0.75]])
    """

    name: ClassVar[str] = "recall"
    family: ClassVar[str] = "trainable"
    source: ClassVar[str] = "Kuncheva & Rodríguez 2014, doi 10.1007/s10115-012-0586-6"
    complexity: ClassVar[int] = 112
    list_position: ClassVar[int] = 2000
    by_default: ClassVar[bool] = False
    log_scale: ClassVar[bool] = True
    counts_votes: ClassVar[bool] = True
    takes_missing_votes: ClassVar[bool] = True
    reported: ClassVar[tuple[str, ...]] = ("recall_", "priors_")
    fitted_state: ClassVar[Mapping[str, Kind]] = {"priors_": PRIORS, "recall_": RECALLS}

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        self.priors_ = class_prior(labels, sample_weight, self.n_classes_)
        correct, true, _ = vote_counts(labels, proba, sample_weight)
        margin = 1.0 / (2.0 * true + 2.0)
        recall = np.divide(correct, true, out=np.full(true.shape, 0.5), where=true > 0)
        self.recall_ = np.clip(recall, margin, 1.0 - margin)

    def offset(self) -> Values:
        """Return the log priors."""
        return np.asarray(np.log(self.priors_))

    def contribution(self, member: int, proba: Floats) -> Values:
        """Return what the member's vote says for its class, and against all others; zeros without a vote."""
        missed, for_class = self.vote_values(member)
        votes = most_probable(proba)
        if proba.shape[1] <= FEW_CLASSES:
            values = np.asarray((missed + np.diag(for_class))[votes])
        else:
            values = np.empty(proba.shape)
            values[:] = missed
            values[np.arange(len(proba)), votes] += for_class[votes]
        there = answered(proba)
        if not there.all():
            values[~there] = 0.0
        return values

    def vote_values(self, member: int) -> tuple[Values, Values]:
        """Return what any vote of a member adds to each class, and what one for that class adds further, (C,) each."""
        recall = self.recall_[member]
        missed = np.log1p(-recall)
        return missed, np.log(recall) - missed + np.log(self.n_classes_ - 1.0)

    def n_fitted(self) -> int:
        """One recall a member and class, and the priors."""
        return (self.n_members_ + 1) * self.n_classes_

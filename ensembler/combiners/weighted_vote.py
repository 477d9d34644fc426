"""Votes weighted by the log odds of each member's accuracy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembler.arrays import Floats, Labels, Values, most_probable
from ensembler.combiners.additive import AdditiveCombiner
from ensembler.combiners.fitted_state import ACCURACY, PRIORS, Kind, Numbers
from ensembler.combiners.missing_votes import answered, class_prior, vote_accuracy


@dataclass
class WeightedVote(AdditiveCombiner):
    r"""The most probable class if members err independently and equally in every class.

    .. math:: s_c = \log P(c) + \sum_{m\,:\,m \text{ votes } c} \Bigl[ \log\frac{a_m}{1 - a_m} + \log(C - 1) \Bigr]

    with accuracies clipped to :math:`[1/(2N), 1 - 1/(2N)]` and priors :math:`P(c) = (N_c + 1)/(N + C)`, both from the
    fitting rows. The probabilities are the softmax of the scores.

    Attributes
    ----------
    accuracy_ : (M,) float64
        After clipping, on the n rows that a member has answered; 1/C for one that has answered none, whose vote then
        adds nothing.
    priors_ : (C,) float64
    vote_values_ : (M,) float64
        What a vote of each member adds; negative for one that is worse than chance.

    References
    ----------
    Kuncheva & Rodríguez, Knowledge and Information Systems 38 (2014) 259–275, doi 10.1007/s10115-012-0586-6.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.4, 0.6], [0.3, 0.7]]])
    >>> WeightedVote().fit(proba, [0, 1]).predict(proba)
    array([0, 1])
    """

    name: ClassVar[str] = "weighted-vote"
    family: ClassVar[str] = "voting"
    source: ClassVar[str] = "Kuncheva & Rodríguez 2014, doi 10.1007/s10115-012-0586-6"
    complexity: ClassVar[int] = 110
    log_scale: ClassVar[bool] = True
    counts_votes: ClassVar[bool] = True
    takes_missing_votes: ClassVar[bool] = True
    reported: ClassVar[tuple[str, ...]] = ("vote_values_", "priors_")
    fitted_state: ClassVar[Mapping[str, Kind]] = {
        "accuracy_": ACCURACY,
        "priors_": PRIORS,
        "vote_values_": Numbers("M"),
    }

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        self.accuracy_ = vote_accuracy(labels, proba, sample_weight, clip=True)
        self.priors_ = class_prior(labels, sample_weight, self.n_classes_)
        self.vote_values_ = np.log(self.accuracy_ / (1.0 - self.accuracy_)) + np.log(self.n_classes_ - 1.0)

    def offset(self) -> Values:
        """Return the log priors."""
        return np.asarray(np.log(self.priors_))

    def contribution(self, member: int, proba: Floats) -> Values:
        """Return the value of the member's vote in the column of its class, zero elsewhere."""
        ballot = np.zeros(proba.shape)
        ballot[np.arange(len(proba)), most_probable(proba)] = np.where(answered(proba), self.vote_values_[member], 0.0)
        return ballot

    def n_fitted(self) -> int:
        """One accuracy a member and one prior a class."""
        return self.n_members_ + self.n_classes_

"""Votes that are independent of each other among the rows of a class."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembler.arrays import Floats, Labels, Values, most_probable
from ensembler.combiners.additive import AdditiveCombiner
from ensembler.combiners.fitted_state import PRIORS, Kind, Numbers
from ensembler.combiners.missing_votes import answered, class_prior
from ensembler.metrics.confusion import confusion_matrix


@dataclass
class NaiveBayes(AdditiveCombiner):
    r"""The most probable class given all votes, if votes are independent among the rows of a class (naive Bayes).

    .. math::
        s_c = \log P(c) + \sum_m \log \frac{n_m(c, d_m) + 1/C}{N_{mc} + 1}, \qquad P(c) = \frac{N_c + 1}{N + C}

    with :math:`d_m` the class that member m finds most probable, and :math:`n_m(c, d)` of the :math:`N_{mc}` fitting
    rows of class c, that m has answered, called d by it. A member's table depends on no other member, so that
    committees are swept exactly. Probabilities are the softmax of the scores, and much too confident where members err
    together: calibrate them before they are used as such.

    Attributes
    ----------
    priors_ : (C,) float64
    likelihoods_ : (M, C, C) float64
        Of each member, the logarithms of the shares above by its vote and the true class.

    References
    ----------
    Kuncheva, Combining Pattern Classifiers, 2nd ed. 2014, section 4.4, doi 10.1002/9781118914564.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.4, 0.6], [0.3, 0.7]]])
    >>> NaiveBayes().fit(proba, [0, 1]).predict_proba(proba).round(2)
    array([[0.75, 0.25],
           [0.25, 0.75]])
    """

    name: ClassVar[str] = "naive-bayes"
    family: ClassVar[str] = "trainable"
    source: ClassVar[str] = "Kuncheva 2014, sec. 4.4, doi 10.1002/9781118914564"
    complexity: ClassVar[int] = 114
    list_position: ClassVar[int] = 2000
    by_default: ClassVar[bool] = False
    log_scale: ClassVar[bool] = True
    counts_votes: ClassVar[bool] = True
    takes_missing_votes: ClassVar[bool] = True
    reported: ClassVar[tuple[str, ...]] = ("priors_",)
    fitted_state: ClassVar[Mapping[str, Kind]] = {"priors_": PRIORS, "likelihoods_": Numbers("MCC", high=0.0)}

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        n_classes = self.n_classes_
        self.priors_ = class_prior(labels, sample_weight, n_classes)
        self.likelihoods_ = np.empty((self.n_members_, n_classes, n_classes))
        for member, table in zip(proba, self.likelihoods_, strict=True):
            there = answered(member)
            counts = confusion_matrix(labels[there], most_probable(member[there]), n_classes, sample_weight[there])
            table[:] = np.log((counts + 1.0 / n_classes) / (counts.sum(axis=1, keepdims=True) + 1.0)).T

    def offset(self) -> Values:
        """Return the log priors."""
        return np.asarray(np.log(self.priors_))

    def contribution(self, member: int, proba: Floats) -> Values:
        """Return how probable the member's vote is in each class, as logarithms; zeros without a vote."""
        return look_up_votes(self.likelihoods_[member], proba)

    def n_fitted(self) -> int:
        """One share a member, class and vote, that of the last vote being what the others leave, and the priors."""
        return (self.n_members_ * self.n_classes_ + 1) * (self.n_classes_ - 1)


def look_up_votes(table: Values, proba: Floats) -> Values:
    """Return a row of a table (C, C) for the vote in each row of some predictions (n, C); zeros without a vote."""
    there = answered(proba)
    values = table[most_probable(proba)]
    if not there.all():
        values[~there] = 0.0
    return np.asarray(values)

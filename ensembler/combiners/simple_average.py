"""The simple mean of the members' probabilities."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembler.arrays import Floats, Labels, Values
from ensembler.combiners.base import AdditiveCombiner


@dataclass
class SimpleAverage(AdditiveCombiner):
    r"""Mean of the members' probabilities; for hard labels the share of votes.

    .. math:: s_c = \sum_m p_m(c)

    Nothing is learned, every member weighs the same. It is the yardstick of all other rules.

    References
    ----------
    Kittler et al., On combining classifiers, IEEE TPAMI 20 (1998) 226–239, doi 10.1109/34.667881 (the sum rule).

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1]], [[0.4, 0.6]]])
    >>> SimpleAverage().fit(proba).predict_proba(proba)
    array([[0.65, 0.35]])
    """

    name: ClassVar[str] = "mean"
    source: ClassVar[str] = "Kittler et al. 1998, doi 10.1109/34.667881"
    learns: ClassVar[bool] = False

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        self.weights_ = np.full(self.n_members_, 1.0 / self.n_members_)

    def contribution(self, member: int, proba: Floats) -> Values:
        """Return the member's probabilities."""
        return proba.astype(np.float64)

"""The mean weighted by each member's accuracy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ensembler.arrays import Floats, Labels, Values
from ensembler.combiners.additive import WeightedMean
from ensembler.combiners.fitted_state import ACCURACY, Kind
from ensembler.combiners.missing_votes import vote_accuracy


@dataclass
class AccuracyWeightedAverage(WeightedMean):
    r"""Mean weighted by accuracy on the fitting rows (Kim's VA-simp-WA).

    .. math:: s_c = \sum_m a_m\, p_m(c), \qquad w_m = a_m / \sum_j a_j

    Attributes
    ----------
    accuracy_ : (M,) float64
        On the rows that a member has answered; 1/C for one that has answered none.
    weights_ : (M,) float64, summing to 1

    References
    ----------
    Kim et al., J. Multimodal User Interfaces 10 (2016) 173–189, doi 10.1007/s12193-015-0209-0.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.4, 0.6], [0.3, 0.7]]])
    >>> AccuracyWeightedAverage().fit(proba, [0, 1]).weights_
    array([0.66666667, 0.33333333])
    """

    name: ClassVar[str] = "accuracy-weighted"
    family: ClassVar[str] = "weighted"
    source: ClassVar[str] = "Kim et al. 2016 (VA-simp-WA), doi 10.1007/s12193-015-0209-0"
    complexity: ClassVar[int] = 90
    list_position: ClassVar[int] = 2
    fitted_state: ClassVar[Mapping[str, Kind]] = {**WeightedMean.fitted_state, "accuracy_": ACCURACY}
    takes_missing_votes: ClassVar[bool] = True
    reads_half: ClassVar[bool] = True

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        self.accuracy_ = vote_accuracy(labels, proba, sample_weight)
        self._take(self.accuracy_)

    def n_fitted(self) -> int:
        """One accuracy a member."""
        return self.n_members_

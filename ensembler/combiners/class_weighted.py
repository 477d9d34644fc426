"""The mean weighted by how good each member is at each class."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ensembler.arrays import Floats, Labels, Values, normalise
from ensembler.combiners.additive import weighted_sum
from ensembler.combiners.base import Combiner, require
from ensembler.combiners.fitted_state import WEIGHTS, Kind, Numbers
from ensembler.combiners.missing_votes import vote_counts


@dataclass
class ClassWeightedAverage(Combiner):
    r"""Mean in which a member's weight differs from class to class.

    .. math:: s_c = \sum_m W_{mc}\, p_m(c), \qquad W_{mc} = r_{mc} / \sum_j r_{jc}

    with :math:`r_{mc}` the recall of member m on class c on the fitting rows, floored at :math:`1/(2 N_c + 2)`;
    with missing votes both are of the rows that m has answered. A class that no answered fitting row has gets equal
    weights. The study of FER2013 ensembles weights by "categorical
    accuracy" without a formula; this one is inferred.

    Parameters
    ----------
    by : "recall", "precision" or "f1"
        What is measured per member and class.

    Attributes
    ----------
    quality_ : (M, C) float64
        The measured value after the floor; NaN for an absent class.
    weights_ : (M, C) float64, summing to 1 over members

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.4, 0.6], [0.3, 0.7]]])
    >>> ClassWeightedAverage().fit(proba, [0, 1]).weights_
    array([[0.8, 0.5],
           [0.2, 0.5]])
    """

    name: ClassVar[str] = "class-weighted"
    family: ClassVar[str] = "weighted"
    source: ClassVar[str] = "weights by categorical accuracy; formula inferred"
    complexity: ClassVar[int] = 120
    freezable: ClassVar[bool] = True
    list_position: ClassVar[int] = 3
    fitted_state: ClassVar[Mapping[str, Kind]] = {
        "weights_": WEIGHTS,
        "quality_": Numbers("MC", low=0.0, high=1.0 + 1e-9, nan=True),
    }
    takes_missing_votes: ClassVar[bool] = True

    by: Literal["recall", "precision", "f1"] = "recall"

    def check_parameters(self) -> None:
        """Refuse unknown measures."""
        require(self.by in ("recall", "precision", "f1"), self, "by", "'recall', 'precision' or 'f1'")

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        correct, true, predicted = vote_counts(labels, proba, sample_weight)
        divisor = {"recall": true, "precision": predicted, "f1": (true + predicted) / 2}[self.by]
        with np.errstate(invalid="ignore"):
            quality = np.maximum(np.nan_to_num(correct / divisor), 1.0 / (2.0 * true + 2.0))
        absent = true.sum(axis=0) == 0
        self.quality_ = np.where(absent, np.nan, quality)
        self.weights_ = normalise(np.where(absent, 1.0, quality).T).T

    def _scores(self, proba: Floats) -> Values:
        return self._filled(weighted_sum(proba, self.weights_))

    def n_fitted(self) -> int:
        """One value a member and class."""
        return self.n_members_ * self.n_classes_

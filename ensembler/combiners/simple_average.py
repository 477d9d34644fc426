"""The simple mean of the members' probabilities."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembler.arrays import Floats, Labels, Values
from ensembler.combiners.additive import AdditiveCombiner
from ensembler.combiners.fitted_state import Kind


@dataclass
class SimpleAverage(AdditiveCombiner):
    r"""Mean of the members' probabilities; for hard labels the share of votes.

    .. math:: s_c = \sum_m p_m(c)

    Nothing is learned, every member weighs the same. It is the baseline of all other rules.

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
    family: ClassVar[str] = "fixed"
    source: ClassVar[str] = "Kittler et al. 1998, doi 10.1109/34.667881"
    complexity: ClassVar[int] = 0
    list_position: ClassVar[int] = 1
    is_trainable: ClassVar[bool] = False
    fitted_state: ClassVar[Mapping[str, Kind]] = {}
    takes_missing_votes: ClassVar[bool] = True

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        """Nothing is learned."""

    @property
    def weights_(self) -> Values:  # type: ignore[override]
        """Equal weights, (M,); they cannot be set (use ``fixed-weights``)."""
        return np.full(self.n_members_, 1.0 / self.n_members_)

    @property
    def is_fixed_weighted_mean(self) -> bool:
        """Return True."""
        return True

    def contribution(self, member: int, proba: Floats) -> Values:
        """Return the member's probabilities."""
        return proba.astype(np.float64)

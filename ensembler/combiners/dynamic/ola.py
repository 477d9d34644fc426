"""The members that are most accurate in the neighbourhood."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ensembler.arrays import Values
from ensembler.combiners.dynamic.selection import FITTING_ROWS, NearestRowsSelection, Region, best_of
from ensembler.combiners.fitted_state import Kind


@dataclass
class OverallLocalAccuracy(NearestRowsSelection):
    r"""OLA: the member that is most accurate about the k nearest fitting rows; of equally accurate ones, their mean.

    .. math::
        s_c = \sum_{m \in S} p_m(c), \qquad S = \arg\max_m \frac{\sum_{i \in R(x)} v_i\, 1[m \text{ correct about } i]}
        {\sum_{i \in R(x)} v_i}

    with the k fitting rows :math:`R(x)` nearest in output space by Euclidean distance, of equally near ones those with
    the lowest numbers, and row weights :math:`v_i`, which do not move the neighbours.

    Woods et al. look for neighbours among the features. DESlib's ``OLA`` takes the first of equally accurate members;
    with ``selection_method="all"`` it takes all of them.

    Parameters
    ----------
    k : int
        Neighbours; all fitting rows where there are fewer.
    votes : bool
        Count the selected members' most probable classes instead of averaging their probabilities.

    Attributes
    ----------
    profiles_ : (N, M·C) float64
        The fitting rows, which the rule keeps, with ``labels_`` and ``row_weights_``, (N,).

    References
    ----------
    Woods, Kegelmeyer & Bowyer, Combination of multiple classifiers using local accuracy estimates, IEEE Trans. Pattern
    Anal. Mach. Intell. 19 (1997) 405–410, doi 10.1109/34.588027.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.4, 0.6], [0.3, 0.7]]])
    >>> OverallLocalAccuracy(k=1).fit(proba, [0, 1]).predict_proba(proba)
    array([[0.9 , 0.1 ],
           [0.25, 0.75]])
    """

    name: ClassVar[str] = "ola"
    source: ClassVar[str] = "Woods et al. 1997, doi 10.1109/34.588027"
    complexity: ClassVar[int] = 181
    fitted_state: ClassVar[Mapping[str, Kind]] = FITTING_ROWS

    def competence(self, region: Region) -> Values:
        """Return 1 for the members of the highest local accuracy, (n, M)."""
        return best_of(region.accuracy())

"""Every member that gets a neighbour right, with as much weight as it gets neighbours right."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ensembler.arrays import Values
from ensembler.combiners.dynamic.selection import FITTING_ROWS, NearestRowsSelection, Region
from ensembler.combiners.fitted_state import Kind


@dataclass
class KnoraUnion(NearestRowsSelection):
    r"""KNORA-Union: every member that is correct about a neighbour, once for each such neighbour.

    .. math:: s_c = \sum_{i \in R(x)} v_i \sum_{m \text{ correct about } i} p_m(c)

    with the k fitting rows :math:`R(x)` nearest in output space and row weights :math:`v_i`; where no member is correct
    about any of them, the mean of all. Ko et al. look for neighbours among the features, which predictions do not have;
    **in output space the rule is** `KNearestOutputProfiles`, and gives the same numbers. It has a name of its own
    because people ask for it.

    DESlib's ``KNORAU`` counts hard votes unless told otherwise (``votes``), and with the members' probabilities as
    features finds the same neighbours. Its probabilities are a softmax of the weighted mean.

    Parameters
    ----------
    k : int
        Neighbours; all fitting rows where there are fewer.
    votes : bool
        Count the members' most probable classes instead of averaging their probabilities.

    Attributes
    ----------
    profiles_ : (N, M·C) float64
        The fitting rows, which the rule keeps, with ``labels_`` and ``row_weights_``, (N,).

    References
    ----------
    Ko, Sabourin & Britto, From dynamic classifier selection to dynamic ensemble selection, Pattern Recognition 41
    (2008) 1718–1731, doi 10.1016/j.patcog.2007.10.015.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.4, 0.6], [0.3, 0.7]]])
    >>> KnoraUnion(k=2).fit(proba, [0, 1]).predict_proba(proba).round(3)
    array([[0.733, 0.267],
           [0.233, 0.767]])
    """

    name: ClassVar[str] = "knora-u"
    source: ClassVar[str] = "Ko et al. 2008, doi 10.1016/j.patcog.2007.10.015"
    complexity: ClassVar[int] = 183
    fitted_state: ClassVar[Mapping[str, Kind]] = FITTING_ROWS

    def competence(self, region: Region) -> Values:
        """Return the weight of the neighbours that each member is correct about, (n, M)."""
        return region.weight_correct()

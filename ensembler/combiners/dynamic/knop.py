"""Members weighted by how many of the nearest output profiles they get right."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ensembler.arrays import Values
from ensembler.combiners.dynamic.selection import FITTING_ROWS, NearestRowsSelection, Region
from ensembler.combiners.fitted_state import Kind


@dataclass
class KNearestOutputProfiles(NearestRowsSelection):
    r"""KNOP: each member weighted by the number of nearest output profiles that it is correct about.

    .. math:: s_c = \sum_m w_m\, p_m(c), \qquad w_m = \sum_{i \in R(x)} v_i\, 1[m \text{ is correct about } i]

    with the region of competence :math:`R(x)`: the k fitting rows whose M·C probabilities are nearest to those of the
    row by Euclidean distance, of equally near ones those with the lowest numbers; and row weights :math:`v_i`. Where no
    member is correct about any of them, all weigh the same. Row weights do not move the neighbours: k counts rows.

    With ``votes``, members' most probable classes take the place of :math:`p_m`; a millionth of the members' mean
    decides among equal classes. DESlib's ``KNOP`` finds the same neighbours. It counts votes unless told otherwise; its
    probabilities are the softmax of the weighted mean, or the plain mean where all members vote for one class.

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
    Cavalin, Sabourin & Suen, Dynamic selection approaches for multiple classifier systems, Neural Comput. & Applic. 22
    (2013) 673–688, doi 10.1007/s00521-011-0737-9.

    Examples
    --------
    The first member is right where both say what they say here:

    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.4, 0.6], [0.3, 0.7]]])
    >>> KNearestOutputProfiles(k=1).fit(proba, [0, 1]).predict_proba(proba)
    array([[0.9 , 0.1 ],
           [0.25, 0.75]])
    """

    name: ClassVar[str] = "knop"
    source: ClassVar[str] = "Cavalin et al. 2013, doi 10.1007/s00521-011-0737-9"
    complexity: ClassVar[int] = 182
    fitted_state: ClassVar[Mapping[str, Kind]] = FITTING_ROWS

    def competence(self, region: Region) -> Values:
        """Return the weight of the neighbours that each member is correct about, (n, M)."""
        return region.weight_correct()

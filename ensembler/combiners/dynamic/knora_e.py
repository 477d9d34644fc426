"""The members that are correct about all of the nearest neighbours, as many as that can be said of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembler.arrays import Values
from ensembler.combiners.dynamic.selection import FITTING_ROWS, NearestRowsSelection, Region
from ensembler.combiners.fitted_state import Kind


@dataclass
class KnoraEliminate(NearestRowsSelection):
    r"""KNORA-Eliminate: the members that are correct about all k neighbours, or about all of as many as can be.

    .. math:: s_c = \sum_{m \in S} p_m(c), \qquad S = \{m : l_m = \max_j l_j\}

    with :math:`l_m` the number of neighbours, from the nearest outwards, until the first that m is wrong about. Where
    every member is wrong about the nearest one, all are selected. The neighbours are the k fitting rows nearest in
    output space by Euclidean distance, of equally near ones those with the lowest numbers. Row weights play no part.

    Ko et al. look for neighbours among the features; DESlib's ``KNORAE`` counts hard votes unless told otherwise, and
    with the members' probabilities as features selects the same members.

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
    Ko, Sabourin & Britto, From dynamic classifier selection to dynamic ensemble selection, Pattern Recognition 41
    (2008) 1718–1731, doi 10.1016/j.patcog.2007.10.015.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.4, 0.6], [0.3, 0.7]]])
    >>> KnoraEliminate(k=2).fit(proba, [0, 1]).predict_proba(proba)
    array([[0.9, 0.1],
           [0.2, 0.8]])
    """

    name: ClassVar[str] = "knora-e"
    source: ClassVar[str] = "Ko et al. 2008, doi 10.1016/j.patcog.2007.10.015"
    complexity: ClassVar[int] = 184
    fitted_state: ClassVar[Mapping[str, Kind]] = FITTING_ROWS

    def competence(self, region: Region) -> Values:
        """Return 1 for the selected members, (n, M); all are where none is correct about the nearest neighbour."""
        lengths = np.logical_and.accumulate(region.correct, axis=1).sum(axis=1)
        return np.where(lengths == lengths.max(axis=1, keepdims=True), 1.0, 0.0)

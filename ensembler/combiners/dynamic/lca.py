"""The members that are most accurate in the neighbourhood where they say what they say now."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from ensembler.arrays import Values
from ensembler.combiners.base import require
from ensembler.combiners.dynamic.selection import FITTING_ROWS, NearestRowsSelection, Region, best_of
from ensembler.combiners.fitted_state import Kind


@dataclass
class LocalClassAccuracy(NearestRowsSelection):
    r"""LCA: the member that is most accurate about those neighbours to which it gives the class that it gives the row.

    .. math::
        s_c = \sum_{m \in S} p_m(c), \qquad S = \arg\max_m
        \frac{\sum_{i \in R(x)} v_i\, 1[d_m(i) = d_m(x) = y_i]}{\sum_{i \in R(x)} v_i\, 1[d_m(i) = d_m(x)]}

    with the vote :math:`d_m` of member m, the k fitting rows :math:`R(x)` nearest in output space by Euclidean
    distance, of equally near ones those with the lowest numbers, and row weights :math:`v_i`. A member that gives no
    neighbour the class has accuracy 0; of equally accurate members, the mean is taken.

    DESlib's ``LCA`` says the same in its documentation, but its program divides by the neighbours that *belong* to the
    class, so that a member's local recall decides: ``among="true"`` does that. It takes the first of equally accurate
    members, or all with ``selection_method="all"``.

    Parameters
    ----------
    k : int
        Neighbours; all fitting rows where there are fewer.
    votes : bool
        Count the selected members' most probable classes instead of averaging their probabilities.
    among : "assigned" or "true"
        The neighbours that count for a member: those to which it gives the class (Woods et al.), or those that belong
        to it (DESlib).

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
    >>> LocalClassAccuracy(k=2).fit(proba, [0, 1]).predict_proba(proba)
    array([[0.9, 0.1],
           [0.2, 0.8]])
    """

    name: ClassVar[str] = "lca"
    source: ClassVar[str] = "Woods et al. 1997, doi 10.1109/34.588027"
    complexity: ClassVar[int] = 185
    fitted_state: ClassVar[Mapping[str, Kind]] = FITTING_ROWS

    among: Literal["assigned", "true"] = "assigned"

    def check_parameters(self) -> None:
        """Refuse unknown choices of neighbours."""
        super().check_parameters()
        require(self.among in ("assigned", "true"), self, "among", "'assigned' or 'true'")

    def competence(self, region: Region) -> Values:
        """Return 1 for the members of the highest local class accuracy, (n, M)."""
        classes = region.neighbour_votes if self.among == "assigned" else region.labels[:, :, None]
        return best_of(region.accuracy(classes == region.votes[:, None, :]))

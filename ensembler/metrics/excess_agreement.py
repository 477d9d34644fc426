r"""How far two members agree beyond what their accuracies imply.

Two good members agree often even if they have nothing in common: if both are right in 95 of 100 rows, in 90 or more.
With accuracies :math:`p` and :math:`q` and C classes, members whose errors are independent, and spread evenly over the
wrong classes, agree in a share :math:`e = pq + (1 - p)(1 - q) / (C - 1)` of the rows. If they do agree in a share
:math:`a`, then :math:`\kappa = (a - e) / (1 - e)`: 0 for such members, 1 for copies, and about the share of the rows in
which one says what the other says.

That is the error consistency of Geirhos, Meding & Wichmann, Beyond accuracy (2020), doi 10.48550/arXiv.2006.16736, with
wrong classes told apart as by Goel and others, Great models think alike and this undermines AI oversight (2025), doi
10.48550/arXiv.2502.04313.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import MISSING_VOTE, Labels, Values


@dataclass(frozen=True)
class ExcessAgreement:
    """The agreement of all pairs of L members, on the rows that both have answered.

    Attributes
    ----------
    kappa : (L, L)
        Agreement beyond what the accuracies imply; NaN for two that are always right, or have no row in common.
    implied : (L, L)
        The share of rows in which such members would agree.
    different : (L, L) int
        Rows in which they differ.
    n_rows : (L, L) int
        Rows that both have answered.
    """

    kappa: Values
    implied: Values
    different: NDArray[np.int64]
    n_rows: NDArray[np.int64]

    def shown_above(self, threshold: float, alpha: float = 0.05) -> NDArray[np.bool_]:
        r"""Say of which pairs the rows show that :math:`\kappa` is at least so large, (L, L).

        They do where so few differences, or fewer, had a probability of at most ``alpha`` (binomial) if it were at the
        threshold: of few rows, or of members that are hardly ever wrong, too little is known.
        """
        from scipy.special import bdtr

        rate = np.clip(np.nan_to_num((1 - threshold) * (1 - self.implied)), 0.0, 1.0)
        shown = np.asarray(bdtr(self.different, self.n_rows, rate) <= alpha)
        return shown & (np.nan_to_num(self.kappa, nan=-np.inf) >= threshold)


def excess_agreement(predicted: NDArray[np.int64], labels: Labels, n_classes: int) -> ExcessAgreement:
    """Measure how far members agree beyond what their accuracies imply.

    Parameters
    ----------
    predicted : (L, N) int
        The class that each member names; -1 where it has not answered.
    labels : (N,) int
    n_classes : int

    >>> labels = np.array([0, 0, 1, 1])
    >>> found = excess_agreement(np.array([[0, 0, 1, 0], [0, 0, 1, 0], [0, 1, 1, 1]]), labels, 2)
    >>> found.kappa.round(2).tolist()
    [[1.0, 1.0, -0.33], [1.0, 1.0, -0.33], [-0.33, -0.33, 1.0]]
    """
    answered = (predicted != MISSING_VOTE).astype(np.float64)
    correct = ((predicted == labels) & (predicted != MISSING_VOTE)).astype(np.float64)
    n_rows = np.rint(answered @ answered.T).astype(np.int64)
    same = np.array(
        [[int(((first == second) & (first != MISSING_VOTE)).sum()) for second in predicted] for first in predicted]
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        # The accuracy of each on the rows that the other has answered too.
        first = (correct @ answered.T) / n_rows
        second = first.T
        implied = first * second + (1 - first) * (1 - second) / (n_classes - 1)
        kappa = (same / n_rows - implied) / (1 - implied)
    return ExcessAgreement(np.where(np.isfinite(kappa), kappa, np.nan), implied, n_rows - same, n_rows)

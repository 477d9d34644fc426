"""The Borda count."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ensembler.arrays import FEW_CLASSES, Floats, Labels, Values
from ensembler.combiners.additive import AdditiveCombiner
from ensembler.combiners.fitted_state import Kind


@dataclass
class BordaCount(AdditiveCombiner):
    r"""Sum over members of how many classes each class beats; equal probabilities share their mid-rank.

    .. math::
        s_c = \sum_m \Bigl( \bigl|\{k : p_m(k) < p_m(c)\}\bigr|
        + \tfrac12 \bigl|\{k \ne c : p_m(k) = p_m(c)\}\bigr| \Bigr)

    References
    ----------
    Ho, Hull & Srihari, Decision combination in multiple classifier systems, IEEE TPAMI 16 (1994) 66–75,
    doi 10.1109/34.273716.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.6, 0.3, 0.1]], [[0.4, 0.4, 0.2]]])
    >>> BordaCount().fit(proba).scores(proba)
    array([[3.5, 2.5, 0. ]])
    """

    name: ClassVar[str] = "borda"
    family: ClassVar[str] = "fixed"
    source: ClassVar[str] = "Ho, Hull & Srihari 1994, doi 10.1109/34.273716"
    complexity: ClassVar[int] = 40
    is_trainable: ClassVar[bool] = False
    fitted_state: ClassVar[Mapping[str, Kind]] = {}

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        """Nothing is learned."""

    def contribution(self, member: int, proba: Floats) -> Values:
        """Return the mid-ranks of the member's probabilities, 0 for the least probable class."""
        if proba.shape[-1] <= FEW_CLASSES:
            # Each class beats another (1), equals it (½) or loses (0).
            columns = np.ascontiguousarray(proba.T)
            ranks = np.full(columns.shape, (len(columns) - 1) / 2)
            for first in range(len(columns)):
                for second in range(first):
                    half = 0.5 * np.sign(columns[first] - columns[second])
                    ranks[first] += half
                    ranks[second] -= half
            return ranks.T
        return ranks_of_classes(proba)

    def needs_probabilities(self) -> bool:
        """Return True: a hard label does not rank the classes it did not choose."""
        return True


def ranks_of_classes(proba: Floats) -> Values:
    """Return the rank of each probability in its row, from 0; equal ones share the mean of theirs. (N, C) to (N, C).

    >>> ranks_of_classes(np.array([[0.2, 0.5, 0.2, 0.1]]))
    array([[1.5, 3. , 1.5, 0. ]])
    """
    from scipy.stats import rankdata

    order = proba.argsort(axis=1)
    ordered = np.take_along_axis(proba, order, axis=1)
    ranks = np.empty(proba.shape)
    np.put_along_axis(ranks, order, np.arange(proba.shape[1], dtype=np.float64)[None], axis=1)
    tied = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
    if len(tied):
        ranks[tied] = rankdata(proba[tied], axis=1) - 1.0
    return ranks

"""The member that is clearly the most accurate where the members voted as they vote now."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Floats, Rows, Values, most_probable
from ensembler.combiners.base import is_number, require
from ensembler.combiners.dynamic.neighbours import in_threads
from ensembler.combiners.dynamic.selection import FITTING_ROWS, DynamicSelection
from ensembler.combiners.fitted_state import Kind

Votes = NDArray[np.integer]

COMPARED = 1 << 19
"""So many pairs of rows are compared at a time."""


@dataclass
class MultipleClassifierBehaviour(DynamicSelection):
    r"""MCB: one member where it is clearly the most accurate among rows with similar votes, the mean elsewhere.

    The region of competence :math:`R(x)` is all fitting rows in which at least a share ``similarity`` of the members
    vote as in the row. The member of the highest accuracy there,

    .. math:: a_m = \frac{\sum_{i \in R(x)} v_i\, 1[m \text{ correct about } i]}{\sum_{i \in R(x)} v_i}

    with row weights :math:`v_i`, is selected if it leads the second by at least ``lead``; otherwise, and where no row
    is similar, all members are.

    Giacinto & Roli, and DESlib's ``MCB``, first take the k nearest rows by features and then the similar ones among
    them; DESlib takes all k where none is similar, and draws one at random from the members within ``lead`` of the
    best.

    Parameters
    ----------
    similarity : float
        Share of members, from 0 to 1.
    lead : float
        Lead in accuracy, from 0 to 1. Equally accurate members have none.
    votes : bool
        Count members' most probable classes instead of averaging their probabilities.

    Attributes
    ----------
    profiles_ : (N, M·C) float64
        The fitting rows, which the rule keeps, with ``labels_`` and ``row_weights_``, (N,).

    References
    ----------
    Giacinto & Roli, Dynamic classifier selection based on multiple classifier behaviour, Pattern Recognition 34 (2001)
    1879–1881, doi 10.1016/S0031-3203(00)00150-3.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.4, 0.6], [0.3, 0.7]]])
    >>> MultipleClassifierBehaviour().fit(proba, [0, 1]).predict_proba(proba)
    array([[0.9 , 0.1 ],
           [0.25, 0.75]])
    """

    name: ClassVar[str] = "mcb"
    source: ClassVar[str] = "Giacinto & Roli 2001, doi 10.1016/S0031-3203(00)00150-3"
    complexity: ClassVar[int] = 186
    fitted_state: ClassVar[Mapping[str, Kind]] = FITTING_ROWS

    similarity: float = 0.7
    lead: float = 0.1
    votes: bool = False

    def check_parameters(self) -> None:
        """Refuse what is no share, or no truth value."""
        for parameter in ("similarity", "lead"):
            value = getattr(self, parameter)
            require(is_number(value) and 0 <= value <= 1, self, parameter, "a number from 0 to 1")
        require(isinstance(self.votes, bool), self, "votes", "true or false")

    def _member_weights(self, proba: Floats) -> Values:
        # Small numbers are compared many at a time.
        kind: type[np.integer] = np.uint8 if self.n_classes_ <= 256 else np.int64
        asked, place = distinct(most_probable(proba).T.astype(kind))
        known, group = distinct(self._fitting.votes.astype(kind))
        counted = self._counted(group)
        # What is 0.7 · 10 members is 7 of them, whatever its last digits say.
        wanted = int(np.ceil(self.similarity * self.n_members_ - 1e-9))
        weights = np.empty((len(asked), self.n_members_))
        known = np.ascontiguousarray(known.T)

        def select(rows: slice) -> None:
            similar = agreement(asked[rows].T, known) >= wanted
            sums = (similar.astype(counted.dtype) @ counted).astype(np.float64)
            weights[rows] = self._selected(sums[:, :-1], sums[:, -1])

        step = max(1, COMPARED // known.shape[1])
        in_threads(select, [slice(start, start + step) for start in range(0, len(asked), step)])
        return np.asarray(weights[place])

    def _counted(self, group: Rows) -> Floats:
        """Return the weight of the fitting rows of each group that each member is correct about, and of all of them.

        Shape (groups, M + 1).
        """
        weights = self._fitting.weights
        columns = [*(weights * correct for correct in self._fitting.correct.T), weights]
        counted = np.stack([np.bincount(group, weights=column) for column in columns], axis=1)
        # Single precision counts rows without error as far as it knows their number.
        exact = bool((weights == 1).all()) and len(weights) < 1 << 24
        return np.asarray(counted, dtype=np.float32 if exact else np.float64)

    def _selected(self, correct: Values, total: Values) -> Values:
        """Return 1 for the member that leads, (n, M); nothing in rows where none does."""
        rows = np.arange(len(correct))
        best = correct.argmax(axis=1)
        highest = correct[rows, best]
        others = correct.copy()
        others[rows, best] = -np.inf
        ahead = highest - others.max(axis=1)
        # Of equal members none leads; sums of weights in another order differ in the last digits.
        clear = (ahead >= (self.lead - 1e-9) * total) & (ahead > 1e-9 * total)
        weights = np.zeros(correct.shape)
        weights[rows[clear], best[clear]] = 1.0
        return weights


def distinct(votes: Votes) -> tuple[Votes, Rows]:
    """Return the distinct rows of votes (N, M), and which of them each row is."""
    votes = np.ascontiguousarray(votes)
    whole = votes.view(np.dtype((np.void, votes.itemsize * votes.shape[1]))).ravel()
    _, first, place = np.unique(whole, return_index=True, return_inverse=True)
    return votes[first], place


def agreement(votes: Votes, fitting: Votes) -> NDArray[np.unsignedinteger]:
    """Return how many members vote in each of n rows (M, n) as in each of N others (M, N), shape (n, N)."""
    agree = np.zeros((votes.shape[1], fitting.shape[1]), dtype=np.uint8 if len(votes) < 256 else np.uint32)
    same = np.empty(agree.shape, dtype=np.bool_)
    for one, others in zip(votes, fitting, strict=True):
        np.equal(one[:, None], others, out=same)
        np.add(agree, same, out=agree, casting="unsafe")
    return agree

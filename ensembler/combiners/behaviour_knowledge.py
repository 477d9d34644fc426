"""What classes rows had whose votes were the same, member by member."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ensembler.arrays import MISSING_VOTE, Floats, Labels, Values
from ensembler.combiners.base import Combiner
from ensembler.combiners.fitted_state import Kind, Numbers
from ensembler.errors import ValueRangeError
from ensembler.metrics.confidence import votes

LARGEST_KEY = 2**62


@dataclass
class BehaviourKnowledgeSpace(Combiner):
    r"""The classes of the fitting rows in which all members voted as they do now (behaviour knowledge space).

    .. math::
        s_c = n(c; d_1, \dots, d_M) + \frac1M \sum_m [d_m = c]

    with :math:`n(c; d)` the fitting rows of class c that have the votes d. The second term is a pseudo-row: the share
    of votes for c, which decides among classes with equal counts, and alone where the votes d were never seen. A member
    without a vote counts as having a vote of its own kind; the share is that of votes that are there. The more members,
    the fewer rows have votes that were seen before.

    Attributes
    ----------
    patterns_ : (K, M) int64
        The votes seen, -1 for none; with ``pattern_numbers_``, ``classes_`` and ``counts_``, (E,), one entry for each
        of them and class: how many rows (or what weight) of the class had these votes.

    References
    ----------
    Huang & Suen, IEEE TPAMI 17 (1995) 90–94, doi 10.1109/34.368145.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]], [[0.4, 0.6], [0.3, 0.7], [0.9, 0.1]]])
    >>> BehaviourKnowledgeSpace().fit(proba, [1, 1, 0]).scores(proba)
    array([[0.5, 2.5],
           [0.5, 2.5],
           [2. , 0. ]])
    """

    name: ClassVar[str] = "behaviour-knowledge-space"
    family: ClassVar[str] = "trainable"
    source: ClassVar[str] = "Huang & Suen 1995, doi 10.1109/34.368145"
    complexity: ClassVar[int] = 150
    list_position: ClassVar[int] = 2000
    by_default: ClassVar[bool] = False
    counts_votes: ClassVar[bool] = True
    takes_missing_votes: ClassVar[bool] = True
    reported: ClassVar[tuple[str, ...]] = ()
    fitted_state: ClassVar[Mapping[str, Kind]] = {
        "patterns_": Numbers("KM", low=MISSING_VOTE, dtype="int64"),
        "pattern_numbers_": Numbers("E", low=0, dtype="int64"),
        "classes_": Numbers("E", low=0, dtype="int64"),
        "counts_": Numbers("E", low=0.0),
    }

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        votes = list_votes(proba)
        kept = (votes != MISSING_VOTE).any(axis=1)
        votes, labels, sample_weight = votes[kept], labels[kept], sample_weight[kept]
        _, first, numbers = np.unique(vote_keys(votes, self.n_classes_), return_index=True, return_inverse=True)
        self.patterns_ = votes[first]
        cells, entries = np.unique(numbers * self.n_classes_ + labels, return_inverse=True)
        self.pattern_numbers_, self.classes_ = np.divmod(cells, self.n_classes_)
        self.counts_ = np.bincount(entries, weights=sample_weight)

    def _scores(self, proba: Floats) -> Values:
        votes = list_votes(proba)
        scores = vote_shares(votes, self.n_classes_)
        places = self._places(votes)
        rows = np.flatnonzero(places >= 0)
        # The entries of a pattern follow each other.
        first = np.searchsorted(self.pattern_numbers_, np.arange(len(self.patterns_) + 1))
        start, length = first[places[rows]], np.diff(first)[places[rows]]
        owner = np.repeat(np.arange(len(rows)), length)
        entries = np.arange(len(owner)) - np.repeat(np.cumsum(length) - length, length) + start[owner]
        scores[rows[owner], self.classes_[entries]] += self.counts_[entries]
        return self._filled(scores)

    def _places(self, votes: Labels) -> Labels:
        """Return which of the patterns that were seen each row's votes are, (N,); -1 for none."""
        n_patterns = len(self.patterns_)
        keys = vote_keys(np.concatenate([self.patterns_, votes]), self.n_classes_)
        order = np.argsort(keys[:n_patterns])
        known, asked = keys[:n_patterns][order], keys[n_patterns:]
        places = np.minimum(np.searchsorted(known, asked), n_patterns - 1)
        return np.where(known[places] == asked, order[places], -1)

    def take_state(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a saved state, whose numbers of patterns and classes are those of some there are."""
        values = super().take_state(state)
        limits = {"patterns_": values["n_classes_"], "classes_": values["n_classes_"]}
        for name, limit in {**limits, "pattern_numbers_": len(values["patterns_"])}.items():
            if values[name].max() >= limit:
                raise ValueRangeError(f"{self.name}: {name} holds {values[name].max()}, expected 0 to {limit - 1}")
        if (np.diff(values["pattern_numbers_"]) < 0).any():
            raise ValueRangeError(f"{self.name}: pattern_numbers_ is not sorted")
        return values

    def n_fitted(self) -> int:
        """One count for each class that some votes were seen with."""
        return len(self.counts_)


def list_votes(proba: Floats) -> Labels:
    """Return the votes (N, M) int64 of all members; -1 where there is none."""
    return np.ascontiguousarray(votes(proba).T)


def vote_keys(votes: Labels, n_classes: int) -> Labels:
    """Return numbers (N,) that are equal for rows with equal votes, and for no others."""
    keys, n_keys = np.zeros(len(votes), dtype=np.int64), 1
    for member in votes.T:
        if n_keys > LARGEST_KEY // (n_classes + 1):
            known, keys = np.unique(keys, return_inverse=True)
            n_keys = len(known)
        keys, n_keys = keys * (n_classes + 1) + member + 1, n_keys * (n_classes + 1)
    return keys


def vote_shares(votes: Labels, n_classes: int) -> Values:
    """Return the shares of votes for each class, (N, C); zeros where nobody votes."""
    rows, members = np.nonzero(votes != MISSING_VOTE)
    cells = rows * n_classes + votes[rows, members]
    counts = np.bincount(cells, minlength=len(votes) * n_classes).reshape(len(votes), n_classes)
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))

"""Exact nearest neighbours of output profiles: the M·C probabilities that all members give to a row.

The distance is Euclidean; of rows that are equally near, the one with the lowest number comes first. Matrix products in
single precision say which rows are too far, by a bound on their rounding errors; what is left is compared by squared
distances in double precision, summed over the differences, so that equal profiles have equal distances. The result
depends neither on the processor nor on the number of threads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Floats, Rows, Values, digest
from ensembler.parallel.workers import thread_pool

Queries = tuple[str, ...]

FEW_DISTANCES, MOST_DISTANCES = 1 << 20, 1 << 24
"""So many approximate distances are worked on at a time: few stay in a core's cache; products of few rows are slow."""
ENOUGH_ROWS = 256
"""Products of more rows than that are hardly faster."""
FAR = 1e30
"""A squared distance that no row has."""
PAIRS = 1 << 21
"""So many numbers of pairs of profiles are subtracted at a time."""
GROUP = 64
"""So many rows have one minimum taken of them."""
CROWD = 16
"""Where more than one in so many rows may be a neighbour, products are taken again in double precision."""


def as_profiles(proba: Floats) -> Values:
    """Return members' probabilities (M, N, C) as one profile a row, (N, M·C) float64."""
    n_members, n_samples, n_classes = proba.shape
    profiles = np.empty((n_samples, n_members, n_classes))
    np.copyto(profiles, np.moveaxis(proba, 0, 1))
    return profiles.reshape(n_samples, n_members * n_classes)


@dataclass(eq=False)
class NearestProfiles:
    """Searches some profiles for the nearest ones, and remembers what it was asked last.

    Parameters
    ----------
    profiles : (N, F) float64

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1], [0.2, 0.8], [0.9, 0.1], [0.6, 0.4]]])
    >>> NearestProfiles(as_profiles(proba)).nearest(np.array([[[0.8, 0.2]]]), 3)
    array([[0, 2, 3]])
    """

    profiles: Values
    _tables: dict[int, "Table"] = field(default_factory=dict, repr=False)
    _answers: dict[Queries | None, Rows] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {"profiles": self.profiles, "_tables": {}, "_answers": {}}

    def nearest(self, proba: Floats, k: int) -> Rows:
        """Return the numbers of the k rows (or all, if there are fewer) nearest to each row of ``proba`` (M, n, C).

        Shape (n, k), the nearest first.
        """
        asked = tuple(digest(member) for member in proba)
        k = min(k, len(self.profiles))
        known = self._answers.get(asked)
        if known is None or known.shape[1] < k:
            # What is asked next by other rules is mostly the same again.
            self._answers = {key: rows for key, rows in self._answers.items() if key is None}
            known = self._answers[asked] = self._search(proba, k)
        return known[:, :k]

    def nearest_others(self, k: int) -> Rows:
        """Return the numbers of the k rows (or all others) nearest to each row, without the row itself, (N, k)."""
        k = min(k, len(self.profiles) - 1)
        known = self._answers.get(None)
        if known is None or known.shape[1] < k:
            known = self._answers[None] = self._search(None, k)
        return known[:, :k]

    def _search(self, proba: Floats | None, k: int) -> Rows:
        """Return the k nearest rows of other profiles, or of the own ones where ``proba`` is None."""
        n_samples = len(self.profiles) if proba is None else proba.shape[1]
        found = np.empty((n_samples, k), dtype=np.intp)
        if k == 0:
            return found
        table = self._table(k)
        n_rows = max(FEW_DISTANCES // table.n_columns, min(ENOUGH_ROWS, MOST_DISTANCES // table.n_columns), 1)

        def search(rows: slice) -> None:
            if proba is None:
                queries, own = self.profiles[rows], table.columns_of(rows)
            else:
                queries, own = as_profiles(proba[:, rows]), None
            found[rows] = table.nearest(queries, own)

        in_threads(search, [slice(start, min(start + n_rows, n_samples)) for start in range(0, n_samples, n_rows)])
        return found

    def _table(self, k: int) -> "Table":
        if k not in self._tables:
            self._tables = {k: Table.of(self.profiles, k)}
        return self._tables[k]


@dataclass(frozen=True, eq=False)
class Table:
    """Profiles ready for products, without copies that cannot be among the k nearest.

    Attributes
    ----------
    k : int
    kept : (n,)
        Numbers of the rows, ascending: of equal profiles the first k + 1.
    profiles : (n, F)
    norms : (n,)
        Their squared lengths.
    low : (n + padding, F + 1) float32
        Profiles and squared lengths, filled up to whole groups with rows that are far away.
    certain : bool
        Whether all numbers are 0 or 1, so that products are exact in single precision.
    """

    k: int
    kept: Rows
    profiles: Values
    norms: Values
    low: NDArray[np.float32]
    certain: bool

    @classmethod
    def of(cls, profiles: Values, k: int) -> "Table":
        """Return the table of all rows."""
        kept = np.flatnonzero(copy_numbers(profiles) <= k)
        some = profiles if len(kept) == len(profiles) else profiles[kept]
        norms = (some**2).sum(axis=1)
        low = np.zeros((len(some) + -len(some) % GROUP, some.shape[1] + 1), dtype=np.float32)
        low[: len(some), :-1], low[: len(some), -1], low[len(some) :, -1] = some, norms, FAR
        return cls(k, kept, some, norms, low, are_certain(some))

    @property
    def n_columns(self) -> int:
        """Number of rows that distances are taken from, padding included."""
        return len(self.low)

    def columns_of(self, rows: slice) -> Rows:
        """Return the place of rows in the table, −1 for those that are not in it."""
        numbers = np.arange(rows.start, rows.stop)
        places = np.searchsorted(self.kept, numbers)
        there = self.kept[np.minimum(places, len(self.kept) - 1)] == numbers
        return np.where(there, places, -1)

    def nearest(self, queries: Values, own: Rows | None) -> Rows:
        """Return the k nearest rows of each query, none of them its own."""
        n_queries = len(queries)
        low = np.empty((n_queries, queries.shape[1] + 1), dtype=np.float32)
        np.multiply(queries, -2, out=low[:, :-1], casting="same_kind")
        low[:, -1] = 1
        distances = low @ self.low.T
        exclude(distances, own)
        certain = self.certain and are_certain(queries)
        error = np.zeros(n_queries) if certain else self._error(queries, np.float32)
        rows, columns = self._candidates(distances, error)
        if certain:
            return self._first(rows, columns, distances[rows, columns].astype(np.float64), n_queries)
        crowded = np.bincount(rows, minlength=n_queries) > self.k + self.n_columns // CROWD
        found = np.empty((n_queries, self.k), dtype=np.intp)
        if not crowded.all():
            few = ~crowded[rows]
            found[~crowded] = self._refine(queries[~crowded], renumber(rows[few]), columns[few])
        if crowded.any():
            found[crowded] = self._nearest_in_crowd(queries[crowded], None if own is None else own[crowded])
        return found

    def _nearest_in_crowd(self, queries: Values, own: Rows | None) -> Rows:
        """Return the same by products in double precision."""
        distances = queries @ self.profiles.T
        distances *= -2
        distances += self.norms
        exclude(distances, own)
        rows, columns = self._candidates(distances, self._error(queries, np.float64))
        return self._refine(queries, rows, columns)

    def _error(self, queries: Values, dtype: type[np.floating]) -> Values:
        """Return the largest error of the distances of each query, (n,), by products in some precision.

        Higham's bound on a sum of F + 1 products of rounded factors; in double precision, the rounding of the
        distances that these are compared with counts as well.
        """
        longest = float(self.norms.max())
        products = np.sqrt((queries**2).sum(axis=1) * longest)
        n_roundings = queries.shape[1] + (4 if dtype is np.float32 else 64)
        return np.asarray(float(np.finfo(dtype).eps) * n_roundings * (products + longest / 2 + 1e-20))

    def _candidates(self, distances: Floats, error: Values) -> tuple[Rows, Rows]:
        """Return which pairs of query and row may be among the k nearest, if distances are wrong by ``error`` (n,)."""
        limit = (upper_bound(distances, self.k) + 2 * error).astype(distances.dtype)
        # Rounded, the limit must not become smaller.
        limit = np.nextafter(limit, np.inf)[:, None]
        rows, columns = np.divmod(np.flatnonzero(distances <= limit), distances.shape[1])
        return rows, columns

    def _refine(self, queries: Values, rows: Rows, columns: Rows) -> Rows:
        """Return the k nearest of the rows that are possible, by their distances themselves."""
        distances = np.empty(len(rows))
        step = max(1, PAIRS // queries.shape[1])
        for start in range(0, len(rows), step):
            pairs = slice(start, start + step)
            difference = queries[rows[pairs]] - self.profiles[columns[pairs]]
            np.square(difference, out=difference)
            distances[pairs] = difference.sum(axis=1)
        return self._first(rows, columns, distances, len(queries))

    def _first(self, rows: Rows, columns: Rows, distances: Values, n_queries: int) -> Rows:
        """Return the k nearest of each query among pairs of query and row, sorted by query."""
        order = np.lexsort((columns, distances, rows))
        starts = np.searchsorted(rows, np.arange(n_queries))
        return np.asarray(self.kept[columns[order[starts[:, None] + np.arange(self.k)]]])


def in_threads(work: Callable[[slice], None], blocks: Sequence[slice]) -> None:
    """Do the work of blocks of rows by all processors, each with one thread for its matrix products."""
    with thread_pool() as pool:
        for _ in pool.executor.map(work, blocks):
            pass


def exclude(distances: Floats, own: Rows | None) -> None:
    """Put each query out of its own reach."""
    if own is not None:
        rows = np.flatnonzero(own >= 0)
        distances[rows, own[rows]] = np.inf


def renumber(rows: Rows) -> Rows:
    """Return numbers that are in ascending order as 0, 1, … without gaps."""
    return np.cumsum(np.diff(rows, prepend=rows[:1]) > 0)


def upper_bound(distances: Floats, k: int) -> Values:
    """Return a bound on the k-th smallest of each row, (n,), that few others stay below: in k groups one is smaller."""
    n_queries, n_columns = distances.shape
    n_groups = n_columns // GROUP
    if n_groups >= 4 * k and n_groups * GROUP == n_columns:
        distances = distances.reshape(n_queries, GROUP, n_groups).min(axis=1)
    return np.partition(distances, k - 1, axis=1)[:, k - 1].astype(np.float64)


def copy_numbers(profiles: Values) -> NDArray[np.intp]:
    """Return how many rows before each one have the same profile."""
    whole = np.ascontiguousarray(profiles).view(np.dtype((np.void, profiles.itemsize * profiles.shape[1]))).ravel()
    _, same = np.unique(whole, return_inverse=True)
    order = np.argsort(same, kind="stable")
    sizes = np.bincount(same)
    numbers = np.empty(len(profiles), dtype=np.intp)
    numbers[order] = np.arange(len(profiles)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return numbers


def are_certain(profiles: Values) -> bool:
    """Whether all numbers are 0 or 1."""
    return bool(((profiles == 0) | (profiles == 1)).all())

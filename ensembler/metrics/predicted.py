"""The class probabilities of some rows, and what metrics take from them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Labels, Rows, Values

MOST_KEPT = 1 << 26
"""Bytes of probabilities that are kept; more are made anew when they are asked for."""

OfRows = Callable[..., Any]
"""From labels (N,) and probabilities (N, C) to arrays whose last axis is that of the rows, or a tuple of such arrays
and of plain numbers."""


class Predicted:
    """The class probabilities that something predicts of labelled rows, (N, C).

    A metric needs a number or two of each row, such as the predicted class or the loss. These are kept, so that many
    predictions of many rows and classes can be compared without all of their probabilities in memory.

    Parameters
    ----------
    labels : (N,)
    make : callable
        Returns the probabilities, (N, C), the same ones at every call.
    n_classes : int
    """

    def __init__(self, labels: Labels, make: Callable[[], Values], n_classes: int) -> None:
        self.labels, self.shape = labels, (len(labels), n_classes)
        self._make = make
        self._taken: dict[tuple[Any, ...], Any] = {}
        self._held: Values | None = None
        if are_kept(len(labels), n_classes):
            self._held = make()

    @classmethod
    def of(cls, labels: Labels, proba: Values) -> "Predicted":
        """Return probabilities that are there, and are kept."""
        predicted = cls(labels, lambda: proba, proba.shape[1])
        predicted._held = proba
        return predicted

    @property
    def proba(self) -> Values:
        """The probabilities, (N, C)."""
        return self._make() if self._held is None else self._held

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the probabilities to NumPy."""
        return np.array(self.proba, dtype=dtype, copy=copy)

    def __reduce__(self) -> tuple[Callable[..., "Predicted"], tuple[Any, ...]]:
        """Copy and pickle the probabilities, of which the function that makes them cannot be."""
        return Predicted.of, (self.labels, self.proba)

    @contextmanager
    def held(self) -> Iterator[Values]:
        """Keep the probabilities for a while, in which much is taken from them."""
        before, self._held = self._held, self.proba
        try:
            yield self._held
        finally:
            self._held = before

    def taken(self, function: OfRows, **parameters: Any) -> Any:
        """Return what a function of labels and probabilities takes from each row; it is called once."""
        key = (function, *sorted(parameters.items()))
        if key not in self._taken:
            self._taken[key] = function(self.labels, self.proba, **parameters)
        return self._taken[key]

    def of_rows(self, rows: Rows) -> "Predicted":
        """Return the same of some of the rows."""
        return SomeRows(self, rows)


def are_kept(n_rows: int, n_classes: int) -> bool:
    """Whether probabilities of so many rows and classes are kept."""
    return 8 * n_rows * n_classes <= MOST_KEPT


class SomeRows(Predicted):
    """Some rows of another prediction, from which functions of each row take what was taken there."""

    def __init__(self, whole: Predicted, rows: Rows) -> None:
        self.whole, self.rows = whole, rows
        self.labels, self.shape = whole.labels[rows], (len(rows), whole.shape[1])
        self._make, self._held = (lambda: whole.proba[rows]), None

    def taken(self, function: OfRows, **parameters: Any) -> Any:
        """Return what a function takes from these rows."""
        found = self.whole.taken(function, **parameters)
        if isinstance(found, tuple):
            return tuple(part[..., self.rows] if isinstance(part, np.ndarray) else part for part in found)
        return found[..., self.rows]


def taken(function: OfRows, labels: Labels, proba: Any, **parameters: Any) -> Any:
    """Return what a function takes from each row of probabilities, or of what was `Predicted`."""
    if isinstance(proba, Predicted):
        return proba.taken(function, **parameters)
    return function(labels, proba, **parameters)


class Pieces(Predicted):
    """Rows of several predictions of the same rows, put together."""

    def __init__(self, pieces: Sequence[tuple[Rows, Predicted]]) -> None:
        self.pieces = pieces
        first = pieces[0][1]
        self.labels, self.shape = first.labels, first.shape
        self._make, self._held = (lambda: np.asarray(self._joined([each.proba.T for _, each in pieces]).T)), None

    def taken(self, function: OfRows, **parameters: Any) -> Any:
        """Return what a function takes from each row of the prediction that it is from."""
        found = [each.taken(function, **parameters) for _, each in self.pieces]
        if isinstance(found[0], tuple):
            return tuple(
                self._joined(parts) if isinstance(parts[0], np.ndarray) else parts[0]
                for parts in zip(*found, strict=True)
            )
        return self._joined(found)

    def _joined(self, arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
        joined = np.empty_like(arrays[0])
        for (rows, _), array in zip(self.pieces, arrays, strict=True):
            joined[..., rows] = array[..., rows]
        return joined

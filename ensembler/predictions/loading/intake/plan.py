"""What an import takes each file, array and column for, and why."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.predictions.loading.options import Columns
from ensembler.predictions.loading.table import Table

SCORED, FITTING, NEW = "scored", "validation", "new"
"""Rows that are scored, rows that weights are fitted on, and rows without labels that wait for a prediction."""


@dataclass(frozen=True)
class ImportRequest:
    """What is said about the files to import; anything else is found out.

    Attributes
    ----------
    labels : Path, optional
        The file of labels, or ``file.npz#key``.
    columns : Columns
    axes : str, optional
        Order of the axes of stacked arrays: ``MNC`` for members, rows, classes.
    class_names : tuple of str, optional
        In the order of the columns.
    pair : (str, str), optional
        Names of the files of labelled and of new rows, ``{}`` standing for the member.
    most_bytes : int, optional
    normalize : bool
        Divide rows by their sums.
    """

    labels: Path | None = None
    columns: Columns = field(default_factory=Columns)
    axes: str | None = None
    class_names: tuple[str, ...] | None = None
    pair: tuple[str, str] | None = None
    most_bytes: int | None = None
    normalize: bool = False


@dataclass(frozen=True)
class Decision:
    """What something in a file is taken for.

    Attributes
    ----------
    source : str
        The file, and the array or column in it.
    taken_as, why : str
    is_guess : bool
        Whether a wrong guess would change figures without being noticed.
    fix : str
        What to give if the guess is wrong.
    """

    source: str
    taken_as: str
    why: str
    is_guess: bool = False
    fix: str = ""


Rows = tuple[list[Table], Table | None]
"""Members and labels of one set of rows."""


@dataclass
class Part:
    """One set of rows: members, labels where there are some, ids where there are some."""

    tables: list[Table] = field(default_factory=list)
    labels: Table | None = None


@dataclass
class Plan:
    """A prediction set to be, and how it came about.

    Attributes
    ----------
    layout : str
        What the files look like, in a few words.
    parts : dict of str to Part
        By `SCORED`, `FITTING` and `NEW`.
    decisions : list of Decision
    class_names : tuple of str, optional
    facts : dict of str to dict
        Metadata by member.
    normalize : bool
        Whether rows are divided by their sums.
    """

    layout: str
    parts: dict[str, Part]
    decisions: list[Decision] = field(default_factory=list)
    class_names: tuple[str, ...] | None = None
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    normalize: bool = False

    @property
    def guesses(self) -> list[Decision]:
        """The decisions that would do harm without a word if they were wrong."""
        return [decision for decision in self.decisions if decision.is_guess]


@dataclass(frozen=True)
class Item:
    """An array in a file.

    Attributes
    ----------
    path : Path
    key : str
        Where in the file: a name in an archive, a path of keys; empty where the file is the array.
    array : ndarray
    """

    path: Path
    key: str
    array: NDArray[Any]

    @property
    def source(self) -> str:
        """How messages call it."""
        return f"{self.path}#{self.key}" if self.key else str(self.path)


@dataclass(frozen=True)
class Opened:
    """A file that was read, or the rows of one set in it: arrays, a table, or the records of a log.

    Attributes
    ----------
    decisions : sequence of Decision
        What reading it took for granted.
    split : str, optional
        The set that rows are of, where a column says so.
    parts : tuple of Path
        The files that it was joined from, where it was.
    rows : (N,), optional
        The rows of these files, one below the other, where the order is another.
    in_order : bool
        Whether rows stand in the order that files without ids have.
    """

    path: Path
    items: Sequence[Item] = ()
    frame: Any = None
    records: Sequence[dict[str, Any]] = ()
    decisions: Sequence[Decision] = ()
    split: str | None = None
    parts: tuple[Path, ...] = ()
    rows: NDArray[np.intp] | None = None
    in_order: bool = True


def rows_of(array: NDArray[Any]) -> NDArray[Any]:
    """Return a column of one-element rows as one-dimensional."""
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def is_whole(array: NDArray[Any]) -> bool:
    """Whether an array holds whole numbers."""
    if array.dtype.kind in "biu":
        return True
    return array.dtype.kind == "f" and bool(np.isfinite(array).all() and (array % 1 == 0).all())

"""What one file holds of one member."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

SUFFIXES = (".npy", ".npz", ".csv", ".parquet")
# fmt: off
IMPORTED = (
    ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".pkl", ".p", ".pickle", ".pt", ".pth", ".mat", ".arrow", ".eval",
)
# fmt: on
"""Suffixes of files that only an import reads."""
ID_COLUMN = "id"


@dataclass(frozen=True)
class Table:
    """What a file holds of one member: an array, and row ids and column names where the format has them.

    Attributes
    ----------
    name : str
    path : Path
    array : (N,) or (N, C)
    ids : (N,) of str, optional
    columns : tuple of str, optional
        Names of the array's columns.
    labels : (N,), optional
        True classes, where a column holds them.
    numbers : (N,) of str, optional
        Row numbers where rows have no ids: the index of a pandas table without a name.
    header : tuple of str
        All columns of the file, read or not.
    """

    name: str
    path: Path
    array: NDArray[Any]
    ids: NDArray[Any] | None = None
    columns: tuple[str, ...] | None = None
    labels: NDArray[Any] | None = None
    numbers: NDArray[Any] | None = None
    header: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """How messages call it."""
        return f"predictions of member {self.name!r}"

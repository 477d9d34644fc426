"""What one file holds of one member."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

SUFFIXES = (".npy", ".npz", ".csv", ".parquet")
ID_COLUMN = "id"


@dataclass(frozen=True)
class Table:
    """What a file holds of one member: an array, and row ids and column names where the format has them."""

    name: str
    path: Path
    array: NDArray[Any]
    ids: NDArray[Any] | None = None
    columns: tuple[str, ...] | None = None

    @property
    def subject(self) -> str:
        """How messages call it."""
        return f"predictions of member {self.name!r}"

"""Columns whose cells are lists, or texts of lists as data frames with arrays in them are written to .csv."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import FileError, setting
from ensembler.predictions.files import parsing

if TYPE_CHECKING:
    import pandas as pd

LISTS = (list, tuple, np.ndarray)
CALLS = ("np.array(", "array(", "tensor(")
"""What NumPy and PyTorch print before a list, and options behind it."""
BRACKETS = (("[", "]"), ("(", ")"))
NUMPY_NUMBER = re.compile(r"np\.float\d+\(([^()]*)\)")
SHORTENED = re.compile(r"\.\.\.|…")


def list_columns(frame: "pd.DataFrame") -> list[str]:
    """Return the columns that hold lists, or a text of one in every row.

    >>> import pandas as pd
    >>> list_columns(pd.DataFrame({"id": ["a", "b"], "mlp": ["[0.9 0.1]", "[0.2 0.8]"], "svm": [[0.5, 0.5]] * 2}))
    ['mlp', 'svm']
    """
    return [str(name) for name in frame.columns if frame[name].dtype.kind not in "biufmM" and has_lists(frame[name])]


def record_columns(frame: "pd.DataFrame") -> list[str]:
    """Return the columns with dictionaries in them."""
    nested = [name for name in frame.columns if frame[name].dtype == object]
    return [str(name) for name in nested if any(isinstance(cell, dict) for cell in frame[name].tolist())]


def has_lists(values: "pd.Series[Any]") -> bool:
    """Whether some values are lists, or all are texts of lists with two values or more."""
    cells = values.tolist()
    if any(isinstance(cell, LISTS) for cell in cells):
        return True
    return all(isinstance(cell, str) and (inner := between_brackets(cell)) and len(parts(inner)) > 1 for cell in cells)


def between_brackets(text: str) -> str | None:
    """Return what stands between the brackets of a text that is a list of numbers, or was shortened; None for others.

    >>> between_brackets("array([0.25, 0.75], dtype=float32)"), between_brackets("[not a list]")
    ('0.25, 0.75', None)
    """
    text = text.strip()
    call = next((call for call in CALLS if text.startswith(call) and text.endswith(")")), None)
    if call is not None:
        text = text[len(call) : text.rfind("]") + 1]
    if (text[:1], text[-1:]) not in BRACKETS:
        return None
    inner = NUMPY_NUMBER.sub(r"\1", text[1:-1].strip().removesuffix(","))
    return inner if all(SHORTENED.fullmatch(part) or is_number(part) for part in parts(inner)) else None


def parts(inner: str) -> list[str]:
    """Return what commas or blanks separate."""
    return re.split(r"\s*,\s*|\s+", inner.strip())


def is_number(text: str) -> bool:
    """Whether a text can be read as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def stacked_lists(path: Path, name: str, cells: Sequence[Any]) -> NDArray[Any]:
    """Return lists of one length, or texts of such, as rows of an array."""
    lists = [list_of(path, name, row, cell) for row, cell in enumerate(cells)]
    lengths = {len(values) for values in lists}
    if len(lengths) > 1:
        raise FileError(f"{path}: the lists in {name!r} have from {min(lengths)} to {max(lengths)} values")
    with parsing(path, f"lists of numbers in {name!r}"):
        return np.array([np.asarray(values) for values in lists])


def list_of(path: Path, name: str, row: int, cell: Any) -> Any:
    """Return the list in a cell."""
    if isinstance(cell, LISTS):
        return cell
    inner = between_brackets(cell) if isinstance(cell, str) else None
    if inner is None:
        raise FileError(
            f"{path}: row {row} has {str(cell)[:40]!r} in {name!r}, expected a list as elsewhere; leave the column out "
            f"({setting('drop', name)})",
            remedy=("--drop-column", name),
        )
    if SHORTENED.search(inner):
        raise FileError(
            f"{path}: row {row} has {cell[:40]!r} in {name!r}, a list that was shortened when it was printed, so that "
            "values are lost; write the arrays anew, as .npy or with .tolist()"
        )
    return [float(part) for part in parts(inner)]

"""Finding the labels of a prediction set: the file given, one called labels, a column, an array of an archive."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ensembler.errors import AlignmentError, FileError, setting
from ensembler.predictions.loading.alignment import matching_rows, unique_positions
from ensembler.predictions.loading.column_names import LABEL_NAMES, simple
from ensembler.predictions.loading.columns import equals_labels
from ensembler.predictions.loading.folder import LABELS, exists, sorted_folder
from ensembler.predictions.loading.options import ReadOptions
from ensembler.predictions.loading.table import SUFFIXES, Table
from ensembler.predictions.loading.tables import read_row_values

USUAL_NAMES = LABEL_NAMES | {f"{part}_labels" for part in ("test", "val", "valid", "validation", "oof", "true")}
"""What files and arrays of labels are called besides ``labels``."""


def divide_labels(tables: Sequence[Table]) -> tuple[list[Table], Table | None]:
    """Divide what files hold into members and labels: a column of them, or an array of that name in an archive.

    Raises
    ------
    AlignmentError
        Two files have different labels.
    """
    members = [table for table in tables if table.name != LABELS]
    arrays = [table for table in tables if table.name == LABELS]
    columns = [
        Table(LABELS, table.path, table.labels, table.ids, numbers=table.numbers)
        for table in members
        if table.labels is not None
    ]
    found = [*columns, *arrays]
    for other in found[1:]:
        check_same_labels(found[0], other)
    return members, found[0] if found else None


def check_same_labels(first: Table, other: Table) -> None:
    """Raise unless two columns of labels agree, by id where both have ids."""
    values, others = np.asarray(first.array), np.asarray(other.array)
    if first.ids is not None and other.ids is not None:
        rows = matching_rows(first, unique_positions(first), other)
        others = others[rows]
    if not equals_labels(values, others):
        raise AlignmentError(
            f"{first.path} and {other.path} have different labels; expected the same rows with the same labels in "
            "every file"
        )


def labels_beside(
    folders: Sequence[Path], files: Sequence[Path], tables: Sequence[Table], fix: str, options: ReadOptions
) -> Table:
    """Read the labels in the first of some folders that has a file of them.

    Parameters
    ----------
    folders : sequence of Path
    files, tables : sequences
        Where labels under a usual name are looked for, so that the error can ask whether they are it.
    fix : str
        What to do where there are none.
    options : ReadOptions

    Raises
    ------
    FileError
        There are no labels.
    """
    for folder in folders:
        beside = [path for suffix in SUFFIXES if exists(path := folder / f"{LABELS}{suffix}")]
        if len(beside) > 1:
            raise AlignmentError(f"two files of labels: {beside[0]} and {beside[1]}; keep one of them")
        if beside:
            return read_row_values(beside[0], options.columns)
    message = f"no labels in {folders[0]}, expected labels.npy (or {', '.join(SUFFIXES[1:])})"
    likely = usual_labels(folders[0], files, tables)
    if likely is not None:
        can_be_named = fix.startswith(f"pass {setting('labels', place='FILE')}")
        what = f"pass {setting('labels', likely)}" if can_be_named else f"rename it; {fix}"
        raise FileError(f"{message}; is {likely} the labels? {what}", remedy=("--labels", likely) * can_be_named)
    raise FileError(f"{message}; {fix}")


def usual_labels(folder: Path, files: Sequence[Path], tables: Sequence[Table]) -> str | None:
    """Return what is likely to hold the labels, judged by its name."""
    arrays = [
        f"{table.path}#{table.name}"
        for table in tables
        if simple(table.name) in USUAL_NAMES and table.path.suffix == ".npz" and table.array.ndim == 1
    ]
    named = [str(path) for path in (*files, *sorted_folder(folder)) if simple(path.stem) in USUAL_NAMES]
    return next(iter((*named, *arrays)), None)


def common_parent(folders: Sequence[Path]) -> Path:
    """Return the folder that several folders are in."""
    return Path(os.path.commonpath([folder.absolute() for folder in folders]))

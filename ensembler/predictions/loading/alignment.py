"""Bringing the rows and columns of all files into one order: classes by name or number, rows by id."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import AlignmentError, ShapeError, ValueRangeError
from ensembler.predictions.loading.table import Table

MOST_CLASSES = 100_000


@dataclass(frozen=True)
class ClassSpace:
    """The classes of a prediction set: how many, and their names where known."""

    n_classes: int
    class_names: tuple[str, ...] | None

    @classmethod
    def of(cls, given: tuple[str, ...] | None, tables: Sequence[Table], labels: Sequence[Table]) -> "ClassSpace":
        """Find the classes of all files, the names being those given where there are some."""
        class_names = name_classes(given, tables, labels)
        return cls(count_classes(class_names, tables, labels), class_names)


def name_classes(
    given: tuple[str, ...] | None, tables: Sequence[Table], labels: Sequence[Table]
) -> tuple[str, ...] | None:
    """Return the class names: from the metadata, else from a header, else from the text labels themselves.

    The numbers 0 … C−1 in a header are the classes' own numbers, whatever their order in the file; other files without
    a header have their columns in that order.
    """
    if given is not None:
        return given
    for table in tables:
        if table.columns is not None:
            numbered = tuple(str(number) for number in range(len(table.columns)))
            return numbered if set(table.columns) == set(numbered) else table.columns
    arrays = [table.array for table in (*tables, *labels)]
    if all(array.dtype.kind in "US" and array.ndim == 1 for array in arrays):
        return tuple(str(name) for name in np.unique(np.concatenate([array.astype(str) for array in arrays])))
    return None


def count_classes(class_names: tuple[str, ...] | None, tables: Sequence[Table], labels: Sequence[Table]) -> int:
    """Return C: the columns of a member, else two for P(class 1), else the class names, else the largest label + 1."""
    for table in tables:
        if table.array.ndim == 2 and table.array.shape[1] > 1:
            if class_names is not None and len(class_names) != table.array.shape[1]:
                raise ShapeError(
                    f"{table.subject} has {table.array.shape[1]} columns, expected {len(class_names)}, "
                    f"one for each class: {', '.join(class_names)}"
                )
            return int(table.array.shape[1])
    if any(table.array.dtype.kind == "f" for table in tables):
        return 2
    if class_names is not None:
        return len(class_names)
    arrays = [table.array for table in (*tables, *labels) if table.array.dtype.kind in "biuf"]
    largest = max((float(array[np.isfinite(array)].max(initial=0)) for array in arrays), default=1.0)
    if largest >= MOST_CLASSES:
        raise ValueRangeError(
            f"labels go up to {largest:g}, expected class numbers below {MOST_CLASSES:,}; regression is not supported"
        )
    return max(2, int(largest) + 1)


def row_order(tables: Sequence[Table]) -> tuple[dict[tuple[Path, str], Any], NDArray[Any] | None]:
    """Return for each table the rows that bring it into the order of the first one with ids, and those ids.

    Files without ids are taken to be in the common order, which is only safe while no file needs reordering.
    """
    everything = slice(None)
    with_ids = [table for table in tables if table.ids is not None]
    order: dict[tuple[Path, str], Any] = {(table.path, table.name): everything for table in tables}
    if not with_ids:
        return order, None
    reference = with_ids[0]
    ids = reference.ids
    assert ids is not None
    position = unique_positions(reference)
    reordered = None
    for table in with_ids[1:]:
        own = unique_positions(table)
        missing = [row for row in position if row not in own]
        extra = [row for row in own if row not in position]
        if missing or extra:
            example = f"id {missing[0]!r} is only in the first" if missing else f"id {extra[0]!r} is only in the second"
            raise AlignmentError(
                f"{reference.path} and {table.path} do not hold the same ids: {example} "
                f"({len(missing)} missing, {len(extra)} extra); expected the same rows in every file"
            )
        rows = np.array([own[row] for row in position])
        if not np.array_equal(rows, np.arange(len(rows))):
            order[table.path, table.name] = rows
            reordered = table
    without_ids = [table for table in tables if table.ids is None]
    if reordered is not None and without_ids:
        raise AlignmentError(
            f"{reference.path} and {reordered.path} order their rows differently by id, and {without_ids[0].path} "
            "has no ids to say which order it follows; give it an id column"
        )
    return order, ids


def unique_positions(table: Table) -> dict[str, int]:
    """Return the row of each id, refusing repeated ones."""
    assert table.ids is not None
    position = {row: index for index, row in enumerate(table.ids.tolist())}
    if len(position) < len(table.ids):
        names, counts = np.unique(table.ids, return_counts=True)
        raise AlignmentError(
            f"{table.path}: id {str(names[counts > 1][0])!r} stands in {counts.max()} rows, expected each id once"
        )
    return position


def class_numbers(values: NDArray[Any], classes: ClassSpace, subject: str, path: Path) -> NDArray[Any]:
    """Turn class names into class numbers; numbers stay, unless the class names are numbers themselves."""
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    names = classes.class_names
    numeric_names = names is not None and all(re.fullmatch(r"-?\d+", name) for name in names)
    if values.dtype.kind not in "USO" and not (numeric_names and values.dtype.kind in "iu" and values.ndim == 1):
        return values
    if names is None:
        raise ValueRangeError(
            f"{subject} ({path}) are texts such as {str(values.flat[0])!r}, and the classes have no names; "
            'add members.json with {"class_names": [...]} in the order of the columns'
        )
    index = {name: number for number, name in enumerate(names)}
    unknown = sorted(set(values.astype(str).tolist()) - set(index))
    if unknown:
        raise ValueRangeError(f"{subject} ({path}): {unknown[0]!r} is no class, expected one of {', '.join(names)}")
    return np.array([index[value] for value in values.astype(str).tolist()], dtype=np.int64)

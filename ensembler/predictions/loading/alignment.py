"""Bringing the rows of all files into one order, by id."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import AlignmentError, Problems
from ensembler.predictions.loading.array_files import read_npy
from ensembler.predictions.loading.table import Table

SAVED_IDS = Path("rows", "ids.npy")


def row_order(tables: Sequence[Table]) -> tuple[dict[tuple[Path, str], Any], NDArray[Any] | None]:
    """Return for each table the rows that bring it into the order of the first one with ids, and those ids.

    Files without ids are taken to be in the common order, which is only safe while no file needs reordering. Arrays of
    a prediction set that was saved with ids have those; tables with row numbers but no names are aligned by these.
    """
    everything = slice(None)
    tables = by_row_numbers(with_saved_ids(tables))
    with_ids = [table for table in tables if table.ids is not None]
    order: dict[tuple[Path, str], Any] = {(table.path, table.name): everything for table in tables}
    if not with_ids:
        return order, None
    reference = with_ids[0]
    ids = reference.ids
    assert ids is not None
    position = unique_positions(reference)
    problems = Problems()
    reordered = None
    for table in with_ids[1:]:
        if table.ids is not None and np.array_equal(table.ids, ids):
            continue
        with problems.collected():
            rows = matching_rows(reference, position, table)
            if not np.array_equal(rows, np.arange(len(rows))):
                order[table.path, table.name] = rows
                reordered = table
    problems.raise_all()
    without_ids = [table for table in tables if table.ids is None]
    if reordered is not None and without_ids:
        raise AlignmentError(
            f"{reference.path} and {reordered.path} order their rows differently by id, and {without_ids[0].path} "
            "has no ids to say which order it follows; give it an id column"
        )
    return order, ids


def with_saved_ids(tables: Sequence[Table]) -> list[Table]:
    """Return tables with the ids that `Predictions.save` wrote beside arrays, where no two rows have the same.

    Raises
    ------
    AlignmentError
        There are not as many as an array has rows.
    """
    homes = {table.path.parent for table in tables if table.ids is None and table.path.suffix == ".npy"}
    saved: dict[Path, NDArray[Any]] = {}
    for home in homes:
        if (home / SAVED_IDS).is_file():
            values = np.asarray(read_npy(home / SAVED_IDS)).astype(str)
            if values.ndim == 1 and len(set(values.tolist())) == len(values):
                saved[home] = values
    found = []
    for table in tables:
        ids = saved.get(table.path.parent) if table.ids is None and table.path.suffix == ".npy" else None
        if ids is not None and len(ids) != len(table.array):
            raise AlignmentError(
                f"{table.path.parent / SAVED_IDS} holds {len(ids)} ids, and {table.path} {len(table.array)} rows; "
                "expected an id a row: take the one away that does not belong to the other"
            )
        found.append(table if ids is None else replace(table, ids=ids))
    return found


def by_row_numbers(tables: Sequence[Table]) -> Sequence[Table]:
    """Return tables with row numbers as ids, where no table has ids and some number their rows in another order."""
    numbers = [table.numbers for table in tables if table.numbers is not None]
    if any(table.ids is not None for table in tables):
        return tables
    # From 0 as pandas counts, or from 1 as R does.
    if any(all(np.array_equal(own, np.arange(k, k + len(own)).astype(str)) for own in numbers) for k in (0, 1)):
        return tables
    if len(numbers) < len(tables):
        odd = next(table for table in tables if table.numbers is not None)
        bare = next(table for table in tables if table.numbers is None)
        raise AlignmentError(
            f"{odd.path} numbers its rows in another order than 0, 1, … (an index without a name), and {bare.path} has "
            "no row numbers to align by; save all files with ids, or none with an index"
        )
    return [replace(table, ids=table.numbers) for table in tables]


def matching_rows(reference: Table, position: dict[str, int], table: Table) -> NDArray[np.intp]:
    """Return the rows of a table in the order of the ids of another one."""
    own = unique_positions(table)
    missing = [row for row in position if row not in own]
    extra = [row for row in own if row not in position]
    if missing or extra:
        hint = "expected the same rows in every file"
        if sorted(map(as_number, missing)) == sorted(map(as_number, extra)):
            hint = (
                f"{missing[0]!r} in one file is {as_number(missing[0])!r} as a number, and so is an id of the other: "
                "write ids alike in every file"
            )
        elif sorted(map(plain_text, missing)) == sorted(map(plain_text, extra)):
            hint = f"they differ by case, blanks or accents alone ({missing[0]!a}): write ids alike in every file"
        elif sorted(map(last_part, missing)) == sorted(map(last_part, extra)):
            hint = "they differ by the folders in front alone: write ids alike in every file"
        examples = [f"id {missing[0]!r} is only in the first"] if missing else []
        examples += [f"id {extra[0]!r} is only in the second"] if extra else []
        example = ", ".join(examples)
        raise AlignmentError(
            f"{reference.path} and {table.path} do not hold the same ids: {example} "
            f"({len(missing)} missing, {len(extra)} extra); {hint}"
        )
    return np.array([own[row] for row in position], dtype=np.intp)


def plain_text(text: str) -> str:
    """Return a text without what makes it another only to a machine: case, blanks around it, how accents are written.

    >>> plain_text(" A\u0308rger") == plain_text("\u00e4rger ")
    True
    """
    return unicodedata.normalize("NFC", text).strip().casefold()


def last_part(row: str) -> str:
    """Return an id without the folders in front of it."""
    return re.split(r"[/\\]", row)[-1]


def as_number(row: str) -> str:
    """Return an id as it would be written as a whole number; itself where it is none.

    >>> as_number("00007"), as_number("7.0"), as_number("a7")
    ('7', '7', 'a7')
    """
    number = re.fullmatch(r"0*(\d+?)(\.0*)?", row)
    return row if number is None else number[1]


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

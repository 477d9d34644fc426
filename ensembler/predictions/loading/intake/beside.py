"""Tables that stand beside arrays, and arrays beside tables."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ensembler.errors import EnsemblerError
from ensembler.predictions.loading.alignment import row_order
from ensembler.predictions.loading.columns import fractions
from ensembler.predictions.loading.folder import LABELS
from ensembler.predictions.loading.intake.competition import is_data
from ensembler.predictions.loading.intake.names import ROLES, says_labels, words
from ensembler.predictions.loading.intake.plan import Decision, ImportRequest, Item, Opened, rows_of
from ensembler.predictions.loading.intake.probabilities import LOGITS, sums_to_one
from ensembler.predictions.loading.intake.tables import frame_tables, is_label_file, table_names
from ensembler.predictions.loading.table import Table


def may_be_member(item: Item) -> bool:
    """Whether an array could hold probabilities."""
    return item.array.ndim >= 2 or item.array.dtype.kind == "f"


def label_arrays(files: Sequence[Opened]) -> list[Table]:
    """Return the arrays of labels that stand beside tables."""
    items = [item for file in files for item in file.items]
    named = [item for item in items if says_labels(item.key.split("/")[-1] or item.path.stem)]
    return [Table(LABELS, item.path, rows_of(item.array)) for item in named if rows_of(item.array).ndim == 1]


def label_items(tables: Sequence[Opened]) -> Iterator[Item]:
    """Yield the columns of labels in tables that stand beside arrays."""
    for file in tables:
        for name in file.frame.columns:
            if says_labels(str(name)) or (file.frame.shape[1] == 1 and says_labels(file.path.stem)):
                values = file.frame[name]
                if fractions(values):
                    continue  # in rows to predict, the column of the target holds the prediction
                array = values.to_numpy() if values.dtype.kind in "biuf" else values.map(str).to_numpy(dtype=str)
                yield replace(Item(file.path, "labels", array))


def member_items(
    tables: Sequence[Opened], arrays: Sequence[Opened], request: ImportRequest, decisions: list[Decision]
) -> list[Item]:
    """Return the members in tables that stand beside arrays, with the names of their classes.

    Only probabilities are taken, one model a table: other columns may be features of the rows.

    Raises
    ------
    AlignmentError
        Two tables have other ids, or order them differently, which arrays cannot follow.
    """
    files = [file for file in tables if not is_label_file(file) and not is_data(file, [*tables, *arrays])]
    found: list[Table] = []
    for file, name in zip(files, table_names(files, request.pair), strict=True):
        notes: list[Decision] = []
        try:
            members = frame_tables(file, name, None, request, notes)
        except EnsemblerError as error:
            decisions.append(Decision(str(file.path), "nothing", str(error).removeprefix(f"{file.path}: ")))
            continue
        called = ROLES.intersection(word for column in file.frame.columns for word in words(str(column)))
        doubtful = any(note.is_guess or note.taken_as == LOGITS for note in notes)
        if len(members) == 1 and (called or not doubtful) and is_member(members[0], called=bool(called)):
            found += members
        else:
            why = "arrays stand beside it, and its columns may be anything; import tables by themselves"
            decisions.append(Decision(str(file.path), "nothing", why))
    without_ids = [Table("", item.path, item.array) for file in arrays for item in file.items if may_be_member(item)]
    order, _ = row_order([*found, *without_ids[:1]])
    items = []
    for table in found:
        items.append(Item(table.path, "", table.array[order[table.path, table.name]]))
        if table.columns is not None and table.array.ndim == 2:
            if not any(item.key == "class_names" for item in items):
                tell_order(table, decisions)
            items.append(Item(table.path, "class_names", np.array(table.columns)))
    return items


def tell_order(table: Table, decisions: list[Decision]) -> None:
    """Say that columns of arrays are taken to be in the order of a table's, as a guess where its names are unsorted."""
    names = table.columns or ()
    in_order = list(names) == sorted(names, key=lambda name: (len(name), name) if name.isdigit() else (0, name))
    listed = ", ".join(names[:3]) + "…" * (len(names) > 3)
    why = "arrays have no names of columns, and these are sorted" if in_order else "arrays have no names of columns"
    taken_as = f"the order of columns of arrays: {listed}"
    decisions.append(Decision(str(table.path), taken_as, why, is_guess=not in_order))


def is_member(table: Table, *, called: bool) -> bool:
    """Whether a table's values are rows of probabilities, or one number a row that is called a prediction."""
    if table.array.dtype.kind != "f":
        return False
    return sums_to_one(table.array, 1) if table.array.ndim == 2 else called

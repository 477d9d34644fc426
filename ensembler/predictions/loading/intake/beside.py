"""Tables that stand beside arrays, and arrays beside tables."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ensembler.errors import AlignmentError, EnsemblerError
from ensembler.predictions.loading.alignment import as_number, row_order
from ensembler.predictions.loading.column_names import ID_NAMES, simple
from ensembler.predictions.loading.columns import find_id, fractions
from ensembler.predictions.loading.folder import LABELS
from ensembler.predictions.loading.intake.competition import is_data, is_label_file
from ensembler.predictions.loading.intake.names import ROLES, says_ids, says_labels, split_of, words
from ensembler.predictions.loading.intake.numbered import WHOLE, is_same_set, natural_order
from ensembler.predictions.loading.intake.plan import Decision, ImportRequest, Item, Opened, rows_of
from ensembler.predictions.loading.intake.probabilities import LOGITS, sums_to_one
from ensembler.predictions.loading.intake.tables import frame_tables, table_names
from ensembler.predictions.loading.table import Table


def may_be_member(item: Item) -> bool:
    """Whether an array could hold probabilities."""
    return item.array.ndim >= 2 or item.array.dtype.kind == "f"


def label_arrays(files: Sequence[Opened]) -> list[Table]:
    """Return the arrays of labels that stand beside tables."""
    items = [item for file in files for item in file.items]
    named = [item for item in items if says_labels(item.key.split("/")[-1] or item.path.stem)]
    return [Table(LABELS, item.path, rows_of(item.array)) for item in named if rows_of(item.array).ndim == 1]


def in_array_order(file: Opened, arrays: Sequence[Opened], request: ImportRequest) -> Opened:
    """Return a table that stands beside arrays with its rows in the order of their ids, where they have some.

    Raises
    ------
    AlignmentError
        Arrays have other ids; or none, and the table's count the rows in another order.
    """
    frame = file.frame
    names = list(frame.columns)
    identity = request.columns.id if request.columns.id in names else find_id(frame, names)
    place = {} if identity is None else {as_number(row): at for at, row in enumerate(frame[identity].map(str).tolist())}
    if len(place) < len(frame):
        return file
    items = [item for other in arrays for item in other.items if item.array.ndim and len(item.array) == len(frame)]
    items = [item for item in items if is_same_set(split_of(file.path), split_of(item.path, item.key))]
    known = [item for item in items if says_ids(item.key.split("/")[-1] or item.path.stem) and item.array.ndim == 1]
    for item in known:
        wanted = [as_number(str(row)) for row in item.array.tolist()]
        if place.keys() == set(wanted):
            rows = [place[row] for row in wanted]
            own = [replace(one, array=one.array[rows]) if len(one.array) == len(rows) else one for one in file.items]
            return replace(file, frame=frame.iloc[rows], items=own)
    if known and ID_NAMES.fullmatch(simple(str(identity))):
        raise AlignmentError(
            f"{file.path} and {known[0].source} do not hold the same ids; expected the same rows in every file"
        )
    order, in_order = natural_order(np.array(list(place)))
    if items and in_order and not np.array_equal(order, np.arange(len(order))):
        raise AlignmentError(
            f"{file.path} ({identity}) numbers its rows in another order than {items[0].source}, which has no ids; "
            "sort the table by it, or save the ids of the arrays beside them (ids.npy)"
        )
    return file


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
    many_classes = any(item.array.ndim == 2 and item.array.shape[1] > 2 for file in arrays for item in file.items)
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
        fits = not many_classes or any(table.array.ndim == 2 for table in members)
        if len(members) == 1 and (called or not doubtful) and fits and is_member(members[0], called=bool(called)):
            found += members
        else:
            why = "arrays stand beside it, and its columns may be anything; import tables by themselves"
            decisions.append(Decision(str(file.path), "nothing", why))
    without_ids = [Table("", item.path, item.array) for file in arrays for item in file.items if may_be_member(item)]
    for of_test in (True, False):
        row_order([*(table for table in found if (split_of(table.path) in WHOLE) == of_test), *without_ids[:1]])
    items = []
    for table in found:
        items.append(Item(table.path, "", table.array))
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

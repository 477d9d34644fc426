"""Files that could be read as probabilities and are something else: labels, or a column a model."""

from collections.abc import Iterator, Sequence

import numpy as np

from ensembler.arrays import ROW_SUM_TOLERANCE
from ensembler.errors import EnsemblerError, FileError, Problems, setting
from ensembler.predictions.loading.column_names import simple
from ensembler.predictions.loading.columns import equals_labels
from ensembler.predictions.loading.import_advice import import_words
from ensembler.predictions.loading.labels import USUAL_NAMES
from ensembler.predictions.loading.options import Columns
from ensembler.predictions.loading.row_set import RowSet
from ensembler.predictions.loading.table import Table


def check_columns(row_sets: Sequence[RowSet], columns: Columns) -> Problems:
    """Look for columns and files that hold the labels, and for columns that are models."""
    problems = Problems()
    for rows in row_sets:
        for table in rows.tables:
            problems.errors += suspicious(table, rows.labels, columns)
    return problems


def suspicious(table: Table, labels: Table | None, columns: Columns) -> Iterator[EnsemblerError]:
    """Yield what makes a member's file something else than predictions."""
    values = None if labels is None else in_order(labels, table)
    called_labels = table.array.ndim == 1 and simple(table.name) in USUAL_NAMES
    if called_labels and values is not None and equals_labels(np.asarray(table.array), values):
        yield FileError(
            f"{table.path}: holds the labels, expected predictions; pass {setting('without', table.name)}",
            remedy=("--without", table.name),
        )
    if table.columns is None:
        return
    array = np.asarray(table.array)
    equal = (
        []
        if values is None
        else [name for column, name in enumerate(table.columns) if equals_labels(array[:, column], values)]
    )
    for name in equal:
        yield FileError(
            f"{table.path}: column {name!r} holds the labels in every row; pass {setting('drop', name)}",
            remedy=("--drop-column", name),
        )
    rest = array[:, [name not in equal for name in table.columns]]
    if rest.dtype.kind == "f" and ((values is not None and are_models(rest, values)) or are_several(rest)):
        kept = [name for name in table.columns if name not in equal]
        given = [str(table.path)]
        if labels is not None and labels.path != table.path:
            given += ["--labels", str(labels.path)]
        command = import_words(*given, *typed_columns(columns))
        shown = ", ".join(kept[:8]) + (", …" if len(kept) > 8 else "")
        yield FileError(
            f"{table.path}: the columns {shown} are those of several models rather than the classes of one, since rows "
            "do not sum to 1; ensembler import makes a file a model of them",
            remedy=command,
        )


def in_order(labels: Table, table: Table) -> np.ndarray | None:
    """Return labels in the order of a table's rows; None where they cannot be brought into it."""
    values = np.asarray(labels.array)
    values = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if labels.ids is None or table.ids is None:
        return values
    position = {row: index for index, row in enumerate(labels.ids.tolist())}
    rows = [position.get(row) for row in table.ids.tolist()]
    if None in rows:
        return None
    return np.asarray(values[np.array(rows, dtype=np.intp)])


def typed_columns(columns: Columns) -> list[str]:
    """Return the options that name columns, as they were typed."""
    pairs = [("--id", columns.id), ("--label-column", columns.label)]
    pairs += [("--drop-column", name) for name in columns.drop]
    return [word for option, name in pairs if name is not None for word in (option, name)]


def are_several(array: np.ndarray) -> bool:
    """Whether rows sum to a whole number of models, of equally many classes each."""
    totals = array.sum(axis=1)
    n_models = round(float(totals[0])) if len(totals) and np.isfinite(totals[0]) else 0
    alike = n_models > 1 and bool((np.abs(totals - n_models) <= n_models * ROW_SUM_TOLERANCE).all())
    return alike and array.shape[1] % n_models == 0 and array.shape[1] > n_models and bool((array <= 1 + 1e-6).all())


def are_models(array: np.ndarray, labels: np.ndarray) -> bool:
    """Whether columns are P(class 1) of several models rather than classes: labels are binary, rows do not sum to 1."""
    if labels.ndim != 1 or array.shape[1] < 2 or labels.dtype.kind not in "biuf" or not np.isin(labels, (0, 1)).all():
        return False
    inside = bool((array >= 0).all() and (array <= 1 + ROW_SUM_TOLERANCE).all())
    return inside and bool((np.abs(array.sum(axis=1) - 1) > ROW_SUM_TOLERANCE).any())

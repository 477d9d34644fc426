"""Files that could be read as probabilities and are something else: labels, or a column a model."""

from collections.abc import Iterator, Sequence

import numpy as np

from ensembler.arrays import ROW_SUM_TOLERANCE
from ensembler.errors import EnsemblerError, FileError, Problems
from ensembler.predictions.loading.columns import equals_labels, quoted, simple
from ensembler.predictions.loading.labels import USUAL_NAMES
from ensembler.predictions.loading.row_set import RowSet
from ensembler.predictions.loading.table import Table


def check_columns(row_sets: Sequence[RowSet]) -> Problems:
    """Look for columns and files that hold the labels, and for columns that are models."""
    problems = Problems()
    for rows in row_sets:
        for table in rows.tables:
            problems.errors += suspicious(table, rows.labels)
    return problems


def suspicious(table: Table, labels: Table | None) -> Iterator[EnsemblerError]:
    """Yield what makes a member's file something else than predictions."""
    values = None if labels is None else in_order(labels, table)
    called_labels = table.array.ndim == 1 and simple(table.name) in USUAL_NAMES
    if called_labels and values is not None and equals_labels(np.asarray(table.array), values):
        yield FileError(
            f"{table.path}: holds the labels, expected predictions; pass --without {quoted(table.name)}",
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
            f"{table.path}: column {name!r} holds the labels in every row; pass --drop-column {quoted(name)}",
            remedy=("--drop-column", name),
        )
    rest = array[:, [name not in equal for name in table.columns]]
    if values is not None and are_models(rest, values):
        kept = [name for name in table.columns if name not in equal]
        given = [str(table.path)]
        if labels is not None and labels.path != table.path:
            given += ["--labels", str(labels.path)]
        command = ("import", *given, "--out", "preds")
        yield FileError(
            f"{table.path}: the labels are 0 and 1, and the columns {', '.join(kept)} lie between 0 and 1 without "
            "summing to 1: each is a model rather than a class; ensembler import makes a file a model of them",
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


def are_models(array: np.ndarray, labels: np.ndarray) -> bool:
    """Whether columns are P(class 1) of several models rather than classes: labels are binary, rows do not sum to 1."""
    if labels.ndim != 1 or array.shape[1] < 2 or labels.dtype.kind not in "biuf" or not np.isin(labels, (0, 1)).all():
        return False
    inside = bool((array >= 0).all() and (array <= 1 + ROW_SUM_TOLERANCE).all())
    return inside and bool((np.abs(array.sum(axis=1) - 1) > ROW_SUM_TOLERANCE).any())

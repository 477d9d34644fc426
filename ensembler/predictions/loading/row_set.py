"""The files about one set of rows, and the prediction set that they make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ensembler.arrays import check_labels
from ensembler.errors import ShapeError
from ensembler.predictions.loading.alignment import ClassSpace, class_numbers, row_order
from ensembler.predictions.loading.conversion import ReadOptions, member_proba
from ensembler.predictions.loading.table import Table
from ensembler.predictions.loading.tables import read_row_values
from ensembler.predictions.prediction_set import Predictions


@dataclass(frozen=True)
class RowSet:
    """The files about one set of rows: scored, validation or new ones.

    Attributes
    ----------
    which : str
        Which rows those are, in messages: nothing, or as ``"validation "``.
    tables : sequence of Table
        One a member.
    labels : Table, optional
    row_values : mapping of str to Table
        ``weights`` and ``groups``, where given.
    """

    which: str
    tables: Sequence[Table]
    labels: Table | None = None
    row_values: Mapping[str, Table] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The names of the members."""
        return [table.name for table in self.tables]

    @property
    def everything(self) -> list[Table]:
        """All tables that have these rows."""
        return [*self.tables, *([self.labels] if self.labels is not None else []), *self.row_values.values()]


def read_each(files: Mapping[str, Path]) -> dict[str, Table]:
    """Read files of one value a row."""
    return {key: read_row_values(path) for key, path in files.items()}


def class_space(given: tuple[str, ...] | None, row_sets: Sequence[RowSet]) -> ClassSpace:
    """Find the classes of all members and labels of some sets of rows."""
    tables = [table for rows in row_sets for table in rows.tables]
    return ClassSpace.of(given, tables, [rows.labels for rows in row_sets if rows.labels is not None])


def assemble(
    rows: RowSet,
    classes: ClassSpace,
    metadata: Mapping[str, Mapping[str, Any]],
    options: ReadOptions,
    validation: Predictions | None = None,
) -> Predictions:
    """Bring the rows of all files into one order, turn each member into probabilities, and stack them."""
    check_lengths(rows)
    order, ids = row_order(rows.everything)
    n_samples = len(rows.tables[0].array)
    # float64 files are kept as they are; everything else fits into float32.
    wide = any(table.array.dtype == np.float64 for table in rows.tables)
    proba = np.empty((len(rows.tables), n_samples, classes.n_classes), dtype=np.float64 if wide else np.float32)
    hard = []
    label_values = None if rows.labels is None else rows.labels.array
    for index, table in enumerate(rows.tables):
        member, is_hard = member_proba(table, classes, label_values, options, rows.which)
        proba[index] = member[order[table.path, table.name]]
        hard.append(is_hard)
    labels = None
    if rows.labels is not None:
        subject = f"{rows.which}labels"
        numbers = class_numbers(rows.labels.array, classes, subject, rows.labels.path)
        checked = check_labels(numbers, n_samples, classes.n_classes, subject)
        labels = checked[order[rows.labels.path, rows.labels.name]]
    values = {key: np.asarray(table.array)[order[table.path, table.name]] for key, table in rows.row_values.items()}
    return Predictions(
        proba,
        labels,
        names=rows.names,
        class_names=classes.class_names,
        metadata=[metadata.get(name, {}) for name in rows.names],
        hard=hard,
        sample_weight=values.get("weights"),
        groups=values.get("groups"),
        ids=ids,
        validation=validation,
        check_input=False,
    )


def check_lengths(rows: RowSet) -> None:
    """Raise unless every member has as many rows as the first."""
    first = rows.tables[0]
    for table in rows.tables:
        if table.array.ndim == 0:
            raise ShapeError(f"{rows.which}{table.subject} is a single number, expected one row or more ({table.path})")
        if len(table.array) != len(first.array):
            raise ShapeError(
                f"{rows.which}{first.subject} has {len(first.array)} rows, that of member {table.name!r} has "
                f"{len(table.array)}; expected the same rows in each file ({first.path}, {table.path})"
            )

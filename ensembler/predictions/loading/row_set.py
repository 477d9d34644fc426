"""The files about one set of rows, and the prediction set that they make."""

import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Missing, check_labels
from ensembler.errors import Problems, ShapeError, ValueRangeError
from ensembler.predictions.loading.alignment import row_order
from ensembler.predictions.loading.class_space import ClassSpace, class_numbers
from ensembler.predictions.loading.conversion import member_proba
from ensembler.predictions.loading.options import ReadOptions
from ensembler.predictions.loading.table import Table
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


def class_space(given: tuple[str, ...] | None, row_sets: Sequence[RowSet]) -> ClassSpace:
    """Find the classes of all members and labels of some sets of rows."""
    tables = [table for rows in row_sets for table in rows.tables]
    return ClassSpace.of(given, tables, [rows.labels for rows in row_sets if rows.labels is not None])


def assemble(
    rows: RowSet,
    classes: ClassSpace,
    metadata: Mapping[str, Mapping[str, Any]],
    options: ReadOptions,
) -> Predictions:
    """Bring the rows of all files into one order, turn each member into probabilities, and stack them.

    Raises
    ------
    DataError
        Everything that is wrong, together.
    """
    if rows.labels is not None:
        # Members of several labels a row are no class probabilities either; that need not be told of each.
        check_single_label(rows.labels, f"{rows.which}labels")
    problems = Problems()
    with problems.collected():
        check_lengths(rows)
    order: dict[tuple[Path, str], Any] = {}
    ids = None
    with problems.collected():
        order, ids = row_order(rows.everything)
    label_values = None
    if rows.labels is not None:
        with problems.collected():
            label_values = label_numbers(rows.labels, classes, f"{rows.which}labels")
    proba, hard, missing = stacked_members(rows, classes, label_values, options, order, problems)
    problems.raise_all()
    labels = None
    if rows.labels is not None and label_values is not None:
        checked = check_labels(label_values, proba.shape[1], classes.n_classes, f"{rows.which}labels")
        labels = checked[order[rows.labels.path, rows.labels.name]]
    values = {key: np.asarray(table.array)[order[table.path, table.name]] for key, table in rows.row_values.items()}
    return Predictions(
        proba,
        labels,
        names=rows.names,
        class_names=classes.class_names,
        metadata=[metadata.get(name, {}) for name in rows.names],
        hard=hard,
        missing=missing,
        sample_weight=values.get("weights"),
        groups=values.get("groups"),
        ids=ids,
        check_input=False,
    )


def stacked_members(
    rows: RowSet,
    classes: ClassSpace,
    labels: NDArray[Any] | None,
    options: ReadOptions,
    order: Mapping[tuple[Path, str], Any],
    problems: Problems,
) -> tuple[NDArray[Any], list[bool], Missing | None]:
    """Return the (M, N, C) probabilities of all members, which are hard labels, and which votes are missing.

    What cannot be read is collected.
    """
    n_samples = len(rows.tables[0].array) if rows.tables[0].array.ndim else 0
    # float64 files are kept as they are; everything else fits into float32.
    wide = any(table.array.dtype == np.float64 for table in rows.tables)
    dtype = np.float64 if wide else np.float16 if stays_half(rows.tables, options) else np.float32
    # Nothing is stacked once something is wrong.
    proba = np.empty((len(rows.tables), n_samples, classes.n_classes), dtype=dtype)
    hard = []
    missing = np.zeros((len(rows.tables), n_samples), dtype=bool)
    for index, table in enumerate(rows.tables):
        with problems.collected():
            in_order = labels if table.ids is None else None
            member = member_proba(table, classes, in_order, options, rows.which)
            hard.append(member.is_hard)
            if not problems.errors:
                rows_of = order[table.path, table.name]
                proba[index] = member.proba[rows_of]
                if member.missing is not None:
                    missing[index] = member.missing[rows_of]
                release(table.array)
    return proba, hard, missing if missing.any() else None


def stays_half(tables: Sequence[Table], options: ReadOptions) -> bool:
    """Whether probabilities are to be kept in half precision."""
    as_they_are = options.half and not (options.logits or options.normalize)
    return as_they_are and all(table.array.dtype == np.float16 and table.array.ndim == 2 for table in tables)


def release(array: NDArray[Any]) -> None:
    """Give back the memory of a mapped file that was read, which is read anew if it is needed once more."""
    mapped: Any = array.base
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def check_single_label(table: Table, subject: str) -> None:
    """Raise where rows have several classes, or none."""
    values = np.asarray(table.array)
    if values.ndim == 2 and values.shape[1] > 1 and is_indicator(values) and not (values.sum(axis=1) == 1).all():
        n_odd = int((values.sum(axis=1) != 1).sum())
        raise ValueRangeError(
            f"{subject} ({table.path}) have {values.shape[1]} columns of 0 and 1, and {n_odd} rows with none or "
            "several: these are multi-label, expected one class a row; compare one label at a time, each as 0/1 "
            "labels with P(class 1)"
        )


def is_indicator(values: NDArray[Any]) -> bool:
    """Whether an array holds nothing but 0 and 1."""
    return values.dtype.kind in "biuf" and bool(np.isin(values, (0, 1)).all())


def label_numbers(table: Table, classes: ClassSpace, subject: str) -> NDArray[Any]:
    """Return labels as class numbers: of names, of one-hot rows, or as they are.

    Raises
    ------
    ValueRangeError
        They are texts that are no class.
    """
    values = np.asarray(table.array)
    if values.ndim == 2 and values.shape[1] == classes.n_classes > 1 and is_indicator(values):
        return np.asarray(values.argmax(axis=1))
    return class_numbers(values, classes, subject, table.path)


def check_lengths(rows: RowSet) -> None:
    """Raise unless every member has as many rows as the first."""
    first = rows.tables[0]
    problems = Problems()
    for table in rows.tables:
        # What is no table at all is refused member by member.
        tables = all(array.ndim in (1, 2) and len(array) for array in (table.array, first.array))
        if tables and len(table.array) != len(first.array):
            problems.add(
                ShapeError(
                    f"{rows.which}{first.subject} has {len(first.array)} rows, that of member {table.name!r} has "
                    f"{len(table.array)}; expected the same rows in each file ({first.path}, {table.path})"
                )
            )
    problems.raise_all()

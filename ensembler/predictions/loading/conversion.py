"""Turning what a file holds into rows of probabilities: logits, hard labels, P(class 1), columns in another order."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import (
    MISSING_VOTE,
    ROUNDING,
    ROW_SUM_TOLERANCE,
    Missing,
    check_labels,
    check_rows,
    one_hot,
    row_blocks,
    sigmoid,
    softmax,
)
from ensembler.errors import AlignmentError, DataWarning, ShapeError, ValueRangeError, argument, setting
from ensembler.predictions.loading.class_space import ClassSpace, class_numbers
from ensembler.predictions.loading.import_advice import import_words
from ensembler.predictions.loading.options import ReadOptions
from ensembler.predictions.loading.table import Table


@dataclass(frozen=True)
class Member:
    """What a file holds of a member: (N, C) probabilities, whether they stand for hard labels, and missing votes."""

    proba: NDArray[Any]
    is_hard: bool = False
    missing: Missing | None = None


def member_proba(
    table: Table, classes: ClassSpace, labels: NDArray[Any] | None, options: ReadOptions, which: str
) -> Member:
    """Return what a table holds of a member."""
    array, subject = table.array, f"{which}{table.subject}"
    if array.dtype.kind not in "biufUS":
        raise ValueRangeError(f"{subject} has dtype {array.dtype}, expected numbers (or class names)")
    if array.ndim == 0:
        raise ShapeError(f"{subject} is a single number, expected one row or more ({table.path})")
    if len(array) == 0:
        raise ShapeError(f"{subject} has shape {array.shape}, expected at least one row")
    single = array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)
    if single and array.dtype.kind != "f":
        return hard_votes(table, classes, subject)
    if single:
        return Member(positive_class(table, classes, labels, options, subject))
    if array.ndim != 2:
        raise ShapeError(
            f"{subject} has shape {array.shape}, expected (rows, classes); give one file a member",
            remedy=import_words(str(table.path.parent)) if array.ndim == 3 and min(array.shape) > 1 else (),
        )
    if array.dtype.kind in "US":
        raise ValueRangeError(
            f"{subject} has texts in {array.shape[1]} columns, expected numbers, or one class name a row"
        )
    if array.shape[1] != classes.n_classes:
        check_columns(table, classes)
        raise ShapeError(
            f"{subject} has {array.shape[1]} columns, expected {classes.n_classes} as in the other members"
        )
    return Member(to_probabilities(ordered_columns(table, classes), options, subject, labels))


def hard_votes(table: Table, classes: ClassSpace, subject: str) -> Member:
    """Return hard labels as one-hot votes; -1 and empty texts are missing votes."""
    values = np.asarray(table.array).reshape(len(table.array))
    missing = (values.astype(str) if values.dtype.kind == "S" else values) == ("" if values.dtype.kind in "US" else -1)
    numbers = np.full(len(values), MISSING_VOTE, dtype=np.int64)
    if not missing.all():
        given = class_numbers(values[~missing], classes, subject, table.path)
        try:
            numbers[~missing] = check_labels(given, len(given), classes.n_classes, subject)
        except ValueRangeError:
            # Once more with all rows, so that the message counts as the file does.
            check_labels(np.where(missing, 0, place(given, ~missing)), len(values), classes.n_classes, subject)
            raise
    return Member(one_hot(numbers, classes.n_classes), is_hard=True, missing=missing if missing.any() else None)


def place(values: NDArray[Any], where: NDArray[np.bool_]) -> NDArray[Any]:
    """Return values in the rows of a mask, 0 elsewhere."""
    placed = np.zeros(len(where), dtype=values.dtype)
    placed[where] = values
    return placed


def ordered_columns(table: Table, classes: ClassSpace) -> NDArray[Any]:
    """Return a table's array with its columns in the order of the classes, where both have names."""
    if table.columns is None or classes.class_names is None or table.columns == classes.class_names:
        return table.array
    check_columns(table, classes)
    return table.array[:, [table.columns.index(name) for name in classes.class_names]]


def check_columns(table: Table, classes: ClassSpace) -> None:
    """Raise where both have names, and these are not the same."""
    if table.columns is None or classes.class_names is None or set(table.columns) == set(classes.class_names):
        return
    odd = sorted(set(table.columns) ^ set(classes.class_names))
    lacks = set(table.columns) < set(classes.class_names)
    why = f"lacking: {', '.join(odd)}; ensembler import fills in 0 for classes that a model never saw" if lacks else ""
    raise AlignmentError(
        f"{table.path}: the columns are {', '.join(table.columns)}, expected the classes "
        f"{', '.join(classes.class_names)} ({why or 'differing: ' + ', '.join(odd)})",
        remedy=import_words(str(table.path.parent)) if lacks else (),
    )


def positive_class(
    table: Table, classes: ClassSpace, labels: NDArray[Any] | None, options: ReadOptions, subject: str
) -> NDArray[Any]:
    """Turn P(class 1) into two columns; rounding beyond 0 and 1 is taken away within the tolerance of row sums."""
    binary = classes.n_classes == 2 and (
        labels is None or labels.dtype.kind in "US" or bool(np.isin(labels, (0, 1)).all())
    )
    if not binary:
        raise ShapeError(
            f"{subject} has shape {table.array.shape} of {table.array.dtype}, which is read as P(class 1), "
            "but the labels are not 0 and 1; expected (rows, classes) probabilities, or integers for hard labels "
            f"(regression is not supported){signs_of(labels)}"
        )
    values = np.asarray(table.array).reshape(len(table.array))
    if options.logits:
        values = sigmoid(values).astype(table.array.dtype)
    check_positive(values, subject)
    values = np.clip(values, 0, 1)
    return np.stack([1 - values, values], axis=-1)


def signs_of(labels: NDArray[Any] | None) -> str:
    """Ask about labels that are -1 and +1."""
    if labels is None or labels.dtype.kind not in "iuf" or not np.isin(labels, (-1, 1)).all():
        return ""
    return "; are labels -1 and +1? write 0 and 1: (labels + 1) / 2"


def check_positive(values: NDArray[Any], subject: str) -> None:
    """Raise unless values can be P(class 1), but for rounding."""
    wide = values.astype(np.float64)
    if not np.isfinite(wide).all():
        row = int(np.flatnonzero(~np.isfinite(wide))[0])
        raise ValueRangeError(
            f"{subject}: row {row} is {wide[row]}, expected a finite P(class 1); find where the model diverged, or "
            f"leave this member out ({argument('without')})"
        )
    outside = (wide < -ROUNDING) | (wide > 1 + ROW_SUM_TOLERANCE)
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        is_logit = wide.min() < 0
        question = (
            f"are these logits? pass {setting('logits')}"
            if is_logit
            else "are they percentages, or scores? divide them by"
        )
        raise ValueRangeError(
            f"{subject}: row {row} is {wide[row]:.6g}, expected P(class 1) from 0 to 1 (first of "
            f"{int(outside.sum())}); {question}{'' if is_logit else ' their largest possible value'}",
            remedy=("--logits",) if is_logit else (),
        )


def to_probabilities(
    array: NDArray[Any], options: ReadOptions, subject: str, labels: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Return rows of probabilities, after the softmax or the division that the options ask for."""
    if options.logits:
        return from_logits(array, subject)
    if not options.normalize:
        check_rows(array, subject, labels=labels)
        return array
    if array.dtype.kind == "f" and -ROUNDING < array.min() < 0:
        array = np.clip(array, 0, None)
    check_rows(array, subject, sums=False, labels=labels)
    return divided_by_sums(array, subject)


def from_logits(array: NDArray[Any], subject: str) -> NDArray[Any]:
    """Apply a softmax to each row; warn if all rows are probabilities already."""
    converted = np.empty(array.shape, dtype=kept_dtype(array))
    already = True
    for rows in row_blocks(*array.shape):
        block = np.asarray(array[rows], dtype=np.float64)
        if not np.isfinite(block).all():
            row = int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
            raise ValueRangeError(
                f"{subject}: row {rows.start + row} holds values that are not finite, expected finite logits"
            )
        already = already and bool((block >= 0).all() and (np.abs(block.sum(axis=1) - 1) <= ROW_SUM_TOLERANCE).all())
        converted[rows] = softmax(block)
    if already:
        warnings.warn(f"{subject} are probabilities already; is {setting('logits')} meant?", DataWarning, stacklevel=3)
    return converted


def divided_by_sums(array: NDArray[Any], subject: str) -> NDArray[Any]:
    """Divide each row of non-negative numbers by its sum."""
    totals = np.asarray(array.sum(axis=1, dtype=np.float64))
    if (totals == 0).any():
        row = int(np.flatnonzero(totals == 0)[0])
        raise ValueRangeError(f"{subject}: row {row} sums to 0 and cannot be normalised")
    return np.asarray((array / totals[:, None]).astype(kept_dtype(array)))


def kept_dtype(array: NDArray[Any]) -> type[np.float32] | type[np.float64]:
    """Return the type that an array's probabilities are kept in: float64 where it is that, else float32."""
    return np.float64 if array.dtype == np.float64 else np.float32

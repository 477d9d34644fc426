"""From what a file holds to rows of probabilities: logits, hard labels, P(class 1), columns in another order."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import ROW_SUM_TOLERANCE, check_labels, check_rows, one_hot, row_blocks, sigmoid, softmax
from ensembler.errors import AlignmentError, DataWarning, ShapeError, ValueRangeError
from ensembler.predictions.files import Table
from ensembler.predictions.loading.alignment import Shape, class_numbers


@dataclass(frozen=True)
class Options:
    """How the numbers in member files are to be read."""

    logits: bool = False
    normalize: bool = False


def member_proba(
    table: Table, shape: Shape, labels: NDArray[Any] | None, options: Options, which: str
) -> tuple[NDArray[Any], bool]:
    """Return a member's (N, C) probabilities, and whether they stand for hard labels."""
    array, subject = table.array, f"{which}{table.subject}"
    if array.dtype.kind not in "biufUS":
        raise ValueRangeError(f"{subject} has dtype {array.dtype}, expected numbers (or class names)")
    if array.ndim == 0 or len(array) == 0:
        raise ShapeError(f"{subject} has shape {array.shape}, expected at least one row")
    single = array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)
    if single and array.dtype.kind != "f":
        numbers = check_labels(class_numbers(array, shape, subject, table.path), len(array), shape.n_classes, subject)
        return one_hot(numbers, shape.n_classes), True
    if single:
        return positive_class(table, shape, labels, options, subject), False
    if array.ndim != 2:
        raise ShapeError(f"{subject} has shape {array.shape}, expected (rows, classes); give one file a member")
    if array.shape[1] != shape.n_classes:
        raise ShapeError(f"{subject} has {array.shape[1]} columns, expected {shape.n_classes} as in the other members")
    if table.columns is not None and shape.class_names is not None and table.columns != shape.class_names:
        if set(table.columns) != set(shape.class_names):
            odd = sorted(set(table.columns) ^ set(shape.class_names))
            raise AlignmentError(
                f"{table.path}: the columns are {', '.join(table.columns)}, expected the classes "
                f"{', '.join(shape.class_names)} (differing: {', '.join(odd)})"
            )
        array = array[:, [table.columns.index(name) for name in shape.class_names]]
    return to_probabilities(array, options, subject), False


def positive_class(
    table: Table, shape: Shape, labels: NDArray[Any] | None, options: Options, subject: str
) -> NDArray[Any]:
    """Turn P(class 1) into two columns."""
    binary = shape.n_classes == 2 and (
        labels is None or labels.dtype.kind in "US" or bool(np.isin(labels, (0, 1)).all())
    )
    if not binary:
        raise ShapeError(
            f"{subject} has shape {table.array.shape} of {table.array.dtype}, which is read as P(class 1), "
            "but the labels are not 0 and 1; expected (rows, classes) probabilities, or integers for hard labels "
            "(regression is not supported)"
        )
    values = np.asarray(table.array).reshape(len(table.array))
    if options.logits:
        values = sigmoid(values).astype(table.array.dtype)
    both = np.stack([1 - values, values], axis=-1)
    check_rows(both, subject)
    return both


def to_probabilities(array: NDArray[Any], options: Options, subject: str) -> NDArray[Any]:
    """Apply what was asked for, and check that the rows are probabilities."""
    if options.logits:
        converted = np.empty(array.shape, dtype=np.float64 if array.dtype == np.float64 else np.float32)
        already = True
        for rows in row_blocks(*array.shape):
            block = np.asarray(array[rows], dtype=np.float64)
            if not np.isfinite(block).all():
                row = int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
                raise ValueRangeError(
                    f"{subject}: row {rows.start + row} holds values that are not finite, expected finite logits"
                )
            already = already and bool(
                (block >= 0).all() and (np.abs(block.sum(axis=1) - 1) <= ROW_SUM_TOLERANCE).all()
            )
            converted[rows] = softmax(block)
        if already:
            warnings.warn(f"{subject} are probabilities already; is --logits meant?", DataWarning, stacklevel=2)
        return converted
    if options.normalize:
        check_rows(array, subject, sums=False)
        totals = np.asarray(array.sum(axis=1, dtype=np.float64))
        if (totals == 0).any():
            row = int(np.flatnonzero(totals == 0)[0])
            raise ValueRangeError(f"{subject}: row {row} sums to 0 and cannot be normalised")
        return np.asarray((array / totals[:, None]).astype(np.float64 if array.dtype == np.float64 else np.float32))
    check_rows(array, subject)
    return array

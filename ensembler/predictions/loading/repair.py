"""Repairing invalid files, so that they can be looked at: what they were is reported as a finding."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import ROUNDING, row_sum_tolerance, softmax
from ensembler.errors import DataError, setting
from ensembler.predictions.diagnosis.findings import Finding
from ensembler.predictions.loading.alignment import row_order
from ensembler.predictions.loading.class_space import ClassSpace, class_numbers
from ensembler.predictions.loading.conversion import member_proba
from ensembler.predictions.loading.options import ReadOptions
from ensembler.predictions.loading.row_set import RowSet
from ensembler.predictions.loading.table import Table

SATURATED = 0.2
"""Share of float16 rows with an exact 1 from which log losses suffer."""

Repair = tuple[Finding | None, NDArray[Any] | None]
"""What was wrong, and valid probabilities; None for either where there is none."""


def repair_rows(rows: RowSet, classes: ClassSpace, options: ReadOptions) -> tuple[RowSet, list[Finding]]:
    """Return the rows with valid files only, read as asked, repaired where they can be, and what was wrong."""
    labels, findings = repair_labels(rows, classes)
    n_rows = len(labels.array) if labels is not None else max(len(table.array) for table in rows.tables)
    valid = []
    for table in rows.tables:
        repaired, of_member = repair_member(table, classes, labels, rows.which, n_rows, options)
        findings += of_member
        if repaired is not None:
            valid.append(repaired)
    try:
        row_order([*valid, *([labels] if labels is not None else [])])
    except DataError as error:
        findings.append(Finding("ids", "error", "ids", str(error)))
        valid = []
    return RowSet(rows.which, valid, labels), findings


def repair_labels(rows: RowSet, classes: ClassSpace) -> tuple[Table | None, list[Finding]]:
    """Return the labels, counted from 0 where they are counted from 1, and what was wrong."""
    table, subject = rows.labels, f"{rows.which}labels"
    if table is None:
        return None, []
    try:
        numbers = np.asarray(class_numbers(table.array, classes, subject, table.path))
    except DataError as error:
        return table, [Finding("labels", "error", subject, str(error))]
    whole = numbers.dtype.kind in "iub" or bool(np.isfinite(numbers).all() and (numbers == np.rint(numbers)).all())
    if whole and len(numbers) and numbers.min() >= 1 and numbers.max() == classes.n_classes:
        message = (
            f"the {subject} go from {int(numbers.min())} to {int(numbers.max())}, and there are {classes.n_classes} "
            "classes: they are counted from 1"
        )
        finding = Finding("labels-from-1", "error", subject, message, "subtract 1 and save them again")
        return replace(table, array=numbers.astype(np.int64) - 1), [finding]
    return table, []


def repair_member(
    table: Table, classes: ClassSpace, labels: Table | None, which: str, n_rows: int, options: ReadOptions
) -> tuple[Table | None, list[Finding]]:
    """Return a member with valid probabilities, None where it cannot be repaired, and what was wrong."""
    array, name = table.array, table.name
    if array.ndim and len(array) != n_rows:
        message = f"member {name!r} has {len(array):,} {which}rows, expected {n_rows:,}"
        return None, [Finding("length", "error", name, message, "save it for the same rows, or leave it out")]
    findings = list(check_saturation(table, which))
    try:
        member = member_proba(table, classes, None if labels is None else labels.array, options, which)
        if (options.logits or options.normalize) and not member.is_hard:
            table = replace(table, array=member.proba, columns=classes.class_names)
    except DataError as error:
        finding, repaired = repair_proba(np.asarray(array), name, which, classes)
        findings.append(finding or Finding("unreadable", "error", name, str(error)))
        return None if repaired is None else replace(table, array=repaired), findings
    return table, findings


def repair_proba(array: NDArray[Any], name: str, which: str, classes: ClassSpace) -> Repair:
    """Turn logits and unnormalised probabilities into probabilities, and say what they were."""
    if array.ndim != 2 or array.shape[1] != classes.n_classes or array.dtype.kind not in "fiu" or not array.size:
        return None, None
    values = array.astype(np.float64)
    broken = ~np.isfinite(values).all(axis=1)
    if broken.any():
        message = f"member {name!r} has values that are not finite in {int(broken.sum()):,} {which}rows"
        advice = "find where the model diverged, or leave it out"
        return Finding("not-finite", "error", name, message, advice), None
    totals = values.sum(axis=1)
    if -ROUNDING < values.min() < 0 and (np.abs(totals - 1) < 1e-3).all():
        message = f"member {name!r} has {which}values just below 0 ({values.min():.3g}), which is rounding"
        values = np.clip(values, 0.0, None)
        finding = Finding("below-zero", "error", name, message, "clip them at 0 and save them again")
        return finding, values / values.sum(axis=1, keepdims=True)
    if values.min() < 0 or values.max() > largest_value(totals):
        return repair_logits(values, name, which)
    return repair_sums(values, totals, row_sum_tolerance(array.dtype, classes.n_classes), name, which)


def repair_logits(values: NDArray[np.float64], name: str, which: str) -> Repair:
    """Apply a softmax to logits, or to logarithms of probabilities."""
    if values.max() <= 0 and np.allclose(np.exp(values).sum(axis=1), 1.0, atol=1e-3):
        message = f"member {name!r} holds logarithms of probabilities in its {which}rows"
        finding = Finding("log-probabilities", "error", name, message, "save their exponentials")
    else:
        message = f"member {name!r} holds logits in its {which}rows ({values.min():.3g} to {values.max():.3g})"
        finding = Finding("logits", "error", name, message, f"apply a softmax, or pass {setting('logits')}")
    return finding, softmax(values)


def repair_sums(
    values: NDArray[np.float64], totals: NDArray[np.float64], tolerance: float, name: str, which: str
) -> Repair:
    """Divide rows of non-negative values by their sums."""
    if (totals <= 0).any():
        message = f"member {name!r} has {which}rows of zeros"
        return Finding("zero-rows", "error", name, message, "save all its predictions, or leave it out"), None
    n_off = int((np.abs(totals - 1) > tolerance).sum())
    if not n_off:
        return None, None
    sums = f"{totals.min():.4g} to {totals.max():.4g}"
    message = f"member {name!r} has {n_off:,} {which}rows that do not sum to 1 ({sums})"
    finding = Finding(
        "row-sums", "error", name, message, f"pass {setting('normalize')} if they are unnormalised probabilities"
    )
    return finding, values / totals[:, None]


def largest_value(totals: NDArray[np.float64]) -> float:
    """Return the largest value that a row of unnormalised probabilities would hold."""
    return max(1.0, float(totals.min())) * (1 + 1e-6)


def check_saturation(table: Table, which: str) -> Iterator[Finding]:
    """Look for half-precision files in which many probabilities have become exactly 1."""
    array = table.array
    if array.dtype != np.float16 or array.ndim != 2:
        return
    share = float((np.asarray(array) == 1).any(axis=1).mean())
    if share >= SATURATED:
        message = f"member {table.name!r} is float16, and {share:.0%} of its {which}rows hold an exact 1"
        advice = "log loss and products see certainty that was not there; save float32"
        yield Finding("float16-saturation", "warning", table.name, message, advice)

"""Loading a prediction set that may be ill.

What `load_predictions` refuses is reported, mended where it can be, and looked at all the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ensembler.arrays import row_sum_tolerance
from ensembler.errors import DataError, FileError
from ensembler.predictions.diagnosis.checks import examine
from ensembler.predictions.diagnosis.findings import Finding, worst_first
from ensembler.predictions.files import Table, read_row_values
from ensembler.predictions.loading.alignment import Shape, class_numbers, count_classes, name_classes, row_order
from ensembler.predictions.loading.conversion import Options, member_proba
from ensembler.predictions.loading.folder import (
    COSTS,
    Facts,
    default_source,
    find_files,
    is_cost,
    labels_beside,
    read_all,
    read_facts,
    validation_folder,
    validation_tables,
)
from ensembler.predictions.loading.load import RowSet, assemble
from ensembler.predictions.prediction_set import Predictions, matching

ROUNDING = 1e-5
"""How far below 0 a probability may be rounded."""
SATURATED = 0.2
"""Share of float16 rows that hold an exact 1."""


@dataclass
class Checkup:
    """What was found, and the set as far as it could be read (None where nothing could be)."""

    findings: list[Finding]
    predictions: Predictions | None
    members: list[str] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Whether there is no error."""
        return all(finding.severity != "error" for finding in self.findings)


def check_up(
    *paths: str | Path,
    labels: str | Path | None = None,
    val: str | Path | bool | None = None,
    members: str | Path | None = None,
    only: Sequence[str] = (),
    without: Sequence[str] = (),
) -> Checkup:
    """Look for what makes results too good or too bad.

    Parameters
    ----------
    *paths, labels, val, members, only, without
        As in `load_predictions`.

    Raises
    ------
    FileError, UsageError
        There is nothing to look at: no files, no labels, unknown members.
    """
    found = find_files(paths or [default_source()[0]], [labels] if labels is not None else [])
    findings: list[Finding] = []
    tables = read_all(
        found.members,
        lambda error: findings.append(Finding("file-unreadable", "error", "files", str(error), "save it again")),
    )
    if not tables:
        return Checkup(findings, None)
    read_names = list(tables)
    kept = matching([table.name for table in tables], only, without)
    tables = [table for table in tables if table.name in kept]
    home = tables[0].path.parent
    label_table = read_row_values(Path(labels)) if labels is not None else found.labels
    sets = [RowSet("", tables, label_table or labels_beside(home, "pass --labels FILE"))]
    folder = validation_folder(val, tables)
    if folder is not None:
        try:
            inside = validation_tables(folder, kept)
            sets.append(RowSet("validation ", inside, labels_beside(folder, "expected labels of these rows")))
        except DataError as error:
            findings.append(Finding("validation-unreadable", "error", "validation", str(error)))
    try:
        facts = read_facts(members, home)
    except FileError as error:
        facts = Facts()
        findings.append(Finding("metadata", "error", "members.json", str(error)))
    findings += odd_facts(facts, [table.name for table in read_names])
    everything = [table for rows in sets for table in rows.tables]
    every_label = [rows.labels for rows in sets if rows.labels is not None]
    try:
        names = name_classes(facts.class_names, everything, every_label)
        shape = Shape(count_classes(names, everything, every_label), names)
    except DataError as error:
        return Checkup([*findings, Finding("classes", "error", "classes", str(error))], None, kept)
    treated = [treat(rows, shape, findings) for rows in sets]
    fit = [name for name in kept if all(name in [table.name for table in rows.tables] for rows in treated)]
    if not fit:
        return Checkup(findings, None, kept)
    treated = [replace(rows, tables=[table for table in rows.tables if table.name in fit]) for rows in treated]
    try:
        validation = assemble(treated[1], shape, facts.members, Options()) if len(treated) > 1 else None
        predictions = assemble(treated[0], shape, facts.members, Options(), validation)
    except DataError as error:
        return Checkup([*findings, Finding("unreadable", "error", "rows", str(error))], None, kept)
    return Checkup(worst_first([*findings, *examine(predictions)]), predictions, kept)


def odd_facts(facts: Facts, names: Sequence[str]) -> Iterator[Finding]:
    """Look for metadata of members that are not there, and for costs that are none."""
    for name, known in facts.members.items():
        if name not in names:
            message = f"members.json has facts about {name!r}, and no member is called that"
            yield Finding("unknown-metadata", "warning", name, message, "is it a typing error?")
        for key in COSTS:
            cost = known.get(key)
            if cost is not None and not is_cost(cost):
                message = f"members.json says that the {key} of member {name!r} is {cost!r}, expected a positive number"
                yield Finding("cost", "warning", name, message, "no committee's cost is told without it")


def treat(rows: RowSet, shape: Shape, findings: list[Finding]) -> RowSet:
    """Return the rows with what can be mended mended, without the members that cannot be, and note what was done."""
    labels = treat_labels(rows, shape, findings)
    usual = len(labels.array) if labels is not None else max(len(table.array) for table in rows.tables)
    kept = []
    for table in rows.tables:
        mended = treat_member(table, shape, labels, rows.which, usual, findings)
        if mended is not None:
            kept.append(mended)
    try:
        row_order([*kept, *([labels] if labels is not None else [])])
    except DataError as error:
        findings.append(Finding("ids", "error", "ids", str(error)))
        kept = []
    return RowSet(rows.which, kept, labels)


def treat_labels(rows: RowSet, shape: Shape, findings: list[Finding]) -> Table | None:
    """Return the labels, counted from 0."""
    table = rows.labels
    if table is None:
        return None
    try:
        numbers = np.asarray(class_numbers(table.array, shape, f"{rows.which}labels", table.path))
    except DataError as error:
        findings.append(Finding("labels", "error", f"{rows.which}labels", str(error)))
        return table
    whole = numbers.dtype.kind in "iub" or bool(np.isfinite(numbers).all() and (numbers == np.rint(numbers)).all())
    if whole and len(numbers) and numbers.min() >= 1 and numbers.max() == shape.n_classes:
        message = f"the {rows.which}labels go from {int(numbers.min())} to {int(numbers.max())}, and there are "
        message += f"{shape.n_classes} classes: they are counted from 1"
        findings.append(
            Finding("labels-from-1", "error", f"{rows.which}labels", message, "subtract 1 and save them again")
        )
        return replace(table, array=numbers.astype(np.int64) - 1)
    return table


def treat_member(
    table: Table, shape: Shape, labels: Table | None, which: str, n_rows: int, findings: list[Finding]
) -> Table | None:
    """Return a member as it can be looked at, None where it cannot."""
    array, name = table.array, table.name
    if array.ndim and len(array) != n_rows:
        message = f"member {name!r} has {len(array):,} {which}rows, expected {n_rows:,}"
        findings.append(Finding("length", "error", name, message, "save it for the same rows, or leave it out"))
        return None
    note_saturation(table, which, findings)
    truth = None if labels is None else labels.array
    try:
        member_proba(table, shape, truth, Options(), which)
        return table
    except DataError as error:
        refused = str(error)
    finding, mended = mend(np.asarray(array), name, which, shape)
    findings.append(finding or Finding("unreadable", "error", name, refused))
    return None if mended is None else replace(table, array=mended)


def mend(array: np.ndarray[Any, Any], name: str, which: str, shape: Shape) -> tuple[Finding | None, Any]:
    """Turn logits and unnormalised probabilities into probabilities, and say what they were."""
    if array.ndim != 2 or array.shape[1] != shape.n_classes or array.dtype.kind not in "fiu" or not array.size:
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
        finding = Finding("below-zero", "error", name, message, "clip them at 0 and save them again")
        values = np.clip(values, 0.0, None)
        return finding, values / values.sum(axis=1, keepdims=True)
    if values.min() < 0 or values.max() > row_limit(totals):
        from scipy.special import softmax

        if values.max() <= 0 and np.allclose(np.exp(values).sum(axis=1), 1.0, atol=1e-3):
            message = f"member {name!r} holds logarithms of probabilities in its {which}rows"
            finding = Finding("log-probabilities", "error", name, message, "save their exponentials")
        else:
            message = f"member {name!r} holds logits in its {which}rows ({values.min():.3g} to {values.max():.3g})"
            finding = Finding("logits", "error", name, message, "apply a softmax, or pass --logits")
        return finding, softmax(values, axis=1)
    if (totals <= 0).any():
        message = f"member {name!r} has {which}rows of zeros"
        return Finding("zero-rows", "error", name, message, "save all its predictions, or leave it out"), None
    tolerance = row_sum_tolerance(array.dtype, shape.n_classes)
    off = int((np.abs(totals - 1) > tolerance).sum())
    if not off:
        return None, None
    message = f"member {name!r} has {off:,} {which}rows that do not sum to 1 ({totals.min():.4g} to {totals.max():.4g})"
    finding = Finding("row-sums", "error", name, message, "pass --normalize if they are unnormalised probabilities")
    return finding, values / totals[:, None]


def row_limit(totals: np.ndarray[Any, Any]) -> float:
    """Return the largest value that a row of unnormalised probabilities would hold."""
    return max(1.0, float(totals.min())) * (1 + 1e-6)


def note_saturation(table: Table, which: str, findings: list[Finding]) -> None:
    """Note half-precision files in which many probabilities have become exactly 1."""
    array = table.array
    if array.dtype != np.float16 or array.ndim != 2:
        return
    share = float((np.asarray(array) == 1).any(axis=1).mean())
    if share >= SATURATED:
        message = f"member {table.name!r} is float16, and {share:.0%} of its {which}rows hold an exact 1"
        advice = "log loss and products see certainty that was not there; save float32"
        findings.append(Finding("float16-saturation", "warning", table.name, message, advice))

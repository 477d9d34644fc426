"""Long tables: a row a vote (task, worker, label), or a row for each model and row with its probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import ROW_SUM_TOLERANCE
from ensembler.errors import DataError, FileError
from ensembler.predictions.loading.class_space import check_alike
from ensembler.predictions.loading.column_names import LABEL_NAMES, MEMBER_NAMES, simple
from ensembler.predictions.loading.columns import fractions, is_numeric, is_unique
from ensembler.predictions.loading.folder import LABELS
from ensembler.predictions.loading.intake.answers import words_for_no_answer
from ensembler.predictions.loading.intake.plan import SCORED, Decision, ImportRequest, Opened, Part, Plan
from ensembler.predictions.loading.intake.wide import without_prefix
from ensembler.predictions.loading.table import Table
from ensembler.predictions.loading.tables import read_row_values

if TYPE_CHECKING:
    import pandas as pd

# fmt: off
ROW_NAMES = frozenset({
    "task", "tasks", "item", "question", "id", "row", "sample", "example", "unit", "doc", "document", "image",
    "instance", "object", "row_id", "sample_id",
})
# fmt: on


@dataclass(frozen=True)
class LongColumns:
    """The columns of a long table: the row, the member, and its class or probabilities.

    With ``is_class``, ``label`` is the class that a probability belongs to, and there is a row for each class;
    ``classes`` are the columns of a table with one for each.
    """

    row: str
    member: str
    label: str | None
    proba: str | None
    truth: str | None
    is_class: bool = False
    classes: tuple[str, ...] = ()


def long_columns(opened: Opened) -> LongColumns | None:
    """Return what the columns of a long table hold; None for another table."""
    frame = opened.frame
    if frame is None or len(frame) < 4:
        return None
    lists = [item.key for item in opened.items]
    by_name = {simple(str(name)): str(name) for name in frame.columns}
    member = next((by_name[name] for name in by_name if name in MEMBER_NAMES), None)
    row = next((by_name[name] for name in by_name if name in ROW_NAMES and by_name[name] != member), None)
    if member is None or row is None or is_unique(frame[row]):
        return None
    if frame.duplicated([row, member]).any():
        by_class = columns_by_class(frame, row, member)
        if by_class is None:
            twice = frame[frame.duplicated([row, member])].iloc[0]
            count = int(((frame[row] == twice[row]) & (frame[member] == twice[member])).sum())
            raise FileError(
                f"{opened.path}: {member} {twice[member]} has {count} rows for {row} {twice[row]}, expected one, or "
                "one for each class"
            )
        return by_class
    rest = [str(name) for name in frame.columns if str(name) not in (row, member)]
    shares = [name for name in rest if fractions(frame[name])]
    proba = shares[0] if shares else None
    whole = [name for name in rest if name not in shares]
    told = [name for name in whole if simple(name) in LABEL_NAMES | {"vote", "answer", "response"}]
    constant = [name for name in told if (frame.groupby(row)[name].nunique() <= 1).all()]
    if len(shares) > 1 and not lists and sum_to_one(frame, shares):
        return LongColumns(row, member, None, None, constant[0] if constant else None, classes=tuple(shares))
    truth = constant[0] if constant and frame[member].nunique() > 1 and frame[constant[0]].nunique() > 1 else None
    label = next((name for name in (*told, *whole) if name != truth), None)
    if lists:
        return LongColumns(row, member, None, lists[0], truth)
    if label is None and proba is None:
        label, truth = truth, None  # votes on which all agree
    if label is None and proba is None:
        return None
    if label is not None and not is_numeric(frame[label]):
        proba = None  # what stands beside a class by name is the confidence in it
    return LongColumns(row, member, label, proba, truth)


def sum_to_one(frame: "pd.DataFrame", names: Sequence[str]) -> bool:
    """Whether some columns are the probabilities of all classes."""
    totals = frame[list(names)].to_numpy(dtype=float).sum(axis=1)
    return bool((np.abs(totals - 1.0) <= ROW_SUM_TOLERANCE).all())


def columns_by_class(frame: "pd.DataFrame", row: str, member: str) -> LongColumns | None:
    """Return the columns of a table with a row for each row, member and class; None for another table."""
    rest = [str(name) for name in frame.columns if str(name) not in (row, member)]
    proba = next((name for name in rest if fractions(frame[name])), None)
    whole = [name for name in rest if name != proba and not fractions(frame[name])]
    labels = [name for name in whole if not frame.duplicated([row, member, name]).any()]
    if proba is None or not labels:
        return None
    same = [name for name in whole if name not in labels and (frame.groupby(row)[name].nunique() == 1).all()]
    truth = next((name for name in same if simple(name) in LABEL_NAMES), None)
    return LongColumns(row, member, labels[0], proba, truth, is_class=True)


def plan_long(opened: Opened, columns: LongColumns, others: Sequence[Opened], request: ImportRequest) -> Plan:
    """Plan a prediction set of a long table, with labels in a table beside it."""
    frame, path = opened.frame, opened.path
    each, does = (" and class", "has every class once") if columns.is_class else ("", "votes at most once")
    decisions = [
        Decision(f"{path} ({columns.row})", "row ids", f"rows are repeated, once a member{each}"),
        Decision(f"{path} ({columns.member})", "members", f"each {does} on a row"),
    ]
    rows = sorted_ids(frame[columns.row])
    labels = None
    if request.labels is not None:
        labels = read_row_values(request.labels, request.columns, foreign=True)
    elif columns.truth is not None:
        first = frame.drop_duplicates(columns.row).set_index(columns.row)[columns.truth]
        decisions.append(Decision(f"{path} ({columns.truth})", "labels", "all members have the same on a row"))
        labels = Table(LABELS, path, values_of(first.loc[rows]), rows.map(str).to_numpy(dtype=str))
    elif others:
        labels = read_row_values(others[0].path, request.columns, foreign=True)
        decisions.append(Decision(str(others[0].path), "labels", "it stands beside the votes"))
    if labels is not None and labels.array.dtype.kind in "US" and columns.label is not None and not columns.is_class:
        no_answer = words_for_no_answer(frame[columns.label], set(labels.array.tolist()))
        frame = frame.assign(**{columns.label: frame[columns.label].where(~no_answer)})
    if columns.classes:
        tables, names = class_tables(frame, path, columns, rows, decisions), None
    elif columns.proba is None:
        classes = set() if labels is None or labels.array.dtype.kind not in "US" else set(labels.array.tolist())
        tables, names = vote_tables(frame, path, columns, rows, classes, decisions)
    elif opened.items:
        tables, names = probability_lists(opened, columns, rows), None
    else:
        tables, names = probability_tables(frame, path, columns, rows)
    if labels is not None and labels.ids is not None:
        known = set(labels.ids.tolist())
        ids = rows.map(str).to_numpy(dtype=str)
        kept = np.array([row in known for row in ids])
        if not kept.any():
            raise DataError(f"{path} and {labels.path} have no id in common")
        if not kept.all():
            decisions.append(Decision(str(path), f"{int(kept.sum())} of {len(kept)} rows", "the others have no label"))
            tables = [Table(t.name, t.path, t.array[kept], ids[kept]) for t in tables]
        order = {row: index for index, row in enumerate(labels.ids.tolist())}
        picked = np.array([order[row] for row in ids[kept]], dtype=np.intp)
        labels = Table(LABELS, labels.path, np.asarray(labels.array)[picked], ids[kept])
    read_as = "a row a class of each member" if columns.is_class else "a row a vote"
    return Plan(read_as, {SCORED: Part(tables, labels)}, decisions, names)


def sorted_ids(values: "pd.Series[Any]") -> "pd.Index[Any]":
    """Return the rows in a long table, each once, in order."""
    import pandas as pd

    rows: pd.Index[Any] = pd.Index(values.drop_duplicates()).sort_values()
    return rows


def values_of(values: "pd.Series[Any]") -> NDArray[Any]:
    """Return a column as an array of numbers or texts."""
    return values.to_numpy() if is_numeric(values) else values.map(str).to_numpy(dtype=str)


def vote_tables(
    frame: "pd.DataFrame",
    path: Path,
    columns: LongColumns,
    rows: "pd.Index[Any]",
    classes: set[str],
    decisions: list[Decision],
) -> tuple[list[Table], tuple[str, ...] | None]:
    """Return the votes of each member, -1 where it has none, and the names of these and the labels if texts."""
    assert columns.label is not None
    votes = frame.pivot(index=columns.row, columns=columns.member, values=columns.label).loc[rows]
    n_missing = int(votes.isna().to_numpy().sum())
    decisions.append(Decision(f"{path} ({columns.label})", f"votes, {n_missing} of {votes.size} missing", "one a row"))
    numeric = is_numeric(frame[columns.label])
    known = sorted(classes.union(frame[columns.label].dropna().map(str)))
    if not numeric:
        check_alike(known)
    names = None if numeric else tuple(known)
    index = {name: number for number, name in enumerate(known)}
    ids = rows.map(str).to_numpy(dtype=str)
    tables = []
    for member in votes.columns:
        own = votes[member]
        if numeric:
            numbers = own.fillna(-1).to_numpy().astype(np.int64)
        else:
            numbers = np.array([-1 if vote != vote else index[str(vote)] for vote in own], dtype=np.int64)
        tables.append(Table(str(member), path, numbers, ids))
    return tables, names


def probability_tables(
    frame: "pd.DataFrame", path: Path, columns: LongColumns, rows: "pd.Index[Any]"
) -> tuple[list[Table], tuple[str, ...] | None]:
    """Return the members of a table with a row for each row, member and class, or for each row and member.

    Raises
    ------
    DataError
        A member has no probability for a row or class.
    """
    ids = rows.map(str).to_numpy(dtype=str)
    tables = []
    names = tuple(sorted(map(str, frame[columns.label].unique()))) if columns.is_class and columns.label else None
    for member, own in frame.groupby(columns.member, sort=True):
        if columns.is_class:
            wide = own.pivot(index=columns.row, columns=columns.label, values=columns.proba).reindex(rows)
            wide.columns = [str(name) for name in wide.columns]
            array: NDArray[Any] = wide.reindex(columns=list(names or ())).to_numpy(dtype=float)
        else:
            array = own.set_index(columns.row)[columns.proba].reindex(rows).to_numpy(dtype=float)
        if np.isnan(array).any():
            n_holes = int(np.isnan(array).sum())
            raise DataError(
                f"{path}: member {member} lacks {n_holes} of {array.size} probabilities, expected every member on "
                "every row and class"
            )
        tables.append(Table(str(member), path, array, ids, names))
    return tables, names


def class_tables(
    frame: "pd.DataFrame", path: Path, columns: LongColumns, rows: "pd.Index[Any]", decisions: list[Decision]
) -> list[Table]:
    """Return the members of a table with a column for each class.

    Raises
    ------
    DataError
        A member has no probabilities for a row.
    """
    listed = f"{', '.join(columns.classes[:3])}{'…' * (len(columns.classes) > 3)}"
    why = "every row of these columns sums to 1"
    decisions.append(Decision(f"{path} ({listed})", f"{len(columns.classes)} classes", why))
    ids, names = rows.map(str).to_numpy(dtype=str), without_prefix(columns.classes)
    tables = []
    for member, own in frame.groupby(columns.member, sort=True):
        array = own.set_index(columns.row)[list(columns.classes)].reindex(rows).to_numpy(dtype=float)
        if np.isnan(array).any():
            lacking = rows[np.isnan(array).any(axis=1)][0]
            raise DataError(f"{path}: member {member} has no row {str(lacking)!r}, expected every member on every row")
        tables.append(Table(str(member), path, array, ids, names))
    return tables


def probability_lists(opened: Opened, columns: LongColumns, rows: "pd.Index[Any]") -> list[Table]:
    """Return the members of a table with a list of probabilities for each row and member."""
    frame, item = opened.frame, opened.items[0]
    ids = rows.map(str).to_numpy(dtype=str)
    tables = []
    for member in sorted(frame[columns.member].unique()):
        mine = np.flatnonzero((frame[columns.member] == member).to_numpy())
        position = dict(zip(frame[columns.row].iloc[mine], mine, strict=True))
        missing = [row for row in rows if row not in position]
        if missing:
            raise DataError(
                f"{opened.path}: member {member} has no row {str(missing[0])!r}, expected every member on every row"
            )
        tables.append(Table(str(member), opened.path, item.array[[position[row] for row in rows]], ids))
    return tables

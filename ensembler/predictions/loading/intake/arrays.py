"""Arrays in archives, folders and nested containers: which are members, which labels, ids and class names."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import DataError, FileError, ShapeError
from ensembler.predictions.loading.folder import LABELS
from ensembler.predictions.loading.intake.formats import open_file
from ensembler.predictions.loading.intake.names import (
    ROW_NUMBER_WORDS,
    member_names,
    own_words,
    says_class_names,
    says_ids,
    says_labels,
    split_of,
    words,
)
from ensembler.predictions.loading.intake.numbered import how_to_join
from ensembler.predictions.loading.intake.plan import Decision, ImportRequest, Item, Plan, is_whole, rows_of
from ensembler.predictions.loading.intake.probabilities import as_probabilities, is_soft, sums_to_one
from ensembler.predictions.loading.intake.splits import arrange
from ensembler.predictions.loading.intake.stacks import stacked_tables
from ensembler.predictions.loading.table import SUFFIXES, Table
from ensembler.predictions.loading.tables import FOREIGN, is_one_hot, read_row_values, split_key

FEWEST_ROWS = 4
"""Shorter arrays are shapes, folds or sizes rather than predictions."""


@dataclass
class Group:
    """The arrays of one set of rows."""

    members: list[Item] = field(default_factory=list)
    labels: list[Item] = field(default_factory=list)
    ids: list[Item] = field(default_factory=list)


def plan_arrays(items: Sequence[Item], request: ImportRequest) -> Plan:
    """Plan a prediction set of arrays.

    Raises
    ------
    DataError
        No array can be a member, or two readings fit.
    """
    if not items:
        raise FileError("no array of numbers in these files, expected predictions as arrays, tables or logs")
    decisions: list[Decision] = []
    names: tuple[str, ...] | None = None
    names_of: dict[Path, tuple[str, ...]] = {}
    groups: dict[str | None, Group] = {}
    for item in (upright(item, decisions) for item in told_pairs(items, decisions)):
        group = groups.setdefault(split_of(item.path, item.key), Group())
        kind, why = kind_of(item)
        if kind == "class names":
            names_of[item.path] = tuple(map(str, item.array.tolist()))
            names = names or names_of[item.path]
            decisions.append(Decision(item.source, "names of the classes", why))
        elif kind == "labels":
            group.labels.append(item)
        elif kind == "ids":
            group.ids.append(item)
        elif kind == "member":
            group.members.append(item)
        else:
            decisions.append(Decision(item.source, "nothing", why))
    given = None if request.labels is None else given_labels(request)
    lend_labels(groups)
    parts = {split: read_group(group, given, request, decisions) for split, group in groups.items() if group.members}
    note_unused(groups, decisions)
    parts = {split: part for split, part in parts.items() if part[0]}
    if given is not None and parts and all(own is not given for _, own in parts.values()):
        n_rows = sorted({len(table.array) for tables, _ in parts.values() for table in tables})
        shown = " or ".join(map(str, n_rows))
        raise ShapeError(
            f"{given.path}: has {len(given.array)} rows, the predictions have {shown}; expected one label a row"
        )
    if len(set(names_of.values())) > 1:
        # Each file has its own order of classes: columns are brought into one by name.
        parts = {
            split: ([with_names(table, names_of) for table in tables], own) for split, (tables, own) in parts.items()
        }
    if not parts:
        lengths = {(item.path, item.key): len(item.array) for item in items if item.array.ndim}
        n_labels = [len(item.array) for group in groups.values() for item in group.labels]
        raise FileError(
            f"{items[0].path}: holds no array of predictions; {'; '.join(map(describe, items[:8]))}"
            f"{how_to_join(lengths, n_labels)}"
        )
    return arrange("arrays", parts, decisions, names, n_classes_of(parts))


def given_labels(request: ImportRequest) -> Table:
    """Read the file of labels that was given, whatever its format."""
    assert request.labels is not None
    if split_key(request.labels)[0].suffix in (*SUFFIXES, *FOREIGN):
        return read_row_values(request.labels, request.columns, foreign=True)
    items = [item for item in open_file(request.labels, request).items if item.array.ndim and item.array.size > 1]
    if len(items) != 1:
        raise FileError(f"{request.labels}: holds {len(items)} arrays, expected the labels alone")
    return Table(LABELS, request.labels, rows_of(items[0].array))


def told_pairs(items: Sequence[Item], decisions: list[Decision]) -> list[Item]:
    """Return items with names for what tuples hold: (predictions, labels), and pairs of those for two sets of rows."""
    by_place: dict[tuple[Path, str], list[Item]] = {}
    for item in items:
        parent, _, last = item.key.rpartition("/")
        if last in ("0", "1"):
            by_place.setdefault((item.path, parent), []).append(item)
    renamed: dict[int, str] = {}
    for (path, parent), pair in by_place.items():
        if len(pair) != 2:
            continue
        first, second = (rows_of(item.array) for item in pair)
        if len(first) != len(second) or second.ndim != 1 or not is_whole(second) or second.min() < 0:
            continue
        # ((validation), (test)) is how such tuples of two are written.
        outer = {"0": "val", "1": "test"}.get(parent, parent)
        renamed[id(pair[0])] = f"{outer}/proba" if outer else "proba"
        renamed[id(pair[1])] = f"{outer}/labels" if outer else "labels"
        if outer != parent:
            decisions.append(
                Decision(
                    f"{path}#{parent}",
                    f"{outer} rows",
                    "the first pair of two is taken for validation, the second for test rows",
                    is_guess=True,
                )
            )
        if first.ndim == 1 and is_whole(first):
            decisions.append(
                Decision(f"{path}#{pair[1].key}", "labels", "the second of two arrays of classes", is_guess=True)
            )
    return [replace(item, key=renamed.get(id(item), item.key)) for item in items]


def upright(item: Item, decisions: list[Decision]) -> Item:
    """Return an array of a column a row, as MATLAB's users have it, with a row a row."""
    array = item.array
    if array.ndim != 2 or not 1 < array.shape[0] < array.shape[1] or array.dtype.kind != "f":
        return item
    if sums_to_one(array, 1) or not sums_to_one(array, 0):
        return item
    decisions.append(Decision(item.source, "transposed", f"{array.shape[1]} columns sum to 1, and rows do not"))
    return replace(item, array=array.T)


def lend_labels(groups: dict[str | None, Group]) -> None:
    """Give labels without predictions beside them to those whose rows they are as many as.

    Where either says nothing of its rows, and there is one such set of rows only: ``y_test`` beside ``rf`` and ``svm``,
    or ``labels`` beside ``rf_test``.
    """
    for kind in ("labels", "ids"):
        lent: dict[str | None, list[Item]] = {}
        lenders: dict[str | None, set[str | None]] = {}
        for own_split, lender in groups.items():
            for item in [] if lender.members else getattr(lender, kind):
                fitting = [split for split, group in groups.items() if None in (own_split, split) and fits(item, group)]
                if len(fitting) == 1:
                    lent.setdefault(fitting[0], []).append(item)
                    lenders.setdefault(fitting[0], set()).add(own_split)
        for split, items in lent.items():
            same = all(np.array_equal(item.array, items[0].array) for item in items[1:])
            # Labels of one split that differ are refused where they are read.
            same |= kind == "labels" and len(lenders[split]) == 1
            if same and not getattr(groups[split], kind):
                getattr(groups[split], kind).extend(items)


def note_unused(groups: Mapping[str | None, Group], decisions: list[Decision]) -> None:
    """Add decisions on labels and ids that are of no predictions that are there."""
    used = {id(item) for group in groups.values() if group.members for item in (*group.labels, *group.ids)}
    for group in groups.values():
        labels = [(item, f"; if these are, pass --labels {shlex.quote(item.source)}") for item in group.labels]
        for item, advice in [*labels, *((item, "") for item in group.ids)]:
            if id(item) not in used:
                decisions.append(
                    Decision(item.source, "nothing", f"no predictions are of its rows for certain{advice}")
                )


def fits(item: Item, group: Group) -> bool:
    """Whether an array has a value for each row of some members."""
    return any(len(item.array) in member.array.shape for member in group.members)


def with_names(table: Table, names_of: Mapping[Path, tuple[str, ...]]) -> Table:
    """Return a member with the names of its columns, where its file tells them."""
    names = names_of.get(table.path)
    has_columns = names is not None and table.array.ndim == 2 and table.array.shape[1] == len(names)
    return replace(table, columns=names) if has_columns else table


def describe(item: Item) -> str:
    """Say what an array is like."""
    return f"{item.source} is {item.array.shape} of {item.array.dtype}"


def kind_of(item: Item) -> tuple[str, str]:
    """Return what an array holds, and why it is thought so."""
    array, name = rows_of(item.array), item.key.split("/")[-1] or item.path.stem
    if array.ndim == 0 or array.size == 0 or array.dtype.kind not in "biufUS":
        return "nothing", f"{array.shape} of {array.dtype} holds no rows of numbers"
    texts = array.dtype.kind in "US"
    if (
        says_class_names(name)
        and array.ndim == 1
        and len(set(array.tolist())) == len(array)
        and array.dtype.kind != "f"
    ):
        return "class names", f"it is called {name}, and all its entries are different"
    if says_ids(name) and array.ndim == 1:
        return "ids", f"it is called {name}"
    if says_labels(name) and (texts or is_whole(array)) and array.ndim <= 2:
        return "labels", f"it is called {name}, and holds {'texts' if texts else 'whole numbers'}"
    if array.ndim == 2 and is_one_hot(array) and says_labels(name):
        return "labels", "its rows are one-hot"
    short = array.ndim < 3 and len(array) < FEWEST_ROWS and not is_soft(item)
    if array.ndim > 3 or short or (array.ndim == 1 and says_count(name)):
        return "nothing", f"its shape {array.shape} is not of predictions"
    if array.ndim == 1 and not texts and not is_whole(array) and (array.min() < 0 or array.max() > 1 + 1e-3):
        return "nothing", "its values are neither classes nor between 0 and 1"
    return "member", f"{array.shape} of {array.dtype}"


def says_count(name: str) -> bool:
    """Whether a name is one of counts, places or confidences of what another array predicts."""
    last = words(name)[-1:] or [""]
    return last[0] in ("repeats", "count", "counts", "fold", "folds", "conf", "weight", "weights", *ROW_NUMBER_WORDS)


def n_classes_of(parts: dict[str | None, tuple[list[Table], Table | None]]) -> int | None:
    """Return how many columns members have, where some have columns."""
    shapes = [table.array.shape[1] for tables, _ in parts.values() for table in tables if table.array.ndim == 2]
    return max(shapes) if shapes else None


def read_group(
    group: Group, given: Table | None, request: ImportRequest, decisions: list[Decision]
) -> tuple[list[Table], Table | None]:
    """Return the members and labels of one set of rows."""
    labels = group_labels(group, given, decisions)
    n_rows = None if labels is None else len(labels.array)
    ids = None
    for item in group.ids:
        if n_rows is None or len(item.array) == n_rows:
            ids = item.array.astype(str)
            decisions.append(Decision(item.source, "row ids", f"it is called {item.key or item.path.stem}"))
    tables: list[Table] = []
    members = [item for item in prefer_probabilities(group.members, decisions) if has_rows(item, n_rows, decisions)]
    for item, name in zip(members, member_names([(item.path, item.key) for item in members]), strict=True):
        tables += member_tables(item, name, n_rows, ids, request, decisions)
    return tables, labels


def has_rows(item: Item, n_rows: int | None, decisions: list[Decision]) -> bool:
    """Whether an array has as many rows as there are labels; one of three axes may have them on any."""
    if n_rows is None or n_rows in (item.array.shape if item.array.ndim == 3 else item.array.shape[:1]):
        return True
    why = f"it has {len(item.array)} rows, and there are {n_rows} labels"
    decisions.append(Decision(item.source, "nothing", why))
    return False


def group_labels(group: Group, given: Table | None, decisions: list[Decision]) -> Table | None:
    """Return the labels of a set of rows: those given, where they have as many rows, else its own, where all agree."""
    tables = []
    for item in group.labels:
        array = rows_of(item.array)
        what = "labels"
        if array.ndim == 2:
            if not is_one_hot(array):
                raise ShapeError(
                    f"{item.source}: labels with several classes a row are multi-label, expected one class a row"
                )
            array, what = array.argmax(axis=1), "labels (one-hot)"
        decisions.append(Decision(item.source, what, f"it is called {item.key.split('/')[-1] or item.path.stem}"))
        tables.append(Table(LABELS, item.path, array))
    for table in tables[1:]:
        if not np.array_equal(table.array, tables[0].array):
            raise DataError(
                f"{tables[0].path} and {table.path} hold different labels for the same rows; give one with --labels"
            )
    lengths = {len(item.array) for item in group.members if item.array.ndim}
    if given is not None and (not lengths or len(given.array) in {*lengths, *stacked_lengths(group.members)}):
        return given
    return tables[0] if tables else None


def stacked_lengths(items: Sequence[Item]) -> set[int]:
    """Return all axis lengths of stacked arrays."""
    return {length for item in items if item.array.ndim == 3 for length in item.array.shape}


def prefer_probabilities(items: Sequence[Item], decisions: list[Decision]) -> list[Item]:
    """Leave out logits and predicted classes of members whose probabilities are there as well.

    Those stand in the same place of the same file, or in the same folder in a file of the same name but for such words
    as ``pred`` and ``prob``.
    """
    kept = []
    for item in items:
        same = [other for other in items if other is not item and is_soft(other) and is_same_member(item, other)]
        if len(same) == 1 and not is_soft(item) and len(same[0].array) == len(item.array):
            decisions.append(Decision(item.source, "nothing", f"{same[0].source} has probabilities of the same"))
        else:
            kept.append(item)
    return kept


def is_same_member(item: Item, other: Item) -> bool:
    """Whether two arrays are of one member, judged by where they are and what they are called."""
    if item.path == other.path:
        places = [(part.key.rpartition("/")[0], own_words(part.key)) for part in (item, other)]
        return bool(item.key) and places[0] == places[1]
    if item.key or other.key or item.path.parent != other.path.parent:
        return False
    names = [own_words(part.path.stem) for part in (item, other)]
    return names[0] == names[1]


def member_tables(
    item: Item,
    name: str,
    n_rows: int | None,
    ids: NDArray[Any] | None,
    request: ImportRequest,
    decisions: list[Decision],
) -> list[Table]:
    """Return the members that an array holds."""
    array = rows_of(item.array)
    if array.ndim == 3:
        return stacked_tables(item, name, n_rows, ids, request, decisions)
    values = as_probabilities(item, array, decisions)
    what = f"member {name}"
    if values.ndim == 1:
        what += ": predicted classes" if values.dtype.kind != "f" else ": P(class 1)"
    else:
        what += f": {values.shape[1]} classes"
    decisions.append(Decision(item.source, what, f"{array.shape} of {array.dtype}"))
    row_ids = ids if ids is not None and len(ids) == len(values) else None
    return [Table(name, item.path, values, row_ids)]

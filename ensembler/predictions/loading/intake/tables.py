"""Tables: one a model, as in competitions, or one with a column a model, or a row a model."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import FileError, Problems, ShapeError, argument, setting
from ensembler.predictions.loading.alignment import matching_rows, unique_positions
from ensembler.predictions.loading.column_names import simple
from ensembler.predictions.loading.columns import Roles, as_table, find_id, find_roles, fractions, is_numeric
from ensembler.predictions.loading.folder import LABELS
from ensembler.predictions.loading.intake.answers import with_numbers, without_numbers
from ensembler.predictions.loading.intake.arrays import given_labels
from ensembler.predictions.loading.intake.competition import (
    PART_NAMES,
    data_labels,
    is_data,
    is_label_file,
    is_sample,
    joined_labels,
    require_label_column,
    tells_other,
    without_foreign_labels,
)
from ensembler.predictions.loading.intake.folds import refuse_unordered, text_column
from ensembler.predictions.loading.intake.names import (
    member_names,
    says_labels,
    split_of,
    split_word,
    without_stars,
)
from ensembler.predictions.loading.intake.numbered import how_to_join
from ensembler.predictions.loading.intake.plan import Decision, ImportRequest, Item, Opened, Plan, Rows
from ensembler.predictions.loading.intake.probabilities import as_probabilities
from ensembler.predictions.loading.intake.splits import arrange
from ensembler.predictions.loading.intake.table_columns import (
    classes_by_name,
    is_vote,
    known_classes,
    refuse_odd_cells,
    refuse_rows_without_names,
    roles_beside_lists,
    roles_of_classes,
    roles_of_votes,
    tell_roles,
    values_of,
    without_confidence,
)
from ensembler.predictions.loading.intake.unseen import with_unseen_classes
from ensembler.predictions.loading.intake.wide import (
    are_classes,
    called_classes,
    class_grid,
    column_tables,
    grid_tables,
    is_argmax,
    is_verdict,
    numbered_classes,
    of_named_class,
    without_derived,
    without_prefix,
)
from ensembler.predictions.loading.labels import check_same_labels
from ensembler.predictions.loading.options import Columns
from ensembler.predictions.loading.table import Table

if TYPE_CHECKING:
    import pandas as pd


def plan_tables(
    files: Sequence[Opened], request: ImportRequest, beside: Sequence[Table] = (), joined: Sequence[Opened] = ()
) -> Plan:
    """Plan a prediction set of tables, with arrays of labels that stand beside them, some of them joined in no order.

    Raises
    ------
    DataError
        No table holds predictions, with the reasons.
    """
    decisions: list[Decision] = []
    files = [file for file in files if not is_sample(file, decisions)]
    given = None if request.labels is None else given_labels(request)
    label_tables: list[Table] = list(beside)
    scattered = [*joined, *(file for file in files if not file.in_order)]
    data = [file for file in files if is_data(file, files)]
    files = [file for file in files if file not in data]
    label_tables += filter(None, (data_labels(file, request, decisions) for file in data))
    named = {file.path: name for file, name in zip(files, table_names(files, request.pair), strict=True)}
    if len(files) > 1:
        for file in [file for file in files if is_label_file(file)]:
            decisions.append(Decision(str(file.path), "labels", "it has a column of labels and no predictions"))
            aside = tuple(name for name in file.frame.columns if simple(name) in PART_NAMES)
            columns = replace(request.columns, drop=(*request.columns.drop, *aside))
            label_tables.append(joined_labels(file, columns))
        files = [file for file in files if not is_label_file(file)]
    words = {str(value) for table in label_tables + ([given] if given else []) for value in np.unique(table.array)}
    words.update(request.class_names or ())
    files = [replace(file, frame=with_numbers(file.frame, file.path, words, decisions)) for file in files]
    by_split: dict[str | None, list[Opened]] = {}
    for part in [part for file in files for part in parts_of(file, decisions)]:
        by_split.setdefault(part.split or table_split(part.path, request.pair), []).append(part)
    problems = Problems()
    parts: dict[str | None, Rows] = {}
    for split, group in by_split.items():
        with problems.collected():
            parts[split] = read_split(group, given, request, named, decisions)
    problems.raise_all()
    parts = without_foreign_labels(parts, given)
    for tables, _ in parts.values():
        refuse_same_names(tables)
    share_labels(parts, label_tables if given is None else [])
    for tables, labels in parts.values():
        refuse_unordered(scattered, tables, labels)
    refuse_unused_labels(parts, label_tables if given is None else [])
    require_label_column(data, parts)
    parts = with_unseen_classes({split: rows for split, rows in parts.items() if rows[0]}, decisions)
    if not parts:
        told = "; ".join(f"{decision.source}: {decision.taken_as}" for decision in decisions[:6])
        raise FileError(f"{files[0].path if files else 'files'}: no table holds predictions ({told})")
    widths = [table.array.shape[1] for tables, _ in parts.values() for table in tables if table.array.ndim == 2]
    one = len(files) == 1
    layout = "one table" if one else "one table a model"
    return arrange(layout, parts, decisions, request.class_names, max(widths, default=None))


def refuse_same_names(tables: Sequence[Table]) -> None:
    """Raise where two files have columns of the same names, read as a model each.

    Raises
    ------
    FileError
    """
    files: dict[str, list[Path]] = {}
    for table in tables:
        files.setdefault(table.name, []).append(table.path)
    twice = [name for name, paths in files.items() if len(paths) > 1]
    if twice and len(set(files[twice[0]])) > 1:
        first, second = files[twice[0]][:2]
        listed = ", ".join(table.name for table in tables if table.path == first)
        raise FileError(
            f"{first} and {second}: columns {listed} are read as a model each, and both files have {twice[0]!r}; "
            f"expected one model a file: leave the other columns out ({setting('drop', place='NAME')})"
        )


def parts_of(file: Opened, decisions: list[Decision]) -> list[Opened]:
    """Return the rows of each set in a table where a column says which they are of, such as val and test."""
    for name in () if file.items else file.frame.columns:
        if simple(name) not in PART_NAMES or is_numeric(file.frame[name]):
            continue
        words_of = {value: split_word(value) for value in values_of(file.frame, name)}
        splits = {value: split[0] for value, split in words_of.items() if split is not None}
        if len(splits) == len(words_of) == len(set(splits.values())) > 1 and file.frame[name].notna().all():
            decisions.append(Decision(f"{file.path} ({name})", f"sets of rows: {', '.join(sorted(splits))}", "it says"))
            rows = file.frame[name].map(str).map(splits)
            own = file.frame.drop(columns=name)
            frames = {split: own[rows == split].dropna(axis=1, how="all") for split in dict.fromkeys(rows)}
            return [replace(file, frame=frame, split=split) for split, frame in frames.items()]
    return [file]


def table_split(path: Path, pair: tuple[str, str] | None) -> str | None:
    """Return which rows a table is of: by the names given, else by the words in its name."""
    if pair is not None:
        for split, form in zip(("train", "new"), pair, strict=True):
            if form_match(path, form) is not None:
                return split
    return split_of(path)


def form_match(path: Path, form: str) -> str | None:
    """Return the member in a file's name of a form such as ``oof_{}.csv``."""
    before, _, after = form.partition("{}")
    match = re.fullmatch(re.escape(before) + "(.+)" + re.escape(after), path.name)
    return None if match is None else without_stars(match[1])


def table_names(files: Sequence[Opened], pair: tuple[str, str] | None) -> list[str]:
    """Return the name of each table's member: the same for the tables of one model in all sets of rows."""
    names: dict[Path, str] = {}
    of_split: dict[str | None, list[Path]] = {}
    for file in files:
        own = next(filter(None, (form_match(file.path, form) for form in pair or ())), None)
        if own is not None:
            names[file.path] = own
        else:
            of_split.setdefault(split_of(file.path), []).append(file.path)
    for paths in of_split.values():
        names.update(zip(paths, member_names([(path, "") for path in paths]), strict=True))
    return [names[file.path] for file in files]


def read_split(
    files: Sequence[Opened],
    given: Table | None,
    request: ImportRequest,
    named: dict[Path, str],
    decisions: list[Decision],
) -> Rows:
    """Return the members and labels in the tables of one set of rows."""
    labels = given
    rest = []
    for file in files:
        rest.append(file)
    tables: list[Table] = []
    problems = Problems()
    for file in rest:
        with problems.collected():
            tables += frame_tables(file, named[file.path], labels, request, decisions)
    problems.raise_all()
    own = [replace(table, name=LABELS, array=table.labels, labels=None) for table in tables if table.labels is not None]
    for other in own[1:]:
        check_same_labels(own[0], other)
    if labels is None and own:
        labels = own[0]
    if labels is not None and any(len(table.array) == len(labels.array) for table in tables):
        for table in tables:
            if len(table.array) != len(labels.array):
                why = f"it has {len(table.array)} rows, and there are {len(labels.array)} labels"
                decisions.append(Decision(str(table.path), "nothing", why))
        tables = [table for table in tables if len(table.array) == len(labels.array)]
    return [replace(table, labels=None) for table in tables], labels


def share_labels(parts: dict[str | None, Rows], aside: Sequence[Table]) -> None:
    """Give rows without labels those of another file whose ids are the same, or that has as many rows."""
    for split, (tables, labels) in parts.items():
        if labels is not None or not tables:
            continue
        own, n_rows = tables[0].ids, len(tables[0].array)
        known = [*aside, *(other for _, other in parts.values() if other is not None)]
        by_id = [other for other in known if own is not None and other.ids is not None and set(other.ids) == set(own)]
        if own is not None and len(parts) == 1 and not by_id:
            by_id = [of_rows(other, own) for other in aside if has_all(other, own)]
        by_length = [
            other
            for other in aside
            if len(other.array) == n_rows and (own is None or other.ids is None) and not tells_other(other, split)
        ]
        if by_id or by_length:
            parts[split] = (tables, [*by_id, *by_length][0])


def refuse_unused_labels(parts: Mapping[str | None, Rows], aside: Sequence[Table]) -> None:
    """Raise where there is a file of labels, and no rows are those that it labels.

    Raises
    ------
    AlignmentError, ShapeError
        Which ids the files do not share, or how many rows each has.
    """
    tables = [table for rows, _ in parts.values() for table in rows]
    own = [labels for labels in aside if not all(tells_other(labels, split) for split in parts)]
    if not own or not tables or any(labels is not None for _, labels in parts.values()):
        return
    labels, first = own[0], tables[0]
    if labels.ids is not None and first.ids is not None:
        matching_rows(first, unique_positions(first), labels)
    n_rows = {(table.path, ""): len(table.array) for table in tables}
    raise ShapeError(
        f"{labels.path} holds {len(labels.array)} labels, {first.path} {len(first.array)} rows, expected as many "
        f"(or an id column in both){how_to_join(n_rows, [len(labels.array)])}; take the file away, or give another "
        f"with {argument('labels')}"
    )


def has_all(labels: Table, ids: NDArray[Any]) -> bool:
    """Whether labels are of all rows of such ids, each once, and perhaps of others."""
    return labels.ids is not None and len(set(labels.ids)) == len(labels.ids) and set(labels.ids) >= set(ids)


def of_rows(labels: Table, ids: NDArray[Any]) -> Table:
    """Return the labels of the rows of some ids, in the order that they have."""
    assert labels.ids is not None
    rows = np.flatnonzero(np.isin(labels.ids, ids))
    return labels if len(rows) == len(labels.ids) else replace(labels, ids=labels.ids[rows], array=labels.array[rows])


def frame_tables(
    file: Opened, name: str, labels: Table | None, request: ImportRequest, decisions: list[Decision]
) -> list[Table]:
    """Return the members in one table."""
    path = file.path
    frame = without_numbers(file.frame, path, decisions)
    columns = known_columns(request.columns, frame)
    if columns.label is not None and fractions(frame[columns.label]):
        # In rows to predict, the column of the target holds the prediction.
        columns = replace(columns, label=None)
    roles = find_roles(frame, columns, aligned_labels(frame, columns, labels), guess=True)
    if roles.id is not None and path.suffix in (".csv", ".tsv", ".txt"):
        # Once more, so that ids keep their zeros.
        frame = frame.assign(**{roles.id: text_column(file, frame, roles.id)})
    if file.items:
        roles = roles_beside_lists(frame, roles)
    elif not roles.proba:
        roles = roles_of_votes(frame, roles)
    if roles.label is None and len(roles.proba) > 1 and not file.items and labels is None:
        called = without_prefix(tuple(called_classes(frame, roles.proba) or roles.proba)) or ()
        roles = roles_of_classes(frame, path, roles, called, decisions)
    refuse_rows_without_names(path, frame, roles)
    refuse_odd_cells(path, frame, roles)
    classes = classes_by_name(frame, roles, labels)
    votes = [] if file.items else [column for column in roles.texts if is_vote(frame, column, classes)]
    tell_roles(path, roles, columns, votes, decisions)
    if file.items:
        return [*list_tables(file, frame, roles, name, decisions)]
    proba = without_confidence(frame, path, roles, votes, decisions)
    proba = without_derived(frame, proba, known_classes(frame, classes, roles), path, decisions)
    true = aligned_labels(frame, columns, labels) if roles.label is None else frame[roles.label].to_numpy()
    others = [*proba, *roles.decisions]
    proba = [column for column in proba if not is_verdict(frame, column, others, true, path, decisions)]
    if not proba:
        raise FileError(f"{path}: has no column of predictions, only {', '.join(map(str, frame.columns))}")
    numbered = numbered_classes(frame, proba) or called_classes(frame, proba)
    if numbered is not None:
        for column in proba:
            if column not in numbered:
                decisions.append(
                    Decision(f"{path} ({column})", "nothing", "the columns of classes sum to 1 without it")
                )
        proba = numbered
    if roles.label is not None and columns.label is None and is_argmax(frame, roles.label, proba):
        why = "it is the most probable class in every row, so it is no truth"
        decisions.append(Decision(f"{path} ({roles.label})", "predicted classes, left out", why))
        roles = replace(roles, label=None)
    known = known_classes(frame, classes, roles)
    grid = class_grid(frame, proba, known)
    base = Roles(roles.id, roles.label, (), (), (), ())
    if grid is not None:
        found = grid_tables(frame, path, base, grid, decisions)
    elif len(proba) > 1 and not are_classes(frame, proba, labels, roles):
        found = of_named_class(column_tables(frame, path, base, proba, decisions), proba, known)
    else:
        found = [as_table(frame, path, replace(base, proba=tuple(proba)), name)]
        array = as_probabilities(Item(path, "", found[0].array), found[0].array, decisions)
        own = roles.label is not None and set(frame[roles.label].map(str)) & set(proba)
        columns_of = found[0].columns if own else without_prefix(found[0].columns)
        found = [replace(found[0], array=array, columns=columns_of)]
    listed = f"{', '.join(map(str, proba[:3]))}{'…' * (len(proba) > 3)}"
    for table in found:
        kind = f"{table.array.shape[1]} classes" if table.array.ndim == 2 else "P(class 1)"
        kind = "predicted classes" if table.array.ndim == 1 and table.array.dtype.kind != "f" else kind
        source = f"{path} ({listed if len(found) == 1 else table.name})"
        decisions.append(Decision(source, f"member {table.name}: {kind}", f"{len(table.array)} rows"))
    return found


def known_columns(columns: Columns, frame: "pd.DataFrame") -> Columns:
    """Return what is said about columns as far as a table has them."""
    names = set(frame.columns)
    return Columns(
        columns.id if columns.id in names else None,
        tuple(name for name in columns.proba if name in names),
        columns.label if columns.label in names else None,
        tuple(name for name in columns.drop if name in names),
    )


def aligned_labels(frame: "pd.DataFrame", columns: Columns, labels: Table | None) -> NDArray[Any] | None:
    """Return labels in the order of a table's rows, where they can be brought into it."""
    if labels is None or len(labels.array) != len(frame):
        return None
    identity = columns.id or find_id(frame, list(frame.columns))
    if labels.ids is None or identity is None:
        return np.asarray(labels.array)
    position = {row: index for index, row in enumerate(labels.ids.tolist())}
    rows = [position.get(row) for row in frame[identity].map(str)]
    return None if None in rows else np.asarray(labels.array)[np.array(rows, dtype=np.intp)]


def list_tables(file: Opened, frame: "pd.DataFrame", roles: Roles, name: str, decisions: list[Decision]) -> list[Table]:
    """Return the members in columns of lists."""
    path = file.path
    arrays = [item for item in file.items if item.array.ndim == 2]
    names = [name] if len(arrays) == 1 else member_names([(path, item.key) for item in arrays])
    identity = None if roles.id is None else frame[roles.id].map(str).to_numpy(dtype=str)
    labels = [item.array for item in file.items if says_labels(item.key) and item.array.ndim == 1]
    own = labels[0] if labels else None if roles.label is None else frame[roles.label].to_numpy()
    if own is not None and own.dtype.kind not in "biuf":
        own = own.astype(str)
    tables = []
    for item, member in zip(arrays, names, strict=True):
        array = as_probabilities(item, item.array, decisions)
        decisions.append(Decision(item.source, f"member {member}: {array.shape[1]} classes", f"{len(array)} rows"))
        tables.append(Table(member, path, array, identity, labels=own))
    return tables

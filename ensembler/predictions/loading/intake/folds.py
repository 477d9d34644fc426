"""Files that hold a fold, or another part of the rows, of one model each: ``lgbm_fold0.csv`` to ``lgbm_fold4.csv``."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import AlignmentError
from ensembler.predictions.loading.column_names import LABEL_NAMES, simple
from ensembler.predictions.loading.columns import find_id, fractions
from ensembler.predictions.loading.folder import LABELS
from ensembler.predictions.loading.frame_files import ROW_NUMBERS, read_frame_file
from ensembler.predictions.loading.intake.fold_arrays import joined_items
from ensembler.predictions.loading.intake.names import says_labels, split_of
from ensembler.predictions.loading.intake.numbered import (
    NUMBERED,
    Numbered,
    by_name,
    natural_order,
    with_labels_of_parts,
)
from ensembler.predictions.loading.intake.plan import Decision, ImportRequest, Item, Opened
from ensembler.predictions.loading.options import Columns
from ensembler.predictions.loading.table import Table
from ensembler.predictions.loading.tables import read_row_values

if TYPE_CHECKING:
    import pandas as pd


def joined_folds(opened: Sequence[Opened], request: ImportRequest, decisions: list[Decision]) -> list[Opened]:
    """Return files with those of the parts of one model as one.

    They are parts where no row is in two of them: by the ids in them, or by labels beside each of them. Test rows that
    the models of all folds predict are averaged where the parts of the same model are joined.
    """
    tables = [file for file in opened if file.frame is not None]
    arrays = [file for file in opened if file.frame is None]
    taken: dict[Path, Opened] = {}
    for numbered, whole in joined_tables(tables, request, decisions):
        taken |= {part.path: whole for part in numbered.parts.values()}
    items = [item for file in arrays for item in file.items]
    joined, used = joined_items(items, decisions)
    files = [*dict.fromkeys(map(id, (taken.get(file.path, file) for file in tables)))]
    by_id = {id(file): file for file in (*tables, *taken.values())}
    rest = [replace(file, items=[item for item in file.items if id(item) not in used]) for file in arrays]
    kept = [file for file, before in zip(rest, arrays, strict=True) if file.items or not before.items]
    return [*(by_id[key] for key in files), *kept, *joined]


def joined_tables(
    files: Sequence[Opened], request: ImportRequest, decisions: list[Decision]
) -> list[tuple[Numbered, Opened]]:
    """Return tables of parts joined, and means of tables of the same rows."""
    groups = by_name([(file.path, "", file) for file in files])
    groups = [group for group in groups if len({frozenset(part.frame.columns) for part in group.parts.values()}) == 1]
    found: list[tuple[Numbered, Opened]] = []
    for group in groups:
        whole = joined_by_id(group, request)
        if whole is not None:
            decisions.append(group.decision("parts of the rows", "no id is in two of the files"))
            found.append((group, whole))
    rest = [group for group in groups if all(group is not other for other, _ in found)]
    labels = {group.path: [labels_in(part, request) for part in group.parts.values()] for group in rest}
    for group in with_labels_of_parts(rest, lambda part: len(part.frame), lambda group: labels[group.path]):
        decisions.append(group.decision("parts of the rows", "each has labels of its own rows"))
        found.append((group, joined(group, in_order=False)))
    names = {(group.name, group.split) for group, _ in found}
    for group in rest:
        same = [split for name, split in names if name == group.name]
        if any(group is other for other, _ in found) or not same or group.split in same:
            continue
        mean = mean_table(group)
        if mean is not None:
            decisions.append(group.decision("mean of files", "they predict the same rows, each by the model of a fold"))
            found.append((group, mean))
    return found


def joined(group: Numbered, rows: NDArray[np.intp] | None = None, *, in_order: bool) -> Opened:
    """Return tables below one another, in their order or in another."""
    import pandas as pd

    parts = list(group.parts.values())
    first = parts[0]
    frame = pd.concat([part.frame[first.frame.columns] for part in parts], ignore_index=True)
    items = []
    for item in first.items:
        arrays = [other.array for part in parts for other in part.items if other.key == item.key]
        array = np.concatenate(arrays)
        items.append(Item(group.path, item.key, array if rows is None else array[rows]))
    frame = frame if rows is None else frame.iloc[rows]
    paths = tuple(part.path for part in parts)
    return Opened(group.path, items, frame, parts=paths, in_order=in_order)


def joined_by_id(group: Numbered, request: ImportRequest) -> Opened | None:
    """Return tables whose ids are all different as one, by their numbers; None where they are not."""
    import pandas as pd

    frames = [part.frame for part in group.parts.values()]
    names = list(frames[0].columns)
    whole = pd.concat([frame[names] for frame in frames], ignore_index=True)
    numbers = all(frame.index.name == ROW_NUMBERS for frame in frames)
    identity = request.columns.id if request.columns.id in names else find_id(whole, names)
    if identity is not None:
        ids = whole[identity].map(str).to_numpy(dtype=str)
    elif numbers:
        ids = np.concatenate([frame.index.astype(str).to_numpy(dtype=str) for frame in frames])
    if (identity is None and not numbers) or len(set(ids.tolist())) < len(ids):
        return None
    rows, in_order = natural_order(ids)
    result = joined(group, rows, in_order=in_order)
    if identity is None:
        result = replace(result, frame=result.frame.set_axis(pd.Index(ids[rows], name=ROW_NUMBERS), axis=0))
    return result


def labels_in(file: Opened, request: ImportRequest) -> NDArray[Any] | None:
    """Return the labels in a table, from a column whose name says so; None where it has none."""
    names = list(file.frame.columns)
    called = [name for name in names if name == request.columns.label or simple(name) in LABEL_NAMES]
    if not called and len(names) == 1 and says_labels(NUMBERED.sub("", file.path.stem)):
        called = names
    if len(called) != 1 or fractions(file.frame[called[0]]):
        return None
    return np.asarray(file.frame[called[0]].map(str).to_numpy(dtype=str))


def mean_table(group: Numbered) -> Opened | None:
    """Return the mean of tables of the same rows; None where they differ in more than in fractions."""
    first, *rest = (part for part in group.parts.values())
    frame = first.frame
    soft = [name for name in frame.columns if fractions(frame[name])]
    others = [name for name in frame.columns if name not in soft]
    if not soft or first.items:
        return None
    for part in rest:
        if len(part.frame) != len(frame) or not part.frame[others].equals(frame[others]):
            return None
    means = {name: np.mean([part.frame[name].to_numpy() for part in (first, *rest)], axis=0) for name in soft}
    return Opened(group.path, (), frame.assign(**means), parts=(first.path,))


def text_column(file: Opened, frame: "pd.DataFrame", name: str) -> NDArray[Any]:
    """Return a column of some rows with every character, from the .csv files that they were read from."""
    import pandas as pd

    columns = [read_frame_file(path, (name,), foreign=True)[name] for path in file.parts or (file.path,)]
    return (pd.concat(columns, ignore_index=True) if file.parts else columns[0]).loc[frame.index].to_numpy()


def joined_labels(file: Opened, columns: Columns) -> Table:
    """Return the labels in a table of nothing else, with those of all its parts."""
    tables = [read_row_values(path, columns, foreign=True) for path in file.parts or (file.path,)]
    if not file.parts:
        return tables[0]
    array = np.concatenate([table.array for table in tables])
    ids = [table.ids for table in tables if table.ids is not None]
    rows = file.frame.index.to_numpy()
    return Table(LABELS, file.path, array[rows], np.concatenate(ids)[rows] if len(ids) == len(tables) else None)


def refuse_unordered(joined: Sequence[Opened], tables: Sequence[Table], labels: Table | None) -> None:
    """Raise where a member's rows, joined in no known order, need ids, and a file beside has none.

    Raises
    ------
    AlignmentError
    """
    paths = {file.path for file in joined}
    of_these = [table for table in tables if table.path in paths]
    if not of_these:
        return
    path = of_these[0].path
    n_files = next(len(file.parts) for file in joined if file.path == path)
    for table in (*tables, *([] if labels is None else [labels])):
        alone = table.ids is None and table.path not in paths
        if alone or (table.ids is None) != (tables[0].ids is None):
            raise AlignmentError(
                f"{table.path} has no ids, and the rows of {path} stand in {n_files} files, so that nothing "
                "tells which row is which; save all with the same ids"
            )


def refuse_whole(files: Sequence[Opened]) -> None:
    """Raise where parts were joined in the order of their numbers, and a file or array beside has as many rows.

    Raises
    ------
    AlignmentError
    """
    arrays = [(file, item) for file in files if file.frame is None for item in file.items if item.array.ndim]
    places = [(file, item.key, len(item.array)) for file, item in arrays]
    places += [(file, "", len(file.frame)) for file in files if file.frame is not None]
    for file, key, n_rows in places:
        for other, other_key, other_rows in places:
            alike = split_of(file.path, key) in (None, split_of(other.path, other_key))
            if not file.in_order and other.in_order and n_rows == other_rows and alike:
                raise AlignmentError(
                    f"{other.path} has {n_rows} rows in one file, and those of {file.path} stand in the order of "
                    f"{len(file.parts)} files, so that nothing tells which row is which; save the row numbers of each "
                    "part beside it (idx_fold0.npy), or tables with ids"
                )

"""Files that hold a fold, or another part of the rows, of one model each: ``lgbm_fold0.csv`` to ``lgbm_fold4.csv``."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import AlignmentError, ShapeError
from ensembler.predictions.loading.column_names import LABEL_NAMES, simple
from ensembler.predictions.loading.columns import find_id, fractions
from ensembler.predictions.loading.frame_files import ROW_NUMBERS, read_frame_file
from ensembler.predictions.loading.intake.competition import is_data, is_label_file
from ensembler.predictions.loading.intake.fold_arrays import joined_items
from ensembler.predictions.loading.intake.names import says_class_names, says_labels, split_of
from ensembler.predictions.loading.intake.numbered import (
    NUMBERED,
    WHOLE,
    Numbered,
    PartValues,
    by_name,
    is_same_set,
    model_name,
    natural_order,
    nearest,
)
from ensembler.predictions.loading.intake.plan import Decision, ImportRequest, Item, Opened
from ensembler.predictions.loading.intake.wide import is_argmax
from ensembler.predictions.loading.table import Table

if TYPE_CHECKING:
    import pandas as pd


def joined_folds(opened: Sequence[Opened], request: ImportRequest, decisions: list[Decision]) -> list[Opened]:
    """Return files with those of the parts of one model as one.

    They are parts where no row is in two of them: by the ids in them, by row numbers, or by labels beside each of them.
    Test rows that the models of all folds predict are averaged where other rows of the same model are there.

    Raises
    ------
    AlignmentError, ShapeError
    """
    tables = [file for file in opened if file.frame is not None]
    arrays = [file for file in opened if file.frame is None]
    items = [item for file in arrays for item in file.items]
    groups = [group for group in by_name([(file.path, "", file) for file in tables]) if same_header(group)]
    labelled = [values for group in groups if (values := labels_in(group, request)) is not None]
    made, used, in_arrays = joined_items(items, [one for one in labelled if is_labels(one.group)], decisions)
    taken: dict[Path, Opened] = {}
    for group, whole, labels in joined_tables(tables, groups, [*labelled, *in_arrays], request, decisions):
        taken |= {part.path: whole for part in group.parts.values()}
        parts = {} if labels is None or not any(labels is one for one in in_arrays) else labels.group.parts
        if labels is not None and not used.issuperset(map(id, parts.values())):
            item = Item(labels.group.path, labels.group.key, np.concatenate(list(labels.values)))
            made.append(Opened(item.path, [item], parts=whole.parts, in_order=False))
            used |= set(map(id, parts.values()))
    files = {id(file): file for file in (taken.get(file.path, file) for file in tables)}
    rest = [replace(file, items=[item for item in file.items if id(item) not in used]) for file in arrays]
    kept = [file for file, before in zip(rest, arrays, strict=True) if file.items or not before.items]
    return [*files.values(), *kept, *made]


def same_header(group: Numbered[Opened]) -> bool:
    """Whether tables have the same columns, and the same lists in their cells.

    Raises
    ------
    ShapeError
        Lists are of other lengths.
    """
    parts = list(group.parts.values())
    if len({(frozenset(part.frame.columns), frozenset(item.key for item in part.items)) for part in parts}) > 1:
        return False
    for item in parts[0].items:
        for number, part in group.parts.items():
            for other in part.items:
                names = says_class_names(item.key) and not np.array_equal(other.array, item.array)
                if other.key == item.key and (names or other.array.shape[1:] != item.array.shape[1:]):
                    raise ShapeError(
                        f"{group.source}: lists in {item.key!r} of part {number} have the shape "
                        f"{other.array.shape[1:]}, of part {next(iter(group.parts))} {item.array.shape[1:]}; expected "
                        "a number for each class in every part"
                    )
    return True


def joined_tables(
    files: Sequence[Opened],
    groups: Sequence[Numbered[Opened]],
    labels: Sequence[PartValues],
    request: ImportRequest,
    decisions: list[Decision],
) -> list[tuple[Numbered[Opened], Opened, PartValues | None]]:
    """Return tables of parts joined, with the labels that say that they are, and means of tables of the same rows."""
    found: list[tuple[Numbered[Opened], Opened, PartValues | None]] = []
    for group in groups:
        own: PartValues | None = None
        whole, why = joined_by_id(group, request), "no id is in two of the files"
        if whole is None and group.is_run and not repeats_ids(group, request):
            own = next((one for one in labels if one.group is group), None) or nearest(group, labels, groups)
            whole, why = None if own is None else joined(group, in_order=False), "each has labels of its own rows"
        if whole is not None:
            decisions.append(group.decision("parts of the rows", why))
            found.append((group, whole, own))
    in_groups = {part.path for group in groups for part in group.parts.values()}
    others = [file for file in files if file.path not in in_groups and split_of(file.path) not in WHOLE]
    together = {group.name for group, *_ in found}
    names = {model_name(file.path, "") for file in others if not is_label_file(file) and not is_data(file, files)}
    names |= together
    names -= {group.name for group in groups if group.split not in WHOLE and group.name not in together}
    for group in groups:
        is_joined = any(group is other for other, *_ in found)
        if group.split in WHOLE and group.name in names and not is_joined:
            mean = mean_table(group, request)
            if mean is not None:
                decisions.append(
                    group.decision("mean of files", "they predict the same rows, each by the model of a fold")
                )
                found.append((group, mean, None))
    return found


def joined(group: Numbered[Opened], rows: NDArray[np.intp] | None = None, *, in_order: bool) -> Opened:
    """Return tables below one another, in their order or in another."""
    import pandas as pd

    parts = list(group.parts.values())
    first = parts[0]
    frame = pd.concat([part.frame[first.frame.columns] for part in parts], ignore_index=True)
    items = []
    for item in first.items:
        if says_class_names(item.key):
            items.append(Item(group.path, item.key, item.array))
            continue
        array = np.concatenate([other.array for part in parts for other in part.items if other.key == item.key])
        items.append(Item(group.path, item.key, array if rows is None else array[rows]))
    frame = frame if rows is None else frame.iloc[rows]
    paths = tuple(part.path for part in parts)
    return Opened(group.path, items, frame, parts=paths, rows=rows, in_order=in_order)


def ids_of(frame: "pd.DataFrame", whole: "pd.DataFrame", request: ImportRequest) -> str | None:
    """Return the column of ids that a table and the whole that it is of have."""
    names = list(frame.columns)
    return request.columns.id if request.columns.id in names else find_id(whole, names)


def joined_by_id(group: Numbered[Opened], request: ImportRequest) -> Opened | None:
    """Return tables whose ids are all different as one, by their numbers; None where they are not."""
    import pandas as pd

    frames = [part.frame for part in group.parts.values()]
    names = list(frames[0].columns)
    whole = pd.concat([frame[names] for frame in frames], ignore_index=True)
    numbers = any(frame.index.name == ROW_NUMBERS for frame in frames)
    identity = ids_of(frames[0], whole, request)
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


def repeats_ids(group: Numbered[Opened], request: ImportRequest) -> bool:
    """Whether tables have ids, and some of them in two tables."""
    frames = [part.frame for part in group.parts.values()]
    own = [ids_of(frame, frame, request) for frame in frames]
    if own[0] is None or set(own) != set(own[:1]):
        return False
    ids = [one for frame in frames for one in frame[own[0]].map(str).tolist()]
    return len(set(ids)) < len(ids)


def labels_in(group: Numbered[Opened], request: ImportRequest) -> PartValues | None:
    """Return the labels in tables, from a column whose name says so; None where they are the same in all, or missing.

    A column of the most probable class is none.
    """
    values = []
    for part in group.parts.values():
        frame = part.frame
        names = list(frame.columns)
        called = [name for name in names if name == request.columns.label or simple(name) in LABEL_NAMES]
        if not called and len(names) == 1 and says_labels(NUMBERED.sub("", part.path.stem)):
            called = names
        if len(called) != 1 or fractions(frame[called[0]]):
            return None
        soft = [name for name in names if fractions(frame[name])]
        if len(soft) > 1 and is_argmax(frame, called[0], soft):
            return None
        values.append(np.asarray(frame[called[0]].map(str).to_numpy(dtype=str)))
    return None if all(np.array_equal(values[0], one) for one in values) else PartValues(group, values)


def is_labels(group: Numbered[Opened] | Numbered[Item]) -> bool:
    """Whether tables hold labels and nothing else but ids."""
    return not any(
        isinstance(part, Opened) and (part.items or any(fractions(part.frame[name]) for name in part.frame.columns))
        for part in group.parts.values()
    )


def mean_table(group: Numbered[Opened], request: ImportRequest) -> Opened | None:
    """Return the mean of tables of the same rows, by their ids; None where they are not."""
    first, *rest = group.parts.values()
    frame = first.frame
    soft = [name for name in frame.columns if fractions(frame[name])]
    identity = ids_of(frame, frame, request)
    if not soft or first.items:
        return None
    called = [name for name in frame.columns if simple(name) in LABEL_NAMES and name not in soft]
    values = [frame[soft].to_numpy(dtype=np.float64)]
    for part in rest:
        other = part.frame
        if len(other) != len(frame):
            return None
        if identity is not None:
            place = {row: number for number, row in enumerate(other[identity].map(str).tolist())}
            rows = [place.get(row) for row in frame[identity].map(str).tolist()]
            if None in rows:
                return None
            other = other.iloc[rows]
        if any(other[name].tolist() != frame[name].tolist() for name in called):
            return None
        values.append(other[soft].to_numpy(dtype=np.float64))
    # What differs besides is of each model alone, as predicted classes and folds are.
    kept = frame[[name for name in frame.columns if name in (*soft, *called, identity)]]
    means = dict(zip(soft, np.mean(values, axis=0).T, strict=True))
    return Opened(group.path, (), kept.assign(**means), parts=(first.path,))


def text_column(file: Opened, frame: "pd.DataFrame", name: str) -> NDArray[Any]:
    """Return a column of some rows with every character, from the .csv files that they were read from."""
    import pandas as pd

    columns = [read_frame_file(path, (name,), foreign=True)[name] for path in file.parts or (file.path,)]
    return (pd.concat(columns, ignore_index=True) if file.parts else columns[0]).loc[frame.index].to_numpy()


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


def refuse_whole(files: Sequence[Opened], labels: Table | None) -> None:
    """Raise where parts were joined in the order of their numbers, and a file or array beside has as many rows.

    Raises
    ------
    AlignmentError
    """
    arrays = [(file, item) for file in files if file.frame is None for item in file.items if item.array.ndim]
    places = [(file, item.key, len(item.array)) for file, item in arrays]
    places += [(file, "", len(file.frame)) for file in files if file.frame is not None]
    if labels is not None:
        places.append((Opened(labels.path), "", len(labels.array)))
    for file, key, n_rows in places:
        for other, other_key, other_rows in places:
            alike = is_same_set(split_of(file.path, key), split_of(other.path, other_key))
            if not file.in_order and other.in_order and n_rows == other_rows and alike:
                raise AlignmentError(
                    f"{other.path} has {n_rows} rows in one file, and those of {file.path} stand in the order of "
                    f"{len(file.parts)} files, so that nothing tells which row is which; save the row numbers of each "
                    "part beside it (idx_fold0.npy), or tables with ids"
                )

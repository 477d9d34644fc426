"""Loading a prediction set from files, folders and patterns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from ensembler.errors import AlignmentError, FileError, UsageError
from ensembler.predictions.diagnosis.checks import warn
from ensembler.predictions.loading.alignment import ClassSpace
from ensembler.predictions.loading.conversion import ReadOptions
from ensembler.predictions.loading.folder import (
    default_source,
    find_files,
    labels_beside,
    read_all,
    read_metadata,
    validation_folder,
    validation_tables,
)
from ensembler.predictions.loading.row_set import RowSet, assemble, class_space, read_each
from ensembler.predictions.loading.table import Table
from ensembler.predictions.loading.tables import read_row_values
from ensembler.predictions.prediction_set import Predictions, matching


def load_predictions(
    *paths: str | Path,
    labels: str | Path | None = None,
    val: str | Path | bool | None = None,
    members: str | Path | None = None,
    only: Sequence[str] = (),
    without: Sequence[str] = (),
    logits: bool = False,
    normalize: bool = False,
    weights: str | Path | None = None,
    groups: str | Path | None = None,
) -> Predictions:
    """Load a prediction set.

    Parameters
    ----------
    *paths : files, folders or patterns
        One .npy, .csv or .parquet file a member, .npz archives of several, folders of such files. None at all means
        ``./preds`` if it is there, else the bundled FER2013 set.
    labels : path, optional
        By default the file called ``labels`` among the paths, else the one beside the first member.
    val : path or bool, optional
        Folder of the rows that weights are fitted on; by default ``val/`` beside the members if it is there. False
        leaves it unread.
    members : path, optional
        Class names and member metadata; by default ``members.json`` beside the first member, if it is there.
    only, without : sequences of patterns
        Which members to keep, which to leave out.
    logits, normalize : bool
        Apply a softmax to each row; divide each row by its sum.
    weights, groups : path, optional
        Row weights, and groups of rows. A file of the same name in the validation folder belongs to its rows.

    Returns
    -------
    Predictions
        With the members in alphabetical order, and the validation rows in ``validation``.

    Raises
    ------
    FileError, ShapeError, ValueRangeError, AlignmentError
        What is wrong with which file.

    Examples
    --------
    >>> from ensembler.predictions.bundled import published_folder
    >>> predictions = load_predictions(published_folder())
    >>> predictions.proba.shape, predictions.validation.proba.shape
    ((9, 3589, 7), (9, 3589, 7))
    """
    if logits and normalize:
        raise UsageError(
            "--logits and --normalize exclude one another: a softmax already makes rows sum to 1; drop one"
        )
    given = {"weights": weights, "groups": groups}
    row_files = {key: Path(path) for key, path in given.items() if path is not None}
    reserved = [*row_files.values(), *([labels] if labels is not None else [])]
    files = find_files(paths or [default_source()[0]], reserved)
    tables = select_tables(read_all(files.members), only, without)
    home = tables[0].path.parent
    label_table = files.labels if labels is None else read_row_values(Path(labels))
    scored = RowSet("", tables, label_table or labels_beside(home, "pass --labels FILE"), read_each(row_files))
    fitting = validation_rows(val, tables, row_files)
    metadata = read_metadata(members, home)
    classes = class_space(metadata.class_names, [scored, *([fitting] if fitting is not None else [])])
    options = ReadOptions(logits, normalize)
    validation = None if fitting is None else assemble(fitting, classes, metadata.members, options)
    predictions = assemble(scored, classes, metadata.members, options, validation)
    if logits and all(predictions.hard):
        raise UsageError("--logits has no effect: every member is hard labels; drop it")
    if normalize and all(table.array.ndim == 1 or table.array.shape[1] == 1 for table in scored.tables):
        raise UsageError("--normalize has no effect: no member has a column a class; drop it")
    warn(predictions)
    return predictions


def select_tables(tables: Sequence[Table], only: Sequence[str], without: Sequence[str]) -> list[Table]:
    """Return the members that match a pattern of ``only`` and none of ``without``."""
    kept = matching([table.name for table in tables], only, without)
    return [table for table in tables if table.name in kept]


def validation_rows(
    val: str | Path | bool | None, tables: Sequence[Table], row_files: Mapping[str, Path]
) -> RowSet | None:
    """Read the validation rows of these members, with the row values that have a file of the same name there."""
    folder = validation_folder(val, tables)
    if folder is None:
        return None
    return RowSet(
        "validation ",
        validation_tables(folder, [table.name for table in tables]),
        labels_beside(folder, "weights are fitted on these rows; leave them out with --fit-on cross"),
        read_each({key: folder / path.name for key, path in row_files.items() if (folder / path.name).exists()}),
    )


class MemberSet(Protocol):
    """What new rows must match: the members of a set or a recipe, their kinds, and the classes."""

    @property
    def names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def hard(self) -> tuple[bool, ...]: ...  # noqa: D102
    @property
    def n_members(self) -> int: ...  # noqa: D102
    @property
    def n_classes(self) -> int: ...  # noqa: D102
    @property
    def class_names(self) -> tuple[str, ...] | None: ...  # noqa: D102


def load_rows_like(
    predictions: MemberSet,
    *paths: str | Path,
    logits: bool = False,
    normalize: bool = False,
    needed: Sequence[int] | None = None,
) -> Predictions:
    """Load rows without labels of the same members and classes as a set or a recipe; other members are left out.

    Parameters
    ----------
    predictions : Predictions, Recipe
    *paths, logits, normalize
        As in `load_predictions`.
    needed : sequence of int, optional
        Numbers of the members that are read; by default all. Files of others are not looked at; their rows have equal
        probabilities.

    Raises
    ------
    AlignmentError
        A member that is needed is not there, or of another kind.
    """
    wanted = list(range(predictions.n_members)) if needed is None else sorted(needed)
    unreadable: list[FileError] = []
    tables = {table.name: table for table in read_all(find_files(paths, reserved=[]).members, unreadable.append)}
    missing = [predictions.names[member] for member in wanted if predictions.names[member] not in tables]
    if missing:
        raise AlignmentError(
            f"{', '.join(map(str, paths))}: no predictions of member {missing[0]!r} "
            f"(missing: {len(missing)} of {len(wanted)}); expected the members that the rule is fitted on"
            + "".join(f"; {error}" for error in unreadable)
        )
    classes = ClassSpace(predictions.n_classes, predictions.class_names)
    files = RowSet("new ", [tables[predictions.names[member]] for member in wanted])
    rows = assemble(files, classes, {}, ReadOptions(logits, normalize))
    for member, is_hard in zip(wanted, rows.hard, strict=True):
        if is_hard != predictions.hard[member]:
            raise AlignmentError(
                f"member {predictions.names[member]!r} is probabilities in one set and hard labels in the other; "
                "expected one kind"
            )
    if len(wanted) == predictions.n_members:
        return rows
    proba = np.full((predictions.n_members, *rows.proba.shape[1:]), 1 / rows.n_classes, rows.proba.dtype)
    proba[wanted] = rows.proba
    return rows.replace(
        proba=proba, names=predictions.names, hard=predictions.hard, metadata=[{}] * predictions.n_members
    )

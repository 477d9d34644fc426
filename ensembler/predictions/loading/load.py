"""Loading a prediction set from files, folders and patterns."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from ensembler.errors import AlignmentError, MissingMemberError, Problems, UsageError, argument
from ensembler.predictions.diagnosis.checks import warn
from ensembler.predictions.diagnosis.findings import warn_of
from ensembler.predictions.loading.class_space import ClassSpace
from ensembler.predictions.loading.folder import find_files, read_all
from ensembler.predictions.loading.gather import Gathered, Request, gather
from ensembler.predictions.loading.inspection import check_keys
from ensembler.predictions.loading.options import Columns, ReadOptions
from ensembler.predictions.loading.row_set import RowSet, assemble, class_space
from ensembler.predictions.loading.suspicions import check_columns
from ensembler.predictions.loading.table import Table
from ensembler.predictions.prediction_set import Predictions


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
    columns: Columns | None = None,
    max_bytes: int | None = None,
    labelled: bool = True,
    half: bool = False,
) -> Predictions:
    """Load a prediction set.

    Parameters
    ----------
    *paths : files, folders or patterns
        One .npy, .csv or .parquet file a member, .npz archives of several, folders of such files; ``file.npz#key`` is
        one array of an archive. None at all means ``./preds`` if it is there, else the bundled FER2013 set.
    labels : path, optional
        By default the file called ``labels`` among the paths, else the one beside the first member, else the one in
        the folder that all members' folders are in.
    val : path or bool, optional
        Folder or pattern of the rows that weights are fitted on; by default ``val/`` beside the members if it is there.
        False leaves it unread.
    members : path, optional
        Class names and member metadata; by default ``members.json`` beside the first member, if it is there.
    only, without : sequences of patterns
        Which members to keep, which to leave out.
    logits, normalize : bool
        Apply a softmax to each row; divide each row by its sum.
    weights, groups : path, optional
        Row weights, and groups of rows. A file of the same name in the validation folder belongs to its rows.
    columns : Columns, optional
        Which columns of tables hold what, where that is not a column ``id`` and one column a class.
    max_bytes : int, optional
        What an .npz archive may unpack to; by default 1 GiB, or four times its size.
    labelled : bool
        Whether labels must be there. With False they are read if they are.
    half : bool
        Keep float16 where all members are float16, for `ensembler.compare_rules`; by default they become float32.

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
            f"{argument('logits')} and {argument('normalize')} exclude one another: a softmax already makes rows "
            "sum to 1; drop one"
        )
    options = ReadOptions(logits, normalize, columns or Columns(), max_bytes, half)
    found = gather(Request(paths, labels, val, members, only, without, weights, groups, options, labelled))
    if found.scored is None:
        found.raise_all()
    problems = check_columns(found.row_sets, options.columns)
    for part in (found.files, found.validation, found.facts):
        problems.errors += part.errors
    problems.raise_all()
    predictions = assemble_all(found, options)
    misspelt = [finding for finding in check_keys(found.metadata) if finding.severity == "warning"]
    warn_of(misspelt, stacklevel=2)
    scored = found.row_sets[0]
    if logits and all(predictions.hard):
        raise UsageError(f"{argument('logits')} has no effect: every member is hard labels; drop it")
    if normalize and all(table.array.ndim == 1 or table.array.shape[1] == 1 for table in scored.tables):
        raise UsageError(f"{argument('normalize')} has no effect: no member has a column a class; drop it")
    if predictions.labels is not None:
        warn(predictions)
    return predictions


def assemble_all(found: Gathered, options: ReadOptions) -> Predictions:
    """Make a prediction set of the scored rows and the validation rows, or raise all that is wrong with either."""
    classes = class_space(found.metadata.class_names, found.row_sets)
    problems = Problems()
    made: list[Predictions] = []
    for rows in found.row_sets:
        with problems.collected():
            made.append(assemble(rows, classes, found.metadata.members, options))
    problems.raise_all()
    return made[0] if len(made) == 1 else made[0].replace(validation=made[1])


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
    columns: Columns | None = None,
) -> Predictions:
    """Load rows without labels of the same members and classes as a set or a recipe; other members are left out.

    Parameters
    ----------
    predictions : Predictions, Recipe
    *paths, logits, normalize, columns
        As in `load_predictions`.
    needed : sequence of int, optional
        Numbers of the members that are read; by default all. Files of others are not looked at; their rows have equal
        probabilities.

    Raises
    ------
    MissingMemberError
        A member that is needed is not there.
    AlignmentError
        It is of another kind.
    """
    wanted = list(range(predictions.n_members)) if needed is None else sorted(needed)
    options = ReadOptions(logits, normalize, columns or Columns())
    unreadable = Problems()
    names = [predictions.names[member] for member in wanted]
    files = files_of(names, find_files(paths, reserved=[]).members)
    tables = {table.name: table for table in read_all(files, options, unreadable.add)}
    missing = [name for name in names if name not in tables]
    if missing:
        unreadable.errors.insert(
            0,
            MissingMemberError(
                f"{', '.join(map(str, paths))}: no predictions of member {missing[0]!r} "
                f"(missing: {len(missing)} of {len(wanted)}); expected the members that the rule is fitted on"
            ),
        )
        unreadable.raise_all()
    new = [tables[name] for name in names]
    classes = ClassSpace(predictions.n_classes, predictions.class_names or column_order(new))
    rows = assemble(RowSet("new ", new), classes, {}, options)
    if predictions.class_names is None:
        rows = rows.replace(class_names=None)
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


def files_of(names: Sequence[str], files: Sequence[Path]) -> Sequence[Path]:
    """Return the files that members are called after, or all where that does not name each of them once."""
    called = [file for file in files if file.stem in names]
    return called if sorted(file.stem for file in called) == sorted(names) else files


def column_order(tables: Sequence[Table]) -> tuple[str, ...] | None:
    """Return the order of columns that have names in files of rows for a rule whose classes have none.

    The numbers 0 … C−1 are the classes' own; other names say nothing of the order that the rule knows, so that they
    must at least stand in one order.

    Raises
    ------
    AlignmentError
        Files order their columns differently.
    """
    named = [table for table in tables if table.columns is not None]
    if not named:
        return None
    first = named[0].columns
    assert first is not None
    numbered = tuple(str(number) for number in range(len(first)))
    if set(first) == set(numbered):
        return numbered
    for table in named[1:]:
        if table.columns != first:
            raise AlignmentError(
                f"{named[0].path} has the columns {', '.join(first)}, {table.path} has "
                f"{', '.join(table.columns or ())}, and the classes that the rule was fitted on have no names to say "
                'which is which; add members.json with {"class_names": [...]} beside the members that it is fitted on'
            )
    return first

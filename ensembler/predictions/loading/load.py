"""From files, folders and patterns to a `Predictions`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ensembler.arrays import check_labels
from ensembler.errors import AlignmentError, ShapeError, UsageError
from ensembler.predictions.diagnosis.checks import warn
from ensembler.predictions.files import Table, read_row_values
from ensembler.predictions.loading.alignment import Shape, class_numbers, count_classes, name_classes, row_order
from ensembler.predictions.loading.conversion import Options, member_proba
from ensembler.predictions.loading.folder import (
    default_source,
    find_files,
    labels_beside,
    read_all,
    read_facts,
    validation_folder,
    validation_tables,
)
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
    found = find_files(paths or [default_source()[0]], reserved)
    tables = read_all(found.members)
    kept = matching([table.name for table in tables], only, without)
    tables = [table for table in tables if table.name in kept]
    home = tables[0].path.parent
    label_table = found.labels if labels is None else read_row_values(Path(labels))
    scored = RowSet("", tables, label_table or labels_beside(home, "pass --labels FILE"), read_each(row_files))
    fitting = None
    val_folder = validation_folder(val, tables)
    if val_folder is not None:
        fitting = RowSet(
            "validation ",
            validation_tables(val_folder, kept),
            labels_beside(val_folder, "weights are fitted on these rows; leave them out with --fit-on cross"),
            read_each(
                {key: val_folder / path.name for key, path in row_files.items() if (val_folder / path.name).exists()}
            ),
        )
    facts = read_facts(members, home)
    everything = [*scored.tables, *(fitting.tables if fitting else [])]
    every_label = [rows.labels for rows in (scored, fitting) if rows is not None and rows.labels is not None]
    class_names = name_classes(facts.class_names, everything, every_label)
    shape = Shape(count_classes(class_names, everything, every_label), class_names)
    options = Options(logits, normalize)
    validation = None if fitting is None else assemble(fitting, shape, facts.members, options)
    predictions = assemble(scored, shape, facts.members, options, validation)
    if logits and all(predictions.hard):
        raise UsageError("--logits has no effect: every member is hard labels; drop it")
    if normalize and all(table.array.ndim == 1 or table.array.shape[1] == 1 for table in scored.tables):
        raise UsageError("--normalize has no effect: no member has a column a class; drop it")
    warn(predictions)
    return predictions


class MemberSet(Protocol):
    """What new rows must have in common with: the members, of which kind they are, and the classes."""

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
    predictions: MemberSet, *paths: str | Path, logits: bool = False, normalize: bool = False
) -> Predictions:
    """Load rows without labels of the same members and classes as a set or a recipe; other members are left out."""
    tables = {table.name: table for table in read_all(find_files(paths, reserved=[]).members)}
    missing = [name for name in predictions.names if name not in tables]
    if missing:
        raise AlignmentError(
            f"{', '.join(map(str, paths))}: no predictions of member {missing[0]!r} "
            f"(missing: {len(missing)} of {predictions.n_members}); expected the members that the rule is fitted on"
        )
    shape = Shape(predictions.n_classes, predictions.class_names)
    rows = assemble(RowSet("new ", [tables[name] for name in predictions.names]), shape, {}, Options(logits, normalize))
    for name, is_hard, was_hard in zip(rows.names, rows.hard, predictions.hard, strict=True):
        if is_hard != was_hard:
            raise AlignmentError(
                f"member {name!r} is probabilities in one set and hard labels in the other; expected one kind"
            )
    return rows


@dataclass(frozen=True)
class RowSet:
    """The files about one set of rows; ``which`` tells in messages which rows those are."""

    which: str
    tables: Sequence[Table]
    labels: Table | None = None
    row_values: Mapping[str, Table] = field(default_factory=dict)


def read_each(files: Mapping[str, Path]) -> dict[str, Table]:
    """Read files of one value a row."""
    return {key: read_row_values(path) for key, path in files.items()}


def assemble(
    rows: RowSet,
    shape: Shape,
    metadata: Mapping[str, Mapping[str, Any]],
    options: Options,
    validation: Predictions | None = None,
) -> Predictions:
    """Bring the rows of all files into one order, turn each member into probabilities, and stack them."""
    tables, labels = rows.tables, rows.labels
    check_lengths(rows)
    order, ids = row_order([*tables, *([labels] if labels else []), *rows.row_values.values()])
    n_samples = len(tables[0].array)
    # float64 files are kept as they are; everything else fits into float32.
    wide = any(table.array.dtype == np.float64 for table in tables)
    proba = np.empty((len(tables), n_samples, shape.n_classes), dtype=np.float64 if wide else np.float32)
    hard = []
    for index, table in enumerate(tables):
        member, is_hard = member_proba(table, shape, None if labels is None else labels.array, options, rows.which)
        proba[index] = member[order[table.path, table.name]]
        hard.append(is_hard)
    truth = None
    if labels is not None:
        subject = f"{rows.which}labels"
        numbers = class_numbers(labels.array, shape, subject, labels.path)
        truth = check_labels(numbers, n_samples, shape.n_classes, subject)[order[labels.path, labels.name]]
    extra = {key: np.asarray(table.array)[order[table.path, table.name]] for key, table in rows.row_values.items()}
    return Predictions(
        proba,
        truth,
        names=[table.name for table in tables],
        class_names=shape.class_names,
        metadata=[metadata.get(table.name, {}) for table in tables],
        hard=hard,
        sample_weight=extra.get("weights"),
        groups=extra.get("groups"),
        ids=ids,
        validation=validation,
        check_input=False,
    )


def check_lengths(rows: RowSet) -> None:
    """Raise unless every member has as many rows as the first."""
    first = rows.tables[0]
    for table in rows.tables:
        if table.array.ndim == 0:
            raise ShapeError(f"{rows.which}{table.subject} is a single number, expected one row or more ({table.path})")
        if len(table.array) != len(first.array):
            raise ShapeError(
                f"{rows.which}{first.subject} has {len(first.array)} rows, that of member {table.name!r} has "
                f"{len(table.array)}; expected the same rows in each file ({first.path}, {table.path})"
            )

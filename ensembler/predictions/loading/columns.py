"""Which column of a table names the rows, which holds labels, decisions, and which holds probabilities."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import ROW_SUM_TOLERANCE, check_rows
from ensembler.errors import FileError, Problems, argument, setting
from ensembler.predictions.loading.column_names import (
    DECISION_NAMES,
    FOLD_NAMES,
    ID_NAMES,
    LABEL_NAMES,
    MEMBER_NAMES,
    simple,
)
from ensembler.predictions.loading.frame_files import ROW_NUMBERS
from ensembler.predictions.loading.import_advice import import_words
from ensembler.predictions.loading.options import Columns, ReadOptions
from ensembler.predictions.loading.table import ID_COLUMN, Table

if TYPE_CHECKING:
    import pandas as pd

PREDICTION_OF = re.compile(r"prediction ?\(.+\)", re.IGNORECASE)
CLASS_0 = re.compile(r"((p|prob|proba|probability|class|score)[_ ]?)?0")
FEW_ROWS = 20
"""In fewer rows, labels may all be different."""


@dataclass(frozen=True)
class Roles:
    """What the columns of a table hold.

    Attributes
    ----------
    id, label : str or None
    decisions, folds, texts : tuple of str
        Columns of predicted classes beside probabilities, of folds, and of texts that are nothing else.
    proba : tuple of str
        What is left: probabilities, or predicted classes where there are no probabilities.
    """

    id: str | None
    label: str | None
    decisions: tuple[str, ...]
    folds: tuple[str, ...]
    texts: tuple[str, ...]
    proba: tuple[str, ...]

    @property
    def surplus(self) -> tuple[str, ...]:
        """Columns that are of no use."""
        return (*self.decisions, *self.folds, *self.texts)


def find_roles(
    frame: "pd.DataFrame", columns: Columns, labels: NDArray[Any] | None = None, *, guess: bool = False
) -> Roles:
    """Find out what the columns of a table hold, from their names and their values.

    Parameters
    ----------
    frame : DataFrame
    columns : Columns
        What is known; it is kept.
    labels : (N,), optional
        True classes of the rows in the table's order, where known: a column that equals them holds them.
    guess : bool
        Whether one column of few whole numbers beside probabilities is taken for labels whatever its name.
    """
    left = [name for name in frame.columns if name not in columns.named]
    identity = columns.id or find_id(frame, left)
    left = [name for name in left if name != identity]
    if columns.proba:
        proba = [name for name in columns.proba if name in frame.columns]
        label = columns.label if columns.label in frame.columns else None
        return Roles(identity, label, (), (), tuple(left), tuple(proba))
    label = columns.label if columns.label in frame.columns else None
    if columns.label is None and len(left) > 1:
        label = find_label(frame, left, labels, guess=guess)
        left = [name for name in left if name != label]
    folds = [name for name in left if says_fold(name) and len(left) > 1 and not fractions(frame[name])]
    left = [name for name in left if name not in folds]
    decisions = []
    if any(fractions(frame[name]) for name in left):
        decisions = [name for name in left if says_decision(name) and not fractions(frame[name])]
        left = [name for name in left if name not in decisions]
        soft = [name for name in left if is_numeric(frame[name])]
        if decisions and len(soft) == 1 and not is_positive(frame[soft[0]], frame[decisions[0]]):
            # What stands beside the predicted class is its own probability rather than that of class 1.
            decisions, left = [*left, *decisions[1:]], decisions[:1]
    texts = [name for name in left if not is_numeric(frame[name])]
    if len(texts) == len(left) == 1:
        texts = []  # predicted classes by name
    proba = [name for name in left if name not in texts]
    return Roles(identity, label, tuple(decisions), tuple(folds), tuple(texts), tuple(proba))


def is_positive(proba: "pd.Series[Any]", decisions: "pd.Series[Any]") -> bool:
    """Whether a probability beside predicted classes is that of class 1: it is above one half where these are 1."""
    if not is_numeric(proba):
        return True
    if not is_numeric(decisions) or not decisions.dropna().isin((0, 1)).all():
        return False
    return bool(((proba > 0.5) == (decisions == 1)).mean() >= 0.9)


def says_decision(name: str) -> bool:
    """Whether a name is one of predicted classes.

    >>> says_decision("Prediction (species)"), says_decision(".pred_class"), says_decision("species")
    (True, True, False)
    """
    return simple(name).lstrip("_") in DECISION_NAMES or PREDICTION_OF.fullmatch(name) is not None


def says_fold(name: str) -> bool:
    """Whether a name is one of folds or parts."""
    return simple(name) in FOLD_NAMES or simple(name).rpartition("_")[2] in ("fold", "folds", "split")


def find_id(frame: "pd.DataFrame", names: Sequence[str]) -> str | None:
    """Return the column that names the rows: ``id``, else one whose name says so, else unique texts."""
    if len(names) < 2:
        return None
    unlike = [name for name in names if is_unique(frame[name])]
    named = [name for name in unlike if ID_NAMES.fullmatch(simple(name)) or ID_NAMES.fullmatch(name)]
    # What is called id may be that of a fold, beside row numbers.
    exact = [name for name in names if name == ID_COLUMN and (name in unlike or not named)]
    exact = exact or [name for name in unlike if name.lower() == ID_COLUMN]
    telling = names if len(frame) > FEW_ROWS else names[:1]
    texts = [name for name in unlike if name in telling and not is_numeric(frame[name])]
    counted = [name for name in unlike if name in names[:1] and len(frame) > FEW_ROWS]
    return next(iter((*exact, *named, *texts, *counted)), None)


def is_unique(values: "pd.Series[Any]") -> bool:
    """Whether values can name rows: no fractions, and (missing ones aside) none of them twice."""
    present = values.dropna()
    return len(present) > 0 and not fractions(values) and bool(present.is_unique)


def find_label(frame: "pd.DataFrame", names: Sequence[str], labels: NDArray[Any] | None, *, guess: bool) -> str | None:
    """Return the column of true classes: one that equals the labels, else one whose name and values say so."""
    if labels is not None:
        equal = [name for name in names if equals_labels(frame[name].to_numpy(), labels)]
        if equal:
            return equal[0]
    few = len(frame) <= FEW_ROWS
    whole = [name for name in names if not fractions(frame[name]) and (few or not is_unique(frame[name]))]
    others = [name for name in names if is_numeric(frame[name])]
    named = [name for name in whole if simple(name) in LABEL_NAMES and others not in ([], [name])]
    # A column beside which all others are probabilities, as in label,angry,…,sad.
    surplus = surplus_column(frame[others].to_numpy(dtype=np.float64)) if len(others) > 2 else None
    if surplus is not None and others[surplus] in whole:
        return others[surplus]
    if named or not guess:
        return named[0] if named else None
    # Beside probabilities, the one column of whole numbers that is not called after predictions.
    alone = [
        name for name in whole if simple(name) not in DECISION_NAMES and not says_fold(name) and is_few(frame[name])
    ]
    soft = [name for name in others if fractions(frame[name])]
    return alone[0] if len(alone) == 1 and soft and simple(alone[0]) not in ("confidence", "rank") else None


def is_few(values: "pd.Series[Any]") -> bool:
    """Whether values are as few different ones as classes are."""
    return 1 < values.nunique() <= max(2, len(values) // 4)


def equals_labels(values: NDArray[Any], labels: NDArray[Any]) -> bool:
    """Whether a column holds the labels, in numbers or as texts."""
    if values.shape != labels.shape:
        return False
    if values.dtype.kind in "biuf" and labels.dtype.kind in "biuf":
        return bool((values == labels).all())
    return bool((values.astype(str) == labels.astype(str)).all())


def is_numeric(values: "pd.Series[Any]") -> bool:
    """Whether a column holds numbers."""
    return values.dtype.kind in "biuf"


def fractions(values: "pd.Series[Any]") -> bool:
    """Whether a column holds numbers of which some are not whole."""
    if values.dtype.kind != "f":
        return False
    present = values.dropna().to_numpy()
    return bool((present % 1 != 0).any())


def surplus_column(array: NDArray[np.float64]) -> int | None:
    """Return the column without which all rows are probabilities, if there is one: true classes, a fold, a time."""
    if array.shape[1] <= 2:
        return None
    with np.errstate(invalid="ignore"):
        totals = array.sum(axis=1)
        if (np.abs(totals - 1) <= ROW_SUM_TOLERANCE).all():
            return None
        sum_without = (np.abs(totals[:, None] - array - 1) <= ROW_SUM_TOLERANCE).all(axis=0)
        for column in np.flatnonzero(sum_without).tolist():
            rest = np.delete(array, column, axis=1)
            # Whole numbers are counts rather than probabilities.
            if (rest >= 0).all() and (rest % 1 != 0).any():
                return int(column)
    return None


def frame_table(frame: "pd.DataFrame", path: Path, options: ReadOptions) -> Table:
    """Return the member in a table whose columns are a column a class, an id, and what the options name.

    Raises
    ------
    FileError
        A column is something else; the remedy says which option names it.
    """
    columns = options.columns
    roles = find_roles(frame, columns)
    problems = Problems()
    if not columns.proba:
        refuse_several_members(path, frame, roles.surplus)
    if columns.id is not None and columns.id not in frame.columns:
        header = ", ".join(map(str, frame.columns))
        problems.errors.append(FileError(f"{path}: has no column {columns.id!r} ({argument('id')}), only {header}"))
        problems.raise_all()
    if roles.id is not None and columns.id is None and roles.id.lower() != ID_COLUMN:
        problems.errors.append(
            FileError(
                f"{path}: column {roles.id!r} is no class, it names the rows; pass {setting('id', roles.id)}",
                remedy=("--id", roles.id),
            )
        )
    if roles.label is not None and columns.label is None:
        problems.errors.append(
            FileError(
                f"{path}: column {roles.label!r} is no class, it holds labels; pass "
                f"{setting('label', roles.label)} (or {argument('drop')})",
                remedy=("--label-column", roles.label),
            )
        )
    if not columns.proba:
        problems.errors += [surplus_error(path, name, frame[name]) for name in roles.surplus]
    if problems.errors:
        # What else is wrong once these columns have their names is told at once.
        with problems.collected():
            check_values(as_table(frame, path, roles), options)
        problems.raise_all()
    return as_table(frame, path, roles)


def refuse_several_members(path: Path, frame: "pd.DataFrame", surplus: Sequence[str]) -> None:
    """Raise where a column names several members, each with rows of its own."""
    named = next((name for name in surplus if simple(name) in MEMBER_NAMES and not is_unique(frame[name])), None)
    if named is None or frame[named].nunique() < 2:
        return
    raise FileError(
        f"{path}: column {named!r} names {frame[named].nunique()} members, so it holds a row for each member and row, "
        "expected one member's rows; make a prediction set of it with ensembler import",
        remedy=import_words(str(path)),
    )


def check_values(table: Table, options: ReadOptions) -> None:
    """Raise where a member's rows are no probabilities, or two rows have one id."""
    problems = Problems()
    if table.columns is not None and not options.logits:
        with problems.collected():
            check_rows(table.array, str(table.path), sums=not options.normalize)
    if table.ids is not None and len(set(table.ids.tolist())) < len(table.ids):
        names, counts = np.unique(table.ids, return_counts=True)
        problems.add(FileError(f"{table.path}: id {str(names[counts > 1][0])!r} stands in {counts.max()} rows"))
    problems.raise_all()


def surplus_error(path: Path, name: str, values: "pd.Series[Any]") -> FileError:
    """Return the error of a column that is of no use."""
    numbers = as_numbers(values)
    broken = ~np.isfinite(numbers.to_numpy(dtype=float)) if is_numeric(numbers) else np.zeros(0, dtype=bool)
    if not is_numeric(values) and broken.any():
        row = int(np.flatnonzero(broken)[0])
        return FileError(
            f"{path}: column {name!r} holds {values.iloc[row]!r} in row {row}, expected numbers; find where the model "
            f"diverged, or leave it out ({argument('without')})"
        )
    kind = "holds predicted classes beside probabilities" if simple(name) in DECISION_NAMES else "is not numeric"
    kind = "holds a fold or part" if says_fold(name) else kind
    return FileError(
        f"{path}: column {name!r} is no class, it {kind}; pass {setting('drop', name)} "
        f"({argument('label')} if it holds true classes)",
        remedy=("--drop-column", name),
    )


def as_numbers(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return texts as numbers, NaN for those that say so; as they are where one is no number."""
    import pandas as pd

    try:
        return pd.to_numeric(values)
    except (ValueError, TypeError):
        return values


def quoted(name: str) -> str:
    """Return a name as a shell needs it."""
    import shlex

    return shlex.quote(name)


def as_table(frame: "pd.DataFrame", path: Path, roles: Roles, name: str | None = None) -> Table:
    """Return the member that some columns of a table hold."""
    ids = None if roles.id is None else row_ids(frame[roles.id], path, roles.id)
    labels = None if roles.label is None else plain_values(frame[roles.label])
    if roles.label is not None:
        check_cells(frame[[roles.label]], path)
    numbers = None
    if path.suffix == ".parquet" or frame.index.name == ROW_NUMBERS:
        numbers = frame.index.astype(str).to_numpy(dtype=str)
    if not roles.proba:
        raise FileError(
            f"{path}: holds no column of predictions beside {', '.join(map(str, frame.columns))}; expected one a class",
            # Columns of texts may be several members' predicted classes.
            remedy=import_words(str(path)) if len(roles.texts) > 1 else (),
        )
    part = frame[list(roles.proba)]
    array: NDArray[Any]
    is_proba = len(roles.proba) == 1 and is_numeric(part.iloc[:, 0]) and part.iloc[:, 0].between(0, 1).all()
    if is_proba and CLASS_0.fullmatch(simple(roles.proba[0])):
        raise FileError(
            f"{path}: column {roles.proba[0]!r} is P(class 0) by its name, expected P(class 1) or a column a class; "
            "write 1 minus it under another name"
        )
    if len(roles.proba) == 1 and may_miss_votes(numbered(part.iloc[:, 0])):
        array, header = votes(numbered(part.iloc[:, 0])), None
    elif len(roles.proba) == 1:
        check_cells(part, path)
        array, header = plain_values(part.iloc[:, 0]), None
    else:
        check_cells(part, path)
        array, header = part.to_numpy(dtype=np.float64), roles.proba
    return Table(name or path.stem, path, array, ids, header, labels, numbers, tuple(frame.columns))


def numbered(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column of class numbers in which ``NaN`` stands for a vote that is missing as numbers; else as it is."""
    import pandas as pd

    if is_numeric(values):
        return values
    texts = values.dropna().map(str).str.strip()
    holes = texts.str.casefold() == "nan"
    if not holes.any() or holes.all() or not texts[~holes].str.fullmatch(r"-?\d+").all():
        return values
    return pd.to_numeric(values.where(values.map(str).str.strip().str.casefold() != "nan"))


def may_miss_votes(values: "pd.Series[Any]") -> bool:
    """Whether a column holds predicted classes, some cells of which are empty."""
    return bool(values.isna().any()) and not bool(values.isna().all()) and not fractions(values)


def votes(values: "pd.Series[Any]") -> NDArray[Any]:
    """Return predicted classes, -1 or an empty text where there is none."""
    if is_numeric(values):
        return values.fillna(-1).to_numpy().astype(np.int64)
    return values.fillna("").map(str).to_numpy(dtype=str)


def plain_values(values: "pd.Series[Any]") -> NDArray[Any]:
    """Return a column as an array: numbers as they are, all else as texts."""
    return values.to_numpy() if is_numeric(values) else values.map(str).to_numpy(dtype=str)


def row_ids(values: "pd.Series[Any]", path: Path, name: str) -> NDArray[Any]:
    """Return ids as texts, or raise where one is missing."""
    missing = values.isna().to_numpy()
    if missing.any():
        row = int(np.flatnonzero(missing)[0])
        raise FileError(f"{path}: row {row} has no {name} ({int(missing.sum())} such), expected an id in every row")
    if values.dtype.kind == "f" and bool((values % 1 == 0).all()):
        # Whole numbers that passed through a float, as those beside a missing one do.
        values = values.astype(np.int64)
    return values.map(str).to_numpy(dtype=str)


def check_cells(frame: "pd.DataFrame", path: Path) -> None:
    """Raise unless a table has a value in each cell."""
    holes = frame.isna().to_numpy()
    if holes.any():
        row, column = np.argwhere(holes)[0]
        raise FileError(
            f"{path}: row {row} has no value in column {frame.columns[column]!r}, expected one in every cell"
        )

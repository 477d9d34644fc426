"""What columns of a table hold: predicted classes by name, confidences in them, and cells that cannot be read."""

import shlex
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ensembler.errors import FileError, Problems, setting
from ensembler.predictions.loading.column_names import ID_NAMES, LABEL_NAMES, MEMBER_NAMES, simple
from ensembler.predictions.loading.columns import Roles, fractions, is_numeric, says_decision
from ensembler.predictions.loading.headers import is_decimal
from ensembler.predictions.loading.intake.plan import Decision
from ensembler.predictions.loading.lists import is_number
from ensembler.predictions.loading.options import Columns
from ensembler.predictions.loading.table import ID_COLUMN, Table

if TYPE_CHECKING:
    import pandas as pd

FEWEST_ROWS = 8
"""In so many rows a probability of class 1 is below one half somewhere."""

MOSTLY = 0.5
"""Share of the cells from which a column of texts is one of numbers, of which some cannot be read."""


def classes_by_name(frame: "pd.DataFrame", roles: Roles, labels: Table | None) -> set[str]:
    """Return what labels are called, where they have names: those given, or those in a column."""
    if labels is not None:
        return set(labels.array.tolist()) if labels.array.dtype.kind in "US" else set()
    return set() if roles.label is None or is_numeric(frame[roles.label]) else values_of(frame, roles.label)


def known_classes(frame: "pd.DataFrame", classes: set[str], roles: Roles) -> set[str]:
    """Return what classes may be called: by name, or as numbers in the column of labels."""
    return classes if roles.label is None else classes | values_of(frame, roles.label)


def without_confidence(
    frame: "pd.DataFrame", path: Path, roles: Roles, votes: Sequence[str], decisions: list[Decision]
) -> list[str]:
    """Return the columns of predictions without one of the confidence in the class that stands beside it.

    Raises
    ------
    FileError
        Such a class has another name than labels have.
    """
    proba = list(roles.proba)
    named = [name for name in roles.texts if frame[name].nunique() == 2]
    soft = len(proba) == 1 and fractions(frame[proba[0]]) and len(frame) >= FEWEST_ROWS
    if not soft or not (votes or named) or frame[proba[0]].max() > 1:
        return [*proba, *votes]
    beside = (*votes, *named)[0]
    # Of more than two classes, one number is never the probability of one.
    if frame[proba[0]].min() < 0.5 and not (votes and len(values_of(frame, beside)) > 2):
        return [*proba, *votes]
    if not votes:
        classes = ", ".join(sorted(values_of(frame, beside)))
        raise FileError(
            f"{path}: column {proba[0]!r} is never below 0.5, beside {beside!r} with {classes}: is it the "
            "confidence in that class, not P(class 1)? write 1 minus it where the other class is predicted, or leave "
            f"{beside!r} out if it is P(class 1) ({setting('drop', beside)})"
        )
    decisions.append(Decision(f"{path} ({proba[0]})", "nothing", f"it is the confidence in the class of {beside}"))
    return list(votes)


def refuse_odd_cells(path: Path, frame: "pd.DataFrame", roles: Roles) -> None:
    """Raise where most cells of a column are numbers, which is a member's that would be left out."""
    problems = Problems()
    odd_rows: dict[str, tuple[int, FileError]] = {}
    # Texts that are all different look like ids, and those that are alone like predicted classes.
    doubtful = [name for name in (roles.id, *roles.proba) if name is not None and ID_NAMES.fullmatch(name) is None]
    for name in (*roles.texts, *doubtful):
        cells = frame[name].dropna().map(str)
        if is_numeric(frame[name]) or (name in doubtful and not cells.str.contains(r"[.,%]").mean() >= MOSTLY):
            continue
        plain = cells.map(is_number).to_numpy(dtype=bool)
        if len(cells) and cells.map(is_decimal).mean() >= MOSTLY and not plain.all():
            odd = int(np.flatnonzero(~plain)[0])
            row = int(np.flatnonzero(frame.index == cells.index[odd])[0])
            odd_rows[name] = (
                row,
                FileError(
                    f"{path}: column {name!r} holds {cells.iloc[odd]!r} in row {row}, expected numbers with a decimal "
                    "point, or percentages throughout; write it as a number, or leave the column out "
                    f"({setting('drop', name)})",
                    remedy=("--drop-column", name),
                ),
            )
    left = [name for name in roles.proba if is_numeric(frame[name])]
    rows = {row for row, _ in odd_rows.values()}
    if len(odd_rows) > 1 and len(rows) == 1 and not left:
        # Units below the names, a note below the rows, or names once more.
        odd_row = ", ".join(map(str, frame.iloc[rows.pop()].tolist()))
        raise FileError(
            f"{path}: one row is {odd_row}, expected numbers in {', '.join(odd_rows)}; take it away: is it a note, a "
            "unit or the names once more?"
        )
    for _, error in odd_rows.values():
        # Without any column of predictions nothing is left.
        problems.add(error if left else FileError(str(error)))
    problems.raise_all()


def refuse_rows_without_names(path: Path, frame: "pd.DataFrame", roles: Roles) -> None:
    """Raise where a column says which member a row is of, and none says of what."""
    named = next((name for name in (*roles.texts, *roles.proba) if simple(name) in MEMBER_NAMES), None)
    if named is None or is_numeric(frame[named]) or not 2 <= frame[named].nunique() <= len(frame) // 2:
        return
    raise FileError(
        f"{path}: column {named!r} names {frame[named].nunique()} members, and no column names the rows that all of "
        "them predict, expected one called id"
    )


def tell_roles(path: Path, roles: Roles, columns: Columns, votes: Sequence[str], decisions: list[Decision]) -> None:
    """Tell what columns are taken for."""
    if roles.id is not None and roles.id.lower() != ID_COLUMN:
        decisions.append(Decision(f"{path} ({roles.id})", "row ids", "its values are all different"))
    if roles.label is not None:
        why = "given" if columns.label is not None else "by its name and whole values, or since it equals the labels"
        decisions.append(Decision(f"{path} ({roles.label})", "labels", why))
    for name in (name for name in roles.surplus if name not in votes):
        decisions.append(Decision(f"{path} ({name})", "nothing", "it is no probability"))


def roles_of_votes(frame: "pd.DataFrame", roles: Roles) -> Roles:
    """Find the names of classes in columns of texts: the labels, and predictions of nothing but these."""
    label = roles.label or next((name for name in roles.texts if simple(name) in LABEL_NAMES), None)
    if label is None:
        return roles
    classes = values_of(frame, label)
    others = [name for name in roles.texts if name != label]
    votes = [name for name in others if is_vote(frame, name, classes)]
    if not votes:
        return roles
    return replace(roles, label=label, texts=tuple(name for name in others if name not in votes), proba=tuple(votes))


def roles_of_classes(
    frame: "pd.DataFrame", path: Path, roles: Roles, classes: Sequence[str], decisions: list[Decision]
) -> Roles:
    """Find the labels in a column of texts that are all called as the columns of classes are, but no predictions."""
    others = [name for name in roles.texts if not says_decision(name)]
    named = [name for name in others if values_of(frame, name) and values_of(frame, name) <= set(classes)]
    if len(named) != 1:
        return roles
    why = "it holds what columns are called, and may be another model's predictions as well"
    fix = f"--label-column {shlex.quote(named[0])}, --drop-column {shlex.quote(named[0])}"
    decisions.append(Decision(f"{path} ({named[0]})", "labels", why, is_guess=True, fix=fix))
    return replace(roles, label=named[0], texts=tuple(name for name in roles.texts if name != named[0]))


def roles_beside_lists(frame: "pd.DataFrame", roles: Roles) -> Roles:
    """Find the labels beside columns of lists by their name alone, since no column of numbers tells more."""
    named = (name for name in frame.columns if simple(name) in LABEL_NAMES)
    label = roles.label or next(named, None)
    texts, proba = (tuple(name for name in names if name != label) for names in (roles.texts, roles.proba))
    return replace(roles, label=label, texts=texts, proba=proba)


def is_vote(frame: "pd.DataFrame", column: str, classes: Collection[str]) -> bool:
    """Whether a column of texts holds predicted classes: mostly what labels are called."""
    cells = frame[column].dropna().map(str)
    return bool(len(cells) and cells.isin(set(classes)).mean() >= MOSTLY)


def values_of(frame: "pd.DataFrame", column: str) -> set[str]:
    """Return the different values of a column, as texts."""
    return set(frame[column].dropna().map(str))

"""Votes that are none: words and numbers for no answer, and classes that are counted otherwise than in the labels."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import MISSING_VOTE
from ensembler.errors import Problems, ValueRangeError
from ensembler.predictions.loading.column_names import LABEL_NAMES, simple
from ensembler.predictions.loading.intake.plan import Decision, Rows
from ensembler.predictions.loading.table import Table

if TYPE_CHECKING:
    import pandas as pd

# fmt: off
NO_ANSWER = frozenset({
    "na", "n/a", "n.a.", "nan", "none", "null", "-", "--", "?", "unknown", "missing", "no answer", "abstain",
    "abstained",
})
# fmt: on
"""What is written for no answer, where no label is called so."""
NUMBERED = r"\d+:\S.*"
"""A class name behind its number."""
CLEAR_GAIN = 0.1
"""Share of the votes by which more are correct where classes are counted rightly."""
MOST_SHOWN = 5


def checked_votes(
    parts: Mapping[str | None, Rows], decisions: list[Decision], class_names: tuple[str, ...] | None
) -> dict[str | None, Rows]:
    """Return sets of rows with missing votes in the place of words for no answer, and votes counted as labels are.

    Raises
    ------
    ValueRangeError
        Labels go from 1 to some number, and votes hold 0.
    """
    problems = Problems()
    found: dict[str | None, Rows] = {}
    texts = [labels.array for _, labels in parts.values() if labels is not None and labels.array.dtype.kind in "US"]
    classes = {str(name) for array in texts for name in np.unique(array).tolist()}
    for split, (tables, labels) in parts.items():
        checked = tables
        if labels is not None and class_names is None:
            with problems.collected():
                checked = like_labels(tables, np.asarray(labels.array), classes, decisions)
        tell_missing(checked, decisions)
        found[split] = (checked, labels)
    problems.raise_all()
    return found


def like_labels(tables: list[Table], labels: NDArray[Any], classes: set[str], decisions: list[Decision]) -> list[Table]:
    """Return votes as labels are written, of which the names of all sets of rows are given."""
    if labels.dtype.kind in "US":
        return [without_no_answers(table, classes, decisions) for table in tables]
    if labels.dtype.kind not in "iu":
        return tables
    refuse_zeros(tables, labels)
    return counted_as_labels(tables, labels, decisions)


def without_no_answers(table: Table, classes: set[str], decisions: list[Decision]) -> Table:
    """Return votes by name with an empty text where a word stands for no answer; tell of classes that no row has."""
    votes = np.asarray(table.array)
    if votes.dtype.kind not in "US" or votes.ndim != 1:
        return table
    others = [name for name in np.unique(votes).tolist() if name and name not in classes]
    holes = [name for name in others if name.strip().casefold() in NO_ANSWER]
    extra = [name for name in others if name not in holes]
    if extra:
        listed = ", ".join(extra[:MOST_SHOWN]) + "…" * (len(extra) > MOST_SHOWN)
        decisions.append(
            Decision(f"{table.path} ({table.name})", f"classes {listed}", "they are predicted, and no label is one")
        )
    if not holes:
        return table
    missing = np.isin(votes, holes)
    decisions.append(missing_votes(table, int(missing.sum()), f"{', '.join(holes)} is no label"))
    return replace(table, array=np.where(missing, "", votes))


def words_for_no_answer(values: "pd.Series[Any]", classes: Collection[str]) -> "pd.Series[Any]":
    """Return in which cells of votes a word stands for no answer, which no class is called."""
    texts = values.map(str)
    return texts.str.strip().str.casefold().isin(NO_ANSWER) & ~texts.isin(set(classes)) & values.notna()


def missing_votes(table: Table, count: int, why: str) -> Decision:
    """Return the decision that some votes are missing."""
    return Decision(f"{table.path} ({table.name})", f"{count} of {len(table.array)} votes missing", why)


def is_votes(table: Table) -> bool:
    """Whether a table holds class numbers."""
    return table.array.ndim == 1 and table.array.dtype.kind in "iu"


def refuse_zeros(tables: list[Table], labels: NDArray[Any]) -> None:
    """Raise where labels are counted from 1 and votes hold 0, which may be a class or no answer."""
    classes = np.unique(labels)
    if len(classes) < 2 or not np.array_equal(classes, np.arange(1, len(classes) + 1)):
        return
    problems = Problems()
    for table in filter(is_votes, tables):
        votes = np.asarray(table.array)
        if (votes == 0).any() and votes.max() <= len(classes):
            every = ",".join(map(str, range(len(classes) + 1)))
            problems.add(
                ValueRangeError(
                    f"{table.path} ({table.name}): votes are 0 in {int((votes == 0).sum())} rows, where labels go from "
                    f"1 to {len(classes)}; if it stands for no answer, leave the cell empty or write -1, and if it is "
                    f"a class, name all of them: --classes {every}"
                )
            )
    problems.raise_all()


def counted_as_labels(tables: list[Table], labels: NDArray[Any], decisions: list[Decision]) -> list[Table]:
    """Return votes that all go from 1 to the number of classes as from 0, where labels do and more are correct then."""
    classes = np.unique(labels)
    votes = [np.asarray(table.array) for table in tables if is_votes(table) and len(table.array) == len(labels)]
    given = np.unique(np.concatenate(votes)) if votes else np.zeros(0)
    given = given[given != MISSING_VOTE]
    from_0 = np.array_equal(classes, np.arange(len(classes)))
    if not from_0 or not len(given) or given[0] < 1 or given[-1] != len(classes):
        return tables
    gain = sum(int((own - 1 == labels).sum()) - int((own == labels).sum()) for own in votes)
    if gain < CLEAR_GAIN * len(votes) * len(labels):
        return tables
    for table in filter(is_votes, tables):
        why = f"votes go to {len(classes)}, labels from 0"
        decisions.append(Decision(f"{table.path} ({table.name})", "counted from 1", why))
    return [less_one(table) if is_votes(table) else table for table in tables]


def less_one(table: Table) -> Table:
    """Return votes or labels that are one less, but for missing ones."""
    return replace(table, array=np.where(table.array == MISSING_VOTE, MISSING_VOTE, table.array.astype(np.int64) - 1))


def tell_missing(tables: list[Table], decisions: list[Decision]) -> None:
    """Say how many votes are -1."""
    for table in filter(is_votes, tables):
        count = int((np.asarray(table.array) == MISSING_VOTE).sum())
        if count:
            decisions.append(missing_votes(table, count, "empty cells, and -1, stand for no answer"))


def without_numbers(frame: "pd.DataFrame", path: Path, decisions: list[Decision]) -> "pd.DataFrame":
    """Return a table with class names alone where several columns have the number of each before it, as Weka writes."""
    texts = [
        str(name) for name in frame.columns if frame[name].dtype.kind not in "biufmM" and frame[name].notna().any()
    ]
    numbered = [name for name in texts if frame[name].dropna().map(str).str.fullmatch(NUMBERED).all()]
    pairs = {tuple(text.split(":", 1)) for name in numbered for text in frame[name].dropna().map(str).unique().tolist()}
    numbers, names = {number for number, _ in pairs}, {name for _, name in pairs}
    if len(numbered) < 2 or not len(pairs) == len(numbers) == len(names) or any(name[0].isdigit() for name in names):
        return frame
    decisions.append(Decision(f"{path} ({', '.join(numbered)})", "names behind numbers", "each number has one name"))
    return frame.assign(**{name: frame[name].str.partition(":")[2] for name in numbered})


def with_numbers(
    frame: "pd.DataFrame", path: Path, named: Collection[str], decisions: list[Decision]
) -> "pd.DataFrame":
    """Return a table with numbers in columns of whole numbers of which some cells are words for no answer.

    Columns that are called as labels are, and words in them or among those named, stay as they are.
    """
    import pandas as pd

    labels = [name for name in frame.columns if simple(str(name)) in LABEL_NAMES]
    known = {*named, *(str(cell) for name in labels for cell in frame[name].tolist())}
    words = NO_ANSWER - {word.strip().casefold() for word in known}
    for name in frame.columns:
        if frame[name].dtype.kind in "biufmM" or name in labels:
            continue
        texts = frame[name].map(str).str.strip()
        holes = texts.str.casefold().isin(words) & frame[name].notna()
        rest = texts[~holes & frame[name].notna()]
        if holes.any() and len(rest) and rest.str.fullmatch(r"-?\d+").all():
            why = f"{texts[holes].iloc[0]} is no number"
            decisions.append(Decision(f"{path} ({name})", f"numbers, {int(holes.sum())} missing", why))
            frame = frame.assign(**{str(name): pd.to_numeric(frame[name].where(~holes))})
    return frame

"""The classes of a prediction set: how many, what they are called, and the numbers of those in a file."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import MISSING_VOTE
from ensembler.errors import AlignmentError, Problems, ShapeError, ValueRangeError
from ensembler.predictions.loading.alignment import plain_text
from ensembler.predictions.loading.import_advice import import_words
from ensembler.predictions.loading.table import Table

MOST_CLASSES = 100_000
MOST_NAMES = 100
"""So many classes are named in an error."""
METADATA_FILE = "members.json"
SPARSE_FROM, SPARSE_TIMES = 100, 10
"""Whole numbers are codes rather than counts where the largest is this, and so many times how many occur."""


@dataclass(frozen=True)
class ClassSpace:
    """The classes of a prediction set: how many, and their names where known."""

    n_classes: int
    class_names: tuple[str, ...] | None

    @classmethod
    def of(cls, given: tuple[str, ...] | None, tables: Sequence[Table], labels: Sequence[Table]) -> "ClassSpace":
        """Find the classes of all files, the names being those given where there are some."""
        if given is None:
            refuse_no_answers(tables, labels)
        class_names = name_classes(given, tables, labels)
        if class_names is None:
            refuse_texts(tables, labels)
        return cls(count_classes(class_names, tables, labels), class_names)


def name_classes(
    given: tuple[str, ...] | None, tables: Sequence[Table], labels: Sequence[Table]
) -> tuple[str, ...] | None:
    """Return the class names: from the metadata, else from a header, else from the text labels themselves.

    The numbers 0 … C−1 in a header are the classes' own numbers, whatever their order in the file; other files without
    a header have their columns in that order.
    """
    if given is not None:
        return given
    for table in tables:
        if table.columns is not None:
            numbered = tuple(str(number) for number in range(len(table.columns)))
            if set(table.columns) == set(numbered):
                return numbered
            in_order = by_number(table.columns)
            if in_order is not None:
                return in_order
            check_alike(table.columns)
            return table.columns
    arrays = [table.array for table in (*tables, *labels)]
    if all(array.dtype.kind in "US" and array.ndim == 1 for array in arrays):
        names = tuple(str(name) for name in np.unique(np.concatenate([array.astype(str) for array in arrays])) if name)
        check_alike(names)
        return names
    return sparse_classes(arrays) if all(is_hard(array) for array in arrays) else None


def refuse_texts(tables: Sequence[Table], labels: Sequence[Table]) -> None:
    """Refuse classes that are told as texts where columns have no names, with the file that names them ready made."""
    texts = [table for table in (*labels, *tables) if table.array.dtype.kind in "USO"]
    if texts:
        subject = "labels" if any(texts[0] is table for table in labels) else texts[0].subject
        raise nameless(f"{subject} ({texts[0].path})", [table.array for table in texts])


class NamelessError(ValueRangeError):
    """Classes are told as texts, and nothing says the order of the columns."""

    def __init__(self, message: str = "", *, remedy: Sequence[str] = (), what: str = "", names: Sequence[str] = ()):
        super().__init__(message, remedy=remedy)
        self.what, self.names = what, tuple(names)


def nameless(subject: str, arrays: Sequence[NDArray[Any]]) -> NamelessError:
    """Return the error for texts of classes that have no names."""
    names = sorted({str(name) for array in arrays for name in array.ravel().tolist() if str(name)})
    shown = names[:MOST_NAMES] + ["…"] * (len(names) > MOST_NAMES)
    what = f"{subject} are texts such as {names[0] if names else ''!r}, and the classes have no names"
    return NamelessError(
        f"{what}; if the columns are in this order, as scikit-learn's are, add {METADATA_FILE} beside them: "
        + json.dumps({"class_names": shown}, ensure_ascii=False),
        what=what,
        names=names,
    )


def by_number(columns: Sequence[str]) -> tuple[str, ...] | None:
    """Return columns that are numbered by class in the order of their numbers; None for others.

    >>> by_number(["p_10", "p_2", "p_0"]), by_number(["p1", "p0"])
    (None, ('p0', 'p1'))
    """
    matches = [re.fullmatch(r"(.*?)(\d+)", name) for name in columns]
    found = {int(match[2]): match[0] for match in matches if match is not None}
    alike = {match[1] for match in matches if match is not None}
    if (
        len(found) < len(columns)
        or len(alike) > 1
        or sorted(found) not in (list(range(len(columns))), list(range(1, len(columns) + 1)))
    ):
        return None
    return tuple(found[number] for number in sorted(found))


def is_hard(array: NDArray[Any]) -> bool:
    """Whether an array holds a whole number a row."""
    return array.dtype.kind in "iu" and (array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1))


def refuse_no_answers(tables: Sequence[Table], labels: Sequence[Table]) -> None:
    """Raise where votes are a number that surveys write for no answer, which no row has as its label.

    Raises
    ------
    ValueRangeError
        A vote is 9, 99, 999, …, beyond all labels and all other votes.
    """
    if labels:
        refuse_signs(tables, labels)
    if not labels or not all(is_hard(table.array) for table in (*tables, *labels)):
        return
    problems = Problems()
    largest = max(int(table.array.max(initial=0)) for table in labels)
    for table in tables:
        votes = np.asarray(table.array).ravel()
        code, others = int(votes.max(initial=0)), votes[votes != votes.max(initial=0)]
        if code > largest + 2 and set(str(code)) == {"9"} and others.max(initial=0) < code - 1:
            problems.add(
                ValueRangeError(
                    f"{table.subject} ({table.path}) are {code} in {int((votes == code).sum())} rows, where labels go "
                    f"up to {largest}; if it stands for no answer, write -1 (or an empty cell), and if it is a class, "
                    f"name all of them (class_names in {METADATA_FILE}, or when importing)"
                )
            )
    problems.raise_all()


def refuse_signs(tables: Sequence[Table], labels: Sequence[Table]) -> None:
    """Raise where labels are 0 and 1, and all votes that there are -1 and 1."""
    votes = [np.unique(np.asarray(table.array)) for table in tables if is_hard(table.array)]
    if (
        votes
        and all(is_hard(table.array) and np.isin(table.array, (0, 1)).all() for table in labels)
        and np.array_equal(np.unique(np.concatenate(votes)), (MISSING_VOTE, 1))
    ):
        first = next(table for table in tables if is_hard(table.array))
        raise ValueRangeError(
            f"{first.subject} ({first.path}) is -1 and 1, where labels are 0 and 1; write 0 for -1 if it is a class; "
            f"if it stands for no answer, name the classes (class_names in {METADATA_FILE}, or when importing)"
        )


def sparse_classes(arrays: Sequence[NDArray[Any]]) -> tuple[str, ...] | None:
    """Return the numbers that occur as class names, where they are few of those up to the largest; else None.

    Class numbers such as 10, 200 and 40000 are codes; counting up to the largest would make thousands of empty classes.
    """
    numbers = np.unique(np.concatenate([np.unique(np.asarray(array)) for array in arrays]))
    numbers = numbers[numbers != MISSING_VOTE]
    if not len(numbers) or numbers[0] < 0 or numbers[-1] < SPARSE_FROM or numbers[-1] < SPARSE_TIMES * len(numbers):
        return None
    return tuple(str(number) for number in numbers.tolist())


def check_alike(names: Sequence[str]) -> None:
    """Raise where two classes differ only by case or blanks around them."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.strip().casefold(), name)
        if other != name:
            raise AlignmentError(
                f"classes {other!r} and {name!r} differ only by case or blanks; write one of them alike in all files "
                "(or list both as class_names in members.json if they are two)"
            )


def count_classes(class_names: tuple[str, ...] | None, tables: Sequence[Table], labels: Sequence[Table]) -> int:
    """Return C: the columns of most members, else two for P(class 1), else the names, else the largest label + 1."""
    wide = [table for table in tables if table.array.ndim == 2 and table.array.shape[1] > 1]
    if wide:
        n_columns = Counter(table.array.shape[1] for table in wide).most_common(1)[0][0]
        if class_names is not None and len(class_names) != wide[0].array.shape[1]:
            raise ShapeError(
                f"{wide[0].subject} has {wide[0].array.shape[1]} columns, expected {len(class_names)}, "
                f"one for each class: {', '.join(class_names)}"
            )
        return n_columns if class_names is None else len(class_names)
    if any(table.array.dtype.kind == "f" for table in tables):
        return 2
    if class_names is not None:
        return len(class_names)
    arrays = [table.array for table in (*tables, *labels) if table.array.dtype.kind in "biuf"]
    largest = max((float(array[np.isfinite(array)].max(initial=0)) for array in arrays), default=1.0)
    if largest >= MOST_CLASSES:
        raise ValueRangeError(
            f"labels go up to {largest:g}, expected class numbers below {MOST_CLASSES:,}; regression is not supported"
        )
    return max(2, int(largest) + 1)


def class_numbers(values: NDArray[Any], classes: ClassSpace, subject: str, path: Path) -> NDArray[Any]:
    """Turn class names into class numbers; numbers stay, unless the class names are numbers themselves."""
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    names = classes.class_names
    numeric_names = names is not None and all(re.fullmatch(r"-?\d+", name) for name in names)
    whole = values.dtype.kind in "iu" or (values.dtype.kind == "f" and bool((values % 1 == 0).all()))
    if values.dtype.kind == "b" and names is not None and {name.casefold() for name in names} == {"true", "false"}:
        # Columns called True and False are told by name, whatever their order.
        return np.array([[name.casefold() for name in names].index(str(value).lower()) for value in values.tolist()])
    if values.dtype.kind not in "USO" and not (numeric_names and whole and values.ndim == 1):
        return values
    if values.ndim != 1:
        raise ShapeError(f"{subject} ({path}) are texts of shape {values.shape}, expected one class name a row")
    texts = values.astype(np.int64).astype(str) if whole else values.astype(str)
    if names is None:
        raise nameless(f"{subject} ({path})", [values])
    index = {name: number for number, name in enumerate(names)}
    if numeric_names and whole and len({int(name) for name in names}) == len(names):
        # Classes 01 and 02 are 1 and 2 where they stand as numbers.
        index |= {str(int(name)): number for name, number in index.items()}
    unknown = sorted(set(texts.ravel().tolist()) - set(index))
    if unknown:
        alike = [name for name in names if plain_text(name) == plain_text(unknown[0])]
        guess = f" (spelt {alike[0]!a} there, {unknown[0]!a} here)" if alike else ""
        known = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
        # Columns like prob_cat, where labels say cat: what imports files knows such prefixes.
        prefixed = all(text and any(name.endswith(text) for name in names) for text in unknown)
        raise ValueRangeError(
            f"{subject} ({path}): {unknown[0]!r} is no class, expected one of {known}{guess}",
            remedy=import_words(str(path.parent)) if prefixed else (),
        )
    return np.array([index[value] for value in texts.tolist()], dtype=np.int64)

"""Files and arrays that are called alike but for a number, as folds are: ``lgbm_fold0.csv``, ``lgbm_fold1.csv``."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.predictions.loading.intake.names import own_words, split_of
from ensembler.predictions.loading.intake.plan import Decision

NUMBERED = re.compile(
    r"(?:(?<![a-z0-9])(?:f|cv|split|part|chunk|shard|batch|rank)|k?fold)"
    r"[ _.-]?(\d{1,6})(?:[ _-]?of[ _-]?\d+)?(?![a-z0-9])",
    re.I,
)
"""How names number folds and parts."""


@dataclass(frozen=True)
class Numbered:
    """Files or arrays that are called alike but for a number, by number.

    Attributes
    ----------
    path : Path
        With ``*`` for the number, as in all of them.
    key : str
        In the same way.
    parts : dict of int to Opened or to Item
    """

    path: Path
    key: str
    parts: dict[int, Any]

    @property
    def name(self) -> str:
        """The model that names say."""
        own = own_words(self.key.split("/")[-1]) or own_words(self.path.stem)
        return own or next(filter(None, map(own_words, self.path.parts[-2::-1])), "")

    @property
    def split(self) -> str | None:
        """The set of rows that names say."""
        return split_of(self.path, self.key)

    @property
    def source(self) -> str:
        """How messages call them."""
        return f"{self.path}#{self.key}" if self.key else str(self.path)

    def decision(self, taken_as: str, why: str) -> Decision:
        """Return what they are taken for."""
        numbers = sorted(self.parts)
        return Decision(self.source, f"{taken_as}, {len(numbers)} numbered {numbers[0]} to {numbers[-1]}", why)


def without_number(path: Path, key: str = "") -> tuple[Path, str, int] | None:
    """Return what files of other numbers are called as well, and the number; None where there is none.

    >>> without_number(Path("fold_1/rf_fold1.npy"))
    (PosixPath('*/rf_*.npy'), '', 1)
    """
    names = [*path.parts, *(key.split("/") if key else [])]
    matches = [list(NUMBERED.finditer(name)) for name in names]
    last = next((match[-1] for match in reversed(matches) if match), None)
    if last is None:
        return None
    number = int(last[1])
    names = [NUMBERED.sub(lambda match: "*" if int(match[1]) == number else match[0], name) for name in names]
    return Path(*names[: len(path.parts)]), "/".join(names[len(path.parts) :]), number


def by_name(places: Sequence[tuple[Path, str, Any]]) -> list[Numbered]:
    """Return what is called alike but for a number, where there are several of different numbers."""
    found: dict[tuple[Path, str], list[tuple[int, Any]]] = {}
    for path, key, part in places:
        place = without_number(path, key)
        if place is not None:
            found.setdefault(place[:2], []).append((place[2], part))
    return [
        Numbered(path, key, dict(sorted(parts, key=lambda part: part[0])))
        for (path, key), parts in found.items()
        if len(dict(parts)) == len(parts) > 1
    ]


def with_labels_of_parts(
    groups: Sequence[Numbered],
    length: Callable[[Any], int],
    labels_of: Callable[[Numbered], Sequence[NDArray[Any] | None]],
) -> list[Numbered]:
    """Return the groups that are parts of the same rows, as labels of each part say.

    All have the same numbers and as many rows in each part; labels of one part are the same in all groups, and not
    those of all other parts, as they would be where each model of a fold predicts the same rows.
    """
    labelled = []
    for group in groups:
        own = [labels for labels in labels_of(group) if labels is not None]
        if len(own) == len(group.parts) and not all(np.array_equal(one, two) for one, two in pairwise(own)):
            labelled.append((group, own))
    if not labelled:
        return []
    first, labels = labelled[0]
    found = of_same_rows(groups, first, [len(part) for part in labels], length)
    if not all(
        all(np.array_equal(one, two) for one, two in zip(own, labels, strict=True))
        for group, own in labelled
        if any(group is other for other in found)
    ):
        return []
    return found


def of_same_rows(
    groups: Sequence[Numbered], other: Numbered, lengths: Sequence[int], length: Callable[[Any], int]
) -> list[Numbered]:
    """Return the groups that have the numbers of another one, and as many rows in each part, of the same set of rows.

    Where the other one's name says nothing of its rows, test rows, which folds do not divide, are not meant if there
    are others.
    """
    found = [group for group in groups if list(group.parts) == list(other.parts)]
    found = [group for group in found if [length(part) for part in group.parts.values()] == list(lengths)]
    own = other.split
    if own is not None:
        return [group for group in found if group.split in (None, own)]
    divided = [group for group in found if group.split not in ("test", "new")]
    return found if all(group is other for group in divided) else divided


def natural_order(ids: NDArray[Any]) -> tuple[NDArray[np.intp], bool]:
    """Return the order of ids by number, and whether they count from 0 or 1 without a gap; theirs if some are none."""
    numbers = [int(one) if re.fullmatch(r"\d{1,18}", one) else None for one in ids.tolist()]
    if None in numbers:
        return np.arange(len(ids)), False
    values = np.array(numbers, dtype=np.int64)
    rows = np.argsort(values, kind="stable")
    return rows, bool(values.min() in (0, 1) and (np.diff(values[rows]) == 1).all())


def how_to_join(lengths: Mapping[tuple[Path, str], int], n_labels: Sequence[int]) -> str:
    """Return what is missing where parts have as many rows as labels have together, but no order; else nothing."""
    for group in by_name([(path, key, length) for (path, key), length in lengths.items()]):
        total = sum(group.parts.values())
        if total in n_labels:
            return (
                f"; {group.source} have {total} rows together, as the labels, and nothing tells their order: save the "
                "ids, or the labels, of its rows with each"
            )
    return ""

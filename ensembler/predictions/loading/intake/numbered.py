"""Files and arrays that are called alike but for a number, as folds are: ``lgbm_fold0.csv``, ``lgbm_fold1.csv``."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import AlignmentError
from ensembler.predictions.loading.intake.names import own_words, split_of, words
from ensembler.predictions.loading.intake.plan import Decision, Item, Opened

NUMBERED = re.compile(
    r"(?:(?<![a-z0-9])(?:f|cv|split|part|chunk|shard|batch|rank)|k?fold)"
    r"[ _.-]?(\d{1,6})(?:[ _-]?of[ _-]?\d+)?(?![a-z0-9])",
    re.I,
)
"""How names number folds and parts."""
WHOLE = frozenset({"test", "new"})
"""Sets of rows that folds do not divide, if others are there."""

P = TypeVar("P", Opened, Item)
P_co = TypeVar("P_co", bound=Opened | Item, covariant=True)


@dataclass(frozen=True)
class Numbered(Generic[P_co]):
    """Files or arrays that are called alike but for a number, by number.

    Attributes
    ----------
    path : Path
        With ``*`` for the number, as in all of them.
    key : str
        In the same way.
    parts : mapping of int to Opened or to Item
    """

    path: Path
    key: str
    parts: Mapping[int, P_co]

    @property
    def name(self) -> str:
        """The model that names say."""
        return model_name(self.path, self.key)

    @property
    def split(self) -> str | None:
        """The set of rows that names say."""
        return split_of(self.path, self.key)

    @property
    def lengths(self) -> dict[int, int]:
        """The rows of each part."""
        return {
            number: len(part.array if isinstance(part, Item) else part.frame) for number, part in self.parts.items()
        }

    @property
    def is_run(self) -> bool:
        """Whether numbers count on from 0 or 1."""
        numbers = list(self.parts)
        return numbers[0] in (0, 1) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))

    @property
    def source(self) -> str:
        """How messages call them."""
        return f"{self.path}#{self.key}" if self.key else str(self.path)

    def decision(self, taken_as: str, why: str) -> Decision:
        """Return what they are taken for."""
        numbers = list(self.parts)
        return Decision(self.source, f"{taken_as}, {len(numbers)} numbered {numbers[0]} to {numbers[-1]}", why)


@dataclass(frozen=True)
class PartValues:
    """Labels, or row numbers, of each part."""

    group: Numbered[Opened] | Numbered[Item]
    values: Sequence[NDArray[Any]]

    def is_like(self, other: "PartValues") -> bool:
        """Whether they are the same as others."""
        return len(self.values) == len(other.values) and all(
            np.array_equal(one, two) for one, two in zip(self.values, other.values, strict=True)
        )


def model_name(path: Path, key: str) -> str:
    """Return the model that the names of an array say, from the nearest name that does."""
    own = own_words(key.rsplit("/", maxsplit=1)[-1]) or own_words(path.stem)
    return own or next(filter(None, map(own_words, path.parts[-2::-1])), "")


def patterns(path: Path, key: str = "") -> list[tuple[Path, str, int]]:
    """Return what files of other numbers may be called, and the number; folds, and the last names, first.

    >>> patterns(Path("fold_1/rf_fold1.npy"))[::2]
    [(PosixPath('fold_1/rf_*.npy'), '', 1), (PosixPath('*/rf_*.npy'), '', 1)]
    """
    names = [*path.parts, *(key.split("/") if key else [])]
    marks = [(place, mark) for place, name in enumerate(names) for mark in NUMBERED.finditer(name)]
    marks.sort(key=lambda mark: ("fold" in mark[1][0].lower(), mark[0], mark[1].start()), reverse=True)
    alone = [[mark] for mark in marks]
    numbers = [int(mark[1]) for _, mark in marks]
    twice = [number for number in dict.fromkeys(numbers) if numbers.count(number) > 1]
    together = [[mark for mark in marks if int(mark[1][1]) == number] for number in twice]
    found = []
    for chosen in (*alone, *together):
        starred = list(names)
        # From the end of each name, so that places stay.
        for place, mark in sorted(chosen, key=lambda mark: mark[1].start(), reverse=True):
            starred[place] = f"{starred[place][: mark.start()]}*{starred[place][mark.end() :]}"
        found.append((Path(*starred[: len(path.parts)]), "/".join(starred[len(path.parts) :]), int(chosen[0][1][1])))
    return found


def by_name(places: Sequence[tuple[Path, str, P]]) -> list[Numbered[P]]:
    """Return what is called alike but for a number, where there are several of different numbers."""
    possible = [patterns(path, key) for path, key, _ in places]
    numbers: dict[tuple[Path, str], set[int]] = {}
    for several in possible:
        for path, key, number in several:
            numbers.setdefault((path, key), set()).add(number)
    found: dict[tuple[Path, str], list[tuple[int, P]]] = {}
    for several, (*_, part) in zip(possible, places, strict=True):
        of_some = [(path, key, number) for path, key, number in several if len(numbers[path, key]) > 1]
        if of_some:
            path, key, number = of_some[0]
            found.setdefault((path, key), []).append((number, part))
    return [
        Numbered(path, key, dict(sorted(parts, key=lambda part: part[0])))
        for (path, key), parts in found.items()
        if len(dict(parts)) == len(parts) > 1
    ]


AnyGroup = Numbered[Opened] | Numbered[Item]


def nearest(group: AnyGroup, values: Sequence[PartValues], members: Sequence[AnyGroup]) -> PartValues | None:
    """Return the labels or row numbers of the parts of a member; None where there are none.

    They have its numbers and as many rows in each part, of the same set of rows. Where there are several, those in the
    same file are meant, else those that are called after the model, else those in the same folder.

    Raises
    ------
    AlignmentError
        Several are as near, and differ.
    """
    fitting = [one for one in values if one.group.lengths == group.lengths and are_alike(group, one.group, members)]
    if not fitting:
        return None
    ranks = [nearness(group, one.group) for one in fitting]
    near = [one for one, rank in zip(fitting, ranks, strict=True) if rank == max(ranks)]
    odd = next((one for one in near if not one.is_like(near[0])), None)
    if odd is not None:
        raise AlignmentError(
            f"{group.source} may have the rows of {near[0].group.source} or of {odd.group.source}, which differ; call "
            "those of a model after it, or put its files in a folder of their own"
        )
    return near[0]


def nearness(group: AnyGroup, other: AnyGroup) -> int:
    """Return how near the names of two groups are."""
    if group.path == other.path:
        return 3
    own = set(words(group.name))
    if own and own <= set(words("/".join((*other.path.parts[-2:], other.key)))):
        return 2
    return int(group.path.parent == other.path.parent)


def are_alike(group: AnyGroup, other: AnyGroup, members: Sequence[AnyGroup]) -> bool:
    """Whether a member may have the rows of labels or row numbers, as their names say.

    Where those of the latter say nothing, test rows are not meant if a member has others of these lengths.
    """
    if other.split is None and group.split in WHOLE:
        return not any(one.split not in WHOLE and one.lengths == other.lengths for one in members)
    return is_same_set(group.split, other.split)


def is_same_set(one: str | None, other: str | None) -> bool:
    """Whether two names may be of the same rows: neither says test rows where the other says others."""
    return None in (one, other) or (one in WHOLE) == (other in WHOLE)


def refuse_missing(group: AnyGroup, values: Collection[PartValues], members: Sequence[AnyGroup]) -> None:
    """Raise where a member has some of the parts that others have.

    Raises
    ------
    AlignmentError
    """
    own = group.lengths
    for one in values:
        theirs = one.group.lengths
        common = own.keys() & theirs.keys()
        if len(common) < 2 or own == theirs or not are_alike(group, one.group, members):
            continue
        if all(own[number] == theirs[number] for number in common):
            missing = [number for number in theirs if number not in own]
            what, where = (
                (missing, group) if missing else ([number for number in own if number not in theirs], one.group)
            )
            raise AlignmentError(
                f"{where.source} lacks part {', '.join(map(str, what))}, which "
                f"{(one.group if missing else group).source} has; expected the same parts of every model"
            )


def natural_order(ids: NDArray[np.str_]) -> tuple[NDArray[np.intp], bool]:
    """Return the order of ids by number, and whether they count from 0 or 1 without a gap; theirs if some are none."""
    numbers = [int(one) if re.fullmatch(r"\d{1,18}", one) else None for one in ids.tolist()]
    if None in numbers:
        return np.arange(len(ids)), False
    values = np.array(numbers, dtype=np.int64)
    rows = np.argsort(values, kind="stable")
    return rows, bool(values.min() in (0, 1) and (np.diff(values[rows]) == 1).all())


def how_to_join(lengths: Mapping[tuple[Path, str], int], n_labels: Sequence[int]) -> str:
    """Return what is missing where parts have as many rows as labels have together, but no order; else nothing."""
    empty = [(path, key, Item(path, key, np.zeros(length))) for (path, key), length in lengths.items()]
    for group in by_name(empty):
        total = sum(group.lengths.values())
        if total in n_labels:
            return (
                f"; {group.source} have {total} rows together, as the labels, and nothing tells their order: save the "
                "ids, or the labels, of its rows with each"
            )
    return ""

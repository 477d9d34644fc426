"""A prediction set in memory: the class probabilities of several members on the same rows, and the labels."""

import functools
import json
import re
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ensembler.arrays import (
    MANY_VALUES,
    MISSING_VOTE,
    Floats,
    Labels,
    Missing,
    check_labels,
    check_member_names,
    check_proba,
    check_sample_weight,
    digest,
)
from ensembler.errors import AlignmentError, ShapeError, UnknownNameError, UsageError, ValueRangeError, setting
from ensembler.parallel.threads import side_by_side
from ensembler.predictions.files import write_array, write_text
from ensembler.predictions.votes import Votes, missing_votes

SHOWN_NAMES = 5
"""So many members are named where a set is shown in one line."""


@dataclass(frozen=True, eq=False, init=False)
class Predictions(Votes):
    """Class probabilities of M members on N rows, checked on construction.

    Parameters
    ----------
    proba : (M, N, C)
        Kept as float32 or float64; each row sums to 1 within 1e-3.
    labels : (N,) optional
        Class index of each row, kept as int64; None for rows that only wait for a prediction.
    names : sequence of str, optional
        One name a member; by default ``member-0``, ``member-1``, …
    class_names : sequence of str, optional
    metadata : sequence of mappings, optional
        Free facts about each member: architecture, parameters, cost.
    hard : sequence of bool, optional
        Which members exist as hard labels only, so that their rows are one-hot votes.
    missing : (M, N) bool, optional
        Votes that hard members have not cast; their rows of ``proba`` hold zeros, which add nothing to any sum. Kept
        as None where no vote is missing.
    sample_weight : (N,) optional
        Row weights; only their ratios matter.
    groups : (N,) optional
        Rows of one group stay together when rows are divided into folds.
    ids : (N,) optional
        What the rows are called in the files they came from.
    validation : Predictions, optional
        The rows that weights are fitted on: the same members and classes.
    check_input : bool
        Pass False only for probabilities that `ensembler.arrays` has already seen.

    Raises
    ------
    ShapeError, ValueRangeError, AlignmentError
        What is wrong with which array.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.4, 0.6], [0.3, 0.7]]])
    >>> predictions = Predictions(proba, [0, 1], names=["big", "small"])
    >>> predictions.n_members, predictions.n_samples, predictions.n_classes
    (2, 2, 2)
    >>> predictions.select(["b*"]).names
    ('big',)
    """

    proba: Floats
    labels: NDArray[np.int64] | None = None
    names: tuple[str, ...] = ()
    class_names: tuple[str, ...] | None = None
    metadata: tuple[Mapping[str, Any], ...] = ()
    hard: tuple[bool, ...] = ()
    missing: Missing | None = None
    sample_weight: NDArray[np.float64] | None = None
    groups: NDArray[Any] | None = None
    ids: NDArray[Any] | None = None
    validation: "Predictions | None" = None

    def __init__(
        self,
        proba: ArrayLike,
        labels: ArrayLike | None = None,
        *,
        names: Sequence[str] | None = None,
        class_names: Sequence[str] | None = None,
        metadata: Sequence[Mapping[str, Any]] | None = None,
        hard: Sequence[bool] | None = None,
        missing: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        ids: ArrayLike | None = None,
        validation: "Predictions | None" = None,
        check_input: bool = True,
    ) -> None:
        # The length is only known once the names are; names make the messages.
        n_given = len(proba) if isinstance(proba, Sized) else 0
        members = tuple(names) if names is not None else tuple(f"member-{index}" for index in range(n_given))
        check_member_names(members, n_given)
        array = check_proba(proba, "predictions", members, missing) if check_input else np.asarray(proba)
        n_members, n_samples, n_classes = array.shape

        def per_member(value: Sequence[Any] | None, what: str, default: Any) -> tuple[Any, ...]:
            filled = tuple(value) if value is not None else (default,) * n_members
            if len(filled) != n_members:
                raise ShapeError(f"{what} has {len(filled)} entries, expected one for each of {n_members} members")
            return filled

        if class_names is not None and len(class_names) != n_classes:
            raise ShapeError(
                f"{len(class_names)} class names ({', '.join(map(str, class_names))}) for predictions of {n_classes} "
                "classes; expected one name a class, in the order of the columns"
            )
        hard_members = tuple(map(bool, per_member(hard, "hard", default=False)))
        values = {
            "proba": array,
            "labels": None if labels is None else check_labels(labels, n_samples, n_classes),
            "names": members,
            "class_names": None if class_names is None else tuple(map(str, class_names)),
            "metadata": per_member(metadata, "metadata", {}),
            "hard": hard_members,
            "missing": None if missing is None else missing_votes(missing, array, members, hard_members),
            "sample_weight": None if sample_weight is None else check_sample_weight(sample_weight, n_samples),
            "groups": None if groups is None else checked_groups(groups, n_samples),
            "ids": None if ids is None else one_a_row(ids, n_samples, "ids"),
            "validation": validation,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if validation is not None:
            self._check_validation(validation)

    def _check_validation(self, validation: "Predictions") -> None:
        if validation.names != self.names:
            raise AlignmentError(
                f"validation has the members {', '.join(validation.names)}, expected those of the scored rows: "
                f"{', '.join(self.names)}"
            )
        if validation.n_classes != self.n_classes:
            raise ShapeError(f"validation has {validation.n_classes} classes, the scored rows have {self.n_classes}")
        for name, hard, fitted_hard in zip(self.names, self.hard, validation.hard, strict=True):
            if hard != fitted_hard:
                raise AlignmentError(
                    f"member {name!r} is hard labels {'here' if hard else 'in the validation rows'} and probabilities "
                    f"{'in the validation rows' if hard else 'here'}; expected one kind"
                )
        if validation.labels is None:
            raise AlignmentError("validation has no labels, expected one a row: weights are fitted on them")

    @property
    def n_members(self) -> int:
        """Number of members, M."""
        return int(self.proba.shape[0])

    @property
    def n_samples(self) -> int:
        """Number of rows, N."""
        return int(self.proba.shape[1])

    @property
    def n_classes(self) -> int:
        """Number of classes, C."""
        return int(self.proba.shape[2])

    @property
    def any_hard(self) -> bool:
        """Whether a member exists as hard labels only."""
        return any(self.hard)

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, or the class numbers as text."""
        return self.class_names or tuple(map(str, range(self.n_classes)))

    @property
    def true_labels(self) -> NDArray[np.int64]:
        """The labels, or an error if there are none."""
        if self.labels is None:
            raise AlignmentError("these predictions have no labels, expected one a row; pass labels")
        return self.labels

    @functools.cached_property
    def digests(self) -> tuple[str, ...]:
        """The sha256 of each member's array, as stored here: what tells two members, or two sets, apart."""
        return tuple(digest(member) for member in self.proba)

    def take(self, rows: NDArray[np.intp]) -> "Predictions":
        """Return the set of some of the rows, without validation rows."""
        return self.replace(
            proba=rows_of(self.proba, rows),
            labels=None if self.labels is None else self.labels[rows],
            missing=None if self.missing is None else self.missing[:, rows],
            sample_weight=None if self.sample_weight is None else self.sample_weight[rows],
            groups=None if self.groups is None else self.groups[rows],
            ids=None if self.ids is None else self.ids[rows],
            validation=None,
        )

    def replace(self, **changes: Any) -> "Predictions":
        """Return a copy with some fields changed; row weights, groups, ids and validation rows stay unless they are.

        Parameters
        ----------
        **changes
            Fields by name, as on construction. Probabilities are not checked once more: rows must sum to 1.
        """
        kept = {field.name: getattr(self, field.name) for field in fields(self)}
        copy = Predictions(**{**kept, **changes}, check_input=False)
        if "sample_weight" not in changes:
            # Weights that are rescaled once more may differ in the last bit.
            object.__setattr__(copy, "sample_weight", self.sample_weight)
        return copy

    def __repr__(self) -> str:
        """Return the sizes and the names."""
        few = ", ".join(self.names[:SHOWN_NAMES]) + (", …" if self.n_members > SHOWN_NAMES else "")
        shape = f"{self.n_members} members, {self.n_samples} rows, {self.n_classes} classes"
        if self.missing is not None:
            shape += f", {self.missing.sum()} missing votes"
        return f"<Predictions: {shape}{'' if self.labels is None else ', labelled'}: {few}>"

    def select(self, only: Sequence[str] = (), without: Sequence[str] = ()) -> "Predictions":
        """Return the set of the members whose names match a pattern of ``only`` and none of ``without``."""
        kept = [self.names.index(name) for name in matching(self.names, only, without)]
        return self if len(kept) == self.n_members else self.pick(kept)

    def pick(self, members: Sequence[int]) -> "Predictions":
        """Return the set of the members of these numbers, in this order, here and in the validation rows.

        >>> import numpy as np
        >>> Predictions(np.full((3, 1, 2), 0.5), names=["a", "b", "c"]).pick([2, 0]).names
        ('c', 'a')
        """
        kept = list(members)
        return self.replace(
            proba=self.proba[kept],
            names=[self.names[member] for member in kept],
            metadata=[self.metadata[member] for member in kept],
            hard=[self.hard[member] for member in kept],
            missing=None if self.missing is None else self.missing[kept],
            validation=None if self.validation is None else self.validation.pick(kept),
        )

    def save(self, folder: str | Path) -> Path:
        """Write the set as ``<member>.npy``, ``labels.npy``, ``members.json`` and ``val/``; return the folder.

        Hard members are written as class numbers, a missing vote as -1. Row weights, groups and ids become
        ``weights.npy``, ``groups.npy`` and ``ids.npy`` in a folder of their own, ``rows/``, so that they are not taken
        for members.
        """
        folder = Path(folder)
        for name in self.names:
            if name == "labels" or Path(name).name != name:
                raise ValueRangeError(f"member {name!r} cannot be saved under its name; rename it")
        self._save_rows(folder)
        if self.validation is not None:
            self.validation._save_rows(folder / "val")
        facts: dict[str, Any] = {} if self.class_names is None else {"class_names": list(self.class_names)}
        facts["members"] = {name: dict(entry) for name, entry in zip(self.names, self.metadata, strict=True)}
        write_text(folder / "members.json", json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
        return folder

    def _save_rows(self, folder: Path) -> None:
        for index, (name, hard) in enumerate(zip(self.names, self.hard, strict=True)):
            write_array(folder / f"{name}.npy", self._as_named(self.votes_of(index)) if hard else self.proba[index])
        if self.labels is not None:
            write_array(folder / "labels.npy", self._as_named(self.labels))
        for name, rows in (("weights", self.sample_weight), ("groups", self.groups), ("ids", self.ids)):
            if rows is not None:
                write_array(folder / "rows" / f"{name}.npy", rows)
            else:
                # Those of a set that was here before are of other rows.
                (folder / "rows" / f"{name}.npy").unlink(missing_ok=True)

    def _as_named(self, labels: Labels) -> Labels:
        """Return class numbers as files have them: class names that are numbers stand in the place of those."""
        if self.class_names is None or not all(re.fullmatch(r"-?\d+", name) for name in self.class_names):
            return labels
        named = np.array([int(name) for name in self.class_names], dtype=np.int64)[labels]
        return np.where(labels == MISSING_VOTE, MISSING_VOTE, named)


def matching(names: Sequence[str], only: Sequence[str], without: Sequence[str]) -> list[str]:
    """Return the names that match a pattern of ``only`` (all, if there is none) and none of ``without``."""
    for pattern in (*only, *without):
        if not any(is_match(name, pattern) for name in names):
            raise UnknownNameError("member or pattern", pattern, names)
    kept = [
        name
        for name in names
        if (not only or any(is_match(name, pattern) for pattern in only))
        and not any(is_match(name, pattern) for pattern in without)
    ]
    if not kept:
        chosen = [("only", pattern) for pattern in only] + [("without", pattern) for pattern in without]
        given = " ".join(setting(name, pattern) for name, pattern in chosen)
        raise UsageError(f"{given} leaves no member of {', '.join(names)}; drop one of them")
    return kept


def is_match(name: str, pattern: str) -> bool:
    """Whether a name is the pattern, to the letter, or matches it: brackets may be part of a name.

    >>> is_match("resnet[seed=1]", "resnet[seed=1]"), is_match("resnet-1", "resnet-[12]")
    (True, True)
    """
    return name == pattern or fnmatchcase(name, pattern)


def checked_groups(groups: ArrayLike, n_samples: int) -> NDArray[Any]:
    """Return the group of each row; `ValueRangeError` where a row has none."""
    array = one_a_row(groups, n_samples, "groups")
    # What is not there is not equal to itself.
    absent = (
        np.array([value is None or value != value for value in array]) if array.dtype.kind == "O" else array != array
    )
    if absent.any():
        row = int(np.flatnonzero(absent)[0])
        raise ValueRangeError(
            f"groups: row {row} is {array[row]} (of {np.count_nonzero(absent):,} such), expected a group in every row; "
            "give rows without one groups of their own"
        )
    return array


def one_a_row(values: ArrayLike, n_samples: int, subject: str) -> NDArray[Any]:
    """Return a one-dimensional array of N values."""
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (n_samples,):
        raise ShapeError(f"{subject} has shape {array.shape}, expected ({n_samples},): one value a row")
    return array


def rows_of(proba: Floats, rows: NDArray[np.intp]) -> Floats:
    """Return a copy of some rows of (M, N, C) probabilities; of many, members are copied side by side."""
    if proba.shape[0] * len(rows) * proba.shape[2] <= MANY_VALUES or rows.min() < 0 or rows.max() >= proba.shape[1]:
        return np.asarray(proba.take(rows, axis=1))
    copy = np.empty((proba.shape[0], len(rows), proba.shape[2]), proba.dtype)

    def take(member: int) -> None:
        # Rows that are all there need not be looked for, which would buffer the result.
        np.take(proba[member], rows, axis=0, out=copy[member], mode="clip")

    side_by_side(take, range(len(proba)))
    return copy

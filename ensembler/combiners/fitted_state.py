"""What a rule declares of its fitted state, so that a saved one is checked before it is used.

A rule's `fitted_state` maps the name of everything it fits to one of the kinds below. Shapes are tuples of letters: M
members, C classes, others as a rule defines them or, where it does not, whatever the first array has.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ensembler.errors import ValueRangeError
from ensembler.serialization import from_plain

LARGEST = 1e200
"""Numbers beyond it would overflow in sums and products."""
TINY = float(np.finfo(np.float64).tiny)
"""The smallest number above 0 that is one on every processor, also where subnormal ones are taken for 0."""
SIZES = ("n_members_", "n_classes_")

Sizes = MutableMapping[str, int]


class Kind(Protocol):
    """One kind of fitted value."""

    def take(self, value: Any, sizes: Sizes) -> Any:
        """Return what a JSON value stands for, or raise `ValueRangeError` saying what was expected of it."""


@dataclass(frozen=True)
class Numbers:
    """An array of numbers.

    Parameters
    ----------
    shape : str
        A letter an axis: ``"M"``, ``"MC"``.
    low, high : float
        What its numbers lie between.
    dtype : "float64", "float32", "int64" or "bool"
    nan : bool
        Whether numbers may be missing.
    other_shape : str, optional
        Another shape that the rule knows what to do with.
    some : bool
        Whether one number at least is not 0.

    Examples
    --------
    >>> Numbers("M", low=0).take({"dtype": "float64", "array": [0.25, 0.75]}, {"M": 2})
    array([0.25, 0.75])
    >>> Numbers("M", low=0).take({"dtype": "float64", "array": [0.25, -0.75]}, {"M": 2})
    Traceback (most recent call last):
    ensembler.errors.ValueRangeError: holds -0.75, expected numbers from 0 to 1e+200
    """

    shape: str
    low: float = -LARGEST
    high: float = LARGEST
    dtype: str = "float64"
    nan: bool = False
    other_shape: str | None = None
    some: bool = False

    def take(self, value: Any, sizes: Sizes) -> Any:
        """Return the array."""
        array = from_plain(value)
        if not isinstance(array, np.ndarray) or array.dtype.name != self.dtype:
            got = f"an array of {array.dtype.name}" if isinstance(array, np.ndarray) else f"a {type(array).__name__}"
            raise ValueRangeError(f"is {got}, expected an array of {self.dtype}")
        self._check_shape(array.shape, sizes)
        if self.dtype == "bool":
            return array
        outside = ~((array >= self.low) & (array <= self.high))
        if self.nan:
            outside &= ~np.isnan(array)
        if outside.any():
            raise ValueRangeError(f"holds {array[outside][0]:g}, expected numbers from {self.low:g} to {self.high:g}")
        if self.some and not array.any():
            raise ValueRangeError("holds nothing but zeros, expected a number above 0")
        return array

    def _check_shape(self, shape: tuple[int, ...], sizes: Sizes) -> None:
        letters = self.other_shape if self.other_shape and len(shape) == len(self.other_shape) else self.shape
        known = [sizes.get(letter, size) for letter, size in zip(letters, shape, strict=False)]
        if len(shape) != len(letters) or list(shape) != known or 0 in shape:
            expected = ", ".join(str(sizes.get(letter, "some")) for letter in letters)
            raise ValueRangeError(f"has shape {shape}, expected ({expected})")
        for letter, size in zip(letters, shape, strict=True):
            sizes.setdefault(letter, size)


@dataclass(frozen=True)
class Number:
    """One number.

    Parameters
    ----------
    low, high : float
        What it lies between.
    whole : bool
        Whether it is an integer.
    below : str, optional
        The letter of a size that it is smaller than.
    """

    low: float = -LARGEST
    high: float = LARGEST
    whole: bool = False
    below: str | None = None

    def take(self, value: Any, sizes: Sizes) -> Any:
        """Return the number."""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            raise ValueRangeError(f"is {brief(value)}, expected {'a whole' if self.whole else 'a'} number")
        high = self.high if self.below is None else sizes[self.below] - 1
        if not self.low <= value <= high:
            raise ValueRangeError(f"is {brief(value)}, expected a number from {self.low:g} to {high:g}")
        return value if self.whole else float(value)


@dataclass(frozen=True)
class Several:
    """A list of values of one kind, of any length or of one that has a letter."""

    kind: Kind
    size: str | None = None

    def take(self, value: Any, sizes: Sizes) -> Any:
        """Return the list."""
        if not isinstance(value, list):
            raise ValueRangeError(f"is {brief(value)}, expected a list")
        if self.size is not None and len(value) != sizes.setdefault(self.size, len(value)):
            raise ValueRangeError(f"has {len(value)} entries, expected {sizes[self.size]}")
        return [self.kind.take(item, dict(sizes)) for item in value]


@dataclass(frozen=True)
class Maybe:
    """A value of some kind, or None."""

    kind: Kind

    def take(self, value: Any, sizes: Sizes) -> Any:
        """Return the value."""
        return None if value is None else self.kind.take(value, sizes)


@dataclass(frozen=True)
class OneOf:
    """One of some names."""

    names: Sequence[str]

    def take(self, value: Any, sizes: Sizes) -> Any:
        """Return the name."""
        if not isinstance(value, str) or value not in self.names:
            raise ValueRangeError(f"is {brief(value)}, expected {', '.join(self.names)}")
        return value


@dataclass(frozen=True)
class Truth:
    """True or false."""

    def take(self, value: Any, sizes: Sizes) -> Any:
        """Return it."""
        if not isinstance(value, bool):
            raise ValueRangeError(f"is {brief(value)}, expected true or false")
        return value


@dataclass(frozen=True)
class Plain:
    """Anything that JSON has a form for, of a rule that does not say more."""

    def take(self, value: Any, sizes: Sizes) -> Any:
        """Return the value."""
        return from_plain(value)


@dataclass(frozen=True)
class RuleState:
    """The state of a rule inside, which checks it itself."""

    def take(self, value: Any, sizes: Sizes) -> Any:
        """Return it as it is."""
        if not isinstance(value, dict):
            raise ValueRangeError(f"is {brief(value)}, expected what a rule has fitted")
        return value


N_MEMBERS, N_CLASSES = Number(1, 1e9, whole=True), Number(2, 1e9, whole=True)
WEIGHTS = Numbers("M", low=0.0, other_shape="MC", some=True)
"""One weight a member, or one a member and class."""
ACCURACY = Numbers("M", low=0.0, high=1.0 + 1e-9)
"""One accuracy a member, as it is summed up from row weights."""


PRIORS = Numbers("C", low=TINY, high=1.0)
"""One probability a class, which a class that no row has gets too."""


def take_state(subject: str, declared: Mapping[str, Kind], state: Any, sizes: Mapping[str, int]) -> dict[str, Any]:
    """Return the values that a saved state holds, each checked.

    Raises
    ------
    ValueRangeError
        A name is missing or not declared, or a value has another kind, shape or range than declared.
    """
    check_names(subject, state, declared)
    known, values = dict(sizes), {}
    for name, kind in declared.items():
        try:
            values[name] = kind.take(state[name], known)
        except ValueError as error:
            raise ValueRangeError(f"{subject}: {name} {error}") from error
    return values


def take_sizes(subject: str, state: Any) -> dict[str, int]:
    """Return for how many members and classes a rule was fitted, as ``{"M": …, "C": …}``."""
    kinds = dict(zip(SIZES, (N_MEMBERS, N_CLASSES), strict=True))
    given = {name: state[name] for name in SIZES if name in state} if isinstance(state, Mapping) else state
    values = take_state(subject, kinds, given, {})
    return {"M": values["n_members_"], "C": values["n_classes_"]}


def check_names(subject: str, state: Any, declared: Mapping[str, Kind]) -> None:
    """Raise unless a state has the names that are declared, and no others."""
    if not isinstance(state, Mapping):
        raise ValueRangeError(f"{subject}: the state is {brief(state)}, expected fitted values by name")
    missing = [name for name in declared if name not in state]
    surplus = [brief(name) for name in state if name not in declared]
    problems = [f"has no {', '.join(missing)}"] if missing else []
    problems += [f"has {', '.join(surplus[:5])}, which the rule does not fit"] if surplus else []
    if problems:
        raise ValueRangeError(f"{subject}: the state {' and '.join(problems)}")


def brief(value: Any) -> str:
    """Return a value as text that is never long."""
    if isinstance(value, (list, dict)):
        return f"a {type(value).__name__}"
    if isinstance(value, int) and abs(value) > 10**20:
        return "a huge number"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"

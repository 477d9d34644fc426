"""What members cost, alone and together."""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Values
from ensembler.errors import DataWarning, FileError, UnknownNameError, UsageError, ValueRangeError, spelled
from ensembler.predictions.files import read_json
from ensembler.predictions.loading.folder import COSTS, is_cost
from ensembler.predictions.prediction_set import Predictions

Inside = NDArray[np.bool_]
"""Which members are in which committee, (S, M)."""


@dataclass(frozen=True)
class SharedCost:
    """Work that several members have in common: paid once, by whichever of them runs first."""

    members: tuple[int, ...]
    cost: float


@dataclass(frozen=True)
class Costs:
    """What it costs to run members on a row.

    A committee costs the sum of its members and, once each, of the shared work that at least one of them needs.

    Attributes
    ----------
    members : tuple of float
        Of each member by itself, without what it shares.
    unit : str
        In what; "members" where all count the same.
    shared : tuple of SharedCost

    Examples
    --------
    >>> costs = Costs((1.0, 1.0, 4.0), "seconds", (SharedCost((0, 1), 2.0),))
    >>> costs.of(np.array([[True, False, False], [True, True, False], [True, True, True]])).tolist()
    [3.0, 4.0, 8.0]
    """

    members: tuple[float, ...]
    unit: str
    shared: tuple[SharedCost, ...] = ()

    @property
    def full(self) -> float:
        """The cost of all members."""
        return float(self.of(np.ones((1, len(self.members)), dtype=bool))[0])

    @property
    def equal(self) -> bool:
        """Whether members only count, since nobody said what they cost."""
        return self.unit == EQUAL

    def of(self, inside: Inside) -> Values:
        """Return the cost of each committee, (S,)."""
        total: Values = inside.astype(np.float64) @ np.array(self.members, dtype=np.float64)
        for shared in self.shared:
            total += shared.cost * inside[:, list(shared.members)].any(axis=1).astype(np.float64)
        return total

    @classmethod
    def of_set(cls, predictions: Predictions, field: str | None = None) -> Self:
        """Return the costs that the members' metadata holds: of one field, or of the first known one that all have.

        Without any, members cost 1 each.

        Raises
        ------
        UsageError
            A member has no such field, or no number above 0 in it.
        """
        for key in COSTS if field is None else (field,):
            found = [facts.get(key) for facts in predictions.metadata]
            known = [float(cost) for cost in found if is_cost(cost)]
            if len(known) == len(found):
                return cls(tuple(known), key.replace("_", "-"))
        if field is not None:
            raise UsageError(describe_field(predictions, field))
        return cls((1.0,) * predictions.n_members, EQUAL)

    @classmethod
    def of_file(cls, path: Path, names: Sequence[str]) -> Self:
        """Read ``{"unit": …, "members": {name: cost}, "shared": [{"members": [names], "cost": …}]}``.

        ``unit`` and ``shared`` may be left out, and so may all but the costs by name.

        Raises
        ------
        FileError, ValueRangeError, UnknownNameError
        """
        document = read_json(path)
        if not isinstance(document, dict):
            raise FileError(f"{path}: expected costs by member: {example(names)}")
        if not isinstance(document.get("members"), dict):
            document = {"members": document}
        surplus = [key for key in document if key not in ("unit", "members", "shared")]
        if surplus:
            raise FileError(f"{path}: has {surplus[0]!r}, expected unit, members and shared: {example(names)}")
        by_name = document["members"]
        missing = [name for name in names if name not in by_name]
        if missing:
            raise FileError(f"{path}: no cost of {', '.join(missing)}; expected one for each member: {example(names)}")
        further = [name for name in by_name if name not in names]
        if further:
            known = f"{path}: has costs of {', '.join(map(repr, further[:3]))} too, and no member is called that"
            warnings.warn(f"{known}; is it a typing error?", DataWarning, stacklevel=2)
        costs = [check_cost(by_name[name], f"{path}: cost of {name}") for name in names]
        if not any(costs):
            raise ValueRangeError(f"{path}: every member costs 0, expected one that costs something")
        unit = document.get("unit", "cost")
        if not isinstance(unit, str) or not unit:
            raise ValueRangeError(f"{path}: unit is {unit!r}, expected a text")
        return cls(tuple(costs), unit, tuple(read_shared(document.get("shared", []), names, path)))

    def pick(self, members: Sequence[int]) -> Self:
        """Return the costs of some of the members, in this order."""
        place = {member: position for position, member in enumerate(members)}
        shared = [
            SharedCost(tuple(place[member] for member in entry.members if member in place), entry.cost)
            for entry in self.shared
        ]
        kept = tuple(self.members[member] for member in members)
        return type(self)(kept, self.unit, tuple(entry for entry in shared if entry.members))

    def to_dict(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the costs as `of_file` reads them."""
        return {
            "unit": self.unit,
            "members": dict(zip(names, self.members, strict=True)),
            "shared": [
                {"members": [names[member] for member in entry.members], "cost": entry.cost} for entry in self.shared
            ],
        }


EQUAL = "members"
MOST_COST = 1e100
"""Sums of costs up to this are finite."""


def read_shared(entries: Any, names: Sequence[str], path: Path) -> list[SharedCost]:
    """Return shared work as a file has it."""
    if not isinstance(entries, list):
        raise FileError(f"{path}: shared is {type(entries).__name__}, expected a list of members and cost")
    found = []
    for entry in entries:
        if (
            not isinstance(entry, Mapping)
            or set(entry) != {"members", "cost"}
            or not isinstance(entry["members"], list)
        ):
            raise FileError(f'{path}: shared has {json.dumps(entry)[:80]}, expected {{"members": [names], "cost": …}}')
        unknown = [name for name in entry["members"] if name not in names]
        if unknown:
            raise UnknownNameError("member", str(unknown[0]), names)
        members = tuple(sorted({names.index(name) for name in entry["members"]}))
        found.append(SharedCost(members, check_cost(entry["cost"], f"{path}: shared cost")))
    return [entry for entry in found if entry.members]


def may_cost(value: Any) -> bool:
    """Whether a value is a number that can be a cost; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= MOST_COST


def check_cost(value: Any, subject: str) -> float:
    """Return a cost, or raise unless it is a number >= 0."""
    if not may_cost(value):
        raise ValueRangeError(f"{subject} is {value!r}, expected a number from 0 to {MOST_COST:g}")
    return float(value)


def example(names: Sequence[str]) -> str:
    """Return what a file of costs looks like."""
    return json.dumps({name: place + 1 for place, name in enumerate(names[:2])}, ensure_ascii=False)


def describe_field(predictions: Predictions, field: str) -> str:
    """Say that members have no such figure, and which they have."""
    known = [
        key
        for key in dict.fromkeys(key for facts in predictions.metadata for key in facts)
        if all(is_cost(facts.get(key)) for facts in predictions.metadata)
    ]
    without = [
        name
        for name, facts in zip(predictions.names, predictions.metadata, strict=True)
        if not is_cost(facts.get(field))
    ]
    others = ", ".join(known) or "none"
    given = spelled(f"--cost {field}", field)
    return f"{given}: no number above 0 for {', '.join(without[:3])}; figures that all members have: {others}"

"""A cascade's file, written and read without trust."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ensembler.deployment.cascades.committees import SIGNALS
from ensembler.deployment.cascades.costs import Costs, SharedCost, may_cost
from ensembler.deployment.cascades.definition import CascadeDefinition, Stage
from ensembler.deployment.cascades.guarantee import RISKS, Guarantee
from ensembler.deployment.document import (
    Entries,
    NotRecipeError,
    check_entries,
    check_unchanged,
    is_list_of,
    is_names,
    is_object,
    is_text,
    is_whole,
    read_document,
    restoring,
    write_document,
)
from ensembler.deployment.recipe import Recipe
from ensembler.errors import FileError, ValueRangeError

FAMILY = "ensembler.cascade-recipe"
SCHEMA = f"{FAMILY}/1"


def save_cascade(cascade: CascadeDefinition, path: str | Path) -> None:
    """Write a cascade; an older file stays until the new one is whole."""
    names = cascade.names
    document = {
        "schema": SCHEMA,
        "ensemble": cascade.recipe.to_document(),
        "confidence": cascade.confidence,
        "stages": [
            {"members": [names[member] for member in stage.members], "threshold": stage.threshold}
            for stage in cascade.steps
        ],
        "costs": cascade.costs.to_dict(names),
        "guarantee": None if cascade.guarantee is None else vars(cascade.guarantee),
    }
    write_document(path, document, "the cascade")


def is_cascade(path: Path) -> bool:
    """Whether a file is a cascade, of whatever version."""
    try:
        return str(read_document(path)["schema"]).startswith(FAMILY)
    except NotRecipeError:
        return False


def load_cascade(path: Path) -> CascadeDefinition:
    """Read a cascade.

    Raises
    ------
    FileError
        The file is missing, no cascade, damaged, changed, or of a rule that is not installed.
    """
    return restored(path, read_document(path))


def load_saved(path: Path) -> Recipe | CascadeDefinition:
    """Read a file that a saved rule or a cascade is in.

    Raises
    ------
    FileError
        It is missing, neither of them, damaged, changed, or of a rule that is not installed.
    """
    document = read_document(path)
    if document["schema"].startswith(FAMILY):
        return restored(path, document)
    with restoring(path):
        return Recipe.from_document(document)


def restored(path: Path, document: Mapping[str, Any]) -> CascadeDefinition:
    """Return the cascade that a document describes."""
    with restoring(path):
        if document["schema"] != SCHEMA:
            raise FileError(
                f"schema is {document['schema']!r}, expected {SCHEMA!r}: a file that `ensembler cascade --save` wrote"
            )
        check_entries(document, ENTRIES)
        recipe = Recipe.from_document(document["ensemble"])
        made = CascadeDefinition(
            recipe,
            read_stages(document["stages"], recipe.names),
            document["confidence"],
            read_costs(document["costs"], recipe.names),
            read_guarantee(document["guarantee"]),
        )
        check_unchanged(document)
    return made


def read_stages(entries: Sequence[Mapping[str, Any]], names: Sequence[str]) -> tuple[Stage, ...]:
    """Return stages, each of which has the members of the one before and others."""
    stages: list[Stage] = []
    for number, entry in enumerate(entries, start=1):
        subject = f"stage {number}"
        check_part(entry, STAGE, subject)
        unknown = [name for name in entry["members"] if name not in names]
        if unknown:
            raise ValueRangeError(f"{subject} has the member {unknown[0]!r}, which the ensemble has not")
        members = tuple(sorted(names.index(name) for name in entry["members"]))
        if stages and not set(stages[-1].members) < set(members):
            raise ValueRangeError(f"{subject} has not all members of the stage before, and others")
        if (entry["threshold"] is None) != (number == len(entries)):
            raise ValueRangeError(
                f"{subject} has the threshold {entry['threshold']}, expected none in the last stage only"
            )
        stages.append(Stage(members, entry["threshold"]))
    return tuple(stages)


def read_costs(entry: Mapping[str, Any], names: Sequence[str]) -> Costs:
    """Return the costs of members."""
    check_part(entry, COSTS, "costs")
    if list(entry["members"]) != list(names):
        raise ValueRangeError("costs are of other members than the ensemble's")
    costs = tuple(map(float, entry["members"].values()))
    shared = []
    for work in entry["shared"]:
        check_part(work, SHARED, "costs: shared")
        if not set(work["members"]) <= set(names):
            raise ValueRangeError("costs: shared work of members that the ensemble has not")
        shared.append(SharedCost(tuple(sorted(map(names.index, work["members"]))), float(work["cost"])))
    if not any(costs) and not any(work.cost for work in shared):
        raise ValueRangeError("costs are all 0")
    return Costs(costs, entry["unit"], tuple(shared))


def read_guarantee(entry: Mapping[str, Any] | None) -> Guarantee | None:
    """Return what thresholds promise."""
    if entry is None:
        return None
    check_part(entry, GUARANTEE, "guarantee")
    if entry["n_rows_with"] > entry["n_calibration"]:
        raise ValueRangeError("guarantee: n_rows_with is more than n_calibration")
    return Guarantee(**entry)


def check_part(entry: Any, entries: Entries, subject: str) -> None:
    """Raise unless a part of the document is an object with its entries."""
    if not isinstance(entry, dict):
        raise ValueRangeError(f"{subject} is not an object")
    try:
        check_entries(entry, entries)
    except ValueRangeError as error:
        raise ValueRangeError(f"{subject}: {error}") from error


def is_number(value: Any, low: float, high: float) -> bool:
    """Whether a value is a number within bounds; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


def is_fraction(value: Any) -> bool:
    """Whether a value is a number between 0 and 1, and neither."""
    return is_number(value, 0, 1) and 0 < value < 1


ENTRIES: Entries = {
    "schema": (is_text, "a text"),
    "ensemble": (is_object, "a recipe"),
    "confidence": (lambda value: value in SIGNALS, f"one of {', '.join(SIGNALS)}"),
    "stages": (is_list_of(dict), "a list of stages"),
    "costs": (is_object, "costs by member"),
    "guarantee": (lambda value: value is None or is_object(value), "null, or what is promised"),
}
STAGE: Entries = {
    "members": (is_names, "a list of different names"),
    "threshold": (lambda value: value is None or is_number(value, 0, 1), "null, or a number from 0 to 1"),
}
COSTS: Entries = {
    "unit": (lambda value: is_text(value) and bool(value), "a text"),
    "members": (lambda value: is_object(value) and all(map(may_cost, value.values())), "costs by member"),
    "shared": (lambda value: isinstance(value, list), "a list"),
}
SHARED: Entries = {
    "members": (is_names, "a list of different names"),
    "cost": (may_cost, "a cost"),
}
GUARANTEE: Entries = {
    "risk": (lambda value: value in RISKS, f"one of {', '.join(RISKS)}"),
    "alpha": (is_fraction, "a fraction"),
    "delta": (lambda value: value is None or is_fraction(value), "null, or a fraction"),
    "n_calibration": (lambda value: is_whole(value, 1), "a whole number"),
    "n_rows_with": (lambda value: is_whole(value, 0), "a whole number"),
}

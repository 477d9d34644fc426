"""Arrays of a fold each, joined to one array a model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.predictions.loading.intake.names import says_ids, says_labels, words
from ensembler.predictions.loading.intake.numbered import (
    Numbered,
    by_name,
    natural_order,
    of_same_rows,
    with_labels_of_parts,
)
from ensembler.predictions.loading.intake.plan import Decision, Item, Opened, is_whole, rows_of

PLACES = frozenset({"idx", "index", "indices", "indexes", "rows"})
"""Last words in the names of arrays of row numbers."""


def joined_items(items: Sequence[Item], decisions: list[Decision]) -> tuple[list[Opened], set[int]]:
    """Return arrays of parts joined, and the ids of those that they are made of."""
    groups = by_name([(item.path, item.key, item) for item in items])
    groups = [group for group in groups if all(item.array.ndim in (1, 2) for item in group.parts.values())]
    places = [group for group in groups if says_places(group)]
    rows, why = None, "each has labels of its own rows"
    found = with_labels_of_parts(groups, lambda item: len(item.array), array_labels)
    if places:
        numbers = [np.asarray(rows_of(item.array)) for item in places[0].parts.values()]
        order, counted = natural_order(np.concatenate(numbers).astype(str))
        same = of_same_rows(groups, places[0], [len(part) for part in numbers], lambda item: len(item.array))
        if counted and all(any(group is other for other in same) for group in found):
            found, rows, why = same, order, f"{places[0].path.name} has their rows, each once"
    joined_names = {group.name for group in found if not says_labels(last_name(group))}
    means = []
    for group in groups:
        arrays = [item.array for item in group.parts.values()]
        if any(group is other for other in found) or group.name not in joined_names:
            continue
        alike = len({array.shape for array in arrays}) == 1 and all(array.dtype.kind == "f" for array in arrays)
        if alike and group.split not in {other.split for other in found if other.name == group.name}:
            means.append(group)
    made = []
    for group in found:
        array = np.concatenate([rows_of(item.array) for item in group.parts.values()])
        item = Item(group.path, group.key, array if rows is None else array[rows])
        paths = tuple(dict.fromkeys(part.path for part in group.parts.values()))
        made.append(Opened(group.path, [item], parts=paths, in_order=rows is not None))
        decisions.append(group.decision("parts of the rows", why))
    for group in means:
        arrays = [item.array for item in group.parts.values()]
        mean = Item(group.path, group.key, np.asarray(np.mean(arrays, axis=0, dtype=np.float64)))
        made.append(Opened(group.path, [mean]))
        decisions.append(group.decision("mean of arrays", "they are as long, each by the model of a fold"))
    return made, {id(item) for group in (*found, *means) for item in group.parts.values()}


def last_name(group: Numbered) -> str:
    """Return the name that says what an array is, without the number."""
    return (group.key.split("/")[-1] or group.path.stem).replace("*", "")


def says_places(group: Numbered) -> bool:
    """Whether arrays hold row numbers, as their name says."""
    name = last_name(group)
    named = says_ids(name) or (words(name) or [""])[-1] in PLACES
    return named and all(is_whole(item.array) and rows_of(item.array).ndim == 1 for item in group.parts.values())


def array_labels(group: Numbered) -> Sequence[NDArray[Any] | None]:
    """Return the labels in arrays, where their name says that they are labels."""
    if not says_labels(last_name(group)):
        return [None for _ in group.parts]
    return [rows_of(item.array) for item in group.parts.values()]

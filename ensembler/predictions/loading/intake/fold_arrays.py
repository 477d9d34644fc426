"""Arrays of a fold each, joined to one array a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import AlignmentError, ShapeError
from ensembler.predictions.loading.intake.names import (
    ROW_NUMBER_WORDS,
    says_class_names,
    says_ids,
    says_labels,
    split_of,
    words,
)
from ensembler.predictions.loading.intake.numbered import (
    WHOLE,
    Numbered,
    PartValues,
    by_name,
    model_name,
    natural_order,
    nearest,
    refuse_missing,
)
from ensembler.predictions.loading.intake.plan import Decision, Item, Opened, is_whole, rows_of

Group = Numbered[Item]


@dataclass(frozen=True)
class Joined:
    """A member's parts as one array.

    Attributes
    ----------
    group : Numbered
    row_numbers, labels : PartValues, optional
        Row numbers, and labels, of its parts.
    rows : (N,), optional
        What brings the parts, one below the other, into the order of the row numbers.
    in_order : bool
        Whether that is the order of files of all rows.
    """

    group: Group
    row_numbers: PartValues | None
    labels: PartValues | None
    rows: NDArray[np.intp] | None = None
    in_order: bool = False

    def whole(self, arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Return arrays of the parts as one."""
        array = np.concatenate([rows_of(array) for array in arrays])
        return array if self.rows is None else array[self.rows]

    def opened(self, group: Group, key: str, array: NDArray[Any]) -> Opened:
        """Return an array of these rows as a file."""
        paths = tuple(dict.fromkeys(part.path for part in group.parts.values()))
        if key == "*":
            key = ""  # the file says what the arrays are
        return Opened(group.path, [Item(group.path, key, array)], parts=paths, in_order=self.in_order)


def joined_items(
    items: Sequence[Item], beside: Sequence[PartValues], decisions: list[Decision]
) -> tuple[list[Opened], set[int], list[PartValues]]:
    """Return arrays of parts joined, the ids of those that they are made of, and the labels in all parts.

    Labels in tables may stand beside them.

    Raises
    ------
    AlignmentError
        Parts overlap, one is missing, or two readings fit.
    ShapeError
        A part has fewer columns than the others.
    """
    groups = [group for group in by_name([(item.path, item.key, item) for item in items]) if has_rows(group)]
    labels = [values for group in groups if (values := labels_of(group)) is not None]
    row_numbers = [values for group in groups if (values := row_numbers_of(group)) is not None]
    aside = [group for group in groups if says_labels(last_name(group)) or says_names(group) or says_row_numbers(group)]
    members = [group for group in groups if not any(group is other for other in aside)]
    joined = [one for group in members if (one := join(group, row_numbers, [*labels, *beside], members))]
    refuse_unlike(joined)
    used = {id(own.group): own for one in joined for own in (one.row_numbers, one.labels) if own is not None}
    for group in members:
        if not any(group is one.group for one in joined) and group.split not in WHOLE:
            refuse_missing(group, used.values(), members)
    in_groups = {id(item) for group in groups for item in group.parts.values()}
    whole = {model_name(item.path, item.key) for item in items if id(item) not in in_groups and is_divided(item)}
    whole |= joined_names(joined)
    whole -= {group.name for group in members if group.split not in WHOLE and group.name not in joined_names(joined)}
    means = [group for group in members if not any(group is one.group for one in joined) and is_mean(group, whole)]
    made = [one.opened(one.group, one.group.key, one.whole(same_columns(one.group, items))) for one in joined]
    for one in joined:
        why = (
            "each has labels of its own rows"
            if one.row_numbers is None
            else f"{one.row_numbers.group.path.name} has its rows"
        )
        decisions.append(one.group.decision("parts of the rows", why))
    for group in means:
        mean = np.asarray(np.mean(same_columns(group, items), axis=0, dtype=np.float64))
        made.append(Opened(group.path, [Item(group.path, group.key, mean)]))
        decisions.append(group.decision("mean of arrays", "they are as long, each by the model of a fold"))
    made += label_arrays(joined, labels)
    consumed: list[Group] = [*(one.group for one in joined), *means]
    consumed += [group for group in aside if id(group) in used]
    names = [group for group in aside if says_names(group) and any(group.path == one.path for one in consumed)]
    for group in names:
        first = next(iter(group.parts.values()))
        made.append(Opened(group.path, [Item(group.path, group.key, first.array)]))
    return made, {id(item) for group in (*consumed, *names) for item in group.parts.values()}, labels


def joined_names(joined: Sequence[Joined]) -> set[str]:
    """Return the names of joined members."""
    return {one.group.name for one in joined}


def is_divided(item: Item) -> bool:
    """Whether an array may be a member's predictions of other rows than test rows."""
    name = item.key.split("/")[-1] or item.path.stem
    aside = says_labels(name) or says_ids(name) or says_class_names(name)
    return not aside and item.array.ndim > 0 and split_of(item.path, item.key) not in WHOLE


def join(
    group: Group, row_numbers: Sequence[PartValues], labels: Sequence[PartValues], members: Sequence[Group]
) -> Joined | None:
    """Return a member's parts as one array, in the order of row numbers, else of parts with labels of their own."""
    where, own_labels = nearest(group, row_numbers, members), nearest(group, labels, members)
    if where is not None:
        numbers = np.concatenate(list(where.values)).astype(str)
        if len(set(numbers.tolist())) < len(numbers):
            if all(set(one.tolist()) == set(where.values[0].tolist()) for one in where.values):
                return None  # models of all folds that predict the same rows
            twice = next(one for one in numbers.tolist() if (numbers == one).sum() > 1)
            raise AlignmentError(
                f"{where.group.source}: row {twice} is in two parts, expected each row in one of them, as out-of-fold"
            )
        rows, in_order = natural_order(numbers)
        return Joined(group, where, own_labels, rows, in_order)
    return Joined(group, None, own_labels) if own_labels is not None and group.is_run else None


def refuse_unlike(joined: Sequence[Joined]) -> None:
    """Raise where members were divided into parts in several ways, and labels alone say how.

    Raises
    ------
    AlignmentError
    """
    of_labels = [(one, one.labels) for one in joined if one.row_numbers is None and one.labels is not None]
    for one, labels in of_labels[1:]:
        first, others = of_labels[0]
        if (one.group.split in WHOLE) == (first.group.split in WHOLE) and not labels.is_like(others):
            raise AlignmentError(
                f"{first.group.source} and {one.group.source} are divided into other parts, as their labels say; save "
                "the row numbers of each part beside it (idx_fold0.npy)"
            )


def label_arrays(joined: Sequence[Joined], labels: Sequence[PartValues]) -> list[Opened]:
    """Return the labels of joined members, once for each set of rows.

    Raises
    ------
    AlignmentError
        Members have other labels for the same rows.
    """
    found: dict[bool, tuple[Joined, NDArray[Any]]] = {}
    made = []
    for one in joined:
        values = next((own for own in labels if one.labels is own), None)
        if values is None:
            continue
        array, of_test = one.whole(values.values), one.group.split in WHOLE
        if of_test not in found:
            found[of_test] = one, array
            group = Numbered(values.group.path, values.group.key, one.group.parts)
            if group.split in (None, one.group.split):
                made.append(one.opened(group, values.group.key, array))
            else:
                # The name of the members says of which rows they are: oof_lgbm beside y_val.
                made.append(one.opened(one.group, "labels", array))
        elif not np.array_equal(found[of_test][1], array):
            raise AlignmentError(f"{found[of_test][0].group.source} and {one.group.source} have other labels by row")
    return made


def same_columns(group: Group, items: Sequence[Item]) -> list[NDArray[Any]]:
    """Return the arrays of the parts with their columns in the order of the first one's, where files name them.

    Raises
    ------
    ShapeError
        They do not have the same columns.
    """
    arrays = [rows_of(item.array) for item in group.parts.values()]
    names = {
        item.path: [str(name) for name in item.array.tolist()]
        for item in items
        if item.array.ndim == 1 and says_class_names(item.key.split("/")[-1])
    }
    orders = [names.get(item.path) for item in group.parts.values()]
    first = orders[0]
    for place, (number, order) in enumerate(zip(group.parts, orders, strict=True)):
        array = arrays[place]
        named = first is not None and order is not None and array.ndim == 2 and array.shape[1] == len(order)
        if array.shape[1:] != arrays[0].shape[1:] or (named and set(order or ()) != set(first or ())):
            raise ShapeError(
                f"{group.source}: part {number} has {array.shape[1] if array.ndim == 2 else 1} columns, part "
                f"{next(iter(group.parts))} {arrays[0].shape[1] if arrays[0].ndim == 2 else 1} (or others), expected a "
                "column for each class in every part; does a fold lack a class? give it a column of 0"
            )
        if named and order is not None and first is not None and order != first:
            arrays[place] = array[:, [order.index(name) for name in first]]
    return arrays


def is_mean(group: Group, models: set[str]) -> bool:
    """Whether parts are predictions of the same test rows, by the models of the folds of a model with other rows."""
    arrays = [item.array for item in group.parts.values()]
    if group.split not in WHOLE or group.name not in models or len({array.shape for array in arrays}) > 1:
        return False
    return all(array.dtype.kind == "f" for array in arrays) and not all(map(is_whole, arrays))


def has_rows(group: Group) -> bool:
    """Whether all parts are vectors or tables of numbers."""
    return all(item.array.ndim in (1, 2) for item in group.parts.values())


def last_name(group: Group) -> str:
    """Return the name that says what an array is, without the number."""
    return group.key.split("/")[-1].replace("*", "") or group.path.stem.replace("*", "")


def says_names(group: Group) -> bool:
    """Whether arrays hold the names of classes, as their name says."""
    arrays = [item.array for item in group.parts.values()]
    return says_class_names(last_name(group)) and all(
        array.ndim == 1 and array.dtype.kind != "f" and len(set(array.tolist())) == len(array) for array in arrays
    )


def row_numbers_of(group: Group) -> PartValues | None:
    """Return the row numbers in arrays, where their name says that they are."""
    values = [rows_of(item.array) for item in group.parts.values()]
    return PartValues(group, values) if says_row_numbers(group) else None


def says_row_numbers(group: Group) -> bool:
    """Whether arrays hold row numbers, as their name says."""
    name = last_name(group)
    named = says_ids(name) or (words(name) or [""])[-1] in ROW_NUMBER_WORDS
    return named and all(is_whole(item.array) and rows_of(item.array).ndim == 1 for item in group.parts.values())


def labels_of(group: Group) -> PartValues | None:
    """Return the labels in arrays, where their name says so, and they are not the same in all parts."""
    if not says_labels(last_name(group)) or says_names(group):
        return None
    values = [rows_of(item.array) for item in group.parts.values()]
    return None if all(np.array_equal(values[0], one) for one in values) else PartValues(group, values)

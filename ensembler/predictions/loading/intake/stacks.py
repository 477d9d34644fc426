"""Arrays of three axes: which of them are members, rows and classes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import ShapeError
from ensembler.predictions.loading.intake.plan import Decision, ImportRequest, Item
from ensembler.predictions.loading.intake.probabilities import as_probabilities, sums_to_one
from ensembler.predictions.loading.table import Table

AXES = ("MNC", "NMC", "NCM")
"""Orders of the axes of stacked arrays: members, rows, classes."""


def stacked_tables(
    item: Item,
    name: str,
    n_rows: int | None,
    ids: NDArray[Any] | None,
    request: ImportRequest,
    decisions: list[Decision],
) -> list[Table]:
    """Return the members of an array of three axes, told apart by the number of labels and by the sums of rows."""
    array = item.array
    orders = [order for order in AXES if fits(array, order, n_rows)]
    if request.axes is not None:
        orders = [request.axes]
    if len(orders) != 1:
        reading = f"two readings fit ({', '.join(orders)})" if orders else "no axis sums to 1"
        known = "" if n_rows is None else f" with {n_rows} labels"
        raise ShapeError(
            f"{item.source}: {array.shape}{known}: {reading}; say the order of members, rows and classes: --axes "
            f"{'|'.join(orders or AXES)}",
        )
    moved = np.transpose(array, [orders[0].index(axis) for axis in "MNC"])
    why = f"{array.shape}: axes are {', '.join({'M': 'members', 'N': 'rows', 'C': 'classes'}[a] for a in orders[0])}"
    decisions.append(Decision(item.source, f"{len(moved)} members", why))
    prefix = name if name and name != item.path.stem else "member"
    tables = []
    for index, member in enumerate(moved):
        values = as_probabilities(item, member, decisions if index == 0 else [])
        row_ids = ids if ids is not None and len(ids) == len(values) else None
        tables.append(Table(f"{prefix}-{index}", item.path, values, row_ids))
    return tables


def fits(array: NDArray[Any], order: str, n_rows: int | None) -> bool:
    """Whether a stacked array can have its axes in an order."""
    if n_rows is not None and array.shape[order.index("N")] != n_rows:
        return False
    rows, classes = order.index("N"), order.index("C")
    if array.shape[classes] < 2 or (n_rows is None and array.shape[rows] < array.shape[order.index("M")]):
        return False
    if sums_to_one(array, classes):
        return True
    # Logits: nothing sums to 1 along any axis, and only the number of labels tells.
    return n_rows is not None and not any(sums_to_one(array, axis) for axis in range(3)) and order == "MNC"

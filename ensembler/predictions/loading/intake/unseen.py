"""Classes that a model was never shown, so that its table has no column of them."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ensembler.predictions.loading.intake.plan import Decision, Rows
from ensembler.predictions.loading.table import Table


def with_unseen_classes(parts: Mapping[str | None, Rows], decisions: list[Decision]) -> dict[str | None, Rows]:
    """Give tables whose columns are some of another table's a column of zeros for each of the other classes.

    A model that was fitted to rows without a class says that its probability is 0, as scikit-learn's do by leaving it
    out of ``classes_``.
    """
    wide = [table for tables, _ in parts.values() for table in tables if table.columns is not None]
    every = max((table.columns or () for table in wide), key=len, default=())
    return {
        split: ([with_columns(table, every, decisions) for table in tables], labels)
        for split, (tables, labels) in parts.items()
    }


def with_columns(table: Table, every: tuple[str, ...], decisions: list[Decision]) -> Table:
    """Return a table with the columns of all classes, where its own are some of these."""
    own = table.columns
    if own is None or not set(own) < set(every):
        return table
    unseen = [name for name in every if name not in own]
    decisions.append(
        Decision(f"{table.path} ({table.name})", f"probability 0 of {', '.join(unseen)}", "it has no such column")
    )
    array = np.zeros((len(table.array), len(every)), dtype=table.array.dtype)
    array[:, [every.index(name) for name in own]] = table.array
    return replace(table, array=array, columns=every)

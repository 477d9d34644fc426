"""Which rows are scored, which are fitted on, and which wait for a prediction."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ensembler.arrays import MISSING_VOTE
from ensembler.errors import AlignmentError
from ensembler.predictions.loading.intake.answers import checked_votes, less_one
from ensembler.predictions.loading.intake.plan import FITTING, NEW, SCORED, Decision, Part, Plan, Rows
from ensembler.predictions.loading.table import Table


def arrange(
    layout: str,
    parts: Mapping[str | None, Rows],
    decisions: list[Decision],
    class_names: tuple[str, ...] | None = None,
    n_classes: int | None = None,
) -> Plan:
    """Return the plan of some sets of rows.

    Of those with labels, test rows are scored and validation rows fitted on, or else out-of-fold rows; one set alone is
    scored, by cross-fitting. One set without labels waits for a prediction.
    """
    parts = checked_votes(parts, decisions, class_names)
    labelled = [split for split in ("test", None, "new", "val", "train") if split in parts and parts[split][1]]
    waiting = [split for split in ("new", "test", None, "val", "train") if split in parts and not parts[split][1]]
    if labelled:
        names = {table.name for table in parts[labelled[0]][0]}
        # A blend that was submitted has no member of its own among the labelled rows.
        waiting.sort(key=lambda split: not any(table.name in names for table in parts[split][0]))
    plan: dict[str, Part] = {}
    taken = dict(zip((SCORED, FITTING), labelled, strict=False))
    if waiting:
        taken[NEW if labelled else SCORED] = waiting[0]
    for which, split in taken.items():
        plan[which] = Part(*parts[split])
    for split in (*labelled[2:], *waiting[1:]):
        why = f"{split or 'other'} rows{'' if parts[split][1] else ' without labels'} are one set too many"
        decisions += [Decision(str(table.path), "nothing", why) for table in parts[split][0]]
    if n_classes is None:
        votes_from_zero(list(plan.values()), decisions)
    for part in plan.values():
        columns_from_zero(part, decisions)
        if part.labels is not None:
            part.labels = counted_from_zero(part, part.labels, n_classes, decisions)
    same_members(plan, decisions)
    return Plan(layout, plan, decisions, class_names)


def counted_from_zero(part: Part, labels: Table, n_classes: int | None, decisions: list[Decision]) -> Table:
    """Return labels that go from 1 to the number of classes as from 0."""
    values = np.asarray(labels.array)
    if values.dtype.kind not in "iuf" or n_classes is None or values.min() < 1 or values.max() != n_classes:
        return labels
    if any(table.columns is not None and str(int(values.max())) in table.columns for table in part.tables):
        # Columns are called as the labels are.
        return labels
    why = f"they go from {int(values.min())} to {int(values.max())}, and there are {n_classes} classes"
    decisions.append(Decision(str(labels.path), "labels counted from 1", why))
    return replace(labels, array=values.astype(np.int64) - 1)


def columns_from_zero(part: Part, decisions: list[Decision]) -> None:
    """Count columns from 0 that are called 1 to the number of classes, where labels are counted from 0."""
    columns = {table.columns for table in part.tables if table.columns is not None}
    values = None if part.labels is None else np.asarray(part.labels.array)
    if len(columns) != 1 or values is None or values.dtype.kind not in "iu":
        return
    [names] = columns
    if set(names) != set(map(str, range(1, len(names) + 1))) or values.min() != 0 or values.max() >= len(names):
        return
    decisions.append(Decision(str(part.tables[0].path), "columns counted from 1", "labels are counted from 0"))
    part.tables = [
        replace(table, columns=None if table.columns is None else tuple(str(int(name) - 1) for name in table.columns))
        for table in part.tables
    ]


def votes_from_zero(parts: Sequence[Part], decisions: list[Decision]) -> None:
    """Count from 0 where all votes and labels, numbers without a gap, are counted from 1."""
    tables = [table for part in parts for table in (*part.tables, *([] if part.labels is None else [part.labels]))]
    if all(part.labels is None for part in parts) or any(table.array.dtype.kind not in "iu" for table in tables):
        return
    used = np.unique(np.concatenate([table.array.ravel() for table in tables]))
    used = used[used != MISSING_VOTE]
    if len(used) < 2 or not np.array_equal(used, np.arange(1, len(used) + 1)):
        return
    for part in parts:
        part.tables = [less_one(table) for table in part.tables]
        if part.labels is not None:
            decisions.append(Decision(str(part.labels.path), "counted from 1", "as the votes are"))
            part.labels = less_one(part.labels)


def same_members(parts: dict[str, Part], decisions: list[Decision]) -> None:
    """Leave out members that not all sets of rows have, or raise where none is left."""
    if len(parts) < 2:
        return
    names = [{table.name for table in part.tables} for part in parts.values()]
    common = set.intersection(*names)
    if not common and NEW in parts:
        # Rows of other members are no use for these.
        own = [table.name for table in parts.pop(NEW).tables]
        decisions.append(Decision(", ".join(own[:5]), "nothing", "no member of these rows has labelled rows as well"))
        same_members(parts, decisions)
        return
    if not common:
        listed = "; ".join(f"{which} rows: {', '.join(sorted(own))}" for which, own in zip(parts, names, strict=True))
        raise AlignmentError(f"no member has predictions for all sets of rows; {listed}")
    for which, part in parts.items():
        for table in part.tables:
            if table.name not in common:
                decisions.append(Decision(str(table.path), "nothing", f"{table.name} has {which} rows only"))
        part.tables = [table for table in part.tables if table.name in common]

"""Writing what an import planned: a prediction set as a folder, with where everything came from."""

import glob
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ensembler import serialization
from ensembler.errors import Problems, ValueRangeError
from ensembler.predictions.files import write_text, writing_folder
from ensembler.predictions.loading.class_space import NamelessError
from ensembler.predictions.loading.intake.formats import ARROW
from ensembler.predictions.loading.intake.numbered import patterns
from ensembler.predictions.loading.intake.plan import FITTING, NEW, SCORED, Plan
from ensembler.predictions.loading.options import ReadOptions
from ensembler.predictions.loading.row_set import RowSet, assemble, class_space
from ensembler.predictions.loading.table import Table
from ensembler.predictions.loading.tables import split_key
from ensembler.predictions.prediction_set import Predictions

NEW_FOLDER = "new"
FORBIDDEN = re.compile(r"[/\\\x00-\x1f]+")
"""What no file name may hold."""
MOST_SHOWN = 200
"""Characters of names of classes in a message."""


def make_sets(plan: Plan) -> tuple[Predictions, Predictions | None]:
    """Return the prediction set of a plan, with its validation rows, and the rows that wait for a prediction.

    Raises
    ------
    DataError
        What is wrong with which member.
    """
    row_sets = {
        which: RowSet({SCORED: "", FITTING: "validation ", NEW: "new "}[which], safe_names(part.tables), part.labels)
        for which, part in plan.parts.items()
    }
    if plan.class_names is None:
        refuse_other_names(list(row_sets.values()))
    else:
        row_sets = {
            which: replace(rows, tables=[by_number(table, plan.class_names) for table in rows.tables])
            for which, rows in row_sets.items()
        }
    try:
        classes = class_space(plan.class_names, list(row_sets.values()))
    except NamelessError as error:
        if len(error.names) < 2 or any("," in name for name in error.names):
            raise
        soft = [table for rows in row_sets.values() for table in rows.tables if table.array.dtype.kind == "f"]
        if len(error.names) == 2 and all(table.array.ndim == 1 for table in soft):
            raise asked_for_class(error) from error
        raise asked_for_names(error) from error
    problems = Problems()
    made: dict[str, Predictions] = {}
    for which, rows in row_sets.items():
        with problems.collected():
            ordered = replace(rows, tables=sorted(rows.tables, key=lambda table: table.name))
            made[which] = assemble(ordered, classes, plan.facts, ReadOptions(normalize=plan.normalize))
    problems.raise_all()
    scored = made[SCORED]
    if FITTING in made:
        scored = scored.replace(validation=made[FITTING])
    return scored, made.get(NEW)


def by_number(table: Table, class_names: Sequence[str]) -> Table:
    """Return a table with numbered columns in the order of their numbers, where the classes have other names."""
    names = table.columns
    if names is None or set(names) == set(class_names) or not all(name.isdigit() for name in names):
        return table
    order = sorted(range(len(names)), key=lambda column: int(names[column]))
    return replace(table, columns=None, array=table.array[:, order])


def refuse_other_names(row_sets: Sequence[RowSet]) -> None:
    """Raise where columns are numbers, and labels as many other numbers or texts, with what names the columns.

    Raises
    ------
    ValueRangeError
    """
    tables = [table for rows in row_sets for table in rows.tables if table.array.ndim == 2]
    labels = [rows.labels for rows in row_sets if rows.labels is not None]
    if not tables or not labels or any(label.array.ndim != 1 for label in labels):
        return
    columns = tables[0].columns
    numbered = columns is None or all(name.isdigit() for name in columns)
    names = np.unique(np.concatenate([np.unique(np.asarray(label.array)) for label in labels]))
    n_classes = tables[0].array.shape[1]
    known = {int(name) for name in columns} if columns is not None and numbered else set(range(n_classes))
    texts = names.dtype.kind in "US"
    if not numbered or len(names) != n_classes or (texts and columns is None) or names.dtype.kind not in "USiu":
        return
    if not texts and (set(names.tolist()) <= known or set(names.tolist()) <= set(range(n_classes))):
        return
    listed = ",".join(map(str, names.tolist()))
    if texts and any("," in str(name) or str(name).isdigit() for name in names.tolist()):
        return
    shown = listed if len(listed) <= MOST_SHOWN else f"{listed[:MOST_SHOWN]}…"
    called = "have no names" if columns is None else f"are called {', '.join(columns[:8])}"
    raise ValueRangeError(
        f"labels ({labels[0].path}) are {', '.join(map(str, names[:8].tolist()))}, and columns {called}; if "
        f"these are in that order, as scikit-learn's are, say so: --classes {shown}",
        remedy=("--classes", listed),
    )


def asked_for_names(error: NamelessError) -> ValueRangeError:
    """Return the error for classes without names as an import mends it."""
    names = ",".join(error.names)
    shown = names if len(names) <= MOST_SHOWN else f"{names[:MOST_SHOWN]}…"
    return ValueRangeError(
        f"{error.what}; if the columns are in this order, as scikit-learn's are, say so: --classes {shown}",
        remedy=("--classes", names),
    )


def asked_for_class(error: NamelessError) -> ValueRangeError:
    """Return the error for one probability a row where nothing says of which of two classes it is."""
    first, second = error.names
    return ValueRangeError(
        f"{error.what}; which of them is the probability of? name it last: --classes {first},{second} if it is of "
        f"{second!r}, --classes {second},{first} if it is of {first!r}"
    )


def safe_names(tables: list[Any]) -> list[Any]:
    """Return members under names that files can have."""
    return [
        replace(table, name=re.sub(r"[/\\\x00-\x1f]+", "-", table.name).lstrip(".") or "member") for table in tables
    ]


def write_import(plan: Plan, folder: Path, command: str | None = None) -> tuple[Predictions, Predictions | None]:
    """Write the prediction set of a plan into a new or empty folder, whole or not at all, and return it."""
    scored, new = make_sets(plan)
    with writing_folder(folder) as temporary:
        scored.save(temporary)
        if new is not None:
            new.save(temporary / NEW_FOLDER)
        facts = json.loads((temporary / "members.json").read_text(encoding="utf-8"))
        facts["imported"] = provenance(plan, command)
        write_text(temporary / "members.json", json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    return scored, new


def provenance(plan: Plan, command: str | None) -> Mapping[str, Any]:
    """Return where a set came from: the command, the decisions, and the checksum of each file that was read."""
    paths = {split_key(table.path)[0] for part in plan.parts.values() for table in part.tables}
    files = sorted(file for path in paths for file in files_of(path))
    return {
        "ensembler": serialization.__version__,
        "command": command,
        "layout": plan.layout,
        "sha256": {f"{path.parent.name}/{path.name}": file_digest(path) for path in files},
        "decisions": [
            {"source": Path(decision.source).name, "taken_as": decision.taken_as, "why": decision.why}
            for decision in plan.decisions
        ],
    }


def files_of(path: Path) -> Iterable[Path]:
    """Return the files that rows were read from: one, the shards in a folder, or those of all folds."""
    if path.is_file():
        return [path]
    if "*" not in str(path):
        return path.glob(f"*{ARROW}")
    matches = map(Path, glob.glob(str(path)))
    return [match for match in matches if any(path == pattern for pattern, *_ in patterns(match))]


def file_digest(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

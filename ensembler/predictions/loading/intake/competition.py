"""What lies beside predictions in a competition's folder: the sample submission, and the data themselves."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ensembler.errors import FileError
from ensembler.predictions.loading.column_names import simple
from ensembler.predictions.loading.columns import find_id, fractions
from ensembler.predictions.loading.folder import LABELS
from ensembler.predictions.loading.intake.names import own_words, says_labels, split_of, words
from ensembler.predictions.loading.intake.plan import Decision, ImportRequest, Opened, Rows
from ensembler.predictions.loading.options import Columns
from ensembler.predictions.loading.table import Table
from ensembler.predictions.loading.tables import is_one_hot, read_row_values

if TYPE_CHECKING:
    import pandas as pd

SAMPLES = re.compile(r"sample_?submission.*", re.IGNORECASE)
MOST_CLASSES = 100
PART_NAMES = ("split", "set", "subset", "partition", "part", "usage")
"""What a column is called that says which set a row is of."""
DATA = ("train", "training", "test")
"""Names of a competition's own tables, where predictions are called after models."""


def is_sample(file: Opened, decisions: list[Decision]) -> bool:
    """Whether a file is a competition's sample submission."""
    if SAMPLES.fullmatch(file.path.stem):
        decisions.append(Decision(str(file.path), "nothing", "it is a sample submission"))
        return True
    return False


def is_data(file: Opened, files: Sequence[Opened]) -> bool:
    """Whether a table is a competition's own: called train or test, where others, or folders, are called otherwise."""
    told, folder = words(file.path.stem), file.path.parent
    return (
        len(told) == 1
        and told[0] in DATA
        and any(
            own_words(other.path.stem) or (folder in other.path.parent.parents and words(other.path.stem) != told)
            for other in files
        )
    )


def is_label_file(file: Opened) -> bool:
    """Whether a table holds labels and nothing else."""
    frame = file.frame
    identity = find_id(frame, list(frame.columns))
    values = [name for name in frame.columns if name != identity and simple(name) not in PART_NAMES]
    one_hot = len(values) > 1 and is_one_hot(frame[values].to_numpy())
    if not one_hot and (len(values) != 1 or fractions(frame[values[0]])):
        return False
    solution = any(word in ("solution", "answers", "truth", "gt", "labels", "gold") for word in words(file.path.stem))
    return solution or says_labels(file.path.stem)


def joined_labels(file: Opened, columns: Columns) -> Table:
    """Return the labels in a table of nothing else, with those of all its parts."""
    tables = [read_row_values(path, columns, foreign=True) for path in file.parts or (file.path,)]
    if not file.parts:
        return tables[0]
    rows = slice(None) if file.rows is None else file.rows
    array = np.concatenate([table.array for table in tables])[rows]
    ids = [table.ids for table in tables if table.ids is not None]
    numbers = [np.arange(len(table.array)).astype(str) if table.numbers is None else table.numbers for table in tables]
    whole = np.concatenate(ids)[rows] if len(ids) == len(tables) else None
    if whole is not None and len(set(whole.tolist())) < len(whole):
        whole = None  # other values, which differ within each part alone
    named = any(table.numbers is not None for table in tables)
    return Table(LABELS, file.path, array, whole, numbers=np.concatenate(numbers)[rows] if named else None)


def data_labels(file: Opened, request: ImportRequest, decisions: list[Decision]) -> Table | None:
    """Return the labels in a competition's own table, which has features beside them; None where it has none."""
    names = [str(name) for name in file.frame.columns]
    told = [name for name in names if name == request.columns.label] or [name for name in names if says_labels(name)]
    if request.labels is not None or len(told) != 1:
        why = "it is called after no model, as a competition's own rows"
        decisions.append(Decision(str(file.path), "nothing", why))
        return None
    identity = request.columns.id if request.columns.id in names else find_id(file.frame, names)
    decisions.append(Decision(f"{file.path} ({told[0]})", "labels", "a competition's own rows, with features beside"))
    return joined_labels(file, replace(request.columns, id=identity, label=told[0]))


def require_label_column(data: Sequence[Opened], parts: Mapping[str | None, Rows]) -> None:
    """Raise where nothing is labelled, and a competition's own rows hold a column of labels under another name."""
    training = [file for file in data if words(file.path.stem)[0] != "test"]
    if training and not any(labels for _, labels in parts.values()):
        path, frame = training[0].path, training[0].frame
        identity = find_id(frame, list(frame.columns))
        may_be = [name for name in map(str, frame.columns) if name != identity and holds_classes(frame[name])]
        told = f", of {', '.join(may_be[:8])}" if may_be else ""
        raise FileError(
            f"{path}: holds rows and no column that is called after labels; say which it is{told}: "
            f"--label-column {may_be[0] if len(may_be) == 1 else 'NAME'}"
        )


def holds_classes(values: "pd.Series[Any]") -> bool:
    """Whether a column could hold classes: a few values, no fractions."""
    return not fractions(values) and 2 <= values.nunique() <= MOST_CLASSES


def without_foreign_labels(parts: Mapping[str | None, Rows], given: Table | None) -> dict[str | None, Rows]:
    """Return sets of rows without the labels that were given, where these are of another of the sets."""
    own = {split: given is not None and are_of(given, split, tables) for split, (tables, _) in parts.items()}
    if not any(own.values()):
        return dict(parts)
    return {split: (tables, labels if own[split] else None) for split, (tables, labels) in parts.items()}


def are_of(labels: Table, split: str | None, tables: Sequence[Table]) -> bool:
    """Whether labels are of the rows of some tables: by ids, else by their number."""
    ids = [table.ids for table in tables if table.ids is not None]
    if labels.ids is not None and ids and len(ids) == len(tables):
        return not set(labels.ids).isdisjoint(ids[0])
    return not tells_other(labels, split) and any(len(table.array) == len(labels.array) for table in tables)


def tells_other(labels: Table, split: str | None) -> bool:
    """Whether the name of a file of labels says that they are of training rows, and a set of rows is none of those."""
    return split in ("test", "new") and split_of(labels.path) == "train"

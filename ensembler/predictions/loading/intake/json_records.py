"""The rows in JSON documents: records under a key, by row or column, and scores by label."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ensembler.arrays import ROW_SUM_TOLERANCE
from ensembler.errors import FileError
from ensembler.predictions.loading.column_names import ID_NAMES, simple
from ensembler.predictions.loading.intake.names import says_class_names, says_labels

FEWEST_ROWS = 10
"""Dictionaries of fewer entries say nothing of which of their keys are rows."""


def records_in(value: Any) -> list[dict[str, Any]] | None:
    """Return the records in a document, a dictionary a row; None where it has none.

    They are the document, or in a dictionary where they look like predictions and not like a training's history.
    """
    if isinstance(value, list) and value and all(map(are_scores, value)):
        return [{"prediction": cell} for cell in value]
    if isinstance(value, list) and value and all(isinstance(record, dict) for record in value):
        return value
    records = records_of(value) if isinstance(value, dict) and value else None
    return records if records and are_predictions(records) else None


def records_of(document: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the records in a dictionary.

    They are under its only key of records, or under a key a model. Or its keys are the rows, as pandas'
    ``orient="index"`` has it, or those of each of its dictionaries, as ``orient="columns"``; or it has lists of columns
    and of rows, as ``orient="split"``.
    """
    columns, rows = document.get("columns"), document.get("data")
    if isinstance(columns, list) and isinstance(rows, list) and all(is_row(row, columns) for row in rows):
        if len(set(map(str, columns))) < len(columns):
            return None
        records = [dict(zip(map(str, columns), row, strict=True)) for row in rows]
        index = document.get("index")
        return with_ids(records, index) if isinstance(index, list) and len(index) == len(records) else records
    lists = {name: entry for name, entry in document.items() if isinstance(entry, list) and not names_classes(name)}
    if lists and all(map(are_records, lists.values())):
        return list(*lists.values()) if len(lists) == 1 else records_of_models(lists)
    inner = list(document.values())
    if not all(isinstance(entry, dict) and entry.keys() == inner[0].keys() for entry in inner):
        return None
    if len(inner[0]) > len(inner):
        document = {row: {name: column[row] for name, column in document.items()} for row in inner[0]}
    records = list(document.values())
    longest = max(
        [len(records[0]), *(len(cell) for record in records for cell in record.values() if isinstance(cell, list))]
    )
    if len(records) < FEWEST_ROWS or len(records) <= longest:
        return None
    return with_ids(records, list(document))


def records_of_models(lists: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]] | None:
    """Return one record a row of those that each model has, with what differs by model under its name.

    None where models do not have the same rows, by what their records share.

    >>> records_of_models({"rf": [{"id": 1, "p": [0.1, 0.9]}], "nn": [{"id": 1, "p": [0.3, 0.7]}]})
    [{'id': 1, 'rf': [0.1, 0.9], 'nn': [0.3, 0.7]}]
    """
    first, *others = lists.values()
    names = first[0].keys()
    if not are_predictions(first) or any(len(other) != len(first) for other in others):
        return None
    rows = list(zip(*lists.values(), strict=True))
    if any(record.keys() != names for row in rows for record in row):
        return None
    shared = [name for name in names if all(record[name] == row[0][name] for row in rows for record in row)]
    told = [name for name in names if says_labels(name) or ID_NAMES.fullmatch(simple(name))]
    if len(shared) == len(names) or not set(told) <= set(shared):
        return None
    own = [name for name in names if name not in shared]

    def predicted(record: dict[str, Any]) -> Any:
        return record[own[0]] if len(own) == 1 else {name: record[name] for name in own}

    return [
        {
            **{name: row[0][name] for name in shared},
            **{model: predicted(record) for model, record in zip(lists, row, strict=True)},
        }
        for row in rows
    ]


def names_classes(name: str) -> bool:
    """Whether a key is called as names of classes are, rather than as records are."""
    return says_class_names(name) and name != "names"


def with_ids(records: list[dict[str, Any]], ids: Sequence[Any]) -> list[dict[str, Any]]:
    """Return records with their rows' names as ids, by which files are aligned, unless they have ids of their own.

    >>> with_ids([{"p": 0.1}, {"p": 0.9}], [7, 3])
    [{'id': '7', 'p': 0.1}, {'id': '3', 'p': 0.9}]
    """
    if any(ID_NAMES.fullmatch(simple(str(name))) for name in records[0]):
        return records
    return [{"id": str(name), **record} for name, record in zip(ids, records, strict=True)]


def are_predictions(records: Sequence[Mapping[str, Any]]) -> bool:
    """Whether records have a label, lists or dictionaries, or numbers that sum to 1."""
    if any(says_labels(str(name)) or isinstance(cell, (list, dict)) for name, cell in records[0].items()):
        return True
    sums = [sum(cell for cell in record.values() if isinstance(cell, float)) for record in records]
    return len(records[0]) > 1 and all(abs(total - 1) <= ROW_SUM_TOLERANCE for total in sums)


def are_records(value: Any) -> bool:
    """Whether a value is a list of dictionaries, more than one."""
    return isinstance(value, list) and len(value) > 1 and all(isinstance(record, dict) for record in value)


def is_row(value: Any, columns: Sequence[Any]) -> bool:
    """Whether a value is a list of as many cells as there are columns."""
    return isinstance(value, list) and len(value) == len(columns)


def are_scores(cell: Any) -> bool:
    """Whether a value is a list of dictionaries with a text and a number each, as pipelines of transformers give them.

    >>> are_scores([{"label": "cat", "score": 0.9}, {"label": "dog", "score": 0.1}])
    True
    """
    return isinstance(cell, list) and len(cell) > 1 and all(score_of(entry) is not None for entry in cell)


def score_of(entry: Any) -> tuple[str, float] | None:
    """Return the text and the number of a dictionary that has one of each and nothing else."""
    if not isinstance(entry, dict) or len(entry) != 2:
        return None
    texts = [value for value in entry.values() if isinstance(value, str)]
    numbers = [value for value in entry.values() if isinstance(value, (int, float)) and not isinstance(value, bool)]
    return (texts[0], float(numbers[0])) if len(texts) == len(numbers) == 1 else None


def by_label(path: Path, name: str, cells: Sequence[Any]) -> list[Mapping[str, float]]:
    """Return lists of scores as dictionaries, the score by its label.

    Raises
    ------
    FileError
        Rows have scores of different labels.
    """
    rows = [dict(score for entry in cell if (score := score_of(entry)) is not None) for cell in cells]
    labels = sorted({label for row in rows for label in row})
    short = next((number for number, row in enumerate(rows) if len(row) < len(labels)), None)
    if short is not None:
        missing = [label for label in labels if label not in rows[short]]
        raise FileError(
            f"{path}: {name!r} of row {short} has no score for {', '.join(missing[:8])}; expected one of each label in "
            "every row; ask the pipeline for all of them (top_k=None)"
        )
    return [{label: row[label] for label in labels} for row in rows]

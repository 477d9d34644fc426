"""Tables with several columns of predictions: classes of one model, models, or both."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import ROW_SUM_TOLERANCE
from ensembler.errors import FileError
from ensembler.predictions.loading.columns import Roles, as_table, fractions, is_numeric
from ensembler.predictions.loading.intake.names import DERIVED, VERDICTS, own_words, words
from ensembler.predictions.loading.intake.plan import Decision, Item, is_whole
from ensembler.predictions.loading.intake.probabilities import are_multiples, as_probabilities, sums_to_one
from ensembler.predictions.loading.table import Table

if TYPE_CHECKING:
    import pandas as pd

CALLED = re.compile(
    r"(?:p|prob|probability|confidence) ?\((?:[^()=]*=)?([^()]+)\)|(.+)_(?:p|prob|proba|probability)|\.pred_(.+)", re.I
)
"""Names of columns such as ``P (class=cat)``, ``confidence(cat)`` and ``cat_prob``, with the class in them."""


def without_derived(
    frame: "pd.DataFrame", columns: Sequence[str], known: Collection[Any], path: Path, decisions: list[Decision]
) -> list[str]:
    """Return columns without those that are made of the others, as their names say.

    Words in the names of classes say nothing of the kind, nor do those of columns that the others need to sum to a
    whole number.
    """
    of_classes = {word for name in known for word in words(str(name))}
    derived = [
        column
        for column in columns
        if DERIVED.intersection(words(column)) - of_classes and not words(column)[0].isdigit()
    ]
    kept = [column for column in columns if column not in derived]
    if len(columns) < 3 or (sum_to_whole(frame, columns) and not sum_to_whole(frame, kept)):
        return list(columns)
    for column in derived:
        decisions.append(Decision(f"{path} ({column})", "nothing", "its name says that it is made of the others"))
    return kept


def sum_to_whole(frame: "pd.DataFrame", columns: Sequence[str]) -> bool:
    """Whether the columns of every row sum to one whole number of at least 1."""
    if not columns or not all(is_numeric(frame[column]) for column in columns):
        return False
    totals = frame[list(columns)].to_numpy(dtype=np.float64).sum(axis=1)
    whole = np.round(totals.mean()) if np.isfinite(totals).all() else 0.0
    return bool(whole >= 1 and np.abs(totals - whole).max() <= ROW_SUM_TOLERANCE * whole)


def is_verdict(
    frame: "pd.DataFrame",
    column: str,
    others: Sequence[str],
    labels: NDArray[Any] | None,
    path: Path,
    decisions: list[Decision],
) -> bool:
    """Whether a column, as its name has it, says in which rows another's prediction is the label, or is not."""
    named = any(word in VERDICTS for word in words(column)[-1:])
    if not named or labels is None or not frame[column].dropna().isin((0, 1)).all():
        return False
    verdict, true = frame[column].astype(bool).to_numpy(), labels.astype(str)
    correct = [frame[name].map(str).to_numpy(dtype=str) == true for name in others if name != column]
    if not any(np.array_equal(verdict, own) or np.array_equal(~verdict, own) for own in correct):
        return False
    decisions.append(Decision(f"{path} ({column})", "nothing", "its name says that it tells which rows are correct"))
    return True


def are_classes(frame: "pd.DataFrame", names: Sequence[str], labels: Table | None, roles: Roles) -> bool:
    """Whether columns are the classes of one model rather than models."""
    if not all(is_numeric(frame[name]) for name in names):
        return False
    values = frame[list(names)].to_numpy(dtype=np.float64)
    if sums_to_one(values, 1):
        return True
    if not np.isfinite(values).all():
        return not is_whole(values[np.isfinite(values)])  # numbers of classes, of which some votes are missing
    totals = values.sum(axis=1)
    if values.min() >= 0 and np.ptp(totals) <= 1e-2 * totals.mean():
        return True
    own = labels.array if labels is not None else None
    if own is None and roles.label is not None:
        own = frame[roles.label].to_numpy()
    if values.min() < 0 or values.max() > 1 + 1e-6:
        return not is_whole(values) and not are_of_class_1(values, names, own)
    if is_whole(values):
        return False  # votes for classes 0 and 1
    n_labels = None if own is None else len(np.unique(own))
    return n_labels is not None and n_labels > 2 and n_labels == len(names)


def are_of_class_1(values: NDArray[np.float64], names: Sequence[str], labels: NDArray[Any] | None) -> bool:
    """Whether columns are several models' scores of class 1: there are two classes, and all are larger where it is."""
    if labels is None or len(labels) != len(values):
        return False
    classes = np.unique(labels)
    if len(classes) != 2 or set(map(str, names)) == set(map(str, classes.tolist())):
        return False
    numbered = [re.fullmatch(r"(.*?)\d+", str(name)) for name in names]
    if all(numbered) and len({match[1] for match in numbered if match is not None}) == 1:
        return False  # classes of one model by number
    return len(names) != 2 or bool(
        (values[labels == classes[1]].mean(axis=0) > values[labels == classes[0]].mean(axis=0)).all()
    )


def class_grid(
    frame: "pd.DataFrame", names: Sequence[str], known: Collection[str] = ()
) -> dict[str, dict[str, str]] | None:
    """Return, by model and class, columns called after both, as ``resnet_cat`` or ``cat_resnet``; None for others.

    Names of classes that are known, since labels have them, tell where a name divides; else it does so at its last
    mark, or at its first where the class comes first. All models have the same classes, in any order.
    """
    for parts in divided_names([str(name) for name in names], known):
        grid: dict[str, dict[str, str]] = {}
        for name, (model, label) in zip(names, parts, strict=True):
            grid.setdefault(model, {})[label] = str(name)
        classes = {frozenset(of_model) for of_model in grid.values()}
        complete = sum(map(len, grid.values())) == len(names) and len(classes) == 1
        if complete and len(grid) > 1 and len(next(iter(classes))) > 1 and are_rows(frame, next(iter(grid.values()))):
            order = list(next(iter(grid.values())))
            return {model: {label: of_model[label] for label in order} for model, of_model in grid.items()}
    return None


def divided_names(names: Sequence[str], known: Collection[str]) -> Iterator[list[tuple[str, str]]]:
    """Yield the ways in which all names divide into a model and a class.

    >>> list(divided_names(["vit_not_sad", "vit_sad"], {"sad", "not_sad"}))[0]
    [('vit', 'not_sad'), ('vit', 'sad')]
    """
    if known:
        labels = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))
        patterns = [rf"(?P<model>.+?)[_./ -](?P<cls>{labels})", rf"(?P<cls>{labels})[_./ -](?P<model>.+)"]
    else:
        patterns = []
    patterns += [
        r"(?P<model>.+)[_./ -](?:(?:f|p|c|prob|proba|class)_?(?=\d))?(?P<cls>[^_./ -]+)",
        r"(?:prob|proba|p)_(?P<model>.+)_(?P<cls>[^_]+)",
        r"(?P<cls>[^_./ -]+)[_./ -](?P<model>.+)",
    ]
    for pattern in patterns:
        matches = [re.fullmatch(pattern, name) for name in names]
        if all(matches):
            yield [(match["model"], match["cls"]) for match in matches if match is not None]


def are_rows(frame: "pd.DataFrame", of_class: Mapping[str, str]) -> bool:
    """Whether columns are numbers whose rows sum to 1, or all to about the same, as percentages do."""
    values = frame[list(of_class.values())]
    if not all(is_numeric(values[name]) for name in values):
        return False
    array = values.to_numpy(dtype=float)
    return sums_to_one(array, 1) or are_multiples(array)


def numbered_classes(frame: "pd.DataFrame", names: Sequence[str]) -> list[str] | None:
    """Return the columns of a table that are numbered by class, as prob_0, prob_1, …, and sum to 1; None without."""
    groups: dict[str, dict[int, str]] = {}
    for name in names:
        match = re.fullmatch(r"(.*?)(\d+)", str(name))
        if match is not None and is_numeric(frame[name]):
            groups.setdefault(match[1], {})[int(match[2])] = str(name)
    found: list[list[str]] = []
    for numbers in groups.values():
        count = sorted(numbers)
        if len(count) < 2 or len(count) == len(names) or count != list(range(count[0], count[0] + len(count))):
            continue
        columns = [numbers[number] for number in count]
        if count[0] in (0, 1) and sums_to_one(frame[columns].to_numpy(dtype=float), 1):
            found.append(columns)
    # Several such groups are several models.
    return found[0] if len(found) == 1 else None


def called_classes(frame: "pd.DataFrame", names: Sequence[str]) -> list[str] | None:
    """Return the columns that are called after probabilities of classes, and sum to 1, beside others; None without."""
    found = [str(name) for name in names if CALLED.fullmatch(str(name)) and is_numeric(frame[name])]
    alone = 1 < len(found) < len(names) and sums_to_one(frame[found].to_numpy(dtype=float), 1)
    return found if alone else None


def is_argmax(frame: "pd.DataFrame", label: str, names: Sequence[str]) -> bool:
    """Whether a column called as labels are is the number or name of the largest column in every row."""
    if len(names) < 2 or not all(is_numeric(frame[name]) for name in names):
        return False
    largest = frame[list(names)].to_numpy(dtype=float).argmax(axis=1)
    values = frame[label]
    if is_numeric(values):
        return bool((values.to_numpy() == largest).all() or (values.to_numpy() == largest + 1).all())
    return bool((values.map(str).to_numpy() == np.array(list(map(str, names)))[largest]).all())


def without_prefix(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return the names of classes without what all begin with, as the model in ``vit_cat``, ``vit_dog``.

    >>> without_prefix(("vit_f0", "vit_f1")), without_prefix(("cat", "car"))
    (('0', '1'), ('cat', 'car'))
    >>> without_prefix(("P (animal=ox)", "P (animal=elk)")), without_prefix(("yes_prob", "no_prob"))
    (('ox', 'elk'), ('yes', 'no'))
    """
    if names is None or len(names) < 2:
        return names
    matches = [CALLED.fullmatch(name) for name in names]
    called = tuple(match[1] or match[2] or match[3] for match in matches if match is not None)
    if len(set(called)) == len(names):
        return called
    end = 0
    while all(len(name) > end for name in names) and len({name[end] for name in names}) == 1:
        end += 1
    end = max(names[0][:end].rfind(mark) for mark in "_. -") + 1
    rest = tuple(name[end:] for name in names)
    if all(re.fullmatch(r"[a-z]?\d+", name) for name in rest):
        rest = tuple(re.sub(r"\D", "", name) for name in rest)
    return rest if all(rest) and len(set(rest)) == len(rest) else names


def grid_tables(
    frame: "pd.DataFrame", path: Path, base: Roles, grid: dict[str, dict[str, str]], decisions: list[Decision]
) -> list[Table]:
    """Return the members of a table with a column for each model and class."""
    tables = []
    for model, of_class in grid.items():
        table = as_table(frame, path, replace(base, proba=tuple(of_class.values())), own_words(model) or model)
        array = as_probabilities(Item(path, model, table.array), table.array, decisions)
        tables.append(replace(table, array=array, columns=tuple(of_class)))
    return tables


def column_tables(
    frame: "pd.DataFrame", path: Path, base: Roles, names: Sequence[str], decisions: list[Decision]
) -> list[Table]:
    """Return the members of a table with a column a model: of each, probabilities rather than predicted classes."""
    models: dict[str, list[str]] = {}
    for name in names:
        models.setdefault(own_words(str(name)) or str(name), []).append(str(name))
    chosen = {
        model: next((name for name in columns if is_numeric(frame[name]) and fractions(frame[name])), columns[0])
        for model, columns in models.items()
    }
    odd = [name for name in chosen.values() if not (is_numeric(frame[name]) and fractions(frame[name]))]
    if odd and len(odd) < len(chosen):
        raise FileError(
            f"{path}: {', '.join(odd)} hold no probabilities, and other columns do: are they labels or predicted "
            "classes? pass --label-column NAME for the labels, and --drop-column NAME for each other one"
        )
    if len(names) > 1 and all(re.fullmatch(r".+[_. -]0", str(name)) for name in names):
        raise FileError(
            f"{path}: {', '.join(map(str, names[:3]))} are P(class 0) by their names, expected P(class 1) or a column "
            "a class; write 1 minus each under another name"
        )
    tables = []
    for model, columns in models.items():
        best = chosen[model]
        for name in columns:
            if name != best:
                decisions.append(Decision(f"{path} ({name})", "nothing", f"{best} is of the same model"))
        table = as_table(frame, path, replace(base, proba=(best,)), model)
        tables.append(replace(table, array=as_probabilities(Item(path, best, table.array), table.array, decisions)))
    return tables


def of_named_class(tables: list[Table], names: Sequence[str], known: Collection[str]) -> list[Table]:
    """Return members of one column each with both classes, where all columns are called after one of the two."""
    if len(known) != 2 or all(label.isdigit() for label in known) or len(tables) != len(names):
        return tables
    parts = next(divided_names([str(name) for name in names], known), [])
    called = {label for _, label in parts}
    soft = all(table.array.dtype.kind == "f" and 0 <= table.array.min() <= table.array.max() <= 1 for table in tables)
    if len(called) != 1 or not called <= set(known) or not soft:
        return tables
    [label], order = called, sorted(known)
    found = []
    for table, (model, _) in zip(tables, parts, strict=True):
        both = {label: table.array, next(name for name in order if name != label): 1 - table.array}
        array = np.stack([both[name] for name in order], axis=1)
        found.append(replace(table, name=own_words(model) or model, array=array, columns=tuple(order)))
    return found

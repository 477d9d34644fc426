"""Which rows of other people's tables are data: whether the first one is, and the last ones are not."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ensembler.predictions.loading.column_names import (
    DECISION_NAMES,
    FOLD_NAMES,
    ID_NAMES,
    LABEL_NAMES,
    MEMBER_NAMES,
    simple,
)
from ensembler.predictions.loading.headers import Header, cells_of
from ensembler.predictions.loading.lists import is_number

if TYPE_CHECKING:
    import pandas as pd

SUMMARIES: Mapping[str, Callable[[Any], Any]] = {
    "mean": np.nanmean,
    "average": np.nanmean,
    "avg": np.nanmean,
    "total": np.nansum,
    "totals": np.nansum,
    "sum": np.nansum,
    "std": np.nanstd,
    "min": np.nanmin,
    "max": np.nanmax,
    "median": np.nanmedian,
    "count": len,
}
"""What a row is called that sums up those above it, and how it does."""


def count_data_rows(frame: "pd.DataFrame") -> int:
    """Return how many rows there are above those that are empty, or called after what sums up the others.

    A row is one of those where its numbers are what it is called: the mean of those above, their sum and so on.

    >>> import pandas as pd
    >>> count_data_rows(pd.DataFrame({"id": ["1", "2", "mean"], "cat": [0.5, 0.25, 0.375]}))
    2
    """
    filled = np.flatnonzero(~frame.isna().all(axis=1).to_numpy())
    if not len(filled) or frame.shape[1] == 1:
        return len(frame)
    n_filled = n_rows = int(filled[-1]) + 1
    names = [str(name).strip().rstrip(":").casefold() for name in frame.iloc[:n_filled, 0].tolist()]
    while n_rows and names[n_rows - 1] in SUMMARIES:
        n_rows -= 1
    if n_rows == n_filled or n_rows < 2:
        return n_filled
    numbers = [frame[name].iloc[:n_filled].to_numpy() for name in frame.columns[1:] if frame[name].dtype.kind in "iuf"]
    sums_up = len(numbers) and all(
        np.allclose(values[row], summary(values[:n_rows]), rtol=1e-2, atol=1e-2)
        for row, summary in ((row, SUMMARIES[names[row]]) for row in range(n_rows, n_filled))
        for values in numbers
        if np.isfinite(values[row])
    )
    return n_rows if sums_up else n_filled


def is_row(frame: "pd.DataFrame") -> bool:
    """Whether the names of a table are its first row: each is a number, a value of its column, or formed as one.

    Names that columns are called by are none, and of several texts two would seldom all differ in a row of votes.

    >>> import pandas as pd
    >>> is_row(pd.DataFrame({"s0": ["s1", "s2"], "cat": ["dog", "cat"]})), is_row(pd.DataFrame({"label": ["label"]}))
    (True, False)
    """
    first = str(frame.columns[0])
    found = first.isdecimal() and frame.shape[1] > 1 and counts_on(frame[first], int(first) + 1)
    values_of_column = []
    for name in map(str, frame.columns):
        if frame[name].dtype.kind in "iuf":
            if not is_number(name):
                return False
            continue
        values, called = frame[name].map(str), simple(name)
        if called in LABEL_NAMES | DECISION_NAMES | MEMBER_NAMES | FOLD_NAMES or ID_NAMES.fullmatch(called):
            return False
        if values.eq(name).any():
            values_of_column.append(name)
        elif form(name) == name or form(name) != form(values.iloc[0]):
            return False
        found = True
    return found and len(values_of_column) < 2


def is_header_of_numbers(path: Path, header: Header, frame: "pd.DataFrame") -> bool:
    """Whether the first row are the names 0 above a series of fractions, or 0.0 and 1.0 of two classes."""
    names = cells_of(path, header, 1)[0]
    if names == ["0"]:
        return frame.iloc[:, 0].dtype.kind == "f" and bool((frame.iloc[:, 0] % 1 != 0).any())
    if names != ["0.0", "1.0"]:
        return False
    # A row that is certain of the second class stands there more than once.
    return int((frame.iloc[:, 0].eq(0) & frame.iloc[:, 1].eq(1)).sum()) == 1


def counts_on(values: "pd.Series[Any]", start: int | None = None) -> bool:
    """Whether whole numbers count on, from a number or from whichever is first."""
    if values.dtype.kind not in "iu" or not len(values):
        return False
    first = int(values.iloc[0]) if start is None else start
    return bool(np.array_equal(values, np.arange(first, first + len(values))))


def form(text: str) -> str:
    """Return a text with a mark for every number in it.

    >>> form("img_12.png")
    'img_#.png'
    """
    return re.sub(r"\d+", "#", text)

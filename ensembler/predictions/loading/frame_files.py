"""Reading .csv and .parquet files as they are written: no column renamed, no id changed, no value taken for a hole."""

import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ensembler.errors import FileError
from ensembler.predictions.files import parsing
from ensembler.predictions.loading.encoding import SPREADSHEET
from ensembler.predictions.loading.foreign_rows import count_data_rows, counts_on, is_header_of_numbers, is_row
from ensembler.predictions.loading.headers import (
    ALONE,
    Header,
    check_different,
    decimal_mark,
    read_header,
    without_names,
)
from ensembler.predictions.loading.import_advice import import_words
from ensembler.predictions.loading.lists import list_columns, record_columns
from ensembler.predictions.loading.table import ID_COLUMN

if TYPE_CHECKING:
    import pandas as pd

NO_NAME = ("", "Unnamed: 0")
"""How the first column is called where an index was written without a name."""
PERCENTAGE = re.compile(r"\s*\+?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?\s*%\s*")
NOTES = "notes"
"""Where a table keeps what reading it took for granted: the source, what it was taken as, and why."""
DOUBTFUL = "doubtful"
"""Where a table keeps whether its first row is 0 alone, which may be the name that pandas gives a series."""
ROW_NUMBERS = "row numbers"
"""How an index without a name is called in `DataFrame.index`."""


def read_frame_file(path: Path, as_text: Collection[str] = (), *, foreign: bool = False) -> "pd.DataFrame":
    """Read a table; its index, where it is not 0, 1, …, is what an index of pandas was written as.

    Columns named in ``as_text`` keep every character, as ids with leading zeros need it. With ``foreign``, a .csv
    whose first row is one of numbers has columns 0, 1, …, one with two rows of names joins them, percentages become
    fractions, cells may hold lists, rows below the others that sum them up are left out, and what is not in UTF-8 is
    read as Windows-1252.

    Raises
    ------
    FileError
        The file is damaged, has no header, a column twice, or percentages, lists or dictionaries in its cells.
    """
    frame = read_parquet(path) if path.suffix == ".parquet" else read_csv(path, as_text, foreign=foreign)
    frame.columns = [str(column).strip() for column in frame.columns]
    check_different(list(frame.columns), path)
    if frame.shape[0] == 0 or frame.shape[1] == 0:
        raise FileError(
            f"{path}: holds {len(frame)} rows and {frame.shape[1]} columns, expected a header of names and rows"
        )
    check_characters(frame, path)
    if not foreign:
        refuse_foreign(frame, path)
    else:
        for name in incomplete_booleans(frame):
            frame[name] = frame[name].map({True: 1.0, False: 0.0}).astype(np.float64)
    for name in percent_columns(frame):
        frame[name] = frame[name].str.strip().str.rstrip("%").str.strip().str.replace(",", ".").astype(np.float64) / 100
    return frame


def check_characters(frame: "pd.DataFrame", path: Path) -> None:
    """Raise where a text has a NUL character, which NumPy drops from its end, so that two ids may become one."""
    for name in frame.columns:
        if frame[name].dtype.kind in "biufmM":
            continue
        texts = [value if isinstance(value, str) else "" for value in frame[name].tolist()]
        if "\0" in "".join(texts):
            row = next(row for row, text in enumerate(texts) if "\0" in text)
            raise FileError(f"{path}: row {row} has a NUL character in column {name!r}, expected text: is it damaged?")


def percent_columns(frame: "pd.DataFrame") -> list[str]:
    """Return the columns of texts such as ``12.5%``.

    >>> import pandas as pd
    >>> percent_columns(pd.DataFrame({"cat": ["12.5%", "30 %"], "dog": ["87.5%", "70"]}))
    ['cat']
    """
    texts = {name: frame[name].dropna() for name in frame.columns if frame[name].dtype.kind not in "biufmM"}
    return [
        str(name)
        for name, cells in texts.items()
        if len(cells) and all(isinstance(cell, str) and PERCENTAGE.fullmatch(cell) for cell in cells)
    ]


def incomplete_booleans(frame: "pd.DataFrame") -> list[str]:
    """Return the columns of true and false in which some cells are empty."""
    return [
        str(name)
        for name in frame.columns
        if frame[name].dtype == object
        and frame[name].notna().any()
        and all(isinstance(cell, bool) for cell in frame[name].dropna().tolist())
    ]


def refuse_foreign(frame: "pd.DataFrame", path: Path) -> None:
    """Raise where cells are lists, which are a member's row each, dictionaries or percentages."""
    kinds = {"lists": list_columns(frame), "dictionaries": record_columns(frame), "percentages": percent_columns(frame)}
    what = next((kind for kind, names in kinds.items() if names), None)
    if what is not None:
        name = kinds[what][0]
        raise FileError(
            f"{path}: column {name!r} holds {what}, expected a number in each cell; make a prediction set of it with "
            "ensembler import",
            remedy=import_words(str(path)),
        )


def read_parquet(path: Path) -> "pd.DataFrame":
    """Read a .parquet file; an index with a name becomes a column."""
    import pandas as pd

    with parsing(path, "parquet"):
        try:
            frame = pd.read_parquet(path)
        except ImportError as error:
            raise FileError(
                f"{path}: reading .parquet needs pyarrow; pip install 'ensembler-bench[parquet]'"
            ) from error
        if frame.index.name is not None or frame.index.nlevels > 1:
            frame = frame.reset_index()
        elif not is_plain_index(frame.index):
            frame.index.name = ROW_NUMBERS
        if frame.columns.nlevels > 1:
            frame.columns = ["_".join(str(part) for part in name if str(part)) for name in frame.columns]
        check_different([str(name).strip() for name in frame.columns], path)
        # Texts are only decoded when they are looked at; damaged ones shall be found here.
        for name in frame.columns:
            if frame[name].dtype.kind not in "biuf":
                frame[name] = frame[name].astype(object)
    return frame


def is_plain_index(index: Any) -> bool:
    """Whether an index only counts rows from 0."""
    return index.dtype.kind in "iu" and bool((index.to_numpy() == np.arange(len(index))).all())


def read_csv(path: Path, as_text: Collection[str] = (), *, foreign: bool = False) -> "pd.DataFrame":
    """Read a .csv whose cells are separated by commas, semicolons, tabs or bars, as its header shows.

    Texts stay texts, ``NA`` and ``None`` too; only empty cells are missing.
    """
    notes: list[tuple[str, str, str]] = []
    with parsing(path, "csv"):
        header = read_header(path, foreign=foreign)
        frame = read_cells(path, header, as_text)
        if foreign:
            header, frame = read_foreign_cells(path, header, frame, as_text, notes)
    for name in header.nameless:
        if frame[name].notna().any():
            at = header.columns.index(name) + 1
            raise FileError(f"{path}: column {at} has no name, expected a header of names")
        frame = frame.drop(columns=name)
    if header.columns[0] in NO_NAME:
        frame = without_index(frame, header.columns[0])
    frame.attrs[NOTES] = notes
    return frame


def read_foreign_cells(
    path: Path, header: Header, frame: "pd.DataFrame", as_text: Collection[str], notes: list[tuple[str, str, str]]
) -> tuple[Header, "pd.DataFrame"]:
    """Return the header and the rows of a table once more, where its first row is data, or its last ones are none."""
    if header.encoding == SPREADSHEET:
        notes.append((str(path), "encoded in Windows-1252", "it is not in UTF-8"))
    if header.skipped and not header.has_separator_line:
        notes.append((str(path), f"{header.skipped} lines of comments", "they begin with #"))
    if header.rows == 1 and is_row(frame):
        notes.append((str(path), "a table without a header", f"{', '.join(header.names[:3])} are values as well"))
        header = without_names(header, len(header.names))
        frame = read_cells(path, header, as_text)
    elif header.rows == 0 and is_header_of_numbers(path, header, frame):
        header = replace(header, rows=1)
        frame = read_cells(path, header, as_text)
    frame.attrs[DOUBTFUL] = header.rows == 0 and header.names == (ALONE,) and str(frame.iloc[0, 0]) == "0"
    has_names = header.names != without_names(header, len(header.names)).names
    if not has_names and len(frame) > 1 < frame.shape[1] and counts_on(frame.iloc[:, 0]):
        # Row numbers stand before the rest, as an index without a name.
        header = replace(header, names=("", *without_names(header, frame.shape[1] - 1).names))
        frame = frame.set_axis(list(header.columns), axis=1)
    n_rows = count_data_rows(frame)
    for row in frame.iloc[n_rows:].dropna(how="all").iloc[:, 0].map(str).to_list():
        notes.append((f"{path} (row {row})", "nothing", "it sums up the rows above"))
    # Once more, so that numbers above texts are numbers.
    return header, frame if n_rows == len(frame) else read_cells(path, header, as_text, n_rows)


def read_cells(path: Path, header: Header, as_text: Collection[str], n_rows: int | None = None) -> "pd.DataFrame":
    """Read the cells of the first rows, or of all."""
    import pandas as pd

    names = list(header.columns)
    frame = pd.read_csv(
        path,
        header=header.rows - 1 if header.rows else None,
        names=names,
        nrows=n_rows,
        skiprows=header.skipped,
        sep=header.separator,
        decimal=decimal_mark(path, header),
        dtype=dict.fromkeys((name for name in names if name in as_text or name.lower() == ID_COLUMN), str),
        skipinitialspace=True,
        keep_default_na=False,
        na_values=[""],
        encoding=header.encoding,
    )
    if not isinstance(frame.index, pd.RangeIndex):
        raise FileError(f"{path}: rows have more cells than the header's {len(names)} names, expected a name a column")
    return frame


def without_index(frame: "pd.DataFrame", name: str) -> "pd.DataFrame":
    """Return a table whose first column, which has no name, is its index."""
    index = frame.pop(name)
    return frame.set_axis(index.rename(ROW_NUMBERS), axis=0)

"""Reading .csv and .parquet files as they are written: no column renamed, no id changed, no value taken for a hole."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ensembler.errors import FileError
from ensembler.predictions.files import parsing
from ensembler.predictions.loading.headers import check_different, decimal_mark, read_header
from ensembler.predictions.loading.import_advice import import_words
from ensembler.predictions.loading.lists import list_columns, record_columns
from ensembler.predictions.loading.table import ID_COLUMN

if TYPE_CHECKING:
    import pandas as pd

NO_NAME = ("", "Unnamed: 0")
"""How the first column is called where an index was written without a name."""
PERCENTAGE = re.compile(r"\s*\+?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?\s*%\s*")
ROW_NUMBERS = "row numbers"
"""How an index without a name is called in `DataFrame.index`."""


def read_frame_file(path: Path, as_text: Collection[str] = (), *, foreign: bool = False) -> "pd.DataFrame":
    """Read a table; its index, where it is not 0, 1, …, is what an index of pandas was written as.

    Columns named in ``as_text`` keep every character, as ids with leading zeros need it. With ``foreign``, a .csv
    whose first row is one of numbers has columns 0, 1, …, one with two rows of names joins them, percentages become
    fractions, and cells may hold lists.

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
    import pandas as pd

    with parsing(path, "csv"):
        header = read_header(path, foreign=foreign)
        names = list(header.names)
        frame = pd.read_csv(
            path,
            header=header.rows - 1 if header.rows else None,
            names=names,
            sep=header.separator,
            decimal=decimal_mark(path, header),
            dtype=dict.fromkeys((name for name in names if name in as_text or name.lower() == ID_COLUMN), str),
            skipinitialspace=True,
            keep_default_na=False,
            na_values=[""],
            encoding="utf-8-sig",
        )
    if not isinstance(frame.index, pd.RangeIndex):
        raise FileError(f"{path}: rows have more cells than the header's {len(names)} names, expected a name a column")
    if names[0] in NO_NAME:
        frame = without_index(frame, names[0])
    return frame


def without_index(frame: "pd.DataFrame", name: str) -> "pd.DataFrame":
    """Return a table whose first column, which has no name, is its index."""
    index = frame.pop(name)
    return frame.set_axis(index.rename(ROW_NUMBERS), axis=0)

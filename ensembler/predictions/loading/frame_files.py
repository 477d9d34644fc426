"""Reading .csv and .parquet files as they are written: no column renamed, no id changed, no value taken for a hole."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ensembler.errors import FileError
from ensembler.predictions.files import parsing
from ensembler.predictions.loading.import_advice import import_words
from ensembler.predictions.loading.lists import is_number, list_columns, record_columns
from ensembler.predictions.loading.table import ID_COLUMN

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = (";", "\t", "|")
"""What separates cells besides commas."""
NO_NAME = ("", "Unnamed: 0")
"""How the first column is called where an index was written without a name."""
ROW_NUMBERS = "row numbers"
"""How an index without a name is called in `DataFrame.index`."""


def read_frame_file(path: Path, as_text: Collection[str] = (), *, foreign: bool = False) -> "pd.DataFrame":
    """Read a table; its index, where it is not 0, 1, …, is what an index of pandas was written as.

    Columns named in ``as_text`` keep every character, as ids with leading zeros need it. With ``foreign``, a .csv
    whose first row is one of numbers has columns 0, 1, …, and cells may hold lists.

    Raises
    ------
    FileError
        The file is damaged, has no header, a column twice, or lists or dictionaries in its cells.
    """
    frame = read_parquet(path) if path.suffix == ".parquet" else read_csv(path, as_text, headerless=foreign)
    frame.columns = [str(column).strip() for column in frame.columns]
    check_different(list(frame.columns), path)
    if frame.shape[0] == 0 or frame.shape[1] == 0:
        raise FileError(
            f"{path}: holds {len(frame)} rows and {frame.shape[1]} columns, expected a header of names and rows"
        )
    check_characters(frame, path)
    if not foreign:
        refuse_nested(frame, path)
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


def refuse_nested(frame: "pd.DataFrame", path: Path) -> None:
    """Raise where cells are lists, which are a member's row each, or dictionaries."""
    lists, records = list_columns(frame), record_columns(frame)
    if lists or records:
        name, what = (lists[0], "lists") if lists else (records[0], "dictionaries")
        raise FileError(
            f"{path}: column {name!r} holds {what}, expected a number in each cell; make a prediction set of it with "
            "ensembler import",
            remedy=import_words(str(path)),
        )


def check_different(names: Sequence[str], path: Path) -> None:
    """Raise where two columns have one name, blanks around it aside."""
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise FileError(f"{path}: two columns have one name ({twice!r}) in {', '.join(names)}; rename one")


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
        check_different([str(name).strip() for name in frame.columns], path)
        # Texts are only decoded when they are looked at; damaged ones shall be found here.
        for name in frame.columns:
            if frame[name].dtype.kind not in "biuf":
                frame[name] = frame[name].astype(object)
    return frame


def is_plain_index(index: Any) -> bool:
    """Whether an index only counts rows from 0."""
    return index.dtype.kind in "iu" and bool((index.to_numpy() == np.arange(len(index))).all())


def read_csv(path: Path, as_text: Collection[str] = (), *, headerless: bool = False) -> "pd.DataFrame":
    """Read a .csv whose cells are separated by commas, semicolons, tabs or bars, as its header shows.

    Texts stay texts, ``NA`` and ``None`` too; only empty cells are missing.
    """
    import pandas as pd

    with parsing(path, "csv"):
        separator, names, has_header = read_header(path, headerless=headerless)
        frame = pd.read_csv(
            path,
            header=0 if has_header else None,
            names=names,
            sep=separator,
            decimal=decimal_mark(path, separator),
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


def read_header(path: Path, *, headerless: bool) -> tuple[str, list[str], bool]:
    """Return what separates the cells of a .csv, the names in its first line, checked, and whether they are there."""
    import pandas as pd

    with path.open(encoding="utf-8-sig") as stream:
        first = stream.readline(1 << 20)
    separator = "," if "," in first else next((mark for mark in SEPARATORS if mark in first), ",")
    cells = pd.read_csv(
        path, header=None, nrows=1, dtype=str, keep_default_na=False, sep=separator, encoding="utf-8-sig"
    )
    names = [str(name).strip() for name in cells.iloc[0]]
    numbers = [is_number(name) and ("." in name or len(names) == 1) for name in names]
    if all(numbers) or (len(names) > 2 and sum(numbers) >= len(names) - 1):
        if not headerless:
            raise FileError(f"{path}: the first row is {', '.join(names[:8])}, expected a header of names; add one")
        return separator, [str(column) for column in range(len(names))], False
    check_different(names, path)
    if "" in names[1:]:
        raise FileError(f"{path}: column {names.index('', 1) + 1} has no name, expected a header of names")
    return separator, names, True


def decimal_mark(path: Path, separator: str) -> str:
    """Return what separates decimals: a comma where cells are separated by semicolons, and numbers have commas."""
    if separator != ";":
        return "."
    with path.open(encoding="utf-8-sig") as stream:
        stream.readline(1 << 20)
        second = stream.readline(1 << 20)
    return "," if "," in second and "." not in second else "."


def without_index(frame: "pd.DataFrame", name: str) -> "pd.DataFrame":
    """Return a table whose first column, which has no name, is its index."""
    index = frame.pop(name)
    return frame.set_axis(index.rename(ROW_NUMBERS), axis=0)

"""Reading tables: .csv and .parquet files with a header."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import ROW_SUM_TOLERANCE
from ensembler.errors import FileError
from ensembler.predictions.loading.table import ID_COLUMN, Table

if TYPE_CHECKING:
    import pandas as pd


def read_frame(path: Path) -> Table:
    """Read a table whose header names the classes, with an optional ``id`` column."""
    import pandas as pd

    try:
        frame = read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except ImportError as error:
        raise FileError(f"{path}: reading .parquet needs pyarrow; pip install 'ensembler-bench[parquet]'") from error
    except FileError:
        raise
    except (ValueError, pd.errors.ParserError) as error:
        raise FileError(f"{path}: cannot be read as {path.suffix[1:]}: {str(error).strip()}") from error
    frame.columns = [str(column).strip() for column in frame.columns]
    ids = None
    if ID_COLUMN in frame.columns:
        ids = frame.pop(ID_COLUMN).astype(str).to_numpy(dtype=str)
    check_cells(frame, path)
    if frame.shape[1] == 1:
        values = frame.iloc[:, 0]
        single = values.to_numpy(dtype=str) if values.dtype.kind not in "biuf" else values.to_numpy()
        return Table(path.stem, path, single, ids)
    return Table(path.stem, path, numeric_columns(frame, path), ids, tuple(frame.columns))


def check_cells(frame: "pd.DataFrame", path: Path) -> None:
    """Raise unless a table has rows and columns beside the id, and a value in each cell."""
    if frame.shape[1] == 0 or len(frame) == 0:
        raise FileError(
            f"{path}: holds {len(frame)} rows and {frame.shape[1]} columns beside the id, expected a header and rows"
        )
    if frame.isna().to_numpy().any():
        row, column = np.argwhere(frame.isna().to_numpy())[0]
        raise FileError(
            f"{path}: row {row} has no value in column {frame.columns[column]!r}, expected one in every cell"
        )


def numeric_columns(frame: "pd.DataFrame", path: Path) -> NDArray[np.float64]:
    """Return a table as an array, or raise if one of its columns is no class."""
    texts = [column for column in frame.columns if frame[column].dtype.kind not in "biuf"]
    if texts:
        raise FileError(
            f"{path}: column {texts[0]!r} is not numeric, expected one column of probabilities a class (and 'id'); "
            "true classes belong into labels.csv"
        )
    array = frame.to_numpy(dtype=np.float64)
    surplus = surplus_column(array)
    if surplus is not None:
        raise FileError(
            f"{path}: column {frame.columns[surplus]!r} is no class, for the others sum to 1 without it; drop it "
            "(true classes belong into labels.csv)"
        )
    return array


def surplus_column(array: NDArray[np.float64]) -> int | None:
    """Return the column without which all rows are probabilities, if there is one: true classes, a fold, a time."""
    if array.shape[1] <= 2:
        return None
    with np.errstate(invalid="ignore"):
        totals = array.sum(axis=1)
        if (np.abs(totals - 1) <= ROW_SUM_TOLERANCE).all():
            return None
        sum_without = (np.abs(totals[:, None] - array - 1) <= ROW_SUM_TOLERANCE).all(axis=0)
        for column in np.flatnonzero(sum_without).tolist():
            rest = np.delete(array, column, axis=1)
            # Whole numbers are counts rather than probabilities.
            if (rest >= 0).all() and (rest % 1 != 0).any():
                return int(column)
    return None


def read_csv(path: Path) -> "pd.DataFrame":
    """Read a .csv as it is written: no column renamed, no class called ``NA`` or ``None`` taken for a hole."""
    import pandas as pd

    cells = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0]
    names = [str(name).strip() for name in cells]
    other = next((mark for mark in (";", "\t") if len(names) == 1 and mark in str(cells[0])), None)
    if other is not None:
        raise FileError(f"{path}: the header is separated by {other!r}, expected commas; write the table with sep=','")
    if "" in names:
        raise FileError(
            f"{path}: column {names.index('') + 1} has no name; is it an index? write the table with index=False, "
            "or call the column id"
        )
    for name in names:
        if name != ID_COLUMN and name.lower() == ID_COLUMN:
            raise FileError(f"{path}: column {name!r} is no class; rename it to {ID_COLUMN!r} if it names the rows")
    if (len(names) == 1 and is_number(names[0])) or all(is_number(name) and "." in name for name in names):
        raise FileError(f"{path}: the first row is {', '.join(names)}, expected a header of names; add one")
    if len(set(names)) < len(names):
        raise FileError(f"{path}: two columns have one name in {', '.join(names)}")
    frame = pd.read_csv(
        path,
        header=0,
        names=names,
        dtype={ID_COLUMN: str},
        skipinitialspace=True,
        keep_default_na=False,
        na_values=[""],
    )
    if not isinstance(frame.index, pd.RangeIndex):
        raise FileError(f"{path}: rows have more cells than the header's {len(names)} names, expected a name a column")
    return frame


def is_number(text: str) -> bool:
    """Whether a text can be read as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True

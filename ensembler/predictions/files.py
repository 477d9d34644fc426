"""Reading prediction files without unpickling anything, and writing files that are whole or not there."""

import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import ROW_SUM_TOLERANCE
from ensembler.errors import FileError, ShapeError

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".npy", ".npz", ".csv", ".parquet")
ID_COLUMN = "id"


@dataclass(frozen=True)
class Table:
    """What a file holds of one member: an array, and row ids and column names where the format has them."""

    name: str
    path: Path
    array: NDArray[Any]
    ids: NDArray[Any] | None = None
    columns: tuple[str, ...] | None = None

    @property
    def subject(self) -> str:
        """How messages call it."""
        return f"predictions of member {self.name!r}"


def read_tables(path: Path) -> list[Table]:
    """Read the member, or from an archive the members, that a file holds.

    Raises
    ------
    FileError
        The file is missing, empty, truncated, pickled, unreadable or of another kind.
    """
    with readable(path):
        if not path.exists():
            raise FileError(f"{path}: no such file")
        if path.suffix not in SUFFIXES:
            raise FileError(
                f"{path}: cannot read {path.suffix or 'files without a suffix'}, expected {', '.join(SUFFIXES)}"
            )
        if path.stat().st_size == 0:
            raise FileError(f"{path}: the file is empty, expected predictions; was it fully written?")
        if path.suffix == ".npy":
            return [Table(path.stem, path, read_npy(path))]
        if path.suffix == ".npz":
            return read_npz(path)
        return [read_frame(path)]


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what the system says of a file into a `FileError`."""
    try:
        yield
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except MemoryError as error:
        raise FileError(f"{path}: does not fit into memory; is its header damaged?") from error


def read_npy(path: Path) -> NDArray[Any]:
    """Map a .npy file into memory, reading it only where it is used."""
    with path.open("rb") as stream:
        start = stream.read(6)
    if start[:2] == b"PK":
        raise FileError(f"{path}: this is an .npz archive; rename it to {path.stem}.npz")
    if start != b"\x93NUMPY":
        kind = "a pickle, which is never loaded (it could run code)" if start[:1] == b"\x80" else "not a .npy file"
        raise FileError(f"{path}: {kind}; save the array with numpy.save(path, array)")
    try:
        mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise FileError(f"{path}: {format_error(error)}") from error
    return mapped


def format_error(error: Exception) -> str:
    """Return a message that says in plain words what NumPy finds wrong with a file."""
    text = str(error)
    if "allow_pickle" in text or "Python objects" in text:
        fix = "numpy.save(path, array.astype('float32'))"
        return f"holds Python objects, which are never unpickled; save plain numbers: {fix}"
    if "mmap length" in text or "EOF" in text or "cannot reshape" in text or "empty file" in text:
        return "is truncated: the header promises more data than the file holds; copy or write it again"
    return f"is damaged: {text}"


def read_npz(path: Path) -> list[Table]:
    """Read an archive: one array called ``proba`` is the member of the file's name, others are members by their own."""
    if not zipfile.is_zipfile(path):
        raise FileError(f"{path}: is damaged, or no .npz archive; write it again with numpy.savez")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise FileError(f"{path}: {format_error(error)}") from error
    if not arrays:
        raise FileError(f"{path}: the archive holds no array, expected 'proba' or one array a member")
    return [Table(path.stem if name == "proba" else name, path, array) for name, array in arrays.items()]


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


def read_row_values(path: Path) -> Table:
    """Read one value a row: labels, row weights or groups."""
    tables = read_tables(path)
    if len(tables) > 1:
        raise FileError(f"{path}: holds {len(tables)} arrays, expected one value a row")
    if tables[0].columns is not None:
        raise ShapeError(f"{path}: has the columns {', '.join(tables[0].columns)}, expected 'id' and one more")
    return tables[0]


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path`` that becomes ``path`` if the block succeeds, and vanishes if not."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:50]}.", suffix=path.suffix)
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror or error}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files private; give the mode that an ordinary file would have.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file as a whole."""
    with writing(Path(path)) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_array(path: str | Path, array: NDArray[Any]) -> None:
    """Write a .npy file as a whole."""
    with writing(Path(path)) as temporary, temporary.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)

"""Reading a file of predictions, or of one value a row, whatever its format."""

from pathlib import Path

from ensembler.errors import FileError, ShapeError
from ensembler.predictions.files import readable
from ensembler.predictions.loading.array_files import read_npy, read_npz
from ensembler.predictions.loading.frame_files import read_frame
from ensembler.predictions.loading.table import SUFFIXES, Table


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


def read_row_values(path: Path) -> Table:
    """Read one value a row: labels, row weights or groups."""
    tables = read_tables(path)
    if len(tables) > 1:
        raise FileError(f"{path}: holds {len(tables)} arrays, expected one value a row")
    if tables[0].columns is not None:
        raise ShapeError(f"{path}: has the columns {', '.join(tables[0].columns)}, expected 'id' and one more")
    return tables[0]

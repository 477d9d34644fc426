"""Reading a file of predictions, or of one value a row, whatever its format."""

import glob
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import FileError, ShapeError, UsageError, setting
from ensembler.predictions.files import readable
from ensembler.predictions.loading.array_files import archive_tables, read_npy, read_npz, with_missing_votes
from ensembler.predictions.loading.column_names import LABEL_NAMES, simple
from ensembler.predictions.loading.columns import Roles, as_table, find_id, frame_table, row_ids
from ensembler.predictions.loading.frame_files import read_frame_file
from ensembler.predictions.loading.import_advice import import_words
from ensembler.predictions.loading.options import Columns, ReadOptions
from ensembler.predictions.loading.table import IMPORTED, SUFFIXES, Table

FOREIGN = (".tsv", ".txt")
"""Suffixes of tables that only an import reads."""


def read_tables(path: Path, options: ReadOptions | None = None) -> list[Table]:
    """Read the member, or from an archive the members, that a file holds; of ``file.npz#key`` the one of that key.

    Raises
    ------
    FileError
        The file is missing, empty, truncated, pickled, unreadable or of another kind.
    """
    options = options or ReadOptions()
    file, key = split_key(path)
    with readable(file):
        if not file.exists():
            raise FileError(f"{file}: no such file")
        if file.suffix not in SUFFIXES:
            raise FileError(
                f"{file}: cannot read {file.suffix or 'files without a suffix'}, expected {', '.join(SUFFIXES)} "
                "(ensembler import reads further formats)",
                remedy=import_words(str(file)) if file.name.lower().endswith(IMPORTED) else (),
            )
        if file.stat().st_size == 0:
            raise FileError(f"{file}: the file is empty, expected predictions; was it fully written?")
        if file.suffix == ".npy":
            return [Table(file.stem, file, with_missing_votes(read_npy(file)))]
        if file.suffix == ".npz":
            arrays = read_npz(file, options.most_bytes)
            if key is None:
                return archive_tables(file, arrays)
            if key not in arrays:
                raise FileError(f"{path}: the archive has no array {key!r}, only {', '.join(arrays)}")
            return [Table(key, path, arrays[key])]
        as_text = () if options.columns.id is None else (options.columns.id,)
        return [frame_table(read_frame_file(file, as_text), file, options)]


def split_key(path: Path) -> tuple[Path, str | None]:
    """Divide ``file.npz#key``."""
    file, hash_mark, key = str(path).rpartition("#")
    if hash_mark and key and file.endswith(".npz"):
        return Path(file), key
    return path, None


def read_row_values(path: Path, columns: Columns | None = None, *, foreign: bool = False) -> Table:
    """Read one value a row: labels, row weights or groups. A pattern must match one file."""
    path = one_match(path)
    columns = columns or Columns()
    if path.suffix in (".csv", ".parquet") or (foreign and path.suffix in FOREIGN):
        return read_value_column(path, columns, foreign=foreign)
    tables = read_tables(path)
    if len(tables) > 1:
        names = ", ".join(table.name for table in tables)
        raise FileError(
            f"{path}: holds {len(tables)} arrays ({names}), expected one value a row; give one of them, as "
            f"{path}#{tables[0].name}"
        )
    return tables[0]


def read_value_column(path: Path, columns: Columns, *, foreign: bool = False) -> Table:
    """Read the one column that a table has beside its ids, or the one that ``--label-column`` names."""
    frame = read_frame_file(path, (columns.id,) if columns.id else (), foreign=foreign)
    names = [name for name in frame.columns if name not in columns.drop]
    identity = columns.id if columns.id in names else find_id(frame, names)
    if identity is None:
        called = [name for name in names if simple(name) in LABEL_NAMES]
        rest = [name for name in names if name not in called]
        if len(called) == len(rest) == 1 and frame[rest[0]].is_unique:
            identity = rest[0]
    values = [name for name in names if name != identity]
    if foreign and len(values) > 1 and is_one_hot(frame[values].to_numpy()):
        chosen = frame[values].to_numpy().argmax(axis=1)
        ids = None if identity is None else row_ids(frame[identity], path, identity)
        return Table(path.stem, path, np.array(values)[chosen], ids)
    called = [name for name in values if simple(name) in LABEL_NAMES]
    if columns.label in values:
        values = [columns.label]
    if len(values) != 1:
        fix = setting("label", called[0]) if len(called) == 1 else setting("label", place="NAME")
        raise ShapeError(
            f"{path}: has the columns {', '.join(frame.columns)}, expected 'id' and one more; say which column "
            f"holds the labels: {fix}"
        )
    return as_table(frame, path, Roles(identity, None, (), (), (), (values[0],)))


def is_one_hot(values: NDArray[Any]) -> bool:
    """Whether columns are 0 but for one 1 in each row."""
    return bool(values.dtype.kind in "biuf" and np.isin(values, (0, 1)).all() and (values.sum(axis=1) == 1).all())


def one_match(path: Path) -> Path:
    """Return the one file that a pattern matches; a path that is none as it is."""
    if not glob.has_magic(str(path)) or path.exists():
        return path
    matches = sorted(glob.glob(str(path)))
    if len(matches) != 1:
        found = f"matches {len(matches)} files ({', '.join(matches[:3])})" if matches else "matches no file"
        raise UsageError(f"{path}: {found}, expected one")
    return Path(matches[0])

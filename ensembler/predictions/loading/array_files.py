"""Reading .npy and .npz files without unpickling anything."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import FileError
from ensembler.predictions.loading.table import Table


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

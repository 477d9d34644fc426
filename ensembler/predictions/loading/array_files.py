"""Reading .npy and .npz files without unpickling anything."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import FileError, setting
from ensembler.predictions.files import parsing
from ensembler.predictions.loading.table import Table

MOST_BYTES = 2**30
"""Bytes that an archive may unpack to without being asked for."""
USUAL_RATIO = 4
"""An archive may always unpack to so many times its size: probabilities hardly shrink."""
PROBA_KEYS = ("proba", "arr_0")
"""Arrays of an archive that have no name of their own."""


def read_npy(path: Path) -> NDArray[Any]:
    """Map a .npy file into memory, reading it only where it is used."""
    with path.open("rb") as stream:
        start = stream.read(6)
    if start[:2] == b"PK":
        raise FileError(f"{path}: this is an .npz archive; rename it to {path.stem}.npz")
    if start != b"\x93NUMPY":
        kind = "a pickle, which is never loaded (it could run code)" if start[:1] == b"\x80" else "not a .npy file"
        raise FileError(f"{path}: {kind}; save the array with numpy.save(path, array)")
    with parsing(path, ".npy"):
        try:
            mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        except ValueError as error:
            raise FileError(f"{path}: {format_error(error)}") from error
        return decoded(mapped)


def decoded(array: NDArray[Any]) -> NDArray[Any]:
    """Return texts that were looked at, bytes as UTF-8, or raise what is wrong with them; other arrays as they are."""
    if array.dtype.kind == "S":
        return np.asarray(np.char.decode(array, "utf-8"))
    if array.dtype.kind == "U":
        # Characters that are none only show when they are read.
        "".join(np.unique(np.asarray(array))).encode("utf-8")
    return array


def format_error(error: Exception) -> str:
    """Return a message that says in plain words what NumPy finds wrong with a file."""
    text = str(error)
    if "allow_pickle" in text or "Python objects" in text:
        fix = "numpy.save(path, array.astype('float32'))"
        return f"holds Python objects, which are never unpickled; save plain numbers: {fix}"
    if "mmap length" in text or "EOF" in text or "cannot reshape" in text or "empty file" in text:
        return "is truncated: the header promises more data than the file holds; copy or write it again"
    return f"is damaged: {text}"


def read_npz(path: Path, most_bytes: int | None = None) -> dict[str, NDArray[Any]]:
    """Read the arrays of an archive by their names, after a look at how large they would be."""
    if not zipfile.is_zipfile(path):
        raise FileError(f"{path}: is damaged, or no .npz archive; write it again with numpy.savez")
    with parsing(path, ".npz"):
        check_unpacked(path, most_bytes)
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {}
                for name in archive.files:
                    if isinstance(archive[name], bytes):
                        raise FileError(f"{path}: {name!r} in it is no array, expected only what numpy.savez writes")
                    arrays[name] = decoded(archive[name])
        except ValueError as error:
            raise FileError(f"{path}: {format_error(error)}") from error
    if not arrays:
        raise FileError(f"{path}: the archive holds no array, expected 'proba' or one array a member")
    return arrays


def check_unpacked(path: Path, most_bytes: int | None) -> None:
    """Refuse an archive that unpacks to far more than it is large."""
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    packed = path.stat().st_size
    most = max(MOST_BYTES, USUAL_RATIO * packed) if most_bytes is None else most_bytes
    if unpacked > most:
        raise FileError(
            f"{path}: {packed:,} bytes that unpack to {unpacked:,}, expected at most {most:,}; if that is meant, "
            f"pass {setting('max_bytes', unpacked)}",
            remedy=("--max-bytes", str(unpacked)),
        )


def archive_tables(path: Path, arrays: dict[str, NDArray[Any]]) -> list[Table]:
    """Return an archive's members: ``proba`` or a lone ``arr_0`` is called as the file, others by their own names."""
    alone = len([name for name in arrays if name != "labels"]) == 1
    return [
        Table(path.stem if name == "proba" or (alone and name in PROBA_KEYS) else name, path, with_missing_votes(array))
        for name, array in arrays.items()
    ]


def with_missing_votes(array: NDArray[Any]) -> NDArray[Any]:
    """Return whole floats, some of which are NaN, as predicted classes with -1 where there is none."""
    if array.dtype.kind != "f" or array.ndim != 1:
        return array
    missing = np.isnan(array)
    if not missing.any() or missing.all() or (array[~missing] % 1 != 0).any():
        return array
    return np.where(missing, -1, array).astype(np.int64)

"""Reading pickles of plain arrays, through an unpickler that knows nothing else and runs nothing."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from ensembler.errors import FileError
from ensembler.predictions.files import parsing

ALLOWED = frozenset(
    {
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy.core.numeric", "_frombuffer"),
        ("numpy._core.numeric", "_frombuffer"),
        ("collections", "OrderedDict"),
        ("_codecs", "encode"),
    }
)
"""What a pickle of arrays, numbers, texts, tuples, lists and dictionaries refers to; nothing of it runs code."""
MOST_PICKLE = 4 * 2**30
"""Bytes of the largest pickle that is read."""


class ArrayUnpickler(pickle.Unpickler):
    """An unpickler that refuses everything but plain arrays and containers, by name."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what is allowed, and raise for anything else."""
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(
                f"it holds a {module}.{name}, expected plain arrays, tuples, lists and dictionaries, for anything else "
                "could run code; save arrays with numpy.savez"
            )
        if name == "_reconstruct":
            return reconstruct
        if name == "encode":
            return latin_bytes
        return super().find_class(module, name)

    def persistent_load(self, identity: Any) -> Any:
        """Refuse references to things outside the file."""
        raise pickle.UnpicklingError("it refers to something outside the file")


def reconstruct(kind: Any, *_: Any) -> Any:
    """Return the empty array that a pickled one begins with; of no other class."""
    if kind is not np.ndarray:
        raise pickle.UnpicklingError("it holds a kind of array that is not numpy.ndarray")
    return np.ndarray.__new__(np.ndarray, (0,), "b")


def latin_bytes(text: str, encoding: str) -> bytes:
    """Return bytes that old protocols write as a text."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it encodes a text as {encoding}")
    return text.encode("latin1")


def read_pickle(path: Path) -> Any:
    """Return what a pickle holds, if that is plain arrays and containers of them.

    Raises
    ------
    FileError
        It holds anything else, or is damaged; nothing in it was run.
    """
    if path.stat().st_size > MOST_PICKLE:
        raise FileError(f"{path}: has {path.stat().st_size:,} bytes, expected at most {MOST_PICKLE:,} of a pickle")
    with parsing(path, "a pickle of arrays"):
        return unpickle(path.read_bytes())


def unpickle(content: bytes) -> Any:
    """Return the plain arrays and containers of a pickle's bytes."""
    return ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()


def read_object_array(path: Path) -> Any:
    """Return what a .npy file of Python objects holds, if they are plain arrays and containers."""
    with parsing(path, "a .npy file of arrays"), path.open("rb") as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        read(stream)
        return unpickle(stream.read())

"""Reading pickles of plain arrays, through an unpickler that knows nothing else and runs nothing."""

import io
import math
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
MOST_LEVELS = 12
"""Levels of containers that are looked into."""
MOST_PICKLE = 4 * 2**30
"""Bytes of the largest pickle that is read."""


KINDS = re.compile(r"[<>|=]?([?]|b1|[iu][1248]|f[248]|[US]\d{1,6}|O8?)")
"""Codes of the types of numbers and texts that an array may have."""


class StoredType:
    """The type of an array as a pickle describes it: NumPy's own objects are never touched by what a file says."""

    def __init__(self, code: Any, *_: Any) -> None:
        if not isinstance(code, str) or not KINDS.fullmatch(code):
            raise pickle.UnpicklingError(f"it holds an array of {str(code)[:40]!r}, expected numbers or texts")
        self.code, self.order = code.lstrip("<>|="), "="

    def __setstate__(self, state: Any) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        if order not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError("it describes a type of array in an unknown way")
        self.order = order

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type as NumPy has it."""
        return np.dtype(self.code if self.order == "|" else f"{self.order}{self.code}")


class StoredArray:
    """An array as a pickle describes it, to be made once all of it is read."""

    def __init__(self) -> None:
        self.array: NDArray[Any] = np.empty(0)
        self.items: list[Any] | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, is_fortran, content = state
        if not isinstance(kind, StoredType):
            raise pickle.UnpicklingError("it describes an array without a type")
        if kind.code.startswith("O"):
            if not isinstance(content, list):
                raise pickle.UnpicklingError("it describes an array of objects in an unknown way")
            self.items = nested(content, shape)
        else:
            self.array = array_from_bytes(content, kind, shape, "F" if is_fortran else "C")


def nested(items: list[Any], shape: Any) -> list[Any]:
    """Return the objects of an array, which are listed row by row, as lists in lists.

    >>> nested([1, 2, 3, 4, 5, 6], (3, 2))
    [[1, 2], [3, 4], [5, 6]]
    """
    valid = isinstance(shape, tuple) and all(isinstance(size, int) and size >= 0 for size in shape)
    if not valid or len(shape) > MOST_LEVELS or math.prod(shape) != len(items):
        raise pickle.UnpicklingError(f"it describes an array of {len(items)} objects with another shape")
    if len(shape) < 2 or not items:
        return items
    size = len(items) // shape[0]
    return [nested(items[start : start + size], shape[1:]) for start in range(0, len(items), size)]


def array_from_bytes(content: Any, kind: Any, shape: Any, order: Any) -> NDArray[Any]:
    """Return an array of a type and shape, in memory of its own, from bytes of just its size."""
    if not isinstance(kind, StoredType) or kind.code.startswith("O"):
        raise pickle.UnpicklingError("it describes an array without a type of numbers or texts")
    content = content.encode("latin1") if isinstance(content, str) else bytes(content)
    array = np.frombuffer(content, dtype=kind.dtype).reshape(shape, order=order)
    return array.copy()


def stored_scalar(kind: Any, content: Any) -> Any:
    """Return a number of NumPy as one of Python."""
    return array_from_bytes(content, kind, (1,), "C")[0].item()


def stored_array(*_: Any) -> StoredArray:
    """Return the array that a pickled one begins with."""
    return StoredArray()


def latin_bytes(text: str, encoding: str) -> bytes:
    """Return bytes that old protocols write as a text."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it encodes a text as {encoding}")
    return text.encode("latin1")


class ArrayKind:
    """What stands for `numpy.ndarray` in a pickle; nothing is made of it."""


STANDS_FOR: dict[str, Any] = {
    "ndarray": ArrayKind,
    "dtype": StoredType,
    "_reconstruct": stored_array,
    "scalar": stored_scalar,
    "_frombuffer": array_from_bytes,
    "OrderedDict": dict,
    "encode": latin_bytes,
}
"""What each allowed name is read as."""


class ArrayUnpickler(pickle._Unpickler):
    """An unpickler that refuses everything but plain arrays and containers, by name.

    It is the one written in Python, which a few bytes cannot make reserve gigabytes.
    """

    def find_class(self, module: str, name: str) -> Any:
        """Return what is allowed, and raise for anything else."""
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(
                f"it holds a {module}.{name}, expected plain arrays, tuples, lists and dictionaries, for anything else "
                "could run code; save arrays with numpy.savez"
            )
        return STANDS_FOR[name]

    def persistent_load(self, identity: Any) -> Any:
        """Refuse references to things outside the file."""
        raise pickle.UnpicklingError("it refers to something outside the file")


def with_arrays(value: Any, level: int = 0) -> Any:
    """Return containers with arrays in the place of what described them."""
    if level > MOST_LEVELS:
        raise pickle.UnpicklingError(f"it is nested in more than {MOST_LEVELS} levels")
    if isinstance(value, StoredArray):
        return value.array if value.items is None else with_arrays(value.items, level + 1)
    if isinstance(value, dict):
        return {str(key): with_arrays(item, level + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [with_arrays(item, level + 1) for item in value]
    return value


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
    return with_arrays(ArrayUnpickler(io.BytesIO(content), encoding="latin1").load())


def read_object_array(path: Path) -> Any:
    """Return what a .npy file of Python objects holds, if they are plain arrays and containers."""
    with parsing(path, "a .npy file of arrays"), path.open("rb") as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        read(stream)
        return unpickle(stream.read())

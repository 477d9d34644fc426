"""Everything that backbones reads from files: whatever another library raises on them becomes one sentence of ours."""

import io
import json
import math
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from backbones.errors import BackbonesError, RunError

MOST_TEXT = 1 << 26
"""Bytes of a text file: far more than any that is written here."""


@contextmanager
def reading(path: Path, fault: str, *, fix: str = "", kind: type[BackbonesError] = RunError) -> Iterator[None]:
    """Turn whatever is raised while a file is read into an error of ours.

    Readers of damaged or hostile files raise nearly anything, so that no list of exceptions would ever be complete;
    what is inside the block is therefore the reader alone.

    Parameters
    ----------
    path
        The file.
    fault
        What the file is not, such as ``"is not JSON"``.
    fix
        What to do about it.
    kind
        What to raise.
    """
    try:
        yield
    except BackbonesError:
        raise
    except MemoryError as error:
        raise kind(f"{path}: does not fit into memory; is it damaged?") from error
    except Exception as error:
        # Other libraries say OSError of what a file holds as well, which the system does not.
        if isinstance(error, OSError) and error.strerror:
            raise kind(f"{path}: cannot be read: {error.strerror}") from error
        raise kind(f"{path}: {fault}: {reason(error)}{fix and '; '}{fix}") from error


def reason(error: Exception) -> str:
    """Return what an exception says, with its kind where the text alone says nothing.

    Examples
    --------
    >>> reason(ValueError("no number")), reason(KeyError("rows"))
    ('no number', "KeyError: 'rows'")
    """
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    text = first_line(error)
    if not text or isinstance(error, (LookupError, AttributeError, TypeError, AssertionError)):
        return f"{type(error).__name__}{text and ': '}{text}"
    return text


def first_line(error: Exception) -> str:
    """Return the first line of what an exception says."""
    return next(iter(str(error).strip().splitlines()), "").rstrip(" :")


def read_text(path: Path, *, kind: type[BackbonesError] = RunError) -> str:
    """Read a text file of a bounded size."""
    with reading(path, "is not text in UTF-8", kind=kind):
        with path.open("rb") as stream:
            content = stream.read(MOST_TEXT + 1)
        if len(content) > MOST_TEXT:
            raise kind(f"{path}: is larger than {MOST_TEXT >> 20} MB, expected a short text")
        return content.decode("utf-8")


def read_json(path: Path, *, kind: type[BackbonesError] = RunError) -> dict[str, Any]:
    """Read an object from a JSON file: no name twice, finite numbers, text that can be written again."""
    return parse_json(read_text(path, kind=kind), path, kind=kind)


def parse_json(text: str, path: Path, *, kind: type[BackbonesError] = RunError) -> dict[str, Any]:
    """Parse an object that is in a file, as strictly as `read_json`."""
    with reading(path, "is not JSON", kind=kind):
        values = json.loads(text, object_pairs_hook=without_repeats, parse_constant=refuse_number, parse_float=finite)
        # Halves of surrogate pairs can be read and not be written.
        json.dumps(values, ensure_ascii=False).encode("utf-8")
    if not isinstance(values, dict):
        raise kind(f"{path}: holds {type(values).__name__}, expected an object")
    return values


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of pairs, refusing a name that is there twice."""
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} is there twice")
    return values


def finite(text: str) -> float:
    """Read a number, refusing one that is too large to be one."""
    value = float(text)
    return value if math.isfinite(value) else refuse_number(text)


def refuse_number(text: str) -> NoReturn:
    """Refuse what is no finite number."""
    raise ValueError(f"{text[:20]} is no finite number")


def read_toml(path: Path, *, kind: type[BackbonesError] = RunError) -> dict[str, Any]:
    """Read a TOML file."""
    text = read_text(path, kind=kind)
    with reading(path, "is not TOML", kind=kind):
        return tomllib.loads(text)


def read_array(path: Path, *, mapped: bool = False, kind: type[BackbonesError] = RunError) -> NDArray[Any]:
    """Read a .npy file without unpickling anything; a mapped one stays on the disk."""
    with reading(path, "is not a .npy file of numbers", kind=kind):
        if mapped:
            array: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
        else:
            # From memory, since a reader of files believes the length that a damaged header promises.
            array = np.lib.format.read_array(io.BytesIO(path.read_bytes()), allow_pickle=False)
        return array

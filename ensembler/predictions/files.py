"""Reading files so that the system's errors become ours, and writing files that are whole or not there."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import FileError


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what the system says of a file into a `FileError`."""
    try:
        yield
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except MemoryError as error:
        raise FileError(f"{path}: does not fit into memory; is its header damaged?") from error


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

"""Reading files so that every error becomes ours, and writing files and folders that are whole or not there."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import EnsemblerError, FileError, UsageError
from ensembler.serialization import parse_json

MOST_JSON = 64 * 2**20
"""Bytes of the largest JSON file that is read."""


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
def parsing(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a library finds wrong with a file into a `FileError`; ``what`` the file was expected to be.

    Libraries raise all kinds of exceptions for files that are not theirs, or damaged.
    """
    try:
        with readable(path):
            yield
    except EnsemblerError:
        raise
    except ImportError:
        raise
    except RecursionError as error:
        raise FileError(f"{path}: cannot be read as {what}: it is nested too deeply") from error
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise FileError(f"{path}: cannot be read as {what}: {reason}") from error


def read_json(path: Path) -> Any:
    """Read a JSON file strictly, as `ensembler.serialization.parse_json` does.

    Raises
    ------
    FileError
    """
    with readable(path):
        size = path.stat().st_size
        if size > MOST_JSON:
            raise FileError(f"{path}: has {size:,} bytes, expected at most {MOST_JSON:,} of JSON")
        content = path.read_bytes()
    with parsing(path, "JSON"):
        return parse_json(content, MOST_JSON)


def refuse_input(path: Path, option: str, members: Sequence[Path], others: Sequence[Path] = ()) -> None:
    """Refuse to write over what is read, or a table that would be a member of a folder from then on.

    Raises
    ------
    UsageError
    """
    target = path.resolve()
    read = [given.resolve() for given in members]
    folders = [given if given.is_dir() else given.parent for given in read]
    beside = target.parent in folders and path.suffix in MEMBER_SUFFIXES
    if target in [*read, *folders, *(given.resolve() for given in others)] or (path.exists() and beside):
        raise UsageError(
            f"{option} {path}: is one of the input files, which are never overwritten; choose another name"
        )
    if beside:
        raise UsageError(
            f"{option} {path}: would be a member of {path.parent} from then on; write it to another folder"
        )


MEMBER_SUFFIXES = (".npy", ".npz", ".csv", ".parquet")
"""Files that are read as members where they stand in a folder."""


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
        # On the disk before it gets its name, so that a power cut leaves no empty file under it.
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
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


@contextmanager
def writing_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``path`` if the block succeeds, and vanishes if not.

    Raises
    ------
    FileError
        ``path`` is there already and not an empty folder, or cannot be written.
    """
    path = Path(path)
    refuse_taken(path)
    with temporary_folder(path) as temporary:
        yield temporary
        try:
            # Onto an empty folder too, where the system has it so.
            temporary.replace(path)
        except OSError:
            # Another process may have been faster.
            refuse_taken(path)
            raise


def refuse_taken(path: Path) -> None:
    """Raise where a folder that is to be written is there, and not empty."""
    with readable(path):
        taken = os.path.lexists(path) and (not path.is_dir() or any(path.iterdir()))
    if taken:
        raise FileError(f"{path}: is there already, expected a new or empty folder; nothing was written")


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``, with the mode of an ordinary one, that vanishes at the end."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name[:50]}."))
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror or error}") from error
    try:
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o777 & ~mask)
        yield temporary
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def writing_files(path: Path, then: Callable[[], object] | None = None) -> Iterator[Path]:
    """Yield a temporary folder whose files are put into the folder ``path`` if the block succeeds.

    Files of the same names there are replaced, others stay. Where two processes write into one folder, all files of
    one are put there before all of the other. ``then`` is called last, before the other's turn.
    """
    path = Path(path)
    with temporary_folder(path) as temporary:
        yield temporary
        with alone_in(path.parent):
            if not path.is_dir() or not any(path.iterdir()):
                temporary.replace(path)
            else:
                for file in sorted(temporary.iterdir()):
                    file.replace(path / file.name)
            if then is not None:
                then()


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait for other processes that hold a folder so, and hold it."""
    try:
        import fcntl
    except ImportError:
        # Not on this system, which cannot lock a folder.
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)

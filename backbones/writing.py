"""Everything that backbones writes: whole or not at all, under names that nobody can foresee until it is whole."""

import errno
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backbones.errors import RunError

UNFINISHED = ".new"
ABANDONED_AFTER = 86_400.0
"""Seconds after which a temporary folder belongs to a process that was killed."""


def write(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, flush it to the disk, and rename it; a failure leaves the old file.

    The temporary file is made anew under a random name, so that no link is followed that somebody has put there.
    """
    temporary = temporary_name(path)
    with writable(path, "; the previous one is untouched"):
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(temporary, flags, 0o666), "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file as a whole."""
    write(path, text.encode("utf-8"))


def temporary_name(path: Path) -> Path:
    """Return a hidden name beside a path that nobody can foresee."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}{UNFINISHED}")


def sweep(path: Path) -> None:
    """Remove what killed processes have left of a file; only for one that nobody else is writing."""
    for left in siblings(path):
        with writable(left):
            left.unlink(missing_ok=True)


def siblings(path: Path) -> list[Path]:
    """Return the temporary names beside a path that are there."""
    start, hidden = f".{path.name}.", path.parent
    with writable(path):
        return [
            left
            for left in hidden.iterdir()
            if left.name.startswith(start)
            and left.name.endswith(UNFINISHED)
            # The random part has no dot; another file's name may begin with this one's.
            and "." not in left.name[len(start) : -len(UNFINISHED)]
        ]


@contextmanager
def writable(path: Path, state: str = "") -> Iterator[None]:
    """Turn what the system says of a path into an error of ours."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror or error}{state}") from error


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, if they are not there."""
    with writable(folder):
        folder.mkdir(parents=True, exist_ok=True)


def require_writable(folder: Path) -> None:
    """Refuse a folder that nothing could be written into, before any work; nothing is made."""
    with writable(folder):
        home = folder
        while not os.path.lexists(home) and home != home.parent:
            home = home.parent
        if not home.is_dir():
            raise RunError(f"{folder}: cannot be written: {home} is no folder")
        with tempfile.TemporaryFile(dir=home):
            pass


@contextmanager
def temporary_folder(target: Path) -> Iterator[Path]:
    """Yield a folder beside ``target``, to be renamed to it or emptied into it; what is left of it is removed.

    Those that killed processes have left there are removed as well.
    """
    make_folder(target.parent)
    for left in siblings(target):
        with writable(left):
            if left.is_dir() and not left.is_symlink() and time.time() - left.stat().st_mtime > ABANDONED_AFTER:
                shutil.rmtree(left)
    folder = temporary_name(target)
    with writable(target):
        folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def become(folder: Path, target: Path) -> bool:
    """Flush a temporary folder to the disk and rename it to its target; return False if there is one already."""
    flush(folder)
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise
        return False
    return True


def flush(folder: Path) -> None:
    """Flush all files below a folder to the disk."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb+") as stream:
                os.fsync(stream.fileno())


@contextmanager
def lock_file(path: Path) -> Iterator[int]:
    """Open a file to be locked, made if it is not there; a link is not followed, and nothing is written into it."""
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise RunError(f"{path}: is a link, which is not followed; delete it") from error
        raise RunError(f"{path}: cannot be written: {error.strerror or error}") from error
    try:
        yield handle
    finally:
        os.close(handle)

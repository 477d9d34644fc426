"""The state of a sweep in a file, from which a killed one goes on.

The file is an SQLite database: what was found up to some shard is written in one transaction, so that a kill at any
moment leaves the state before or after it. It holds arrays and numbers, nothing that is executed when read, and a
checksum over all of a sweep, so that a change of any byte that counts is noticed.
"""

import dataclasses
import hashlib
import io
import sqlite3
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import AlignmentError, FileError
from ensembler.predictions.files import readable
from ensembler.subsets.tally import Tally

SCHEMA = "ensembler.subsets.checkpoint/2"
SECONDS_BETWEEN_WRITES = 2.0
NO_ROW: tuple[Any, ...] = (None, None, None, None)
UNREADABLE = (EOFError, KeyError, MemoryError, OSError, TypeError, ValueError, zipfile.BadZipFile, zlib.error)
"""What NumPy and its helpers raise of arrays that are none."""
TABLES = """
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS sweeps (key TEXT PRIMARY KEY, done INTEGER, missing INTEGER, tally BLOB, sha256 TEXT);
CREATE TABLE IF NOT EXISTS parts (key TEXT, shard INTEGER, part BLOB, PRIMARY KEY (key, shard));
"""


@dataclasses.dataclass
class State:
    """What was found before: how many shards are done, their tally, and their values where those are kept."""

    done: int = 0
    tally: Tally | None = None
    missing: bool = False
    parts: list[tuple[int, NDArray[Any]]] = dataclasses.field(default_factory=list)


class Store:
    """A checkpoint file, open."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection, self.path = connection, path
        self.written = time.monotonic()
        self.checksums: dict[str, Any] = {}
        """Of the parts of each sweep that are stored, to be gone on with."""

    def read(self, key: str) -> State:
        """Return what is known of a sweep.

        Raises
        ------
        FileError
            What is stored is not what was written.
        """
        of_sweeps = "SELECT done, missing, tally, sha256 FROM sweeps WHERE key = ?"
        of_parts = "SELECT shard, part FROM parts WHERE key = ? ORDER BY rowid"
        try:
            row = self.connection.execute(of_sweeps, (key,)).fetchone()
            parts = self.connection.execute(of_parts, (key,)).fetchall()
        except MemoryError as error:
            raise self._damaged() from error
        checksum = self.checksums[key] = hashlib.sha256(key.encode())
        if row is None and not parts:
            return State()
        for shard, part in parts:
            add_to(checksum, shard, part)
        done, missing, tally, written = row or NO_ROW
        if written != of_sweep(checksum, done, missing, tally):
            raise self._damaged()
        try:
            return State(done, unpack(tally), bool(missing), [(shard, load(part)) for shard, part in parts])
        except UNREADABLE as error:
            raise self._damaged() from error

    def _damaged(self) -> FileError:
        return FileError(f"{self.path}: the checkpoint is damaged; delete it to begin again, or give another one")

    def add(self, key: str, state: State, shard: int, part: NDArray[Any] | None, *, last: bool) -> None:
        """Take up one more shard; it is in the file after some seconds, or at once with the last one."""
        if part is not None:
            data = dump(part)
            self.connection.execute("INSERT INTO parts VALUES (?, ?, ?)", (key, shard, data))
            add_to(self.checksums[key], shard, data)
        if last or time.monotonic() - self.written > SECONDS_BETWEEN_WRITES:
            assert state.tally is not None
            values = (state.done, int(state.missing), pack(state.tally))
            row = (key, *values, of_sweep(self.checksums[key], *values))
            self.connection.execute("INSERT OR REPLACE INTO sweeps VALUES (?, ?, ?, ?, ?)", row)
            self.connection.commit()
            self.written = time.monotonic()


def add_to(checksum: Any, *values: Any) -> None:
    """Add numbers and bytes to a checksum, each with its kind and length."""
    for value in values:
        data = value if isinstance(value, bytes) else repr(value).encode("utf-8", "surrogatepass")
        checksum.update(f"{type(value).__name__}{len(data)}:".encode())
        checksum.update(data)


def of_sweep(checksum: Any, *values: Any) -> str:
    """Return the checksum of a sweep, of which ``checksum`` has the parts already."""
    whole = checksum.copy()
    add_to(whole, *values)
    return str(whole.hexdigest())


@contextmanager
def open_store(path: Path, identity: str) -> Iterator[Store]:
    """Open or begin a checkpoint of a study with this identity (checksums of the arrays, and what is asked).

    Raises
    ------
    AlignmentError
        The file is the checkpoint of another study.
    FileError
        The file is not a checkpoint, or cannot be read or written.
    """
    with only_process(path), sentences(path), closing(sqlite3.connect(path)) as connection:
        connection.executescript(TABLES)
        known = dict(connection.execute("SELECT key, value FROM about"))
        if known and known != {"schema": SCHEMA, "identity": identity}:
            raise AlignmentError(
                f"{path}: is the checkpoint of other arrays or options; delete it, or give another file"
            )
        facts = [("schema", SCHEMA), ("identity", identity)]
        connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", facts)
        connection.commit()
        yield Store(connection, path)


@contextmanager
def sentences(path: Path) -> Iterator[None]:
    """Turn what SQLite says of a file into a `FileError`."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise busy(path) from error
        raise FileError(f"{path}: cannot be used as a checkpoint: {error}; give another file") from error


@contextmanager
def only_process(path: Path) -> Iterator[None]:
    """Refuse a file that another process holds; it is free as soon as that one ends, however it ends."""
    try:
        import fcntl
    except ImportError:
        # Elsewhere SQLite's own locks have to do, which are held while something is written.
        yield
        return
    with readable(path):
        stream = path.open("ab")
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise busy(path) from error
        yield


def busy(path: Path) -> FileError:
    """Return the error for a checkpoint in use."""
    return FileError(f"{path}: another process works on this checkpoint; wait for it, or give another file")


def dump(array: NDArray[Any]) -> bytes:
    """Return an array as the bytes of a .npy file."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def load(data: bytes) -> NDArray[Any]:
    """Return the array of `dump`."""
    return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))


def pack(tally: Tally) -> bytes:
    """Return a tally as the bytes of a .npz file."""
    stream = io.BytesIO()
    arrays = {name: value for name, value in vars(tally).items() if value is not None}
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def unpack(data: bytes) -> Tally:
    """Return the tally of `pack`."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        found = dict(arrays)
    found["n_top"] = int(found["n_top"])
    return Tally(**{"histogram": None, **found})

"""The state of a sweep in a file, from which a killed one goes on.

The file is an SQLite database: what was found up to some shard is written in one transaction, so that a kill at any
moment leaves the state before or after it. It holds arrays and numbers, nothing that is executed when read.
"""

import dataclasses
import io
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import AlignmentError, FileError
from ensembler.subsets.tally import Tally

SCHEMA = "ensembler.subsets.checkpoint/1"
SECONDS_BETWEEN_WRITES = 2.0
TABLES = """
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS sweeps (key TEXT PRIMARY KEY, done INTEGER, missing INTEGER, tally BLOB);
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

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.written = time.monotonic()

    def read(self, key: str) -> State:
        """Return what is known of a sweep."""
        row = self.connection.execute("SELECT done, missing, tally FROM sweeps WHERE key = ?", (key,)).fetchone()
        if row is None:
            return State()
        parts = self.connection.execute("SELECT shard, part FROM parts WHERE key = ?", (key,))
        return State(row[0], unpack(row[2]), bool(row[1]), [(shard, load(part)) for shard, part in parts])

    def add(self, key: str, state: State, shard: int, part: NDArray[Any] | None, *, last: bool) -> None:
        """Take up one more shard; it is in the file after some seconds, or at once with the last one."""
        if part is not None:
            self.connection.execute("INSERT INTO parts VALUES (?, ?, ?)", (key, shard, dump(part)))
        if last or time.monotonic() - self.written > SECONDS_BETWEEN_WRITES:
            assert state.tally is not None
            values = (key, state.done, int(state.missing), pack(state.tally))
            self.connection.execute("INSERT OR REPLACE INTO sweeps VALUES (?, ?, ?, ?)", values)
            self.connection.commit()
            self.written = time.monotonic()


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
    try:
        connection = sqlite3.connect(path)
        try:
            connection.executescript(TABLES)
            known = dict(connection.execute("SELECT key, value FROM about"))
            if known and known != {"schema": SCHEMA, "identity": identity}:
                raise AlignmentError(
                    f"{path}: is the checkpoint of other arrays or options; delete it, or give another --checkpoint"
                )
            facts = [("schema", SCHEMA), ("identity", identity)]
            connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", facts)
            connection.commit()
            yield Store(connection)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise FileError(f"{path}: cannot be used as a checkpoint: {error}; give another file") from error


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

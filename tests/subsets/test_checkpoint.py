"""A checkpoint that was changed gives the same results, or is refused in one sentence."""

import os
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from ensembler import Predictions
from ensembler.errors import DataError, FileError
from ensembler.subsets.checkpoint import open_store, pack
from ensembler.subsets.describe import describe_study
from ensembler.subsets.study import study_subsets
from tests.subsets.draw import draw


@pytest.fixture(scope="module")
def data():
    proba, labels = draw("random", 6, 40, 3, seed=3)
    return Predictions(proba, labels)


def swept(path, data):
    with open_store(path, "x") as store:
        return describe_study(study_subsets(data, ["mean"], store=store))


def outcome(path, data):
    """Return what a sweep on a checkpoint finds, or the sentence it is refused with."""
    try:
        return swept(path, data)
    except DataError as error:
        assert str(error).startswith(f"{path}: ")
        return str(error)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "state"
    return swept(path, data), path.read_bytes()


@pytest.mark.parametrize("kind", ["byte", "bit", "zeros", "cut", "longer"])
def test_any_changed_byte_is_noticed_or_changes_nothing(kind, whole, data, tmp_path):
    reference, content = whole
    rng = np.random.default_rng(len(kind))
    path, refused = tmp_path / "state", 0
    in_use = np.flatnonzero(np.frombuffer(content, dtype=np.uint8))
    for _ in range(25):
        changed, place = bytearray(content), int(rng.choice(in_use))
        if kind == "byte":
            changed[place] = int(rng.integers(256))
        elif kind == "bit":
            changed[place] ^= 1 << int(rng.integers(8))
        elif kind == "zeros":
            changed[place : place + 16] = bytes(16)
        elif kind == "cut":
            del changed[place:]
        else:
            changed[place:place] = bytes(rng.integers(0, 256, 7, dtype=np.uint8))
        path.write_bytes(changed)
        found = outcome(path, data)
        refused += isinstance(found, str)
        assert isinstance(found, str) or found == reference
    assert refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("UPDATE sweeps SET done = done - 1", "the checkpoint is damaged; delete it to begin again"),
        ("UPDATE sweeps SET done = 'many'", "the checkpoint is damaged"),
        ("UPDATE sweeps SET missing = 1", "the checkpoint is damaged"),
        ("UPDATE sweeps SET tally = 'text'", "the checkpoint is damaged"),
        ("UPDATE sweeps SET tally = x'80'", "the checkpoint is damaged"),
        ("UPDATE sweeps SET sha256 = NULL", "the checkpoint is damaged"),
        ("UPDATE parts SET part = zeroblob(length(part))", "the checkpoint is damaged"),
        ("UPDATE parts SET shard = shard + 1", "the checkpoint is damaged"),
        ("DELETE FROM parts", "the checkpoint is damaged"),
        ("DELETE FROM sweeps", "the checkpoint is damaged"),
        ("DROP TABLE sweeps; CREATE TABLE sweeps (key TEXT)", "cannot be used as a checkpoint: no such column: done"),
        ("UPDATE about SET value = x'ff'", "is the checkpoint of other arrays or options"),
    ],
)
def test_changes_of_every_kind(change, message, whole, data, tmp_path):
    path = tmp_path / "state"
    path.write_bytes(whole[1])
    with sqlite3.connect(path) as connection:
        connection.executescript(change)
    connection.close()
    with pytest.raises(DataError, match=message):
        swept(path, data)


def test_a_checksum_does_not_make_an_array(whole, data, tmp_path, monkeypatch):
    path = tmp_path / "state"
    monkeypatch.setattr("ensembler.subsets.checkpoint.pack", lambda tally: pack(tally)[:-30])
    swept(path, data)
    with pytest.raises(FileError, match="the checkpoint is damaged"):
        swept(path, data)


HOLD = """
import sys, time
from pathlib import Path
from ensembler.subsets.checkpoint import open_store
with open_store(Path(sys.argv[1]), "x"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_told(data, tmp_path):
    path = tmp_path / "state"
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, env=os.environ) as process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(FileError, match="another process works on this checkpoint; wait for it"):
            swept(path, data)
        process.kill()
    assert swept(path, data)


def test_a_lock_of_the_database_is_told(data, tmp_path, monkeypatch):
    path = tmp_path / "state"
    swept(path, data)
    other = sqlite3.connect(path)
    other.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr(sqlite3, "connect", lambda path, real=sqlite3.connect: real(path, timeout=0.01))
    with pytest.raises(FileError, match="another process works on this checkpoint"):
        swept(path, data)
    other.close()


def test_a_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(FileError, match="cannot be read: Is a directory"), open_store(tmp_path, "x"):
        pass

"""Killed sweeps go on, and clusters say what threads say."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest

from ensembler import Predictions
from ensembler.errors import AlignmentError, FileError
from ensembler.parallel.dask_cluster import ClusterError, dask_pool
from ensembler.subsets.checkpoint import open_store
from ensembler.subsets.describe import describe_study
from ensembler.subsets.study import study_subsets
from ensembler.subsets.sweep import sweep_predictions
from tests.subsets.draw import draw

COMMAND = [sys.executable, "-c", "from ensembler.cli import main; main()"]


def write(folder, n_members=7, n_rows=150):
    """Write a prediction set with a validation split."""
    for part, seed in (("", 1), ("val", 2)):
        proba, labels = draw("random", n_members, n_rows, 4, seed)
        (folder / part).mkdir(parents=True, exist_ok=True)
        np.save(folder / part / "labels.npy", labels)
        for index, member in enumerate(proba):
            np.save(folder / part / f"m{index}.npy", member)
    return folder


def without_command(text):
    document = json.loads(text)
    document["reproducibility"]["command"] = None
    return document


def test_a_killed_sweep_ends_with_the_same_bytes(tmp_path):
    home, store = write(tmp_path / "preds"), tmp_path / "state"
    command = [*COMMAND, "subsets", home, "--rule", "exponential-weighted", "--rule", "mean", "--json"]
    command += ["--checkpoint", store]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if store.exists() and written_sweeps(store):
            break
        time.sleep(0.01)
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    resumed = subprocess.run(command, capture_output=True, text=True, check=True)
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    fresh = subprocess.run(command[:-2], capture_output=True, text=True, check=True)
    assert resumed.stdout == again.stdout
    assert without_command(resumed.stdout) == without_command(fresh.stdout)


def written_sweeps(store):
    """Count what another process has written."""
    try:
        with sqlite3.connect(store) as connection:
            return connection.execute("SELECT count(*) FROM sweeps").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


@pytest.mark.parametrize("stop_after", [1, 5, 16])
def test_a_sweep_goes_on_after_any_shard(tmp_path, stop_after, monkeypatch):
    monkeypatch.setattr("ensembler.subsets.checkpoint.SECONDS_BETWEEN_WRITES", -1.0)
    proba, labels = draw("random", 14, 60, 3, seed=3)
    data = Predictions(proba, labels)
    reference = describe_study(study_subsets(data, ["mean"]))

    class EnoughError(Exception):
        pass

    def stop(done, total, what):
        if done == stop_after:
            raise EnoughError

    with open_store(tmp_path / "state", "x") as store, pytest.raises(EnoughError):
        study_subsets(data, ["mean"], store=store, progress=stop)
    started = []
    with open_store(tmp_path / "state", "x") as store:
        study = study_subsets(data, ["mean"], store=store, progress=lambda done, total, what: started.append(done))
    assert started[0] >= min(stop_after, 16)
    assert describe_study(study) == reference
    assert study.rules[0].scored.correct.tolist() == sweep_predictions(data).correct.tolist()


def test_streamed_sweeps_go_on_too(tmp_path, monkeypatch):
    monkeypatch.setattr("ensembler.subsets.checkpoint.SECONDS_BETWEEN_WRITES", -1.0)
    monkeypatch.setattr("ensembler.subsets.workers.TABLE_BITS", 10)
    monkeypatch.setattr("ensembler.subsets.workers.MOST_LISTED", 100)
    proba, labels = draw("random", 14, 60, 3, seed=3)
    data = Predictions(proba, labels)
    reference = describe_study(study_subsets(data, ["mean"]))
    with open_store(tmp_path / "state", "x") as store:
        study_subsets(data, ["mean"], store=store)
        assert describe_study(study_subsets(data, ["mean"], store=store)) == reference


def test_checkpoints_of_other_studies_and_other_files_are_refused(tmp_path):
    with open_store(tmp_path / "state", "one"):
        pass
    with (
        pytest.raises(AlignmentError, match="is the checkpoint of other arrays or options"),
        open_store(tmp_path / "state", "two"),
    ):
        pass
    (tmp_path / "text").write_text("no database at all, but long enough to be looked at" * 100)
    with pytest.raises(FileError, match="cannot be used as a checkpoint"), open_store(tmp_path / "text", "one"):
        pass


@pytest.fixture
def cluster(tmp_path):
    """A real scheduler and two workers on loopback; gives the address and the workers' processes."""
    environment = {
        **os.environ,
        "DASK_DISTRIBUTED__WORKER__DAEMON": "False",
        "DASK_DISTRIBUTED__ADMIN__LOW_LEVEL_LOG_LENGTH": "0",
    }
    facts = tmp_path / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
    scheduler = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
         "--no-dashboard", "--scheduler-file", facts],
        **quiet,
    )  # fmt: skip
    workers = []
    try:
        deadline = time.monotonic() + 60
        while not (facts.exists() and facts.read_text().strip()) and time.monotonic() < deadline:
            time.sleep(0.1)
        address = json.loads(facts.read_text())["address"]
        for _ in range(2):
            workers.append(
                subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "distributed.cli.dask_worker",
                        address,
                        "--nthreads",
                        "1",
                        "--no-nanny",
                        "--no-dashboard",
                        "--local-directory",
                        tmp_path,
                    ],
                    **quiet,
                )
            )
        from distributed import Client

        with Client(address, timeout=60) as client:
            client.wait_for_workers(2, timeout=60)
        yield address, workers
    finally:
        for process in [*workers, scheduler]:
            process.kill()
            process.wait()


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_loses_a_worker_says_the_same(cluster):
    address, workers = cluster
    proba, labels = draw("random", 6, 200, 4, seed=4)
    data = Predictions(proba, labels, validation=Predictions(*draw("random", 6, 200, 4, seed=5)))
    reference = describe_study(study_subsets(data, ["exponential-weighted", "mean"]))
    killed = []

    def kill_one(done, total, what):
        if done == 2 and not killed:
            workers[0].kill()
            killed.append(what)

    study = study_subsets(data, ["exponential-weighted", "mean"], workers=lambda: dask_pool(address), progress=kill_one)
    assert killed
    assert json.dumps(describe_study(study)) == json.dumps(reference)


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_walks_too(cluster):
    address, _ = cluster
    proba, labels = draw("random", 14, 80, 3, seed=6)
    data = Predictions(proba, labels)
    study = study_subsets(data, ["mean"], workers=lambda: dask_pool(address))
    assert study.rules[0].scored.correct.tolist() == sweep_predictions(data).correct.tolist()


@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_that_is_not_there(monkeypatch):
    monkeypatch.setattr("ensembler.parallel.dask_cluster.SECONDS_TO_CONNECT", 1)
    with pytest.raises(ClusterError, match="no Dask scheduler answers at 127.0.0.1:9"), dask_pool("127.0.0.1:9"):
        pass

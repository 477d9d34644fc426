"""Killed at any write: what was there is whole, and the same command ends in the same bytes."""

import itertools
import shutil

import numpy as np
import pytest

from backbones import export as exporting
from backbones.cache import cache_folder
from backbones.configuration import RunConfig
from backbones.errors import DataWarning, RunError
from backbones.export import add_member, export
from backbones.fer2013 import load_faces
from backbones.grid import Point, write_results
from backbones.runs import Run
from backbones.training import train
from backbones.writing import UNFINISHED, write
from ensembler import load_predictions
from tests.backbones.conftest import draw_faces
from tests.backbones.test_fer2013 import as_csv, rows
from tests.kills import STEPS, Disk, KilledError

pytestmark = pytest.mark.filterwarnings("ignore")


def tree(folder):
    """The files below a folder that are not temporary, and what is in them."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in paths
        if not any(part.endswith(UNFINISHED) for part in path.parts) and path.name != ".lock"
    }


def kill_everywhere(work, prepare, folder, whole, steps=(*STEPS, "write")):
    """Kill the work at each of its steps; yield what is there then, and see that the same work completes it."""
    start = folder.with_name("start")
    start.mkdir()
    prepare(start)
    for last in itertools.count(1):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(start, folder)
        with pytest.MonkeyPatch.context() as patch:
            disk = Disk(patch, last, steps)
            try:
                work(folder)
            except KilledError:
                assert disk.ended
        if not disk.ended:
            break
        yield tree(folder)
        work(folder)
        assert tree(folder) == whole
    assert last > 3


def expected(work, prepare, folder):
    folder.mkdir()
    prepare(folder)
    work(folder)
    return tree(folder)


def test_a_file_is_the_old_or_the_new_one_wherever_its_writer_is_killed(tmp_path):
    def prepare(folder):
        (folder / "config.json").write_bytes(b"the old one")

    for there in kill_everywhere(
        lambda folder: write(folder / "config.json", b"the new one"),
        prepare,
        tmp_path / "run",
        {"config.json": b"the new one"},
    ):
        assert there in ({"config.json": b"the old one"}, {"config.json": b"the new one"})


@pytest.mark.parametrize("step", ["open", "write", "fsync", "replace"])
def test_a_file_whose_writing_fails_leaves_the_old_one_and_a_sentence(step, tmp_path):
    (tmp_path / "config.json").write_bytes(b"the old one")
    with pytest.MonkeyPatch.context() as patch:
        Disk(patch, 1, (step,), OSError(28, "No space left on device"))
        with pytest.raises(RunError, match="config.json: cannot be written: No space left on device; the previous one"):
            write(tmp_path / "config.json", b"the new one")
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    assert (tmp_path / "config.json").read_bytes() == b"the old one"


@pytest.fixture(scope="module")
def small():
    return draw_faces(counts=(16, 7, 7), size=24)


def arrays_of(faces, seed=0):
    """Made-up probabilities of a member."""
    rng = np.random.default_rng(seed)
    return {name: rng.dirichlet(np.ones(7), len(faces.split(name))).astype(np.float32) for name in ("val", "test")}


def add(folder, faces, member="a", seed=0):
    add_member(folder, member, arrays_of(faces, seed), {"seed": seed}, faces)


def test_a_new_prediction_set_is_there_as_a_whole_or_not_at_all(small, tmp_path):
    def work(folder):
        add(folder / "preds", small)

    whole = expected(work, lambda folder: None, tmp_path / "whole")
    assert len(whole) == 6
    for there in kill_everywhere(work, lambda folder: None, tmp_path / "killed", whole):
        assert there in ({}, whole)


@pytest.mark.parametrize("before", [(), ("a", "b")])
def test_a_set_that_is_there_can_be_read_wherever_a_member_is_being_added(before, small, tmp_path):
    """The member is the old one, the new one, or not there; never the rows of one with the figures of the other."""

    def prepare(folder):
        (folder / "preds").mkdir()
        for member in before:
            add(folder / "preds", small, member, seed=1)

    def work(folder):
        add(folder / "preds", small)

    whole = expected(work, prepare, tmp_path / "whole")
    new, old = arrays_of(small), arrays_of(small, seed=1)
    steps = ("fsync", "replace", "unlink", "write")
    for there in kill_everywhere(work, prepare, tmp_path / "killed", whole, steps):
        if not any(name.removeprefix("preds/") in ("a.npy", "b.npy") for name in there):
            continue
        data = load_predictions(tmp_path / "killed" / "preds")
        assert set(data.names) <= {"a", *before}
        if "b" in before:
            np.testing.assert_array_equal(data.proba[data.names.index("b")], old["test"])
        if "a" in data.names:
            place = data.names.index("a")
            seed = data.metadata[place]["seed"]
            np.testing.assert_array_equal(data.proba[place], (new, old)[seed]["test"])
            np.testing.assert_array_equal(data.validation.proba[place], (new, old)[seed]["val"])


def test_two_processes_that_begin_one_set_both_end_in_it(small, tmp_path, monkeypatch):
    become = exporting.become

    def lose_the_race(temporary, folder):
        monkeypatch.setattr(exporting, "become", become)
        add(folder, small, "b")
        return become(temporary, folder)

    monkeypatch.setattr(exporting, "become", lose_the_race)
    add(tmp_path / "preds", small)
    assert load_predictions(tmp_path / "preds").names == ("a", "b")


def test_a_full_disk_leaves_a_set_as_it_was(small, tmp_path):
    add(tmp_path / "preds", small, "b")
    before = tree(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        Disk(patch, 1, ("fsync",), OSError(28, "No space left on device"))
        with pytest.raises(RunError, match="cannot be written: No space left on device"):
            add(tmp_path / "preds", small)
    assert tree(tmp_path) == before
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(UNFINISHED)]


def test_a_run_goes_on_to_the_same_bytes_wherever_it_was_killed(small, tmp_path):
    """Before each file that is renamed, of which the last epoch's state, its log and the result are some."""
    config = RunConfig.for_faces("agrawal", small, epochs=2, batch_size=8, schedule="onecycle", seed=1)

    def work(folder):
        assert train(Run(folder / "run"), config, small, progress_bar=False, accelerator="cpu")

    whole = expected(work, lambda folder: None, tmp_path / "whole")
    assert sorted(whole) == [f"run/{name}" for name in ("best.safetensors", "config.json", "log.csv", "result.json")]
    kills = 0
    for _ in kill_everywhere(work, lambda folder: None, tmp_path / "killed", whole, ("replace",)):
        kills += 1
        left = [path.name for path in (tmp_path / "killed").rglob("*") if path.name.endswith(UNFINISHED)]
        assert len(left) == 1
    assert kills >= 7
    assert not [path for path in (tmp_path / "killed").rglob("*") if path.name.endswith(UNFINISHED)]


def test_a_state_left_beside_the_result_is_removed(small, tmp_path):
    config = RunConfig.for_faces("agrawal", small, epochs=1, batch_size=8, schedule="onecycle")
    run = Run(tmp_path / "run")
    assert train(run, config, small, progress_bar=False, accelerator="cpu")
    run.checkpoint.write_bytes(b"left by a process that was killed between the two")
    assert train(run, config, small, progress_bar=False, accelerator="cpu")
    assert not run.checkpoint.exists()


def test_a_cache_is_whole_or_not_there_wherever_its_writer_is_killed(tmp_path):
    def prepare(folder):
        (folder / "fer2013.csv").write_text(as_csv(rows(7, 7, 7), "fer2013"))

    def work(folder):
        return load_faces(folder / "fer2013.csv")

    whole = expected(work, prepare, tmp_path / "whole")
    digest = work(tmp_path / "whole").checksum
    for _ in kill_everywhere(work, prepare, tmp_path / "killed", whole):
        assert work(tmp_path / "killed").checksum == digest


def test_a_cache_that_cannot_be_written_is_said(tmp_path):
    path = tmp_path / "fer2013.csv"
    path.write_text(as_csv(rows(7, 7, 7), "fer2013"))
    cache_folder(path, None).write_text("something else")
    with pytest.warns(DataWarning, match="the decoded images are not kept: .* is no cache of decoded images"):
        load_faces(path)
    assert cache_folder(path, None).read_text() == "something else"


def test_the_table_of_a_grid_is_whole(small, tmp_path):
    config = RunConfig.for_faces("agrawal", small)
    points = [Point(0.1, 0.2, 0.3, 0.5, "trained"), Point(0.2, 0.2, 0.3, None, "waiting")]

    def work(folder):
        write_results(folder, config, points)

    whole = expected(work, lambda folder: None, tmp_path / "whole")
    for there in kill_everywhere(work, lambda folder: None, tmp_path / "killed", whole):
        assert there.items() <= whole.items()


def test_an_exported_run_is_the_member_that_it_was(small, tmp_path):
    config = RunConfig.for_faces("agrawal", small, epochs=1, batch_size=8, schedule="onecycle")
    run = Run(tmp_path / "run")
    train(run, config, small, progress_bar=False, accelerator="cpu")
    for name in ("once", "twice", "twice"):
        export(run, small, tmp_path / name)
    assert tree(tmp_path / "once") == tree(tmp_path / "twice")

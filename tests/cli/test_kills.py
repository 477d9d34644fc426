"""Killed at any step that changes the disk: what has its name is whole, and the same command ends in the same bytes."""

import itertools
import shutil

import numpy as np
import pandas as pd
import pytest

from tests.conftest import draw
from tests.kills import Disk, KilledError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a prediction set, new rows, a wide table and a saved rule."""
    monkeypatch.chdir(tmp_path)
    proba, labels = draw(0, 3, 60, 2)
    for folder in ("preds", "new"):
        (tmp_path / folder).mkdir()
        for index, member in enumerate(proba):
            np.save(f"{folder}/m{index}.npy", member)
    np.save("preds/labels.npy", labels)
    columns = {f"m{index}": member[:, 1] for index, member in enumerate(proba)}
    pd.DataFrame({"target": labels, **columns}).to_csv("wide.csv", index=False)
    return tmp_path


PREDICT = ("predict", "preds", "--rule", "accuracy-weighted", "--to", "new", "--out")
WRITERS = {
    "bench --csv": ("bench", "preds", "--rule", "mean", "--resamples", 0, "--csv", "out/table.csv"),
    "predict npy": (*PREDICT, "out/p.npy"),
    "predict csv": (*PREDICT, "out/p.csv"),
    "predict parquet": (*PREDICT, "out/p.parquet"),
    "predict --save": ("predict", "preds", "--rule", "accuracy-weighted", "--save", "out/rule.json"),
    "abstain --save": ("abstain", "preds", "--rule", "mean", "--risk", 0.6, "--save", "out/rule.json"),
    "conformal --csv": ("conformal", "preds", "--rule", "mean", "--csv", "out/sets.csv"),
    "export": ("export", "rule.json", "--format", "python", "--out", "out/rule.py"),
    "import": ("import", "wide.csv", "--out", "out"),
    "sample": ("sample", "out", "--published"),
    "explain --out": ("explain", "preds", "--fit-on", "test", "--rule", "mean", "--out", "out/rows.csv"),
    "subsets --out": ("subsets", "preds", "--rule", "mean", "--out", "out/all.csv"),
}


def tree(folder):
    """The files below a folder that are not temporary, and what is in them."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in paths
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


@pytest.mark.parametrize("writer", WRITERS)
def test_a_killed_command_leaves_nothing_by_halves(writer, here, run):
    assert run("predict", "preds", "--rule", "accuracy-weighted", "--save", "rule.json").code == 0
    before = tree(here)
    assert run(*WRITERS[writer]).code == 0
    whole = tree(here)
    assert whole != before
    for last in itertools.count(1):
        shutil.rmtree(here / "out")
        with pytest.MonkeyPatch.context() as patch:
            disk = Disk(patch, last)
            try:
                run(*WRITERS[writer])
            except KilledError:
                assert disk.ended
        if not disk.ended:
            break
        assert tree(here) in (before, whole)
        again = run(*WRITERS[writer])
        # Where the last step came after the end, the folder is there and is not written twice.
        assert again.code == 0 or tree(here) == whole, again.err
        assert tree(here) == whole
    assert last > 2

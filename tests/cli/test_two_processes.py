"""Two processes that write one target at once: one whole result, or one sentence, wherever the second comes between."""

import itertools
import os
import shutil
import sys
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ensembler.cli import main
from ensembler.predictions import files
from ensembler.predictions.files import writing_files
from tests.cli.test_kills import tree
from tests.conftest import draw

PREDICT = ("predict", "{}", "--rule", "accuracy-weighted", "--to", "new", "--out")
WRITERS = {
    "bench --csv": ("bench", "{}", "--rule", "mean", "--resamples", 0, "--csv", "out/table.csv"),
    "predict npy": (*PREDICT, "out/p.npy"),
    "predict csv": (*PREDICT, "out/p.csv", "--proba"),
    "predict parquet": (*PREDICT, "out/p.parquet", "--proba"),
    "predict --save": ("predict", "{}", "--rule", "accuracy-weighted", "--save", "out/rule.json"),
    "export": ("export", "{}.json", "--format", "python", "--out", "out/rule.py"),
    "import": ("import", "{}.csv", "--out", "out"),
    "sample": ("sample", "out", "--{}"),
    "explain --out": ("explain", "{}", "--fit-on", "test", "--rule", "mean", "--out", "out/rows.csv"),
    "subsets --out": ("subsets", "{}", "--rule", "mean", "--out", "out/all.csv"),
    "report --figures": (
        *("report", "{}", "--rule", "mean", "--resamples", 0, "--fit-on", "test"),
        *("--out", "out/page.html", "--figures", "out/figures"),
    ),
    "rank --figures": (
        *("rank", "{}", "--rule", "mean", "--rule", "median", "--resamples", 40, "--fit-on", "test"),
        *("--csv", "out/table.csv", "--html", "out/page.html", "--figures", "out/figures"),
    ),
}
SETS = ("one", "other")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with two prediction sets of the same members, a wide table of each, and new rows."""
    monkeypatch.chdir(tmp_path)
    for seed, folder in enumerate((*SETS, "new")):
        proba, labels = draw(seed, 3, 60, 2)
        (tmp_path / folder).mkdir()
        for index, member in enumerate(proba):
            np.save(f"{folder}/m{index}.npy", member)
        if folder != "new":
            np.save(f"{folder}/labels.npy", labels)
            columns = {f"m{index}": member[:, 1] for index, member in enumerate(proba)}
            pd.DataFrame({"target": labels, **columns}).to_csv(f"{folder}.csv", index=False)
    return tmp_path


def command(writer, name):
    """The arguments of a command on one of the two sets."""
    if writer == "sample":
        name = {"one": "published", "other": "pool"}[name]
    return [str(word).format(name) for word in WRITERS[writer]]


def call(monkeypatch, capsys, arguments):
    """Run the command line once more, inside of itself."""
    argv = sys.argv
    monkeypatch.setattr("sys.argv", ["ensembler", *arguments])
    try:
        main()
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    finally:
        sys.argv = argv
    err = capsys.readouterr().err
    assert "Traceback" not in err
    return SimpleNamespace(code=code, err=err)


@pytest.mark.parametrize("writer", WRITERS)
def test_the_result_is_that_of_one_of_two_processes(writer, here, monkeypatch, capsys):
    results = {}
    for name in SETS:
        if writer == "export":
            saved = ["predict", name, "--rule", "accuracy-weighted", "--save", f"{name}.json"]
            assert call(monkeypatch, capsys, saved).code == 0
        assert call(monkeypatch, capsys, command(writer, name)).code == 0
        results[name] = tree(here / "out")
        shutil.rmtree("out")
    assert results["one"] != results["other"]
    # A report has a step a figure, a sample one a file.
    for last in (1, 1000) if writer in ("report --figures", "rank --figures", "sample") else itertools.count(1):
        taken, between, held = [], [], []
        replace, alone_in = os.replace, files.alone_in

        @contextmanager
        def holding(folder, held=held, alone_in=alone_in):
            with alone_in(folder):
                held.append(folder)
                yield
                held.pop()

        def second_before(*given, taken=taken, between=between, held=held, last=last, replace=replace):
            # What is held, the second process would wait for.
            if not between and not held:
                taken.append(given)
                if len(taken) == last:
                    between.append(None)
                    between[:] = [call(monkeypatch, capsys, command(writer, "other"))]
            replace(*given)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", second_before)
            patch.setattr(files, "alone_in", holding)
            first = call(monkeypatch, capsys, command(writer, "one"))
        if not between:
            break
        codes = (first.code, between[0].code)
        assert 0 in codes, (first, between)
        found = tree(here / "out")
        # A figure that only the other one has stays beside.
        whole = [{file: found.get(file) for file in result} == result for result in results.values()]
        assert whole[0] if codes == (0, 0) else any(whole)
        for ended in (first, between[0]):
            assert ended.code == 0 or "is there already" in ended.err
        assert not [path for path in here.rglob(".*") if path.name != ".hypothesis"]
        shutil.rmtree("out")
    assert last > 1


def test_files_of_one_process_are_put_into_a_folder_before_those_of_another(tmp_path):
    folder, inside, go_on = tmp_path / "figures", threading.Event(), threading.Event()
    folder.mkdir()
    (folder / "older").write_text("older")

    def write(name, then=None):
        with writing_files(folder, then) as temporary:
            for file in ("a", "b"):
                (temporary / file).write_text(name)

    def hold():
        inside.set()
        assert go_on.wait(30)
        assert {(folder / file).read_text() for file in ("a", "b")} == {"first"}

    first = threading.Thread(target=write, args=("first", hold))
    first.start()
    assert inside.wait(30)
    second = threading.Thread(target=write, args=("second",))
    second.start()
    second.join(0.2)
    assert second.is_alive()
    go_on.set()
    first.join(30)
    second.join(30)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "a": "second",
        "b": "second",
        "older": "older",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["figures"]

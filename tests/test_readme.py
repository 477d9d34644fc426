"""What the README shows is what happens."""

import re
import shutil
import subprocess

import pytest

from tests import pages
from tests.pages import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return [block.code for block in pages.blocks(README, language)]


def commands():
    return pages.commands(README)


def test_the_commands_run(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ours = [command for command in commands() if command[0] == "ensembler"]
    assert len(ours) >= 6
    for command in ours:
        result = run(*command[1:])
        assert result.code == 0, (command, result.err)
    assert (tmp_path / "ensemble.npy").exists()


def test_the_other_commands_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    targets = [command[1] for command in commands() if command[0] == "make"]
    assert targets == ["demo", "test"]
    assert all(f"\n{target}:" in makefile for target in targets)


def test_the_python_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python")
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - the README is ours
    printed = capsys.readouterr().out
    assert re.match(r"\[\('(mean|median|exponential-weighted)', 0\.\d{4}", printed)
    assert len(printed.splitlines()) >= 3


def test_the_python_of_readme_and_plug_in_is_typed(tmp_path):
    api = pytest.importorskip("mypy.api")
    plug_in = (ROOT / "docs" / "how-to" / "make-a-plug-in.md").read_text(encoding="utf-8")
    codes = [*blocks("python"), next(block.code for block in pages.blocks(plug_in, "python"))]
    files = []
    for place, code in enumerate(codes):
        files.append(tmp_path / f"snippet_{place}.py")
        files[-1].write_text(code)
    out, err, code = api.run(["--strict", "--cache-dir", str(tmp_path / "cache"), *map(str, files)])
    assert code == 0, out + err


def test_the_table_is_what_the_demo_prints(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    printed = {line.rstrip() for line in run("bench").out.splitlines()}
    quoted = next(block for block in blocks("text") if "★ recommended" in block)
    table = quoted.split("\n\n")[1]
    assert [line for line in table.splitlines() if line.rstrip() not in printed] == []


def test_the_verdict_is_what_the_demo_says(run):
    told = next(block for block in blocks("text") if block.startswith("Use blend: accuracy")).split("\n\n")[0]
    assert " ".join(told.split()) in " ".join(run("bench").out.split())


def test_the_committee_is_what_subsets_says(run):
    told = next(block for block in blocks("text") if block.startswith("Use blend of all"))
    assert " ".join(told.split()) in " ".join(run("subsets").out.split())


def test_the_tree_names_files_that_are_there():
    tree = next(block for block in blocks("text") if "combiners/" in block)
    for name in re.findall(r"[\w/]+\.py\b|[\w/]+/(?=\s)", tree):
        assert any(
            (ROOT / place / name).exists()
            for place in (
                ".",
                "ensembler",
                "ensembler/combiners",
                "ensembler/deployment",
                "ensembler/predictions",
                "ensembler/subsets",
                "ensembler/report",
                "backbones",
            )
        ), name


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_makefile_knows_its_targets():
    for target in ("demo", "test", "test-core", "lint", "docs"):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

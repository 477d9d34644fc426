"""`ensembler report` from outside."""

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ensembler.cli.output import pasteable_command


@pytest.fixture
def small(write_set):
    return write_set(n_members=3, n_samples=60, n_classes=3)


def test_it_writes_a_page_and_figures(run, small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("report", small, "--figures", "figures", "--figure-format", "png", "--title", "Three <models>")
    assert result.code == 0
    assert result.out == ""
    assert "report.html: " in result.err
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<title>Three &lt;models&gt;</title>" in page
    assert "ensembler report preds --figures figures" in page
    assert (tmp_path / "figures" / "rules.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("absolute", [False, True])
def test_the_command_on_the_page_makes_it_again_where_it_is_pasted(run, write_set, tmp_path, monkeypatch, absolute):
    write_set("my sets/the 'first' one", n_members=3, n_samples=60, n_classes=3)
    monkeypatch.chdir(tmp_path)
    there = Path("my sets") / "the 'first' one"
    out = Path("a page.html")
    paths = [path.resolve() if absolute else path for path in (there, out)]
    options = ["--labels", paths[0] / "labels.npy", "--resamples", "50", "--rule", "mean", "--title", "Ours & theirs"]
    assert run("report", paths[0], *options, "--out", paths[1]).code == 0
    page = out.read_bytes()
    command = html.unescape(re.findall(r"<code>(.+?)</code>", page.decode())[-1])
    assert str(tmp_path) not in command
    out.unlink()
    as_module = f'ensembler() {{ "{sys.executable}" -m ensembler "$@"; }}\n{command}'
    subprocess.run(["bash", "-c", as_module], check=True, capture_output=True, env={**os.environ, "COLUMNS": "80"})
    assert out.read_bytes() == page


def test_paths_elsewhere_stay_and_the_home_folder_is_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "home", lambda: Path("/home/somebody"))
    monkeypatch.chdir(tmp_path)
    words = [
        "report",
        "/data/my set",
        "/home/somebody/my set",
        "--out=/home/somebody/x.html",
        "--title",
        "/home/somebody",
    ]
    monkeypatch.setattr("sys.argv", ["ensembler", *words])
    told = "ensembler report '/data/my set' ~/'my set' --out=/home/somebody/x.html --title /home/somebody"
    assert pasteable_command() == told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "page.pdf"], "--out page.pdf: expected a file that ends in .html"),
        (["--figure-format", "png"], "--figure-format has no effect without --figures DIR"),
        (["--figures", "figs", "--figure-format", "gif"], "value of --figure-format 'gif'"),
        (["--fit-on", "cross", "--val", "preds/val"], "--val has no effect with --fit-on cross"),
        (["--metric", "acuracy"], "did you mean 'accuracy'"),
        (["--out", "preds/labels.npy/page.html"], "cannot be written"),
        (["--rule", "mean", "--rule", "mean"], "given twice"),
    ],
)
def test_wrong_usage_is_told_before_any_work(run, small, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = run("report", small, *arguments)
    assert result.code == (1 if message == "cannot be written" else 2)
    assert message in result.err
    assert not (tmp_path / "report.html").exists()


def test_an_older_page_stays_until_the_new_one_is_whole(run, small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report.html").write_text("older")
    monkeypatch.setattr("ensembler.report.page.render", lambda *_: (_ for _ in ()).throw(OSError(28, "disk full")))
    assert run("report", small, "--resamples", "50").code == 1
    assert (tmp_path / "report.html").read_text() == "older"


def test_a_missing_package_is_named(run, small, tmp_path, monkeypatch):
    import importlib.util

    known = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "jinja2" else known(name))
    monkeypatch.chdir(tmp_path)
    result = run("report", small)
    assert result.code == 2
    assert "pip install 'ensembler-bench[report]'" in result.err

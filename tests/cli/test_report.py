"""`ensembler report` from outside."""

import pytest


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
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "plotly" else known(name))
    monkeypatch.chdir(tmp_path)
    result = run("report", small)
    assert result.code == 2
    assert "pip install 'ensembler-bench[report]'" in result.err

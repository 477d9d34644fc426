"""`ensembler rank` from outside."""

import csv
import json

import numpy as np
import pytest

RULES = ["--rule", "mean", "--rule", "log-pool", "--rule", "max", "--jobs", "1", "--resamples", "100"]
N_SETS = 7


@pytest.fixture
def sets(write_set, tmp_path, monkeypatch):
    for seed in range(N_SETS):
        write_set(f"sets/made-{seed}", seed=10 * seed, n_members=4, n_samples=90, n_classes=3)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "sets"


def test_the_answer_comes_first_then_the_tables(run, sets):
    result = run("rank", *sorted(sets.iterdir()), *RULES)
    assert result.code == 0
    assert result.err == ""
    assert result.out.startswith("Use ")
    assert "\\n" not in result.out
    places = [
        result.out.index(text)
        for text in (
            "Rules on 7 sets, by accuracy",
            "★  ",
            "Friedman's test",
            "Critical difference (Nemenyi",
            "7 sets, 630 scored rows",
        )
    ]
    assert places == sorted(places)
    assert "none share labels" in " ".join(result.out.split())
    assert "Each rule against " in result.out
    assert "by fitting rows" not in result.out


@pytest.mark.parametrize("given", ["sets", "sets/", "sets/*", "sets/*/"])
def test_a_folder_of_sets_and_patterns_are_expanded(run, sets, given):
    result = run("rank", given, *RULES, "--json")
    assert [entry["name"] for entry in json.loads(result.out)["sets"]] == [f"made-{seed}" for seed in range(N_SETS)]


@pytest.mark.parametrize("width", ["80", "120"])
def test_it_fits_the_terminal(run, sets, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", width)
    rules = ["--rule", "accuracy-weighted", "--rule", "exponential-weighted", "--rule", "mean"]
    out = run("rank", "sets", *rules, "--jobs", "1").out
    assert max(map(len, out.splitlines())) <= int(width)
    row = next(line for line in out.splitlines() if line.lstrip("★ ").startswith("accuracy-"))
    assert len(row.split()) >= 8
    assert "exponential-" in out


def test_json_is_one_document(run, sets):
    result = run("rank", "sets", *RULES, "--json", "--learning-curve")
    plain = json.loads(result.out)
    assert plain["schema"] == "ensembler.rank/1"
    assert plain["reproducibility"]["command"].startswith("ensembler rank sets --rule mean")
    assert plain["recommended"] in {rule["name"] for rule in plain["rules"]}
    assert {"rule", "n_fit", "effect", "interval", "n_sets", "pays_from"} == set(plain["learning_curve"][0])
    assert run("rank", "sets", *RULES, "--json", "--learning-curve").out == result.out


def test_markdown_csv_page_and_figures(run, sets, tmp_path):
    files = ["--csv", "values.csv", "--html", "page.html", "--figures", "figures", "--figure-format", "png"]
    result = run("rank", "sets", *RULES, "--markdown", *files)
    assert result.code == 0
    assert result.out.startswith("Use ")
    assert "| rule | mean rank | against mean |" in result.out
    with (tmp_path / "values.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3 * N_SETS
    assert {"set", "rule", "accuracy", "difference", "n_fit"} <= set(rows[0])
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<title>Use " in page
    assert "ensembler rank sets --rule mean" in page
    assert (tmp_path / "figures" / "effects.png").read_bytes().startswith(b"\x89PNG")
    assert "page.html: " in result.err
    assert "figures in figures" in result.err


def test_the_learning_curve_is_a_table(run, sets):
    out = run("rank", "sets", *RULES, "--learning-curve").out
    assert "Against the mean, by fitting rows" in out
    assert "pays" in out


def test_findings_are_counted_and_not_listed(run, sets):
    for name in ("made-1", "made-4"):
        for part in ("", "val"):
            np.save(sets / name / part / "m3.npy", np.load(sets / name / part / "m0.npy"))
    result = run("rank", "sets", *RULES)
    assert result.code == 0
    assert result.err == (
        "warning: 2 of 7 sets have findings, the first made-1; look at one by `ensembler check SET`\n"
    )


def test_sets_that_share_labels_are_named(run, sets):
    labels = np.load(sets / "made-2" / "labels.npy")
    np.save(sets / "made-5" / "labels.npy", labels)
    out = run("rank", "sets", *RULES).out
    assert "6 are independent: sets that share labels or a name's pattern count once: made-2 = made-5." in " ".join(
        out.split()
    )
    clusters = [entry["cluster"] for entry in json.loads(run("rank", "sets", *RULES, "--json").out)["sets"]]
    assert clusters[5] == "made-2"


def test_a_cache_is_read_again(run, sets, monkeypatch):
    first = run("rank", "sets", *RULES, "--cache", "kept", "--json")
    monkeypatch.setattr("ensembler.ranking.rank.measure_one", lambda *_, **__: pytest.fail("measured again"))
    assert run("rank", "sets", *RULES, "--cache", "kept", "--json").out == first.out


def test_protocols(run, sets):
    for protocol, n_fit in ((["--fit-on", "cross"], 72), (["--part", "0.5"], 45), ([], 90)):
        plain = json.loads(run("rank", "sets", *RULES, *protocol, "--json").out)
        assert plain["sets"][0]["n_fit"] in (n_fit, 90 if n_fit == 72 else n_fit)
    assert "(optimistic)" in run("rank", "sets", *RULES, "--fit-on", "test").out


def test_one_set(run, sets):
    result = run("rank", "sets/made-0", *RULES)
    assert result.code == 0
    assert "Rules on 1 set, by accuracy" in result.out
    assert "Wilcoxon's signed-rank test needs 6 sets" in result.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing"], 1, "missing: no such folder"),
        (["sets/made-0/m0.npy"], 1, "is a file, expected the folder of a prediction set"),
        (["sets/made-0", "sets/made-1/val/m0.npy", "missing"], 1, "2 paths: no prediction set"),
        (["nothing-*"], 1, "nothing-*: no folder matches this pattern"),
        (["sets", "--metric", "brier", "--metric", "ece"], 2, "--metric is given 2 times (brier, ece), expected once"),
        (["sets", "--metric", "acuracy"], 2, "did you mean 'accuracy'"),
        (["sets", "--rule", "mean", "--rule", "mean"], 2, "error: rule 'mean' is given twice"),
        (["sets", "--csv", "values.txt"], 2, "--csv values.txt: expected a file that ends in .csv"),
        (["sets", "--html", "page.pdf"], 2, "--html page.pdf: expected a file that ends in .html"),
        (["sets", "--html", "sets/made-0/m0.npy/page.html"], 1, "cannot be written"),
        (["sets", "--figure-format", "png"], 2, "--figure-format has no effect without --figures DIR"),
        (["sets", "--cache", "sets/made-0/m0.npy"], 2, "is a file, expected a folder"),
        (["sets", "--cluster", "("], 2, "is no regular expression"),
        (["sets", "--resamples", "3"], 2, "--resamples is 3, expected at least"),
        (["sets", "--rope", "-0.1"], 2, "rope is -0.1"),
        (["sets", "--jobs", "0"], 2, "--jobs is 0, expected at least 1"),
        (["sets", "--backend", "spark"], 2, "value of --backend 'spark'"),
        (["sets", "--scheduler", "host:1"], 2, "--backend dask and --scheduler HOST:PORT belong together"),
        (["sets", "--json", "--markdown"], 2, "exclude one another"),
        (["sets", "--only", "nobody*"], 2, "nobody"),
    ],
)
def test_wrong_usage_is_told_before_any_work(run, sets, monkeypatch, arguments, code, message):
    monkeypatch.setattr("ensembler.ranking.rank.run", lambda *_, **__: pytest.fail("began to work"))
    result = run("rank", *arguments)
    assert result.code == code, result.err
    assert message in result.err
    assert result.out == ""


def test_bench_has_the_learning_curve_of_one_set(run, write_set):
    home = write_set(n_samples=120)
    rules = ["--rule", "mean", "--rule", "log-pool", "--resamples", "0"]
    out = run("bench", home, *rules, "--learning-curve").out
    assert out.index("Of these, use ") < out.index("Against the mean, by fitting rows")
    plain = json.loads(run("bench", home, *rules, "--learning-curve", "--json").out)
    points = plain["learning_curve"]
    assert [point["n_fit"] for point in points] == [10, 20, 40, 80, 120]
    assert {point["rule"] for point in points} == {"log-pool"}
    assert points[0]["n_sets"] == 1
    assert json.loads(run("bench", home, *rules, "--json").out)["learning_curve"] is None
    refused = run("bench", home, *rules, "--learning-curve", "--calibrate", "members")
    assert refused.code == 2
    assert "--learning-curve fits rules without temperatures" in refused.err


def test_too_few_rows_for_a_learning_curve(run, write_set):
    home = write_set(n_samples=12)
    result = run("bench", home, "--rule", "mean", "--resamples", "0", "--learning-curve")
    assert result.code == 2
    assert "a learning curve needs at least 20 fitting rows, got 12" in result.err

"""``ensembler abstain`` and ``ensembler conformal``, as people use them."""

import json

import numpy as np
import pandas as pd
import pytest

from ensembler import Recipe, load_predictions, study_abstention, study_prediction_sets
from ensembler.metrics.selective import risk_coverage


@pytest.fixture
def home(write_set):
    """A set with validation rows, on which a risk of 30 % takes a threshold."""
    return write_set(n_members=4, n_samples=900, n_classes=4, skill=1.0)


def test_two_sentences_say_what_to_do_and_what_it_brings(run, home):
    told = run("abstain", home, "--rule", "accuracy-weighted", "--risk", "0.2")
    assert told.code == 0, told.err
    study = study_abstention(load_predictions(home), "accuracy-weighted", risk=0.2)
    first = " ".join(told.out.split())
    threshold = f"{study.abstention.threshold:.4f}".lstrip("0")
    assert first.startswith(f"Answer where accuracy-weighted has a top probability above {threshold}: ")
    assert f"{100 * study.reached.coverage:.1f} % of 900 scored rows are answered" in first
    assert f"{100 * (1 - study.reached.risk):.1f} % of the answers are right (95 % interval" in first
    assert "Promised: with 95 % confidence, at most 20 % of the answers to new rows are wrong" in first
    assert "it does not hold if members' epochs or settings were chosen on them" in first
    cost = f"scored {100 * study.rule.accuracy:.1f} %; fitted on all of them, {100 * study.rule.full_accuracy:.1f} %"
    assert (
        f"is fitted on 450 validation rows, and each of the 450 others sets the threshold: that is its cost ({cost})"
        in (first)
    )


def test_the_document_has_what_the_tables_show(run, home):
    arguments = ("abstain", home, "--rule", "mean", "--confidence", "margin", "--risk", "0.2", "--json")
    told = run(*arguments)
    found = json.loads(told.out)
    assert found["schema"] == "ensembler.abstain/1"
    assert run(*arguments).out == told.out
    data = load_predictions(home)
    proba = data.proba.mean(axis=0, dtype=np.float64)
    correct = proba.argmax(-1) == data.true_labels
    ordered = np.sort(proba, axis=1)
    sure = np.round(ordered[:, -1] - ordered[:, -2], 12)
    answered = sure >= found["abstention"]["threshold"]
    assert found["reached"]["coverage"] == pytest.approx(answered.mean())
    assert found["reached"]["risk"] == pytest.approx((~correct[answered]).mean())
    curve = risk_coverage(correct, sure)
    first = found["signals"][0]
    assert (first["name"], first["aurc"], first["excess_aurc"]) == ("margin", curve.aurc, curve.excess)
    assert found["calibration"] == {
        "share": None,
        "n_calibration": 900,
        "n_fit": 900,
        "recommended": False,
        "full_accuracy": pytest.approx(correct.mean()),
    }
    assert [level["aimed"] for level in found["levels"]][-1] == 1.0
    assert sum(part["n_answered"] for part in found["by_class"]) == answered.sum()
    assert len(found["curve"]) == 100
    assert found["by_group"] == []


def test_files_beside_it(run, home, tmp_path):
    figure, table, recipe = tmp_path / "curve.svg", tmp_path / "curve.csv", tmp_path / "ensemble.json"
    told = run(
        "abstain", home, "--rule", "stacking", "--risk", "0.2", "--plot", figure, "--csv", table, "--save", recipe
    )
    assert told.code == 0, told.err
    assert "stacking: fitted on 450 rows, calibrated on 450, saved as" in told.err
    assert "share of the answers that is wrong" in figure.read_text()
    curves = pd.read_csv(table)
    assert set(curves["confidence"]) == {"top-probability", "margin", "entropy", "agreement", "mutual-information"}
    assert curves.groupby("confidence")["coverage"].max().eq(1).all()
    out = tmp_path / "answers.csv"
    assert run("predict", "--recipe", recipe, "--to", home, "--out", out).code == 0
    study = study_abstention(load_predictions(home), "stacking", risk=0.2)
    np.testing.assert_array_equal(pd.read_csv(out)["label"].notna(), study.answered)
    assert Recipe.load(recipe).abstention == study.abstention
    assert Recipe.load(recipe).fitted_on["rows"] == 450


def test_nothing_is_saved_where_no_threshold_is_shown(run, home, tmp_path):
    told = run("abstain", home, "--rule", "mean", "--risk", "0.001", "--save", tmp_path / "e.json")
    assert told.code == 1
    assert "No threshold of confidence is shown by 900 calibration rows to keep the risk at 0.001" in " ".join(
        told.out.split()
    )
    assert "nothing is saved: no threshold of confidence is shown" in told.err
    assert not (tmp_path / "e.json").exists()
    assert run("abstain", home, "--rule", "mean", "--risk", "0.001").code == 0


def test_sets_say_how_often_they_hold_the_true_class(run, home, tmp_path):
    table, recipe = tmp_path / "sets.csv", tmp_path / "sets.json"
    arguments = ("conformal", home, "--rule", "accuracy-weighted", "--alpha", "0.2", "--csv", table, "--save", recipe)
    told = run(*arguments)
    assert told.code == 0, told.err
    study = study_prediction_sets(load_predictions(home), "accuracy-weighted", alpha=0.2)
    first = " ".join(told.out.split())
    coverage = f"{100 * study.overall.coverage:.1f} %"
    assert first.startswith(f"Sets by lac of accuracy-weighted hold the true class in {coverage} of 900 scored rows")
    assert f"They have {study.overall.mean_size:.2f} of 4 classes on average" in first
    assert "Promised: sets of new rows hold the true class in 80 % of the rows or more on average, over all" in first
    sets = pd.read_csv(table, dtype=str, keep_default_na=False)["set"]
    sizes = sets.map(lambda text: len(text.split("|")) if text else 0)
    np.testing.assert_array_equal(sizes, study.contained.sum(axis=1))
    out = tmp_path / "predicted.csv"
    assert run("predict", "--recipe", recipe, "--to", home, "--out", out).code == 0
    assert (pd.read_csv(out, dtype=str, keep_default_na=False)["set"] == sets).all()
    found = json.loads(run(*arguments[:6], "--by-class", "--json").out)
    assert found["schema"] == "ensembler.conformal/1"
    assert len(set(found["prediction_sets"]["quantiles"])) == 4
    assert found["overall"]["n_rows"] == 900
    assert {part["size"] for part in found["by_size"]} <= {0, 1, 2, 3, 4}


def test_classes_of_few_rows_are_in_every_set_and_named(run, home):
    labels = np.load(home / "val" / "labels.npy")
    few = np.flatnonzero(labels == 2)[30:]
    labels[few] = 3
    np.save(home / "val" / "labels.npy", labels)
    told = " ".join(run("conformal", home, "--rule", "mean", "--alpha", "0.02", "--by-class").out.split())
    assert "In every set, since a class needs 49 calibration rows and has fewer: 2 (30)" in told
    told = " ".join(run("conformal", home, "--rule", "mean", "--alpha", "0.0001").out.split())
    assert "Every set has all classes: there are 900 calibration rows, and alpha 0.0001 needs 9,999." in told


def test_a_class_is_named_only_where_that_is_no_chance(run, write_set):
    fair = write_set("fair", n_members=4, n_samples=2000, n_classes=20, skill=1.6)
    told = " ".join(run("abstain", fair, "--rule", "mean", "--risk", "0.2").out.split())
    assert "a risk is one of all answers together" not in told
    spoilt = write_set("spoilt", n_members=4, n_samples=2000, n_classes=4, skill=1.6)
    for part in (spoilt, spoilt / "val"):
        labels = np.load(part / "labels.npy")
        wrong = np.flatnonzero(labels == 0)
        labels[wrong[: len(wrong) // 3]] = 1
        np.save(part / "labels.npy", labels)
    told = " ".join(run("abstain", spoilt, "--rule", "mean", "--risk", "0.15").out.split())
    assert "Of class 1, " in told
    told = " ".join(run("conformal", spoilt, "--rule", "mean").out.split())
    assert "Of class 1, only " in told
    assert "--by-class calibrates each class by itself" in told


def test_groups_and_weights(run, home):
    rng = np.random.default_rng(0)
    for part in (home, home / "val"):
        np.save(part / "weights.npy", rng.integers(0, 3, 900).astype(float))
        np.save(part / "groups.npy", np.arange(900) // 30)
    given = ("--only", "m?", "--weights", home / "weights.npy", "--groups", home / "groups.npy", "--rule", "mean")
    found = json.loads(run("abstain", home, *given, "--risk", "0.35", "--json").out)
    assert len(found["by_group"]) == 30
    assert any("too strong here: the threshold counts rows of a group as" in text for text in found["sentences"])
    assert any("The promise counts every row once" in sentence for sentence in found["sentences"])
    told = run("conformal", home, *given)
    assert "By group" in told.out
    assert "10 that are covered better are not shown" in told.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["abstain", "--risk", "0"], "risk is 0.0, expected a number between 0 and 1"),
        (["abstain", "--delta", "1"], "delta is 1.0, expected a number between 0 and 1"),
        (["abstain", "--confidence", "sureness"], "sureness"),
        (["abstain", "--fit-on", "test"], "--fit-on test leaves no rows to calibrate on that are not scored"),
        (["abstain", "--calibration-share", "0.3"], "--calibration-share has no effect with mean"),
        (["abstain", "--plot", "curve.gif"], "expected a figure that ends in .png, .svg or .pdf"),
        (["abstain", "--csv", "curve.txt"], "expected a file that ends in .csv"),
        (["abstain", "--save", "e.txt"], "expected a file that ends in .json"),
        (["abstain", "--rule", "median"], "--rule is given 2 times"),
        (["conformal", "--alpha", "1"], "alpha is 1.0, expected a number between 0 and 1"),
        (["conformal", "--score", "hinge"], "hinge"),
        (["conformal", "--randomised"], "lac has no randomised form; drop randomised, or take aps or raps"),
        (["conformal", "--score", "raps"], "give raps:free=1"),
        (["conformal", "--fit-on", "test"], "--fit-on test leaves no rows"),
    ],
)
def test_wrong_usage(run, write_set, arguments, message):
    home = write_set(n_members=2, n_samples=60, n_classes=3)
    command, *rest = arguments
    told = run(command, home, "--rule", "mean", *rest)
    assert told.code == 2
    assert message in told.err


def test_without_a_rule_the_recommended_one_is_found_on_other_rows(run, write_set):
    home = write_set(n_members=3, n_samples=500, n_classes=3)
    found = json.loads(run("abstain", home, "--risk", "0.3", "--json").out)
    assert found["calibration"]["recommended"]
    assert found["calibration"]["n_fit"] == 250
    assert any("is recommended and fitted on 250 validation rows" in sentence for sentence in found["sentences"])


def test_validation_rows_that_are_scored_are_told(run, home):
    for path in home.glob("*.npy"):
        np.save(home / "val" / path.name, np.load(path))
    for command in (("abstain", "--risk", "0.2"), ("conformal",)):
        told = " ".join(run(command[0], home, "--rule", "mean", *command[1:]).out.split())
        assert "The scored rows are the validation rows here, so that what is measured flatters it." in told
        assert "By class (optimistic)" in told


@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit_a_terminal(run, home, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    for command in ("abstain", "conformal"):
        told = run(command, home, "--rule", "mean", *(["--risk", "0.2"] if command == "abstain" else []))
        assert max(map(len, told.out.splitlines())) <= width
        assert "…\n" not in told.out.partition("By class")[2]


def test_hard_labels_with_missing_votes(run, tmp_path):
    from ensembler import Predictions
    from tests.conftest import draw

    proba, labels = draw(5, n_members=5, n_samples=1200, n_classes=3)
    votes = np.eye(3)[proba.argmax(-1)]
    missing = np.random.default_rng(0).random((5, 1200)) < 0.3
    votes[missing] = 0
    parts = [
        {"proba": votes[:, rows], "labels": labels[rows], "missing": missing[:, rows], "hard": [True] * 5}
        for rows in (slice(0, 600), slice(600, None))
    ]
    Predictions(**parts[1], validation=Predictions(**parts[0])).save(tmp_path / "votes")
    for signal in ("top-probability", "agreement"):
        told = run("abstain", tmp_path / "votes", "--rule", "majority-vote", "--risk", "0.15", "--confidence", signal)
        assert told.code == 0, told.err
        assert "are answered" in told.out
    told = run("conformal", tmp_path / "votes", "--rule", "majority-vote", "--save", tmp_path / "e.json")
    assert told.code == 0, told.err
    told = run("predict", "--recipe", tmp_path / "e.json", "--to", tmp_path / "votes", "--out", tmp_path / "sets.csv")
    assert told.code == 0, told.err

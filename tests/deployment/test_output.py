"""Predictions in the form that a competition asks for."""

import numpy as np
import pandas as pd
import pytest

from ensembler import Abstention, PredictionSets, Recipe, load_predictions
from ensembler.comparison.compare import fit_rule
from ensembler.deployment.output import set_names
from ensembler.errors import NotApplicableError
from tests.conftest import draw


@pytest.fixture
def competition(tmp_path, monkeypatch):
    """A labelled set and new rows with ids, of two classes."""
    monkeypatch.chdir(tmp_path)
    proba, labels = draw(0, 2, 60, 2)
    for folder, ids in (("train", np.arange(60)), ("new", 100 + np.arange(60))):
        (tmp_path / folder).mkdir()
        for index, member in enumerate(proba):
            frame = pd.DataFrame({"id": ids, "no": member[:, 0], "yes": member[:, 1]})
            frame.to_csv(f"{folder}/m{index}.csv", index=False)
    pd.DataFrame({"id": np.arange(60), "label": np.array(["no", "yes"])[labels]}).to_csv(
        "train/labels.csv", index=False
    )
    return proba.mean(axis=0)


def predict(run, *arguments):
    return run("predict", "train", "--rule", "mean", "--to", "new", *arguments)


def test_the_sample_submission_gives_columns_and_rows(competition, run):
    order = np.random.default_rng(0).permutation(60)
    pd.DataFrame({"PassengerId": 100 + order, "Survived": 0.5}).to_csv("sample.csv", index=False)
    result = predict(run, "--out", "sub.csv", "--like", "sample.csv")
    assert result.code == 0, result.err
    found = pd.read_csv("sub.csv")
    assert list(found) == ["PassengerId", "Survived"]
    assert found["PassengerId"].tolist() == (100 + order).tolist()
    np.testing.assert_allclose(found["Survived"], competition[order, 1], atol=1e-6)


def test_whole_numbers_in_the_sample_ask_for_classes(competition, run):
    pd.DataFrame({"ImageId": 100 + np.arange(60), "Label": 0}).to_csv("sample.csv", index=False)
    assert predict(run, "--out", "sub.csv", "--like", "sample.csv").code == 0
    assert pd.read_csv("sub.csv")["Label"].tolist() == np.array(["no", "yes"])[competition.argmax(-1)].tolist()


def test_a_column_a_class_by_name(competition, run):
    pd.DataFrame({"row": 100 + np.arange(60), "yes": 0.5, "no": 0.5}).to_csv("sample.csv", index=False)
    assert predict(run, "--out", "sub.parquet", "--like", "sample.csv").code == 0
    found = pd.read_parquet("sub.parquet")
    np.testing.assert_allclose(found[["no", "yes"]], competition, atol=1e-6)


def test_parquet_holds_what_csv_holds(competition, run):
    assert predict(run, "--out", "sub.csv", "--proba").code == 0
    assert predict(run, "--out", "sub.parquet", "--proba").code == 0
    found = pd.read_parquet("sub.parquet")
    np.testing.assert_allclose(pd.read_csv("sub.csv")[["no", "yes"]], found[["no", "yes"]], atol=1e-12)


REFUSED = {
    "other rows": (pd.DataFrame({"id": [1, 2], "x": [0.5, 0.5]}), "which the rows to predict have not"),
    "other classes": (pd.DataFrame({"id": 100 + np.arange(60), **dict.fromkeys("abc", 0.3)}), "expected 1 or 2"),
    "no predictions": (pd.DataFrame({"id": 100 + np.arange(60)}), "expected ids and predictions"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_sample_that_does_not_fit_is_refused(competition, run, tmp_path, case):
    sample, message = REFUSED[case]
    sample.to_csv("sample.csv", index=False)
    result = predict(run, "--out", "sub.csv", "--like", "sample.csv")
    assert result.code == 1
    assert message in result.err
    assert not (tmp_path / "sub.csv").exists()


def test_a_sample_without_effect_is_refused(competition, run):
    pd.DataFrame({"id": [1], "x": [0.5]}).to_csv("sample.csv", index=False)
    assert "--like has no effect" in predict(run, "--out", "p.npy", "--like", "sample.csv").err
    assert load_predictions("train").n_members == 2


def saved(competition, path, **answers):
    """Save the mean of the competition's members with a threshold, or with sets."""
    data = load_predictions("train")
    Recipe.of(fit_rule(data, "mean"), data, **answers).save(path)


SETS = PredictionSets("lac", 0.1, (0.6, 0.6))


def test_rows_without_an_answer_have_an_empty_label(competition, run):
    saved(competition, "e.json", abstention=Abstention("top-probability", 0.8))
    told = run("predict", "--recipe", "e.json", "--to", "new", "--out", "sub.csv")
    assert told.code == 0, told.err
    answered = competition.max(axis=1) >= 0.8
    assert f"predicted 60 rows, {(~answered).sum()} of them left without an answer, wrote sub.csv" in told.err
    found = pd.read_csv("sub.csv")
    assert list(found) == ["id", "label", "confidence"]
    np.testing.assert_array_equal(found["label"].notna(), answered)
    named = np.array(["no", "yes"])[competition.argmax(-1)]
    assert (found["label"][answered] == named[answered]).all()
    np.testing.assert_allclose(found["confidence"], competition.max(axis=1), atol=1e-9)
    run("predict", "--recipe", "e.json", "--to", "new", "--out", "sub.parquet")
    again = pd.read_parquet("sub.parquet")
    pd.testing.assert_frame_equal(again[["label", "confidence"]], found[["label", "confidence"]], check_dtype=False)
    run("predict", "--recipe", "e.json", "--to", "new", "--out", "proba.csv", "--proba")
    found = pd.read_csv("proba.csv")
    assert list(found) == ["id", "no", "yes", "answered", "confidence"]
    np.testing.assert_array_equal(found["answered"], answered)


def test_sets_are_names_in_one_column(competition, run):
    saved(competition, "e.json", prediction_sets=SETS)
    told = run("predict", "--recipe", "e.json", "--to", "new", "--out", "sub.csv")
    assert told.code == 0, told.err
    sets = 1 - competition <= 0.6
    assert f"sets of {sets.sum(axis=1).mean():.2f} classes on average" in told.err
    found = pd.read_csv("sub.csv", keep_default_na=False)
    assert list(found) == ["id", "label", "set"]
    expected = ["|".join(np.array(["no", "yes"])[row]) for row in sets]
    assert found["set"].tolist() == expected
    assert {"no|yes", "no", "yes"} <= set(expected)


def test_beside_probabilities_a_table_says_the_rest(competition, run, tmp_path):
    saved(competition, "e.json", abstention=Abstention("margin", 0.5), prediction_sets=SETS)
    told = run("predict", "--recipe", "e.json", "--to", "new", "--out", "out/p.npy")
    assert told.code == 0, told.err
    assert "wrote out/p.npy and out/p.answers.csv" in told.err
    np.testing.assert_allclose(np.load("out/p.npy"), competition, atol=1e-6)
    assert list(pd.read_csv("out/p.answers.csv")) == ["id", "label", "confidence", "set"]
    saved(competition, "plain.json")
    assert run("predict", "--recipe", "plain.json", "--to", "new", "--out", "plain/p.npy").code == 0
    assert [path.name for path in (tmp_path / "plain").iterdir()] == ["p.npy"]


def test_a_sample_submission_has_no_place_for_them(competition, run):
    pd.DataFrame({"id": 100 + np.arange(60), "label": 0}).to_csv("sample.csv", index=False)
    for answers, what in (({"abstention": Abstention("margin", 0.5)}, "rows without an answer"),
                          ({"prediction_sets": SETS}, "prediction sets")):  # fmt: skip
        saved(competition, "e.json", **answers)
        told = run("predict", "--recipe", "e.json", "--to", "new", "--out", "sub.csv", "--like", "sample.csv")
        assert told.code == 2
        assert f"a sample submission has no place for the {what} of e.json; drop it" in told.err


def test_class_names_may_hold_a_separator():
    sets = np.array([[True, True], [False, True]])
    assert set_names(sets, ["a|b", "c"]).tolist() == ["a|b;c", "c"]
    with pytest.raises(NotApplicableError, match="so that no set can be written"):
        set_names(sets, ["|;/", "~^"])

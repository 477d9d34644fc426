"""Predictions in the form that a competition asks for."""

import numpy as np
import pandas as pd
import pytest

from ensembler import load_predictions
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

"""`ensembler import` of a competitor's folder: predictions beside the competition's own tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ensembler import load_predictions
from tests.conftest import draw

NAMES = ("lgb", "rf", "svm")
N_ROWS, N_NEW = 60, 40


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """Members' P(class 1) on labelled and on new rows, and the labels, in a folder with the competition's tables."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "work").mkdir()
    proba, labels = draw(0, len(NAMES), N_ROWS, 2)
    new, _ = draw(1, len(NAMES), N_NEW, 2)
    features = np.random.default_rng(0).normal(size=(N_ROWS + N_NEW, 3)).round(3)
    table = pd.DataFrame(features, columns=["age", "fare", "size"]).assign(id=np.arange(N_ROWS + N_NEW))
    table[:N_ROWS].assign(target=labels).to_csv("work/train.csv", index=False)
    table[N_ROWS:].to_csv("work/test.csv", index=False)
    pd.DataFrame({"id": table["id"][N_ROWS:], "target": 0.5}).to_csv("work/sample_submission.csv", index=False)
    return dict(zip(NAMES, proba[:, :, 1], strict=True)), dict(zip(NAMES, new[:, :, 1], strict=True)), labels


def write_tables(name, values, first, column):
    ids = np.arange(first, first + len(values))
    pd.DataFrame({"id": ids, column: values}).sample(frac=1, random_state=0).to_csv(name, index=False)


def check(rows, *, new=True):
    """Assert that the imported set holds the rows, by their ids where it has some."""
    proba, submitted, labels = rows
    data = load_predictions("preds")
    assert data.names == NAMES
    order = row_order("preds", N_ROWS)
    np.testing.assert_array_equal(data.labels, labels[order])
    np.testing.assert_allclose(data.proba[:, :, 1], np.array(list(proba.values()))[:, order], atol=1e-6)
    if new:
        waiting = load_predictions("preds/new", labelled=False)
        order = row_order("preds/new", N_NEW, first=N_ROWS)
        np.testing.assert_allclose(waiting.proba[:, :, 1], np.array(list(submitted.values()))[:, order], atol=1e-6)


def row_order(folder, n_rows, first=0):
    ids = Path(folder, "rows", "ids.npy")
    return np.load(ids).astype(int) - first if ids.exists() else np.arange(n_rows)


@pytest.mark.parametrize("column", ["pred", "target"])
@pytest.mark.parametrize(
    "arguments",
    [["work"], ["work/oof_*.csv", "work/sub_*.csv", "--labels", "work/train.csv", "--label-column", "target"]],
)
def test_tables_beside_those_of_the_competition(arguments, column, rows, run):
    for name in NAMES:
        write_tables(f"work/oof_{name}.csv", rows[0][name], 0, column)
        write_tables(f"work/sub_{name}.csv", rows[1][name], N_ROWS, "target")
    result = run("import", *arguments, "--out", "preds")
    assert result.code == 0, result.err
    check(rows)


def test_out_of_fold_tables_alone(rows, run):
    for name in NAMES:
        write_tables(f"work/oof_{name}.csv", rows[0][name], 0, "pred")
    assert run("import", "work", "--out", "preds").code == 0
    check(rows, new=False)


@pytest.mark.parametrize("labels", [["--labels", "work/train.csv", "--label-column", "target"], []])
def test_arrays_with_the_labels_in_a_table(labels, rows, run):
    for name in NAMES:
        np.save(f"work/oof_{name}.npy", rows[0][name])
        np.save(f"work/test_{name}.npy", rows[1][name])
    paths = ["work/oof_*.npy", "work/test_*.npy"] if labels else ["work"]
    result = run("import", *paths, *labels, "--out", "preds")
    assert result.code == 0, result.err
    check(rows)


def test_arrays_out_of_fold_and_submissions_in_tables(rows, run):
    for name in NAMES:
        np.save(f"work/oof_{name}.npy", rows[0][name])
        pd.DataFrame({"id": np.arange(N_ROWS, N_ROWS + N_NEW), "target": rows[1][name]}).to_csv(
            f"work/sub_{name}.csv", index=False
        )
    result = run("import", "work", "--out", "preds")
    assert result.code == 0, result.err
    assert "it is a sample submission" in result.out
    check(rows)


def test_labels_under_another_name_are_asked_for(rows, run):
    pd.read_csv("work/train.csv").rename(columns={"target": "Survived"}).to_csv("work/train.csv", index=False)
    for name in NAMES:
        write_tables(f"work/oof_{name}.csv", rows[0][name], 0, "pred")
    result = run("import", "work", "--out", "preds")
    assert result.code == 1
    assert result.err.rstrip().endswith("say which it is, of Survived: --label-column Survived")
    assert run("import", "work", "--label-column", "Survived", "--out", "preds").code == 0
    check(rows, new=False)


def test_labels_of_training_rows_are_not_those_of_as_many_new_rows(rows, run):
    proba, _, labels = rows
    for name in NAMES:
        pd.DataFrame({"pred": proba[name]}).to_csv(f"oof_{name}.csv", index=False)
        pd.DataFrame({"pred": proba[name][::-1]}).to_csv(f"sub_{name}.csv", index=False)
    pd.DataFrame({"target": labels}).to_csv("y_train.csv", index=False)
    result = run("import", "oof_*.csv", "sub_*.csv", "--labels", "y_train.csv", "--out", "preds")
    assert result.code == 0, result.err
    rows[1].update({name: values[::-1] for name, values in proba.items()})
    data, new = load_predictions("preds"), load_predictions("preds/new", labelled=False)
    np.testing.assert_array_equal(data.labels, labels)
    np.testing.assert_allclose(new.proba[:, ::-1], data.proba)


def test_labels_of_other_rows_are_refused(rows, run):
    for name in NAMES:
        write_tables(f"oof_{name}.csv", rows[0][name], 1000, "pred")
    result = run("import", "oof_*.csv", "--labels", "work/train.csv", "--label-column", "target", "--out", "preds")
    assert result.code == 1
    assert "do not hold the same ids" in result.err


def test_a_model_in_a_folder_below_another_of_the_same_file_name(rows, run, tmp_path):
    (tmp_path / "runs" / "rf" / "calibrated").mkdir(parents=True)
    for folder, name in (("rf", "rf"), ("rf/calibrated", "svm")):
        frame = pd.DataFrame({"pred": rows[0][name], "target": rows[2]}).rename_axis("id")
        frame.to_csv(f"runs/{folder}/test.csv")
    assert run("import", "runs", "--out", "preds").code == 0
    assert load_predictions("preds").names == ("calibrated", "rf")


def test_a_submission_of_an_imported_set_is_matched_by_id(rows, run):
    for name in NAMES:
        write_tables(f"work/oof_{name}.csv", rows[0][name], 0, "pred")
        write_tables(f"work/sub_{name}.csv", rows[1][name], N_ROWS, "target")
    assert run("import", "work", "--out", "preds").code == 0
    sample = pd.DataFrame({"id": np.arange(N_ROWS, N_ROWS + N_NEW)[::-1], "target": 0.5})
    sample.to_csv("like.csv", index=False)
    result = run("predict", "preds", "--rule", "mean", "--to", "preds/new", "--like", "like.csv", "--out", "out.csv")
    assert result.code == 0, result.err
    submitted = pd.read_csv("out.csv")
    mean = np.mean(list(rows[1].values()), axis=0)
    np.testing.assert_allclose(submitted["target"], mean[submitted["id"] - N_ROWS], atol=1e-6)


def test_a_submitted_blend_beside_test_arrays(rows, run):
    for name in NAMES:
        np.save(f"work/oof_{name}.npy", rows[0][name])
        np.save(f"work/test_{name}.npy", rows[1][name])
    write_tables("work/submission.csv", np.mean(list(rows[1].values()), axis=0), N_ROWS, "target")
    result = run("import", "work", "--out", "preds")
    assert result.code == 0, result.err
    check(rows)

"""`ensembler import` of tables and arrays together."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ensembler import Predictions, load_predictions
from tests.conftest import draw

CLASSES = ["cat", "dog", "fox"]


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """Probabilities of three members, the first of which is in an array, and labels."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "given").mkdir()
    proba, labels = draw(0, 3, 60, 3)
    np.save("given/rf.npy", proba[0])
    return proba, labels


def check(run, proba, labels, names):
    result = run("import", "given", "--out", "preds")
    assert result.code == 0, result.err
    data = load_predictions("preds")
    assert data.names == names
    np.testing.assert_allclose(data.proba, proba)
    np.testing.assert_array_equal(data.labels, labels)
    return result


def test_members_in_tables_beside_arrays(rows, run):
    proba, labels = rows
    table = pd.DataFrame(proba[1], columns=CLASSES).assign(label=[CLASSES[label] for label in labels])
    table.to_csv("given/xgb.csv", index_label="id")
    records = [{"id": row, "probs": member.tolist()} for row, member in enumerate(proba[2])]
    Path("given/zero.json").write_text(json.dumps(records))
    check(run, proba, labels, ("rf", "xgb", "zero"))
    assert load_predictions("preds").class_names == tuple(CLASSES)


def test_tables_that_order_rows_differently_are_refused(rows, run):
    proba, labels = rows
    for name, member, step in (("svm", proba[1], 1), ("xgb", proba[2], -1)):
        table = pd.DataFrame(member, columns=CLASSES).rename_axis("id")
        table[::step].to_csv(f"given/{name}.csv")
    np.save("given/y.npy", labels)
    result = run("import", "given", "--out", "preds")
    assert result.code == 1
    assert "have no ids" in result.err or "has no ids" in result.err


def test_features_beside_arrays_are_no_members(rows, run):
    proba, labels = rows
    rng = np.random.default_rng(0)
    pd.DataFrame({"age": rng.normal(size=60), "share": rng.random(60)}).to_csv("given/features.csv", index=False)
    np.save("given/svm.npy", proba[1])
    pd.DataFrame({"id": range(60), "fraction": rng.random(60)}).to_csv("given/ages.csv", index=False)
    np.save("given/y.npy", labels)
    result = check(run, proba[:2], labels, ("rf", "svm"))
    assert "import tables by themselves" in result.out
    assert "features.csv" in result.out
    assert "ages.csv" in result.out


def test_an_order_of_classes_that_is_not_sorted_is_a_guess(rows, run):
    proba, labels = rows
    pd.DataFrame(proba[1], columns=["dog", "cat", "fox"]).to_csv("given/xgb.csv", index=False)
    np.save("given/y.npy", labels)
    result = run("import", "given", "--out", "preds")
    assert result.code == 2
    assert "the order of columns of arrays: dog, cat, fox" in result.err
    assert run("import", "given", "--out", "preds", "--yes").code == 0


def test_a_prediction_set_keeps_what_is_known_of_its_members(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("sample", "given").code == 0
    result = run("import", "given", "--out", "preds")
    assert result.code == 0, result.err
    assert "facts of 9 members" in result.out
    assert load_predictions("preds").metadata == load_predictions("given").metadata
    assert load_predictions("preds").metadata[0]["architecture"]


SHUFFLED = np.random.default_rng(5).permutation(60)


@pytest.mark.parametrize("archive", [True, False])
def test_ids_of_arrays_order_the_rows_of_tables(rows, run, archive):
    proba, labels = rows
    if archive:
        Path("given/rf.npy").unlink()
        np.savez("given/runs.npz", ids=np.arange(60), rf=proba[0])
    else:
        np.save("given/ids.npy", np.arange(60))
    table = pd.DataFrame(proba[1], columns=CLASSES).assign(label=[CLASSES[label] for label in labels])
    table.rename_axis("id").loc[SHUFFLED].to_csv("given/xgb.csv")
    check(run, proba[:2], labels, ("rf", "xgb"))


def test_ids_of_arrays_order_labels(rows, run):
    proba, labels = rows
    np.save("given/svm.npy", proba[1])
    np.save("given/ids.npy", [f"img_{row}" for row in range(60)])
    table = pd.DataFrame({"id": [f"img_{row}" for row in SHUFFLED], "label": labels[SHUFFLED]})
    table.to_csv("given/labels.csv", index=False)
    check(run, proba[:2], labels, ("rf", "svm"))


@pytest.mark.parametrize("column", ["label", "xgb"])
def test_rows_that_are_numbered_in_another_order_than_arrays_are_refused(rows, run, column):
    proba, labels = rows
    np.save("given/svm.npy", proba[1])
    table = pd.DataFrame({"label": labels} if column == "label" else dict(zip(CLASSES, proba[1].T, strict=True)))
    table.rename_axis("id").loc[SHUFFLED].to_csv(f"given/{'labels' if column == 'label' else 'xgb'}.csv")
    if column == "xgb":
        np.save("given/y.npy", labels)
    result = run("import", "given", "--out", "preds")
    assert result.code == 1
    assert "numbers its rows in another order" in result.err


def test_a_table_beside_a_saved_set_with_ids(rows, run, tmp_path):
    proba, labels = rows
    ids = [f"t{row}" for row in range(60)]
    saved = Predictions(proba[:2], labels, names=["rf", "svm"], class_names=CLASSES, ids=ids).save(tmp_path / "set")
    table = pd.DataFrame(proba[2], columns=CLASSES, index=pd.Index(ids, name="id"))
    table.iloc[SHUFFLED].to_csv(saved / "xgb.csv")
    assert run("import", str(saved), "--out", "preds").code == 0
    np.testing.assert_allclose(load_predictions("preds").proba, proba, atol=1e-6)


def test_tables_of_several_sets_of_rows_beside_arrays(rows, run):
    proba, labels = rows
    Path("given/rf.npy").rename("given/oof_rf.npy")
    new, _ = draw(1, 3, 20, 3)
    np.save("given/test_rf.npy", new[0])
    np.save("given/y.npy", labels)
    pd.DataFrame(proba[1], columns=CLASSES).rename_axis("id").to_csv("given/oof_xgb.csv")
    frame = pd.DataFrame(new[1], columns=CLASSES, index=pd.RangeIndex(1000, 1020, name="id"))
    frame.to_csv("given/test_xgb.csv")
    check(run, proba[:2], labels, ("rf", "xgb"))
    np.testing.assert_allclose(load_predictions("preds/new", labelled=False).proba, new[:2])


def test_a_score_a_row_is_no_member_beside_arrays_of_more_classes(rows, run):
    proba, labels = rows
    np.save("given/svm.npy", proba[1])
    np.save("given/y.npy", labels)
    pd.DataFrame({"id": range(60), "score": np.linspace(0.3, 0.9, 60)}).to_csv("given/quality.csv", index=False)
    check(run, proba[:2], labels, ("rf", "svm"))

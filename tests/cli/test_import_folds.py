"""`ensembler import` of predictions whose folds stand in files of their own."""

import numpy as np
import pandas as pd
import pytest

from ensembler import load_predictions
from tests.conftest import draw

NAMES = ("lgbm", "xgb")
CLASSES = ["cat", "dog", "fox"]
N_ROWS, N_NEW, N_FOLDS = 60, 24, 5


@pytest.fixture
def proba(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "given").mkdir()
    return draw(0, len(NAMES), N_ROWS, 3)[0]


@pytest.fixture
def labels():
    return draw(0, len(NAMES), N_ROWS, 3)[1]


FOLD = np.random.default_rng(0).permutation(N_ROWS) % N_FOLDS
BY_FOLD = np.argsort(FOLD, kind="stable")


def tables(proba, labels):
    """Yield each fold's rows of each member: ids, labels and probabilities."""
    for name, values in zip(NAMES, proba, strict=True):
        table = pd.DataFrame(values, columns=CLASSES)
        table.insert(0, "image", [f"{row:03d}" for row in range(N_ROWS)])
        table["label"] = [CLASSES[label] for label in labels]
        for fold in range(N_FOLDS):
            yield name, fold, table[fold == FOLD]


def check(run, proba, labels, order=slice(None)):
    """Import what is given, and assert that it holds these rows in this order."""
    assert run("import", "given", "--out", "preds").code == 0
    data = load_predictions("preds")
    assert data.names == NAMES
    np.testing.assert_allclose(data.proba, proba[:, order])
    np.testing.assert_array_equal(data.labels, labels[order])


@pytest.mark.parametrize("form", ["{name}_fold{fold}.csv", "{name}-fold-{fold}.csv", "{name}_f{fold}.csv"])
def test_tables_with_ids_are_in_the_order_of_ids(proba, labels, run, form):
    for name, fold, table in tables(proba, labels):
        table.to_csv("given/" + form.format(name=name, fold=fold), index=False)
    check(run, proba, labels)
    assert np.load("preds/rows/ids.npy")[:2].tolist() == ["000", "001"]


def test_folders_of_folds(proba, labels, run, tmp_path):
    for name, fold, table in tables(proba, labels):
        folder = tmp_path / "given" / f"fold_{fold}"
        folder.mkdir(exist_ok=True)
        table.to_csv(folder / f"{name}.csv", index=False)
    check(run, proba, labels)


def test_folders_of_models_beside_the_competition_table(proba, labels, run, tmp_path):
    for name, fold, table in tables(proba, labels):
        folder = tmp_path / "given" / name
        folder.mkdir(exist_ok=True)
        table.drop(columns="label").to_csv(folder / f"oof_fold{fold}.csv", index=False)
    pd.concat([table for name, _, table in tables(proba, labels) if name == "xgb"]).sample(frac=1, random_state=0)[
        ["image", "label"]
    ].to_csv("given/train.csv", index=False)
    check(run, proba, labels)


def test_an_index_of_pandas_is_an_id(proba, labels, run):
    for name, fold, table in tables(proba, labels):
        table.drop(columns="image").to_csv(f"given/{name}_fold{fold}.csv")
    check(run, proba, labels)


def test_shards_of_parquet(proba, labels, run):
    for name, fold, table in tables(proba, labels):
        table.to_parquet(f"given/{name}_part-{fold:05d}-of-00005.parquet", index=False)
    check(run, proba, labels)


def test_labels_in_each_file_tell_that_rows_are_parts(proba, labels, run):
    for name, fold, table in tables(proba, labels):
        table.drop(columns="image").to_json(f"given/{name}_fold{fold}.jsonl", orient="records", lines=True)
    check(run, proba, labels, BY_FOLD)


def test_labels_in_files_of_their_own(proba, labels, run):
    for name, fold, table in tables(proba, labels):
        table[CLASSES].to_csv(f"given/{name}_fold{fold}.csv", index=False)
        table[["label"]].to_csv(f"given/labels_fold{fold}.csv", index=False)
    check(run, proba, labels, BY_FOLD)


def test_arrays_with_labels(proba, labels, run):
    for name, values in zip(NAMES, proba, strict=True):
        for fold in range(N_FOLDS):
            np.save(f"given/{name}_fold{fold}_probs.npy", values[fold == FOLD])
            np.save(f"given/fold{fold}_y_true.npy", labels[fold == FOLD])
    check(run, proba, labels, BY_FOLD)


def test_archives(proba, labels, run):
    for fold in range(N_FOLDS):
        rows = fold == FOLD
        np.savez(f"given/fold{fold}.npz", y=labels[rows], **dict(zip(NAMES, proba[:, rows], strict=True)))
    check(run, proba, labels, BY_FOLD)


def test_row_numbers_bring_arrays_into_order(proba, labels, run):
    for name, values in zip(NAMES, proba, strict=True):
        for fold in range(N_FOLDS):
            np.save(f"given/{name}_fold{fold}.npy", values[fold == FOLD])
            np.save(f"given/val_idx_fold{fold}.npy", np.flatnonzero(fold == FOLD))
    np.save("given/y.npy", labels)
    check(run, proba, labels)


@pytest.mark.parametrize("n_new", [N_NEW, N_ROWS // N_FOLDS])
def test_test_rows_are_averaged_over_folds(proba, labels, run, n_new):
    new = np.stack([draw(seed, len(NAMES), n_new, 3)[0] for seed in range(1, 1 + N_FOLDS)])
    for index, name in enumerate(NAMES):
        for fold in range(N_FOLDS):
            np.save(f"given/oof_{name}_fold{fold}.npy", proba[index, fold == FOLD])
            np.save(f"given/test_{name}_fold{fold}.npy", new[fold, index])
            np.save(f"given/y_fold{fold}.npy", labels[fold == FOLD])
    check(run, proba, labels, BY_FOLD)
    np.testing.assert_allclose(load_predictions("preds/new", labelled=False).proba, new.mean(axis=0), atol=1e-7)


def test_test_tables_are_averaged_over_folds(proba, labels, run):
    new = np.stack([draw(seed, len(NAMES), N_NEW, 3)[0] for seed in range(1, 1 + N_FOLDS)])
    for name, fold, table in tables(proba, labels):
        table.to_csv(f"given/oof_{name}_fold{fold}.csv", index=False)
        rows = pd.DataFrame(new[fold, NAMES.index(name)], columns=CLASSES)
        rows.insert(0, "image", [f"new{row}" for row in range(N_NEW)])
        rows.to_csv(f"given/test_{name}_fold{fold}.csv", index=False)
    check(run, proba, labels)
    np.testing.assert_allclose(load_predictions("preds/new", labelled=False).proba, new.mean(axis=0), atol=1e-7)


def test_models_of_folds_that_predict_the_same_rows_are_members(proba, labels, run):
    for fold, values in enumerate(proba):
        pd.DataFrame(values, columns=CLASSES).assign(label=labels).to_csv(f"given/rf_fold{fold}.csv", index=False)
    assert run("import", "given", "--out", "preds").code == 0
    assert load_predictions("preds").names == ("rf_fold0", "rf_fold1")


def test_labels_without_ids_are_refused_beside_parts_in_no_order(proba, labels, run):
    for name, fold, table in tables(proba, labels):
        named = table.assign(image="img_" + table["image"]).drop(columns="label")
        named.to_csv(f"given/{name}_fold{fold}.csv", index=False)
    np.savetxt("given/labels.csv", labels, fmt="%d", header="label", comments="")
    result = run("import", "given", "--out", "preds")
    assert result.code == 1
    assert "labels.csv has no ids" in result.err


@pytest.mark.parametrize("suffix", ["csv", "npy"])
def test_parts_without_any_order_are_told_what_is_missing(proba, labels, run, suffix):
    for name, fold, table in tables(proba, labels):
        if suffix == "npy":
            np.save(f"given/{name}_fold{fold}.npy", table[CLASSES].to_numpy())
        else:
            table[CLASSES].to_csv(f"given/{name}_fold{fold}.csv", index=False)
    if suffix == "npy":
        np.save("given/y.npy", labels)
    else:
        np.savetxt("given/labels.csv", labels, fmt="%d", header="label", comments="")
    result = run("import", "given", "--out", "preds")
    assert result.code == 1
    assert f"have {N_ROWS} rows together, as the labels, and nothing tells their order" in result.err


def test_a_whole_array_beside_joined_ones_is_refused(proba, labels, run):
    for fold in range(N_FOLDS):
        np.save(f"given/lgbm_fold{fold}.npy", proba[0, fold == FOLD])
        np.save(f"given/y_fold{fold}.npy", labels[fold == FOLD])
    np.save("given/xgb.npy", proba[1])
    result = run("import", "given", "--out", "preds")
    assert result.code == 1
    assert "xgb.npy has 60 rows in one file" in result.err
    for fold in range(N_FOLDS):
        np.save(f"given/idx_fold{fold}.npy", np.flatnonzero(fold == FOLD))
    check(run, proba, labels)

"""`ensembler import` of predictions whose folds stand in files of their own."""

import json
from pathlib import Path

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


def rows_of(fold):
    return np.flatnonzero(fold == FOLD)


def other_rows(fold):
    return np.flatnonzero(np.random.default_rng(7).permutation(N_ROWS) % N_FOLDS == fold)


def refused(run, *arguments):
    result = run("import", "given", *arguments, "--out", "preds")
    assert result.code == 1, result.out
    return result.err


def test_each_model_has_row_numbers_of_its_own(proba, labels, run):
    for name, member, rows in zip(NAMES, proba, (rows_of, other_rows), strict=True):
        for fold in range(N_FOLDS):
            np.savez(f"given/{name}_fold{fold}.npz", idx=rows(fold), pred=member[rows(fold)])
    np.save("given/y.npy", labels)
    check(run, proba, labels)


def test_labels_given_in_the_order_of_rows_are_refused_beside_parts(proba, labels, run):
    for fold in range(N_FOLDS):
        np.save(f"given/lgbm_fold{fold}.npy", proba[0, rows_of(fold)])
        np.save(f"given/y_fold{fold}.npy", labels[rows_of(fold)])
    np.save("all.npy", labels)
    assert "all.npy has 60 rows in one file" in refused(run, "--labels", "all.npy")


def test_a_number_in_a_folder_above_is_no_fold(proba, labels, run, tmp_path):
    (tmp_path / "given" / "cv5").mkdir()
    for fold in range(N_FOLDS):
        for name, member in zip(NAMES, proba, strict=True):
            np.save(f"given/cv5/oof_{name}_fold{fold + 1}.npy", member[rows_of(fold)])
        np.save(f"given/cv5/y_fold{fold + 1}.npy", labels[rows_of(fold)])
    check(run, proba, labels, BY_FOLD)


def test_repeats_are_members_of_their_own(proba, labels, run, tmp_path):
    for repeat, rows in enumerate((rows_of, other_rows)):
        for fold in range(N_FOLDS):
            folder = tmp_path / "given" / f"cv{repeat}" / f"fold{fold}"
            folder.mkdir(parents=True)
            table = pd.DataFrame(proba[repeat], columns=CLASSES).assign(label=labels).rename_axis("id")
            table.loc[rows(fold)].to_csv(folder / "lgbm.csv")
    assert run("import", "given", "--out", "preds").code == 0
    data = load_predictions("preds")
    assert data.names == ("cv0", "cv1")
    np.testing.assert_allclose(data.proba, proba)


def test_rows_that_a_fold_was_trained_on_are_not_averaged(proba, labels, run, tmp_path):
    for fold in range(N_FOLDS):
        own = {f"val_{name}": member[rows_of(fold)] for name, member in zip(NAMES, proba, strict=True)}
        seen = {f"train_{name}": member[fold != FOLD] for name, member in zip(NAMES, proba, strict=True)}
        np.savez(f"given/fold{fold}.npz", y_val=labels[rows_of(fold)], **own, **seen)
    check(run, proba, labels, BY_FOLD)
    assert not (tmp_path / "preds" / "new").exists()


def test_validation_and_test_parts_of_nested_folds(proba, labels, run):
    for fold in range(N_FOLDS):
        for name, member in zip(NAMES, proba, strict=True):
            np.save(f"given/test_{name}_fold{fold}.npy", member[rows_of(fold)])
            np.save(f"given/val_{name}_fold{fold}.npy", member[other_rows(fold)])
        np.save(f"given/y_test_fold{fold}.npy", labels[rows_of(fold)])
        np.save(f"given/y_val_fold{fold}.npy", labels[other_rows(fold)])
    check(run, proba, labels, BY_FOLD)
    order = np.concatenate([other_rows(fold) for fold in range(N_FOLDS)])
    validation = load_predictions("preds").validation
    np.testing.assert_allclose(validation.proba, proba[:, order])
    np.testing.assert_array_equal(validation.labels, labels[order])


def test_each_fold_orders_its_classes(proba, labels, run):
    for fold in range(N_FOLDS):
        order = np.random.default_rng(fold).permutation(3)
        own = {name: member[rows_of(fold)][:, order] for name, member in zip(NAMES, proba, strict=True)}
        names = np.array(CLASSES)
        np.savez(f"given/fold{fold}.npz", classes=names[order], y=names[labels[rows_of(fold)]], **own)
    assert run("import", "given", "--out", "preds").code == 0
    data = load_predictions("preds")
    order = [CLASSES.index(name) for name in data.class_names]
    np.testing.assert_allclose(data.proba, proba[:, BY_FOLD][:, :, order])
    assert [data.class_names[label] for label in data.labels] == [CLASSES[label] for label in labels[BY_FOLD]]


@pytest.mark.parametrize("ids", [True, False])
def test_predicted_classes_do_not_tell_that_rows_are_parts(proba, labels, run, ids):
    for fold, member in enumerate(proba):
        table = pd.DataFrame(member, columns=CLASSES).assign(label=[CLASSES[best] for best in member.argmax(axis=1)])
        table.rename_axis("id").to_csv(f"given/lgbm_fold{fold}.csv", index=ids)
    truth = pd.DataFrame({"y_true": [CLASSES[label] for label in labels]}).rename_axis("id")
    truth.to_csv("given/y_true.csv", index=ids)
    assert run("import", "given", "--out", "preds").code == 0
    np.testing.assert_allclose(load_predictions("preds").proba, proba)


def test_the_same_ids_in_another_order_are_the_same_rows(proba, labels, run):
    for size, member in zip((32, 64), proba, strict=True):
        table = pd.DataFrame(member, columns=CLASSES).assign(label=labels).rename_axis("id")
        table.sample(frac=1, random_state=size).to_csv(f"given/net_batch{size}.csv")
    assert run("import", "given", "--out", "preds").code == 0
    assert load_predictions("preds").names == ("net_batch32", "net_batch64")


def test_a_fold_that_lacks_a_class_is_refused(proba, labels, run):
    for fold in range(N_FOLDS):
        np.save(f"given/lgbm_fold{fold}.npy", proba[0, rows_of(fold)][:, : 2 if fold == 3 else 3])
        np.save(f"given/y_fold{fold}.npy", labels[rows_of(fold)])
    assert "part 3 has 2 columns" in refused(run)


def test_lists_of_other_lengths_are_refused(proba, labels, run):
    for fold in range(N_FOLDS):
        lists = proba[0, rows_of(fold)][:, : 2 if fold == 3 else 3].tolist()
        table = pd.DataFrame({"id": rows_of(fold), "label": labels[rows_of(fold)], "lgbm": lists})
        table.to_json(f"given/fold{fold}.jsonl", orient="records", lines=True)
    assert "lists in 'lgbm' of part 3" in refused(run)


def test_labels_with_an_index_of_pandas(proba, labels, run):
    for name, fold, table in tables(proba, labels):
        table[CLASSES].to_csv(f"given/{name}_fold{fold}.csv")
        table["label"].to_csv(f"given/labels_fold{fold}.csv")
    check(run, proba, labels)


def test_labels_of_validation_folds_are_those_of_out_of_fold_rows(proba, labels, run):
    for fold in range(N_FOLDS):
        for name, member in zip(NAMES, proba, strict=True):
            np.save(f"given/oof_{name}_fold{fold}.npy", member[rows_of(fold)])
        np.save(f"given/y_val_fold{fold}.npy", labels[rows_of(fold)])
    check(run, proba, labels, BY_FOLD)


@pytest.mark.parametrize("rows", ["idx", "rows", "index"])
def test_row_numbers_of_training_rows_stand_beside(proba, labels, run, rows):
    for fold in range(N_FOLDS):
        own = dict(zip(NAMES, proba[:, rows_of(fold)], strict=True))
        numbers = {f"train_{rows}": np.flatnonzero(fold != FOLD), f"val_{rows}": rows_of(fold)}
        np.savez(f"given/fold{fold}.npz", **numbers, **own)
    np.save("given/y.npy", labels)
    check(run, proba, labels)


def test_overlapping_parts_are_refused(proba, labels, run):
    for number in range(N_FOLDS):
        rows = np.random.default_rng(number).permutation(N_ROWS)[:15]
        np.savez(f"given/split{number}.npz", y=labels[rows], test_idx=rows, lgbm=proba[0, rows])
    assert "is in two parts" in refused(run)


def test_a_missing_part_is_refused(proba, labels, run):
    for fold in range(N_FOLDS):
        for name, member in zip(NAMES, proba, strict=True):
            if (name, fold) != ("xgb", 4):
                np.save(f"given/{name}_fold{fold}.npy", member[rows_of(fold)])
        np.save(f"given/y_fold{fold}.npy", labels[rows_of(fold)])
    assert "xgb_*.npy lacks part 4" in refused(run)


def test_test_rows_of_folds_beside_whole_ones(proba, labels, run):
    new = np.stack([draw(seed, len(NAMES), N_NEW, 3)[0] for seed in range(1, 1 + N_FOLDS)])
    for index, name in enumerate(NAMES):
        np.save(f"given/oof_{name}.npy", proba[index])
        for fold in range(N_FOLDS):
            np.save(f"given/test_{name}_fold{fold}.npy", new[fold, index])
    np.save("given/y.npy", labels)
    check(run, proba, labels)
    np.testing.assert_allclose(load_predictions("preds/new", labelled=False).proba, new.mean(axis=0), atol=1e-7)


@pytest.mark.parametrize("arrays", [True, False])
def test_labels_of_another_kind_than_the_predictions(proba, labels, run, arrays):
    for name, fold, table in tables(proba, labels):
        if arrays:
            np.save(f"given/{name}_fold{fold}.npy", table[CLASSES].to_numpy())
            pd.DataFrame({"label": labels[rows_of(fold)]}).to_csv(f"given/labels_fold{fold}.csv", index=False)
        else:
            table[CLASSES].to_csv(f"given/{name}_fold{fold}.csv", index=False)
            np.save(f"given/y_fold{fold}.npy", labels[rows_of(fold)])
    check(run, proba, labels, BY_FOLD)


def test_folds_as_keys_of_an_archive_for_each_model(proba, labels, run):
    for name, values in (*zip(NAMES, proba, strict=True), ("y", labels)):
        np.savez(f"given/{name}.npz", **{f"fold{fold}": values[rows_of(fold)] for fold in range(N_FOLDS)})
    check(run, proba, labels, BY_FOLD)


def test_provenance_has_the_checksums_of_all_parts(proba, labels, run):
    for name, fold, table in tables(proba, labels):
        table.to_csv(f"given/oof_{name}_fold{fold}.csv", index=False)
    Path("given/oof_lgbm_notes.csv").touch()
    assert run("import", "given", "--pair", "oof_{}.csv", "test_{}.csv", "--out", "preds").code == 0
    np.testing.assert_allclose(load_predictions("preds").proba, proba)
    checksums = json.loads(Path("preds/members.json").read_text())["imported"]["sha256"]
    assert sorted(checksums) == sorted(f"given/oof_{name}_fold{fold}.csv" for name in NAMES for fold in range(N_FOLDS))


@pytest.mark.parametrize("names", [("f1", "f2"), ("rf", "rf_rank4", "rf_rank8"), ("part1", "part2", "split3")])
def test_models_whose_names_look_like_parts_keep_their_test_rows(run, proba, names):
    (own, labels), new = draw(3, len(names), N_ROWS, 3), draw(4, len(names), N_NEW, 3)[0]
    for place, name in enumerate(names):
        np.save(f"given/oof_{name}.npy", own[place])
        np.save(f"given/test_{name}.npy", new[place])
    np.save("given/y.npy", labels)
    assert run("import", "given", "--out", "preds").code == 0
    assert load_predictions("preds").names == names
    np.testing.assert_allclose(load_predictions("preds/new", labelled=False).proba, new)


def test_tables_of_models_whose_names_look_like_parts_keep_their_test_rows(run, proba, labels):
    for place, name in enumerate(("f1", "f2")):
        pd.DataFrame({"id": range(N_ROWS), "pred": proba[place, :, 0]}).to_csv(f"given/oof_{name}.csv", index=False)
        ids = range(1000, 1000 + N_ROWS)
        pd.DataFrame({"id": ids, "pred": proba[place, :, 1]}).to_csv(f"given/test_{name}.csv", index=False)
    data = pd.DataFrame({"id": range(N_ROWS), "x": proba[0, :, 2], "target": np.minimum(labels, 1)})
    data.to_csv("given/train.csv", index=False)
    assert run("import", "given", "--out", "preds").code == 0
    assert load_predictions("preds/new", labelled=False).names == ("f1", "f2")


def test_models_of_folds_with_common_validation_and_test_rows(run, proba, labels):
    for fold, member in enumerate(proba):
        np.save(f"given/val_fold{fold}.npy", member)
        np.save(f"given/test_fold{fold}.npy", member[:N_NEW])
    np.save("given/y_val.npy", labels)
    np.save("given/y_test.npy", labels[:N_NEW])
    assert run("import", "given", "--out", "preds").code == 0
    data = load_predictions("preds")
    np.testing.assert_allclose(data.proba, proba[:, :N_NEW])
    np.testing.assert_allclose(data.validation.proba, proba)


def test_parts_with_dictionaries_of_classes(proba, labels, run):
    for name, fold, table in tables(proba, labels):
        table.assign(probs=table[CLASSES].to_dict(orient="records")).drop(columns=CLASSES).to_json(
            f"given/{name}_part{fold}.jsonl", orient="records", lines=True
        )
    check(run, proba, labels)


@pytest.mark.parametrize("ids", [True, False])
def test_training_rows_of_the_competition_in_folds(proba, labels, run, ids):
    for name, fold, table in tables(proba, labels):
        own = table[["image", *CLASSES] if ids else CLASSES]
        own.to_csv(f"given/{name}_fold{fold}.csv", index=False)
        data = table[["image", "label"] if ids else ["label"]].assign(size=1.5 + np.arange(len(table)) / 7)
        data.to_csv(f"given/train_fold{fold}.csv", index=False)
    check(run, proba, labels, slice(None) if ids else BY_FOLD)

"""`ensembler import`: files in the form that other people have them become the set that they hold."""

import json
import pickle
import shlex

import numpy as np
import pandas as pd
import pytest

from ensembler import load_predictions
from ensembler.arrays import softmax
from tests.conftest import draw

NAMES = ("cat", "lgbm", "xgb")


def members(n_classes=3, n_rows=60, seed=0):
    """Three members, their labels, and their accuracies by name."""
    proba, labels = draw(seed, len(NAMES), n_rows, n_classes)
    return dict(zip(NAMES, proba, strict=True)), labels


def accuracies(data):
    return {
        name: (member.argmax(-1) == data.labels).mean() for name, member in zip(data.names, data.proba, strict=True)
    }


def check(data, proba, labels, names=None):
    """Assert that a set holds these members, each with its own rows."""
    assert sorted(data.names) == sorted(names or proba)
    assert data.n_samples == len(labels)
    of_name = dict(zip(data.names, data.proba, strict=True))
    for name, member in zip(names or proba, proba.values(), strict=True):
        np.testing.assert_allclose(of_name[name], member, atol=2e-3)
        assert accuracies(data)[name] == (member.argmax(-1) == labels).mean()


def kaggle_pairs(home):
    proba, labels = members(2)
    new, _ = members(2, 40, seed=1)
    ids = np.array([f"{row:05d}" for row in range(len(labels))])
    for name in NAMES:
        order = np.random.default_rng(len(name)).permutation(len(labels))
        oof = pd.DataFrame({"object_id": ids, "target": labels, f"{name}_prob": proba[name][:, 1], "fold": labels % 5})
        oof.iloc[order].to_csv(home / f"oof_{name}.csv", index=False)
        sub = pd.DataFrame({"object_id": np.arange(40), "target": new[name][:, 1]})
        sub.to_csv(home / f"sub_{name}.csv", index=False)
    (home / "sample_submission.csv").write_text("object_id,target\n0,0.5\n")
    return ["."], proba, labels


def wide_binary(home):
    proba, labels = members(2)
    table = pd.DataFrame({"Financial distress": labels, **{name: member[:, 1] for name, member in proba.items()}})
    table["blend_mean"] = table[list(NAMES)].mean(axis=1)
    table.to_csv(home / "oof_predictions.csv", index=False)
    pd.DataFrame({"Financial distress": labels}).to_csv(home / "y.csv", index=False)
    return ["oof_predictions.csv", "--labels", "y.csv"], proba, labels


def wide_classes(home):
    proba, labels = members(3)
    columns = {
        f"{name}_{cls}": proba[name][:, index] for name in NAMES for index, cls in enumerate(["ant", "bee", "cow"])
    }
    pd.DataFrame({"y_true": np.array(["ant", "bee", "cow"])[labels], **columns}).to_csv(home / "all.csv")
    return ["all.csv"], proba, labels


def predictions_and_probabilities(home):
    proba, labels = members(2)
    columns = {}
    for name in NAMES:
        columns |= {f"{name}_pred": proba[name].argmax(-1), f"{name}_proba": proba[name][:, 1]}
    table = pd.DataFrame({"dev_index": np.arange(60), "y_true": labels, "outer_fold": labels * 0, **columns})
    table.to_csv(home / "oof.csv", index=False)
    return ["oof.csv"], proba, labels


def actual_predicted_probability(home):
    proba, labels = members(2)
    for name in NAMES:
        pd.DataFrame(
            {
                "Image Name": [f"i{row}.png" for row in range(60)],
                "actual": labels,
                "predicted": proba[name].argmax(-1),
                "probability": proba[name][:, 1],
            }
        ).to_csv(home / f"{name}_predictions.csv", index=False)
    return ["*_predictions.csv"], proba, labels


def archive(home):
    proba, labels = members(4)
    for name in NAMES:
        logits = np.log(proba[name]) + 3
        np.savez(home / f"{name}.npz", predictions=proba[name], logits=logits, y_true=labels, epoch=7)
    return ["*.npz"], proba, labels


def archive_with_labels_of_a_split(home):
    proba, labels = members(3)
    np.savez(home / "preds.npz", y_test=labels, **proba)
    return ["preds.npz"], proba, labels


def archives_each_with_labels_of_a_split(home):
    proba, labels = members(3)
    for name, member in proba.items():
        np.savez(home / f"{name}.npz", probs=member, y_val=labels)
    return ["*.npz"], proba, labels


def stacked_rows_first(home):
    proba, labels = members(4)
    np.save(home / "probs.npy", np.stack(list(proba.values())).transpose(1, 0, 2))
    np.save(home / "labels_onehot.npy", np.eye(4, dtype=int)[labels])
    return ["probs.npy", "--labels", "labels_onehot.npy"], proba, labels, ["member-0", "member-1", "member-2"]


def one_file_name_in_many_folders(home):
    proba, labels = members(4)
    for name in NAMES:
        (home / "runs" / name).mkdir(parents=True)
        np.save(home / "runs" / name / "y_prob_test.npy", proba[name].astype(np.float16))
    np.save(home / "runs" / "y_test.npy", labels + 1)
    return ["runs"], proba, labels


def deepstack(home):
    fitting, fitting_labels = members(3, 50, seed=3)
    proba, labels = members(3)
    for name in NAMES:
        folder = home / "premodels" / name
        folder.mkdir(parents=True)
        np.save(folder / "train_probs.npy", fitting[name])
        np.save(folder / "train_classes.npy", fitting_labels)
        np.save(folder / "val_probs.npy", proba[name])
        np.save(folder / "val_classes.npy", labels)
        np.save(folder / "submission_probs.npy", np.array(None), allow_pickle=True)
    return ["premodels"], proba, labels


def pickles(home):
    proba, labels = members(3)
    for protocol, name in enumerate(NAMES, start=2):
        with (home / f"{name}.pkl").open("wb") as stream:
            pickle.dump((np.log(proba[name]) + 2, labels), stream, protocol=protocol)
    return ["*.pkl"], proba, labels


def pickle_by_model(home):
    proba, labels = members(3)
    content = {**proba, "y_true": labels.tolist(), "classes_": ["a", "b", "c"], "note": "seed 3"}
    with (home / "all.pickle").open("wb") as stream:
        pickle.dump(content, stream)
    return ["all.pickle"], proba, labels


def tensors(home):
    torch = pytest.importorskip("torch", reason="reading tensors needs torch")
    proba, labels = members(3)
    for name in NAMES:
        content = {"logits": torch.tensor(np.log(proba[name])).bfloat16(), "labels": torch.tensor(labels)}
        torch.save(content, home / f"{name}.pt")
    rounded = {name: softmax(torch.tensor(np.log(member)).bfloat16().float().numpy()) for name, member in proba.items()}
    return ["*.pt"], rounded, labels


def list_columns(home):
    proba, labels = members(3)
    frame = pd.DataFrame({"text": [f"row {row}" for row in range(60)], "label": labels})
    for name in NAMES:
        frame[f"probabilities_{name}"] = list(proba[name])
    frame.to_parquet(home / "all.parquet")
    return ["all.parquet"], proba, labels


def lists_as_python_writes_them(home):
    return as_texts(home, lambda row: str(row.tolist()))


def lists_as_numpy_writes_them(home):
    return as_texts(home, str)


def lists_of_numpy_numbers(home):
    return as_texts(home, lambda row: repr(list(row)))


def lists_as_torch_writes_them(home):
    return as_texts(home, lambda row: f"tensor({row.round(4).tolist()}, device='cuda:0')")


def as_texts(home, written):
    proba, labels = members(3)
    frame = pd.DataFrame({"id": np.arange(100, 160), "label": labels})
    for name in NAMES:
        frame[name] = list(map(written, proba[name]))
    frame.to_csv(home / "all.csv", index=False)
    return ["all.csv"], proba, labels


def dictionaries(home):
    proba, labels = members(3)
    frame = pd.DataFrame({"id": np.arange(60), "label": np.array(["cat", "dog", "owl"])[labels]})
    for name in NAMES:
        frame[name] = [dict(zip(("cat", "dog", "owl"), row.tolist(), strict=True)) for row in proba[name]]
    frame.to_parquet(home / "all.parquet")
    return ["all.parquet"], proba, labels


def saved_dataset(home):
    pa = pytest.importorskip("pyarrow")
    proba, labels = members(3)
    about = {"info": {"features": {"label": {"names": ["no", "maybe", "yes"], "_type": "ClassLabel"}}}}
    for name in NAMES:
        (home / "saved" / name).mkdir(parents=True)
        table = pa.table({"label": labels, "logits": list(np.log(proba[name]))})
        table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
        for shard, rows in enumerate((slice(0, 25), slice(25, 60))):
            path = home / "saved" / name / f"data-{shard:05d}-of-00002.arrow"
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table.slice(rows.start, rows.stop - rows.start))
        (home / "saved" / name / "dataset_info.json").write_text(json.dumps(about["info"]))
        (home / "saved" / name / "state.json").write_text("{}")
    return ["saved"], proba, labels


def harness(home):
    proba, labels = members(4)
    for name in NAMES:
        folder = home / "results" / f"org__{name}"
        folder.mkdir(parents=True)
        lines = []
        for row, label in enumerate(labels):
            likelihoods = [[str(value), "False"] for value in np.log(proba[name][row])]
            record = {"doc_id": row, "doc": {"choices": ["w", "x", "y", "z"]}, "target": str(label)}
            lines.append(json.dumps({**record, "resps": [likelihoods], "filtered_resps": likelihoods, "acc": 0.0}))
        (folder / "samples_arc_easy_2024-11-06T09-15-33.008114.jsonl").write_text("\n".join(reversed(lines)))
        (folder / "results_2024-11-06T09-15-33.008114.json").write_text("{}")
    names = [f"org__{name}" for name in NAMES]
    order = np.arange(60)[::-1]
    return ["results"], {name: member[order] for name, member in proba.items()}, labels[order], names


def json_lines(home):
    proba, labels = members(3)
    for name in NAMES:
        lines = [json.dumps({"uid": f"u{r}", "gold": int(y), "p": list(proba[name][r])}) for r, y in enumerate(labels)]
        (home / f"preds_{name}.jsonl").write_text("\n".join(lines))
    given = ["--proba-field", "p", "--label-field", "gold", "--id", "uid"]
    return ["preds_*.jsonl", *given], proba, labels


def matlab(home):
    from scipy.io import savemat

    proba, labels = members(3)
    for name in NAMES:
        savemat(home / f"{name}.mat", {"score": proba[name]})
    savemat(home / "labelTE.mat", {"labelTE": labels[None, :] + 1.0})
    return ["cat.mat", "lgbm.mat", "xgb.mat", "--labels", "labelTE.mat"], proba, labels


def semicolons_without_a_header(home):
    proba, labels = members(3)
    for name in NAMES:
        lines = [
            ";".join([f"img{r}", *(f"{v:.5f}".replace(".", ",") for v in row)]) for r, row in enumerate(proba[name])
        ]
        (home / f"{name}.csv").write_text("\n".join(["image;a;b;c", *lines]))
    lines = [f"img{row};{'abc'[label]}" for row, label in enumerate(labels)]
    (home / "truth.csv").write_text("\n".join(["image;label", *lines]))
    return ["cat.csv", "lgbm.csv", "xgb.csv", "--labels", "truth.csv"], proba, labels


def label_is_the_prediction(home):
    proba, labels = members(3)
    for name in NAMES:
        table = pd.DataFrame(proba[name], columns=["prob_0", "prob_1", "prob_2"])
        table.insert(0, "label", proba[name].argmax(-1))
        table.insert(0, "data", [f"./x/{row}.png" for row in range(60)])
        table.assign(prob_predict=proba[name].max(-1)).to_csv(home / f"{name}_submission.csv", index=False)
    pd.DataFrame({"data": [f"./x/{row}.png" for row in range(60)], "label": labels}).to_csv(home / "y.csv", index=False)
    return ["*_submission.csv", "--labels", "y.csv"], proba, labels


def tidy(home):
    proba, labels = members(3)
    rows = [
        {
            "id": f"q{row}",
            "model": name,
            "class": cls,
            "probability": proba[name][row, index],
            "y_true": "abc"[labels[row]],
        }
        for name in NAMES
        for row in range(60)
        for index, cls in enumerate("abc")
    ]
    table = pd.DataFrame(rows).sample(frac=1, random_state=0)
    table.to_csv(home / "tidy.csv", index=False)
    order = sorted(range(60), key=lambda row: f"q{row}")
    return ["tidy.csv"], {name: member[order] for name, member in proba.items()}, labels[order]


def classes_and_probabilities_in_files(home):
    proba, labels = members(4)
    for name in NAMES:
        np.save(home / f"y_pred_{name}.npy", proba[name].argmax(-1))
        np.save(home / f"y_prob_{name}.npy", proba[name])
    np.save(home / "y_true.npy", labels)
    return ["."], proba, labels


def a_column_for_each_class_and_a_row_for_each_model(home):
    proba, labels = members(3)
    tables = [
        pd.DataFrame(proba[name], columns=["p0", "p1", "p2"]).assign(model=name, row=range(60), label=labels)
        for name in NAMES
    ]
    pd.concat(tables).sample(frac=1, random_state=0).to_csv(home / "long.csv", index=False)
    return ["long.csv"], proba, labels


FORMS = (
    a_column_for_each_class_and_a_row_for_each_model,
    tidy, classes_and_probabilities_in_files,
    kaggle_pairs, wide_binary, wide_classes, predictions_and_probabilities, actual_predicted_probability, archive,
    archive_with_labels_of_a_split, archives_each_with_labels_of_a_split,
    stacked_rows_first, one_file_name_in_many_folders, deepstack, pickles, pickle_by_model, tensors, list_columns,
    dictionaries,
    lists_as_python_writes_them, lists_as_numpy_writes_them, lists_of_numpy_numbers, lists_as_torch_writes_them,
    saved_dataset, harness, json_lines, matlab, semicolons_without_a_header, label_is_the_prediction,
)  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_a_form_becomes_the_set_that_it_holds(form, tmp_path, run, monkeypatch):
    home = tmp_path / "theirs"
    home.mkdir()
    monkeypatch.chdir(home)
    arguments, proba, labels, *names = form(home)
    result = run("import", *arguments, "--out", "../preds")
    assert result.code == 0, result.err
    assert "try: ensembler bench ../preds" in result.out
    data = load_predictions(tmp_path / "preds")
    if form is kaggle_pairs:
        order = np.load(tmp_path / "preds" / "rows" / "ids.npy").astype(int)
        proba, labels = {name: member[order] for name, member in proba.items()}, labels[order]
        assert load_predictions(tmp_path / "preds" / "new", labelled=False).names == data.names
    check(data, proba, labels, *names)
    if form is deepstack:
        assert data.validation.n_samples == 50
    facts = json.loads((tmp_path / "preds" / "members.json").read_text())
    assert facts["imported"]["decisions"]
    assert facts["imported"]["sha256"]


def archives_of_one_inner_name(home, proba, labels):
    for name, member in proba.items():
        np.savez(home / f"{name}.npz", probs=member, y_true=labels)
    return []


def prefixed_columns(home, proba, labels):
    for name, member in proba.items():
        frame = pd.DataFrame(member, columns=["prob_cat", "prob_dog", "prob_owl"])
        frame.insert(0, "label", np.array(["cat", "dog", "owl"])[labels])
        frame.to_csv(home / f"{name}.csv", index=False)
    return ["--label-column", "label"]


def members_on_an_axis(home, proba, labels):
    np.save(home / "models.npy", np.stack(list(proba.values()), axis=1))
    np.save(home / "labels.npy", labels)
    return []


def a_column_of_lists(home, proba, labels):
    for name, member in proba.items():
        pd.DataFrame({"proba": list(member)}).to_parquet(home / f"{name}.parquet")
    np.save(home / "labels.npy", labels)
    return []


def a_column_of_texts_of_lists(home, proba, labels):
    for name, member in proba.items():
        pd.DataFrame({"proba": list(map(str, member.tolist()))}).to_csv(home / f"{name}.csv", index=False)
    np.save(home / "labels.npy", labels)
    return []


@pytest.mark.parametrize(
    "layout",
    [
        archives_of_one_inner_name,
        prefixed_columns,
        members_on_an_axis,
        a_column_of_lists,
        a_column_of_texts_of_lists,
    ],
)
@pytest.mark.parametrize("folder", ["theirs", "preds"])
def test_the_import_that_is_advised_works_when_typed(layout, folder, tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(3)
    (tmp_path / folder).mkdir()
    refused = run("bench", folder, *layout(tmp_path / folder, proba, labels))
    assert refused.code == 1
    advised = shlex.split(refused.err.split("try: ensembler ")[1])
    assert run(*advised).code == 0
    data = load_predictions(advised[-1])
    np.testing.assert_array_equal(data.labels, labels)
    np.testing.assert_allclose(data.proba, np.stack(list(proba.values())), atol=1e-6)


def test_labels_of_one_split_that_differ_are_refused(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(3)
    for number, (name, member) in enumerate(proba.items()):
        np.savez(f"{name}.npz", probs=member, y_val=labels if number else labels[::-1])
    result = run("import", "*.npz", "--out", "preds")
    assert result.code == 1
    assert "hold different labels for the same rows; give one with --labels" in result.err
    assert not (tmp_path / "preds").exists()


def test_labels_of_two_splits_are_not_lent_at_random(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    proba, labels = members(3)
    np.savez("preds.npz", y_test=labels, y_val=labels[::-1], **proba)
    result = run("import", "preds.npz", "--out", "preds")
    assert "no labels" in result.out
    assert "pass --labels 'preds.npz#y_val'" in result.out
    assert not (tmp_path / "preds" / "labels.npy").exists()


def test_files_are_paired_as_they_are_called(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(2)
    for name in NAMES:
        pd.DataFrame({"id": np.arange(60), "y": labels, "p": proba[name][:, 1]}).to_csv(f"{name}-A.csv", index=False)
        pd.DataFrame({"id": np.arange(9), "p": proba[name][:9, 1]}).to_csv(f"{name}-B.csv", index=False)
    result = run("import", ".", "--pair", "{}-A.csv", "{}-B.csv", "--out", "preds")
    assert result.code == 0, result.err
    check(load_predictions("preds"), proba, labels)
    new = load_predictions("preds/new", labelled=False)
    np.testing.assert_allclose(new.proba, np.array(list(proba.values()))[:, :9], atol=1e-6)


VOTES = {"-1": [2, -1, 0, 1], "empty": [2, None, 0, 1], "nan": [2.0, np.nan, 0.0, 1.0]}


@pytest.mark.filterwarnings("ignore::ensembler.errors.DataWarning")
@pytest.mark.parametrize("kind", VOTES)
def test_missing_votes_in_files(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        if kind == "empty":
            pd.DataFrame({"id": range(4), "vote": pd.array(VOTES[kind], dtype="Int64")}).to_csv(
                f"{name}.csv", index=False
            )
        else:
            np.save(f"{name}.npy", np.array(VOTES[kind]))
    np.save("labels.npy", np.array([2, 1, 0, 0]))
    data = load_predictions(".")
    assert data.missing.tolist() == [[False, True, False, False]] * 3
    assert data.votes.tolist() == [[2, -1, 0, 1]] * 3
    assert data.member_accuracy.tolist() == [0.5] * 3
    data.save("again")
    np.testing.assert_array_equal(load_predictions("again").missing, data.missing)


def orders_of_classes(home):
    proba, labels = members(3)
    for name, order in zip(NAMES, ([0, 1, 2], [2, 0, 1], [1, 0, 2]), strict=True):
        classes = np.array(["ant", "bee", "cow"])
        truth = classes[labels]
        np.savez(home / f"{name}.npz", proba=proba[name][:, order], classes=classes[order], y_true=truth)
    return proba, labels


def truth_called_as_columns(home):
    proba, labels = members(2)
    for name in NAMES:
        frame = pd.DataFrame({"True": proba[name][:, 1], "False": proba[name][:, 0], "label": labels == 1})
        frame.to_csv(home / f"{name}.csv", index=False)
    return proba, labels


def columns_by_number(home):
    proba, labels = draw(0, len(NAMES), 60, 11)
    for name, member in zip(NAMES, proba, strict=True):
        order = sorted(range(11), key=str)
        frame = pd.DataFrame(member[:, order], columns=[f"class_{number}" for number in order])
        frame.assign(label=labels).to_csv(home / f"{name}.csv", index=False)
    return dict(zip(NAMES, proba, strict=True)), labels


def confidence_beside_classes(home):
    proba, labels = members(2)
    for name in NAMES:
        frame = pd.DataFrame({"pred": proba[name].argmax(-1), "confidence": proba[name].max(-1), "label": labels})
        frame.to_csv(home / f"{name}.csv", index=False)
    return {name: np.eye(2)[member.argmax(-1)] for name, member in proba.items()}, labels


def numbered_columns_of_models(home):
    proba, labels = members(3)
    columns = {f"{name}_{index}": proba[name][:, index] for name in NAMES for index in range(3)}
    pd.DataFrame({**columns, "Outcome": labels}).to_csv(home / "all.csv", index=False)
    return proba, labels


def labels_with_a_shuffled_index(home):
    proba, labels = members(3)
    for name in NAMES:
        pd.DataFrame(proba[name], columns=list("abc")).to_csv(home / f"{name}.csv")
    frame = pd.DataFrame({"label": np.array(list("abc"))[labels]}).sample(frac=1, random_state=0)
    frame.to_csv(home / "labels.csv")
    return proba, labels


def names_that_are_numbers(home):
    proba, labels = members(3)
    for name in NAMES:
        frame = pd.DataFrame(proba[name], columns=["3", "5", "8"])
        frame.assign(label=np.array([3, 5, 8])[labels]).to_csv(home / f"{name}.csv", index=False)
    return proba, labels


def truth_beside_a_label_that_is_a_prediction(home):
    proba, labels = members(3)
    for name in NAMES:
        frame = pd.DataFrame(proba[name], columns=["p0", "p1", "p2"]).assign(id=range(60), label=proba[name].argmax(-1))
        frame.to_csv(home / f"{name}.csv", index=False)
    pd.DataFrame({"id": range(60), "target": labels}).to_csv(home / "y_test.csv", index=False)
    return proba, labels


TRAPS = (
    orders_of_classes, truth_called_as_columns, columns_by_number, confidence_beside_classes,
    numbered_columns_of_models, labels_with_a_shuffled_index, names_that_are_numbers,
    truth_beside_a_label_that_is_a_prediction,
)  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.__name__)
def test_a_trap_is_not_walked_into(trap, tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs").mkdir()
    proba, labels = trap(tmp_path / "theirs")
    result = run("import", "theirs", "--out", "preds")
    assert result.code == 0, result.err
    data = load_predictions("preds")
    assert accuracies(data) == {name: (member.argmax(-1) == labels).mean() for name, member in proba.items()}


def test_files_of_other_rows_are_no_members_of_one_set(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(3)
    for fold in range(3):
        frame = pd.DataFrame(proba["cat"][fold::3], columns=["p0", "p1", "p2"]).assign(target=labels[fold::3])
        frame.to_csv(f"cat_{'abc'[fold]}.csv", index=False)
    result = run("import", ".", "--out", "preds")
    assert result.code == 1
    assert "have different labels; expected the same rows" in result.err


def test_a_dry_run_writes_nothing(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wide_binary(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    result = run("import", "oof_predictions.csv", "--labels", "y.csv", "--dry-run")
    assert "3 members, 60 rows, 2 classes. Nothing was written." in result.out
    assert "blend_mean" in result.out
    assert sorted(tmp_path.rglob("*")) == before


def test_guesses_are_taken_only_when_they_are_given(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = members(3), members(3, 50, seed=1)
    for name in NAMES:
        content = ((np.log(first[0][name]), first[1][:, None]), (np.log(second[0][name]), second[1][:, None]))
        (tmp_path / f"{name}.p").write_bytes(pickle.dumps(content))
    refused = run("import", "*.p", "--out", "preds")
    assert refused.code == 2
    assert "guessed: " in refused.err
    assert "--yes" in refused.err
    assert not (tmp_path / "preds").exists()
    assert run("import", "*.p", "--out", "preds", "--yes").code == 0
    data = load_predictions(tmp_path / "preds")
    check(data, second[0], second[1])
    check(data.validation, *first)


def test_two_readings_are_refused_with_what_tells_them_apart(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cube = np.full((5, 5, 5), 0.2)
    np.savez("cube.npz", predictions=cube, labels=np.arange(5))
    result = run("import", "cube.npz", "--out", "preds")
    assert result.code == 1
    assert "two readings fit (MNC, NMC, NCM); say the order of members, rows and classes: --axes" in result.err
    assert run("import", "cube.npz", "--out", "preds", "--axes", "NMC").code == 0


class Trap:
    """What a hostile pickle does when it is loaded."""

    def __reduce__(self):
        return (print, ("loaded",))


HOSTILE = {
    "a call": lambda: pickle.dumps({"preds": Trap()}),
    "a table": lambda: pickle.dumps(pd.DataFrame({"a": [1.0, 2.0]})),
    "eval": lambda: b"cbuiltins\neval\n(S'print(1)'\ntR.",
    "os.system": lambda: b"cposix\nsystem\n(S'true'\ntR.",
    "a class of arrays": lambda: pickle.dumps(np.ma.masked_array([1.0, 2.0], [True, False])),
    "getattr": lambda: b"cbuiltins\ngetattr\n(S'a'\nS'b'\ntR.",
    "a type changed in place": lambda: pickle.dumps(np.dtype("f4"), 2)[:-1] + b"}X\x01\x00\x00\x00aK\x01sb.",
    "a record": lambda: pickle.dumps(np.zeros(3, dtype=[("a", "f4"), ("b", "O")])),
    "truncated": lambda: pickle.dumps(np.arange(1000.0))[:-50],
    "nothing": lambda: b"\x80\x04.",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_nothing_unsafe_is_unpickled(kind, tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.pkl").write_bytes(HOSTILE[kind]())
    result = run("import", "x.pkl", "--out", "preds")
    assert result.code == 1
    assert "loaded" not in result.out
    assert result.err.startswith("error: x.pkl: ")
    assert "Traceback" not in result.err


def test_the_allow_list_is_what_arrays_need_and_nothing_else():
    from ensembler.predictions.loading.intake.pickles import ALLOWED

    assert {name for _, name in ALLOWED} == {
        "ndarray", "dtype", "_reconstruct", "scalar", "_frombuffer", "OrderedDict", "encode",
    }  # fmt: skip


def test_every_file_that_cannot_be_read_is_named_at_once(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.xyz").write_text("1")
    (tmp_path / "b.npy").write_bytes(b"")
    result = run("import", "a.xyz", "b.npy", "--out", "preds")
    assert result.code == 1
    assert "a.xyz: cannot read .xyz" in result.err
    assert "b.npy: the file is empty" in result.err


@pytest.mark.parametrize("written", ["a matrix of objects", "a vector of lists", "a vector of arrays"])
def test_arrays_of_objects_keep_their_rows(written, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(3)
    rows = list(proba["cat"]) if written == "a vector of arrays" else proba["cat"].tolist()
    array = np.empty(60, dtype=object)
    array[:] = rows
    np.save("cat.npy", np.array(rows, dtype=object) if written == "a matrix of objects" else array)
    np.save("labels.npy", labels)
    assert run("import", "cat.npy", "--labels", "labels.npy", "--out", "preds").code == 0
    np.testing.assert_allclose(np.load("preds/cat.npy"), proba["cat"], atol=1e-6)
    np.testing.assert_array_equal(np.load("preds/labels.npy"), labels)


@pytest.mark.parametrize("form", ["npy", "csv", "lists"])
def test_given_labels_of_other_rows_are_refused(form, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(3)
    if form == "npy":
        np.save("cat.npy", proba["cat"])
    else:
        columns = dict(enumerate(proba["cat"].T)) if form == "csv" else {"cat": proba["cat"].tolist()}
        pd.DataFrame({f"class {key}": column for key, column in columns.items()}).to_csv("cat.csv", index=False)
    np.save("labels.npy", labels[:-1])
    result = run("import", next(tmp_path.glob("cat.*")).name, "--labels", "labels.npy", "--out", "preds")
    assert result.code == 1
    assert "has 59 rows, the predictions have 60; expected one label a row" in result.err


@pytest.mark.parametrize("with_ids", [True, False])
def test_predicted_classes_by_name_beside_the_true_ones(with_ids, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(3)
    names = np.array(["ant", "bee", "fly"])
    frame = pd.DataFrame({name: names[member.argmax(axis=1)] for name, member in proba.items()})
    frame.insert(0, "label", names[labels])
    if with_ids:
        frame.insert(0, "id", [f"row-{row}" for row in range(60)])
    frame.to_csv("votes.csv", index=False)
    refused = run("bench", "votes.csv", "--rule", "majority-vote")
    assert refused.err.endswith("try: ensembler import votes.csv --out preds\n")
    assert run("import", "votes.csv", "--out", "preds").code == 0
    data = load_predictions(tmp_path / "preds")
    assert (data.names, data.class_names, data.any_hard) == (NAMES, ("ant", "bee", "fly"), True)
    np.testing.assert_array_equal(data.votes, [member.argmax(axis=1) for member in proba.values()])
    np.testing.assert_array_equal(data.labels, labels)


def test_the_names_of_classes_that_are_asked_for_can_be_pasted(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(3)
    np.savez("all.npz", **proba, y_true=np.array(["ant", "bee", "fly"])[labels])
    refused = run("import", "all.npz", "--out", "preds")
    assert "say so: --classes ant,bee,fly" in refused.err
    assert run(*shlex.split(refused.err.split("try: ensembler ")[1])).code == 0
    check(load_predictions(tmp_path / "preds"), proba, labels)


def test_lists_that_were_shortened_are_refused(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole, short = "[0.25 0.25 0.5]", "[0.25 ... 0.5]"
    pd.DataFrame({"label": [0, 1, 2, 0], "cnn": [whole, short, whole, whole]}).to_csv("all.csv", index=False)
    result = run("import", "all.csv", "--out", "preds")
    assert result.code == 1
    assert "row 1 has '[0.25 ... 0.5]' in 'cnn', a list that was shortened when it was printed" in result.err


def test_a_column_with_a_cell_that_is_no_list_can_be_left_out(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(3)
    frame = pd.DataFrame({"label": labels, **{name: list(member) for name, member in proba.items()}})
    frame.at[5, "cat"] = None
    frame.to_parquet("all.parquet")
    refused = run("import", "all.parquet", "--out", "preds")
    assert "row 5 has 'None' in 'cat', expected a list as elsewhere" in refused.err
    assert run(*shlex.split(refused.err.split("try: ensembler ")[1])).code == 0
    assert load_predictions(tmp_path / "preds").names == ("lgbm", "xgb")


def test_dictionaries_are_read_by_their_keys(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(3)
    names = ("owl", "cat", "dog")
    with (tmp_path / "all.jsonl").open("w", encoding="utf-8") as stream:
        for row, label in enumerate(labels):
            record = {"id": f"row-{row}", "label": names[label]}
            for number, (name, member) in enumerate(proba.items()):
                record[name] = dict(list(zip(names, member[row].tolist(), strict=True))[:: 1 - 2 * (number % 2)])
            stream.write(json.dumps(record) + "\n")
    assert run("import", "all.jsonl", "--out", "preds").code == 0
    data = load_predictions(tmp_path / "preds")
    assert data.class_names == ("cat", "dog", "owl")
    of_name = dict(zip(data.names, data.proba, strict=True))
    for name, member in proba.items():
        np.testing.assert_allclose(of_name[name], member[:, [1, 2, 0]], atol=1e-6)


def test_dictionaries_of_other_classes_are_refused(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(2)
    frame = pd.DataFrame({"id": [f"row-{row}" for row in range(60)], "label": np.array(["cat", "dog"])[labels]})
    for name, classes in (("cat", ("cat", "dog")), ("xgb", ("cat", "owl"))):
        frame[name] = [dict(zip(classes, row.tolist(), strict=True)) for row in proba[name]]
    frame.to_parquet("all.parquet")
    refused = run("import", "all.parquet", "--out", "preds")
    assert refused.code == 1
    assert "the dictionaries in 'xgb' are of cat, owl, those in 'cat' of cat, dog; expected the same" in refused.err
    assert "--drop-column xgb" in refused.err


def test_a_long_text_that_opens_a_bracket_is_read_in_one_pass(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"note": ["[" + ")," * 300_000 + "["] * 4, "no": [0.1, 0.9, 0.2, 0.7]}).to_csv("cnn.csv", index=False)
    assert "column 'note'" in run("bench", "cnn.csv", "--rule", "mean").err


def test_texts_in_brackets_are_no_lists(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame({"note": ["[sic]", "(1)", "[a, b]", "(see 2)"], "no": [0.1, 0.9, 0.2, 0.7]})
    frame.assign(yes=1 - frame.no).to_csv("cnn.csv", index=False)
    np.save("labels.npy", [0, 1, 0, 1])
    assert "column 'note' is no class" in run("bench", "cnn.csv", "--labels", "labels.npy", "--rule", "mean").err


def test_dictionaries_beside_probabilities_are_told_to_be_imported(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(2)
    columns = {"no": proba["cat"][:, 0], "yes": proba["cat"][:, 1], "about": [{"size": 3}] * 60, "label": labels}
    pd.DataFrame(columns).to_parquet("cat.parquet")
    refused = run("bench", "cat.parquet", "--label-column", "label", "--rule", "mean")
    assert "column 'about' holds dictionaries" in refused.err
    assert run(*shlex.split(refused.err.split("try: ensembler ")[1])).code == 0


@pytest.mark.parametrize("option", ["--labels", "--like"])
def test_lists_are_no_labels_and_no_submission(option, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(3)
    np.save("cnn.npy", proba["cat"])
    np.save("labels.npy", labels)
    pd.DataFrame({"label": list(proba["cat"]), "more": list(proba["cat"])}).to_parquet("lists.parquet")
    command = (
        ["bench"] if option == "--labels" else ["predict", "--rule", "mean", "--to", "cnn.npy", "--out", "out/p.csv"]
    )
    result = run(command[0], "cnn.npy", *command[1:], option, "lists.parquet")
    assert result.code == 1
    assert "lists.parquet: column 'label' holds lists" in result.err


def test_a_table_of_several_members_is_told_to_be_imported(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    a_column_for_each_class_and_a_row_for_each_model(tmp_path)
    result = run("bench", "long.csv")
    assert result.code == 1
    assert "column 'model' names 3 members" in result.err
    assert "try: ensembler import long.csv --out preds" in result.err
    assert run("import", "long.csv", "--out", "preds").code == 0
    assert run("bench", "preds", "--rule", "mean").code == 0

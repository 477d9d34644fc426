"""`ensembler import`: tables and arrays as other programs write them, and labels that columns are not called after."""

import json

import numpy as np
import pandas as pd
import pytest

from ensembler import load_predictions
from tests.cli.test_import import NAMES, check, members

CLASSES = np.array(["cat", "dog", "fox"])
RNG = np.random.default_rng(3)


def weka(member, labels):
    votes = member.argmax(axis=1)
    numbered = np.array([f"{number}:{name}" for number, name in enumerate(CLASSES, 1)])
    correct = np.where(votes == labels, "", "+")
    columns = {"inst#": range(1, 61), "actual": numbered[labels], "predicted": numbered[votes], "error": correct}
    return pd.DataFrame({**columns, "prediction": member.max(axis=1)})


def knime(member, labels):
    frame = pd.DataFrame({"Row ID": [f"Row{row}" for row in range(60)], "sepal length": RNG.normal(5, 1, 60)})
    frame["class"] = CLASSES[labels]
    for number, name in enumerate(CLASSES):
        frame[f"P (class={name})"] = member[:, number]
    return frame.assign(**{"Prediction (class)": CLASSES[member.argmax(axis=1)]})


def rapid_miner(member, labels):
    frame = pd.DataFrame(
        {"id": range(60), "label": CLASSES[labels], "prediction(label)": CLASSES[member.argmax(axis=1)]}
    )
    return frame.assign(**{f"confidence({name})": member[:, number] for number, name in enumerate(CLASSES)})


def caret(member, labels):
    frame = pd.DataFrame(member, columns=list(CLASSES))
    frame.insert(0, "pred", CLASSES[member.argmax(axis=1)])
    frame.insert(1, "obs", CLASSES[labels])
    frame["rowIndex"] = np.random.default_rng(1).permutation(60) + 1
    return frame.assign(Resample=[f"Fold{row % 5}" for row in range(60)]).sample(frac=1, random_state=len(member))


def tidymodels(member, labels):
    frame = pd.DataFrame({"id": [f"Fold{row % 5 + 1}" for row in range(60)]})
    for number, name in enumerate(CLASSES):
        frame[f".pred_{name}"] = member[:, number]
    votes = CLASSES[member.argmax(axis=1)]
    return frame.assign(**{".row": range(1, 61), "Species": CLASSES[labels], ".pred_class": votes, ".config": "pre1"})


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("write", [weka, knime, rapid_miner, caret, tidymodels])
def test_tables_of_other_programs(write, run, home):
    proba, labels = members()
    for name in NAMES:
        write(proba[name], labels).to_csv(f"{name}.csv", index=False)
    result = run("import", ".", "--out", "preds", *(["--label-column", "Species"] if write is tidymodels else []))
    assert result.code == 0, result.err
    data = load_predictions("preds")
    assert sorted(data.names) == sorted(NAMES)
    assert data.class_names == tuple(CLASSES)
    own = dict(zip(data.names, data.proba, strict=True))
    for name in NAMES:
        assert (own[name].argmax(axis=1) == data.labels).sum() == (proba[name].argmax(axis=1) == labels).sum()
    if write is not weka:
        np.testing.assert_allclose(np.sort(own["cat"].ravel()), np.sort(proba["cat"].ravel()), atol=1e-6)


def test_columns_that_end_in_prob(run, home):
    proba, labels = members(2)
    for name in NAMES:
        frame = pd.DataFrame({"label": np.array(["no", "yes"])[labels], "yes_prob": proba[name][:, 1]})
        frame.assign(no_prob=proba[name][:, 0]).to_csv(f"{name}.csv", index=False)
    assert run("import", ".", "--out", "preds").code == 0
    data = load_predictions("preds")
    assert data.class_names == ("yes", "no")
    np.testing.assert_allclose(data.proba[data.names.index("cat")], proba["cat"][:, ::-1], atol=1e-6)
    assert (data.labels == 1 - labels).all()


@pytest.mark.parametrize("given", [(), ("--labels", "labels.csv")])
def test_labels_in_one_hot_columns(given, run, home):
    proba, labels = members()
    for name in NAMES:
        pd.DataFrame(proba[name], columns=list(CLASSES)).to_csv(f"{name}.csv", index=False)
    pd.DataFrame(np.eye(3, dtype=int)[labels], columns=list(CLASSES)).to_csv("labels.csv", index=False)
    assert run("import", ".", *given, "--out", "preds").code == 0
    check(load_predictions("preds"), proba, labels)


def test_arrays_with_a_column_a_row(run, home):
    proba, labels = members()
    np.savez("all.npz", y=labels, **{name: member.T for name, member in proba.items()})
    result = run("import", "all.npz", "--out", "preds")
    assert "transposed" in result.out
    check(load_predictions("preds"), proba, labels)


def numbered(proba):
    for name in NAMES:
        pd.DataFrame(proba[name], columns=["p1", "p2", "p3"]).to_csv(f"{name}.csv", index=False)


def test_columns_counted_from_1_beside_labels_counted_from_0(run, home):
    proba, labels = members()
    numbered(proba)
    pd.DataFrame({"label": labels}).to_csv("labels.csv", index=False)
    result = run("import", ".", "--out", "preds")
    assert "columns counted from 1" in " ".join(result.out.split())
    check(load_predictions("preds"), proba, labels)


def test_numbered_columns_beside_labels_by_name(run, home):
    proba, labels = members()
    numbered(proba)
    pd.DataFrame({"label": CLASSES[labels]}).to_csv("labels.csv", index=False)
    refused = run("import", ".", "--out", "preds")
    assert "are cat, dog, fox, and columns are called 1, 2, 3" in refused.err
    assert "try: ensembler import . --out preds --classes cat,dog,fox" in refused.err
    assert run("import", ".", "--out", "preds", "--classes", "cat,dog,fox").code == 0
    check(load_predictions("preds"), proba, labels)


def test_labels_that_are_other_numbers_than_those_of_columns(run, home):
    proba, labels = members()
    for name in NAMES:
        np.save(f"{name}.npy", proba[name])
    np.save("labels.npy", np.array([3, 5, 8])[labels])
    refused = run("import", ".", "--out", "preds")
    assert "are 3, 5, 8, and columns have no names" in refused.err
    assert run("import", ".", "--out", "preds", "--classes", "3,5,8").code == 0
    check(load_predictions("preds"), proba, labels)


def test_a_long_table_with_a_row_twice(run, home):
    rows = [(row, name, CLASSES[row % 3]) for name in NAMES for row in range(6)]
    pd.DataFrame([*rows, rows[0]], columns=["task", "worker", "answer"]).to_csv("all.csv", index=False)
    assert "worker cat has 2 rows for task 0, expected one" in run("import", "all.csv", "--out", "preds").err


def test_features_beside_predictions_are_told_with_their_files(run, home):
    proba, labels = members(2)
    for name in NAMES:
        frame = pd.DataFrame({"id": range(60), "humidity": RNG.random(60), "target": labels})
        frame.assign(pred=proba[name][:, 1]).to_csv(f"{name}.csv", index=False)
    refused = run("import", ".", "--out", "preds").err
    assert "cat.csv and lgbm.csv: columns humidity, pred are read as a model each" in refused
    assert run("import", ".", "--drop-column", "humidity", "--out", "preds").code == 0
    check(load_predictions("preds"), proba, labels)


@pytest.mark.filterwarnings("ignore::ensembler.predictions.diagnosis.findings.FindingWarning")
def test_votes_with_holes_in_arrays(run, home):
    proba, labels = members()
    for name in NAMES:
        votes = proba[name].argmax(axis=1).astype(float)
        votes[3] = np.nan
        np.save(f"{name}.npy", votes)
    np.save("labels.npy", labels)
    assert run("import", ".", "--out", "preds").code == 0
    assert (load_predictions("preds").votes[:, 3] == -1).all()


def test_confidences_in_a_long_table_are_of_the_class_beside_them(run, home):
    proba, labels = members()
    parts = [
        pd.DataFrame({"model": name, "id": range(100, 160), "label": CLASSES[p.argmax(axis=1)], "score": p.max(axis=1)})
        for name, p in proba.items()
    ]
    pd.concat(parts).to_csv("all.csv", index=False)
    pd.DataFrame({"id": range(100, 160), "label": CLASSES[labels]}).to_csv("labels.csv", index=False)
    assert run("import", ".", "--out", "preds").code == 0
    data = load_predictions("preds")
    assert (data.votes[data.names.index("cat")] == proba["cat"].argmax(axis=1)).all()
    assert (data.labels == labels).all()


def test_ids_that_differ_in_how_they_are_written(run, home):
    proba, labels = members()
    for name in NAMES:
        folder = "" if name == "cat" else "test/"
        frame = pd.DataFrame(proba[name], columns=list(CLASSES))
        frame.assign(id=[f"{folder}{row}.jpg" for row in range(60)]).to_csv(f"{name}.csv", index=False)
    np.save("labels.npy", labels)
    refused = run("bench", ".").err
    assert "id '0.jpg' is only in the first, id 'test/0.jpg' is only in the second" in refused
    assert "they differ by the folders in front alone" in refused


@pytest.mark.filterwarnings("ignore:there is one member")
@pytest.mark.parametrize("labels_by_name", [True, False])
@pytest.mark.parametrize("models", [["lgbm"], ["lgbm", "xgb"]])
def test_a_class_may_be_called_as_if_it_were_made_of_others(models, labels_by_name, run, home):
    proba, labels = members()
    names = np.array(["low", "average", "high"])
    frame = pd.DataFrame({"label": names[labels] if labels_by_name else labels})
    for model in models:
        for number, name in enumerate(names):
            frame[name if len(models) == 1 else f"{model}_{name}"] = proba[model][:, number]
    frame.to_csv("table.csv", index=False)
    result = run("import", "table.csv", "--out", "preds")
    assert result.code == 0, result.err
    data = load_predictions("preds")
    called = [0, 1, 2] if data.class_names is None else [list(names).index(name) for name in data.class_names]
    np.testing.assert_array_equal(np.array(called)[data.labels], labels)
    for own, model in zip(data.proba, models, strict=True):
        np.testing.assert_allclose(own, proba[model][:, called], atol=1e-6)


def test_a_blend_of_classes_that_sum_to_1_without_it_is_left_out(run, home):
    proba, labels = members()
    frame = pd.DataFrame({"label": CLASSES[labels]})
    for model, own in {**proba, "blend": np.mean(list(proba.values()), axis=0)}.items():
        for number, name in enumerate(CLASSES):
            frame[f"{model}_{name}"] = own[:, number]
    frame.to_csv("table.csv", index=False)
    result = run("import", "table.csv", "--out", "preds")
    assert "its name says that it is made of" in result.out
    assert load_predictions("preds").names == NAMES


def by_model(proba, row):
    return {"scores": {name: member[row].tolist() for name, member in proba.items()}}


def by_model_and_class(proba, row):
    return {"scores": {name: dict(zip(CLASSES, member[row].tolist(), strict=True)) for name, member in proba.items()}}


def by_model_with_more(proba, row):
    return {"out": {name: {"p": member[row].tolist(), "n": row} for name, member in proba.items()}}


@pytest.mark.parametrize("nest", [by_model, by_model_and_class, by_model_with_more])
@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_records_with_predictions_in_dictionaries(nest, suffix, run, home):
    proba, labels = members()
    records = [{"id": row, "label": CLASSES[label], **nest(proba, row)} for row, label in enumerate(labels)]
    lines = [json.dumps(record | {"meta": {"source": "web", "size": 3}}) for record in records]
    text = "\n".join(lines) if suffix == "jsonl" else f"[{','.join(lines)}]"
    (home / f"log.{suffix}").write_text(text, encoding="utf-8")
    result = run("import", f"log.{suffix}", "--out", "preds", "--classes", ",".join(CLASSES))
    assert result.code == 0, result.err
    assert f"log.{suffix} (meta)" in result.out
    check(load_predictions("preds"), proba, labels)


@pytest.mark.filterwarnings("ignore:there is one member")
def test_records_with_predictions_beside_other_facts(run, home):
    proba, labels = members()
    own = proba["lgbm"]
    records = [
        {"label": int(label), "output": {"probs": own[row].tolist(), "argmax": 1}} for row, label in enumerate(labels)
    ]
    (home / "lgbm.json").write_text(json.dumps(records), encoding="utf-8")
    assert run("import", "lgbm.json", "--out", "preds").code == 0
    check(load_predictions("preds"), {"lgbm": own}, labels)


def scores(member, row):
    order = np.argsort(-member[row])
    return [{"label": str(CLASSES[number]), "score": float(member[row, number])} for number in order]


def of_pipelines(own, labels):
    """What transformers' pipelines give, with all labels in the order of their scores."""
    return [{"text": "…", "true": CLASSES[label], "output": scores(own, row)} for row, label in enumerate(labels)]


def under_a_key(own, labels):
    records = [{"true": CLASSES[label], "probs": own[row].tolist()} for row, label in enumerate(labels)]
    return {"model": "lgbm", "rows": records}


def by_row(own, labels):
    return {f"r{row}": {"true": CLASSES[label], "probs": own[row].tolist()} for row, label in enumerate(labels)}


def by_column(own, labels):
    frame = pd.DataFrame(own, columns=CLASSES).assign(true=CLASSES[labels])
    return json.loads(frame.to_json(double_precision=10))


def split_in_two(own, labels):
    frame = pd.DataFrame(own, columns=CLASSES).assign(true=CLASSES[labels])
    return json.loads(frame.to_json(orient="split", double_precision=10))


@pytest.mark.parametrize("write", [of_pipelines, under_a_key, by_row, by_column, split_in_two])
def test_documents_of_records(write, run, home):
    proba, labels = members()
    for name, own in proba.items():
        (home / f"{name}.json").write_text(json.dumps(write(own, labels)), encoding="utf-8")
    result = run("import", ".", "--out", "preds", "--classes", ",".join(CLASSES))
    assert result.code == 0, result.err
    check(load_predictions("preds"), proba, labels)


@pytest.mark.parametrize(
    "predicted",
    [
        lambda own: {"probs": own.tolist()},
        lambda own: dict(zip(CLASSES, own.tolist(), strict=True)),
        lambda own: {"probs": own.tolist(), "predicted": str(CLASSES[own.argmax()])},
    ],
)
def test_records_of_each_model_in_one_document(predicted, run, home):
    proba, labels = members()
    document = {
        name: [{"id": f"r{row}", "label": CLASSES[labels[row]], **predicted(own[row])} for row in range(60)]
        for name, own in proba.items()
    }
    (home / "all.json").write_text(json.dumps({"classes": list(CLASSES), **document}), encoding="utf-8")
    result = run("import", "all.json", "--out", "preds")
    assert result.code == 0, result.err
    check(load_predictions("preds"), proba, labels)


def test_models_in_a_dictionary_are_called_after_themselves(run, home):
    proba, labels = members()
    document = {"models": {name: own.tolist() for name, own in proba.items()}, "labels": labels.tolist()}
    (home / "all.json").write_text(json.dumps(document), encoding="utf-8")
    assert run("import", "all.json", "--out", "preds", "--classes", ",".join(CLASSES)).code == 0
    check(load_predictions("preds"), proba, labels)


@pytest.mark.parametrize("orient", ["columns", "index", "split"])
def test_the_index_of_pandas_aligns_files(orient, run, home):
    proba, labels = members()
    for place, (name, own) in enumerate(proba.items()):
        order = np.arange(60) if place == 0 else RNG.permutation(60)
        frame = pd.DataFrame(own, columns=CLASSES).assign(true=CLASSES[labels]).iloc[order]
        frame.to_json(home / f"{name}.json", orient=orient, double_precision=10)
    result = run("import", ".", "--out", "preds")
    assert result.code == 0, result.err
    check(load_predictions("preds"), proba, labels)


def test_arrays_nested_deeply_are_read(run, home):
    proba, labels = members()
    document = {
        "a": {"b": {"c": {"d": {name: own.tolist() for name, own in proba.items()}}}},
        "y_true": labels.tolist(),
    }
    (home / "deep.json").write_text(json.dumps(document))
    result = run("import", "deep.json", "--out", "preds")
    assert result.code == 0, result.err
    assert len(load_predictions("preds").names) == 3


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ([{"model": "rf", "probs": [0.1, 0.9]}, {"model": "mlp", "probs": [0.3, 0.7]}], "'out' holds lists of"),
        ({"rf": "yes", "mlp": {}}, "'out' holds dictionaries, and not of one number a class"),
    ],
)
def test_labels_are_no_predictions_where_those_are_nested_in_other_ways(cell, message, run, home):
    (home / "a.json").write_text(json.dumps([{"id": row, "label": row % 2, "out": cell} for row in range(20)]))
    result = run("import", "a.json", "--out", "preds")
    assert result.code == 1
    assert message in result.err
    assert not (home / "preds").exists()


def test_scores_of_the_best_labels_only(run, home):
    proba, labels = members()
    best = [{"true": CLASSES[label], "output": scores(proba["cat"], row)[:2]} for row, label in enumerate(labels)]
    (home / "a.json").write_text(json.dumps(best))
    result = run("import", "a.json", "--out", "preds")
    assert result.code == 1
    assert "top_k=None" in result.err


@pytest.mark.parametrize(
    "document",
    [
        {name: {f"measure {number}": number / 20 for number in range(15)} for name in NAMES},
        {str(epoch): {"loss": 1 / (epoch + 1), "accuracy": epoch / 60} for epoch in range(60)},
        {"loss": {str(epoch): 1 / (epoch + 1) for epoch in range(60)}, "lr": {str(epoch): 0.1 for epoch in range(60)}},
        {"history": [{"epoch": epoch, "loss": 1 / (epoch + 1)} for epoch in range(60)], "seed": 3},
        {
            name: [{"epoch": epoch, "loss": 1 / (epoch + 1), "auc": epoch / (60 + scale)} for epoch in range(60)]
            for scale, name in enumerate(NAMES)
        },
    ],
)
def test_a_document_of_measures_is_no_set(document, run, home):
    (home / "measures.json").write_text(json.dumps(document))
    assert run("import", "measures.json", "--out", "alone").code == 1
    proba, labels = members()
    for name, own in proba.items():
        frame = pd.DataFrame(own, columns=CLASSES).assign(label=CLASSES[labels])
        frame.to_csv(home / f"{name}.csv", index=False)
    assert run("import", ".", "--out", "preds").code == 0
    assert sorted(load_predictions("preds").names) == sorted(NAMES)

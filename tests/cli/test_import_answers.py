"""`ensembler import`: votes with words for no answer, numbers of classes, and headers that are rows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ensembler import load_predictions
from tests.cli.test_import import NAMES as MODELS
from tests.cli.test_import import check, members

pytestmark = pytest.mark.filterwarnings("ignore::ensembler.predictions.diagnosis.findings.FindingWarning")


@pytest.fixture
def bring(run, tmp_path, monkeypatch):
    """Import texts by file name, and return what the command said."""
    monkeypatch.chdir(tmp_path)

    def call(files, *options):
        for name, text in files.items():
            Path(name).write_text(text)
        return run("import", *files, "--out", "preds", *options)

    return call


def loaded(result, **options):
    assert result.code == 0, result.err
    return load_predictions("preds", **options)


WORDS = "cat\ndog\ncat\ndog\n"
ROWS = "s0,cat\ns1,dog\ns2,cat\ns3,dog\n"


@pytest.mark.parametrize("text", [WORDS, ROWS], ids=["names", "rows"])
def test_the_first_row_of_names_without_a_header_is_a_row(text, bring):
    data = loaded(bring({"rf.csv": text, "xgb.csv": text, "labels.csv": text}))
    assert data.n_samples == 4
    assert data.labels.tolist() == [0, 1, 0, 1]
    assert (data.votes == data.labels).all()


BLANKS = "cat dog\n0.9 0.1\n0.2 0.8\n0.7 0.3\n"
R_LABELS = '"x"\n"1" "cat"\n"2" "dog"\n"3" "cat"\n'
INDEXED = {
    "rf.csv": "0,.9,.1\n1,.2,.8\n2,.7,.3\n3,.6,.4\n",
    "xgb.csv": "0,.9,.1\n1,.2,.8\n2,.7,.3\n3,.6,.4\n",
}
R_TABLE = '"cat" "dog"\n"1" 0.9 0.1\n"2" 0.2 0.8\n"3" 0.7 0.3\n'
NUMPY = "# cat dog\n9e-1 1e-1\n2e-1 8e-1\n7e-1 3e-1\n"
COMMENTS = "# model rf, seed=1\n# run 3\ncat,dog\n.9,.1\n.2,.8\n.7,.3\n"
COUNTED = "0.0,1.0,2.0\n.9,.1,0\n.2,.8,0\n.7,.3,0\n"


@pytest.mark.parametrize(
    "text", [BLANKS, R_TABLE, NUMPY, COMMENTS, COUNTED], ids=["blanks", "R", "NumPy", "comments", "counted"]
)
def test_what_stands_above_numbers(text, bring):
    labels = "label\n0\n1\n0\n" if text is COUNTED else "label\ncat\ndog\ncat\n"
    data = loaded(bring({"rf.txt": text, "xgb.txt": text, "labels.csv": labels}))
    assert data.n_classes == (3 if text is COUNTED else 2)
    np.testing.assert_allclose(data.proba[0][:, :2], [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    assert data.labels.tolist() == [0, 1, 0]


def test_a_comment_above_the_names_is_named_by_a_comparison(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("rf.csv").write_text("# run 3\nid;cat;dog\n1;0.9;0.1\n2;0.2;0.8\n")
    refused = run("bench", "rf.csv").err
    assert "rf.csv: the first row is a comment, '# run 3'" in refused
    assert "try: ensembler import rf.csv --out preds" in refused


def test_labels_in_a_column_of_r(bring):
    data = loaded(bring({"rf.txt": R_TABLE, "xgb.txt": R_TABLE, "labels.txt": R_LABELS}))
    assert data.labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize("labels", ["0,0\n1,1\n2,0\n3,1\n", "0,1\n1,1\n2,0\n3,1\n"])
def test_labels_behind_row_numbers_without_a_header(labels, bring):
    data = loaded(bring({**INDEXED, "labels.csv": labels}))
    assert data.labels.tolist() == [int(line[2]) for line in labels.splitlines()]


def test_cells_between_blanks_are_no_classes_without_an_import(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("rf.csv").write_text(BLANKS)
    refused = run("bench", "rf.csv")
    assert "cells are separated by blanks" in refused.err
    assert "try: ensembler import rf.csv --out preds" in refused.err


def test_series_of_pandas(bring):
    for name in ("rf", "xgb"):
        pd.Series([0.2, 0.7, 0.9, 0.1]).to_csv(f"{name}.csv")
    pd.Series([0, 1, 1, 0]).to_csv("y_test.csv")
    data = loaded(bring({name: Path(name).read_text() for name in ("rf.csv", "xgb.csv", "y_test.csv")}))
    np.testing.assert_allclose(data.proba[0][:, 1], [0.2, 0.7, 0.9, 0.1])
    assert data.labels.tolist() == [0, 1, 1, 0]


def test_true_and_false_with_empty_cells_are_votes(bring):
    result = bring({"v.csv": "gold,rf,xgb\nTrue,True,False\nFalse,,False\nFalse,False,False\nTrue,True,\n"})
    data = loaded(result)
    assert data.labels.tolist() == [1, 0, 0, 1]
    assert data.votes.tolist() == [[1, -1, 0, 1], [0, 0, 0, -1]]
    assert "1 of 4 votes missing" in " ".join(result.out.split())


@pytest.mark.parametrize("word", ["N/A", "na", "?", "None"])
def test_words_for_no_answer_are_missing_votes(word, bring):
    one = f"gold,rf,xgb\ncat,cat,dog\ndog,{word},dog\ncat,cat,cat\n"
    result = bring({"v.csv": one})
    assert loaded(result).votes.tolist() == [[0, -1, 0], [1, 1, 0]]
    assert f"{word} is no label" in " ".join(result.out.split())


def test_words_for_no_answer_in_files_of_their_own(bring):
    files = {
        "rf.csv": "id,prediction\n1,cat\n2,NA\n3,dog\n4,cat\n",
        "xgb.csv": "id,prediction\n1,cat\n2,dog\n3,N/A\n4,cow\n",
        "labels.csv": "id,label\n1,cat\n2,dog\n3,dog\n4,cat\n",
    }
    result = bring(files)
    data = loaded(result)
    assert data.class_names == ("cat", "cow", "dog")
    assert data.votes.tolist() == [[0, -1, 2, 0], [0, 2, -1, 1]]
    assert "classes cow" in " ".join(result.out.split())


def test_a_class_called_na_is_a_class(bring):
    data = loaded(bring({"v.csv": "gold,rf,xgb\ncat,cat,NA\nNA,NA,NA\ncat,cat,cat\nNA,cat,NA\n"}))
    assert sorted(data.class_names) == ["NA", "cat"]
    assert (data.votes >= 0).all()


def test_words_for_no_answer_among_numbers(bring):
    data = loaded(bring({"v.csv": "y,rf,xgb\n1,1,1\n0,NA,1\n1,0,0\n0,0,1\n"}))
    assert data.votes.tolist() == [[1, -1, 0, 0], [1, 1, 0, 1]]


def test_votes_of_minus_one_and_one_are_no_half_of_missing_ones(bring, run):
    result = bring({"v.csv": "label,rf,xgb\n0,-1,-1\n1,1,-1\n1,1,1\n0,-1,1\n"})
    assert "is -1 and 1, where labels are 0 and 1; write 0 for -1 if it is a class" in result.err
    # Two that abstain, each with a class of its own.
    data = loaded(bring({"v.csv": "label,rf,xgb\n0,-1,0\n1,1,-1\n1,1,0\n0,-1,0\n"}))
    assert data.votes.tolist() == [[-1, 1, 1, -1], [0, -1, 0, 0]]


LEFT = {"rf.csv": "id,cat,dog\ns0,.9,.1\ns1,.2,.8\ns2,.7,.3\n", "xgb.csv": "id,cat,dog\ns0,.9,.1\ns1,.2,.8\ns2,.7,.3\n"}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("id,label\ns0,cat\ns1,dog\n", "rf.csv and labels.csv do not hold the same ids: id 's2' is only in the first"),
        ("label\ncat\ndog\n", "labels.csv holds 2 labels, rf.csv 3 rows"),
        ("label,label\n0,2\n", "two columns have one name ('label') in label, label"),
    ],
)
def test_a_file_of_labels_that_fit_no_rows_is_refused(labels, message, bring):
    assert message in bring({**LEFT, "labels.csv": labels}).err


def test_votes_counted_from_1_beside_labels_counted_from_0(bring):
    result = bring({"v.csv": "y,rf,xgb\n0,1,1\n1,2,2\n2,3,2\n1,2,3\n"})
    assert loaded(result).votes.tolist() == [[0, 1, 2, 1], [0, 1, 1, 2]]
    assert "counted from 1" in " ".join(result.out.split())


def test_votes_of_0_beside_labels_counted_from_1(bring):
    files = {"v.csv": "y,rf,xgb\n1,1,1\n1,2,2\n2,0,2\n2,2,1\n"}
    refused = bring(files).err
    assert "votes are 0 in 1 rows, where labels go from 1 to 2" in refused
    assert loaded(bring(files, "--classes", "0,1,2")).votes.tolist() == [[1, 2, 0, 2], [1, 2, 2, 1]]


@pytest.mark.parametrize("kind", ["log odds", "percentages"])
def test_scores_of_class_1_in_a_column_a_model_are_asked_about(kind, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(2)
    of_1 = {name: proba[name][:, 1] for name in MODELS}
    odds = {name: np.log(p / (1 - p)) if kind == "log odds" else 100 * p for name, p in of_1.items()}
    pd.DataFrame({"target": labels, **odds}).to_csv("all.csv", index=False)
    asked = run("import", "all.csv", "--out", "preds")
    assert f"all.csv#cat as {kind}" in asked.err
    assert run("import", "all.csv", "--out", "preds", "--yes").code == 0
    check(load_predictions("preds"), proba, labels)


def test_columns_that_say_which_rows_are_correct_are_no_members(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(2)
    frame = pd.DataFrame({"id": range(60), "y_true": labels})
    for name in MODELS:
        frame[f"{name}_pred"] = proba[name].argmax(axis=1)
        frame[f"{name}_correct"] = (frame[f"{name}_pred"] == labels).astype(int)
    frame.to_csv("all.csv", index=False)
    assert run("import", "all.csv", "--out", "preds").code == 0
    assert sorted(load_predictions("preds").names) == sorted(MODELS)


def test_a_column_of_models_without_ids_is_refused(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members()
    parts = [pd.DataFrame(proba[name], columns=["a", "b", "c"]).assign(model=name, label=labels) for name in MODELS]
    pd.concat(parts).to_csv("long.csv", index=False)
    refused = run("import", "long.csv", "--out", "preds").err
    assert "column 'model' names 3 members, and no column names the rows" in refused


def test_names_of_copies_keep_their_brackets(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members()
    for number, name in enumerate(MODELS):
        np.save(f"model ({number}).npy", proba[name])
    np.save("labels.npy", labels)
    assert run("import", ".", "--out", "preds").code == 0
    assert load_predictions("preds").names == ("model (0)", "model (1)", "model (2)")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_column_divides_validation_from_test_rows(suffix, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members()
    split = np.where(np.arange(60) % 3 == 0, "val", "test")
    for name in MODELS:
        frame = pd.DataFrame(proba[name], columns=["ant", "bee", "cow"])
        frame = frame.assign(id=[f"{row:03}" for row in range(60)], label=labels, split=split)
        getattr(frame, f"to_{suffix}")(f"{name}.{suffix}", index=False)
    assert run("import", ".", "--out", "preds", "--classes", "ant,bee,cow").code == 0
    data = load_predictions("preds")
    check(data, {name: proba[name][split == "test"] for name in MODELS}, labels[split == "test"])
    check(data.validation, {name: proba[name][split == "val"] for name in MODELS}, labels[split == "val"])


def test_a_probability_of_a_class_without_a_name_is_asked_about(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(2)
    for name in MODELS:
        pd.DataFrame({"id": range(60), "p": proba[name][:, 0]}).to_csv(f"{name}.csv", index=False)
    texts = np.array(["bad", "good"])[labels]
    pd.DataFrame({"id": range(60), "label": texts}).to_csv("labels.csv", index=False)
    refused = run("import", ".", "--out", "preds").err
    assert "which of them is the probability of?" in refused
    assert "--classes good,bad if it is of 'bad'" in refused
    assert run("import", ".", "--out", "preds", "--classes", "good,bad").code == 0
    data = load_predictions("preds")
    assert data.class_names == ("good", "bad")
    np.testing.assert_allclose(data.proba[data.names.index("cat")][:, 1], proba["cat"][:, 0], atol=1e-6)


def test_units_below_names_are_no_reason_to_leave_out_all_columns(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, _ = members()
    for name in MODELS:
        text = pd.DataFrame(proba[name], columns=["ant", "bee", "cow"]).to_csv(index_label="id")
        Path(f"{name}.csv").write_text(text.replace("\n", "\n-,%,%,%\n", 1))
    refused = run("import", ".", "--out", "preds").err
    assert "one row is -, %, %, %, expected numbers in ant, bee, cow; take it away" in refused
    assert "--drop-column" not in refused


def test_rows_are_divided_by_their_sums_where_that_is_asked_for(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members()
    for name in MODELS:
        np.save(f"{name}.npy", proba[name] * np.linspace(0.9, 1.2, 60)[:, None])
    np.save("labels.npy", labels)
    assert "pass --normalize" in run("import", ".", "--out", "preds").err
    assert run("import", ".", "--out", "preds", "--normalize").code == 0
    check(load_predictions("preds"), proba, labels)


@pytest.mark.parametrize("named", [True, False])
def test_the_confidence_in_a_predicted_class_is_no_probability_of_class_1(named, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(2)
    texts = np.array(["NEG", "POS"])
    for name in MODELS:
        votes = proba[name].argmax(axis=1)
        gold = texts[labels] if named else labels
        frame = pd.DataFrame({"id": range(60), "gold": gold, "label": texts[votes], "score": proba[name].max(axis=1)})
        frame.to_csv(f"{name}.csv", index=False)
    result = run("import", ".", "--out", "preds")
    if not named:
        assert "column 'score' is never below 0.5, beside 'label' with NEG, POS" in result.err
        return
    assert result.code == 0, result.err
    data = load_predictions("preds")
    assert (data.votes[data.names.index("cat")] == proba["cat"].argmax(axis=1)).all()
    assert (data.labels == labels).all()


def test_a_file_that_cannot_be_read_is_told_where_something_is_missing(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("labels.npy", np.arange(60) % 3)
    Path("rf.csv").write_text("Results,,\nid,cat,dog\n007,.1,.9\n008,.2,.8\n")
    assert "rf.csv: the first row is a title" in run("import", ".", "--out", "preds").err


def texts(**columns):
    """Return the text of a .csv with a header."""
    rows = [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    return "\n".join([",".join(columns), *rows, ""])


HEADERS = {
    "a label": ("target", ["target", "nontarget", "target", "nontarget"]),
    "a known name": ("y", ["y", "n", "y", "n"]),
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_name_of_labels_is_no_row_though_a_class_is_called_so(header, bring):
    name, values = header
    text = texts(**{name: values})
    data = loaded(bring({"a.csv": text, "b.csv": text, "labels.csv": text}))
    assert data.n_samples == 4


def test_raters_called_as_the_classes_are_a_header(bring):
    data = loaded(bring({"v.csv": texts(A=list("ABCA"), B=list("ABCB"), label=list("ABCC"))}))
    assert data.n_samples == 4
    assert data.names == ("A", "B")


def test_series_of_pandas_without_an_index(bring):
    proba = "0\n.2\n.7\n.9\n.1\n"
    data = loaded(bring({"a.csv": proba, "b.csv": proba, "labels.csv": "label\n0\n1\n1\n0\n"}))
    np.testing.assert_allclose(data.proba[0][:, 1], [0.2, 0.7, 0.9, 0.1])
    votes = {"a.csv": "0\n0\n1\n", "b.csv": "0\n1\n1\n", "labels.csv": "0\n0\n1\n"}
    assert "a row without a header (0, as in all files)" in bring(votes).err


def test_float_classes_are_names(bring):
    text = "0.0,1.0\n.9,.1\n.2,.8\n.7,.3\n"
    data = loaded(bring({"a.csv": text, "b.csv": text, "labels.csv": "label\n0\n1\n0\n"}))
    assert data.n_samples == 3


SUMS = ["ham", "ham", "ham", "ham", "sum", "sum"]


def test_classes_models_and_rows_that_are_called_like_sums_stay(bring, run):
    assert loaded(bring({"v.csv": texts(label=SUMS, m1=SUMS, m2=SUMS)})).n_samples == 6
    long = [(worker, task, "ab"[(task + len(worker)) % 2]) for worker in ("amy", "bob", "total") for task in range(4)]
    columns = dict(zip(("worker", "task", "answer"), zip(*long, strict=True), strict=True))
    text = texts(**columns)
    Path("long.csv").write_text(text)
    assert run("import", "long.csv", "--out", "long").code == 0
    assert load_predictions("long", labelled=False).names == ("amy", "bob", "total")
    rows = texts(id=["apple", "kiwi", "max", "min"], cat=[0.5, 0.2, 0.3, 0.9], dog=[0.5, 0.8, 0.7, 0.1])
    for name in ("x", "z"):
        Path(f"{name}.csv").write_text(rows)
    assert run("import", "x.csv", "z.csv", "--out", "rows").code == 0
    assert load_predictions("rows", labelled=False).n_samples == 4


def test_times_and_pairs_are_no_numbers_before_names(bring):
    data = loaded(
        bring({"v.csv": texts(label=["1:1", "2:1", "1:2"] * 8, m1=["1:1", "2:1", "1:2"] * 8, m2=["1:1"] * 24)})
    )
    assert data.n_classes == 3


@pytest.mark.parametrize("word", ["unknown", "None", "-"])
@pytest.mark.parametrize("beside", [False, True])
def test_a_word_that_labels_have_is_no_missing_number(word, beside, bring):
    labels, votes = ["0", "1", word, "1"], {"m1": ["0", "1", word, "1"], "m2": ["0", word, word, "1"]}
    files = {"v.csv": texts(**({} if beside else {"label": labels}), **votes)}
    if beside:
        files["labels.csv"] = texts(label=labels)
    result = bring(files)
    if result.code:
        assert "missing" not in result.err
        return
    assert (load_predictions("preds").votes >= 0).all()
    assert load_predictions("preds").n_classes == 3


def test_a_header_behind_a_hash_above_texts(bring):
    text = "#id,fox,cat,dog,label\nr1,.7,.2,.1,fox\ns1,.1,.8,.1,cat\nt2,.1,.2,.7,dog\nu1,.4,.3,.3,dog\n"
    data = loaded(bring({"a.csv": text, "b.csv": text}))
    assert data.n_samples == 4
    assert set(data.class_names) == {"fox", "cat", "dog"}
    assert (data.proba.argmax(axis=-1) == data.labels)[:, :3].all()


def test_rows_that_begin_with_a_hash_are_no_comments(bring):
    text = "".join(f"#{row:03},0.6,0.3,0.1\n" for row in range(80))
    assert loaded(bring({"a.csv": text, "b.csv": text}), labelled=False).n_samples == 80


def test_rules_called_hit_or_match_are_members(bring):
    votes = {"regex_hit": [0, 1, 0, 0], "keyword_match": [0, 1, 0, 1], "rf": [0, 1, 0, 1]}
    data = loaded(bring({"v.csv": texts(label=[0, 1, 0, 0], **votes)}))
    assert data.names == ("keyword_match", "regex_hit", "rf")


def test_votes_are_not_counted_from_1_where_another_votes_0(bring):
    text = texts(a=[1, 2, 1, 2, 1, 2, 1], b=[0, 1, 0, 1, 1, 0, 2], label=[0, 1, 0, 1, 0, 1, 0])
    result = bring({"v.csv": text})
    assert "counted from 1" not in result.out
    assert loaded(result).n_classes == 3


def test_a_class_of_validation_rows_is_one_of_test_rows_too(bring):
    rows = {"a": ["cat", "None", "dog", "None"], "b": ["cat", "dog", "None", "cat"]}
    files = {
        "val.csv": texts(id=range(4), label=["cat", "None", "dog", "cat"], **rows),
        "test.csv": texts(id=range(4), label=["cat", "dog", "dog", "cat"], **rows),
    }
    assert (loaded(bring(files)).votes >= 0).all()


def test_words_for_no_answer_in_a_long_table(bring):
    rows = [(row, model, "None" if row == model else "cat", "cat") for row in range(4) for model in range(2)]
    columns = dict(zip(("id", "model", "prediction", "label"), zip(*rows, strict=True), strict=True))
    columns["label"] = ["cat" if row % 2 else "dog" for row in columns["id"]]
    data = loaded(bring({"long.csv": texts(**columns)}))
    assert sorted(data.class_names) == ["cat", "dog"]
    assert (data.votes == -1).sum() == 2


def test_a_matrix_of_votes_is_no_logits(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("L.npy", np.random.default_rng(0).integers(-1, 2, (80, 4)))
    np.save("Y.npy", np.arange(80) % 2)
    assert "are they votes of a model a column?" in run("import", ".", "--out", "preds").err


def test_probabilities_of_two_models_beside_labels_by_name(bring):
    text = texts(rf_prob=[0.2, 0.8, 0.1, 0.7], xgb_prob=[0.3, 0.6, 0.4, 0.9], label=["no", "yes", "no", "yes"])
    assert "which of them is the probability of?" in bring({"v.csv": text}).err
    data = loaded(bring({"v.csv": text}, "--classes", "no,yes"))
    assert data.names == ("rf", "xgb")
    np.testing.assert_allclose(data.proba[0][:, 1], [0.2, 0.8, 0.1, 0.7])


def test_labels_of_training_rows_are_none_of_test_rows(bring):
    proba = texts(cat=[0.9, 0.2, 0.4], dog=[0.1, 0.8, 0.6])
    files = {"test_a.csv": proba, "test_b.csv": proba, "train_labels.csv": texts(label=["cat", "dog", "cat", "dog"])}
    assert loaded(bring(files), labelled=False).labels is None


def test_a_part_without_labels_waits_for_predictions(bring):
    columns = {"id": range(6), "cat": [0.9, 0.2, 0.4, 0.6, 0.3, 0.8], "dog": [0.1, 0.8, 0.6, 0.4, 0.7, 0.2]}
    labels = ["cat", "cat", "dog", "", "", ""]
    text = texts(**columns, label=labels, split=["train"] * 3 + ["test"] * 3)
    data = loaded(bring({"a.csv": text, "b.csv": text}))
    assert data.n_samples == 3
    assert load_predictions("preds/new", labelled=False).n_samples == 3


def test_a_feature_of_three_values_makes_no_confidence(bring):
    rng = np.random.default_rng(0)
    columns = {"id": range(12), "city": ["ulm", "bonn", "kiel"] * 4, "prob": rng.uniform(0.5, 1, 12).round(3)}
    assert loaded(bring({"a.csv": texts(**columns, label=[0, 1] * 6), "b.csv": texts(**columns, label=[0, 1] * 6)}))

"""Inputs of all kinds that were read wrongly, refused, or refused in words that did not help."""

import json

import numpy as np
import pandas as pd
import pytest

from ensembler import load_predictions
from ensembler.predictions.loading.alignment import as_number
from tests.conftest import draw

ROWS = 40


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def votes(seed, n_classes=3):
    """Votes of three members, (3, N), and labels."""
    proba, labels = draw(seed, 3, ROWS, n_classes)
    return proba.argmax(axis=-1), labels


def write_csv(path, values, ids=None):
    pd.DataFrame({"id": range(ROWS) if ids is None else ids, "label": values}).to_csv(path, index=False)


def test_a_row_that_nobody_answers_is_not_missed_by_all(here, run):
    said, labels = votes(0)
    said[:, 5] = -1
    said[:, 6] = (labels[6] + 1) % 3
    for index, member in enumerate(said):
        np.save(f"m{index}.npy", member)
    np.save("labels.npy", labels)
    answer = run("explain", ".", "--rule", "majority-vote", "--fit-on", "test", "--top", 40, "--json")
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    rows = {row["row"] for row in found["missed"]}
    assert 6 in rows
    assert 5 not in rows
    missed = ~(said == labels).any(axis=0) & (said >= 0).any(axis=0)
    assert found["missed_by_all"] == missed.sum()


@pytest.mark.filterwarnings("ignore::ensembler.errors.DataWarning")
@pytest.mark.parametrize("written", ["NaN", "nan", ""])
def test_nan_in_a_table_of_votes_is_a_missing_vote(here, written):
    said, labels = votes(1)
    for index, member in enumerate(said):
        values = member.astype(object)
        values[4] = written
        write_csv(f"m{index}.csv", values)
    write_csv("labels.csv", labels)
    predictions = load_predictions(here)
    assert predictions.missing[:, 4].all()
    assert predictions.missing.sum() == 3
    rest = np.delete(np.arange(ROWS), 4)
    assert np.array_equal(predictions.votes[:, rest], said[:, rest])


def test_nan_among_classes_that_are_texts_is_a_class(here):
    said, labels = votes(1)
    names = np.array(["NaN", "bread", "curry"])
    for index, member in enumerate(said):
        write_csv(f"m{index}.csv", names[member])
    write_csv("labels.csv", names[labels])
    predictions = load_predictions(here)
    assert predictions.missing is None
    assert predictions.class_names == ("NaN", "bread", "curry")


def test_classes_written_with_leading_zeros_are_those_numbers(here):
    proba, labels = draw(2, 3, ROWS, 3)
    for index, member in enumerate(proba):
        frame = pd.DataFrame(member, columns=["01", "02", "03"])
        frame.insert(0, "id", range(ROWS))
        frame.to_csv(f"m{index}.csv", index=False)
    write_csv("labels.csv", [f"{label + 1:02d}" for label in labels])
    predictions = load_predictions(here)
    assert np.array_equal(predictions.labels, labels)
    assert predictions.class_names == ("01", "02", "03")


def test_labels_of_minus_and_plus_1_are_asked_about(here, run):
    proba, labels = draw(3, 3, ROWS, 2)
    np.save("labels.npy", 2 * labels - 1)
    for values in (proba, proba[..., 1]):
        for index, member in enumerate(values):
            np.save(f"m{index}.npy", member)
        refused = run("bench", ".")
        assert refused.code == 1
        assert "are labels -1 and +1? write 0 and 1: (labels + 1) / 2" in refused.err


@pytest.mark.parametrize("arguments", [("nowhere", "--to", "new"), ("preds", "--to", "nowhere")])
def test_predict_says_that_a_folder_is_not_there(arguments, here, run):
    (here / "preds").mkdir()
    (here / "new").mkdir()
    refused = run("predict", *arguments, "--rule", "mean", "--out", "out.npy")
    assert refused.code == 1
    assert refused.err == "error: nowhere: no such file or folder\n"


def test_arrays_of_two_rows_are_imported(here, run):
    proba, labels = draw(4, 3, 2, 3)
    for index, member in enumerate(proba):
        np.save(f"m{index}.npy", member)
    np.save("y.npy", labels)
    assert run("import", "m0.npy", "m1.npy", "m2.npy", "--labels", "y.npy", "--out", "set").code == 0
    predictions = load_predictions("set")
    assert np.array_equal(predictions.proba, proba)
    assert np.array_equal(predictions.labels, labels)


def test_ids_written_as_other_numbers_are_hinted_at(here, run):
    said, labels = votes(5)
    for index, (member, form) in enumerate(zip(said, ("{}", "{}.0", "{:05d}"), strict=True)):
        write_csv(f"m{index}.csv", member, [form.format(row) for row in range(ROWS)])
    write_csv("labels.csv", labels)
    refused = run("bench", ".")
    assert refused.code == 1
    assert "write ids alike in every file" in refused.err


def test_numbers_behind_ids():
    assert [as_number(row) for row in ("0", "0.0", "00000", "10", "010", "x1", "1.5")] == [
        *("0", "0", "0", "10", "10", "x1", "1.5")
    ]


def test_members_with_names_in_other_scripts_are_imported(here, run):
    proba, labels = draw(6, 3, ROWS, 2)
    names = ("模型", "مدل", "модель")
    columns = {name: member[:, 1] for name, member in zip(names, proba, strict=True)}
    pd.DataFrame({"target": labels, **columns}).to_csv("wide.csv", index=False)
    assert run("import", "wide.csv", "--out", "from-table").code == 0
    for name, member in zip(names, proba, strict=True):
        np.save(f"{name}.npy", member)
    assert run("import", *(f"{name}.npy" for name in names), "--out", "from-arrays").code == 0
    for folder in ("from-table", "from-arrays"):
        assert {path.stem for path in (here / folder).glob("*.npy")} >= set(names)


def test_a_bare_probability_just_below_0_is_rounding_and_no_logit(here):
    proba, labels = draw(7, 3, ROWS, 2)
    for index, member in enumerate(proba):
        positive = member[:, 1].copy()
        positive[3] = -1e-8
        np.save(f"m{index}.npy", positive)
    np.save("labels.npy", labels)
    predictions = load_predictions(here)
    assert (predictions.proba[:, 3] == [1.0, 0.0]).all()


def test_names_that_are_formulas_stay_as_they_are_in_tables(here, run):
    proba, labels = draw(8, 3, ROWS, 2)
    names = ("=1+1", "+a", "-b")
    for name, member in zip(names, proba, strict=True):
        np.save(f"{name}.npy", member)
    np.save("labels.npy", labels)
    (here / "members.json").write_text(json.dumps({"class_names": ["=no", "@yes"]}))
    assert run("bench", ".", "--rule", "mean", "--resamples", 0, "--csv", "out/table.csv").code == 0
    assert set(names) <= set(pd.read_csv("out/table.csv")["name"])
    assert run("predict", ".", "--rule", "mean", "--to", ".", "--out", "out/p.csv").code == 0
    assert set(pd.read_csv("out/p.csv")["label"]) == {"=no", "@yes"}


@pytest.mark.parametrize("column", ["id", "label"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_nul_character_is_no_end_of_an_id(column, suffix, here, run):
    """NumPy drops it from the end of a text: two ids would become one."""
    frame = pd.DataFrame(
        {"id": ["r0", "r0\0", "r2"], "label": ["a", "b", "b"], "a": [0.9, 0.3, 0.2], "b": [0.1, 0.7, 0.8]}
    )
    if column == "label":
        frame["id"], frame.loc[0, "label"] = ["r0", "r1", "r2"], "a\0"
    frame.to_csv("m.csv", index=False) if suffix == "csv" else frame.to_parquet("m.parquet", index=False)
    result = run("bench", f"m.{suffix}")
    assert result.code == 1
    assert f"NUL character in column '{column}'" in result.err


def test_two_files_that_differ_in_their_suffix_alone_are_named(here, run):
    proba, labels = draw(0, 2, ROWS, 3)
    np.save("m0.npy", proba[0])
    np.savez("m0.npz", proba=proba[1])
    np.save("labels.npy", labels)
    answer = run("import", ".", "--out", "set")
    assert answer.code == 1
    assert "two members are called 'm0': m0.npy and m0.npz; rename one" in answer.err
    assert not (here / "set").exists()

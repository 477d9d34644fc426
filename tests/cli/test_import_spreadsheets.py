"""`ensembler import`: what spreadsheets and reports add to a table, and what one of several tables lacks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ensembler import load_predictions
from ensembler.predictions.loading.frame_files import read_frame_file
from ensembler.predictions.loading.intake.formats import READERS
from ensembler.predictions.loading.table import IMPORTED, SUFFIXES
from tests.cli.test_import import NAMES, check, members

CLASSES = ("bär", "cat", "dog")


def frame_of(member, labels):
    frame = pd.DataFrame(member, columns=list(CLASSES))
    frame.insert(0, "id", [f"{row:03}" for row in range(len(labels))])
    return frame.assign(label=np.array(CLASSES)[labels])


def utf_16(frame, path):
    frame.to_csv(path, sep="\t", index=False, encoding="utf-16")


def windows(frame, path):
    frame.to_csv(path, index=False, encoding="cp1252")


def byte_order_mark(frame, path):
    frame.to_csv(path, index=False, encoding="utf-8-sig")


def separator_line(frame, path):
    path.write_text("sep=;\n" + frame.to_csv(sep=";", decimal=",", index=False), encoding="utf-8")


def trailing_separators(frame, path):
    path.write_text(frame.to_csv(index=False).replace("\n", ",,\n"), encoding="utf-8")


def summary_rows(frame, path):
    means = {"id": "mean", **{name: frame[name].mean() for name in CLASSES}}
    sums = {"id": "Total:", **{name: frame[name].sum().round(2) for name in CLASSES}}
    pd.concat([frame, pd.DataFrame([means, sums, {}])]).to_csv(path, index=False)


LAYOUTS = [utf_16, windows, byte_order_mark, separator_line, trailing_separators, summary_rows]


@pytest.mark.parametrize("write", LAYOUTS)
def test_tables_as_spreadsheets_write_them(write, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members()
    for name in NAMES:
        write(frame_of(proba[name], labels), tmp_path / f"{name}.csv")
    result = run("import", ".", "--out", "preds")
    assert result.code == 0, result.err
    data = load_predictions("preds")
    check(data, proba, labels)
    assert data.class_names == CLASSES
    assert np.load("preds/rows/ids.npy")[1] == "001"
    told = " ".join(result.out.split())
    assert ("Windows-1252" in told) == (write is windows)
    assert ("it sums up the rows above" in told) == (write is summary_rows)


@pytest.mark.parametrize("write", [utf_16, byte_order_mark, separator_line, trailing_separators])
def test_what_is_plain_needs_no_import(write, tmp_path):
    proba, labels = members()
    frame = frame_of(proba["cat"], labels)
    write(frame, tmp_path / "cat.csv")
    pd.testing.assert_frame_equal(read_frame_file(tmp_path / "cat.csv"), frame, check_dtype=False)


def test_another_encoding_is_refused_with_the_line_and_the_import(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members()
    frame = frame_of(proba["cat"], labels)
    frame.loc[:2, "label"] = "cat"
    first = int(frame.index[frame.label == "bär"][0]) + 2
    frame.rename(columns={"bär": "bar"}).to_csv("cat.csv", index=False, encoding="cp1252")
    refused = run("bench", "cat.csv", "--label-column", "label")
    assert f"cat.csv: line {first} is not encoded in UTF-8" in refused.err
    assert "try: ensembler import cat.csv --out preds" in refused.err


def test_a_column_without_a_name_that_holds_something_is_refused(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("all.csv").write_text("id,cat,dog,\n1,.5,.5,\n2,.25,.75,3\n3,.5,.5,\n")
    assert "column 4 has no name, expected a header of names" in run("import", "all.csv", "--out", "preds").err


def test_a_row_called_like_a_sum_above_others_is_a_row(tmp_path):
    (tmp_path / "all.csv").write_text("word,cat,dog\nmean,.5,.5\nkind,.25,.75\nsad,.5,.5\nmin,.5,.5\n")
    assert len(read_frame_file(tmp_path / "all.csv", foreign=True)) == 4


@pytest.mark.parametrize("suffix", ["txt", "tsv", "csv"])
def test_labels_in_a_text(suffix, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members()
    for name in NAMES:
        np.save(f"{name}.npy", proba[name])
    Path(f"y.{suffix}").write_text("\n".join(map(str, labels)) + "\n")
    result = run("import", ".", "--labels", f"y.{suffix}", "--out", "preds")
    assert result.code == 0, result.err
    check(load_predictions("preds"), proba, labels)


def test_numbers_alone_are_probabilities_or_labels_as_they_look(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(2)
    for name in NAMES:
        np.savetxt(f"{name}.csv", proba[name][:, 1], fmt="%.6f")
    np.savetxt("labels.csv", labels, fmt="%d")
    result = run("import", ".", "--out", "preds")
    assert result.code == 0, result.err
    check(load_predictions("preds"), proba, labels)


def test_a_model_that_never_saw_a_class_gives_it_no_probability(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members()
    proba["lgbm"][:, 0] = 0
    proba["lgbm"] /= proba["lgbm"].sum(axis=1, keepdims=True)
    for name in NAMES:
        frame = frame_of(proba[name], labels)
        frame.drop(columns="bär" if name == "lgbm" else []).to_csv(f"{name}.csv", index=False)
    refused = run("bench", ".", "--label-column", "label")
    assert "lgbm.csv: the columns are cat, dog, expected the classes bär, cat, dog (lacking: bär" in refused.err
    assert "try: ensembler import . --out preds" in refused.err
    result = run("import", ".", "--out", "preds")
    assert result.code == 0, result.err
    assert "probability 0 of bär" in " ".join(result.out.split())
    check(load_predictions("preds"), proba, labels)


def long_table(proba, labels):
    parts = [
        pd.DataFrame(
            {"id": np.arange(100, 100 + len(labels)), "label": labels, "model": name, "prob": proba[name][:, 1]}
        )
        for name in NAMES
    ]
    return pd.concat(parts).sample(frac=1, random_state=0)


def test_a_long_table_keeps_the_labels_beside_its_probabilities(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(2)
    long_table(proba, labels).to_csv("all.csv", index=False)
    result = run("import", "all.csv", "--out", "preds")
    assert result.code == 0, result.err
    check(load_predictions("preds"), proba, labels)
    long_table(proba, labels).drop(columns="label").to_csv("bare.csv", index=False)
    assert run("import", "bare.csv", "--out", "bare").code == 0
    assert load_predictions("bare", labelled=False).n_samples == 60


@pytest.mark.parametrize("code", [9, 99, 9999])
def test_a_code_for_no_answer_is_no_class(code, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members()
    votes = {name: np.where(np.arange(60) < 7, code, proba[name].argmax(axis=1)) for name in NAMES}
    pd.DataFrame({"label": labels, **votes}).to_csv("all.csv", index=False)
    refused = run("import", "all.csv", "--out", "preds")
    assert refused.code == 1
    assert f"are {code} in 7 rows, where labels go up to 2; if it stands for no answer, write -1" in refused.err
    for name in NAMES:
        np.save(f"{name}.npy", votes[name])
    np.save("labels.npy", labels)
    Path("all.csv").unlink()
    assert f"are {code} in 7 rows" in run("bench", ".").err


def test_a_class_9_that_follows_others_is_a_class(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, 60)
    votes = {name: np.where(rng.random(60) < 0.5, labels, rng.integers(0, 10, 60)) for name in NAMES}
    pd.DataFrame({"label": labels, **votes}).to_csv("all.csv", index=False)
    assert run("import", "all.csv", "--out", "preds").code == 0
    assert load_predictions("preds").n_classes == 10


def test_other_ids_are_told_before_other_labels(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members()
    for name in NAMES:
        frame = frame_of(proba[name], labels)
        frame.iloc[10 if name == "xgb" else 0 :][: 50 if name != "xgb" else None].to_csv(f"{name}.csv", index=False)
    refused = run("bench", ".", "--label-column", "label").err
    assert "do not hold the same ids" in refused
    assert "no labels" not in refused


@pytest.mark.parametrize("given", [".", "cat.csv.gz"])
def test_compressed_files_are_not_left_out(given, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members()
    for name in NAMES:
        frame_of(proba[name], labels).to_csv(f"{name}.csv{'.gz' * (name == 'cat')}", index=False)
    refused = run("import", given, "--out", "preds")
    assert refused.code == 1
    assert "cat.csv.gz: cannot read .gz; unpack it first: gunzip -k cat.csv.gz" in refused.err


def test_workbooks_are_saved_as_tables_first(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("all.xlsx").write_bytes(b"PK")
    assert "all.xlsx: cannot read .xlsx; save its sheet as .csv" in run("import", "all.xlsx", "--out", "preds").err


def test_a_comparison_of_files_that_only_an_import_reads_says_so(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members()
    for name in NAMES:
        frame_of(proba[name], labels).to_csv(f"{name}.tsv", sep="\t", index=False)
    assert "try: ensembler import . --out preds" in run("bench", ".").err
    assert "try: ensembler import cat.tsv --out preds" in run("bench", "cat.tsv").err
    assert run("import", ".", "--out", "preds").code == 0
    check(load_predictions("preds"), proba, labels)


def test_formats_are_known_to_what_advises_an_import():
    assert set(READERS) == {*SUFFIXES, *IMPORTED}

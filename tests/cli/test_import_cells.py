"""`ensembler import`: tables with two rows of names, with percentages, and with lists for ids."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ensembler import load_predictions
from ensembler.predictions.loading.columns import simple
from tests.cli.test_import import NAMES, check, members

CLASSES = ("ant", "bee", "cow")


def two_levels(proba, labels):
    """Columns of a name for the member and one for the class, as pandas keeps them, and the true classes."""
    columns = pd.MultiIndex.from_product([NAMES, CLASSES])
    frame = pd.DataFrame(np.hstack([proba[name] for name in NAMES]), columns=columns)
    frame["truth", "label"] = np.array(CLASSES)[labels]
    return frame


def no_index(frame):
    frame.to_csv("all.csv", index=False)


def row_numbers(frame):
    frame.to_csv("all.csv")


def named_index(frame):
    frame.rename_axis("image").to_csv("all.csv")


def decimal_commas(frame):
    frame.to_csv("all.csv", sep=";", decimal=",")


def merged_cells(frame):
    frame.to_csv("all.csv", index=False)
    _, *lines = Path("all.csv").read_text().split("\n")
    first = ",".join(f"{name},," for name in NAMES) + ",truth"
    Path("all.csv").write_text("\n".join([first, *lines]))


def parquet(frame):
    frame.to_parquet("all.parquet")


@pytest.mark.parametrize("write", [no_index, row_numbers, named_index, decimal_commas, merged_cells, parquet])
def test_two_rows_of_names_are_of_members_and_classes(write, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members()
    write(two_levels(proba, labels))
    path = next(tmp_path.glob("all.*")).name
    result = run("import", path, "--out", "preds")
    assert result.code == 0, result.err
    data = load_predictions("preds")
    check(data, proba, labels)
    assert data.class_names == CLASSES


@pytest.mark.parametrize(
    "text",
    [
        "cat,cat,label\n0.1,0.9,1\n0.8,0.2,0\n",  # the second row is no names
        "cat,cat,label\nyes,yes,y\n0.1,0.9,1\n0.8,0.2,0\n",  # twice in both rows
        "cat,cat,label\nyes,no,maybe\nyes,yes,no\n",  # no numbers below
        "cat,cat,label\nyes,,y\n0.1,0.9,1\n0.8,0.2,0\n",  # a blank in the second row
    ],
)
def test_columns_of_one_name_are_refused_where_a_second_row_does_not_tell_them_apart(text, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "all.csv").write_text(text)
    assert "two columns have one name ('cat')" in run("import", "all.csv", "--out", "preds").err


@pytest.mark.parametrize("form", ["{:.4f}%", " {:.4f} %"])
def test_percentages_become_fractions(form, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members()
    frame = pd.DataFrame(
        {
            f"{name}_{label}": [form.format(100 * value) for value in proba[name][:, number]]
            for name in NAMES
            for number, label in enumerate(CLASSES)
        }
    )
    frame.assign(label=np.array(CLASSES)[labels]).to_csv("all.csv", index=False)
    refused = run("bench", "all.csv")
    assert "column 'cat_ant' holds percentages, expected a number in each cell" in refused.err
    assert "try: ensembler import all.csv --out preds" in refused.err
    assert run("import", "all.csv", "--out", "preds").code == 0
    check(load_predictions("preds"), proba, labels)


def test_a_column_with_a_cell_that_is_no_percentage_is_left_out(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(2)
    for name in NAMES:
        frame = pd.DataFrame({"no": proba[name][:, 0], "yes": proba[name][:, 1], "note": ["5%"] * 59 + ["none"]})
        frame.assign(label=labels).to_csv(f"{name}.csv", index=False)
    assert run("import", *(f"{name}.csv" for name in NAMES), "--out", "preds").code == 0
    check(load_predictions("preds"), proba, labels)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("name", ["id", "row_id", "Image ID"])
def test_ids_that_are_lists_are_no_member(name, suffix, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members()
    frame = pd.DataFrame({name: [[row, row + 1] for row in range(60)], "label": labels})
    for member in NAMES:
        frame[member] = list(map(np.ndarray.tolist, proba[member]))
    getattr(frame, f"to_{suffix}")(f"all.{suffix}", index=False)
    result = run("import", f"all.{suffix}", "--out", "preds")
    assert result.code == 0, result.err
    assert name == "id" or f"all.{suffix} ({name})" in " ".join(result.out.split())
    data = load_predictions("preds")
    check(data, proba, labels)
    assert np.load("preds/rows/ids.npy")[1].replace(",", "") == "[1 2]"
    assert simple(name) not in data.names

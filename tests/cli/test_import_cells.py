"""`ensembler import`: tables with two rows of names, with percentages, and with lists for ids."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ensembler import load_predictions
from ensembler.predictions.loading.columns import simple
from ensembler.predictions.loading.frame_files import percent_columns, read_frame_file
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


@pytest.mark.parametrize("called", ["label", "class", "target"])
def test_labels_that_stand_first_are_no_index(called, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members()
    frame = two_levels(proba, labels).drop(columns=[("truth", "label")])
    frame.insert(0, (called, ""), np.array(CLASSES)[labels])
    frame.to_csv("all.csv", index=False)
    result = run("import", "all.csv", "--out", "preds")
    assert result.code == 0, result.err
    check(load_predictions("preds"), proba, labels)


@pytest.mark.parametrize(
    "text",
    [
        "cat,cat,label\n0.1,0.9,1\n0.8,0.2,0\n",  # the second row is no names
        "cat,cat,label\nyes,yes,y\n0.1,0.9,1\n0.8,0.2,0\n",  # twice in both rows
        "cat,cat,label\nyes,no,maybe\nyes,yes,no\n",  # no numbers below
        "cat,cat,label\n,,y\n0.1,0.9,1\n0.8,0.2,0\n",  # blanks in the second row
        "cat,cat,dog,dog,label\n0,1,2,3,\n0.1,0.9,0.1,0.9,1\n",  # numbers that are not the same classes
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


@pytest.mark.parametrize("cell", ["<1%", "-", "N/A", "12,5", "0"])
def test_a_cell_that_cannot_be_read_costs_no_member(cell, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(2)
    frame = pd.DataFrame({f"{name}_{label}": proba[name][:, label] for name in NAMES for label in (0, 1)})
    frame["xgb_1"] = [cell, *(f"{100 * value:.3f}%" for value in frame.xgb_1[1:])]
    frame.assign(label=labels).to_csv("all.csv", index=False)
    refused = run("import", "all.csv", "--out", "preds")
    assert refused.code == 1
    # The number among percentages is what is read, and the first percentage what is not.
    assert "column 'xgb_1' holds" + (f" {cell!r} in row 0" if cell != "0" else "") in refused.err
    assert "--drop-column xgb_1" in refused.err


@pytest.mark.parametrize("form", ["12,5%", ".5%", "+12%", "1e-05%", "12%\t", "12%\xa0", "7 %"])
def test_forms_of_percentages(form):
    assert percent_columns(pd.DataFrame({"cat": [form, "30%"]})) == ["cat"]


def test_percentages_are_read_whatever_stands_around_them(tmp_path):
    (tmp_path / "p.csv").write_text("id;cat;dog\na;12,5%\t;87,5%\nb; 40 %;60%\xa0\n", encoding="utf-8")
    frame = read_frame_file(tmp_path / "p.csv", foreign=True)
    np.testing.assert_allclose(frame[["cat", "dog"]], [[0.125, 0.875], [0.4, 0.6]])


CLASSES_OF = {"texts": CLASSES, "numbers": (0, 1, 2), "marks": ("not_sad", "sad", "very_sad"), "two": (0, 1)}


@pytest.mark.parametrize("classes", CLASSES_OF.values(), ids=CLASSES_OF)
@pytest.mark.parametrize("layout", ["flat", "permuted", "class first", "of 100", "whole", "levels", "named", "swapped"])
def test_columns_of_models_and_classes(layout, classes, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(len(classes))
    values = {(name, label): proba[name][:, number] for name in NAMES for number, label in enumerate(classes)}
    if layout == "permuted":
        # Of every other model from the last class to the first.
        order = [(name, label) for name in NAMES for label in (classes if name != "lgbm" else classes[::-1])]
        values = {key: values[key] for key in order}
    if layout in ("of 100", "whole"):
        values = {key: np.round(100 * column, 0 if layout == "whole" else 3) for key, column in values.items()}
    if layout in ("class first", "swapped"):
        values = {(label, name): values[name, label] for label in classes for name in NAMES}
    frame = pd.DataFrame(values)
    if layout in ("levels", "named", "swapped"):
        frame["label", ""] = np.array(classes)[labels]
        frame.columns.names = ["member", "class"] if layout == "named" else [None, None]
    else:
        frame.columns = [f"{first}_{second}" for first, second in values]
        frame["label"] = np.array(classes)[labels]
    frame.to_csv("all.csv", index=layout == "named")
    result = run("import", "all.csv", "--out", "preds")
    assert result.code == 0, result.err
    data = load_predictions("preds")
    assert sorted(data.names) == list(NAMES)
    order = [data.classes.index(str(label)) for label in classes]
    for name, member in zip(data.names, data.proba, strict=True):
        np.testing.assert_allclose(member[:, order], proba[name], atol=2e-2 if layout == "whole" else 1e-4)
    assert (np.array(order)[labels] == data.labels).all()


def test_models_side_by_side_are_no_classes_of_one(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(3)
    columns = np.hstack([proba[name] for name in NAMES])
    frame = pd.DataFrame(columns, columns=[f"p{number}x" for number in range(9)])
    frame.assign(label=labels).to_csv("all.csv", index=False)
    assert (
        "rows of 9 columns sum to 3, expected 1: are they 3 models side by side?"
        in run("import", "all.csv", "--out", "preds").err
    )


def test_columns_of_class_0_are_refused(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(2)
    frame = pd.DataFrame({f"{name}_0": proba[name][:, 0] for name in NAMES}).assign(label=labels)
    frame.to_csv("wide.csv", index=False)
    assert "cat_0, lgbm_0, xgb_0 are P(class 0) by their names" in run("import", "wide.csv", "--out", "preds").err
    pd.DataFrame({"id": range(60), "0": proba["cat"][:, 0], "label": labels}).to_csv("cat.csv", index=False)
    assert "column '0' is P(class 0) by its name" in run("import", "cat.csv", "--out", "preds").err


def test_a_title_is_no_header(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "all.csv").write_text("Results,,\nid,cat,dog\n007,.1,.9\n008,.2,.8\n")
    assert (
        "the first row is a title, 'Results', expected a header of names"
        in run("import", "all.csv", "--out", "preds").err
    )


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


@pytest.mark.parametrize("named", ["abnormal", "normal"])
@pytest.mark.parametrize("form", ["{model}_{label}", "{label} {model}"])
def test_one_column_a_model_is_of_the_class_that_it_is_called_after(named, form, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(2)
    classes = ("abnormal", "normal")
    frame = pd.DataFrame(
        {form.format(model=name, label=named): proba[name][:, classes.index(named)] for name in NAMES}
    ).assign(diagnosis=np.array(classes)[labels])
    frame.to_csv("all.csv", index=False)
    result = run("import", "all.csv", "--label-column", "diagnosis", "--out", "preds")
    assert result.code == 0, result.err
    data = load_predictions("preds")
    check(data, proba, labels)
    assert data.class_names == classes


@pytest.mark.filterwarnings("ignore:.*leaves 1 of 60 rows unanswered")
@pytest.mark.parametrize("missing", [False, True])
def test_votes_and_labels_that_are_counted_from_1(missing, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(3)
    frame = pd.DataFrame({name: proba[name].argmax(axis=1) + 1 for name in NAMES}).assign(label=labels + 1)
    if missing:
        frame["cat"] = frame.cat.where(np.arange(60) != 4)
    frame.to_csv("all.csv", index=False)
    result = run("import", "all.csv", "--out", "preds")
    assert result.code == 0, result.err
    assert "counted from 1" in " ".join(result.out.split())
    data = load_predictions("preds")
    assert data.n_classes == 3
    assert (data.labels == labels).all()
    for name, votes in zip(data.names, data.votes, strict=True):
        expected = proba[name].argmax(axis=1)
        assert (votes == (np.where(np.arange(60) == 4, -1, expected) if missing and name == "cat" else expected)).all()


def test_votes_with_a_0_or_a_gap_stay_as_they_are(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    labels = rng.integers(1, 4, 60)
    pd.DataFrame({"a": np.roll(labels, 1), "b": rng.permutation(labels), "label": labels}).replace(2, 5).to_csv(
        "gap.csv", index=False
    )
    assert run("import", "gap.csv", "--out", "gap").code == 0
    assert set(load_predictions("gap").labels) == {1, 3, 5}


def test_labels_of_more_rows_than_there_are_predictions_of(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    proba, labels = members(3)
    ids = np.array([f"r{row:03}" for row in range(60)])
    order = np.random.default_rng(0).permutation(60)
    for name in NAMES:
        frame = pd.DataFrame(proba[name], columns=list(CLASSES)).assign(id=ids).iloc[order[:57]]
        frame.to_csv(f"{name}.csv", index=False)
    pd.DataFrame({"id": ids, "label": np.array(CLASSES)[labels]}).to_csv("labels.csv", index=False)
    result = run("import", *(f"{name}.csv" for name in NAMES), "labels.csv", "--out", "preds")
    assert result.code == 0, result.err
    kept = order[:57]
    known = {float(row[0]): label for row, label in zip(proba["cat"][kept], labels[kept], strict=True)}
    data = load_predictions("preds")
    first = data.proba[data.names.index("cat")]
    assert [known[float(row[0])] for row in first] == data.labels.tolist()


def test_votes_of_two_classes_where_labels_have_three(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, labels = members(3)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.integers(0, 2, 60) for name in NAMES}).assign(label=labels)
    frame.to_csv("all.csv", index=False)
    assert run("import", "all.csv", "--out", "preds").code == 0
    data = load_predictions("preds")
    assert sorted(data.names) == list(NAMES)
    assert (data.votes[data.names.index("xgb")] == frame.xgb).all()

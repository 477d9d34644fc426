"""Files as their owners have them: read right, or refused once with a remedy that works when it is typed."""

import json
import re
import shlex

import numpy as np
import pandas as pd
import pytest

from ensembler import load_predictions
from ensembler.errors import AlignmentError, DataError, FileError
from ensembler.predictions.loading.load import load_rows_like
from ensembler.predictions.loading.options import Columns
from tests.conftest import draw

pytestmark = pytest.mark.filterwarnings("ignore::ensembler.errors.DataWarning")


@pytest.fixture
def binary():
    proba, labels = draw(0, 3, 200, 2)
    return proba[:, :, 1], labels


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def accuracies(data):
    return [(member.argmax(-1) == data.labels).mean() for member in data.proba]


def right(p, labels):
    return [((member > 0.5) == labels).mean() for member in p]


def mended(run, result):
    """Type what a refusal suggests, and return the members that come out."""
    line = re.search(r"^try: ensembler (.*)$", result.err, re.MULTILINE)
    assert line is not None, result.err
    words = shlex.split(line[1])
    if words[0] == "import":
        again = run(*words)
        assert again.code == 0, again.err
        words = ["members", words[words.index("--out") + 1]]
    words[0] = "members"
    again = run(*[word for word in words if word != "--json"], "--json")
    assert again.code == 0, again.err
    return {member["name"]: member["accuracy"] for member in json.loads(again.out)["members"]}


def write_tables(binary, names, table, folder="."):
    p, labels = binary
    for name, member in zip(names, p, strict=True):
        table(name, member, labels).to_csv(f"{folder}/{name}.csv", index=False)


@pytest.mark.parametrize("flags", [[], ["--normalize"], ["--logits"]])
def test_a_column_of_labels_is_never_a_class(binary, here, run, flags):
    def table(name, member, labels):
        return pd.DataFrame({"id": np.arange(200), "target": labels, "pred": member})

    write_tables(binary, "abc", table)
    result = run("bench", "a.csv", "b.csv", "c.csv", *flags)
    assert result.code == 1
    assert "a.csv, b.csv, c.csv: column 'target' is no class, it holds labels" in result.err
    if not flags:
        np.testing.assert_allclose(list(mended(run, result).values()), right(*binary))


def test_columns_of_other_names_are_asked_about_at_once(binary, here, run):
    def table(name, member, labels):
        ids = [f"obj_{row:04}" for row in range(200)]
        return pd.DataFrame({"Image Name": ids, "actual": labels, "predicted": member > 0.5, "probability": member})

    write_tables(binary, ["densenet", "resnet", "vgg"], table)
    result = run("bench", "densenet.csv", "resnet.csv", "vgg.csv")
    assert result.code == 1
    for option in ("--id 'Image Name'", "--label-column actual", "--drop-column predicted"):
        assert option in result.err.splitlines()[-1]
    np.testing.assert_allclose(list(mended(run, result).values()), right(*binary))


def test_names_and_sums_of_columns_are_told_at_once(here, run):
    proba, labels = draw(0, 3, 60, 3)
    for name, member in zip("abc", proba, strict=True):
        frame = pd.DataFrame(member * 100, columns=["x", "y", "z"]).assign(
            key=range(60), truth=np.array(list("xyz"))[labels]
        )
        frame.to_csv(f"{name}.csv", index=False)
    result = run("bench", "a.csv", "b.csv", "c.csv")
    assert result.code == 1
    for option in ("--id key", "--label-column truth", "--normalize"):
        assert option in result.err.splitlines()[-1]
    np.testing.assert_allclose(list(mended(run, result).values()), (proba.argmax(-1) == labels).mean(axis=1))


def test_labels_under_a_usual_name_are_asked_about(here, run):
    proba, labels = draw(0, 2, 100, 4)
    for name, array in {"y_pred_a": proba[0].argmax(-1), "y_pred_b": proba[1].argmax(-1), "y_true": labels}.items():
        np.save(f"{name}.npy", array)
    result = run("bench", "y_pred_a.npy", "y_pred_b.npy", "y_true.npy")
    assert "is y_true.npy the labels? pass --labels y_true.npy" in result.err
    assert set(mended(run, result)) == {"y_pred_a", "y_pred_b"}


def test_labels_in_an_archive_are_asked_about(here, run):
    proba, labels = draw(0, 2, 100, 4)
    np.savez("all.npz", one=proba[0], two=proba[1], y_true=labels)
    result = run("bench", "all.npz")
    assert "is all.npz#y_true the labels?" in result.err
    assert set(mended(run, result)) == {"one", "two"}
    np.savez("all.npz", one=proba[0], two=proba[1], labels=labels)
    assert load_predictions("all.npz").names == ("one", "two")


def test_columns_that_are_models_lead_to_import(binary, here, run):
    p, labels = binary
    pd.DataFrame({"Financial distress": labels, "trees": p[0], "lgbm": p[1], "cat": p[2]}).to_csv(
        "oof.csv", index=False
    )
    pd.DataFrame({"Financial distress": labels}).to_csv("y.csv", index=False)
    result = run("bench", "oof.csv", "--labels", "y.csv", "--normalize")
    assert result.code == 1
    assert "column 'Financial distress' holds the labels in every row" in result.err
    found = mended(run, result)
    np.testing.assert_allclose([found["trees"], found["lgbm"], found["cat"]], right(*binary))


def test_one_name_in_many_folders_is_the_folder(here):
    proba, labels = draw(0, 3, 50, 4)
    for index, member in enumerate(proba):
        (here / f"seed{index}").mkdir()
        np.save(f"seed{index}/pyx.npy", member)
        np.save(f"seed{index}/val.npy", member[::-1])
    np.save("labels.npy", labels)
    data = load_predictions("*/pyx.npy")
    assert data.names == ("seed0", "seed1", "seed2")
    np.testing.assert_array_equal(data.labels, labels)
    np.save("other.npy", proba[0])
    assert load_predictions("*/pyx.npy", "other.npy").names == ("other", "seed0/pyx", "seed1/pyx", "seed2/pyx")


def test_validation_rows_by_a_pattern(here):
    proba, labels = draw(0, 2, 50, 4)
    for index, member in enumerate(proba):
        (here / f"s{index}").mkdir()
        np.save(f"s{index}/test.npy", member)
        np.save(f"s{index}/val.npy", member[::-1])
    np.save("labels.npy", labels)
    np.savez("val.npz", s0=proba[0][::-1], s1=proba[1][::-1], labels=labels[::-1])
    data = load_predictions("s*/test.npy", val="val.npz")
    np.testing.assert_array_equal(data.validation.proba[:, ::-1], data.proba)


def test_ids_in_a_parquet_index_align_rows(here):
    proba, labels = draw(0, 3, 40, 3)
    rng = np.random.default_rng(0)
    for name, index in (("id", [f"r{row}" for row in range(40)]), (None, range(40))):
        for number, member in enumerate(proba):
            frame = pd.DataFrame(member, columns=["a", "b", "c"], index=pd.Index(index, name=name))
            frame.iloc[rng.permutation(40)][["c", "a", "b"]].to_parquet(f"m{number}.parquet")
        pd.DataFrame({"label": np.array(list("abc"))[labels]}, pd.Index(index, name=name)).to_parquet("labels.parquet")
        data = load_predictions(".")
        np.testing.assert_allclose(accuracies(data), (proba.argmax(-1) == labels).mean(axis=1))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_missing_id_is_refused_and_none_is_cut(here, kind):
    frame = pd.DataFrame({"id": ["alice", "bob", None], "x": [0.1, 0.2, 0.3], "y": [0.9, 0.8, 0.7]})
    getattr(frame, f"to_{kind}")(f"m.{kind}", index=False)
    pd.DataFrame({"id": ["alice", "bob", "eve"], "label": ["x", "y", "y"]}).to_csv("labels.csv", index=False)
    with pytest.raises(FileError, match=r"row 2 has no id \(1 such\), expected an id in every row"):
        load_predictions(f"m.{kind}")


def test_ids_keep_their_zeros(here):
    pd.DataFrame({"no": ["007", "010"], "x": [0.1, 0.8], "y": [0.9, 0.2]}).to_csv("m.csv", index=False)
    pd.DataFrame({"no": ["010", "007"], "label": ["x", "y"]}).to_csv("labels.csv", index=False)
    data = load_predictions("m.csv", columns=Columns(id="no"))
    assert data.ids.tolist() == ["007", "010"]
    assert data.labels.tolist() == [1, 0]


def test_new_rows_with_columns_in_another_order(here):
    proba, labels = draw(0, 2, 40, 3)
    (here / "train").mkdir()
    (here / "new").mkdir()
    np.save("train/labels.npy", labels)
    for index, member in enumerate(proba):
        np.save(f"train/m{index}.npy", member)
    for index, order in enumerate(([0, 1, 2], [2, 1, 0])):
        pd.DataFrame(proba[index][:, order], columns=list(map(str, order))).to_csv(f"new/m{index}.csv", index=False)
    train = load_predictions("train")
    np.testing.assert_allclose(load_rows_like(train, "new").proba, proba, atol=1e-6)
    for index, order in enumerate(("abc", "cba")):
        pd.read_csv(f"new/m{index}.csv").set_axis(list(order), axis=1).to_csv(f"new/m{index}.csv", index=False)
    with pytest.raises(AlignmentError, match="no names to say which is which; add members.json"):
        load_rows_like(train, "new")


@pytest.mark.parametrize("dtype", [int, float])
def test_class_names_that_are_numbers_take_float_labels(here, dtype):
    proba, labels = draw(0, 2, 40, 3)
    labels = labels % 2
    for index, member in enumerate(proba):
        pd.DataFrame(member, columns=["1", "2", "3"]).to_csv(f"m{index}.csv", index=False)
    np.save("labels.npy", (labels + 1).astype(dtype))
    np.testing.assert_allclose(accuracies(load_predictions(".")), (proba.argmax(-1) == labels).mean(axis=1))


def test_codes_are_classes_of_their_own(here):
    proba, labels = draw(0, 3, 60, 3)
    codes = np.array([10, 200, 40_000])
    for index, member in enumerate(proba):
        np.save(f"m{index}.npy", codes[member.argmax(-1)])
    np.save("labels.npy", codes[labels])
    data = load_predictions(".")
    assert data.class_names == ("10", "200", "40000")
    np.testing.assert_allclose(accuracies(data), (proba.argmax(-1) == labels).mean(axis=1))


def test_classes_that_differ_by_case_are_refused(here):
    np.save("m.npy", np.array(["cat", "Cat", "dog"]))
    np.save("labels.npy", np.array(["cat", "cat", "dog"]))
    with pytest.raises(AlignmentError, match="'Cat' and 'cat' differ only by case or blanks"):
        load_predictions(".")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_that_differ_by_blanks_are_refused(here, kind):
    getattr(pd.DataFrame({"x": [0.5, 0.1], " x": [0.5, 0.9]}), f"to_{kind}")(f"m.{kind}", index=False)
    np.save("labels.npy", np.array([0, 1]))
    with pytest.raises(FileError, match=r"two columns have one name \('x'\)"):
        load_predictions(".")


def test_multi_label_targets_are_named(here, run):
    rng = np.random.default_rng(0)
    np.save("labels.npy", rng.integers(0, 2, (50, 3)))
    np.save("a.npy", rng.random((50, 3)))
    result = run("bench", ".")
    assert "these are multi-label, expected one class a row" in result.err
    assert "logits" not in result.err


def test_one_hot_labels_are_read(here):
    proba, labels = draw(0, 2, 50, 4)
    np.save("labels.npy", np.eye(4)[labels])
    np.save("a.npy", proba[0])
    np.testing.assert_array_equal(load_predictions("a.npy").labels, labels)


def test_rounding_just_above_1_is_no_logit(here):
    np.save("m.npy", np.array([0.2, 1.0000001, 0.7], dtype=np.float32))
    np.save("labels.npy", np.array([0, 1, 1]))
    assert load_predictions(".").proba.min() == 0


def rounded_below_0(proba):
    """Take the smallest value to the wrong side of 0, and give what it was to another class."""
    spoilt, (row, column) = proba.copy(), np.unravel_index(proba.argmin(), proba.shape)
    spoilt[row, column] = -1e-8
    spoilt[row, proba[row].argmax()] += proba.min()
    return spoilt


QUESTIONS = {
    "float16": (lambda p: (p * 0.99).astype(np.float16), "half precision\\? pass --normalize"),
    "percentages": (lambda p: p * 100, "percentages, or counts\\? pass --normalize"),
    "logits": (lambda p: np.log(p), "logarithms of probabilities\\? pass --logits"),
    "shifted logits": (lambda p: np.log(p) + 1, "are these logits\\? pass --logits"),
    "positive logits": (lambda p: np.log(p) + 20, "are these logits\\? pass --logits"),
    "rounding": (rounded_below_0, "is that rounding\\? pass --normalize"),
    "unnormalised": (lambda p: p * np.linspace(0.3, 0.9, len(p))[:, None], "unnormalised probabilities\\? pass"),
}


@pytest.mark.parametrize("kind", QUESTIONS)
def test_what_is_asked_is_the_likeliest_and_mends(here, run, kind):
    spoil, question = QUESTIONS[kind]
    proba, labels = draw(0, 1, 60, 3)
    np.save("m.npy", spoil(proba[0]))
    np.save("labels.npy", labels)
    result = run("bench", "m.npy")
    assert result.code == 1
    assert re.search(question, result.err), result.err
    assert mended(run, result) == {"m": pytest.approx((proba[0].argmax(-1) == labels).mean(), abs=1.1 / 60)}


def test_all_problems_of_a_set_are_told_at_once(here):
    proba, labels = draw(0, 3, 30, 3)
    np.save("a.npy", proba[0] * 3)
    np.save("b.npy", proba[1][:, :2])
    (here / "c.npy").write_bytes(b"\x93NUMPY")
    np.save("labels.npy", labels)
    with pytest.raises(DataError) as refused:
        load_predictions(".")
    assert "c.npy" in str(refused.value)
    (here / "c.npy").unlink()
    with pytest.raises(DataError, match="2 problems") as refused:
        load_predictions(".")
    assert "member 'a'" in str(refused.value)
    assert "member 'b' has 2 columns, expected 3" in str(refused.value)


@pytest.mark.parametrize("option", ["--id", "--proba-column", "--label-column", "--drop-column"])
def test_a_column_that_is_not_there_is_refused(write_set, run, option):
    result = run("bench", write_set(), option, "nothing")
    assert result.code == 2
    assert "no file" in result.err


def test_commands_that_need_no_labels_work_without(here, run):
    proba, _ = draw(0, 3, 60, 2)
    for name, member in zip("abc", proba, strict=True):
        pd.DataFrame({"id": np.arange(60), "Churn Status": member.argmax(-1)}).to_csv(f"{name}.csv", index=False)
    result = run("diversity", ".", "--json")
    assert result.code == 0, result.err
    found = json.loads(result.out)
    hard = proba.argmax(-1)
    np.testing.assert_allclose(found["different"], [[(one != two).mean() for two in hard] for one in hard])
    assert found["unanimous"] == (hard == hard[0]).all(axis=0).mean()
    assert "50.0%" not in run("compare", "a.csv", "b.csv").err
    assert run("members", ".").code == 0
    assert run("bench", ".").code == 1


def test_explain_with_one_row_says_why_and_what_to_do(here, run):
    np.save("labels.npy", np.array([1]))
    np.save("m0.npy", np.array([[0.2, 0.8]]))
    np.save("m1.npy", np.array([[0.6, 0.4]]))
    result = run("explain", ".")
    assert result.code == 1
    assert "1 row cannot be divided into folds to find the best member on others; pass --fit-on test" in result.err
    assert run("explain", ".", "--fit-on", "test").code == 0


def test_a_name_with_brackets_is_a_name(here, run):
    proba, labels = draw(0, 3, 30, 3)
    for index, member in enumerate(proba):
        np.save(f"resnet[seed={index}].npy", member)
    np.save("labels.npy", labels)
    assert load_predictions(".", only=["resnet[seed=1]"]).names == ("resnet[seed=1]",)


FACTS = {
    "brackets": '{"members": ' + "[" * 200_000,
    "a huge number": '{"members": {"m0": {"cost": ' + "9" * 400 + "}}}",
    "infinity": '{"members": {"m0": {"cost": Infinity}}}',
    "half a character": '{"class_names": ["\\ud800", "b", "c", "d"]}',
    "a key twice": '{"members": {}, "members": {}}',
}


@pytest.mark.parametrize("kind", FACTS)
@pytest.mark.parametrize("command", [["bench"], ["subsets", "--json"], ["report"]], ids=lambda words: words[0])
def test_facts_about_members_that_are_no_json(write_set, run, kind, command):
    home = write_set()
    (home / "members.json").write_text(FACTS[kind])
    result = run(*command, home)
    assert result.code == 1
    assert re.fullmatch(r"error: .*members\.json: cannot be read as JSON: .*\n", result.err), result.err


def broken_text(array):
    """Return texts with a character that is none."""
    codes = array.astype("U4").view(np.uint32).copy()
    codes[0] = 0x7FFFFFFF
    return codes.view("U4")


TEXTS = {
    "bytes in columns": lambda proba: proba.astype("S8"),
    "texts in columns": lambda proba: proba.astype("U8"),
    "empty bytes": lambda proba: np.full(proba.shape, b""),
    "broken characters": lambda proba: broken_text(proba.argmax(-1)),
    "broken bytes": lambda proba: np.full(len(proba), b"\xff\xfe"),
}


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("name", ["m0", "labels", "val/m0"])
def test_damaged_texts_are_one_sentence(write_set, run, kind, name):
    home = write_set(n_samples=40)
    np.save(home / f"{name}.npy", TEXTS[kind](draw(0, 1, 40, 4)[0][0]))
    result = run("bench", home)
    assert result.code == 1
    assert result.err.startswith("error: ")
    assert "Traceback" not in result.err


HOSTILE_NAMES = ["\x1b[2Jred", "\x1b]0;title\x07", "a\u202eb", "[bold]x[/bold]", "\x9b31m", "=cmd|' (calc)'!A0"]


@pytest.mark.parametrize("form", [[], ["--markdown"], ["--json"]])
def test_names_do_not_reach_the_terminal_as_commands(here, run, form):
    proba, labels = draw(0, len(HOSTILE_NAMES), 30, 2)
    np.savez("all.npz", **dict(zip(HOSTILE_NAMES, proba, strict=True)))
    np.save("labels.npy", labels)
    (here / "members.json").write_text(json.dumps({"class_names": ["\x1b[31mno", "yes\u202e"]}))
    result = run("members", "all.npz", *form)
    assert result.code == 0, result.err
    assert not set("\x1b\x07\u202e\x9b") & set(result.out + result.err)
    if form == ["--json"]:
        assert {member["name"] for member in json.loads(result.out)["members"]} == set(HOSTILE_NAMES)
    refused = run("bench", "all.npz", "--only", "\x1b[2Jnobody")
    assert "\x1b" not in refused.err


def test_an_archive_that_unpacks_to_gigabytes_is_refused(here, run):
    import zipfile

    with (
        zipfile.ZipFile("m.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("m.npy", "w", force_zip64=True) as f,
    ):
        np.lib.format.write_array_header_1_0(f, {"descr": "<f4", "fortran_order": False, "shape": (3 * 10**8, 1)})
        for _ in range(1200):
            f.write(bytes(10**6))
    np.save("labels.npy", np.zeros(10, dtype=int))
    result = run("bench", "m.npz")
    assert result.code == 1
    assert "bytes that unpack to 1,200,000,128, expected at most 1,073,741,824" in result.err
    assert "--max-bytes 1200000128" in result.err

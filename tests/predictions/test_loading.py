"""Every layout and kind of file that can be read, and what it becomes."""

import json

import numpy as np
import pandas as pd
import pytest

from ensembler import Predictions, load_predictions
from ensembler.errors import (
    AlignmentError,
    DataWarning,
    FileError,
    ShapeError,
    UnknownNameError,
    UsageError,
    ValueRangeError,
)
from ensembler.predictions.loading.load import load_rows_like
from tests.conftest import draw

CLASSES = ["cat", "dog", "eel", "fox"]


@pytest.fixture
def four():
    """Three members, 40 rows, four classes, float32."""
    proba, labels = draw(0, 3, 40, 4)
    return proba.astype(np.float32), labels


def write(folder, **arrays):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def frame(proba, ids=None):
    table = pd.DataFrame(proba, columns=CLASSES)
    if ids is not None:
        table.insert(0, "id", ids)
    return table


def test_files_folders_and_patterns_are_the_same_set(write_set):
    home = write_set()
    by_folder = load_predictions(home)
    by_files = load_predictions(*sorted(home.glob("*.npy"), reverse=True))
    by_pattern = load_predictions(f"{home}/*.npy")
    by_star = load_predictions(*home.iterdir())
    for data in (by_files, by_pattern, by_star):
        assert data.names == by_folder.names == ("m0", "m1", "m2", "m3", "m4")
        np.testing.assert_array_equal(data.proba, by_folder.proba)
        assert data.validation is not None
    assert by_folder.proba.dtype == np.float32
    assert by_folder.labels.dtype == np.int64


def test_validation_is_found_given_or_left_out(write_set, tmp_path):
    home = write_set()
    assert load_predictions(home).validation.n_samples == 120
    assert load_predictions(home, val=False).validation is None
    other = write_set("other", val=False, seed=5, n_samples=33)
    assert load_predictions(home, val=other).validation.n_samples == 33
    with pytest.raises(FileError, match="no such folder, expected validation predictions"):
        load_predictions(home, val=tmp_path / "nowhere")
    with pytest.raises(FileError, match="no validation rows: .*val is not there"):
        load_predictions(other, val=True)


@pytest.mark.filterwarnings("ignore::ensembler.errors.DataWarning")
def test_labels_among_the_paths_beside_or_given(write_set, tmp_path):
    home = write_set(val=False)
    shifted = tmp_path / "truth.npy"
    np.save(shifted, np.zeros(120, int))
    assert (load_predictions(home, labels=shifted).labels == 0).all()
    beside = home / "truth.npy"
    np.save(beside, np.ones(120, int))
    assert load_predictions(home, labels=beside).names == ("m0", "m1", "m2", "m3", "m4")
    assert (load_predictions(home, labels=beside).labels == 1).all()


def test_members_are_selected_by_pattern(write_set):
    home = write_set()
    assert load_predictions(home, only=["m[0-2]"], without=["m1"]).names == ("m0", "m2")
    assert load_predictions(home, only=["m[0-2]"]).validation.names == ("m0", "m1", "m2")
    with pytest.raises(UnknownNameError, match="unknown member or pattern 'x'"):
        load_predictions(home, only=["x"])
    with pytest.raises(UsageError, match=r"without=\['\*'\] leaves no member of m0, m1"):
        load_predictions(home, without=["*"])


def test_names_and_metadata(tmp_path, four):
    proba, labels = four
    home = write(tmp_path / "a b", **{"größe 1": proba[0], "日本": proba[1], "labels": labels})
    facts = {"class_names": CLASSES, "members": {"日本": {"architecture": "deep"}, "absent": {}}}
    (home / "members.json").write_text(json.dumps(facts), encoding="utf-8")
    data = load_predictions(home)
    assert data.names == ("größe 1", "日本")
    assert data.classes == tuple(CLASSES)
    assert data.metadata == ({}, {"architecture": "deep"})


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables_are_aligned_by_id_and_by_class_name(tmp_path, four, suffix):
    proba, labels = four
    ids = np.array([f"row{index}" for index in range(40)])
    home = tmp_path / "tables"
    home.mkdir()

    def save(table, name):
        path = home / f"{name}.{suffix}"
        table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path)

    shuffled = np.random.default_rng(0).permutation(40)
    save(frame(proba[0], ids), "a")
    save(frame(proba[1], ids).iloc[shuffled][["dog", "id", "fox", "cat", "eel"]], "b")
    save(pd.DataFrame({"id": ids, "label": np.array(CLASSES)[labels]}).iloc[::-1], "labels")
    data = load_predictions(home)
    np.testing.assert_allclose(data.proba, proba[:2], atol=1e-7)
    np.testing.assert_array_equal(data.labels, labels)
    assert data.class_names == tuple(CLASSES)
    assert data.ids.tolist() == ids.tolist()


def test_ids_that_do_not_match_are_refused(tmp_path, four):
    proba, labels = four
    home = tmp_path / "t"
    home.mkdir()
    frame(proba[0], range(40)).to_csv(home / "a.csv", index=False)
    frame(proba[1], range(1, 41)).to_csv(home / "b.csv", index=False)
    np.save(home / "labels.npy", labels)
    with pytest.raises(
        AlignmentError,
        match=r"id .0. is only in the first, id .40. is only in the second \(1 missing, 1 extra\)",
    ):
        load_predictions(home)
    frame(proba[1], [*range(39), 0]).to_csv(home / "b.csv", index=False)
    with pytest.raises(AlignmentError, match="b.csv: id '0' stands in 2 rows, expected each id once"):
        load_predictions(home)
    frame(proba[1], range(40)).iloc[::-1].to_csv(home / "b.csv", index=False)
    with pytest.raises(AlignmentError, match="order their rows differently by id, and .*labels.npy has no ids"):
        load_predictions(home)


def test_other_columns_are_refused(tmp_path, four):
    proba, labels = four
    home = write(tmp_path / "t", labels=labels)
    frame(proba[0]).to_csv(home / "a.csv", index=False)
    frame(proba[1]).rename(columns={"fox": "wolf"}).to_csv(home / "b.csv", index=False)
    with pytest.raises(AlignmentError, match=r"expected the classes cat, dog, eel, fox \(differing: fox, wolf\)"):
        load_predictions(home)


def test_archives_hold_one_member_or_several(tmp_path, four):
    proba, labels = four
    home = write(tmp_path / "z", labels=labels)
    np.savez(home / "one.npz", proba=proba[0])
    np.savez_compressed(home / "more.npz", b=proba[1], c=proba[2])
    data = load_predictions(home)
    assert data.names == ("b", "c", "one")
    np.testing.assert_array_equal(data.proba, proba[[1, 2, 0]])


def test_hard_labels_are_one_hot_votes(tmp_path, four):
    proba, labels = four
    votes = proba.argmax(-1)
    home = write(tmp_path / "h", a=votes[0].astype(np.int8), b=votes[1][:, None], labels=labels)
    pd.DataFrame({"label": votes[2]}).to_csv(home / "c.csv", index=False)
    data = load_predictions(home)
    assert data.hard == (True, True, True)
    np.testing.assert_array_equal(data.proba, np.eye(4)[votes])


def test_class_count_of_hard_labels(tmp_path):
    home = write(tmp_path / "h", a=np.array([0, 1, 0]), b=np.array([2, 1, 0]), labels=np.array([0, 1, 1]))
    assert load_predictions(home).n_classes == 3
    write(home / "val", a=np.array([5]), b=np.array([1]), labels=np.array([1]))
    with pytest.warns(DataWarning, match="no validation row has class 0"):
        assert load_predictions(home).n_classes == 6
    (home / "members.json").write_text('{"class_names": ["a", "b", "c", "d", "e", "f", "g"]}')
    assert load_predictions(home, val=False).n_classes == 7


def test_hard_labels_as_text_need_no_class_names(tmp_path):
    home = write(
        tmp_path / "h",
        a=np.array(["no", "yes", "no"]),
        b=np.array(["yes", "yes", "no"]),
        labels=np.array(["no", "yes", "yes"]),
    )
    data = load_predictions(home)
    assert data.classes == ("no", "yes")
    np.testing.assert_array_equal(data.labels, [0, 1, 1])


def test_hard_labels_beside_probabilities(tmp_path, four):
    proba, labels = four
    data = load_predictions(write(tmp_path / "h", a=proba[0], b=proba[1].argmax(-1), labels=labels))
    assert data.hard == (False, True)
    assert data.n_classes == 4


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_one_float_a_row_is_the_probability_of_class_1(tmp_path, shape):
    positive = np.array([0.2, 0.7, 1.0]).reshape(shape)
    home = write(tmp_path / "b", a=positive, b=1 - positive, labels=np.array([0, 1, 1]))
    data = load_predictions(home)
    np.testing.assert_allclose(data.proba[0], [[0.8, 0.2], [0.3, 0.7], [0, 1]])
    assert data.proba.dtype == np.float64


def test_one_float_a_row_with_other_labels_is_refused(tmp_path):
    home = write(tmp_path / "b", a=np.array([0.5, 1.5, 2.5]), labels=np.array([0, 1, 2]))
    with pytest.raises(ShapeError, match=r"has shape \(3,\) of float64, which is read as P\(class 1\)"):
        load_predictions(home)


def test_logits(tmp_path, four):
    proba, labels = four
    logits = np.log(proba) + 3
    home = write(tmp_path / "l", a=logits[0], b=logits[1], labels=labels)
    with pytest.raises(
        ValueRangeError,
        match="member 'a': row 4 contains -.*are these logits. softmax them first .load_predictions: logits=True.",
    ):
        load_predictions(home)
    np.testing.assert_allclose(load_predictions(home, logits=True).proba, proba[:2], atol=1e-6)
    home = write(
        tmp_path / "l1", a=np.array([0.0, -800.0, 2.0]), b=np.array([1.0, 2.0, 3.0]), labels=np.array([0, 0, 1])
    )
    np.testing.assert_allclose(load_predictions(home, logits=True).proba[0, :, 1], [0.5, 0, 1 / (1 + np.exp(-2))])
    hard = write(tmp_path / "l2", a=np.array([0, 1]), b=np.array([1, 1]), labels=np.array([0, 1]))
    with pytest.raises(UsageError, match="logits has no effect: every member is hard labels"):
        load_predictions(hard, logits=True)


def test_normalize(tmp_path, four):
    proba, labels = four
    home = write(tmp_path / "n", a=proba[0] * 5, b=proba[1], labels=labels)
    with pytest.raises(ValueRangeError, match=r"row 0 sums to 5, expected 1 within 0.001 \(first of 40 such rows\)"):
        load_predictions(home)
    np.testing.assert_allclose(load_predictions(home, normalize=True).proba, proba[:2], atol=1e-6)
    write(home, a=np.zeros((40, 4)))
    with pytest.raises(ValueRangeError, match="row 0 sums to 0 and cannot be normalised"):
        load_predictions(home, normalize=True)


@pytest.mark.filterwarnings("ignore::ensembler.predictions.diagnosis.findings.FindingWarning")
def test_half_precision_may_miss_the_sum_by_more(tmp_path):
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(1000), (2, 20)).astype(np.float16)
    proba[0, 0] *= np.float16(1.1)
    home = write(tmp_path / "f16", a=proba[0], b=proba[1], labels=rng.integers(0, 1000, 20))
    data = load_predictions(home)
    assert data.proba.dtype == np.float32
    np.testing.assert_array_equal(data.proba, proba.astype(np.float32))


def test_integer_probabilities_are_read(tmp_path):
    home = write(tmp_path / "i", a=np.eye(3, dtype=int), b=np.eye(3, dtype=np.uint8)[::-1].copy(), labels=np.arange(3))
    assert load_predictions(home).hard == (False, False)


def test_row_weights_and_groups(write_set):
    home = write_set()
    np.save(home / "w.npy", np.arange(120.0))
    np.save(home / "g.npy", np.repeat(list("abcdefghijkl"), 10))
    data = load_predictions(*home.glob("*.npy"), weights=home / "w.npy", groups=home / "g.npy")
    assert data.names == ("m0", "m1", "m2", "m3", "m4")
    assert data.sample_weight.mean() == pytest.approx(1)
    assert data.validation.sample_weight is None
    np.save(home / "val" / "w.npy", np.ones(120))
    assert load_predictions(home, weights=home / "w.npy", without=["g"]).validation.sample_weight is not None
    np.save(home / "w.npy", np.arange(7.0))
    with pytest.raises(ShapeError, match=r"sample_weight has shape \(7,\), expected \(120,\)"):
        load_predictions(home, weights=home / "w.npy", without=["g"])


def test_new_rows_of_the_same_members(write_set):
    data = load_predictions(write_set())
    new = write_set("new", val=False, seed=9, n_members=6, n_samples=17)
    rows = load_rows_like(data, new)
    assert rows.names == data.names
    assert rows.proba.shape == (5, 17, 4)
    assert rows.labels is None
    (new / "m3.npy").unlink()
    with pytest.raises(AlignmentError, match=r"no predictions of member 'm3' \(missing: 1 of 5\)"):
        load_rows_like(data, new)


def test_a_set_survives_being_saved(tmp_path, fer):
    again = load_predictions(fer.save(tmp_path / "saved"))
    np.testing.assert_array_equal(again.proba, fer.proba)
    np.testing.assert_array_equal(again.validation.proba, fer.validation.proba)
    assert (again.names, again.class_names, again.metadata) == (fer.names, fer.class_names, fer.metadata)
    assert again.digests == fer.digests


def test_hard_members_survive_being_saved(tmp_path):
    votes = np.array([[0, 1, 2], [2, 1, 0]])
    data = Predictions(np.eye(3)[votes], [0, 1, 2], names=["a", "b"], hard=[True, True])
    again = load_predictions(data.save(tmp_path / "saved"))
    assert again.hard == (True, True)
    np.testing.assert_array_equal(again.proba, data.proba)


def test_suspicious_sets_are_warned_of(write_set):
    home = write_set(n_members=2)
    with pytest.warns(DataWarning, match="one member only, 'm0'"):
        load_predictions(home, only=["m0"])
    np.save(home / "m9.npy", np.load(home / "m1.npy"))
    with pytest.warns(DataWarning, match="members 'm1' and 'm9' are identical"):
        load_predictions(home, val=False)
    np.save(home / "m9.npy", np.full((120, 4), 0.25))
    with pytest.warns(DataWarning, match="member 'm9' gives the same probabilities in every row"):
        load_predictions(home, val=False)
    (home / "m9.npy").unlink()
    truth = np.load(home / "labels.npy")
    np.save(home / "labels.npy", (truth + 1) % 4)
    with pytest.warns(DataWarning, match="no member is right more often .* same row order and the same class order"):
        load_predictions(home, val=False)
    np.save(home / "labels.npy", truth)
    with pytest.warns(DataWarning, match="the validation rows are the scored rows"):
        load_predictions(home, val=home)
    labels = np.load(home / "val" / "labels.npy")
    labels[labels == 2] = 1
    np.save(home / "val" / "labels.npy", labels)
    with pytest.warns(DataWarning, match="no validation row has class 2: nothing about it can be learned there"):
        load_predictions(home)


def test_paths_spelled_in_two_ways_share_a_folder(write_set, monkeypatch):
    home = write_set(n_members=2)
    monkeypatch.chdir(home)
    assert load_predictions("m0.npy", home / "m1.npy").validation is not None


def test_two_links_to_one_file_are_two_identical_members(write_set):
    home = write_set(n_members=2, val=False)
    (home / "m2.npy").symlink_to(home / "m0.npy")
    with pytest.warns(DataWarning, match="members 'm0' and 'm2' are identical"):
        assert load_predictions(home).n_members == 3


def test_a_copy_of_the_labels_is_no_model(write_set):
    home = write_set(n_members=2, val=False)
    np.save(home / "y_test.npy", np.load(home / "labels.npy"))
    with pytest.raises(FileError, match="y_test.npy: holds the labels, expected predictions; pass without=..y_test.."):
        load_predictions(home)
    (home / "y_test.npy").rename(home / "perfect.npy")
    with pytest.warns(DataWarning, match="member 'perfect' is right in every row; is it a copy of the labels"):
        load_predictions(home)


def test_members_are_of_one_kind_in_both_splits(write_set):
    home = write_set(n_members=2)
    np.save(home / "val" / "m1.npy", np.load(home / "val" / "m1.npy").argmax(-1))
    with pytest.raises(
        AlignmentError, match="member 'm1' is hard labels in the validation rows and probabilities here"
    ):
        load_predictions(home)


def test_which_class_is_class_1_is_not_guessed(tmp_path):
    home = write(tmp_path / "t", a=np.array([0.9, 0.2]), labels=np.array(["cancer", "healthy"]))
    with pytest.raises(ValueRangeError, match="are texts such as '[a-z]*', and the classes have no names"):
        load_predictions(home)
    home = write(tmp_path / "u", a=np.array(["no", "yes"]), labels=np.array([0, 1]))
    with pytest.raises(ValueRangeError, match="are texts such as 'no'"):
        load_predictions(home)


def test_logits_of_probabilities_are_asked_about(write_set):
    with pytest.warns(DataWarning, match="are probabilities already; is logits=True meant"):
        load_predictions(write_set(n_members=2, val=False), logits=True)


def test_options_without_effect_are_refused(write_set):
    home = write_set(n_members=2, val=False, hard=True)
    with pytest.raises(UsageError, match="logits and normalize exclude one another"):
        load_predictions(home, logits=True, normalize=True)
    with pytest.raises(UsageError, match="normalize has no effect: no member has a column a class"):
        load_predictions(home, normalize=True)


def test_everything_in_a_saved_folder_can_be_given(tmp_path):
    proba, labels = draw(0, 2, 40, 4)
    data = Predictions(proba, labels, names=["a", "b"], groups=np.arange(40), sample_weight=np.arange(1, 41))
    home = data.save(tmp_path / "saved")
    (home / "README.md").write_text("notes")
    assert load_predictions(*home.iterdir()).names == ("a", "b")
    for name in ("labels", "../out"):
        with pytest.raises(ValueRangeError, match="cannot be saved under its name; rename it"):
            Predictions(proba, labels, names=["a", name]).save(tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_two_files_of_labels_in_one_folder_are_refused(write_set):
    home = write_set(n_members=2)
    (home / "labels.csv").write_text("id,label\n0,1\n")
    with pytest.raises(AlignmentError, match="two files of labels"):
        load_predictions(home)
    with pytest.raises(AlignmentError, match=r"two files of labels: .*; keep one of them"):
        load_predictions(home / "m0.npy", home / "m1.npy")


def test_numbers_in_a_header_are_the_numbers_of_the_classes(tmp_path):
    labels = np.array([0, 1, 2, 0, 1, 2])
    proba = np.eye(3)[labels] * 0.7 + 0.1
    pd.DataFrame(proba[:, [2, 0, 1]], columns=["2", "0", "1"]).to_csv(tmp_path / "a.csv", index=False)
    np.save(tmp_path / "b.npy", 0.9 * proba + 0.1 / 3)
    np.save(tmp_path / "labels.npy", labels)
    data = load_predictions(tmp_path)
    assert data.classes == ("0", "1", "2")
    np.testing.assert_allclose(0.9 * data.proba[0] + 0.1 / 3, data.proba[1])


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_tables_that_are_separated_otherwise(tmp_path, mark):
    (tmp_path / "a.csv").write_text(f"x{mark}y\n0.1{mark}0.9\n0.75{mark}0.25\n")
    (tmp_path / "b.csv").write_text("x;y\n0,2;0,8\n0,5;0,5\n")
    (tmp_path / "labels.csv").write_text("label\n1\n0\n")
    np.testing.assert_allclose(load_predictions(tmp_path).proba, [[[0.1, 0.9], [0.75, 0.25]], [[0.2, 0.8], [0.5, 0.5]]])


def test_the_member_that_lacks_a_class_is_named_though_it_is_the_first(tmp_path) -> None:
    proba, labels = draw(0, 3, 30, 3)
    for name, member in zip("abc", proba, strict=True):
        np.save(tmp_path / f"{name}.npy", member)
    np.save(tmp_path / "a.npy", proba[0, :, :2] / proba[0, :, :2].sum(axis=1, keepdims=True))
    np.save(tmp_path / "labels.npy", labels)
    with pytest.raises(ShapeError, match="member 'a' has 2 columns, expected 3 as in the other members") as refused:
        load_predictions(tmp_path)
    assert "'b'" not in str(refused.value)


def test_a_saved_set_keeps_its_ids(tmp_path):
    proba, labels = draw(0, 3, 20, 3)
    ids = [f"t{row}" for row in range(20)]
    saved = Predictions(proba[:2], labels, names=["a", "b"], ids=ids).save(tmp_path / "set")
    assert load_predictions(saved).ids.tolist() == ids
    # Rows of other files are brought into their order.
    table = pd.DataFrame(proba[2], columns=["0", "1", "2"]).assign(id=ids)
    table[::-1].to_csv(tmp_path / "c.csv", index=False)
    both = load_predictions(saved, tmp_path / "c.csv")
    np.testing.assert_allclose(both.proba, proba, atol=1e-6)
    np.save(saved / "rows" / "ids.npy", ids[:19])
    with pytest.raises(AlignmentError, match="holds 19 ids, and .* 20 rows"):
        load_predictions(saved)


def test_saved_ids_that_are_not_unique_name_no_rows(tmp_path):
    proba, labels = draw(0, 2, 20, 3)
    saved = Predictions(proba, labels, names=["a", "b"], ids=["patient"] * 20).save(tmp_path / "set")
    assert load_predictions(saved).ids is None


def test_a_set_without_ids_that_is_saved_over_another_takes_its_ids_away(tmp_path):
    proba, labels = draw(0, 2, 20, 3)
    Predictions(proba, labels, names=["a", "b"], ids=range(20), groups=range(20)).save(tmp_path / "set")
    saved = Predictions(proba[:, :6], labels[:6], names=["a", "b"]).save(tmp_path / "set")
    assert load_predictions(saved).ids is None
    assert not list((saved / "rows").iterdir())

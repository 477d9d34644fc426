"""Prediction sets made in Python."""

import re

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from ensembler import Predictions, compare_rules, sweep_subsets
from ensembler.arrays import one_hot
from ensembler.combiners import missing_votes
from ensembler.errors import AlignmentError, ShapeError, UnknownNameError, ValueRangeError
from ensembler.metrics.scores import accuracy
from ensembler.predictions import prediction_set
from tests.conftest import draw


def test_arrays_are_kept_and_described():
    proba, labels = draw(0, 3, 20, 4)
    data = Predictions(proba.astype(np.float32), labels, names=["a", "b", "c"], class_names=list("wxyz"))
    assert (data.n_members, data.n_samples, data.n_classes) == (3, 20, 4)
    assert data.proba.dtype == np.float32
    assert data.classes == ("w", "x", "y", "z")
    assert Predictions(proba, labels).names == ("member-0", "member-1", "member-2")
    assert Predictions(proba, labels).classes == ("0", "1", "2", "3")


def test_selecting_members_and_rows():
    proba, labels = draw(0, 3, 20, 4)
    data = Predictions(
        proba,
        labels,
        names=["a", "b", "c"],
        groups=np.arange(20),
        validation=Predictions(proba, labels, names=["a", "b", "c"]),
    )
    some = data.select(without=["b"])
    np.testing.assert_array_equal(some.proba, proba[[0, 2]])
    assert some.validation.names == ("a", "c")
    assert data.select() is data
    rows = data.take(np.array([3, 1]))
    np.testing.assert_array_equal(rows.labels, labels[[3, 1]])
    assert rows.groups.tolist() == [3, 1]
    assert rows.validation is None
    with pytest.raises(
        UnknownNameError, match="unknown member or pattern 'd'; did you mean|unknown member or pattern 'd'"
    ):
        data.select(["d"])


@pytest.fixture
def whole():
    """Three members with everything that a set can have, in both splits."""
    proba, labels = draw(0, 3, 20, 4)
    rng = np.random.default_rng(1)

    def rows(**more):
        return Predictions(
            proba,
            labels,
            names=["a", "b", "c"],
            class_names=list("wxyz"),
            metadata=[{"cost": 1}, {"cost": 2}, {"cost": 3}],
            hard=[False, True, False],
            sample_weight=rng.uniform(0.5, 2.0, 20),
            groups=np.arange(20) // 2,
            ids=np.arange(20).astype(str),
            **more,
        )

    return rows(validation=rows())


def same_rows(first, second):
    for name in ("labels", "sample_weight", "groups", "ids"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)


def test_picking_members_by_number_keeps_all_that_is_known_of_the_rows(whole):
    some = whole.pick([2, 0])
    for part, whole_part in ((some, whole), (some.validation, whole.validation)):
        np.testing.assert_array_equal(part.proba, whole_part.proba[[2, 0]])
        assert part.names == ("c", "a")
        assert part.metadata == ({"cost": 3}, {"cost": 1})
        assert part.hard == (False, False)
        assert part.class_names == ("w", "x", "y", "z")
        same_rows(part, whole_part)
    assert whole.select(["c", "a"]).names == ("a", "c")
    same_rows(whole.select(["b"]).validation, whole.validation)


def test_replacing_fields_keeps_all_others(whole):
    other = whole.replace(proba=whole.proba[:, :, ::-1])
    np.testing.assert_array_equal(other.proba, whole.proba[:, :, ::-1])
    assert (other.names, other.metadata, other.hard) == (whole.names, whole.metadata, whole.hard)
    assert other.validation is whole.validation
    assert other.digests != whole.digests
    same_rows(other, whole)
    alone = whole.replace(validation=None, groups=None)
    assert (alone.validation, alone.groups) == (None, None)
    np.testing.assert_array_equal(alone.sample_weight, whole.sample_weight)
    with pytest.raises(ShapeError, match=r"sample_weight has shape \(20,\), expected \(5,\)"):
        whole.replace(proba=whole.proba[:, :5], labels=None)
    with pytest.raises(TypeError, match="colour"):
        whole.replace(colour="red")


def test_what_does_not_fit_is_refused():
    proba, labels = draw(0, 3, 20, 4)
    cases = [
        (
            lambda: Predictions(proba, labels, names=["a", "a", "b"]),
            AlignmentError,
            "members 0 and 1 are both called 'a'",
        ),
        (lambda: Predictions(proba, labels, names=["a"]), ShapeError, "got 1 member names for 3 members"),
        (lambda: Predictions(proba, labels, names=["a", "", "b"]), ValueRangeError, "name of member 1 is ''"),
        (
            lambda: Predictions(proba, labels, class_names=["a"]),
            ShapeError,
            r"1 class names \(a\) for predictions of 4 classes",
        ),
        (lambda: Predictions(proba, labels, hard=[True]), ShapeError, "hard has 1 entries, expected one for each of 3"),
        (lambda: Predictions(proba, labels, groups=[1, 2]), ShapeError, r"groups has shape \(2,\), expected \(20,\)"),
        (
            lambda: Predictions(proba, labels, sample_weight=-np.ones(20)),
            ValueRangeError,
            "sample_weight: row 0 is -1.0",
        ),
        (
            lambda: Predictions(proba, labels, sample_weight=np.zeros(20)),
            ValueRangeError,
            "sample_weight is zero in every row",
        ),
        (
            lambda: Predictions(proba[0], labels),
            ShapeError,
            r"got 3|expected \(members, rows, classes\); for one member",
        ),
        (
            lambda: Predictions([proba[0], proba[1, :5]], labels),
            ShapeError,
            r"members have different shapes \[\(20, 4\), \(5, 4\)\]",
        ),
        (lambda: Predictions(proba * 3, labels), ValueRangeError, "predictions of member 'member-0': row 0 sums to 3"),
        (lambda: Predictions(proba[..., :1], labels), ShapeError, "expected at least two classes"),
        (lambda: Predictions(proba.astype(str), labels), ValueRangeError, "has dtype <U"),
        (
            lambda: Predictions(proba, labels, validation=Predictions(proba[:2], labels)),
            AlignmentError,
            "validation has the members member-0, member-1, expected those of the scored rows",
        ),
        (lambda: Predictions(proba, labels, validation=Predictions(proba)), AlignmentError, "validation has no labels"),
        (lambda: Predictions(proba).true_labels, AlignmentError, "these predictions have no labels"),
    ]
    for make, error, message in cases:
        with pytest.raises(error, match=message):
            make()


def test_digests_tell_arrays_apart():
    proba, _ = draw(0, 3, 20, 4)
    first, second = Predictions(proba), Predictions(proba[::-1])
    assert first.digests == second.digests[::-1]
    assert len(set(first.digests)) == 3
    assert Predictions(proba.astype(np.float32)).digests != first.digests


def test_results_are_one_line_in_a_terminal():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(3), (7, 60))
    data = Predictions(proba, rng.integers(0, 3, 60))
    assert repr(data) == (
        "<Predictions: 7 members, 60 rows, 3 classes, labelled: member-0, member-1, member-2, member-3, member-4, …>"
    )
    assert re.fullmatch(
        r"<Comparison: 2 rules, chosen (mean|median): accuracy 0\.\d{4}>", repr(compare_rules(data, ["mean", "median"]))
    )
    assert repr(sweep_subsets(data.proba, data.labels)) == "<SubsetSweep: mean, 127 committees of 7 members>"


@pytest.fixture
def voters():
    """Three hard members with missing votes, one of whom answers every row, in both splits; nobody answers row 4."""

    def rows(seed, **more):
        rng = np.random.default_rng(seed)
        votes = rng.integers(0, 4, (3, 20))
        missing = rng.random((3, 20)) < 0.3
        missing[:, 0], missing[1] = False, False
        missing[:, 4] = True
        votes[missing] = -1
        proba = np.stack([one_hot(member, 4) for member in votes])
        labels = rng.integers(0, 4, 20)
        names = ["a", "b", "c"]
        return votes, Predictions(proba, labels, names=names, hard=[True] * 3, missing=missing, **more)

    fitting = rows(1)[1]
    return rows(0, validation=fitting, ids=np.arange(20).astype(str))


def test_votes_are_missing_where_rows_are_zeros(voters):
    votes, data = voters
    np.testing.assert_array_equal(data.votes, votes)
    np.testing.assert_array_equal(data.answered, votes >= 0)
    assert data.n_missing.tolist() == (votes == -1).sum(axis=1).tolist()
    assert data.n_unanswered == 1
    assert (
        repr(data)
        == f"<Predictions: 3 members, 20 rows, 4 classes, {(votes == -1).sum()} missing votes, labelled: a, b, c>"
    )


def test_accuracies_with_missing_votes(voters):
    votes, data = voters
    weighted = data.replace(sample_weight=np.arange(20.0))
    for member, answers in enumerate(votes):
        there = answers >= 0
        assert data.member_accuracy[member] == pytest.approx(accuracy_score(data.labels, answers))
        assert data.answered_accuracy[member] == pytest.approx(accuracy_score(data.labels[there], answers[there]))
        rows = np.flatnonzero(there)
        expected = accuracy_score(data.labels[rows], answers[rows], sample_weight=rows)
        assert weighted.answered_accuracy[member] == pytest.approx(expected)
        expected = accuracy_score(data.labels, answers, sample_weight=np.arange(20))
        assert weighted.member_accuracy[member] == pytest.approx(expected)


def test_missing_votes_go_with_members_and_rows(voters):
    votes, data = voters
    some = data.pick([2, 0])
    np.testing.assert_array_equal(some.missing, votes[[2, 0]] == -1)
    np.testing.assert_array_equal(some.validation.missing, data.validation.missing[[2, 0]])
    np.testing.assert_array_equal(data.select(["c"]).votes, votes[[2]])
    rows = np.array([7, 4, 2])
    np.testing.assert_array_equal(data.take(rows).votes, votes[:, rows])
    assert data.pick([1]).take(np.array([0, 1])).missing is None
    np.testing.assert_array_equal(data.replace(ids=None).missing, data.missing)
    filled = np.stack([one_hot(np.maximum(member, 0), 4) for member in votes])
    assert data.digests != data.replace(proba=filled, missing=None).digests


def test_missing_votes_are_saved_as_minus_1(voters, tmp_path):
    votes, data = voters
    data.save(tmp_path)
    for name, member, fitting in zip(data.names, votes, data.validation.votes, strict=True):
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), member)
        np.testing.assert_array_equal(np.load(tmp_path / "val" / f"{name}.npy"), fitting)


def test_without_a_missing_vote_there_is_no_mask(voters):
    _, data = voters
    whole = data.take(np.array([0]))
    assert whole.missing is None
    again = Predictions(whole.proba, whole.labels, hard=[True] * 3, missing=np.zeros((3, 1), dtype=bool))
    assert again.missing is None
    assert "missing" not in repr(again)


def test_missing_votes_that_cannot_be_are_refused(voters):
    _, data = voters
    proba, labels, missing = data.proba, data.labels, data.missing
    hard = [True] * 3
    soft, labels_of_soft = draw(0, 3, 20, 4)
    none = np.zeros((3, 20), dtype=bool)
    marked = none.copy()
    marked[1, 6] = True
    zeros = np.where(marked[:, :, None], 0.0, soft)
    cases = [
        (lambda: Predictions(proba, labels, hard=hard), ValueRangeError, "sums to 0, expected 1"),
        (lambda: Predictions(proba, labels, hard=hard, missing=none), ValueRangeError, "sums to 0, expected 1"),
        (
            lambda: Predictions(proba, labels, missing=missing),
            ValueRangeError,
            "only hard labels may have missing votes",
        ),
        (
            lambda: Predictions(proba, labels, hard=hard, missing=missing[:2]),
            ShapeError,
            r"missing has shape \(2, 20\) and dtype bool, expected \(3, 20\) and bool",
        ),
        (
            lambda: Predictions(proba, labels, hard=hard, missing=missing.astype(int)),
            ShapeError,
            "dtype int64, expected",
        ),
        (
            lambda: Predictions(soft, labels_of_soft, hard=hard, missing=marked),
            ValueRangeError,
            "member 'member-1': row 6 is marked as missing and holds",
        ),
        (
            lambda: Predictions(zeros, labels_of_soft, hard=hard, missing=marked),
            ValueRangeError,
            "row 0 holds probabilities, and 1 votes are missing; only hard labels",
        ),
        (
            lambda: Predictions(zeros, labels_of_soft, missing=marked, check_input=False),
            ValueRangeError,
            "member 'member-1' has 1 missing votes and is probabilities",
        ),
        (
            lambda: data.replace(proba=np.full((3, 20, 4), 0.25)),
            ValueRangeError,
            "is marked as missing and holds",
        ),
    ]
    for make, error, message in cases:
        with pytest.raises(error, match=message):
            make()


@pytest.mark.parametrize("groups", [[1.0, np.nan, 2.0], np.array(["a", None, "b"], dtype=object)])
def test_a_row_without_a_group_is_refused(groups) -> None:
    proba, labels = draw(0, 2, 3, 2)
    with pytest.raises(ValueRangeError, match="groups: row 1 is (nan|None) .* expected a group in every row"):
        Predictions(proba, labels, groups=groups)


def test_rows_of_many_are_copied_as_those_of_few(monkeypatch):
    proba, labels = draw(1, 3, 40)
    data = Predictions(proba.astype(np.float32), labels)
    rows = np.array([7, 3, 3, 39, 0])
    few = data.take(rows)
    monkeypatch.setattr(prediction_set, "MANY_VALUES", 10)
    monkeypatch.setattr(missing_votes, "MANY_VALUES", 10)
    many = data.take(rows)
    np.testing.assert_array_equal(many.proba, few.proba)
    assert many.proba.dtype == few.proba.dtype
    np.testing.assert_array_equal(data.take(np.array([-1])).proba, data.proba[:, -1:])
    with pytest.raises(IndexError, match="40"):
        data.take(np.array([0, 40]))
    weight = np.random.default_rng(0).random(40)
    np.testing.assert_allclose(
        missing_votes.vote_accuracy(data.labels, data.proba, weight), accuracy(data.labels, data.proba, weight)
    )

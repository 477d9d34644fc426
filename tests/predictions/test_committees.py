"""Accuracy and diversity of many committees at once, against one after another."""

import numpy as np
import pytest

from ensembler import Predictions
from ensembler.arrays import one_hot
from ensembler.metrics.diversity import cohen_kappa, measures, pairwise, share_different
from ensembler.predictions.diagnosis import committee_accuracy, diversity
from ensembler.predictions.diagnosis.agreement import measure_agreement
from ensembler.predictions.diagnosis.committee_accuracy import committee_accuracies, memberships
from ensembler.predictions.diagnosis.diversity import committee_measures, measure_diversity
from tests.conftest import draw


def with_gaps(seed, n_members=7, n_rows=90, n_classes=4, share=0.3):
    """Hard labels, some of them missing, and in one row all of them."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n_rows)
    votes = np.where(rng.random((n_members, n_rows)) < 0.6, labels, rng.integers(0, n_classes, (n_members, n_rows)))
    votes[rng.random(votes.shape) < share] = -1
    votes[:, 3] = -1
    proba = np.array([one_hot(own, n_classes) for own in votes])
    return Predictions(proba, labels, hard=[True] * n_members, missing=votes == -1)


def soft(seed, n_classes=4):
    proba, labels = draw(seed, 7, 90, n_classes)
    return Predictions(proba.astype(np.float32), labels)


def committees_of(n_members, n_committees=60, seed=0):
    having = np.random.default_rng(seed).random((n_committees, n_members)) < 0.5
    having[:, :2] = True
    return having


@pytest.mark.parametrize("block", [1, 700, 1 << 20])
@pytest.mark.parametrize("data", [soft(0), soft(1, 2), with_gaps(2), with_gaps(3, share=0.0)])
def test_accuracies_of_committees_are_those_of_each(data, block, monkeypatch):
    monkeypatch.setattr(committee_accuracy, "BLOCK_VALUES", block)
    having = committees_of(data.n_members)
    largest = np.bincount(data.true_labels).argmax()
    for members, found in zip(having, committee_accuracies(data, having), strict=True):
        said = data.proba[members].sum(axis=0, dtype=np.float64).argmax(axis=1)
        said[~data.answered[members].any(axis=0)] = largest
        assert found == (said == data.true_labels).mean()


@pytest.mark.parametrize("block", [1, 700, 1 << 20])
@pytest.mark.parametrize("data", [soft(0), with_gaps(2), with_gaps(4, share=0.9)])
def test_measures_of_committees_are_those_of_each(data, block, monkeypatch):
    monkeypatch.setattr(diversity, "BLOCK_VALUES", block)
    having = committees_of(data.n_members)
    answered = None if data.missing is None else data.answered
    found = committee_measures(data, pairwise(data.correct, answered), having)
    for number, members in enumerate(having):
        alone = measures(data.correct[members], None if answered is None else answered[members])
        assert {name: values[number] for name, values in found.items()} == pytest.approx(alone, nan_ok=True, rel=1e-12)


def test_members_of_committees():
    assert memberships([], 3).shape == (0, 3)
    assert memberships([(2,), {0, 1}], 3).tolist() == [[False, False, True], [True, True, False]]


def test_one_member_has_no_committees():
    found = measure_diversity(soft(0).select(only=["member-0"]))
    assert found.n_committees == 0


def test_agreement_is_of_the_rows_that_are_answered():
    data = with_gaps(5)
    found = measure_agreement(Predictions(data.proba, hard=[True] * 7, missing=data.missing))
    votes = data.votes
    for first in range(7):
        own = votes[first][votes[first] >= 0]
        np.testing.assert_allclose(found.class_shares[first], np.bincount(own, minlength=4) / len(own))
        for second in range(7):
            both = (votes[first] >= 0) & (votes[second] >= 0)
            assert found.different[first, second] == (votes[first] != votes[second])[both].mean()
    said = [set(column[column >= 0].tolist()) for column in votes.T]
    assert found.unanimous == np.mean([len(one) == 1 for one in said if one])
    assert np.array_equal(found.cohen_kappa, cohen_kappa(votes, 4), equal_nan=True)


def test_members_without_a_row_in_common_differ_by_nan():
    votes = np.array([[0, 1, -1, -1], [-1, -1, 0, 1], [0, 0, 0, 0]])
    assert np.isnan(share_different(votes)[0, 1])
    data = Predictions(np.array([one_hot(own, 2) for own in votes]), hard=[True] * 3, missing=votes == -1)
    found = measure_agreement(data)
    assert np.isnan(found.different[0, 1])
    assert found.different[0, 2] == 0.5
    assert found.clusters == []

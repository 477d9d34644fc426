"""Agreement beyond what accuracies imply."""

import numpy as np
import pytest

from ensembler.metrics.excess_agreement import excess_agreement


def members(accuracies, n_rows=40_000, n_classes=4, seed=0):
    """Draw members whose errors are independent and spread evenly over the wrong classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n_rows)
    wrong = (labels + rng.integers(1, n_classes, (len(accuracies), n_rows))) % n_classes
    return np.where(rng.random((len(accuracies), n_rows)) < np.array(accuracies)[:, None], labels, wrong), labels


@pytest.mark.parametrize("accuracies", [(0.5, 0.6), (0.95, 0.96), (0.99, 0.7)])
def test_independent_members_have_none_however_often_they_agree(accuracies):
    predicted, labels = members(accuracies)
    found = excess_agreement(predicted, labels, 4)
    assert found.kappa[0, 1] == pytest.approx(0, abs=0.02)
    assert found.implied[0, 1] == pytest.approx((predicted[0] == predicted[1]).mean(), abs=0.01)
    assert not found.shown_above(0.8)[0, 1]


def test_with_two_classes_it_is_cohens_kappa_of_being_correct():
    # Geirhos and others' error consistency: which rows are right, as two raters would say it.
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(1)
    predicted, labels = members((0.7, 0.8, 0.6), n_rows=500, n_classes=2, seed=1)
    predicted[2, rng.random(500) < 0.5] = predicted[1, rng.random(500) < 0.5][0]
    found = excess_agreement(predicted, labels, 2)
    correct = predicted == labels
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert found.kappa[first, second] == pytest.approx(cohen_kappa_score(correct[first], correct[second]))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_it_is_the_share_of_rows_that_are_copied(share):
    predicted, labels = members((0.7, 0.7))
    copied = np.random.default_rng(2).random(len(labels)) < share
    predicted[1, copied] = predicted[0, copied]
    assert excess_agreement(predicted, labels, 4).kappa[0, 1] == pytest.approx(share, abs=0.02)


def test_of_few_rows_or_errors_nothing_is_shown():
    predicted, labels = members((0.95,), n_rows=1000)
    twice = np.repeat(predicted, 2, axis=0)
    assert excess_agreement(twice, labels, 4).shown_above(0.8)[0, 1]
    few = excess_agreement(twice[:, :40], labels[:40], 4)
    assert not few.shown_above(0.8)[0, 1]
    flawless = excess_agreement(np.array([labels, labels]), labels, 4)
    assert np.isnan(flawless.kappa).all()
    assert not flawless.shown_above(0.8).any()


def test_only_rows_that_both_have_answered_count():
    predicted, labels = members((0.6, 0.7), n_rows=300)
    predicted[0, :100], predicted[1, 50:150] = -1, -1
    both = slice(150, 300)
    found = excess_agreement(predicted, labels, 4)
    assert found.n_rows[0, 1] == 150
    assert found.kappa[0, 1] == pytest.approx(excess_agreement(predicted[:, both], labels[both], 4).kappa[0, 1])

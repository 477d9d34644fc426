"""The identities of the measures, and plain loops."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, matthews_corrcoef

from ensembler.metrics import METRICS
from ensembler.metrics.diversity import (
    PAIRWISE,
    ambiguity,
    cohen_kappa,
    mean_of_pairs,
    measures,
    of_counts,
    of_rows,
    pairwise,
)
from tests.subsets.draw import draw

outcomes = st.tuples(st.integers(2, 6), st.integers(1, 30), st.integers(0, 10_000)).map(
    lambda sizes: np.random.default_rng(sizes[2]).random(sizes[:2]) < np.random.default_rng(sizes[2]).random()
)


def close(first, second):
    return (math.isnan(first) and math.isnan(second)) or first == pytest.approx(second, abs=1e-9)


@given(outcomes)
def test_pairs_are_the_definitions(right):
    found = pairwise(right)
    for i, j in itertools.combinations(range(len(right)), 2):
        a, b = right[i], right[j]
        n11, n00 = (a & b).mean(), (~a & ~b).mean()
        n10, n01 = (a & ~b).mean(), (~a & b).mean()
        product = n11 * n00 - n10 * n01
        root = math.sqrt((n11 + n10) * (n01 + n00) * (n11 + n01) * (n10 + n00))
        chance = (n11 + n10) * (n01 + n00) + (n11 + n01) * (n10 + n00)
        assert close(found["disagreement"][i, j], n10 + n01)
        assert close(found["double-fault"][i, j], n00)
        assert close(found["q"][i, j], product / (n11 * n00 + n10 * n01) if n11 * n00 + n10 * n01 > 1e-12 else math.nan)
        assert close(found["rho"][i, j], product / root if root > 1e-9 else math.nan)
        assert close(found["kappa"][i, j], 2 * product / chance if chance > 1e-12 else math.nan)


@given(outcomes)
def test_identities(right):
    size = len(right)
    found = measures(right)
    accuracy = right.mean()
    assert found["kw"] == pytest.approx((size - 1) / (2 * size) * found["disagreement"])
    if 1e-9 < accuracy < 1 - 1e-9:
        assert found["kappa"] == pytest.approx(1 - found["disagreement"] / (2 * accuracy * (1 - accuracy)))
    else:
        assert math.isnan(found["kappa"])
    if accuracy < 1:
        assert found["generalised"] == pytest.approx(1 - found["double-fault"] / (1 - accuracy))
    assert found["difficulty"] == pytest.approx(right.mean(axis=0).var())
    assert 0 <= found["entropy"] <= 1 + 1e-9
    assert 0 <= found["coincident-failure"] <= 1 + 1e-9


def test_the_worked_example_of_the_source():
    # Ten classifiers (columns) on fifteen objects; 1 where right. Kuncheva & Whitaker 2003.
    rows = """1000001000 0100101000 1011010110 1001110011 1101110001 1111010000 1010001011 0000100001
              0010011001 0100100000 0000010011 1011000001 0101100110 1011111010 1111001001"""
    right = np.array([[digit == "1" for digit in row] for row in rows.split()]).T
    expected = {
        "q": 0.0231,
        "rho": 0.0156,
        "disagreement": 0.4889,
        "double-fault": 0.3156,
        "entropy": 0.7200,
        "kw": 0.2200,
        "kappa": 0.0079,
        "difficulty": 0.0264,
        "generalised": 0.4365,
        "coincident-failure": 0.4889,
    }
    assert measures(right) == pytest.approx(expected, abs=5e-5)


def test_extremes():
    same = np.array([[True, False, True, False]] * 3)
    found = measures(same)
    assert (found["disagreement"], found["entropy"], found["kw"], found["generalised"]) == (0, 0, 0, 0)
    assert (found["q"], found["rho"], found["kappa"]) == (1, pytest.approx(1), pytest.approx(1))
    never_together = ~np.eye(4, dtype=bool)
    found = measures(never_together)
    assert found["generalised"] == pytest.approx(1)
    assert found["coincident-failure"] == pytest.approx(1)
    assert measures(np.ones((3, 5), dtype=bool))["coincident-failure"] == 0.0
    assert all(math.isnan(value) for value in of_counts(np.array([1, 2])).values())
    assert math.isnan(mean_of_pairs(np.zeros((1, 1))))


@pytest.mark.parametrize("n_rows", [1_000_000, 5_000_000])
def test_rare_errors_do_not_cancel(n_rows):
    correct = np.ones((2, n_rows), dtype=bool)
    correct[0, 3] = correct[1, 7] = False
    pairs = {name: matrix[0, 1] for name, matrix in pairwise(correct).items()}
    # Of one error each, on different rows: N11 = N - 2, N10 = N01 = 1, N00 = 0.
    assert pairs["q"] == -1
    assert pairs["double-fault"] == 0
    assert pairs["disagreement"] == 2 / n_rows
    assert pairs["rho"] == pytest.approx(-1 / (n_rows - 1), rel=1e-12)
    assert pairs["kappa"] == pytest.approx(-1 / (n_rows - 1), rel=1e-12)
    together = measures(correct)
    assert together["q"] == -1
    assert together["kappa"] == pytest.approx(-1 / (n_rows - 1), rel=1e-4)
    assert (together["generalised"], together["coincident-failure"]) == (1, 1)


def test_cohens_kappa_is_the_definition():
    rng = np.random.default_rng(0)
    predicted = rng.integers(0, 4, (3, 50))
    kappa = cohen_kappa(predicted, 4)
    shares = np.array([np.bincount(member, minlength=4) for member in predicted]) / 50
    for i, j in itertools.product(range(3), range(3)):
        chance = shares[i] @ shares[j]
        assert kappa[i, j] == pytest.approx(((predicted[i] == predicted[j]).mean() - chance) / (1 - chance), abs=1e-12)
        assert kappa[i, j] == pytest.approx(cohen_kappa_score(predicted[i], predicted[j]), abs=1e-12)


def test_cohens_kappa_of_members_that_only_predict_one_class_is_not_defined():
    kappa = cohen_kappa(np.array([[1, 1, 1], [1, 1, 1], [0, 1, 1]]), 2)
    assert np.isnan(kappa[:2, :2]).all()
    assert (kappa[0, 2], kappa[2, 0], kappa[2, 2]) == (0, 0, 1)


def test_the_brier_score_of_the_mean_is_the_mean_less_the_spread():
    proba, labels = draw("random", 5, 80, 3, seed=1)
    apart = ambiguity(proba, labels)
    assert apart.ensemble == pytest.approx(apart.mean_member - apart.spread)
    assert apart.ensemble == pytest.approx(float(METRICS["brier"](labels, proba.mean(axis=0))))
    assert apart.mean_member == pytest.approx(float(METRICS["brier"](labels, proba).mean()))


def with_gaps(seed, size=4, n_rows=60, n_classes=3):
    """Draw votes, -1 where they are missing, and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n_rows)
    votes = np.where(rng.random((size, n_rows)) < 0.5, labels, rng.integers(0, n_classes, (size, n_rows)))
    votes[rng.random(votes.shape) < 0.4] = -1
    return votes, labels


@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_measured_on_the_rows_that_both_answer(seed):
    votes, labels = with_gaps(seed)
    found = pairwise(votes == labels, votes >= 0)
    kappa = cohen_kappa(votes, 3)
    for i, j in itertools.permutations(range(4), 2):
        rows = (votes[i] >= 0) & (votes[j] >= 0)
        a, b = votes[i][rows], votes[j][rows]
        right = np.array([a == labels[rows], b == labels[rows]])
        alone = pairwise(right)
        for name, matrix in found.items():
            assert close(matrix[i, j], alone[name][0, 1])
        assert kappa[i, j] == pytest.approx(cohen_kappa_score(a, b))
        assert found["rho"][i, j] == pytest.approx(matthews_corrcoef(*right))


def test_two_members_without_a_row_in_common():
    votes, labels = np.array([[0, 1, -1, -1], [-1, -1, 0, 1]]), np.array([0, 1, 1, 1])
    found = pairwise(votes == labels, votes >= 0)
    assert all(math.isnan(matrix[0, 1]) for matrix in found.values())
    assert math.isnan(cohen_kappa(votes, 2)[0, 1])
    assert all(math.isnan(value) for value in measures(votes == labels, votes >= 0).values())


@given(outcomes)
def test_answering_every_row_changes_nothing(right):
    everything = np.ones_like(right)
    for name, matrix in pairwise(right, everything).items():
        np.testing.assert_array_equal(matrix, pairwise(right)[name])
    for name, value in measures(right).items():
        assert close(measures(right, everything)[name], value), name


@pytest.mark.parametrize("seed", range(5))
def test_measures_of_rows_with_missing_votes_in_plain_loops(seed):
    votes, labels = with_gaps(seed)
    found = measures(votes == labels, votes >= 0)
    rows = []
    for row, label in enumerate(labels):
        answers = [vote for vote in votes[:, row] if vote >= 0]
        if len(answers) > 1:
            rows.append([vote == label for vote in answers])
    n = len(rows)
    assert 0 < n < len(labels)
    failing = [row for row in rows if not all(row)]
    pairs = [list(itertools.combinations(row, 2)) for row in rows]
    both_fail = sum(sum(not a and not b for a, b in of_row) / len(of_row) for of_row in pairs) / n
    one_fails = sum(row.count(False) / len(row) for row in rows) / n
    differ = [sum(a != b for a, b in of_row) / len(of_row) for of_row in pairs]
    total = sum(map(len, rows))
    p = sum(map(sum, rows)) / total
    # Fleiss & Cuzick: (n - 1) pairs of each rater, so that a row with n answers weighs n - 1.
    observed = sum((len(row) - 1) * share / 2 for row, share in zip(rows, differ, strict=True))
    assert found["kappa"] == pytest.approx(1 - observed / (n * (total / n - 1) * p * (1 - p)))
    assert found["entropy"] == pytest.approx(
        sum(min(sum(row), len(row) - sum(row)) / (len(row) - math.ceil(len(row) / 2)) for row in rows) / n
    )
    assert found["kw"] == pytest.approx(sum(np.var(row) for row in rows) / n)
    assert found["difficulty"] == pytest.approx(np.var([np.mean(row) for row in rows]))
    assert found["generalised"] == pytest.approx(1 - both_fail / one_fails)
    assert found["coincident-failure"] == pytest.approx(
        sum(sum(row) / (len(row) - 1) for row in failing) / len(failing)
    )
    for name in PAIRWISE:
        matrix = pairwise(votes == labels, votes >= 0)[name]
        assert found[name] == pytest.approx(mean_of_pairs(matrix))
    assert of_rows(votes == labels) == of_counts(np.bincount((votes == labels).sum(axis=0), minlength=5))

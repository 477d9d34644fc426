"""Ranks and their tests are those of Demšar 2006, scipy and scikit-posthocs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import f, friedmanchisquare

from ensembler.errors import ParameterError, ShapeError, ValueRangeError
from ensembler.ranking.ranks import cluster_means, critical_difference, friedman, mean_ranks

# Demšar 2006, table 6: AUC of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 data sets. On the last but one, C4.5+cf and
# C4.5+m+cf are both printed as 0.975, and ranked 2 and 3: a difference lost in print, which .9751 brings back.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)
TABLES = st.tuples(st.integers(1, 12), st.integers(2, 6)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(0, 5).map(lambda tenths: tenths / 10))
)


def test_demsars_example():
    ranks = mean_ranks(DEMSAR)
    assert ranks.round(3).tolist() == [3.143, 2.000, 2.893, 1.964]
    uncorrected = 12 * 14 / (4 * 5) * ((ranks**2).sum() - 4 * 5**2 / 4)
    assert uncorrected == pytest.approx(9.28, abs=0.005)
    assert 13 * uncorrected / (14 * 3 - uncorrected) == pytest.approx(3.69, abs=0.005)
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14, alpha=0.1) == pytest.approx(1.12, abs=0.005)


def test_demsars_example_with_its_ties_is_scipys():
    found = friedman(DEMSAR)
    assert found.statistic == pytest.approx(10.2283, abs=5e-5)
    assert (found.statistic, found.p_value) == pytest.approx(tuple(friedmanchisquare(*DEMSAR.T)))
    assert found.iman_davenport == pytest.approx(13 * found.statistic / (14 * 3 - found.statistic))
    assert found.p_iman_davenport == pytest.approx(f.sf(found.iman_davenport, 3, 39))


@given(TABLES)
def test_friedman_is_scipys(values):
    found = friedman(values)
    n_sets, n_rules = values.shape
    if (values == values[:, :1]).all():
        assert (found.statistic, found.p_value) == (0.0, 1.0)
        assert found.iman_davenport == (0.0 if n_sets > 1 else None)
        return
    if n_rules > 2:
        assert (found.statistic, found.p_value) == pytest.approx(tuple(friedmanchisquare(*values.T)))
    rest = n_sets * (n_rules - 1) - found.statistic
    if rest < 1e-9:
        assert found.iman_davenport is found.p_iman_davenport is None
    else:
        assert found.iman_davenport == pytest.approx((n_sets - 1) * found.statistic / rest)
        assert 0 <= found.p_iman_davenport <= 1


@given(TABLES, st.randoms(use_true_random=False))
def test_the_order_of_sets_and_how_hard_they_are_change_nothing(values, random):
    order = random.sample(range(len(values)), len(values))
    harder = values[order] - np.arange(len(values))[:, None] / 7
    assert mean_ranks(harder) == pytest.approx(mean_ranks(values))
    assert friedman(harder) == friedman(values)
    assert mean_ranks(values).mean() == pytest.approx((values.shape[1] + 1) / 2)


def test_sets_that_all_rank_alike_have_no_finite_f():
    found = friedman(np.tile([0.9, 0.8, 0.7], (7, 1)))
    assert found.statistic == pytest.approx(14)
    assert found.iman_davenport is None
    assert found.p_iman_davenport is None


def test_a_rule_beyond_the_critical_difference_is_nemenyis():
    from scikit_posthocs import posthoc_nemenyi_friedman

    rng = np.random.default_rng(0)
    values = rng.normal(size=(20, 6)) + np.linspace(0, 1.5, 6)
    p_values = posthoc_nemenyi_friedman(values).to_numpy()
    ranks = mean_ranks(values)
    gaps = np.abs(ranks[:, None] - ranks)
    for alpha in (0.01, 0.05, 0.1, 0.3):
        beyond = gaps > critical_difference(6, 20, alpha)
        assert (beyond == (p_values < alpha)).all()
        assert beyond.any()
    # The gap at which a p-value of scikit-posthocs would be alpha is the critical difference.
    assert critical_difference(6, 20, p_values[0, 3]) == pytest.approx(gaps[0, 3], rel=1e-3)


@pytest.mark.parametrize(("n_rules", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (7, 2.949), (10, 3.164)])
def test_critical_values_are_those_of_demsars_table_5(n_rules, q):
    assert critical_difference(n_rules, 10) == pytest.approx(q * np.sqrt(n_rules * (n_rules + 1) / 60), rel=5e-4)


def test_clusters_enter_by_the_mean_of_what_ran():
    values = np.array([[1.0, np.nan], [0.5, np.nan], [3.0, 0.5], [0.0, 0.25]])
    found = cluster_means(values, ["b", "a", "b", "b"])
    np.testing.assert_allclose(found, [[4 / 3, 0.375], [0.5, np.nan]])
    np.testing.assert_allclose(cluster_means([1.0, 2.0, 4.0], ["x", "y", "x"]), [2.5, 2.0])
    np.testing.assert_array_equal(cluster_means(values, list("abcd")), values)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: mean_ranks([0.1, 0.2]), ShapeError, r"values has shape \(2,\), expected \(sets, rules\)"),
        (lambda: mean_ranks([[0.1, 0.2], [np.nan, 0.2]]), ValueRangeError, "values: rule 0 is nan on set 1"),
        (lambda: friedman([[0.1], [0.2]]), ShapeError, "values has 1 rule, expected at least 2"),
        (lambda: critical_difference(1, 10), ParameterError, "got 1 rules and 10 sets, expected at least 2 rules"),
        (lambda: critical_difference(3, 10, 1.0), ParameterError, "alpha is 1, expected a number between 0 and 1"),
        (lambda: cluster_means([0.1], ["a", "b"]), ShapeError, "clusters has 2 names, values has shape"),
    ],
)
def test_what_has_no_ranks_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()

"""Intervals and tests by somebody else's numbers."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensembler.arrays import mid_ranks
from ensembler.metrics import METRICS, get_metric
from ensembler.metrics.bootstrap import bootstrap_counts
from ensembler.metrics.intervals import percentile_interval, wilson
from ensembler.metrics.paired import Discordance, cochran_q, compact_letter_display, holm, standard_error
from ensembler.metrics.resampling import resampled_metrics
from tests.subsets.draw import draw


@pytest.mark.parametrize(("right", "total"), [(0, 7), (7, 7), (2, 3), (2476, 3589)])
def test_wilson_is_statsmodels(right, total):
    from statsmodels.stats.proportion import proportion_confint

    assert wilson(right, total) == pytest.approx(proportion_confint(right, total, method="wilson"), abs=1e-9)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_is_statsmodels(pairs):
    from statsmodels.stats.contingency_tables import mcnemar

    first, second = np.array(pairs).T
    found = Discordance.of(first, second)
    table = [[(first & second).sum(), found.b], [found.c, (~first & ~second).sum()]]
    expected = mcnemar(table, exact=True).pvalue if found.b + found.c else 1.0
    assert found.p_value == pytest.approx(min(expected, 1.0))
    assert found.difference == pytest.approx(first.mean() - second.mean())
    difference = first.astype(float) - second
    assert standard_error(first, second) == pytest.approx(difference.std() / np.sqrt(len(first)), abs=1e-12)


def test_mcnemar_tables_are_mlxtends():
    from mlxtend.evaluate import mcnemar, mcnemar_table

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 300)
    said = [np.where(rng.random(300) < right, labels, rng.integers(0, 4, 300)) for right in (0.6, 0.5)]
    table = mcnemar_table(labels, *said)
    found = Discordance.of(said[0] == labels, said[1] == labels)
    assert (found.b, found.c, found.n_rows) == (table[0, 1], table[1, 0], table.sum())
    assert found.p_value == pytest.approx(mcnemar(table, exact=True)[1])


def test_no_discordant_rows():
    same = np.array([True, False, True])
    found = Discordance.of(same, same)
    assert (found.difference, standard_error(same, same), found.p_value) == (0.0, 0.0, 1.0)
    assert found.smallest_detectable is None


def test_the_smallest_difference_is_shown_in_eight_of_ten_cases():
    rng = np.random.default_rng(0)
    n_rows, discordant = 3589, 0.08
    detectable = Discordance(n_rows, 150, round(discordant * n_rows) - 150).smallest_detectable
    first_only = (discordant + detectable) / 2
    b = rng.binomial(n_rows, first_only, 4000)
    c = rng.binomial(n_rows, discordant - first_only, 4000)
    shown = np.abs(b - c) / np.sqrt(b + c) > 1.96
    assert shown.mean() == pytest.approx(0.8, abs=0.03)


@given(st.lists(st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=12))
def test_holm_is_statsmodels(p_values):
    from statsmodels.stats.multitest import multipletests

    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1].tolist())


@pytest.mark.filterwarnings("ignore:invalid value")
def test_cochran_is_statsmodels():
    from statsmodels.stats.contingency_tables import cochrans_q

    rng = np.random.default_rng(1)
    right = rng.random((5, 80)) < np.array([0.5, 0.5, 0.6, 0.7, 0.8])[:, None]
    expected = cochrans_q(right.T.astype(int))
    found = cochran_q(right)
    assert (found.statistic, found.p_value) == pytest.approx((expected.statistic, expected.pvalue))
    assert found.degrees == 4
    assert cochran_q(np.ones((3, 10), dtype=bool)).p_value == 1.0
    assert cochran_q(right[:1]).p_value == 1.0


@given(st.integers(1, 7), st.integers(0, 10_000))
def test_two_share_a_letter_if_and_only_if_they_are_not_shown_to_differ(n_items, seed):
    rng = np.random.default_rng(seed)
    differ = np.triu(rng.random((n_items, n_items)) < 0.4, 1)
    differ = differ | differ.T
    found = compact_letter_display(differ)
    for first, second in itertools.combinations(range(n_items), 2):
        assert bool(set(found[first]) & set(found[second])) != differ[first, second]
    assert all(found)


def test_piephos_columns_are_not_redundant():
    differ = np.zeros((4, 4), dtype=bool)
    differ[0, 2] = differ[0, 3] = differ[1, 3] = True
    differ |= differ.T
    assert compact_letter_display(differ) == ["a", "ab", "bc", "c"]


SPECS = [*(name for name in METRICS if name != "f1"), "top-k-accuracy:k=3", "ece:bins=7", "f1:class=2"]
ALL = [get_metric(spec) for spec in SPECS]


@pytest.mark.parametrize("weighted", [False, True])
def test_resampled_metrics_are_the_metrics_of_the_samples(weighted):
    labels, probas = sample(60)
    weight = np.random.default_rng(2).random(60) + 0.5 if weighted else None
    found = resampled_metrics(ALL, labels, probas, sample_weight=weight, n_resamples=5, seed=3)
    assert set(found) == {metric.name for metric in ALL}
    counts = np.concatenate(list(bootstrap_counts(60, 5, 3)))
    for sample_number, drawn in enumerate(counts.astype(int)):
        rows = np.repeat(np.arange(60), drawn)
        for name, values in found.items():
            metric = next(one for one in ALL if one.name == name)
            for rule, proba in enumerate(probas):
                expected = metric(labels[rows], proba[rows], None if weight is None else weight[rows])
                assert values[sample_number, rule] == pytest.approx(float(expected), abs=2e-6)


def sample(n_rows):
    proba, labels = draw("random", 3, n_rows, 4, seed=4)
    return labels, list(proba)


def test_a_class_that_a_sample_lacks_is_left_out():
    labels = np.array([0, 0, 0, 0, 1])
    proba = np.array([[0.9, 0.1]] * 5)
    found = resampled_metrics([METRICS["balanced-accuracy"]], labels, [proba], n_resamples=200)["balanced-accuracy"]
    assert set(found.ravel().tolist()) <= {0.0, 0.5, 1.0}
    assert 1.0 in found


def test_groups_are_drawn_whole():
    groups = np.array([0, 0, 1, 1, 1, 2])
    for block in bootstrap_counts(6, 20, 1, groups):
        assert (block[:, 0] == block[:, 1]).all()
        assert (block[:, 2] == block[:, 4]).all()
        assert (block[:, 0] + block[:, 2] + block[:, 5] == 3).all()


def test_bootstrap_intervals_are_scipys():
    from scipy.stats import bootstrap

    labels, probas = sample(400)
    found = resampled_metrics([METRICS["brier"]], labels, probas, n_resamples=4000)["brier"]
    rows = ((probas[0] - np.eye(4)[labels]) ** 2).sum(axis=1)
    expected = bootstrap((rows,), np.mean, method="percentile", n_resamples=4000, rng=np.random.default_rng(5))
    assert percentile_interval(found[:, 0]) == pytest.approx(
        (expected.confidence_interval.low, expected.confidence_interval.high), abs=0.003
    )


def test_an_interval_of_nothing_is_none():
    assert percentile_interval(np.full(10, np.nan)) is None
    assert percentile_interval(np.full(10, 0.5)) == (0.5, 0.5)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30))
def test_mid_ranks_are_scipys(values):
    from scipy.stats import rankdata

    np.testing.assert_array_equal(mid_ranks(np.array(values, float)), rankdata(values))

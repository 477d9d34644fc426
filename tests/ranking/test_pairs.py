"""Tests of pairs are those of scipy and baycomp."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, rankdata, wilcoxon

from ensembler.errors import ParameterError, ShapeError, ValueRangeError
from ensembler.ranking.pairs import signed_rank_probabilities, wilcoxon_test
from tests.oracles.ranking import draw_values

STORED = json.loads((Path(__file__).parents[1] / "oracles" / "ranking.json").read_text())
PERCENTS = st.lists(st.integers(-9, 9).map(lambda percent: percent / 100), min_size=6, max_size=25)


def as_tuple(found):
    return found.p_worse, found.p_equivalent, found.p_better


@given(st.lists(st.integers(1, 10**6), min_size=6, max_size=25, unique=True), st.integers(0, 2**25))
def test_wilcoxon_is_scipys_exact_test_where_sizes_differ(sizes, signs):
    differences = [size / 1e7 * (1 if signs >> place & 1 else -1) for place, size in enumerate(sizes)]
    assert wilcoxon_test(differences) == pytest.approx(wilcoxon(differences, method="exact").pvalue)


@given(PERCENTS)
def test_wilcoxon_with_ties_or_zeros_is_the_normal_approximation(differences):
    sizes = np.abs(differences)
    if len(np.unique(sizes)) == len(sizes) and sizes.all():
        return
    ranks, signs = rankdata(sizes), np.sign(differences)
    n = len(ranks)
    positive = ranks[signs > 0].sum() + ranks[signs == 0].sum() / 2
    _, tied = np.unique(ranks, return_counts=True)
    variance = n * (n + 1) * (2 * n + 1) / 24 - (tied**3 - tied).sum() / 48
    expected = 2 * norm.sf(abs(positive - n * (n + 1) / 4) / np.sqrt(variance))
    assert wilcoxon_test(differences) == pytest.approx(min(expected, 1.0))


@given(PERCENTS)
def test_wilcoxon_knows_no_order_and_no_side(differences):
    p_value = wilcoxon_test(differences)
    assert 0 <= p_value <= 1
    assert wilcoxon_test(differences[::-1]) == pytest.approx(p_value)
    assert wilcoxon_test([-difference for difference in differences]) == pytest.approx(p_value)
    assert wilcoxon_test([*differences, np.nan]) == p_value


def test_differences_that_rounding_parts_are_tied():
    accuracies = np.array([[0.8, 0.7], [0.9, 0.8], [0.7, 0.6], [0.6, 0.7], [0.5, 0.4], [0.4, 0.3]])
    differences = accuracies[:, 0] - accuracies[:, 1]
    assert len(set(np.abs(differences))) > 1
    assert wilcoxon_test(differences) == wilcoxon_test(np.round(differences, 1))


def test_wilcoxon_needs_six_sets():
    assert wilcoxon_test([0.01, 0.02, 0.03, 0.04, 0.05, np.nan]) is None
    assert wilcoxon_test([0.01, 0.02, 0.03, 0.04, 0.05, 0.06]) == pytest.approx(2 / 2**6)
    assert wilcoxon_test(np.zeros(6)) == 1.0


@pytest.mark.parametrize("stored", STORED["signed_rank"], ids=lambda stored: str(stored["case"]))
def test_signed_rank_probabilities_are_baycomps(stored):
    seed, n_sets, rope = stored["case"]
    first, second = draw_values(seed, n_sets, 2).T
    found = signed_rank_probabilities(second - first, rope)
    # Both are shares of 50,000 draws, so that their difference has a standard error of up to .0032.
    for ours, theirs in zip(as_tuple(found), stored["probabilities"], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4 + 4 * np.sqrt(2 * theirs * (1 - theirs) / 50_000))


@given(PERCENTS, st.integers(0, 5))
def test_signed_rank_probabilities_sum_to_one_and_know_no_order(differences, rope):
    found = signed_rank_probabilities(differences, rope / 100, n_draws=200)
    assert sum(as_tuple(found)) == pytest.approx(1)
    assert min(as_tuple(found)) >= 0
    assert signed_rank_probabilities([np.nan, *differences[::-1]], rope / 100, n_draws=200) == found


@given(PERCENTS, st.integers(0, 5))
def test_each_draw_is_the_sum_over_all_pairs(differences, rope):
    rope /= 100
    observed = np.sort(np.append(0.0, differences))
    prior = np.ones(len(observed))
    prior[np.flatnonzero(observed == 0)[0]] = 0.5
    percents = np.round(100 * observed).astype(int)
    sums, limit = percents[:, None] + percents, round(200 * rope)
    shares = np.zeros(3)
    for weights in np.random.default_rng(0).dirichlet(prior, 50):
        products = np.outer(weights, weights)
        worse, better = products[sums < -limit].sum(), products[sums > limit].sum()
        shares[np.argmax([worse, 1 - worse - better, better])] += 1 / 50
    assert as_tuple(signed_rank_probabilities(differences, rope, n_draws=50)) == pytest.approx(tuple(shares))


def test_the_other_side_has_the_other_probabilities():
    differences = np.random.default_rng(0).normal(0.004, 0.02, 12)
    found = as_tuple(signed_rank_probabilities(differences, 0.005))
    assert as_tuple(signed_rank_probabilities(-differences, 0.005)) == pytest.approx(found[::-1], abs=0.012)


def test_sure_cases():
    assert as_tuple(signed_rank_probabilities(np.zeros(10), 0.0)) == (0.0, 1.0, 0.0)
    assert as_tuple(signed_rank_probabilities(np.full(10, 0.01), 0.01)) == (0.0, 1.0, 0.0)  # on the limit is within
    assert as_tuple(signed_rank_probabilities(np.full(200, 0.02), 0.01)) == (0.0, 0.0, 1.0)


def test_the_seed_decides():
    differences = [0.01, -0.02, 0.03]
    first, again, other = (signed_rank_probabilities(differences, 0.01, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: wilcoxon_test([[0.1]]), ShapeError, r"differences has shape \(1, 1\), expected one number a set"),
        (lambda: wilcoxon_test([0.1, -np.inf]), ValueRangeError, "differences: set 1 is -inf, expected finite numbers"),
        (lambda: signed_rank_probabilities([np.nan], 0.01), ValueRangeError, "differences hold no number, expected"),
        (lambda: signed_rank_probabilities([0.1], -0.1), ParameterError, "rope is -0.1, expected a finite number >= 0"),
        (lambda: signed_rank_probabilities([0.1], 0.1, n_draws=0), ParameterError, "n_draws is 0, expected at least 1"),
    ],
)
def test_what_cannot_be_tested_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()

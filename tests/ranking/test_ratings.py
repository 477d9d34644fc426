"""Ratings are those of evalica and bencheval."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ensembler.errors import ParameterError, ShapeError, ValueRangeError
from ensembler.ranking.ratings import bradley_terry, pairwise_wins, ratings
from tests.oracles.ranking import RATING_CASES, draw_values

STORED = json.loads((Path(__file__).parents[1] / "oracles" / "ranking.json").read_text())
TENTHS = st.one_of(st.just(np.nan), st.integers(0, 5).map(lambda tenths: tenths / 10))
TABLES = st.tuples(st.integers(1, 12), st.integers(2, 6)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=TENTHS)
)


def evalica_ratings(values):
    import evalica

    first, second, winners = [], [], []
    for scores in values:
        for i in range(len(scores)):
            for j in range(i + 1, len(scores)):
                if not np.isnan([scores[i], scores[j]]).any():
                    first.append(i)
                    second.append(j)
                    names = {1: evalica.Winner.X, -1: evalica.Winner.Y, 0: evalica.Winner.Draw}
                    winners.append(names[int(np.sign(scores[i] - scores[j]))])
    found = evalica.bradley_terry(first, second, winners, tolerance=1e-14, limit=100_000)
    elo = 400 * np.log10(found.scores.sort_index().to_numpy())
    return elo - elo.mean() + 1000


@pytest.mark.parametrize("case", RATING_CASES, ids=str)
def test_ratings_are_evalicas(case):
    values = draw_values(*case)
    assert bradley_terry(pairwise_wins(values)) == pytest.approx(evalica_ratings(values), abs=1e-3)


@pytest.mark.parametrize("stored", STORED["ratings"], ids=lambda stored: str(stored["case"]))
def test_ratings_are_benchevals(stored):
    found = bradley_terry(pairwise_wins(draw_values(*stored["case"])))
    assert found == pytest.approx(stored["ratings"], abs=1e-3)


def test_wins_are_counted_by_hand():
    values = [[0.3, 0.1 + 0.2, 0.1], [0.1, np.nan, 0.4]]
    assert pairwise_wins(values).tolist() == [[0, 0.5, 1], [0.5, 0, 1], [1, 0, 0]]
    assert pairwise_wins(values, [2.0, 0.5]).tolist() == [[0, 1, 2], [1, 0, 2], [0.5, 0, 0]]


@given(TABLES)
def test_every_pair_that_ran_has_one_point_a_set(values):
    wins = pairwise_wins(values)
    ran = (~np.isnan(values)).astype(float)
    expected = ran.T @ ran
    np.fill_diagonal(expected, 0)
    assert (wins + wins.T == expected).all()


@given(TABLES, st.randoms(use_true_random=False))
def test_ratings_have_mean_1000_and_know_no_order(values, random):
    found = bradley_terry(pairwise_wins(values))
    compared = ~np.isnan(found)
    if not compared.any():
        return
    assert found[compared].mean() == pytest.approx(1000)
    sets, rules = (random.sample(range(length), length) for length in values.shape)
    turned = bradley_terry(pairwise_wins(values[sets][:, rules]))
    np.testing.assert_allclose(turned, found[rules], atol=1e-3)


@given(TABLES)
def test_the_expected_wins_are_the_wins(values):
    wins = pairwise_wins(values)
    elo = np.nan_to_num(bradley_terry(wins), nan=1000.0)
    chance = 1 / (1 + 10 ** ((elo - elo[:, None]) / 400))
    expected = ((wins + wins.T) * chance).sum(axis=1)
    assert expected == pytest.approx(wins.sum(axis=1), abs=1e-4)


def test_a_complete_table_rates_in_the_order_of_mean_ranks():
    from ensembler.ranking.ranks import mean_ranks

    values = draw_values(6, 30, 10)
    found, _ = ratings(values, n_resamples=40)
    assert (np.argsort(-found) == np.argsort(mean_ranks(values))).all()


def test_many_tables_at_once_are_each_their_own():
    wins = np.array([pairwise_wins(draw_values(seed, 10, 5)) for seed in range(6)])
    together = bradley_terry(wins.reshape(2, 3, 5, 5))
    assert together.shape == (2, 3, 5)
    alone = np.array([bradley_terry(table) for table in wins])
    np.testing.assert_allclose(together.reshape(6, 5), alone, atol=1e-6)


def test_a_rule_that_always_wins_is_finite_and_first():
    values = draw_values(0, 20, 4)
    always = np.column_stack([values, np.ones(20)])
    found, intervals = ratings(always, n_resamples=40)
    assert np.isfinite(intervals).all()
    assert found.argmax() == 4
    # The others are apart by what they were without it.
    apart = found[:4] - found[:4].mean()
    assert apart == pytest.approx(bradley_terry(pairwise_wins(values)) - 1000, abs=0.01)


def test_a_strict_order_of_many_rules_converges():
    found = bradley_terry(pairwise_wins(np.tile(np.arange(25.0), (40, 1))))
    assert (np.diff(found) > 0).all()
    assert found == pytest.approx(2000 - found[::-1], rel=1e-6)


def test_a_rule_that_never_ran_has_no_rating():
    values = np.column_stack([draw_values(0, 20, 3), np.full(20, np.nan)])
    found, intervals = ratings(values, n_resamples=40)
    assert np.isnan(found).tolist() == [False, False, False, True]
    assert np.isnan(intervals).tolist() == [[False] * 2] * 3 + [[True] * 2]
    assert found[:3] == pytest.approx(bradley_terry(pairwise_wins(values[:, :3])))


def test_intervals_are_those_of_resampled_sets():
    values = draw_values(1, 30, 5, decimals=2)
    found, intervals = ratings(values, n_resamples=400, seed=3)
    rng = np.random.default_rng(0)
    drawn = [bradley_terry(pairwise_wins(values[rng.integers(0, 30, 30)])) for _ in range(400)]
    assert (intervals[:, 0] < found).all()
    assert (found < intervals[:, 1]).all()
    assert intervals == pytest.approx(np.quantile(drawn, [0.025, 0.975], axis=0).T, abs=25)
    again = ratings(values, n_resamples=400, seed=3)[1]
    assert (intervals == again).all()
    assert (intervals != ratings(values, n_resamples=400, seed=4)[1]).any()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: pairwise_wins([0.1]), ShapeError, r"values has shape \(1,\), expected \(sets, rules\)"),
        (lambda: pairwise_wins([[0.1, 0.2]], [1.0, 2.0]), ShapeError, r"weights has shape \(2,\), expected \(1,\)"),
        (lambda: pairwise_wins([[0.1, 0.2]], [-1.0]), ValueRangeError, "weights is .* expected finite numbers >= 0"),
        (lambda: bradley_terry([[0, 1]]), ShapeError, r"wins has shape \(1, 2\), expected \(..., rules, rules\)"),
        (lambda: bradley_terry([[0, -1], [1, 0]]), ValueRangeError, "wins hold negative .* expected finite numbers"),
        (lambda: ratings([[0.1, 0.2]], n_resamples=39), ParameterError, "n_resamples is 39, expected at least 40"),
    ],
)
def test_what_cannot_be_rated_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()

"""Conformal scores and quantiles by their definitions."""

import math

import numpy as np
import pytest

from ensembler.metrics.conformal import class_scores, conformal_level, conformal_quantile

PROBA = np.random.default_rng(0).dirichlet(np.full(6, 0.5), 50)


def test_the_quantile_is_a_sorted_score_or_infinite():
    scores = np.random.default_rng(1).random(57)
    for alpha in (0.01, 0.05, 0.1, 0.5, 0.9):
        place = math.ceil((57 + 1) * (1 - alpha) - 1e-9)
        expected = np.sort(scores)[place - 1] if place <= 57 else math.inf
        assert conformal_quantile(scores, alpha) == expected
    assert conformal_quantile(np.zeros(0), 0.1) == math.inf


@pytest.mark.parametrize(("n_rows", "alpha", "place"), [(99, 0.93, 7), (99, 0.1, 90), (9, 0.1, 9), (19, 0.05, 19)])
def test_whole_places_are_not_rounded_up(n_rows, alpha, place):
    assert conformal_level(n_rows, alpha) == place


def test_scores_are_what_they_are_defined_as():
    drawn = np.random.default_rng(2).random(50)
    found = {
        "lac": class_scores("lac", PROBA),
        "aps": class_scores("aps", PROBA),
        "randomised": class_scores("aps", PROBA, drawn),
        "raps": class_scores("raps", PROBA, drawn, penalty=0.3, free=2),
    }
    for row in range(50):
        for label in range(6):
            own = PROBA[row, label]
            before = PROBA[row][PROBA[row] > own].sum()
            rank = 1 + (PROBA[row] > own).sum()
            assert found["lac"][row, label] == pytest.approx(1 - own)
            assert found["aps"][row, label] == pytest.approx(before + own)
            assert found["randomised"][row, label] == pytest.approx(before + (1 - drawn[row]) * own)
            penalty = 0.3 * max(0, rank - 2)
            assert found["raps"][row, label] == pytest.approx(before + (1 - drawn[row]) * own + penalty)


def test_classes_of_equal_probability_rank_by_their_numbers():
    assert class_scores("aps", np.full((1, 4), 0.25)).tolist() == [[0.25, 0.5, 0.75, 1.0]]

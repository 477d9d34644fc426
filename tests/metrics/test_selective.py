"""Risk–coverage curves against their definition and scikit-learn, and what must hold of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from ensembler.errors import ShapeError, ValueRangeError
from ensembler.metrics.bootstrap import bootstrap_counts
from ensembler.metrics.selective import (
    Answered,
    answered_steps,
    area_differences,
    auroc_intervals,
    error_auroc,
    resampled_areas,
    risk_bounds,
    risk_coverage,
    risk_interval,
)

ROWS = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=40)


def drawn(seed=0, n_rows=300, decimals=9):
    rng = np.random.default_rng(seed)
    sure = rng.random(n_rows).round(decimals)
    return rng.random(n_rows) < 0.3 + 0.6 * sure, sure


def by_definition(correct, confidence):
    """Every row has the risk of all rows that are as confident as it is, or more."""
    risks = [(~correct[confidence >= own]).mean() for own in confidence]
    return float(np.mean(risks))


@pytest.mark.parametrize("decimals", [9, 1])
def test_the_area_is_the_mean_risk_over_coverage(decimals):
    correct, sure = drawn(decimals=decimals)
    curve = risk_coverage(correct, sure)
    assert curve.aurc == pytest.approx(by_definition(correct, sure), abs=1e-12)
    for threshold, coverage, risk in zip(curve.thresholds, curve.coverage, curve.risk, strict=True):
        answered = sure >= threshold
        assert coverage == pytest.approx(answered.mean())
        assert risk == pytest.approx((~correct[answered]).mean())


def test_the_excess_is_beyond_the_best_order():
    correct, sure = drawn()
    n_rows, n_wrong = len(correct), int((~correct).sum())
    best = sum((i - n_rows + n_wrong) / i for i in range(n_rows - n_wrong + 1, n_rows + 1)) / n_rows
    curve = risk_coverage(correct, sure)
    assert curve.excess == pytest.approx(curve.aurc - best, abs=1e-12)
    # A confidence that is larger in every right row than in any wrong one has no excess, ties aside.
    assert risk_coverage(correct, sure + correct).excess == pytest.approx(0.0, abs=1e-12)


def test_the_best_area_tends_to_its_limit():
    n_rows, error = 200_000, 0.3
    correct = np.arange(n_rows) >= error * n_rows
    found = risk_coverage(correct, np.linspace(0, 1, n_rows)).aurc
    assert found == pytest.approx(error + (1 - error) * np.log(1 - error), abs=1e-4)


@given(ROWS)
def test_ties_are_one_step_whatever_the_order_of_rows(rows):
    correct, sure = (np.array(values) for values in zip(*rows, strict=True))
    correct, sure = correct.astype(bool), sure / 6
    curve, turned = risk_coverage(correct, sure), risk_coverage(correct[::-1], sure[::-1])
    assert len(curve.thresholds) == len(np.unique(sure))
    assert curve.aurc == pytest.approx(turned.aurc, abs=1e-12)
    assert curve.aurc == pytest.approx(by_definition(correct, sure), abs=1e-12)
    assert curve.excess >= 0
    assert curve.risk[-1] == pytest.approx((~correct).mean())
    assert curve.coverage[-1] == 1


def test_weights_are_repeated_rows_and_weight_0_is_none():
    correct, sure = drawn(1, 120, decimals=1)
    weight = np.random.default_rng(0).integers(0, 4, 120)
    repeated = np.repeat(np.arange(120), weight)
    found, expected = risk_coverage(correct, sure, weight), risk_coverage(correct[repeated], sure[repeated])
    np.testing.assert_allclose(found.risk, expected.risk)
    np.testing.assert_allclose(found.coverage, expected.coverage)
    assert found.aurc == pytest.approx(expected.aurc)


def test_the_risk_at_a_coverage():
    curve = risk_coverage([True, True, False, True], [0.9, 0.8, 0.8, 0.6])
    assert curve.at(0.25) == 0
    assert curve.at(0.5) == pytest.approx(1 / 3)
    assert curve.at(1.0) == 0.25


def test_bootstrap_samples_have_the_areas_of_their_rows():
    correct, sure = drawn(2, 80, decimals=1)
    areas = resampled_areas(correct, [sure, -sure], n_resamples=50, seed=3)
    counts = np.concatenate(list(bootstrap_counts(80, 50, 3)))
    for place in range(50):
        rows = np.repeat(np.arange(80), counts[place].astype(int))
        assert areas[0, place] == pytest.approx(risk_coverage(correct[rows], sure[rows]).aurc)
        assert areas[1, place] == pytest.approx(risk_coverage(correct[rows], -sure[rows]).aurc)


def test_a_worse_signal_is_shown_to_be_worse():
    correct, sure = drawn(0, 2000)
    same, worse = area_differences(correct, [sure, np.random.default_rng(1).random(2000)])
    assert same == (0.0, 0.0)
    assert worse[0] > 0
    assert area_differences(correct[:5], [sure[:5]]) == [None]


def test_bounds_are_clopper_and_pearsons():
    wrong, answered = np.array([0, 3, 40, 7]), np.array([10, 50, 200, 7])
    for delta in (0.05, 0.0005):
        found = risk_bounds(wrong, answered, delta)
        for place in range(4):
            test = binomtest(int(wrong[place]), int(answered[place]))
            assert found[place] == pytest.approx(test.proportion_ci(1 - 2 * delta, method="exact").high, abs=1e-9)
    assert risk_interval(0, 0) == (0.0, 1.0)


def test_steps_with_groups_are_wider_than_with_rows():
    correct, sure = drawn(0, 400)
    groups = np.repeat(np.arange(40), 10)
    correct = np.repeat(correct[:40], 10)
    (alone,) = answered_steps(correct, sure[None] >= 0.5)
    (grouped,) = answered_steps(correct, sure[None] >= 0.5, groups=groups)
    assert grouped.risk == alone.risk
    assert grouped.interval[1] - grouped.interval[0] > 1.5 * (alone.interval[1] - alone.interval[0])
    nothing = Answered.of(correct, np.zeros(400, dtype=bool))
    assert (nothing.coverage, nothing.n_answered, nothing.interval) == (0.0, 0, None)
    assert np.isnan(nothing.risk)


def test_weighted_steps_are_those_of_repeated_rows():
    correct, sure = drawn(4, 100)
    weight = np.random.default_rng(0).integers(1, 4, 100)
    rows = np.repeat(np.arange(100), weight)
    weighted = Answered.of(correct, sure >= 0.4, weight.astype(float))
    repeated = Answered.of(correct[rows], sure[rows] >= 0.4)
    assert weighted.risk == pytest.approx(repeated.risk)
    assert weighted.coverage == pytest.approx(repeated.coverage)


@pytest.mark.parametrize("decimals", [9, 1])
def test_the_auroc_is_scikit_learns(decimals):
    correct, sure = drawn(5, decimals=decimals)
    assert error_auroc(correct, sure) == pytest.approx(roc_auc_score(correct, sure), abs=1e-12)
    assert np.isnan(error_auroc(np.ones(5, dtype=bool), sure[:5]))
    (interval, _), (_, difference) = auroc_intervals(correct, [sure, np.zeros(300)])
    assert interval[0] < roc_auc_score(correct, sure) < interval[1]
    assert difference[1] < 0


@pytest.mark.parametrize(
    ("correct", "confidence", "error", "message"),
    [
        ([1, 0], [0.5, 0.5], ShapeError, "correct is int64 of shape"),
        ([True, False], [0.5], ShapeError, "confidence has shape"),
        ([True, False], [0.5, np.nan], ValueRangeError, "not finite"),
        (np.zeros(0, dtype=bool), [], ShapeError, "expected bool of shape"),
    ],
)
def test_what_is_no_curve_is_refused(correct, confidence, error, message):
    with pytest.raises(error, match=message):
        risk_coverage(correct, confidence)

"""Pooled effects are those of statsmodels, and what they claim about a new set is true."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from ensembler.errors import ShapeError, UnknownNameError, ValueRangeError
from ensembler.metrics.paired import standard_error, standard_error_of_mean
from ensembler.metrics.pooling import BETWEEN_SETS, difference_of_means, difference_of_shares, pool_effects

EFFECTS = st.floats(-0.2, 0.2, allow_subnormal=False)
ERRORS = st.floats(0.001, 0.05)
SETS = st.lists(st.tuples(EFFECTS, ERRORS), min_size=2, max_size=12)
METHODS = pytest.mark.parametrize("method", sorted(BETWEEN_SETS))


def draw(seed, n_sets, tau):
    rng = np.random.default_rng(seed)
    errors = rng.uniform(0.003, 0.02, n_sets)
    return rng.normal(0.01, np.hypot(tau, errors)), errors


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize(("method", "theirs"), [("dersimonian-laird", "chi2"), ("paule-mandel", "iterated")])
@pytest.mark.parametrize("n_sets", [2, 3, 10, 40])
@pytest.mark.parametrize("tau", [0.0, 0.01, 0.05])
def test_pooling_is_statsmodels(method, theirs, n_sets, tau):
    from statsmodels.stats.meta_analysis import combine_effects

    effects, errors = draw(n_sets, n_sets, tau)
    found = pool_effects(effects, errors, method)
    expected = combine_effects(effects, errors**2, method_re=theirs, use_t=True)
    precision = 1e-10 if theirs == "chi2" else 1e-5  # at which its iteration stops
    _, _, of_fixed, of_random = expected.conf_int()  # the last two by Hartung and Knapp
    if expected.tau2 > 0:
        error, interval = expected.sd_eff_w_re_hksj, of_random
        effect, tau_squared = expected.mean_effect_re, expected.tau2
    else:  # statsmodels goes below 0, where everybody else stops
        error, interval = expected.sd_eff_w_fe_hksj, of_fixed
        effect, tau_squared = expected.mean_effect_fe, 0.0
    assert found.tau**2 == pytest.approx(tau_squared, rel=precision)
    assert (found.effect, found.standard_error) == pytest.approx((effect, error), rel=precision)
    assert found.interval == pytest.approx(tuple(interval), rel=precision)
    assert found.n_sets == n_sets


@METHODS
@given(sets=SETS)
def test_paule_mandel_solves_its_equation_and_no_method_goes_below_zero(method, sets):
    effects, errors = np.array(sets).T
    found = pool_effects(effects, errors, method)
    weights = 1 / (found.tau**2 + errors**2)
    excess = (weights * (effects - found.effect) ** 2).sum() - (len(effects) - 1)
    assert found.tau >= 0
    if method == "paule-mandel":
        assert excess == pytest.approx(0, abs=1e-6) if found.tau else excess < 1e-9


@METHODS
@given(sets=SETS, shift=EFFECTS)
def test_the_order_of_sets_changes_nothing_and_a_shift_only_the_middle(method, sets, shift):
    effects, errors = np.array(sets).T
    found = pool_effects(effects, errors, method)
    turned = pool_effects(effects[::-1] + shift, errors[::-1], method)
    assert turned.effect == pytest.approx(found.effect + shift, abs=1e-9)
    assert turned.tau == pytest.approx(found.tau, abs=1e-6)
    if np.ptp(effects) > 1e-6:
        assert turned.standard_error == pytest.approx(found.standard_error, rel=1e-5)
    assert found.interval[0] <= found.effect <= found.interval[1]


@METHODS
def test_the_prediction_interval_is_made_from_the_hartung_knapp_error(method):
    effects, errors = draw(3, 12, 0.02)
    found = pool_effects(effects, errors, method)
    weights = 1 / (found.tau**2 + errors**2)
    hartung_knapp = np.sqrt((weights * (effects - found.effect) ** 2).sum() / (11 * weights.sum()))
    assert found.standard_error == pytest.approx(hartung_knapp)
    if method == "dersimonian-laird":  # Paule and Mandel's tau makes the usual standard error the same
        assert found.standard_error != pytest.approx(1 / np.sqrt(weights.sum()), rel=1e-3)
    reach = t.ppf(0.975, 12 - 2) * np.sqrt(found.tau**2 + hartung_knapp**2)
    assert found.prediction_interval == pytest.approx((found.effect - reach, found.effect + reach))


def test_a_new_set_lies_in_the_prediction_interval_in_95_of_100_cases():
    rng = np.random.default_rng(0)
    hits = covered = 0
    for _ in range(1000):
        errors = rng.uniform(0.003, 0.01, 15)
        found = pool_effects(rng.normal(0.01, np.hypot(0.02, errors)), errors)
        low, high = found.prediction_interval
        hits += low <= rng.normal(0.01, 0.02) <= high
        covered += found.interval[0] <= 0.01 <= found.interval[1]
    assert hits / 1000 == pytest.approx(0.95, abs=0.025)
    assert covered / 1000 == pytest.approx(0.95, abs=0.025)


@METHODS
def test_few_sets_have_no_intervals(method):
    one = pool_effects([0.02], [0.01], method)
    assert (one.effect, one.standard_error, one.tau) == (0.02, pytest.approx(0.01), 0.0)
    assert one.interval is None
    assert one.prediction_interval is None
    two = pool_effects([0.02, 0.03], [0.01, 0.01], method)
    assert two.interval is not None
    assert two.prediction_interval is None
    assert pool_effects([0.02, 0.03, 0.01], [0.01] * 3, method).prediction_interval is not None


@METHODS
@pytest.mark.parametrize("effect", [0.0, 0.1 + 0.2])
def test_equal_effects_are_as_uncertain_as_each_of_them(method, effect):
    errors = np.array([0.01, 0.02, 0.03])
    found = pool_effects([effect, effect, round(effect, 12)], errors, method)
    error = 1 / np.sqrt((errors**-2).sum())
    assert (found.effect, found.standard_error, found.tau) == pytest.approx((effect, error, 0.0))
    assert np.ptp(found.interval) == pytest.approx(2 * t.ppf(0.975, 2) * error)


@METHODS
def test_rules_that_agree_in_every_row_of_a_set_have_no_error_there(method):
    effects = [0.0, 0.01, 0.02, -0.01]
    found = pool_effects(effects, [0.0, 0.01, 0.02, 0.03], method)
    assert found == pool_effects(effects, [0.01, 0.01, 0.02, 0.03], method)
    everywhere = pool_effects([0.0] * 4, [0.0] * 4, method)
    assert (everywhere.effect, everywhere.tau) == (0.0, 0.0)
    assert everywhere.interval == pytest.approx((0.0, 0.0), abs=1e-11)
    exact = pool_effects(effects, [0.0] * 4, method)
    assert exact.tau == pytest.approx(np.std(effects, ddof=1))
    assert exact.standard_error == pytest.approx(exact.tau / 2)


@pytest.mark.parametrize(
    ("effects", "errors", "error", "message"),
    [
        ([], [], ShapeError, r"effects has shape \(0,\), expected one number a set"),
        ([[0.1]], [0.1], ShapeError, r"effects has shape \(1, 1\), expected one number a set"),
        ([0.1, 0.2], [0.1], ShapeError, "standard_errors has 1 sets, effects has 2; expected one each"),
        ([0.1, np.nan], [0.1, 0.1], ValueRangeError, "effects: set 1 is nan, expected finite numbers"),
        ([0.1, 0.2], [0.1, np.inf], ValueRangeError, "standard_errors: set 1 is inf, expected finite numbers"),
        ([0.1, 0.2], [-0.1, 0.1], ValueRangeError, "standard_errors: set 0 is -0.1, expected numbers >= 0"),
    ],
)
def test_what_cannot_be_pooled_is_refused(effects, errors, error, message):
    with pytest.raises(error, match=message):
        pool_effects(effects, errors)


def test_an_unknown_method_is_refused():
    with pytest.raises(UnknownNameError, match="unknown method 'dersimonian'; did you mean 'dersimonian-laird'"):
        pool_effects([0.1], [0.1], "dersimonian")


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_a_difference_of_shares_has_one_more_discordant_row_each_way(pairs):
    first, second = np.array(pairs).T
    b, c, n_rows = int((first & ~second).sum()), int((second & ~first).sum()), len(first)
    difference, error = difference_of_shares(b, c, n_rows)
    assert difference == pytest.approx(first.mean() - second.mean())
    assert error > 0
    # The variance of N rows, of which one more each way differ.
    assert error**2 == pytest.approx(standard_error(first, second) ** 2 + 2 / n_rows**2)


@pytest.mark.parametrize(("better", "worse", "n_rows"), [(-1, 0, 5), (3, 3, 5), (0, 0, 0), (0, np.nan, 5)])
def test_impossible_counts_are_refused(better, worse, n_rows):
    with pytest.raises(ValueRangeError, match="discordant rows are .* expected numbers >= 0, together at most all"):
        difference_of_shares(better, worse, n_rows)


def test_the_error_of_a_mean_is_that_of_ordinary_and_of_clustered_regression():
    from statsmodels.api import OLS, WLS

    rng = np.random.default_rng(0)
    values, weights = rng.normal(size=200), rng.uniform(0.5, 2, 200)
    groups = np.repeat(np.arange(40), 5)
    constant = np.ones(200)
    clustered = {"cov_type": "cluster", "cov_kwds": {"groups": groups, "use_correction": False}}
    for fitted, found in [
        (OLS(values, constant).fit(cov_type="HC0"), difference_of_means(values)),
        (OLS(values, constant).fit(**clustered), difference_of_means(values, groups=groups)),
        (WLS(values, constant, weights).fit(cov_type="HC0"), difference_of_means(values, weights)),
        (WLS(values, constant, weights).fit(**clustered), difference_of_means(values, weights, groups)),
    ]:
        assert found == pytest.approx((fitted.params[0], fitted.bse[0]))
    assert difference_of_means(values)[1] == pytest.approx(values.std() / np.sqrt(200))


def test_the_error_of_a_mean_does_not_change_with_the_scale_of_the_weights():
    values, weights = np.array([0.1, -0.2, 0.4]), np.array([1.0, 2.0, 3.0])
    assert difference_of_means(values, 10 * weights) == pytest.approx(difference_of_means(values, weights))
    assert standard_error_of_mean(values, np.ones(3)) == standard_error_of_mean(values)


def test_equal_losses_have_no_error():
    assert difference_of_means(np.zeros(5)) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("differences", "options", "error", "message"),
    [
        ([], {}, ShapeError, "differences has shape"),
        ([0.1, np.inf], {}, ValueRangeError, "differences: row 1 is inf, expected finite numbers"),
        ([0.1, 0.2], {"sample_weight": [1.0]}, ShapeError, "sample_weight has shape"),
        ([0.1, 0.2], {"groups": np.array([1])}, ShapeError, r"groups have shape \(1,\), expected \(2,\)"),
        ([0.1, 0.2], {"groups": np.array([1, 1])}, ValueRangeError, "groups hold 1 group, expected at least 2"),
    ],
)
def test_what_has_no_mean_is_refused(differences, options, error, message):
    with pytest.raises(error, match=message):
        difference_of_means(differences, **options)

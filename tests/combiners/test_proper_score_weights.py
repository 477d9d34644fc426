"""Weights with the least loss: the log-linear pool, the simplex weights and the super learner."""

import warnings

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize, nnls

from ensembler import (
    ExponentialWeightedAverage,
    LogLinearPool,
    Predictions,
    SimplexWeights,
    SuperLearner,
    compare_rules,
    make_rule,
    sweep_subsets,
)
from ensembler.arrays import normalise
from ensembler.combiners._box_newton import Expansion, minimise
from ensembler.combiners.log_pool import LARGEST_WEIGHT, PoolLoss
from ensembler.errors import FitWarning, ParameterError
from ensembler.metrics import METRICS
from tests.conftest import draw

log_loss = METRICS["log-loss"]


@pytest.fixture(scope="module")
def published(fer):
    return (
        normalise(fer.validation.proba),
        fer.validation.labels,
        normalise(fer.proba),
        fer.labels,
    )


@pytest.mark.parametrize(
    ("rule", "weights", "right", "loss"),
    [
        (
            LogLinearPool(ridge=0),
            [0.0101, 0.0053, 0.2559, 0.2610, 0.1440, 0.0018, 0.0410, 0.0143, 0.0719],
            2514,
            0.826314,
        ),
        (LogLinearPool(), None, 2519, 0.826368),
        (SimplexWeights(), [0.0497, 0.0005, 0.3407, 0.2694, 0.1287, 0.0724, 0.0471, 0.0191, 0.0726], 2521, 0.838083),
        (SuperLearner(), None, 2519, 0.838144),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_reference_figures_on_the_published_networks(published, rule, weights, right, loss):
    fit_proba, fit_labels, proba, labels = published
    rule.fit(fit_proba, fit_labels)
    assert abs(int((rule.predict(proba) == labels).sum()) - right) <= 1
    assert log_loss(labels, rule.predict_proba(proba)) == pytest.approx(loss, abs=1e-5)
    if weights is not None:
        np.testing.assert_allclose(rule.weights_, weights, atol=5e-4)


def test_losses_and_raw_weights_of_the_reference(published):
    fit_proba, fit_labels, _, _ = published
    pool, mixture = LogLinearPool(ridge=0).fit(fit_proba, fit_labels), SimplexWeights().fit(fit_proba, fit_labels)
    assert pool.score(fit_proba, fit_labels, metric="log-loss") == pytest.approx(0.867753, abs=1e-5)
    assert mixture.score(fit_proba, fit_labels, metric="log-loss") == pytest.approx(0.875349, abs=1e-5)
    raw = SuperLearner().fit(fit_proba, fit_labels).coefficients_
    expected = [0.0547, 0.0059, 0.3533, 0.2857, 0.1196, 0.0194, 0.0466, 0.0335, 0.0934]
    np.testing.assert_allclose(raw, expected, atol=5e-4)
    features = fit_proba.transpose(1, 2, 0).reshape(-1, 9)
    np.testing.assert_allclose(raw, nnls(features, np.eye(7)[fit_labels].ravel())[0], atol=1e-9)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_pool_meets_its_optimality_conditions(seed, signed, bias):
    proba, labels = draw(seed, 6, 200, 3)
    proba[0] = draw(seed + 10, 1, 200, 3)[0][0]  # a member that knows nothing
    weight = np.random.default_rng(seed).uniform(0.2, 3, 200)
    rule = LogLinearPool(0.003, bias=bias, signed=signed).fit(proba, labels, weight)
    loss = PoolLoss(proba, labels, weight, 0.003, n_biases=3 if bias else 0)
    point = np.concatenate([rule.weights_, rule.bias_]) if bias else rule.weights_
    gradient = loss.expand(point).gradient
    at_zero = np.zeros(len(point), dtype=bool)
    at_zero[:6] = (rule.weights_ == 0) & (not signed)
    np.testing.assert_allclose(gradient[~at_zero], 0, atol=1e-7)
    assert (gradient[at_zero] >= 0).all()
    assert signed or (rule.weights_ >= 0).all()
    assert rule.members_used() == tuple(np.flatnonzero(rule.weights_))


@pytest.mark.parametrize(("n_members", "n_classes"), [(4, 3), (18, 3), (4, 35)])
@pytest.mark.parametrize("n_kept", [1 << 25, 10])
def test_the_pools_derivatives_are_those_of_its_loss(n_kept, n_members, n_classes, monkeypatch):
    monkeypatch.setattr("ensembler.arrays.MANY_VALUES", n_kept)
    proba, labels = draw(3, n_members, 80, n_classes)
    loss = PoolLoss(proba, labels, np.ones(80), 0.1, n_biases=n_classes)
    n_variables = n_members + n_classes
    point = np.random.default_rng(0).uniform(0, 4 / n_members, n_variables)
    assert check_grad(loss.value, lambda x: loss.expand(x).gradient, point) < 1e-6
    every = np.arange(n_variables)
    for column in (0, 1, n_members - 1, n_members, n_variables - 1):
        error = check_grad(
            lambda x, c=column: loss.expand(x).gradient[c], lambda x, c=column: loss.expand(x).hessian(every)[c], point
        )
        assert error < 1e-5
    some = np.array([1, 2, 5])
    hessian = loss.expand(point).hessian
    np.testing.assert_allclose(hessian(some), hessian(every)[np.ix_(some, some)], rtol=1e-12)
    assert loss.value(point) == pytest.approx(loss.expand(point).value, abs=1e-12)


def test_the_pool_is_what_a_general_optimiser_finds():
    proba, labels = draw(4, 5, 150)
    loss = PoolLoss(proba, labels, np.ones(150), 0.01, n_biases=0)
    found = minimize(loss.value, loss.start, method="L-BFGS-B", bounds=[(0, 10)] * 5, options={"ftol": 1e-14})
    np.testing.assert_allclose(LogLinearPool().fit(proba, labels).weights_, found.x, atol=1e-4)


@pytest.mark.parametrize("bias", [False, True])
def test_the_pool_of_many_rows_ends_where_it_would_from_the_geometric_mean(bias):
    proba, labels = draw(6, 5, 8300)
    weight = np.random.default_rng(6).uniform(0.5, 2, 8300)
    rule = LogLinearPool(bias=bias).fit(proba, labels, weight)
    n_biases = proba.shape[2] if bias else 0
    loss = PoolLoss(proba, labels, weight, 0.01, n_biases=n_biases)
    low = np.concatenate([np.zeros(5), np.full(n_biases, -10.0)])
    found = minimise(loss.expand, loss.value, loss.start, low, np.full(5 + n_biases, 10.0))
    np.testing.assert_allclose(rule.weights_, found.point[:5], atol=1e-7)


@pytest.mark.parametrize("n_rows", [300, 9000])
def test_the_pool_of_many_members_ends_where_it_would_from_the_geometric_mean(n_rows):
    proba, labels = draw(7, 70, n_rows, 3)
    rule = LogLinearPool().fit(proba, labels)
    loss = PoolLoss(proba, labels, np.ones(n_rows), rule.ridge, 0)
    plain = minimise(loss.expand, loss.value, loss.start, np.zeros(70), np.full(70, LARGEST_WEIGHT))
    np.testing.assert_allclose(rule.weights_, plain.point, atol=1e-6)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("n_members", [2, 9])
def test_a_signed_pool_that_knows_the_one_without_signs_is_the_same(n_members, bias):
    proba, labels = draw(2, 9, 200, 3)
    proba = proba[-n_members:]
    known = LogLinearPool(bias=bias).fit(proba, labels)
    assert (known.weights_ == 0).any() == (n_members == 9)
    alone = LogLinearPool(bias=bias, signed=True)
    reused = LogLinearPool(bias=bias, signed=True).reuse({known.to_text(): known})
    for rule in (alone, reused):
        rule.fit(proba, labels)
    np.testing.assert_allclose(reused.weights_, alone.weights_, atol=1e-6)
    np.testing.assert_allclose(reused.bias_, alone.bias_, atol=1e-6)
    if n_members == 2:
        np.testing.assert_array_equal(reused.weights_, known.weights_)
    # What was known of these rows says nothing of others.
    np.testing.assert_allclose(
        reused.fit(proba[:, :100], labels[:100]).weights_,
        LogLinearPool(bias=bias, signed=True).fit(proba[:, :100], labels[:100]).weights_,
    )


def test_logarithms_that_are_not_kept_give_the_same_pool(monkeypatch):
    proba, labels = draw(7, 3, 300)
    kept = LogLinearPool().fit(proba, labels).weights_
    monkeypatch.setattr("ensembler.arrays.MANY_VALUES", 10)
    found = LogLinearPool().fit(proba, labels).weights_
    np.testing.assert_allclose(found, kept, rtol=1e-12)
    # Spans of rows are summed in their order, whoever goes through them.
    monkeypatch.setenv("ENSEMBLER_ONE_THREAD", "1")
    np.testing.assert_array_equal(LogLinearPool().fit(proba, labels).weights_, found)


@pytest.mark.parametrize("ridge", [0.0, 0.01])
def test_members_in_any_order_of_memory_have_the_same_pool(ridge):
    proba, labels = draw(9, 3, 200, 40)
    expected = LogLinearPool(ridge).fit(proba, labels).weights_
    by_row = np.ascontiguousarray(proba.transpose(1, 0, 2)).transpose(1, 0, 2)
    for same in (by_row, np.asfortranarray(proba)):
        np.testing.assert_allclose(LogLinearPool(ridge).fit(same, labels).weights_, expected, rtol=1e-9)


@pytest.mark.parametrize("likeness", [0.0, 1e-7, 1.0])
def test_members_that_are_nearly_alike_have_the_least_squares_of_all_values(likeness):
    proba, labels = draw(8, 4, 300)
    proba[1] = (1 - likeness) * proba[0] + likeness * proba[1]
    weight = np.random.default_rng(0).random(300)
    found = SuperLearner().fit(proba, labels, weight).coefficients_
    root = np.repeat(np.sqrt(weight), 4)[:, None]
    features, target = root * proba.transpose(1, 2, 0).reshape(-1, 4), root[:, 0] * np.eye(4)[labels].ravel()
    best = nnls(features, target)
    assert np.linalg.norm(features @ found - target) <= best[1] + 1e-9
    if likeness == 1.0:
        np.testing.assert_allclose(found, best[0], atol=1e-9)


def test_spans_of_rows_have_the_same_least_squares(monkeypatch):
    proba, labels = draw(8, 5, 300)
    weight = np.random.default_rng(0).random(300)
    whole = SuperLearner().fit(proba, labels, weight)
    monkeypatch.setattr("ensembler.arrays.MANY_VALUES", 10)
    found = SuperLearner().fit(proba, labels, weight)
    np.testing.assert_allclose(found.coefficients_, whole.coefficients_, rtol=1e-12)
    few = SuperLearner().fit(proba[:, :3], labels[:3])
    assert few.weights_.sum() == pytest.approx(1)


def test_simplex_weights_are_the_fixed_point_of_em():
    proba, labels = draw(5, 4, 200)
    true = proba[:, np.arange(200), labels].T
    weights = np.full(4, 0.25)
    for _ in range(20_000):
        weights *= (true / (true @ weights)[:, None]).mean(axis=0)
    rule = SimplexWeights().fit(proba, labels)
    np.testing.assert_allclose(rule.weights_, weights, atol=1e-5)
    assert rule.weights_.sum() == pytest.approx(1)


@pytest.mark.parametrize("rule", [LogLinearPool(), SimplexWeights(), SuperLearner()], ids=lambda rule: rule.name)
def test_members_that_say_zero_have_finite_answers(rule):
    labels = np.arange(60) % 3
    certain = np.stack([np.eye(3)[labels], np.eye(3)[(labels + 1) % 3], np.full((60, 3), 1 / 3)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        output = rule.fit(certain, labels).predict_proba(certain)
    assert np.isfinite(output).all()
    assert np.isfinite(rule.weights_).all()
    np.testing.assert_array_equal(output.argmax(axis=1), labels)


def test_separable_rows_keep_weights_finite_and_small():
    labels = np.arange(40) % 2
    proba = np.array([[[0.9, 0.1], [0.1, 0.9]]])[:, labels]
    rule = LogLinearPool().fit(proba, labels)
    assert 1 < rule.weights_[0] < 4
    loss = PoolLoss(proba, labels, np.ones(40), 0.01, n_biases=0)
    assert loss.penalty(np.array([2.0])) == pytest.approx(1 / (8 * 40))


def test_a_weight_at_its_bound_is_told():
    labels = np.arange(40_000) % 2
    proba = np.array([[[0.501, 0.499], [0.499, 0.501]]])[:, labels]
    with pytest.warns(FitWarning, match="a weight has reached its bound of 10"):
        rule = LogLinearPool().fit(proba, labels)
    assert rule.weights_ == [LARGEST_WEIGHT]


def test_bias_moves_towards_frequent_classes():
    rng = np.random.default_rng(0)
    labels = (rng.random(500) < 0.2).astype(int)
    proba = np.full((1, 500, 2), 0.5)
    rule = LogLinearPool(ridge=0.0, bias=True).fit(proba, labels)
    np.testing.assert_allclose(rule.predict_proba(proba)[0], np.bincount(labels) / 500, atol=1e-6)


def test_a_signed_pool_takes_weak_members_from_strong_ones():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, 600)
    nuisance = 3 * rng.normal(size=(600, 4))
    strong = normalise(np.exp(nuisance + 1.5 * np.eye(4)[labels]))
    weak = normalise(np.exp(nuisance))
    proba = np.stack([strong, weak])
    signed = LogLinearPool(signed=True).fit(proba, labels)
    assert signed.weights_[1] < 0
    assert signed.score(proba, labels) > LogLinearPool().fit(proba, labels).score(proba, labels) + 0.2
    signed.weights_ = [1.0, -1.0]
    with pytest.raises(ParameterError, match="expected finite numbers >= 0"):
        LogLinearPool().fit(proba, labels).weights_ = [1.0, -1.0]


@pytest.mark.parametrize("name", ["log-pool", "simplex", "super-learner", "log-pool:bias=true"])
def test_frozen_weights_are_a_sum_over_members(name):
    proba, labels = draw(6, 4, 150)
    fitted = make_rule(name).fit(proba, labels)
    sweep = sweep_subsets(proba, labels, fitted)
    assert sweep.correct[15] == (fitted.predict(proba) == labels).sum()
    for mask in (1, 5, 14):
        scores = fitted.frozen_offset() + sum(
            fitted.frozen_contribution(member, proba[member]) for member in range(4) if mask >> member & 1
        )
        assert sweep.correct[mask] == (scores.argmax(axis=1) == labels).sum()


def test_hard_labels_are_refused_where_they_mean_nothing():
    proba, labels = draw(7, 3)
    data = Predictions(np.eye(4)[proba.argmax(axis=-1)], labels, hard=[True] * 3)
    result = compare_rules(data, ["log-pool", "simplex", "blend", "super-learner"], n_resamples=0)
    reasons = dict(result.left_out)
    assert set(reasons) == {"log-pool", "simplex", "blend"}
    assert reasons["log-pool"] == "needs probabilities, and some members are hard labels"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("log-pool:ridge=-1", "ridge is -1, expected a number of at least 0"),
        ("log-pool:bias=1", "bias is 1, expected true or false"),
        ("log-pool:signed=yes", "signed is 'yes', expected true or false"),
    ],
)
def test_impossible_parameters(text, message):
    with pytest.raises(ParameterError, match=message):
        make_rule(text)


def test_a_minimum_on_the_bounds_and_one_that_does_not_exist():
    def quadratic(x):
        return Expansion(float((x - 3) @ (x - 3)), 2 * (x - 3), lambda free: 2 * np.eye(len(free)))

    found = minimise(quadratic, lambda x: quadratic(x).value, np.zeros(2), np.zeros(2), np.array([1.0, 9.0]))
    np.testing.assert_allclose(found.point, [1, 3])
    assert found.converged

    def falling(x):
        return Expansion(float(np.exp(-x[0])), -np.exp(-x), lambda free: np.diag(np.exp(-x[free])))

    found = minimise(falling, lambda x: falling(x).value, np.zeros(1), np.zeros(1), np.full(1, np.inf))
    assert found.point[0] > 10


def test_weights_agree_with_older_rules_in_direction(published):
    fit_proba, fit_labels, proba, labels = published
    kim = ExponentialWeightedAverage().fit(fit_proba, fit_labels)
    pool = LogLinearPool().fit(fit_proba, fit_labels)
    assert pool.score(proba, labels, metric="log-loss") < kim.score(proba, labels, metric="log-loss")

"""Stacking against scikit-learn used directly."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, RidgeClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from ensembler import Stacking, load_predictions
from ensembler.combiners import _logistic
from ensembler.combiners._logistic import LogisticRows
from ensembler.combiners.stacked import REGULARISATION, folds_within, searched_rows
from ensembler.errors import FitWarning, NotApplicableError, ParameterError
from ensembler.predictions import bundled
from tests.conftest import draw


def features(proba):
    return np.concatenate([np.log(np.clip(member, 1e-6, None)) for member in proba], axis=1)


def test_it_is_a_tuned_logistic_regression_on_standardised_log_probabilities():
    proba, labels = draw(1, 4, 400)
    new, _ = draw(2, 4, 100)
    weights = np.random.default_rng(3).uniform(0.2, 2, 400)
    weights /= weights.mean()
    for weight in (None, weights):
        scaler = StandardScaler().fit(features(proba), sample_weight=weight)
        folds = StratifiedKFold(3, shuffle=True, random_state=0)
        direct = LogisticRegressionCV(
            Cs=[0.001, 0.01, 0.1],
            cv=folds,
            scoring="neg_log_loss",
            solver="newton-cholesky",
            tol=1e-8,
            l1_ratios=(0,),
            use_legacy_attributes=False,
        ).fit(scaler.transform(features(proba)), labels, sample_weight=weight)
        rule = Stacking().fit(proba, labels, weight)
        np.testing.assert_allclose(
            rule.predict_proba(new), direct.predict_proba(scaler.transform(features(new))), rtol=0, atol=1e-6
        )
    assert rule.n_fitted() == 4 * 16 + 4


def test_it_reaches_the_optimum_which_no_processor_moves():
    data = load_predictions(bundled.folder())
    rule = Stacking(strengths=(0.1,)).fit(data.validation.proba, data.validation.labels)
    scaler = StandardScaler().fit(features(data.validation.proba))
    newton = LogisticRegression(C=0.1, solver="newton-cholesky", tol=1e-8)
    newton.fit(scaler.transform(features(data.validation.proba)), data.validation.labels)
    exact = newton.predict_proba(scaler.transform(features(data.proba)))
    np.testing.assert_allclose(rule.predict_proba(data.proba), exact, rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3, 40])
def test_it_is_the_optimum_for_two_and_for_many_classes(n_classes):
    proba, labels = draw(n_classes, 3, 600, n_classes)
    new, _ = draw(1, 3, 100, n_classes)
    scaler = StandardScaler().fit(features(proba))
    direct = LogisticRegression(
        C=0.05, tol=1e-12, max_iter=10000, solver="newton-cholesky" if n_classes < 9 else "lbfgs"
    )
    direct.fit(scaler.transform(features(proba)), labels)
    rule = Stacking(strengths=(0.05,)).fit(proba, labels)
    expected = direct.predict_proba(scaler.transform(features(new)))
    np.testing.assert_allclose(rule.predict_proba(new)[:, direct.classes_], expected, rtol=0, atol=2e-6)


def test_more_coefficients_than_a_hessian_is_made_of(monkeypatch):
    proba, labels = draw(4, 3, 300)
    whitened = Stacking().fit(proba, labels).predict_proba(proba)
    monkeypatch.setattr("ensembler.combiners._logistic.MOST_COEFFICIENTS", 10)
    np.testing.assert_allclose(Stacking().fit(proba, labels).predict_proba(proba), whitened, rtol=0, atol=2e-6)


def test_rows_of_weight_0_are_left_out():
    proba, labels = draw(5, 3, 300)
    kept = np.random.default_rng(1).random(300) < 0.8
    weighted = Stacking().fit(proba, labels, kept.astype(float)).predict_proba(proba)
    np.testing.assert_array_equal(weighted, Stacking().fit(proba[:, kept], labels[kept]).predict_proba(proba))


def test_a_member_that_never_changes_is_no_feature():
    proba, labels = draw(6, 3, 200)
    constant = np.broadcast_to([0.1, 0.2, 0.3, 0.4], (1, *proba.shape[1:]))
    output = Stacking().fit(np.concatenate([proba, constant]), labels).predict_proba(np.concatenate([proba, constant]))
    np.testing.assert_allclose(output, Stacking().fit(proba, labels).predict_proba(proba), rtol=0, atol=2e-6)


def test_an_absent_class_gets_probability_zero():
    proba, labels = draw(3, 3, 200)
    kept = labels != 1
    output = Stacking().fit(proba[:, kept], labels[kept]).predict_proba(proba)
    assert (output[:, 1] == 0).all()
    np.testing.assert_allclose(output.sum(-1), 1)


def test_any_classifier_can_be_the_final_estimator_and_is_not_changed():
    proba, labels = draw(4, 3, 300)
    for estimator in (RandomForestClassifier(20, random_state=0), RidgeClassifier(), KNeighborsClassifier(5)):
        rule = Stacking(final_estimator=estimator).fit(proba, labels)
        direct = type(estimator)(**estimator.get_params())
        scaled = StandardScaler().fit_transform(features(proba))
        np.testing.assert_array_equal(rule.predict(proba), direct.fit(scaled, labels).predict(scaled))
        assert not hasattr(estimator, "classes_")
        assert rule.final_estimator is estimator


def test_two_classes_with_a_decision_function():
    proba, labels = draw(5, 3, 200, 2)
    rule = Stacking(final_estimator=RidgeClassifier()).fit(proba, labels)
    np.testing.assert_allclose(rule.predict_proba(proba).sum(-1), 1)


def test_parameters_of_the_final_estimator_can_be_set():
    rule = Stacking(final_estimator=LogisticRegression()).set_params(final_estimator__C=0.5)
    assert rule.final_estimator.C == 0.5
    assert rule.get_params()["final_estimator__C"] == 0.5


def test_not_converging_is_a_warning():
    proba, labels = draw(6, 4, 200)
    with pytest.warns(FitWarning, match="did not converge"):
        Stacking(final_estimator=LogisticRegression(max_iter=1)).fit(proba, labels)


def test_row_weights_reach_the_classifier_or_are_refused():
    proba, labels = draw(7, 3, 200)
    weights = np.random.default_rng(0).uniform(0.1, 3, 200)
    assert not np.allclose(
        Stacking().fit(proba, labels, weights).predict_proba(proba), Stacking().fit(proba, labels).predict_proba(proba)
    )
    with pytest.raises(ParameterError, match="KNeighborsClassifier takes no row weights"):
        Stacking(final_estimator=KNeighborsClassifier()).fit(proba, labels, weights)


def test_one_class_cannot_be_learned():
    proba, _ = draw(8, 3, 20)
    with pytest.raises(NotApplicableError, match="stacking needs at least two classes in the fitting rows, got one"):
        Stacking().fit(proba, np.zeros(20, int))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"final_estimator": "logistic"}, "final_estimator is 'logistic', expected a scikit-learn classifier"),
        ({"strengths": (0,)}, "strengths is .* expected a list of positive numbers"),
        ({"strengths": (1.0,), "final_estimator": LogisticRegression()}, "expected the default with a final_estimator"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(ParameterError, match=message):
        Stacking(**options).fit(*draw(9))


@pytest.mark.parametrize(("most_coefficients", "near"), [(_logistic.MOST_COEFFICIENTS, 1e-6), (10, 5e-6)])
def test_strengths_are_compared_by_nearly_the_losses_of_their_optima(most_coefficients, near, monkeypatch):
    """The coarser slope at which folds end leaves the choice, and the losses to less than 1e-4."""
    monkeypatch.setattr(_logistic, "MOST_COEFFICIENTS", most_coefficients)
    data = load_predictions(bundled.folder()).validation
    searched = Stacking().fit(data.proba, data.labels)
    losses = {}
    log_loss = LogisticRows.log_loss
    for tolerance in (_logistic.SEARCH_TOLERANCE, _logistic.TOLERANCE):
        found = losses[tolerance] = []
        monkeypatch.setattr(_logistic, "SEARCH_TOLERANCE", tolerance)
        monkeypatch.setattr(
            LogisticRows,
            "log_loss",
            lambda rows, at, found=found: found.append(log_loss(rows, at)) or found[-1],
        )
        exact = Stacking().fit(data.proba, data.labels)
    coarse, fine = losses.values()
    assert len(coarse) == len(fine) == 9
    np.testing.assert_allclose(coarse, fine, rtol=0, atol=1e-4)
    assert coarse != fine
    np.testing.assert_allclose(searched.predict_proba(data.proba), exact.predict_proba(data.proba), rtol=0, atol=near)


def test_many_rows_compare_strengths_on_a_sample_and_fit_all():
    proba, labels = draw(2, 3, 16_500)
    rows = searched_rows(labels, int(np.bincount(labels).min()))
    assert rows is not None
    assert len(rows) == pytest.approx(8250, abs=1)
    shares = np.bincount(labels[rows]) / np.bincount(labels)
    np.testing.assert_allclose(shares, 0.5, atol=0.001)
    rule = Stacking().fit(proba, labels)
    standardised = StandardScaler().fit_transform(features(proba))
    answers = [
        LogisticRegression(C=strength, tol=1e-9, max_iter=5000).fit(standardised, labels).predict_proba(standardised)
        for strength in rule.strengths
    ]
    gaps = [float(np.abs(rule.predict_proba(proba) - answer).max()) for answer in answers]
    assert min(gaps) < 1e-6


def test_a_rare_class_has_all_rows_compared():
    labels = np.zeros(20_000, dtype=np.int64)
    labels[:5] = 1
    assert searched_rows(labels, 5) is None
    assert searched_rows(labels[:16_000], 8000) is None


@pytest.mark.parametrize("n_rare", [1, 2])
def test_a_class_of_a_row_or_two_does_not_choose_the_strength(n_rare):
    proba, labels = draw(0, 4, 600, 4)
    rare = np.flatnonzero(labels == 3)
    common = np.flatnonzero(labels != 3)
    rows = np.sort(np.concatenate([common[:300], rare[:n_rare]]))
    fitted = Stacking().fit(proba[:, rows], labels[rows])
    # Its strength is one of those that rows of the other classes choose: the best of all fits at one strength.
    rest = np.setdiff1d(common, rows)

    def loss(rule):
        return log_loss(labels[rest], rule.predict_proba(proba[:, rest]), labels=range(4))

    alone = [loss(Stacking(strengths=[strength]).fit(proba[:, rows], labels[rows])) for strength in REGULARISATION]
    assert loss(fitted) < min(alone) + 0.02
    assert loss(fitted) < loss(Stacking(strengths=[0.001]).fit(proba[:, rows], labels[rows])) - 0.02


def test_folds_with_three_rows_of_each_class_are_those_of_scikit_learn():
    labels = np.array([0] * 9 + [1] * 3 + [2] * 5)
    found = folds_within(labels)
    expected = list(StratifiedKFold(3, shuffle=True, random_state=0).split(labels, labels))
    for (train, rest), (their_train, their_rest) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(train, their_train)
        np.testing.assert_array_equal(rest, their_rest)
    assert all(17 in train for train, _ in folds_within(np.append(labels, 3)))

"""The scikit-learn classifier, by scikit-learn's own checks and in its company."""

import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from ensembler import ExponentialWeightedAverage, Predictions, SimpleAverage, compare_rules
from ensembler.adapters.sklearn import EnsembleClassifier
from ensembler.errors import ParameterError, UsageError
from tests.conftest import draw

# These feed three or four classes with a number of columns that no members could have produced.
OTHER_SHAPES = {
    "check_classifiers_classes": "two columns for three classes",
    "check_classifiers_train": "two columns for three classes",
    "check_dtype_object": "ten columns for four classes",
    "check_estimators_fit_returns_self": "two columns for three classes",
    "check_estimators_overwrite_params": "two columns for three classes",
    "check_n_features_in_after_fitting": "four columns for three classes",
    "check_positive_only_tag_during_fit": "four columns for three classes",
    "check_readonly_memmap_input": "two columns for three classes",
}


@parametrize_with_checks(
    [EnsembleClassifier(), EnsembleClassifier("exponential-weighted"), EnsembleClassifier("greedy")],
    expected_failed_checks=lambda estimator: OTHER_SHAPES,
)
@pytest.mark.filterwarnings("ignore::ensembler.errors.FitWarning")
def test_scikit_learns_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("method", ["predict_proba", "decision_function"])
@pytest.mark.filterwarnings("ignore::ensembler.errors.FitWarning")
def test_as_final_estimator_of_a_stacking_classifier(n_classes, method):
    X, y = make_classification(400, 12, n_informative=8, n_classes=n_classes, random_state=0)
    names = np.array(["low", "mid", "high"])[y]
    if method == "predict_proba":
        members = [
            ("forest", RandomForestClassifier(30, random_state=0)),
            ("bayes", GaussianNB()),
            ("lr", LogisticRegression()),
        ]
    else:
        members = [("svc", LinearSVC(random_state=0)), ("lr", LogisticRegression())]
    stack = StackingClassifier(members, EnsembleClassifier("exponential-weighted"), stack_method=method, cv=3)
    stack.fit(X[:300], names[:300])
    final = stack.final_estimator_
    assert final.n_members_ == len(members)
    assert final.per_class_ == (n_classes > 2)
    assert (final.is_proba_ == (method == "predict_proba")).all()
    assert stack.score(X[300:], names[300:]) > (0.8 if n_classes == 2 else 0.6)
    output = stack.predict_proba(X[300:])
    assert output.shape == (100, n_classes)
    np.testing.assert_allclose(output.sum(-1), 1)


def test_it_is_the_rule_itself():
    proba, labels = draw(1, 4, 200, 3)
    X = np.concatenate(list(proba), axis=1)
    ours = EnsembleClassifier(ExponentialWeightedAverage(q_min=0)).fit(X, labels)
    direct = ExponentialWeightedAverage(q_min=0).fit(proba, labels)
    np.testing.assert_allclose(ours.predict_proba(X), direct.predict_proba(proba), atol=1e-12)


def test_two_classes_by_one_or_by_two_columns_a_member():
    proba, labels = draw(2, 4, 200, 2)
    expected = SimpleAverage().fit(proba).predict_proba(proba)
    both = EnsembleClassifier().fit(np.concatenate(list(proba), axis=1), labels)
    one = EnsembleClassifier().fit(proba[..., 1].T, labels)
    assert both.n_members_ == one.n_members_ == 4
    np.testing.assert_allclose(both.predict_proba(np.concatenate(list(proba), axis=1)), expected)
    np.testing.assert_allclose(one.predict_proba(proba[..., 1].T), expected)


@pytest.mark.parametrize("width", [1, 4, 7])
def test_other_widths_are_refused(width):
    X = np.random.default_rng(0).uniform(size=(30, width))
    with pytest.raises(ValueError, match=f"X has {width} columns, expected a multiple of 3"):
        EnsembleClassifier().fit(X, np.arange(30) % 3)


@pytest.mark.parametrize(("n_classes", "n_members"), [(3, 2), (4, 3), (3, 4)])
def test_a_class_that_no_label_is_of_is_not_read_as_another_member(n_classes, n_members):
    proba, labels = draw(4, n_members, 200, n_classes)
    X, some = np.concatenate(list(proba), axis=1), labels != 1
    with pytest.raises(ValueError, match=f"every {n_classes} are probabilities .* y has {n_classes - 1} classes: 0, 2"):
        EnsembleClassifier().fit(X[some], labels[some])


def test_predicted_classes_are_not_read_as_decision_values():
    proba, labels = draw(5, 3, 200, 3)
    with pytest.raises(ValueError, match="3 columns of predicted classes"):
        EnsembleClassifier("majority-vote").fit(proba.argmax(axis=2).T, labels)
    votes = np.concatenate(np.eye(3)[proba.argmax(axis=2)], axis=1)
    fitted = EnsembleClassifier("majority-vote").fit(votes, labels)
    assert fitted.n_members_ == 3


def test_rules_can_be_searched():
    proba, labels = draw(3, 3, 150, 3)
    X = np.concatenate(list(proba), axis=1)
    search = GridSearchCV(EnsembleClassifier(), {"rule": ["mean", "min", "weighted-vote"]}, cv=3).fit(X, labels)
    assert search.best_params_["rule"] in {"mean", "weighted-vote"}
    assert cross_val_predict(clone(search.best_estimator_), X, labels, cv=3).shape == (150,)


def test_an_unknown_rule_is_refused():
    with pytest.raises(ParameterError.__mro__[1], match="unknown rule 'meen'; did you mean 'mean'"):
        EnsembleClassifier("meen").fit(np.eye(2), [0, 1])


@pytest.mark.parametrize(
    "rule", [None, [], ["mean"], 3, SimpleAverage], ids=["none", "empty", "list", "number", "class"]
)
def test_what_is_no_rule_is_refused(rule):
    proba, labels = draw(3, 3, 60, 3)
    fix = "SimpleAverage()" if rule is SimpleAverage else "'mean'"
    with pytest.raises(UsageError, match=re.escape(f"expected a rule or its text, as in {fix}")):
        EnsembleClassifier(rule).fit(np.concatenate(list(proba), axis=1), labels)
    with pytest.raises(UsageError, match=re.escape(f"expected a rule or its text, as in {fix}")):
        compare_rules(Predictions(proba, labels), [rule])

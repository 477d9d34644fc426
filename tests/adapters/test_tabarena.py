"""A rule does what TabArena's simulation asks of an ensembler.

The contract is that of ``AbstractEnsembler`` and of its caller, ``TaskEvaluator``, in autogluon/tabarena
(packages/tabarena/src/tabarena/simulation), as of autumn 2026; it is told here in own words.
"""

import inspect

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ensembler import GreedySelection, SimpleAverage, SimplexWeights
from ensembler.adapters.tabarena import RuleEnsembler
from ensembler.combiners.registry import default_rules
from ensembler.errors import NotFittedError, ShapeError, UsageError
from tests.conftest import draw

pytestmark = pytest.mark.filterwarnings("ignore::ensembler.errors.FitWarning")

RULES = [name for name in default_rules() if name != "hierarchical-committee"]
SIGNATURES = {
    "__init__": ("keywords", ["problem_type", "metric"]),
    "fit": ("keywords", ["predictions", "labels", "time_limit"]),
    "predict_proba": ("first", ["predictions"]),
    "predict": ("first", ["predictions", "problem_type"]),
    "model_weights": ("none", []),
    "models_used": ("none", []),
    "info": ("none", []),
}


class Scorer:
    """A metric in AutoGluon's form: its error is what is minimised."""

    def __init__(self, name, function, needs_pred=False):
        self.name, self.function = name, function
        self.needs_pred, self.needs_quantile = needs_pred, False

    def error(self, labels, predictions):
        return self.function(labels, predictions)


ROC_AUC = Scorer("roc_auc", lambda labels, predictions: 1 - roc_auc_score(labels, predictions))
ERROR_RATE = Scorer("error_rate", lambda labels, predictions: float((labels != predictions).mean()), needs_pred=True)


def log_loss(labels, predictions):
    return float(-np.log(np.clip(predictions[np.arange(len(labels)), labels], 1e-15, None)).mean())


LOG_LOSS = Scorer("log_loss", log_loss)


class FastLogLoss(Scorer):
    """One that shows an ensembler P(true class) alone, a problem of two classes in which all labels are 1."""

    post_problem_type = "binary"

    def __init__(self):
        super().__init__("log_loss", lambda labels, predictions: float(-np.log(predictions).mean()))

    def preprocess_bulk(self, labels, predictions):
        return np.ones(len(labels), dtype=np.int64), predictions[:, np.arange(len(labels)), labels]


def run(rule, problem_type, metric, predictions, labels):
    """Do what the simulation does with an ensembler; return its results."""
    fit_type = getattr(metric, "post_problem_type", problem_type)
    ensemble = RuleEnsembler(problem_type=fit_type, metric=metric, rule=rule)
    if not ensemble.linear and fit_type != problem_type:
        raise ValueError("non-linear")
    true, inputs = labels, predictions
    if hasattr(metric, "preprocess_bulk"):
        true, inputs = metric.preprocess_bulk(labels, predictions)
    assert ensemble.fit(predictions=inputs, labels=true) is ensemble
    output = ensemble.predict_proba(inputs)
    if metric.needs_pred:
        output = ensemble.predict(inputs, problem_type=problem_type)
    return ensemble, metric.error(true, output), output


@pytest.fixture
def binary():
    proba, labels = draw(3, n_members=5, n_samples=160, n_classes=2, skill=1.0)
    return proba[..., 1].astype(np.float32), labels.astype(bool)


@pytest.fixture
def multiclass():
    proba, labels = draw(4, n_members=5, n_samples=160, n_classes=3)
    return proba.astype(np.float32), labels


@pytest.mark.parametrize("name", SIGNATURES)
def test_methods_are_called_as_the_contract_says(name):
    kind, expected = SIGNATURES[name]
    parameters = list(inspect.signature(getattr(RuleEnsembler, name)).parameters.values())[1:]
    assert [parameter.name for parameter in parameters][: len(expected)] == expected
    keywords = parameters if kind == "keywords" else parameters[1:]
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in keywords)
    # The evaluation drops its `ensemble_size` for classes that neither name it nor take any keyword.
    assert all(parameter.kind is not inspect.Parameter.VAR_KEYWORD for parameter in parameters)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("problem_type", ["binary", "multiclass"])
def test_every_rule_in_the_space_of_its_inputs(rule, problem_type, binary, multiclass):
    predictions, labels = binary if problem_type == "binary" else multiclass
    before = predictions.copy()
    metric = ROC_AUC if problem_type == "binary" else LOG_LOSS
    ensemble, error, output = run(rule, problem_type, metric, predictions, labels)
    np.testing.assert_array_equal(predictions, before)
    assert np.isfinite(error)
    assert output.shape == predictions.shape[1:]
    assert ((output >= 0) & (output <= 1)).all()
    assert ensemble.models_used().dtype == bool
    assert ensemble.models_used().shape == (len(predictions),)
    assert ensemble.info()["rule"].startswith(rule.partition(":")[0])
    weights = ensemble.model_weights()
    assert (weights is not None) == ensemble.linear
    if weights is not None:
        np.testing.assert_allclose(np.tensordot(weights, predictions.astype(float), axes=1), output, atol=1e-12)
        np.testing.assert_array_equal(ensemble.models_used(), weights != 0)
    full = np.stack([1.0 - predictions, predictions], axis=-1) if problem_type == "binary" else predictions
    if problem_type == "multiclass":
        np.testing.assert_array_equal(ensemble.predict(predictions), ensemble.rule_.predict(full))


def test_linear_rules_may_be_fitted_where_only_the_true_class_is_shown(multiclass):
    predictions, labels = multiclass
    ensemble, error, _ = run("simplex", "multiclass", FastLogLoss(), predictions, labels)
    whole = SimplexWeights().fit(predictions.astype(float), labels)
    np.testing.assert_allclose(ensemble.model_weights(), whole.weights_, atol=1e-6)
    assert error == pytest.approx(whole.score(predictions, labels, metric="log-loss"), abs=1e-6)
    # Another metric of the same evaluation sees the rows as they are.
    output = ensemble.predict_proba(predictions)
    np.testing.assert_allclose(output, whole.predict_proba(predictions), atol=1e-6)
    np.testing.assert_array_equal(ensemble.predict(predictions, problem_type="multiclass"), output.argmax(axis=1))
    for rule in ("median", "log-pool", "stacking", "class-weighted"):
        with pytest.raises(ValueError, match="non-linear"):
            run(rule, "multiclass", FastLogLoss(), predictions, labels)


def test_what_a_rule_is_fitted_for(binary, multiclass):
    predictions, labels = binary
    best, _, _ = run("best-member", "binary", ROC_AUC, predictions, labels)
    assert best.rule_.member_ == np.argmax([roc_auc_score(labels, model) for model in predictions])
    by_errors, error, output = run("best-member", "binary", ERROR_RATE, predictions, labels)
    wrong = [(labels != (model > 0.5)).mean() for model in predictions]
    assert (by_errors.rule_.member_, error) == (np.argmin(wrong), pytest.approx(min(wrong)))
    assert set(output.tolist()) == {0, 1}
    named, _, _ = run("greedy", "multiclass", LOG_LOSS, *multiclass)
    own, _, _ = run(GreedySelection(metric="brier"), "multiclass", LOG_LOSS, *multiclass)
    assert (named.rule_.metric, own.rule_.metric) == ("log-loss", "brier")


def test_two_classes_in_two_columns(binary):
    positive, labels = binary
    columns = np.stack([1 - positive, positive], axis=-1)
    wide = RuleEnsembler(problem_type="binary", metric=None, rule=SimpleAverage())
    assert wide.fit(predictions=list(columns), labels=labels).predict_proba(columns).shape == columns.shape[1:]
    narrow = RuleEnsembler(problem_type="binary", metric=None, rule="mean").fit(predictions=positive, labels=labels)
    np.testing.assert_array_equal(wide.predict(columns), narrow.predict(positive))


def test_what_is_refused(binary, multiclass):
    for problem in ("regression", "quantile"):
        with pytest.raises(UsageError, match=f"problem_type is '{problem}', expected 'binary' or 'multiclass'"):
            RuleEnsembler(problem_type=problem, metric=None)
    with pytest.raises(UsageError, match="unknown rule 'magic'"):
        RuleEnsembler(problem_type="binary", metric=None, rule="magic")
    many = RuleEnsembler(problem_type="multiclass", metric=LOG_LOSS, rule="mean")
    with pytest.raises(NotFittedError, match="not fitted yet"):
        many.predict_proba(multiclass[0])
    with pytest.raises(ShapeError, match=r"predictions have shape \(5, 160\), expected \(models, rows, classes\)"):
        many.fit(predictions=binary[0], labels=binary[1])
    two = RuleEnsembler(problem_type="binary", metric=None, rule="mean").fit(predictions=binary[0], labels=binary[1])
    with pytest.raises(UsageError, match="which predicts no problem 'multiclass'"):
        two.predict(binary[0], problem_type="multiclass")

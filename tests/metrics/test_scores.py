"""Every metric against scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics as theirs

from ensembler.errors import ParameterError, UnknownNameError
from ensembler.metrics import METRICS, Metric, get_metric
from ensembler.metrics.confusion import class_counts, recall_per_class
from tests.conftest import draw


def brier(y, p, sample_weight=None):
    return np.average(((p - np.eye(p.shape[1])[y]) ** 2).sum(-1), weights=sample_weight)


def ece(y, p, sample_weight=None):
    """Expected calibration error, row by row and bin by bin."""
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    total = 0.0
    for b in range(15):
        inside = [i for i in range(len(y)) if b / 15 < p[i].max() <= (b + 1) / 15]
        if inside:
            mass = sum(weight[i] for i in inside)
            hits = sum(weight[i] * (p[i].argmax() == y[i]) for i in inside) / mass
            confidence = sum(weight[i] * p[i].max() for i in inside) / mass
            total += mass / weight.sum() * abs(hits - confidence)
    return total


REFERENCE = {
    "accuracy": lambda y, p, **k: theirs.accuracy_score(y, p.argmax(-1), **k),
    "balanced-accuracy": lambda y, p, **k: theirs.balanced_accuracy_score(y, p.argmax(-1), **k),
    "macro-f1": lambda y, p, **k: theirs.f1_score(y, p.argmax(-1), average="macro", **k),
    "log-loss": lambda y, p, **k: theirs.log_loss(y, p, labels=range(p.shape[1]), **k),
    "brier": brier,
    "ece": ece,
    "top-k-accuracy": lambda y, p, **k: theirs.top_k_accuracy_score(y, p, k=2, labels=range(p.shape[1]), **k),
    "mcc": lambda y, p, **k: theirs.matthews_corrcoef(y, p.argmax(-1), **k),
    "roc-auc": lambda y, p, **k: theirs.roc_auc_score(
        y, p if p.shape[1] > 2 else p[:, 1], multi_class="ovr", average="macro", **k
    ),
    "average-precision": lambda y, p, **k: theirs.average_precision_score(np.eye(p.shape[1])[y], p, **k),
    "quadratic-kappa": lambda y, p, **k: theirs.cohen_kappa_score(y, p.argmax(-1), weights="quadratic", **k),
    "f1": lambda y, p, **k: theirs.f1_score(y == 1, p.argmax(-1) == 1, **k),
}


def test_every_metric_has_a_reference():
    assert set(REFERENCE) == set(METRICS)


@pytest.mark.parametrize("name", REFERENCE)
@pytest.mark.parametrize("n_classes", [3, 7])
@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_are_scikit_learns(name, n_classes, weighted):
    proba, labels = draw(1, 3, 300, n_classes)
    weight = np.random.default_rng(0).uniform(0.1, 2, 300) if weighted else None
    keywords = {"sample_weight": weight} if weighted else {}
    metric = get_metric("f1:class=1" if name == "f1" else name)
    ours = metric(labels, proba, weight)
    assert ours.shape == (3,)
    np.testing.assert_allclose(ours, [REFERENCE[name](labels, member, **keywords) for member in proba], atol=1e-12)
    np.testing.assert_allclose(metric(labels, proba[1], weight), ours[1], atol=1e-14)


@pytest.mark.parametrize(
    "name", ["accuracy", "balanced-accuracy", "macro-f1", "mcc", "log-loss", "roc-auc", "f1", "quadratic-kappa"]
)
def test_two_classes(name):
    proba, labels = draw(2, 2, 200, 2)
    np.testing.assert_allclose(METRICS[name](labels, proba), [REFERENCE[name](labels, m) for m in proba], atol=1e-12)


@pytest.mark.filterwarnings("ignore:The y_prob values do not sum to one")
def test_float32_is_computed_in_float64():
    proba, labels = draw(3, 1, 5000, 4)
    small = proba[0].astype(np.float32)
    for name in ("log-loss", "brier", "ece"):
        np.testing.assert_allclose(
            METRICS[name](labels, small), REFERENCE[name](labels, small.astype(float)), atol=1e-12
        )


def test_impossible_certainty_costs_a_finite_loss():
    proba = np.array([[1.0, 0.0]])
    assert METRICS["log-loss"](np.array([1]), proba) == pytest.approx(-np.log(np.finfo(float).eps))
    assert METRICS["log-loss"](np.array([1]), proba) == pytest.approx(theirs.log_loss([1], proba, labels=[0, 1]))


def test_absent_classes_do_not_count():
    proba = np.eye(3)[[0, 0, 1]]
    labels = np.array([0, 0, 0])
    assert METRICS["balanced-accuracy"](labels, proba) == pytest.approx(2 / 3)
    np.testing.assert_allclose(recall_per_class(labels, proba), [2 / 3, np.nan, np.nan])
    assert np.isnan(METRICS["roc-auc"](labels, proba))


def test_class_counts_are_the_margins_of_scikit_learns_confusion_matrix():
    proba, labels = draw(4, 3, 100, 5)
    predicted = proba.argmax(-1)
    right, true, given = class_counts(labels, predicted, 5)
    for member, row in enumerate(predicted):
        matrix = theirs.confusion_matrix(labels, row, labels=range(5))
        np.testing.assert_array_equal(right[member], np.diag(matrix))
        np.testing.assert_array_equal(true[member], matrix.sum(axis=1))
        np.testing.assert_array_equal(given[member], matrix.sum(axis=0))


def test_top_k_with_ties_counts_the_earlier_class_first():
    proba = np.array([[0.4, 0.3, 0.3]])
    top = get_metric("top-k-accuracy:k=2")
    assert top(np.array([1]), proba) == 1
    assert top(np.array([2]), proba) == 0
    assert top.name == "top-k-accuracy:k=2"


def test_ece_bins_can_be_given():
    proba, labels = draw(5, 1, 300)
    assert get_metric("ece:bins=5")(labels, proba[0]) != get_metric("ece")(labels, proba[0])


def test_direction():
    assert get_metric("log-loss").signed(0.3) == -0.3
    assert get_metric("accuracy").signed(0.3) == 0.3


def test_a_function_is_a_metric():
    proba, labels = draw(6, 3, 50)

    def hits(y, p):
        return float((p.argmax(-1) == y).sum())

    metric = get_metric(hits)
    assert metric.name == "hits"
    np.testing.assert_array_equal(metric(labels, proba), 50 * METRICS["accuracy"](labels, proba))
    smaller = Metric("loss", lambda y, p, w=None: np.zeros(p.shape[:-2]), greater_is_better=False)
    assert get_metric(smaller) is smaller


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("acuracy", UnknownNameError, "unknown metric 'acuracy'; did you mean 'accuracy'"),
        ("accuracy:k=2", UnknownNameError, "unknown parameter of metric accuracy 'k'"),
        ("top-k-accuracy:k=0", ParameterError, "k is 0, expected a whole number of at least 1"),
        ("top-k-accuracy:k", ParameterError, "got 'k', expected key=value"),
    ],
)
def test_unknown_metrics(spec, error, message):
    with pytest.raises(error, match=message):
        get_metric(spec)


def test_a_function_says_its_direction():
    def errors(y, p):
        return float((p.argmax(axis=1) != y).mean())

    assert get_metric(errors).greater_is_better
    errors.greater_is_better = False
    assert not get_metric(errors).greater_is_better
    metric = Metric.of(errors, name="errors", greater_is_better=False)
    proba, labels = draw(8, 3, 60)
    assert metric.name == "errors"
    np.testing.assert_allclose(metric(labels, proba), [errors(labels, member) for member in proba])
    with pytest.raises(ParameterError, match="metric is 3, expected a name, a Metric or a function"):
        get_metric(3)

"""Areas under curves, F1 of a class and quadratic kappa, by scikit-learn's numbers, and their tests by DeLong's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn import metrics as theirs

from ensembler import Predictions, compare_rules
from ensembler.errors import ParameterError, UnknownNameError
from ensembler.metrics import METRICS, get_metric
from ensembler.metrics.bootstrap import bootstrap_counts
from ensembler.metrics.paired import resampled_p_value
from ensembler.metrics.resampling import resampled_metrics
from tests.conftest import draw


def mean_over_classes(function):
    """Each class that has weight against all others, and the mean."""

    def reference(y, p, w):
        return np.mean([function(y == c, p[:, c], sample_weight=w) for c in np.unique(y[w > 0])])

    return reference


REFERENCE = {
    "roc-auc": mean_over_classes(theirs.roc_auc_score),
    "roc-auc:class=1": lambda y, p, w: theirs.roc_auc_score(y == 1, p[:, 1], sample_weight=w),
    "average-precision": mean_over_classes(theirs.average_precision_score),
    "average-precision:class=1": lambda y, p, w: theirs.average_precision_score(y == 1, p[:, 1], sample_weight=w),
    "f1:class=1": lambda y, p, w: theirs.f1_score(y == 1, p.argmax(1) == 1, sample_weight=w),
    "quadratic-kappa": lambda y, p, w: theirs.cohen_kappa_score(y, p.argmax(1), weights="quadratic", sample_weight=w),
    "mcc": lambda y, p, w: theirs.matthews_corrcoef(y, p.argmax(1), sample_weight=w),
    "top-k-accuracy:k=2": lambda y, p, w: theirs.top_k_accuracy_score(
        y, p, k=2, labels=range(p.shape[1]), sample_weight=w
    ),
    "macro-f1": lambda y, p, w: theirs.f1_score(y[w > 0], p[w > 0].argmax(1), average="macro", sample_weight=w[w > 0]),
}


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(3, 6), st.booleans(), st.sampled_from(["ones", "some zero", "any"]))
def test_metrics_with_weights_and_ties_are_scikit_learns(seed, n_classes, coarse, kind):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, 30)])
    proba = rng.dirichlet(np.ones(n_classes), (2, len(labels)))
    if coarse:
        # Tenths and a little, so that scores tie, and no two classes of a row do: there libraries order differently.
        proba = np.round(proba, 1) + np.arange(n_classes) * 1e-3
    weight = np.ones(len(labels))
    if kind != "ones":
        weight[n_classes:] = rng.integers(0, 3, 30) if kind == "some zero" else rng.random(30)
    for name, reference in REFERENCE.items():
        ours = get_metric(name)(labels, proba, weight)
        assert ours == pytest.approx([reference(labels, member, weight) for member in proba], abs=1e-9), name


def test_rows_of_weight_zero_are_not_there():
    """All rows of a class weigh nothing: it does not occur, and no warning tells otherwise."""
    proba, labels = draw(seed=3, n_members=2, n_samples=90, n_classes=3)
    weight = np.where(labels == 2, 0.0, 1.0)
    there = labels != 2
    for name in ("roc-auc", "average-precision", "balanced-accuracy", "quadratic-kappa"):
        metric = METRICS[name]
        expected = metric(labels[there], proba[:, there])
        assert np.isfinite(expected).all()
        assert metric(labels, proba, weight) == pytest.approx(expected)
    result = compare_rules(Predictions(proba, labels, sample_weight=weight), ["mean", "max"], metric="roc-auc")
    assert np.isfinite([rule.metrics["roc-auc"] for rule in result.rules]).all()
    assert result.chosen is not None


def test_a_class_that_is_alone_has_no_area():
    proba = np.full((1, 5, 2), 0.5)
    assert np.isnan(METRICS["roc-auc"](np.zeros(5, dtype=int), proba)).all()


@pytest.mark.parametrize("name", ["roc-auc", "average-precision:class=2", "f1:class=2", "quadratic-kappa", "mcc"])
@pytest.mark.parametrize("weighted", [False, True])
def test_resampled_values_are_those_of_the_samples(name, weighted):
    proba, labels = draw(seed=1, n_members=2, n_samples=60)
    weight = np.random.default_rng(0).uniform(0.5, 1.5, 60) if weighted else np.ones(60)
    metric = get_metric(name)
    given = weight if weighted else None
    found = resampled_metrics([metric], labels, list(proba), sample_weight=given, n_resamples=40, seed=2)[name]
    counts = np.concatenate(list(bootstrap_counts(60, 40, 2)))
    expected = [metric(labels, proba, drawn * weight) for drawn in counts]
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)


def test_weighted_samples_are_summed_in_double_precision():
    """Weights of a million beside one: float32 would lose the ones."""
    proba, labels = draw(seed=5, n_members=1, n_samples=400, n_classes=3)
    weight = np.where(np.arange(400) % 2, 1e8, 1.0)
    metric = METRICS["mcc"]
    found = resampled_metrics([metric], labels, list(proba), sample_weight=weight, n_resamples=40)["mcc"]
    counts = np.concatenate(list(bootstrap_counts(400, 40))).astype(int)
    for drawn, value in zip(counts, found[:, 0], strict=True):
        rows = np.repeat(np.arange(400), drawn)
        expected = theirs.matthews_corrcoef(labels[rows], proba[0, rows].argmax(1), sample_weight=weight[rows])
        assert value == pytest.approx(expected, abs=1e-12)


def delong(labels, first, second):
    """The difference of two AUCs and its standard error by placements.

    DeLong, DeLong & Clarke-Pearson 1988, doi 10.2307/2531595.
    """
    inside, outside = labels == 1, labels == 0
    placed = [np.sign(score[inside][:, None] - score[outside][None, :]) / 2 + 0.5 for score in (first, second)]
    areas = [pairs.mean() for pairs in placed]
    by_positive = np.cov([pairs.mean(axis=1) for pairs in placed])
    by_negative = np.cov([pairs.mean(axis=0) for pairs in placed])
    covariance = by_positive / inside.sum() + by_negative / outside.sum()
    return areas[0] - areas[1], np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])


@pytest.mark.parametrize("seed", range(4))
def test_the_paired_test_of_roc_auc_is_delongs(seed):
    rng = np.random.default_rng(seed)
    labels = (rng.random(800) < 0.3).astype(int)
    scores = [norm.cdf(rng.normal(size=800) + gain * labels) for gain in (1.2, 1.0)]
    probas = [np.stack([1 - score, score], axis=1) for score in scores]
    metric = METRICS["roc-auc"]
    difference, error = delong(labels, *scores)
    samples = resampled_metrics([metric], labels, probas)["roc-auc"]
    spread = samples[:, 0] - samples[:, 1]
    assert float(metric(labels, probas[0]) - metric(labels, probas[1])) == pytest.approx(difference, abs=1e-12)
    assert spread.std(ddof=1) == pytest.approx(error, rel=0.05)
    expected = 2 * norm.sf(abs(difference) / error)
    assert resampled_p_value(difference, spread) == pytest.approx(expected, abs=0.03)
    assert np.quantile(spread, [0.025, 0.975]) == pytest.approx(
        [difference - 1.96 * error, difference + 1.96 * error], abs=0.2 * error
    )


def test_a_class_is_given_by_name_or_number():
    metric = get_metric("f1:class=no")
    assert dict(metric.bind(("yes", "no")).parameters) == {"class": 1}
    # A name that looks like a number is a name.
    assert dict(get_metric("f1:class=1").bind(("1", "0")).parameters) == {"class": 0}
    assert dict(get_metric("f1:class=1").bind(("a", "b")).parameters) == {"class": 1}
    assert dict(get_metric("f1").bind(("a", "b")).parameters) == {"class": 1}
    twice = metric.bind(("yes", "no"))
    assert twice.bind(("yes", "no")) == twice
    with pytest.raises(UnknownNameError, match="unknown class in metric f1:class=maybe 'maybe'"):
        get_metric("f1:class=maybe").bind(("yes", "no"))
    with pytest.raises(ParameterError, match="class is 2, expected 0 to 1 or a name"):
        get_metric("f1:class=2").bind(("yes", "no"))
    with pytest.raises(ParameterError, match="metric f1 is of one class, and there are 3"):
        get_metric("f1").bind(("a", "b", "c"))
    with pytest.raises(ParameterError, match="expected the name or number of a class"):
        get_metric("f1:class=-1")


def test_rules_are_chosen_by_the_f1_of_a_named_class():
    proba, labels = draw(seed=2, n_members=3, n_samples=200, n_classes=3)
    data = Predictions(proba, labels, class_names=["cat", "dog", "eel"])
    result = compare_rules(data, ["mean", "greedy", "best-member"], metric="f1:class=dog")
    for rule in result.rules:
        expected = theirs.f1_score(labels == 1, rule.proba.argmax(axis=1) == 1)
        assert rule.metrics["f1:class=dog"] == pytest.approx(expected)
        low, high = rule.intervals["f1:class=dog"]
        assert low <= expected <= high


@pytest.mark.parametrize(("n_rows", "n_classes", "decimals"), [(60, 4, 1), (500, 3, 8), (5, 3, 2)])
def test_areas_of_rows_that_count_once_are_those_with_weights_of_1(n_rows, n_classes, decimals, monkeypatch):
    monkeypatch.setattr("ensembler.metrics.areas.BLOCK_VALUES", 100)  # classes are gone through in parts
    proba, labels = draw(6, 3, n_rows, n_classes)
    proba = proba.round(decimals)
    for name in ("roc-auc", "roc-auc:class=1"):
        metric = get_metric(name)
        np.testing.assert_array_equal(metric(labels, proba), metric(labels, proba, np.ones(n_rows)))

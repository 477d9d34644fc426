"""Bootstrap of more rows than are drawn one by one: the same spread, from far fewer numbers."""

import numpy as np
import pytest

from ensembler.metrics import bootstrap, get_metric, selection, sums
from ensembler.metrics.bootstrap import mean_interval
from ensembler.metrics.resampling import resampled_metrics
from ensembler.metrics.selection import bias_corrected_best, correctness_patterns
from tests.conftest import draw

NAMES = ("accuracy", "log-loss", "macro-f1", "mcc", "ece", "quadratic-kappa", "f1:class=1", "roc-auc")


@pytest.fixture
def few(monkeypatch):
    """Take a thousand rows for many."""

    def switch():
        monkeypatch.setattr(bootstrap, "MOST_DRAWN", 1000)
        monkeypatch.setattr(selection, "MOST_DRAWN", 1000)

    return switch


@pytest.mark.parametrize("kind", ["plain", "weighted", "grouped"])
def test_units_of_rows_have_the_spread_of_rows(few, kind):
    proba, labels = draw(seed=1, n_members=2, n_samples=6000, n_classes=3)
    rng = np.random.default_rng(0)
    given = {
        "plain": {},
        "weighted": {"sample_weight": rng.uniform(0.1, 2.0, 6000)},
        "grouped": {"groups": np.repeat(np.arange(3000), 2)},
    }[kind]
    metrics = [get_metric(name) for name in NAMES]
    by_row = resampled_metrics(metrics, labels, list(proba), n_resamples=1000, **given)
    few()
    by_unit = resampled_metrics(metrics, labels, list(proba), n_resamples=1000, **given)
    assert list(by_unit) == list(NAMES)
    for name in NAMES:
        spread = by_row[name].std(axis=0)
        assert by_unit[name].std(axis=0) == pytest.approx(spread, rel=0.12), name
        assert np.abs(by_unit[name].mean(axis=0) - by_row[name].mean(axis=0)).max() < 0.2 * spread.max()
        paired = [np.subtract(*values[name].T).std() for values in (by_row, by_unit)]
        assert paired[1] == pytest.approx(paired[0], rel=0.12)
    assert (by_unit["roc-auc"] == by_row["roc-auc"]).all()


def test_the_best_is_corrected_by_patterns_as_by_rows(few):
    correct = np.random.default_rng(0).random((5, 4000)) < 0.5
    by_row = bias_corrected_best(correct)
    few()
    by_pattern = bias_corrected_best(correct)
    assert (by_pattern.raw, by_pattern.n_candidates) == (by_row.raw, 5)
    assert by_pattern.corrected == pytest.approx(by_row.corrected, abs=0.001)
    assert by_row.optimism > 0.003


def test_patterns_are_counted():
    correct = np.array([[1, 1, 0, 1], [0, 0, 1, 0], [1, 1, 1, 1]], dtype=bool)
    patterns, sizes = correctness_patterns(correct)
    found = {tuple(row): size for row, size in zip(patterns.astype(int).tolist(), sizes.tolist(), strict=True)}
    assert found == {(1, 0, 1): 3.0, (0, 1, 1): 1.0}


def test_a_mean_of_few_values_is_drawn_by_their_counts(few):
    values = np.repeat([-1.0, 0.0, 1.0], [200, 3000, 300])
    by_row = mean_interval(values)
    few()
    assert mean_interval(values) == pytest.approx(by_row, abs=0.002)


def test_samples_of_many_classes_are_summed_some_at_a_time(monkeypatch):
    proba, labels = draw(seed=2, n_members=3, n_samples=200, n_classes=20)
    metrics = [get_metric(name) for name in ("balanced-accuracy", "macro-f1", "mcc")]
    at_once = resampled_metrics(metrics, labels, list(proba), n_resamples=50)
    monkeypatch.setattr(sums, "MOST_SUMS", 7 * 3 * 20)
    for name, values in resampled_metrics(metrics, labels, list(proba), n_resamples=50).items():
        assert np.array_equal(values, at_once[name])

"""Sets of many rows or classes: what is made anew instead of kept changes no figure, and memory stays bounded."""

import json
import tracemalloc
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from ensembler import compare_rules, load_predictions
from ensembler.arrays import softmax
from ensembler.combiners.base import Combiner
from ensembler.comparison import predicting, scores
from ensembler.metrics import predicted, temperature
from ensembler.metrics.scores import log_loss
from ensembler.metrics.temperature import (
    MOST_VALUES,
    Gaps,
    at_best_of_many,
    at_best_temperature,
    fit_temperature,
    of_few,
)
from ensembler.parallel.threads import side_by_side
from tests.conftest import draw

RULES = ["mean", "median", "greedy", "accuracy-weighted", "class-weighted", "majority-vote"]


def figures(folder, half=False, rules=RULES, **options):
    predictions = load_predictions(folder, half=half)
    return json.dumps(compare_rules(predictions, rules, n_resamples=40, **options).to_dict(), sort_keys=True)


@pytest.mark.parametrize(("val", "options"), [(True, {}), (False, {}), (False, {"fit_on": "part"})])
def test_predictions_that_are_made_anew_have_the_same_figures(write_set, monkeypatch, val, options):
    folder = write_set(val=val)
    kept = figures(folder, **options)
    monkeypatch.setattr(predicted, "MOST_KEPT", 0)
    monkeypatch.setattr(predicting, "BLOCK_VALUES", 100)
    assert figures(folder, **options) == kept


@pytest.mark.parametrize("val", [True, False])
def test_half_precision_that_is_kept_has_the_figures_of_float32(write_set, val):
    folder = write_set(val=val, dtype=np.float16)
    assert load_predictions(folder, half=True).proba.dtype == np.float16
    assert load_predictions(folder).proba.dtype == np.float32
    assert figures(folder, half=True) == figures(folder)


def test_half_precision_is_kept_of_all_members_or_of_none(write_set):
    folder = write_set(dtype=np.float16)
    np.save(folder / "m0.npy", np.load(folder / "m0.npy").astype(np.float32))
    assert load_predictions(folder, half=True).proba.dtype == np.float32


def test_bench_of_half_precision_takes_little_more_memory_than_its_arrays(write_set, monkeypatch):
    monkeypatch.setattr(predicted, "MOST_KEPT", 1 << 20)
    monkeypatch.setattr(predicting, "BLOCK_VALUES", 1 << 18)
    monkeypatch.setattr(scores, "SIDE_BY_SIDE", 1 << 18)
    folder = write_set(val=False, dtype=np.float16, n_members=8, n_samples=4000, n_classes=300)
    predictions = load_predictions(folder, half=True)
    tracemalloc.start()
    compare_rules(predictions, ["mean", "median"], n_resamples=40)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # One fold's fitting rows, or one prediction in float64 with its logarithms.
    assert peak < 1.5 * predictions.proba.nbytes


def test_temperatures_of_many_rows_are_those_of_brents_method():
    [proba], labels = draw(seed=3, n_members=1, n_samples=MOST_VALUES // 4, n_classes=5)
    weight = np.random.default_rng(0).random(len(labels))
    assert fit_temperature(proba, labels, weight) == pytest.approx(of_few(proba, labels, weight), rel=1e-9)
    two = proba[:, :2] / proba[:, :2].sum(axis=1, keepdims=True)
    many = np.tile(two, (3, 1))
    own = np.tile(labels % 2, 3)
    assert fit_temperature(many, own) == pytest.approx(of_few(many, own, np.ones(len(own))), rel=1e-9)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_the_loss_at_the_best_temperature_is_that_of_few_rows(monkeypatch, n_classes):
    [proba], labels = draw(seed=4, n_members=1, n_samples=3000, n_classes=n_classes)
    proba[:9] = np.eye(n_classes)[0]
    weight = np.random.default_rng(0).random(len(labels))
    few = at_best_temperature(proba, labels, weight, seed=1)
    for name, value in {"MOST_VALUES": 1000, "SAMPLED_VALUES": 1000}.items():
        monkeypatch.setattr(temperature, name, value)
    many = at_best_temperature(proba, labels, weight, seed=1)
    assert many.temperature == pytest.approx(few.temperature, rel=1e-8)
    assert many.log_loss == pytest.approx(few.log_loss, rel=1e-8)
    assert at_best_of_many(proba, labels, weight, np.random.default_rng(1).permutation(3000)) == many


@pytest.mark.parametrize("n_classes", [2, 5, 40])
def test_spans_of_rows_have_the_same_temperature_whoever_goes_through_them(monkeypatch, n_classes):
    monkeypatch.setattr(temperature, "MOST_VALUES", 1000)
    monkeypatch.setattr(temperature, "SAMPLED_VALUES", 1000)
    [proba], labels = draw(seed=5, n_members=1, n_samples=3000, n_classes=n_classes)
    alone = at_best_temperature(proba, labels, seed=1)
    assert at_best_temperature(proba, labels, seed=1, map_spans=side_by_side) == alone
    assert alone.temperature == pytest.approx(of_few(proba, labels, np.ones(3000)), rel=1e-9)
    in_order = np.random.default_rng(1).permutation(3000)
    half, rest = in_order[::2], in_order[1::2]
    only_half = np.zeros(3000)
    only_half[half] = 1.0
    # Where the other half of the rows counts nothing, they are left as they are, and nobody asks what they cost.
    found = at_best_temperature(proba, labels, only_half, seed=1)
    assert found.log_loss == pytest.approx(log_loss(labels[half], proba[half]), rel=1e-9)
    assert found.temperature == pytest.approx(of_few(proba[half], labels[half], np.ones(len(rest))), rel=1e-9)


@pytest.mark.parametrize(("lead", "spread"), [(3.0, 1.0), (0.5, 30.0), (-0.5, 1.0), (0.0, 4.0), (6.0, 3.0)])
def test_temperatures_far_from_that_of_some_rows_are_reached(lead, spread):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, MOST_VALUES // 4)
    logits = spread * (rng.normal(size=(len(labels), 5)) + lead * np.eye(5)[labels])
    proba = softmax(logits)
    expected = of_few(proba, labels, np.ones(len(labels)))
    assert fit_temperature(proba, labels) == pytest.approx(expected, rel=1e-8)
    gaps = Gaps.of(proba, labels)
    for start in (1e-3, 0.02, 1.0, 50.0, 1e3):
        assert gaps.best_temperature(np.ones(len(labels)), start) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("right", [True, False])
def test_many_rows_that_are_always_right_or_wrong_have_a_temperature_at_the_end(right):
    proba = np.tile([0.75, 0.25], (MOST_VALUES, 1))
    labels = np.full(MOST_VALUES, 0 if right else 1)
    assert fit_temperature(proba, labels) == pytest.approx(1e-3 if right else 1e3, rel=0.2)


@dataclass
class Threads(Combiner):
    """A mean that looks at how many threads it is given."""

    name: ClassVar[str] = "threads"
    source: ClassVar[str] = "a test"
    seen: ClassVar[set[int]] = set()

    def _fit(self, proba, labels, sample_weight):
        self.seen.update(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")

    def _scores(self, proba):
        return proba.mean(axis=0, dtype=np.float64)


def test_comparisons_take_one_blas_thread(write_set):
    compare_rules(load_predictions(write_set()), [Threads()], n_resamples=0)
    assert Threads.seen == {1}

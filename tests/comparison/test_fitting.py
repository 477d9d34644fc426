"""Fits side by side are those of one after another, and each is told of what it is doubtful about itself."""

import warnings
from dataclasses import dataclass
from threading import Thread

import numpy as np
import pytest

from ensembler import Predictions, compare_rules
from ensembler.combiners.base import Combiner
from ensembler.comparison import fitting
from ensembler.comparison.candidates import bind_rule
from ensembler.comparison.fit_warnings import kept_fit_warnings
from ensembler.comparison.fitting import cross_fit, fit_and_apply
from ensembler.comparison.folds import make_folds
from ensembler.errors import FitWarning
from tests.conftest import draw


def test_each_thread_gets_its_own_doubts():
    found = {}

    def fit(name):
        warnings.warn(name, FitWarning, stacklevel=1)
        found[name] = doubts()

    with kept_fit_warnings() as doubts:
        warnings.warn("main", FitWarning, stacklevel=1)
        threads = [Thread(target=fit, args=(name,)) for name in ("first", "second")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert doubts() == ("main",)
    assert found == {"first": ("first",), "second": ("second",)}


def test_other_warnings_are_shown_as_ever():
    def warn():
        with kept_fit_warnings() as doubts:
            warnings.warn("not of a fit", UserWarning, stacklevel=1)
            return doubts()

    with pytest.warns(UserWarning, match="not of a fit"):
        found = warn()
    assert found == ()


@dataclass
class Doubtful(Combiner):
    """The mean, with a warning of how many rows it was fitted on."""

    name = "doubtful"
    is_trainable = True

    def _fit(self, proba, labels, sample_weight):
        warnings.warn(f"{len(labels)} rows", FitWarning, stacklevel=1)

    def _scores(self, proba):
        return proba.mean(axis=0)


def test_the_whole_fit_has_its_own_notes():
    proba, labels = draw(seed=1, n_members=3, n_samples=100)
    data = Predictions(proba, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = cross_fit(
            [bind_rule(Doubtful(), data)], data, make_folds(labels, None, 5, 0), lambda _: None, whole=True
        )
    assert found.whole.notes == {"doubtful": ("100 rows",)}
    assert fit_and_apply(bind_rule(Doubtful(), data), data, data).notes == ("100 rows",)
    assert len(found.rules["doubtful"]) == 5


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_on", ["cross", "part"])
def test_one_after_another_finds_the_same(monkeypatch, fit_on, weighted):
    proba, labels = draw(seed=2, n_members=4, n_samples=200, n_classes=3)
    weight = np.random.default_rng(0).random(200) if weighted else None
    data = Predictions(proba, labels, sample_weight=weight)
    rules = ["mean", "accuracy-weighted", "greedy", "stacking", "blend"]
    monkeypatch.setattr(fitting, "TINY_SET", 0)
    together = compare_rules(data, rules, fit_on=fit_on, n_resamples=0)
    monkeypatch.setattr(fitting, "SMALL_SET", 0)
    alone = compare_rules(data, rules, fit_on=fit_on, n_resamples=0)
    assert together.nested == alone.nested
    assert together.advice.to_dict() == alone.advice.to_dict()
    for first, second in zip(together.rules, alone.rules, strict=True):
        assert first.notes == second.notes
        np.testing.assert_array_equal(first.proba, second.proba)


def test_progress_counts_every_fit():
    proba, labels = draw(seed=3, n_members=3, n_samples=120)
    for fit_on in ("cross", "part"):
        seen = []
        compare_rules(
            Predictions(proba, labels),
            ["mean", "accuracy-weighted", "median"],
            fit_on=fit_on,
            n_resamples=0,
            progress=lambda done, total, what: seen.append((done, total)),  # noqa: B023
        )
        assert [done for done, _ in seen] == list(range(seen[-1][1]))

"""Committees over many classes, of which each row has few rivals: by doubling as by the definition."""

import numpy as np
import pytest

from ensembler import Predictions
from ensembler.arrays import one_hot
from ensembler.combiners.registry import make_rule
from ensembler.subsets import contributions
from ensembler.subsets.contributions import Contributions, all_outcomes
from ensembler.subsets.sweep import sweep_predictions


def drawn(kind, n_members=5, n_rows=80, n_classes=40):
    rng = np.random.default_rng(3)
    labels = rng.integers(0, n_classes, n_rows)
    scores = rng.exponential(size=(n_members, n_rows, n_classes)) ** 2
    scores[:, np.arange(n_rows), labels] += 4 * (rng.random((n_members, n_rows)) < 0.7)
    proba = scores / scores.sum(axis=2, keepdims=True)
    if kind == "ties":
        beside = (labels + rng.choice([-1, 1], n_rows)) % n_classes
        proba[:, np.arange(n_rows), beside] = proba[:, np.arange(n_rows), labels]
    if kind == "certain":
        proba[:] = 0.5 / n_classes
        proba[:, np.arange(n_rows), labels] += 0.5
    if kind == "votes":
        votes = np.where(rng.random((n_members, n_rows)) < 0.5, labels, rng.integers(0, n_classes, (n_members, n_rows)))
        return np.array([one_hot(own, n_classes) for own in votes]), labels
    return (proba / proba.sum(axis=2, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("block", [1, 1 << 9, 1 << 17])
@pytest.mark.parametrize("kind", ["mixed", "ties", "certain", "votes"])
@pytest.mark.parametrize("rule", ["mean", "product", "majority-vote", "accuracy-weighted", "naive-bayes"])
def test_doubling_says_what_the_definition_says(rule, kind, block, monkeypatch):
    monkeypatch.setattr(contributions, "DOUBLING_BLOCK", block)
    proba, labels = drawn(kind)
    fitted = make_rule(rule).fit(proba, labels)
    rows = np.arange(len(labels))[::-1]
    data = Contributions(proba, labels, [(rows, fitted)])
    added = data.of(np.arange(len(labels)), fitted)
    found = np.zeros((32, len(labels)), dtype=bool)
    for some, correct in all_outcomes(data, rows, fitted):
        found[:, some] = correct
    for mask in range(1, 32):
        scores = np.zeros(added.shape[1:]) + fitted.start()
        for member in range(5):
            if mask >> member & 1:
                scores += added[member]
        assert (found[mask] == (scores.argmax(axis=1) == labels)).all()


@pytest.mark.parametrize("kind", ["mixed", "ties", "certain", "votes"])
def test_a_sweep_counts_what_each_committee_gets(kind):
    proba, labels = drawn(kind)
    sweep = sweep_predictions(Predictions(proba, labels))
    for mask in range(1, 32):
        members = [member for member in range(5) if mask >> member & 1]
        said = proba[members].sum(axis=0, dtype=np.float64).argmax(axis=1)
        assert sweep.correct[mask] == (said == labels).sum()

"""The diversity of a set, and how it correlates with what committees gain."""

import itertools
import json

import numpy as np
import pytest

from ensembler import Predictions
from ensembler.arrays import one_hot
from ensembler.cli.diversity import PAIRS
from ensembler.metrics.diversity import MEASURES, measures
from ensembler.predictions.diagnosis.diversity import measure_diversity
from tests.subsets.draw import draw


def test_a_sets_diversity():
    proba, labels = draw("random", 6, 200, 4, seed=2)
    proba[5] = 0.95 * proba[4] + 0.05 / 4
    found = measure_diversity(Predictions(proba, labels))
    assert found.redundancy.groups == [["member-4", "member-5"]]
    right = proba.argmax(axis=2) == labels
    assert found.coverage[1] == right.any(axis=0).mean()
    assert found.coverage[6] == right.all(axis=0).mean()
    assert (found.n_committees, found.sampled) == (2**6 - 7, False)
    assert [one.measure for one in found.gain_correlations] == list(MEASURES)
    assert found.measures == measures(right)


def test_rank_correlations_are_scipys():
    from scipy.stats import spearmanr

    proba, labels = draw("random", 6, 150, 3, seed=3)
    found = measure_diversity(Predictions(proba, labels))
    right = proba.argmax(axis=2) == labels
    gains, spread = [], []
    for members in itertools.combinations(range(6), 3):
        index = list(members)
        value = (proba[index].mean(axis=0).argmax(axis=1) == labels).mean()
        gains.append(value - right[index].mean())
        spread.append(measures(right[index])["disagreement"])
    one = next(one for one in found.gain_correlations if one.measure == "disagreement")
    assert one.by_size[3] == pytest.approx(spearmanr(np.round(spread, 12), np.round(gains, 12)).statistic)


def test_correlations_over_too_few_committees_or_equal_ones_are_not_defined():
    proba, labels = draw("random", 4, 50, 3, seed=5)
    few = measure_diversity(Predictions(proba, labels)).gain_correlations
    assert all(np.isnan(value) for measure in few for value in measure.by_size.values())
    alike = measure_diversity(Predictions(np.repeat(proba[:1], 6, axis=0), labels))
    assert all(np.isnan(measure.overall) for measure in alike.gain_correlations)


def test_many_members_are_sampled_and_repeat():
    proba, labels = draw("random", 20, 60, 3, seed=4)
    data = Predictions(proba, labels)
    first, second = measure_diversity(data, seed=1), measure_diversity(data, seed=1)
    assert first.sampled
    assert repr(first.gain_correlations) == repr(second.gain_correlations)


def test_the_command(run, write_set):
    found = json.loads(run("diversity", "--json").out)
    assert len(found["measures"]) == 10
    assert set(found["pairs"]) == set(PAIRS)
    assert found["ambiguity"]["ensemble"] == pytest.approx(
        found["ambiguity"]["mean_member"] - found["ambiguity"]["spread"]
    )
    assert "Measures of all members, and what they predict" in run("diversity", "--pairs", "q").out
    assert "most alike" in run("diversity", write_set(n_members=14)).out
    assert "no diversity" in run("diversity", write_set("one", n_members=1)).out
    assert run("diversity", "--pairs", "x").code == 2


def test_a_set_with_missing_votes():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 100)
    votes = np.where(rng.random((5, 100)) < 0.6, labels, rng.integers(0, 3, (5, 100)))
    votes[3] = votes[2]
    votes[0, :50], votes[1, 50:], votes[2, 7], votes[:, 9] = -1, -1, -1, -1
    proba = np.stack([one_hot(member, 3) for member in votes])
    found = measure_diversity(Predictions(proba, labels, hard=[True] * 5, missing=votes == -1))
    # Members 0 and 1 have no row in common; members 2 and 3 agree wherever both answer.
    assert found.redundancy.groups == [["member-2", "member-3"]]
    assert np.isnan(found.pairs["different"][0, 1])
    assert found.pairs["different"][2, 3] == 0
    right = votes == labels
    assert found.coverage.tolist() == [(right.sum(axis=0) >= k).mean() for k in range(6)]
    assert found.measures == pytest.approx(measures(right, votes >= 0), nan_ok=True)
    assert found.ambiguity is None
    spread = next(item for item in found.gain_correlations if item.measure == "kw")
    assert np.isfinite(spread.overall)

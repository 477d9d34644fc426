"""The identities of the measures, and plain loops."""

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from ensembler import Predictions
from ensembler.cli.diversity import PAIRS
from ensembler.metrics import METRICS
from ensembler.metrics.diversity import MEASURES, ambiguity, cohen_kappa, mean_of_pairs, measures, of_counts, pairwise
from ensembler.predictions.diagnosis.diversity import measure_diversity
from tests.subsets.draw import draw

outcomes = st.tuples(st.integers(2, 6), st.integers(1, 30), st.integers(0, 10_000)).map(
    lambda sizes: np.random.default_rng(sizes[2]).random(sizes[:2]) < np.random.default_rng(sizes[2]).random()
)


def close(first, second):
    return (math.isnan(first) and math.isnan(second)) or first == pytest.approx(second, abs=1e-9)


@given(outcomes)
def test_pairs_are_the_definitions(right):
    found = pairwise(right)
    for i, j in itertools.combinations(range(len(right)), 2):
        a, b = right[i], right[j]
        n11, n00 = (a & b).mean(), (~a & ~b).mean()
        n10, n01 = (a & ~b).mean(), (~a & b).mean()
        product = n11 * n00 - n10 * n01
        root = math.sqrt((n11 + n10) * (n01 + n00) * (n11 + n01) * (n10 + n00))
        chance = (n11 + n10) * (n01 + n00) + (n11 + n01) * (n10 + n00)
        assert close(found["disagreement"][i, j], n10 + n01)
        assert close(found["double-fault"][i, j], n00)
        assert close(found["q"][i, j], product / (n11 * n00 + n10 * n01) if n11 * n00 + n10 * n01 > 1e-12 else math.nan)
        assert close(found["rho"][i, j], product / root if root > 1e-9 else math.nan)
        assert close(found["kappa"][i, j], 2 * product / chance if chance > 1e-12 else math.nan)


@given(outcomes)
def test_identities(right):
    size = len(right)
    found = measures(right)
    accuracy = right.mean()
    assert found["kw"] == pytest.approx((size - 1) / (2 * size) * found["disagreement"])
    if 1e-9 < accuracy < 1 - 1e-9:
        assert found["kappa"] == pytest.approx(1 - found["disagreement"] / (2 * accuracy * (1 - accuracy)))
    else:
        assert math.isnan(found["kappa"])
    if accuracy < 1:
        assert found["generalised"] == pytest.approx(1 - found["double-fault"] / (1 - accuracy))
    assert found["difficulty"] == pytest.approx(right.mean(axis=0).var())
    assert 0 <= found["entropy"] <= 1 + 1e-9
    assert 0 <= found["coincident-failure"] <= 1 + 1e-9


def test_the_worked_example_of_the_source():
    # Ten classifiers (columns) on fifteen objects; 1 where right. Kuncheva & Whitaker 2003.
    rows = """1000001000 0100101000 1011010110 1001110011 1101110001 1111010000 1010001011 0000100001
              0010011001 0100100000 0000010011 1011000001 0101100110 1011111010 1111001001"""
    right = np.array([[digit == "1" for digit in row] for row in rows.split()]).T
    expected = {
        "q": 0.0231,
        "rho": 0.0156,
        "disagreement": 0.4889,
        "double-fault": 0.3156,
        "entropy": 0.7200,
        "kw": 0.2200,
        "kappa": 0.0079,
        "difficulty": 0.0264,
        "generalised": 0.4365,
        "coincident-failure": 0.4889,
    }
    assert measures(right) == pytest.approx(expected, abs=5e-5)


def test_extremes():
    same = np.array([[True, False, True, False]] * 3)
    found = measures(same)
    assert (found["disagreement"], found["entropy"], found["kw"], found["generalised"]) == (0, 0, 0, 0)
    assert (found["q"], found["rho"], found["kappa"]) == (1, pytest.approx(1), pytest.approx(1))
    never_together = ~np.eye(4, dtype=bool)
    found = measures(never_together)
    assert found["generalised"] == pytest.approx(1)
    assert found["coincident-failure"] == pytest.approx(1)
    assert measures(np.ones((3, 5), dtype=bool))["coincident-failure"] == 0.0
    assert all(math.isnan(value) for value in of_counts(np.array([1, 2])).values())
    assert math.isnan(mean_of_pairs(np.zeros((1, 1))))


def test_cohens_kappa_is_scikit_learns():
    rng = np.random.default_rng(0)
    said = rng.integers(0, 4, (3, 50))
    found = cohen_kappa(said, 4)
    assert found[0, 1] == pytest.approx(cohen_kappa_score(said[0], said[1]))
    assert found[2, 1] == pytest.approx(cohen_kappa_score(said[2], said[1]))


def test_the_brier_score_of_the_mean_is_the_mean_less_the_spread():
    proba, labels = draw("random", 5, 80, 3, seed=1)
    apart = ambiguity(proba, labels)
    assert apart.ensemble == pytest.approx(apart.mean_member - apart.spread)
    assert apart.ensemble == pytest.approx(float(METRICS["brier"](labels, proba.mean(axis=0))))
    assert apart.mean_member == pytest.approx(float(METRICS["brier"](labels, proba).mean()))


def test_a_sets_diversity():
    proba, labels = draw("random", 6, 200, 4, seed=2)
    proba[5] = 0.95 * proba[4] + 0.05 / 4
    found = measure_diversity(Predictions(proba, labels))
    assert found.clusters == [["member-4", "member-5"]]
    right = proba.argmax(axis=2) == labels
    assert found.coverage[1] == right.any(axis=0).mean()
    assert found.coverage[6] == right.all(axis=0).mean()
    assert (found.n_committees, found.sampled) == (2**6 - 7, False)
    assert [one.measure for one in found.folklore] == list(MEASURES)
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
    one = next(one for one in found.folklore if one.measure == "disagreement")
    assert one.by_size[3] == pytest.approx(spearmanr(np.round(spread, 12), np.round(gains, 12)).statistic)


def test_many_members_are_sampled_and_repeat():
    proba, labels = draw("random", 20, 60, 3, seed=4)
    data = Predictions(proba, labels)
    first, second = measure_diversity(data, seed=1), measure_diversity(data, seed=1)
    assert first.sampled
    assert repr(first.folklore) == repr(second.folklore)


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

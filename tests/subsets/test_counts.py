"""Every count equals brute force, on every path through the sweep."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ensembler import load_predictions, sweep_subsets
from ensembler.combiners.additive import AdditiveCombiner
from ensembler.combiners.base import clone
from ensembler.combiners.registry import family_rules, make_rule
from ensembler.predictions import bundled
from ensembler.subsets.contributions import Contributions
from ensembler.subsets.evaluators import CountsByDoubling, CountsByWalk, IndividualCounts
from ensembler.subsets.kernel.counter import Counter
from ensembler.subsets.plan import make_plan
from ensembler.subsets.sweep import sweep_predictions
from tests.subsets.draw import KINDS, draw, stretched

ADDITIVE = sorted(name for name in family_rules("all") if isinstance(make_rule(name), AdditiveCombiner))


def brute_force(proba, labels, rule):
    """Count by refitting the rule on the members of each committee, in plain loops."""
    found = [int(np.bincount(labels).max())]
    for mask in range(1, 1 << len(proba)):
        members = [member for member in range(len(proba)) if mask >> member & 1]
        fitted = clone(rule).fit(proba[members], labels)
        found.append(int((fitted.predict(proba[members]) == labels).sum()))
    return found


def by_definition(proba, labels, rule):
    """Count by adding contributions in float64 in ascending member order, in plain loops."""
    parts = [rule.contribution(member, proba[member]) for member in range(len(proba))]
    found = [int(np.bincount(labels).max())]
    for mask in range(1, 1 << len(proba)):
        scores = np.zeros(proba.shape[1:]) + rule.offset()
        for member, part in enumerate(parts):
            if mask >> member & 1:
                scores = scores + part
        found.append(int((scores.argmax(axis=1) == labels).sum()))
    return found


def walked(proba, labels, rule, shard_bits=8):
    """Count through the compiled walk, whatever the number of members."""
    data = Contributions(proba, labels, [(np.arange(len(labels)), rule)])
    plan = make_plan(len(proba), shard_bits=shard_bits)
    evaluator = CountsByWalk(plan, data, 0.0, Counter.of(data, plan))
    found = np.concatenate([evaluator.values(shard) for shard in plan.shards()]).astype(int)
    assert evaluator.values_of(range(1, len(found))).astype(int).tolist() == found[1:].tolist()
    return found.tolist()


def test_all_additive_rules_are_swept():
    assert ADDITIVE == [
        "accuracy-weighted",
        "borda",
        "dempster-shafer",
        "generalised-mean",
        "loss-weighted",
        "majority-vote",
        "mean",
        "naive-bayes",
        "product",
        "recall",
        "weighted-vote",
    ]


@pytest.mark.parametrize("name", ADDITIVE)
def test_counts_are_those_of_refitted_rules(name):
    proba, labels = draw("random", 6, 60, 4, seed=1)
    sweep = sweep_subsets(proba, labels, name)
    assert sweep.correct.tolist() == brute_force(proba, labels, make_rule(name))


@pytest.mark.parametrize("name", ADDITIVE)
@pytest.mark.parametrize("kind", KINDS)
def test_all_paths_follow_the_definition(name, kind):
    proba, labels = draw(kind, 9, 40, 3, seed=2)
    rule = make_rule(name).fit(proba, labels)
    wanted = by_definition(proba, labels, rule)
    assert walked(proba, labels, rule)[1:] == wanted[1:]
    assert sweep_subsets(proba, labels, rule).correct.tolist() == wanted


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(KINDS),
    name=st.sampled_from(ADDITIVE),
    n_members=st.integers(1, 7),
    n_rows=st.integers(1, 12),
    n_classes=st.integers(2, 5),
    seed=st.integers(0, 1000),
)
def test_doubling_follows_the_definition(kind, name, n_members, n_rows, n_classes, seed):
    proba, labels = draw(kind, n_members, n_rows, n_classes, seed)
    rule = make_rule(name).fit(proba, labels)
    data = Contributions(proba, labels, [(np.arange(n_rows), rule)])
    plan = make_plan(n_members)
    wanted = by_definition(proba, labels, rule)
    assert CountsByDoubling(plan, data, 0.0).values(0).astype(int).tolist()[1:] == wanted[1:]
    assert IndividualCounts(plan, data, 0.0).values(0).astype(int).tolist()[1:] == wanted[1:]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(KINDS),
    name=st.sampled_from(ADDITIVE),
    n_rows=st.integers(1, 12),
    n_classes=st.integers(2, 5),
    seed=st.integers(0, 1000),
)
def test_the_walk_follows_the_definition(kind, name, n_rows, n_classes, seed):
    proba, labels = draw(kind, 8, n_rows, n_classes, seed)
    rule = make_rule(name).fit(proba, labels)
    assert walked(proba, labels, rule)[1:] == by_definition(proba, labels, rule)[1:]


def test_ten_thousand_committees_of_twenty_four_members():
    data = load_predictions(bundled.published_folder())
    proba = stretched(data.proba, 24)[:, :600]
    labels = data.true_labels[:600]
    sweep = sweep_subsets(proba, labels)
    masks = np.random.default_rng(3).integers(1, 1 << 24, 10_000)
    members = (masks[:, None] >> np.arange(24) & 1).astype(bool)
    scores = np.zeros((len(masks), len(labels), proba.shape[2]))
    for member in range(24):
        scores[members[:, member]] += proba[member]
    assert (sweep.correct[masks] == (scores.argmax(axis=2) == labels).sum(axis=1)).all()


@pytest.mark.parametrize("n_jobs", [1, 2, 7])
@pytest.mark.parametrize("shard_bits", [0, 8, 11])
def test_neither_threads_nor_shards_change_anything(n_jobs, shard_bits):
    data = load_predictions(bundled.published_folder())
    proba = stretched(data.proba, 14)[:, :400]
    from ensembler import Predictions

    one = Predictions(proba, data.true_labels[:400])
    reference = sweep_predictions(one, n_jobs=1)
    sweep = sweep_predictions(one, n_jobs=n_jobs, shard_bits=shard_bits)
    assert (sweep.correct == reference.correct).all()
    assert sweep.shapley().tolist() == reference.shapley().tolist()
    assert sweep.by_size() == reference.by_size()
    assert sweep.top() == reference.top()


def test_bench_and_sweep_agree_on_the_whole_set():
    from ensembler import compare_rules
    from ensembler.subsets.study import study_subsets

    data = load_predictions(bundled.published_folder())
    compared = compare_rules(data, ADDITIVE)
    for one in study_subsets(data, ADDITIVE).rules:
        [value] = one.scored.value_of([2**data.n_members - 1])
        assert value == compared[one.rule].metrics["accuracy"]

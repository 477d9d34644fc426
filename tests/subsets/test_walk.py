"""The compiled walk where its vectors and tables have edges: rows that straddle, many classes, many rows."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ensembler.combiners.registry import make_rule
from ensembler.subsets.contributions import Contributions
from ensembler.subsets.kernel import counter
from ensembler.subsets.kernel.counter import Counter
from ensembler.subsets.plan import make_plan
from tests.subsets.draw import KINDS, draw


def counted(proba, labels, name="mean", must=(), sizes=None, shard_bits=8):
    """Count through the compiled walk; -1 for committees that are not asked for."""
    rule = make_rule(name).fit(proba, labels)
    data = Contributions(proba, labels, [(np.arange(len(labels)), rule)])
    low, high = sizes or (1, len(proba))
    plan = make_plan(len(proba), low, high, must, shard_bits)
    walked = Counter.of(data, plan)
    found = np.full(plan.n_places, -1)
    for shard in plan.shards():
        found[shard << plan.shard_bits : (shard + 1) << plan.shard_bits] = walked.count(shard)
    return found


def enumerated(proba, labels, name="mean"):
    """Count by adding contributions in float64 in ascending member order, one committee after another."""
    rule = make_rule(name).fit(proba, labels)
    parts = [rule.contribution(member, proba[member]) for member in range(len(proba))]
    scores = np.zeros((1, *proba.shape[1:])) + rule.offset()
    for part in parts:
        scores = np.concatenate([scores, scores + part])
    return (scores.argmax(axis=2) == labels).sum(axis=1)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(KINDS),
    name=st.sampled_from(["mean", "majority-vote", "weighted-vote"]),
    n_members=st.integers(8, 10),
    n_rows=st.integers(1, 70),
    n_classes=st.integers(2, 20),
    seed=st.integers(0, 1000),
)
def test_rows_of_any_number_of_pairs(kind, name, n_members, n_rows, n_classes, seed):
    proba, labels = draw(kind, n_members, n_rows, n_classes, seed)
    assert counted(proba, labels, name)[1:].tolist() == enumerated(proba, labels, name)[1:].tolist()


def test_rows_of_more_pairs_than_a_vector_and_a_byte():
    """300 classes of which any may win, so that lists of pairs are long and rows go on and on."""
    rng = np.random.default_rng(0)
    proba, labels = rng.dirichlet(np.full(300, 5.0), size=(9, 12)), rng.integers(0, 300, 12)
    proba[:5] = 0.99 * proba[:5] + 0.01 * np.eye(300)[labels]
    assert counted(proba, labels)[1:].tolist() == enumerated(proba, labels)[1:].tolist()


def test_more_rows_than_sixteen_bits_and_more_pairs_than_a_tile():
    proba, labels = draw("random", 9, 70_000, 2, seed=4)
    found = counted(proba, labels)
    assert found[1:].tolist() == enumerated(proba, labels)[1:].tolist()
    assert found.max() > 2**15


@pytest.mark.parametrize("kind", ["random", "decimal"])
def test_partial_sums_that_are_sorted_anew_for_each_tile(kind, monkeypatch):
    proba, labels = draw(kind, 10, 1500, 4, seed=5)
    reference = counted(proba, labels)
    monkeypatch.setattr(counter, "MOST_TABLES", 0)
    assert counted(proba, labels).tolist() == reference.tolist()
    assert reference[1:].tolist() == enumerated(proba, labels)[1:].tolist()


@pytest.mark.parametrize("must", [(), (3,), (0, 11)])
@pytest.mark.parametrize("sizes", [(1, 12), (2, 4), (5, 5), (9, 12)])
def test_sizes_that_are_not_asked_for_are_left_out(must, sizes):
    proba, labels = draw("decimal", 12, 60, 5, seed=6)
    free = [member for member in range(12) if member not in must]
    places = np.arange(1 << len(free))
    masks = sum(((places >> bit & 1) << member for bit, member in enumerate(free)), sum(1 << one for one in must))
    wanted = (np.bitwise_count(masks) >= sizes[0]) & (np.bitwise_count(masks) <= sizes[1])
    expected = np.where(wanted, enumerated(proba, labels)[masks], -1)
    assert counted(proba, labels, must=must, sizes=sizes).tolist() == expected.tolist()


def test_counters_are_sent_without_their_tables():
    proba, labels = draw("random", 10, 200, 4, seed=8)
    rule = make_rule("mean").fit(proba, labels)
    one = Counter.of(Contributions(proba, labels, [(np.arange(200), rule)]), make_plan(10))
    sent = pickle.dumps(one)
    assert len(sent) < one.leaf.sums.nbytes / 2
    assert pickle.loads(sent).count(0).tolist() == one.count(0).tolist()  # noqa: S301 - our own bytes


SAME = """
import numpy as np
from tests.subsets.test_walk import counted, draw
for kind in ("random", "decimal", "hard"):
    print(np.bincount(counted(*draw(kind, 11, 300, 6, seed=7)) + 1).tolist())
"""


@pytest.mark.parametrize("features", ["", "+avx2,+popcnt"])
def test_processors_without_wide_vectors_count_the_same(features, tmp_path):
    wanted = [
        np.bincount(counted(*draw(kind, 11, 300, 6, seed=7)) + 1).tolist() for kind in ("random", "decimal", "hard")
    ]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_CPU_NAME": "generic"}
    environment["NUMBA_CPU_FEATURES"] = features
    done = subprocess.run([sys.executable, "-c", SAME], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:3] == [str(counts) for counts in wanted]

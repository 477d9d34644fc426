"""Greedy selection against a naive version and against stored outputs of AutoGluon."""

import json
from pathlib import Path

import numpy as np
import pytest

from ensembler import GreedySelection
from ensembler.combiners import _greedy_many_classes
from ensembler.combiners._greedy_candidates import Candidates
from ensembler.combiners.greedy import candidates_for
from ensembler.errors import ParameterError
from ensembler.metrics import METRICS, get_metric
from tests.conftest import draw
from tests.oracles.autogluon_greedy import draw as draw_for_autogluon

ORACLE = json.loads((Path(__file__).parents[1] / "oracles" / "autogluon_greedy.json").read_text())
CASES = ORACLE["cases"]


@pytest.mark.parametrize(
    "case",
    CASES,
    ids=lambda c: f"{c['metric']}-{c['n_members']}x{c['n_samples']}x{c['n_classes']}-{c['n_steps']}-{c['seed']}",
)
def test_weights_are_autogluons(case):
    proba, labels = draw_for_autogluon(case["seed"], case["n_members"], case["n_samples"], case["n_classes"])
    rule = GreedySelection(metric=case["metric"], n_steps=case["n_steps"]).fit(proba, labels)
    np.testing.assert_allclose(rule.weights_, case["weights"], atol=1e-12)


def test_the_oracle_has_cases_of_both_kinds():
    kinds = [case["metric"] for case in CASES]
    assert min(kinds.count("accuracy"), kinds.count("log-loss")) >= 5


def naive(proba, labels, name, n_steps, n_init=1, best_prefix=True):
    """Caruana's loop, written plainly."""
    metric = get_metric(name)

    def quality(mean):
        return float(metric.signed(metric(labels, mean)))

    singles = [quality(member) for member in proba]
    losses = [float(get_metric("log-loss")(labels, member)) for member in proba]
    order = sorted(range(len(proba)), key=lambda m: (-round(singles[m], 12), round(losses[m], 12)))[:n_init]
    path = []
    for size in range(1, n_steps + 1):
        if size > len(order):
            sums = [sum(proba[m] for m in order) + member for member in proba]
            values = [quality(total / size) for total in sums]
            tied = [m for m in range(len(proba)) if values[m] >= max(values) - 1e-12]
            tied = [m for m in tied if m in order] or tied
            losses = {m: float(get_metric("log-loss")(labels, sums[m] / size)) for m in tied}
            order.append(next(m for m in tied if losses[m] <= min(losses.values()) + 1e-12))
        path.append(quality(sum(proba[m] for m in order[:size]) / size))
    if best_prefix:
        allowed = path[n_init - 1 :]
        order = order[: n_init + next(i for i, value in enumerate(allowed) if value >= max(allowed) - 1e-12)]
    return np.bincount(order, minlength=len(proba)) / len(order)


@pytest.mark.parametrize("metric", ["accuracy", "log-loss", "brier", "macro-f1", "balanced-accuracy"])
@pytest.mark.parametrize("options", [{}, {"n_init": 3}, {"best_prefix": False}], ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_weights_are_those_of_the_naive_loop(metric, options, seed):
    proba, labels = draw(seed, 6, 81, 3)
    rule = GreedySelection(metric=metric, n_steps=12, **options).fit(proba, labels)
    np.testing.assert_allclose(rule.weights_, naive(proba, labels, metric, 12, **options), atol=1e-12)


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_many_classes_have_the_weights_of_the_naive_loop(seed, coarse):
    proba, labels = draw(seed, 6, 150, 50)
    if coarse:
        proba = np.round(proba, 1) + 0.01
        proba /= proba.sum(axis=-1, keepdims=True)
    rule = GreedySelection(n_steps=12).fit(proba, labels)
    np.testing.assert_allclose(rule.weights_, naive(proba, labels, "accuracy", 12), atol=1e-12)


def test_the_first_of_equally_accurate_members_has_the_lower_log_loss():
    labels = np.array([0, 1, 0, 1])
    unsure = np.array([[0.6, 0.4], [0.4, 0.6], [0.6, 0.4], [0.6, 0.4]])
    sure = np.array([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1], [0.6, 0.4]])
    assert GreedySelection(n_steps=1).fit(np.stack([unsure, sure]), labels).order_ == [[1]]


def test_coarse_probabilities_and_their_ties():
    for seed in range(8):
        proba, labels = draw(seed, 6, 40, 3)
        proba = np.eye(3)[proba.argmax(-1)]
        rule = GreedySelection(n_steps=10).fit(proba, labels)
        np.testing.assert_allclose(rule.weights_, naive(proba, labels, "accuracy", 10), atol=1e-12)


def test_selection_is_with_replacement_and_the_path_is_the_metric_of_the_running_mean():
    proba, labels = draw(4, 5, 400, 3)
    rule = GreedySelection(metric="log-loss", n_steps=30, best_prefix=False).fit(proba, labels)
    (order,), (path,) = rule.order_, rule.path_
    assert len(order) == 30 > len(set(order))
    metric = get_metric("log-loss")
    for size in (1, 2, 7, 30):
        mean = sum(proba[m] for m in order[:size]) / size
        np.testing.assert_allclose(path[size - 1], float(metric(labels, mean)))


def test_best_prefix_ends_where_the_metric_was_best():
    proba, labels = draw(5, 6, 150, 3)
    full = GreedySelection(n_steps=40, best_prefix=False).fit(proba, labels)
    cut = GreedySelection(n_steps=40).fit(proba, labels)
    path = full.path_[0]
    assert cut.order_[0] == full.order_[0][: int(np.argmax(path)) + 1]


def test_sorted_initialisation_starts_with_the_best_members():
    proba, labels = draw(6, 6, 300, 3)
    rule = GreedySelection(n_steps=10, n_init=4, best_prefix=False).fit(proba, labels)
    singles = (proba.argmax(-1) == labels).mean(-1)
    assert rule.order_[0][:4] == np.argsort(-singles, kind="stable")[:4].tolist()


def test_each_bag_sees_a_part_of_the_members():
    proba, labels = draw(7, 8, 200, 3)
    rule = GreedySelection(n_bags=5, bag_fraction=0.5).fit(proba, labels)
    assert len(rule.order_) == 5
    assert all(len(set(order)) <= 4 for order in rule.order_)
    assert len({frozenset(order) for order in rule.order_}) > 1
    shares = [np.bincount(order, minlength=8) / len(order) for order in rule.order_]
    np.testing.assert_allclose(rule.weights_, np.mean(shares, axis=0))


def test_row_weights_count():
    proba, labels = draw(8, 5, 120, 3)
    counts = np.random.default_rng(1).integers(0, 4, 120)
    weighted = GreedySelection(metric="log-loss").fit(proba, labels, counts)
    repeated = GreedySelection(metric="log-loss").fit(np.repeat(proba, counts, axis=1), np.repeat(labels, counts))
    np.testing.assert_allclose(weighted.weights_, repeated.weights_)


def test_a_metric_of_your_own():
    proba, labels = draw(9, 5, 120, 3)
    mine = GreedySelection(metric=lambda y, p: float((p.argmax(-1) == y).mean())).fit(proba, labels)
    np.testing.assert_allclose(mine.weights_, GreedySelection().fit(proba, labels).weights_)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_steps": 0}, "n_steps is 0, expected a whole number of at least 1"),
        ({"n_steps": 2.5}, "n_steps is 2.5"),
        ({"n_init": 51}, "n_init is 51, expected a whole number from 1 to n_steps, which is 50"),
        ({"n_bags": -1}, "n_bags is -1"),
        ({"bag_fraction": 0.7}, "bag_fraction is 0.7, expected 0.5 without bags, which do not use it; set n_bags"),
        ({"n_bags": 2, "bag_fraction": 1.5}, "bag_fraction is 1.5, expected a number above 0 and at most 1"),
        ({"best_prefix": "no"}, "best_prefix is 'no', expected true or false"),
        ({"random_state": "x"}, "random_state is 'x'"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(ParameterError, match=message):
        GreedySelection(**options).fit(*draw(10))


@pytest.mark.parametrize("kind", ["random", "good", "coarse", "missing", "single", "tied"])
@pytest.mark.parametrize(
    ("n_classes", "most", "used"),
    [(3, 0.125, "AccuracyCandidates"), (40, 1.0, "FewRivals"), (40, 0.0, "ManyClassAccuracy")],
)
def test_leads_within_bounds_are_those_of_every_row(n_classes, most, used, kind, monkeypatch):
    """The shortcuts for accuracy say what the metric says, whatever was added before."""
    monkeypatch.setattr(_greedy_many_classes, "FEW_RIVALS", most)
    if kind == "random":
        monkeypatch.setattr("ensembler.arrays.MANY_VALUES", 10)
        monkeypatch.setattr(_greedy_many_classes, "MANY_SUMS", 10)
    rng = np.random.default_rng(6)
    labels = rng.integers(0, n_classes, 300)
    scores = rng.exponential(size=(6, 300, n_classes)) ** 2
    if kind == "good":
        scores[:, np.arange(300), labels] += 3 * rng.random((6, 300)) * (rng.random(300) < 0.8)
    proba = scores / scores.sum(axis=2, keepdims=True)
    if kind == "coarse":
        proba = np.round(proba * 4) / 4
        proba[..., 0] += 1 - proba.sum(axis=2)
    if kind == "missing":
        proba[rng.random((6, 300)) < 0.3] = 0
        proba[:, :5] = 0
    if kind == "single":
        proba = proba.astype(np.float32)
    if kind == "tied":
        # Next to the true class, one is as probable or nearly so in every member.
        beside = (labels + rng.choice([-1, 1], 300)) % n_classes
        proba[:, np.arange(300), beside] = proba[:, np.arange(300), labels] + rng.choice([0, 1e-12, -1e-9], (6, 300))
        proba = proba.astype(np.float32)
    weight = rng.random(300)
    quick = candidates_for(METRICS["accuracy"], proba, labels, weight)
    plain = Candidates(METRICS["accuracy"], proba, labels, weight)
    assert type(quick).__name__ == used
    for member in rng.integers(0, 6, 40):
        np.testing.assert_allclose(quick.signed_scores(), plain.signed_scores(), rtol=0, atol=1e-12)
        np.testing.assert_allclose(quick.log_losses(np.arange(6)), plain.log_losses(np.arange(6)), atol=1e-12)
        quick.add(member)
        plain.add(member)

"""Classic rules against other people's programs, plain loops, and reference figures."""

import builtins
import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import percentileofscore, pmean

from ensembler import Predictions, compare_rules
from ensembler.arrays import one_hot
from ensembler.combiners import dawid_skene
from ensembler.combiners.bayesian_combination import BayesianCombination
from ensembler.combiners.behaviour_knowledge import BehaviourKnowledgeSpace, vote_keys
from ensembler.combiners.cma_es import CMAESWeights, rounded
from ensembler.combiners.dawid_skene import DawidSkene
from ensembler.combiners.rank_average import RankAverage
from ensembler.combiners.registry import all_rules, make_rule
from ensembler.errors import NotApplicableError, ParameterError, ValueRangeError
from ensembler.metrics import get_metric
from tests.conftest import draw
from tests.oracles import crowd_kit, pusion_rules

ORACLES = Path(__file__).parents[1] / "oracles"
PUSION = json.loads((ORACLES / "pusion_rules.json").read_text())["cases"]
CROWD_KIT = json.loads((ORACLES / "crowd_kit_dawid_skene.json").read_text())["cases"]
CLASSICS = [
    *["bayesian-combination", "behaviour-knowledge-space", "cma-es", "dawid-skene", "decision-templates"],
    *["dempster-shafer", "generalised-mean", "naive-bayes", "rank-average", "recall"],
]
TABLES = ("naive-bayes", "recall", "dempster-shafer", "dempster-shafer:squared=false")

pytestmark = pytest.mark.filterwarnings("ignore::ensembler.errors.FitWarning")


def renormalised(fer):
    """Return the published set's fitting and scored rows in float64, each summing to 1."""
    parts = [part.proba.astype(np.float64) for part in (fer.validation, fer)]
    first, second = (part / part.sum(axis=-1, keepdims=True) for part in parts)
    return first, fer.validation.labels, second, fer.labels


@pytest.mark.parametrize(
    ("text", "n_right", "log_loss"),
    [
        ("decision-templates", 2471, None),
        ("dempster-shafer", 2484, 0.9489),
        ("dempster-shafer:squared=false", 2477, 0.9426),
        ("naive-bayes", 2463, 2.2527),
        ("recall", 2446, 2.6274),
        ("behaviour-knowledge-space", 2426, 3.1122),
    ],
)
def test_reference_figures_on_the_published_set(text, n_right, log_loss, fer):
    fitting, fitting_labels, scored, labels = renormalised(fer)
    output = make_rule(text).fit(fitting, fitting_labels).predict_proba(scored)
    assert (output.argmax(axis=1) == labels).sum() == n_right
    if log_loss is not None:
        true = np.maximum(output[np.arange(len(labels)), labels], 1e-15)
        assert -np.log(true).mean() == pytest.approx(log_loss, abs=5e-5)


@pytest.mark.parametrize("case", PUSION, ids=lambda case: str(case["case"]))
@pytest.mark.parametrize(
    "text",
    ["decision-templates", "dempster-shafer", "dempster-shafer:squared=false", "naive-bayes", "borda"],
)
def test_pusion_answers_the_same(text, case):
    proba, labels = pusion_rules.draw(*case["case"])
    n_fitting = case["case"][2]
    rule = make_rule(text).fit(proba[:, :n_fitting], labels[:n_fitting])
    if text == "naive-bayes":
        # Pusion does not smooth the priors.
        rule.priors_ = np.bincount(labels[:n_fitting], minlength=proba.shape[2]) / n_fitting
    np.testing.assert_array_equal(rule.predict(proba[:, n_fitting:]), case[text])


@pytest.mark.parametrize("case", PUSION, ids=lambda case: str(case["case"]))
def test_pusion_knows_the_same_behaviour(case):
    proba, labels = pusion_rules.draw(*case["case"])
    n_fitting = case["case"][2]
    rule = BehaviourKnowledgeSpace().fit(proba[:, :n_fitting], labels[:n_fitting])
    answers = np.array(case["behaviour-knowledge-space"])
    shares = np.eye(proba.shape[2])[proba[:, n_fitting:].argmax(axis=-1)].mean(axis=0)
    counts = rule.scores(proba[:, n_fitting:]) - shares
    known = counts.sum(axis=1) > 0.5
    np.testing.assert_array_equal(known, answers >= 0)
    # Pusion takes the first of classes with equal counts, where the votes decide here.
    clear = known & ((counts > counts.max(axis=1, keepdims=True) - 0.5).sum(axis=1) == 1)
    assert clear.sum() > 5
    np.testing.assert_array_equal(rule.predict(proba[:, n_fitting:])[clear], answers[clear])


@pytest.mark.parametrize("case", CROWD_KIT, ids=lambda case: str(case["case"]))
def test_crowd_kit_estimates_the_same(case):
    *drawn, max_iter, tol = case["case"]
    votes = crowd_kit.draw_votes(*drawn)
    proba = np.stack([one_hot(member, drawn[3]) for member in votes])
    rule = DawidSkene(max_iter, tol).fit(proba, missing=votes == -1)
    np.testing.assert_allclose(rule.priors_, case["priors"], rtol=1e-6)
    np.testing.assert_allclose(rule.confusion_, case["confusion"], rtol=1e-6, atol=1e-8)


def loops(text, proba, labels, weight):
    """Return the scores of a row-by-row reading of the formulas."""
    n_members, n_rows, n_classes = proba.shape
    counts = np.array([weight[labels == c].sum() for c in range(n_classes)])
    scores = np.zeros((n_rows, n_classes))
    votes = proba.argmax(axis=-1)
    for row in range(n_rows):
        for c in range(n_classes):
            score = 0.0 if "shafer" in text else np.log((counts[c] + 1) / (n_rows + n_classes))
            for m in range(n_members):
                inside = labels == c
                if text == "naive-bayes":
                    agreeing = weight[inside & (votes[m] == votes[m, row])].sum()
                    score += np.log((agreeing + 1 / n_classes) / (counts[c] + 1))
                elif text == "recall":
                    margin = 1 / (2 * counts[c] + 2)
                    recall = weight[inside & (votes[m] == c)].sum() / counts[c] if counts[c] else 0.5
                    recall = min(max(recall, margin), 1 - margin)
                    score += np.log(1 - recall)
                    if votes[m, row] == c:
                        score += np.log(recall / (1 - recall)) + np.log(n_classes - 1)
                else:
                    score += np.log(belief(proba, labels, weight, m, row, c, squared="false" not in text))
            scores[row, c] = score
    return scores


def belief(proba, labels, weight, member, row, true, *, squared):
    near = []
    for c in range(proba.shape[2]):
        inside = labels == c
        template = np.average(proba[member, inside], axis=0, weights=weight[inside])
        distance = np.linalg.norm(template - proba[member, row])
        near.append(1 / (1 + (distance**2 if squared else distance)))
    near = np.array(near) / sum(near)
    others = np.prod([1 - near[c] for c in range(len(near)) if c != true])
    return near[true] * others / (1 - near[true] * (1 - others))


@pytest.mark.parametrize(("text", "weighted"), list(product(TABLES, (False, True))))
def test_tables_in_plain_loops(text, weighted):
    proba, labels = draw(31, 3, 40, 3)
    weight = np.linspace(0.2, 1.8, 40) if weighted else np.ones(40)
    rule = make_rule(text).fit(proba, labels, weight)
    np.testing.assert_allclose(rule.scores(proba), loops(text, proba, labels, weight), rtol=1e-9)


def test_templates_in_plain_loops():
    proba, labels = draw(32, 3, 40, 3)
    weight = np.linspace(0.2, 1.8, 40)
    rule = make_rule("decision-templates").fit(proba, labels, weight)
    for c in range(3):
        expected = np.average(proba[:, labels == c], axis=1, weights=weight[labels == c])
        np.testing.assert_allclose(rule.templates_[c], expected, rtol=1e-12)
    expected = [[1 - ((rule.templates_[c] - proba[:, row]) ** 2).mean() for c in range(3)] for row in range(40)]
    np.testing.assert_allclose(rule.scores(proba), expected, rtol=1e-12)


@pytest.mark.parametrize("text", ["decision-templates", *TABLES])
def test_a_class_without_fitting_rows_never_wins_by_templates(text):
    proba, labels = draw(33, 4, 90, 4)
    kept = labels != 2
    rule = make_rule(text).fit(proba[:, kept], labels[kept])
    output = rule.predict_proba(proba)
    assert np.isfinite(output).all()
    if text not in ("naive-bayes", "recall"):
        assert (output[:, 2] < output.max(axis=1)).all()
        assert np.isnan(rule.templates_[2]).all()
    one = make_rule(text).fit(proba[:, labels == 1], labels[labels == 1])
    assert np.isfinite(one.predict_proba(proba)).all()
    if text not in ("naive-bayes", "recall"):
        assert (one.predict(proba) == 1).all()


@pytest.mark.parametrize(("n_members", "n_classes"), [(3, 3), (40, 10)])
def test_behaviour_knowledge_in_a_dictionary(n_members, n_classes):
    rng = np.random.default_rng(0)
    rows = rng.integers(0, n_classes, (30, n_members))
    votes = rows[rng.integers(0, 30, 200)].T
    labels = rng.integers(0, n_classes, 200)
    weight = rng.integers(1, 4, 200).astype(float)
    weight /= weight.mean()
    seen, asked = {}, np.concatenate([votes[:, :50], rng.integers(0, n_classes, (n_members, 20))], axis=1)
    for column, label, one in zip(votes.T, labels, weight, strict=True):
        seen.setdefault(tuple(column), np.zeros(n_classes))[label] += one
    rule = BehaviourKnowledgeSpace().fit(np.eye(n_classes)[votes], labels, weight)
    expected = []
    for column in asked.T:
        shares = np.bincount(column, minlength=n_classes) / n_members
        expected.append(seen.get(tuple(column), np.zeros(n_classes)) + shares)
    np.testing.assert_allclose(rule.scores(np.eye(n_classes)[asked]), expected, rtol=1e-12)
    assert len(rule.patterns_) == len(seen)


def test_keys_tell_votes_apart():
    votes = np.random.default_rng(0).integers(-1, 50, (300, 30))
    votes[150:] = votes[:150]
    votes[299, 0] = 49 if votes[299, 0] != 49 else 48
    keys = vote_keys(votes, 50)
    np.testing.assert_array_equal(keys[:149], keys[150:299])
    assert len(np.unique(keys)) == 151


@pytest.mark.parametrize("n_classes", [2, 4])
def test_ranks_are_those_of_scipy(n_classes):
    proba, labels = draw(34, 3, 60, n_classes)
    proba = np.round(proba, 1) + 0.02
    proba /= proba.sum(axis=-1, keepdims=True)
    rule = RankAverage().fit(proba[:, :40], labels[:40])
    exact, proba = proba, proba.astype(np.float32)
    ranks = np.array(
        [
            [
                np.mean([percentileofscore(proba[m, :40, c], proba[m, row, c], kind="mean") / 100 for m in range(3)])
                for c in range(n_classes)
            ]
            for row in range(40, 60)
        ]
    )
    if n_classes == 2:
        ranks[:, 0] = 1 - ranks[:, 1]
    np.testing.assert_allclose(rule.scores(proba[:, 40:]), ranks, atol=1e-12)
    np.testing.assert_allclose(rule.scores(exact[:, 40:]), ranks, atol=1e-12)
    np.testing.assert_array_equal(rule.scores(proba[:, 41:42])[0], rule.scores(proba[:, 40:])[1])


def test_ranks_of_weighted_rows_are_those_of_repeated_ones():
    proba, labels = draw(35, 3, 50)
    counts = np.random.default_rng(0).integers(1, 4, 50)
    weighted = RankAverage().fit(proba, labels, counts)
    repeated = RankAverage().fit(np.repeat(proba, counts, axis=1), np.repeat(labels, counts))
    np.testing.assert_allclose(weighted.scores(proba), repeated.scores(proba), atol=1e-12)


@pytest.mark.parametrize("order", [-20, -2.5, -1, 0, 0.5, 1, 3, 20])
def test_generalised_means_are_those_of_scipy(order):
    proba, _ = draw(36, 5, 40)
    expected = pmean(proba, order, axis=0)
    found = make_rule(f"generalised-mean:order={order}").predict_proba(proba)
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), rtol=1e-9)


def test_generalised_means_of_extreme_probabilities():
    proba = np.array([[[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]], [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]])
    for order in (-20, -1, 0, 1e-9, 0.5, 20):
        output = make_rule(f"generalised-mean:order={order}").predict_proba(proba)
        assert np.isfinite(output).all()
        np.testing.assert_allclose(output.sum(axis=1), 1)
    with pytest.raises(ParameterError, match="order is 21, expected a number from -20 to 20; beyond it use max or min"):
        make_rule("generalised-mean:order=21")


@pytest.mark.parametrize("n_classes", [2, 4])
def test_bayesian_combination_in_plain_loops(n_classes):
    proba, labels = draw(37, 4, 60, n_classes)
    weight = np.linspace(0.5, 1.5, 60)
    rule = BayesianCombination(n_draws=50, random_state=3).fit(proba, labels, weight)
    own = [np.average(member.argmax(-1) == labels, weights=weight) for member in proba]
    confident = [np.average(member[np.arange(60), labels], weights=weight) for member in proba]
    order = sorted(range(4), key=lambda m: (-own[m], -confident[m]))
    draws = np.random.default_rng(3).dirichlet(np.ones(4), 50)
    logs = []
    for some in draws:
        mean = sum(value * proba[m] for value, m in zip(some, order, strict=True))
        a = np.clip(max(np.average(mean.argmax(-1) == labels, weights=weight), 0.5), 1 / 120, 1 - 1 / 120)
        logs.append(60 * (a * np.log(a) + (1 - a) * np.log(1 - a)))
    posterior = np.exp(np.array(logs) - max(logs))
    expected = np.zeros(4)
    expected[order] = posterior @ draws / posterior.sum()
    np.testing.assert_allclose(rule.weights_, expected, rtol=1e-9)


def test_bayesian_combination_does_not_prefer_what_is_worse_than_half():
    proba, labels = draw(38, 3, 200, 10, skill=0.8)
    own = [(member.argmax(-1) == labels).mean() for member in proba]
    assert max(own) < 0.5
    weights = BayesianCombination().fit(proba, labels).weights_
    np.testing.assert_allclose(weights, 1 / 3, atol=0.02)


@pytest.mark.parametrize("metric", ["log-loss", "accuracy", "brier", "balanced-accuracy"])
def test_the_evolution_strategy_improves_its_metric(metric):
    proba, labels = draw(39, 5, 300)
    measure = get_metric(metric)
    rule = CMAESWeights(metric).fit(proba, labels)
    reached = measure.signed(measure(labels, rule.predict_proba(proba), None))
    alone = [measure.signed(measure(labels, member, None)) for member in proba]
    assert reached > max(alone)
    np.testing.assert_allclose(rule.weights_ * 50, np.round(rule.weights_ * 50), atol=1e-9)
    assert rule.weights_.sum() == pytest.approx(1)
    if metric == "log-loss":
        best = measure(labels, make_rule("simplex").fit(proba, labels).predict_proba(proba), None)
        assert best <= -reached < best + 0.005


def test_weights_of_many_members_are_rounded_to_fifty_counts():
    drawn = np.random.default_rng(0).dirichlet(np.ones(200), 10)
    counts = rounded(drawn) * 50
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-9)
    np.testing.assert_allclose(counts.sum(axis=1), 50)
    assert (np.abs(counts - 50 * drawn) < 1 + 1e-9).all()


def test_a_missing_package_is_named(monkeypatch):
    original = builtins.__import__

    def without(name, *rest, **more):
        if name == "cmaes":
            raise ImportError(name)
        return original(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(NotApplicableError, match=r"cma-es needs cmaes; pip install 'ensembler-bench\[cma\]'"):
        CMAESWeights().fit(*draw(40))
    proba, _ = draw(40, 1)
    assert CMAESWeights().fit(proba, draw(40, 1)[1]).weights_.tolist() == [1.0]


def test_dawid_skene_takes_nothing_from_labels(fer):
    data = fer.take(range(400)).pick([0, 1, 2, 3])
    rule = make_rule("dawid-skene").fit(data.proba, data.labels)
    other = make_rule("dawid-skene").fit(data.proba, data.labels[::-1])
    np.testing.assert_array_equal(rule.predict_proba(data.proba), other.predict_proba(data.proba))
    assert rule.n_fitted() == 0


def test_dawid_skene_is_never_recommended():
    # Independent members that err as they always do are what it is made for.
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 1500)
    shares = np.array([0.9, 0.4, 0.4, 0.4])[:, None]
    votes = np.where(rng.random((4, 1500)) < shares, labels, rng.integers(0, 3, (4, 1500)))
    proba = 0.94 * np.eye(3)[votes] + 0.02
    result = compare_rules(Predictions(proba, labels), ["mean", "dawid-skene", "majority-vote"], n_resamples=0)
    assert result.chosen == result.luckiest == "dawid-skene"
    assert result.recommended != "dawid-skene"
    assert all_rules()["dawid-skene"].never_recommended
    alone = compare_rules(Predictions(proba, labels), ["dawid-skene"], n_resamples=0)
    assert alone.recommended == "dawid-skene"


@pytest.mark.parametrize("name", CLASSICS)
def test_a_thousand_classes(name):
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(600) % 1000)
    proba = rng.random((3, 600, 1000)) * 0.05
    proba[:, np.arange(600), labels] += rng.random((3, 600)) * 0.2
    proba /= proba.sum(axis=-1, keepdims=True)
    rule = make_rule("cma-es:n_steps=4" if name == "cma-es" else name).fit(proba, labels)
    output = rule.predict_proba(proba[:, :100])
    assert np.isfinite(output).all()
    np.testing.assert_allclose(output.sum(axis=1), 1, atol=1e-9)
    assert (output.argmax(axis=1) == labels[:100]).mean() > 0.5


def test_what_runs_with_hard_labels():
    running = {name for name in CLASSICS if not make_rule(name).needs_probabilities()}
    assert running == {"naive-bayes", "recall", "behaviour-knowledge-space", "dawid-skene"}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("behaviour-knowledge-space", {"patterns_": 7}, "patterns_ holds 7, expected 0 to 3"),
        ("behaviour-knowledge-space", {"classes_": 7}, "classes_ holds 7, expected 0 to 3"),
        ("behaviour-knowledge-space", {"pattern_numbers_": 999}, "pattern_numbers_ holds 999, expected 0 to"),
    ],
)
def test_places_that_are_none_are_refused(name, change, message):
    proba, labels = draw(41)
    state = json.loads(json.dumps(make_rule(name).fit(proba, labels).state()))
    for key, value in change.items():
        array = state[key]["array"]
        while isinstance(array[-1], list):
            array = array[-1]
        array[-1] = value
    with pytest.raises(ValueRangeError, match=message):
        make_rule(name).restore(state)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("mass_", [[[0.0, 1.0]]], r"mass_ has shape \(1, 1, 2\), expected \(5, 4, 121\), or 1 for the first two"),
        ("values_", [[[0.5, 0.4]] * 4] * 5, "mass_ has shape"),
        ("values_", [[[0.5] * 119 + [0.1]] * 4] * 5, "values_ is not sorted"),
        ("values_", [[[0.5] * 120]] * 5, "values_ has 1 columns, expected 4"),
    ],
)
def test_ranks_that_are_none_are_refused(key, value, message):
    state = json.loads(json.dumps(RankAverage().fit(*draw(42)).state()))
    state[key]["array"] = value
    with pytest.raises(ValueRangeError, match=message):
        RankAverage().restore(state)


@pytest.mark.parametrize("tol", [0.0, 1e-5])
def test_equal_votes_are_counted_once_in_matrices_of_any_kind(tol, monkeypatch):
    proba, labels = draw(3, 5, 400, 4)
    weight = np.random.default_rng(0).integers(0, 4, 400).astype(float)
    dense = DawidSkene(30, tol).fit(proba, labels, weight)
    monkeypatch.setattr(dawid_skene, "DENSE_VALUES", 0)
    sparse = DawidSkene(30, tol).fit(proba, labels, weight)
    np.testing.assert_allclose(dense.confusion_, sparse.confusion_, rtol=1e-9)
    repeated = np.repeat(np.arange(400), weight.astype(int))
    alone = DawidSkene(30, tol).fit(proba[:, repeated], labels[repeated])
    np.testing.assert_allclose(dense.confusion_, alone.confusion_, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(dense.priors_, alone.priors_, rtol=1e-9)

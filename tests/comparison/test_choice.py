"""The numbers that two people must agree on to build the same table."""

import numpy as np
import pytest

from ensembler import Predictions, Product, Stacking, compare_rules
from ensembler.arrays import check_proba, clip_accuracy, row_sum_tolerance
from ensembler.combiners.registry import all_rules
from ensembler.comparison import choice
from ensembler.comparison.protocol import DEFAULT_PART
from ensembler.errors import ValueRangeError
from ensembler.metrics import METRICS, Metric
from ensembler.metrics.predicted import Predicted
from ensembler.metrics.scores import LOG_LOSS_CLIP
from tests.conftest import draw


def test_defaults_of_the_rules():
    given = {name: rule().get_params(deep=False) for name, rule in all_rules().items()}
    assert given["trimmed-mean"] == {"proportion": 0.2}
    assert given["greedy"] == {
        "metric": "accuracy",
        "n_steps": 50,
        "n_init": 1,
        "n_bags": 0,
        "bag_fraction": 0.5,
        "best_prefix": True,
        "random_state": 0,
    }
    assert given["stacking"] == {"final_estimator": None, "strengths": (0.001, 0.01, 0.1)}
    assert given["exponential-weighted"]["plateau"] == "smallest"
    assert given["loss-weighted"] == {"form": "inverse", "beta": 1.0}
    assert given["class-weighted"] == {"by": "recall"}
    assert given["majority-vote"] == {"ties": "confidence"}
    assert given["hierarchical-committee"]["rules"] == ("exponential-weighted", "majority-vote")
    assert DEFAULT_PART == 0.5


def test_clips():
    assert np.finfo(np.float64).eps == LOG_LOSS_CLIP
    np.testing.assert_allclose(clip_accuracy(np.array([0.0, 0.5, 1.0]), 10), [0.05, 0.5, 0.95])
    certain = np.array([[[1.0, 0.0]], [[0.5, 0.5]]])
    np.testing.assert_allclose(Product().fit(certain).scores(certain)[0, 1], np.log(1e-15) + np.log(0.5))
    features = Stacking._features(certain)
    np.testing.assert_allclose(features, [[0.0, np.log(1e-6), np.log(0.5), np.log(0.5)]])


@pytest.mark.parametrize(("missing", "fine"), [(0.0009, True), (0.0011, False)])
def test_rows_may_miss_the_sum_by_a_thousandth(missing, fine):
    proba = np.array([[[0.5, 0.5 - missing]]])
    if fine:
        assert check_proba(proba) is proba
    else:
        with pytest.raises(ValueRangeError, match="expected 1 within 0.001"):
            check_proba(proba)


def test_half_precision_has_a_tolerance_that_grows_with_the_classes():
    assert row_sum_tolerance(np.dtype(np.float16), 2) == 1e-3
    assert row_sum_tolerance(np.dtype(np.float16), 1024) == 0.25
    assert row_sum_tolerance(np.dtype(np.float32), 1024) == 1e-3


def weighted_set(seed=3):
    proba, labels = draw(seed, 4, 90)
    other, truth = draw(seed + 50, 4, 80)
    rng = np.random.default_rng(0)
    validation = Predictions(other, truth, sample_weight=rng.uniform(0.1, 3, 80))
    return Predictions(proba, labels, sample_weight=rng.uniform(0.1, 3, 90), validation=validation)


def test_row_weights_reach_every_figure():
    data = weighted_set()
    result = compare_rules(data, ["mean"])
    weight, rows = data.sample_weight, data.validation
    right = data.proba.argmax(-1) == data.labels
    np.testing.assert_allclose(
        [m.metrics["accuracy"] for m in result.members], np.average(right, axis=1, weights=weight)
    )
    inside = rows.proba.argmax(-1) == rows.labels
    np.testing.assert_allclose(
        [m.fit_accuracy for m in result.members], np.average(inside, axis=1, weights=rows.sample_weight)
    )
    assert result.oracle == pytest.approx(np.average(right.any(axis=0), weights=weight))
    hits = rows.proba.mean(axis=0).argmax(-1) == rows.labels
    assert result["mean"].choice_score == pytest.approx(np.average(hits, weights=rows.sample_weight))


def test_gain_is_positive_where_a_lower_loss_is_better():
    proba, labels = draw(1, 5, 200)
    result = compare_rules(Predictions(proba, labels), ["mean", "best-member"], metric="log-loss", fit_on="test")
    mean, best = result["mean"], result["best-member"]
    assert mean.gain == pytest.approx(best.metrics["log-loss"] - mean.metrics["log-loss"])
    assert (mean.gain > 0) == (mean.metrics["log-loss"] < best.metrics["log-loss"])


def test_validation_rows_that_are_the_scored_rows_are_optimistic():
    proba, labels = draw(1, 3, 60)
    same = Predictions(proba, labels, validation=Predictions(proba, labels))
    assert compare_rules(same, ["mean"]).protocol.optimistic
    other = Predictions(*draw(2, 3, 60), validation=Predictions(proba, labels))
    assert not compare_rules(other, ["mean"]).protocol.optimistic


def test_the_nested_choice_asks_only_the_other_folds():
    """A metric that sees which rows it is given is asked about the rows outside each fold."""
    proba, labels = draw(4, 3, 100)
    # The true class's probability of the first member identifies a row.
    marks = {float(value): row for row, value in enumerate(proba[0, np.arange(100), labels])}
    seen = []

    def spying(truth, outputs):
        rows = [marks.get(float(value)) for value in outputs[np.arange(len(truth)), truth]]
        if None not in rows and len(rows) < 100:
            seen.append(frozenset(rows))
        return float((outputs.argmax(-1) == truth).mean())

    from ensembler.comparison.folds import make_folds

    first = Predictions(proba[:1], labels)
    compare_rules(first, ["mean"], metric=spying)
    fitting_rows = {frozenset(train.tolist()) for train, _ in make_folds(labels, None, 5, 0).pairs}
    assert fitting_rows <= set(seen)


def test_groups_stay_together_in_the_nested_choice(monkeypatch):
    from ensembler.comparison import protocol

    asked = []
    original = protocol.make_folds

    def spy(labels, groups, n_folds, seed):
        asked.append(None if groups is None else len(groups))
        return original(labels, groups, n_folds, seed)

    monkeypatch.setattr(protocol, "make_folds", spy)
    proba, labels = draw(5, 3, 100, 3)
    compare_rules(Predictions(proba, labels, groups=np.arange(100) // 5), ["accuracy-weighted"])
    assert asked[0] == 100
    assert len(asked) == 6
    assert all(count is not None and count < 100 for count in asked[1:])


@pytest.mark.parametrize("grouped", [False, True])
def test_of_very_many_rows_some_choose_for_a_fold(grouped, monkeypatch):
    proba, labels = draw(5, 3, 300, 3)
    groups = np.arange(300) // 3 if grouped else None
    data = Predictions(proba, labels, groups=groups, sample_weight=np.random.default_rng(0).random(300) + 0.1)
    rules = ["accuracy-weighted", "median", "stacking"]
    whole = compare_rules(data, rules, n_resamples=0)
    split = whole.split
    monkeypatch.setattr(choice, "MOST_TO_CHOOSE", 120 * 9)
    for train, _ in split.folds.pairs:
        rows = choice.rows_to_choose_on(split, train)
        assert set(rows) < set(train)
        assert len(rows) == pytest.approx(120, abs=3)
        if grouped:
            assert len(set(groups[rows])) * 3 == len(rows)
    some = compare_rules(data, rules, n_resamples=0)
    # All that is told of the scored rows is fitted on all rows, as before.
    assert [rule.metrics for rule in some.rules] == [rule.metrics for rule in whole.rules]
    assert {rule.name: rule.choice_score for rule in some.rules} != {
        rule.name: rule.choice_score for rule in whole.rules
    }
    proba_of = {rule.name: rule.proba for rule in some.rules}
    right = sum(
        float(((proba_of[name][rest].argmax(axis=1) == labels[rest]) * data.sample_weight[rest]).sum())
        for name, (_, rest) in zip(some.nested["by_fold"], split.folds.pairs, strict=True)
    )
    assert some.nested["value"] == pytest.approx(right / data.sample_weight.sum())


def test_few_groups_are_all_kept_for_the_choice(monkeypatch):
    proba, labels = draw(5, 3, 60, 3)
    split = compare_rules(Predictions(proba, labels, groups=np.arange(60) // 10), ["mean"], n_resamples=0).split
    monkeypatch.setattr(choice, "MOST_TO_CHOOSE", 1)
    for train, _ in split.folds.pairs:
        assert choice.rows_to_choose_on(split, train) is train


def test_equal_scores_sizes_and_members_go_to_the_smaller_mask():
    from ensembler.comparison.choice import pick
    from ensembler.comparison.results import RuleScore

    class Stub:
        n_members_ = 3

        def __init__(self, weights):
            self.weights_ = np.array(weights)

        def n_fitted(self):
            return 1

        def members_used(self):
            return tuple(np.flatnonzero(self.weights_).tolist())

    def entry(name, weights):
        return RuleScore(name, Stub(weights), {}, np.zeros(2), Predicted.of(np.zeros(1, dtype=int), np.zeros((1, 2))))

    entries = [entry("late", [0, 0, 1.0]), entry("two", [0.5, 0.5, 0]), entry("early", [0, 1.0, 0])]
    scores = {"late": 0.5, "two": 0.5, "early": 0.5}
    assert pick(entries, scores, METRICS["accuracy"]) == "early"
    assert pick(entries, {**scores, "two": 0.6}, METRICS["accuracy"]) == "two"
    assert pick(entries, {**scores, "two": 0.4}, METRICS["log-loss"]) == "two"
    assert pick(entries, {"late": None, "two": float("nan")}, METRICS["accuracy"]) is None
    assert isinstance(METRICS["accuracy"], Metric)


def test_the_sign_of_a_decision_function():
    from sklearn.linear_model import RidgeClassifier

    proba, labels = draw(6, 3, 200, 2)
    rule = Stacking(final_estimator=RidgeClassifier()).fit(proba, labels)
    assert (rule.predict(proba) == labels).mean() > 0.7

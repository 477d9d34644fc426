"""What is noise, and which rule to use."""

import json

import numpy as np
import pytest

from ensembler import Predictions, compare_rules
from ensembler.errors import ParameterError
from ensembler.metrics import METRICS
from ensembler.metrics.paired import Discordance, holm, standard_error
from tests.subsets.draw import draw

RULES = ["mean", "median", "majority-vote", "accuracy-weighted", "exponential-weighted", "min"]


@pytest.fixture(scope="module")
def compared(fer):
    return compare_rules(fer, RULES, letters=True)


def test_paired_tests_are_of_the_same_rows(compared, fer):
    labels = fer.true_labels
    mean = compared["mean"].proba.argmax(axis=1) == labels
    best = compared.best_member.proba.argmax(axis=1) == labels
    for other, right, name in (("against_mean", mean, "mean"), ("against_best", best, None)):
        tested = [rule for rule in compared.rules if rule.name != name]
        p_values = []
        for rule in tested:
            test = getattr(rule, other)
            own = rule.proba.argmax(axis=1) == labels
            pair = Discordance.of(own, right)
            assert (test.better, test.worse, test.p_value) == (pair.b, pair.c, pair.p_value)
            assert test.difference == pytest.approx(pair.difference)
            assert test.interval[0] <= test.difference <= test.interval[1]
            assert test.excluded_beyond == max(map(abs, test.interval))
            # The bootstrap agrees with the normal approximation.
            half = (test.interval[1] - test.interval[0]) / 2
            assert half == pytest.approx(1.96 * standard_error(own, right), rel=0.1)
            p_values.append(pair.p_value)
        assert [getattr(rule, other).p_holm for rule in tested] == pytest.approx(holm(p_values))
    assert compared["mean"].against_mean is None


def test_intervals_hold_the_scores(compared):
    for rule in compared.rules:
        for name, ends in rule.intervals.items():
            if name != "ece":
                assert ends[0] <= rule.metrics[name] <= ends[1]
    for member in compared.members:
        assert member.interval[0] < member.metrics["accuracy"] < member.interval[1]


def test_what_is_recommended_is_tested_on_the_scored_rows(compared):
    sentence = compared.verdict.sentences[0]
    rule = compared[compared.recommended]
    assert sentence.startswith(
        f"Of these, use {rule.name}: accuracy {rule.metrics['accuracy']:.4f}".replace(" 0.", " .")
    )
    for test, other in ((rule.against_best, "the best single model, "), (rule.against_mean, "the mean")):
        told = f"it cannot be told apart from {other}" not in sentence
        assert told == test.significant
        assert f"{abs(test.difference) * 100:.2f} points better" in sentence


def test_letters_are_shared_by_what_is_not_shown_to_differ(compared):
    letters = compared.verdict.letters
    assert set(letters) == set(RULES)
    assert not set(letters["min"]) & set(letters["exponential-weighted"])
    assert set(letters["mean"]) & set(letters["median"])


def test_the_luck_of_the_best_is_told(compared):
    luck = compared.verdict.optimism
    assert luck.raw == max(rule.metrics["accuracy"] for rule in compared.rules)
    assert 0 <= luck.optimism < 0.01
    assert luck.n_candidates == len(RULES)


def test_the_same_seed_gives_the_same_bytes(fer):
    documents = [compare_rules(fer, ["mean", "median"], seed=7).to_dict() for _ in range(2)]
    assert json.dumps(documents[0]) == json.dumps(documents[1])
    assert documents[0] != compare_rules(fer, ["mean", "median"], seed=8).to_dict()


def test_resampling_can_be_left_out(fer):
    result = compare_rules(fer, ["mean", "median"], n_resamples=0)
    assert result.verdict is None
    assert result["mean"].intervals == {}
    assert result.to_dict()["verdict"] is None
    for options in ({"n_resamples": -1}, {"n_resamples": 0, "letters": True}):
        with pytest.raises(ParameterError):
            compare_rules(fer, ["mean"], **options)


OTHERS = ["log-loss", "brier", "balanced-accuracy", "macro-f1", "mcc", "ece", "roc-auc", "average-precision"]


@pytest.mark.parametrize("metric", OTHERS)
def test_differences_are_better_when_positive(fer, metric):
    result = compare_rules(fer, ["mean", "min"], metric=metric)
    test = result["min"].against_mean
    expected = METRICS[metric].signed(result["min"].metrics[metric] - result["mean"].metrics[metric])
    assert test.difference == pytest.approx(expected)
    assert test.difference < 0
    assert test.interval[1] < 0
    assert result.verdict.optimism is None


def test_a_metric_that_cannot_be_resampled_is_told_as_untested(fer):
    def area(labels, proba):
        return float(METRICS["roc-auc"](labels, proba))

    result = compare_rules(fer, ["mean", "min"], metric=area, letters=True)
    test = result["min"].against_mean
    assert (test.interval, test.p_value, test.p_holm, test.test) == (None, None, None, None)
    assert "area" not in result["min"].intervals
    assert "untested: area cannot be resampled" in result.verdict.sentences[0]
    assert result.verdict.letters is None
    assert result.recommended == "mean"


def test_mcnemars_p_is_of_accuracy_only(fer):
    result = compare_rules(fer, ["mean", "median", "min"], metric="roc-auc", letters=True)
    for rule in result.rules:
        if rule.name == "mean":
            continue
        test = rule.against_mean
        assert test.test == "bootstrap"
        assert test.smallest_detectable is None
        assert (test.p_value < 0.05) == (not test.interval[0] <= 0 <= test.interval[1])
        own, mean = (result[name].proba.argmax(axis=1) == fer.true_labels for name in (rule.name, "mean"))
        assert test.p_value != pytest.approx(Discordance.of(own, mean).p_value, rel=1e-3, abs=0)
        assert test.p_value <= test.p_holm <= 2 * test.p_value
        assert test.to_dict()["test"] == "bootstrap"
    letters = result.verdict.letters
    assert not set(letters["min"]) & set(letters["mean"])
    accuracy = compare_rules(fer, ["mean", "median"])
    assert accuracy["median"].against_mean.to_dict()["test"] == "mcnemar"


def test_weighted_rows_have_a_test_by_other_metrics():
    proba, labels = draw("random", 4, 120, 3, seed=2)
    weight = np.arange(120) % 3 + 1.0
    result = compare_rules(Predictions(proba, labels, sample_weight=weight), ["mean", "min"], metric="roc-auc")
    assert 0 < result["min"].against_mean.p_holm <= 1


def test_identical_rules_differ_in_nothing():
    proba, labels = draw("random", 1, 60, 3, seed=1)
    result = compare_rules(Predictions(proba, labels), ["mean", "median", "product"], letters=True)
    for rule in result.rules:
        if rule.against_mean is not None:
            assert (rule.against_mean.difference, rule.against_mean.interval) == (0.0, (0.0, 0.0))
            assert rule.against_mean.p_holm == 1.0
            assert rule.against_mean.smallest_detectable is None
    assert result.verdict.cochran.p_value == 1.0
    assert set(result.verdict.letters.values()) == {"a"}


@pytest.mark.parametrize("n_rows", [2, 3, 5])
def test_very_few_rows(n_rows):
    proba, _ = draw("random", 3, n_rows, 3, seed=1)
    labels = np.arange(n_rows) % 2
    result = compare_rules(Predictions(proba, labels), ["mean", "accuracy-weighted", "median"])
    json.dumps(result.to_dict(), allow_nan=False)
    assert result.verdict is not None


def test_weighted_and_grouped_rows_have_no_mcnemar():
    proba, labels = draw("random", 4, 120, 3, seed=2)
    groups = np.repeat(np.arange(40), 3)
    grouped = compare_rules(Predictions(proba, labels, groups=groups), ["mean", "median"])
    weighted = compare_rules(Predictions(proba, labels, sample_weight=np.arange(120) % 3 + 1.0), ["mean", "median"])
    for result in (grouped, weighted):
        test = result["median"].against_mean
        assert test.interval is not None
        assert (test.p_value, test.p_holm) == (None, None)
        assert result.verdict.cochran is None
    copies = compare_rules(Predictions(np.repeat(proba, 5, axis=1), np.repeat(labels, 5)), ["mean", "median"])
    honest = compare_rules(
        Predictions(np.repeat(proba, 5, axis=1), np.repeat(labels, 5), groups=np.repeat(np.arange(120), 5)),
        ["mean", "median"],
    )
    width = [np.ptp(result["median"].intervals["brier"]) for result in (copies, honest)]
    assert width[1] == pytest.approx(width[0] * np.sqrt(5), rel=0.15)


def test_hard_labels_have_intervals_of_what_is_defined():
    proba, labels = draw("random", 4, 90, 3, seed=3)
    hard = Predictions(np.eye(3)[proba.argmax(axis=-1)], labels, hard=[True] * 4)
    result = compare_rules(hard, ["mean", "majority-vote"])
    assert "log-loss" not in result["mean"].intervals
    assert result["mean"].intervals["accuracy"] is not None


def test_few_units_are_untested():
    proba, labels = draw("random", 4, 200, 3, seed=4)
    few = compare_rules(Predictions(proba[:, :12], labels[:12]), ["mean", "median"])
    grouped = compare_rules(Predictions(proba, labels, groups=np.arange(200) % 3), ["mean", "median"])
    for result in (few, grouped):
        assert result["median"].against_mean.interval is None
        assert result.recommended in ("mean", "median")
        assert "untested: there are fewer than 20 rows" in result.verdict.sentences[0]


def test_mcnemar_has_a_say_in_what_is_shown():
    right = np.zeros((2, 30), dtype=bool)
    right[0, :4] = True
    labels = np.zeros(30, dtype=int)
    probas = [np.where(one[:, None], [0.9, 0.1], [0.1, 0.9]) for one in right]
    from ensembler.predictions.diagnosis.changes import compare_two

    data = Predictions(np.stack(probas), labels)
    changes = compare_two(data, ("a", "b"), tuple(probas))
    assert changes.metrics[0].interval[0] > 0
    assert changes.pair.p_value == 0.125
    assert not changes.significant


def test_nothing_follows_from_rows_that_were_fitted_on(fer, run):
    result = compare_rules(fer, ["mean", "stacking"], fit_on="test")
    assert result.recommended == "stacking"
    assert result.verdict.optimism is None
    assert "on rows that it was fitted on, from which nothing follows for other rows" in result.verdict.sentences[0]
    done = run("bench", "--rule", "mean", "--rule", "stacking", "--fit-on", "test")
    assert "without the scored rows" not in done.out
    assert "luck" not in done.out.replace("luckiest", "")


def test_notes_fit_the_rows(run, write_set):
    home = write_set(n_members=3)
    np.save(home / "weights.npy", np.ones(120) + np.arange(120) % 2)
    done = run(
        *("bench", home, "--rule", "mean", "--rule", "median", "--full"),
        *("--weights", home / "weights.npy", "--fit-on", "cross"),
    )
    assert "no independent trials" in done.out
    assert "McNemar" not in done.out

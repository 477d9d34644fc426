"""Which rule is recommended, and when the default yields to another."""

import warnings

import numpy as np
import pytest

from ensembler import Predictions, SimpleAverage, compare_rules, load_predictions
from ensembler.arrays import normalise
from ensembler.comparison.evidence import shipped_evidence
from ensembler.predictions import bundled
from tests.conftest import draw

FAST = ["mean", "median", "log-pool", "stacking", "blend", "best-member"]

pytestmark = [
    pytest.mark.filterwarnings("ignore::ensembler.errors.FitWarning"),
    pytest.mark.filterwarnings("ignore::ensembler.predictions.diagnosis.findings.FindingWarning"),
]


def two_halves(seed, n_fit=300, n_scored=200, **options):
    proba, labels = draw(seed, n_samples=n_fit + n_scored, **options)
    return Predictions(proba[:, n_fit:], labels[n_fit:], validation=Predictions(proba[:, :n_fit], labels[:n_fit]))


def nuisance_set(n_rows, seed=0):
    """Members that share a large nuisance, which the weak ones show and the strong ones hide: signs are needed."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, n_rows)
    nuisance = 3 * rng.normal(size=(n_rows, 4))
    signal = 1.5 * np.eye(4)[labels]
    logits = [nuisance + share * signal + 0.2 * rng.normal(size=(n_rows, 4)) for share in (1.0, 0.9, 0.05, 0.0)]
    return normalise(np.exp(np.array(logits))), labels


def test_the_default_of_many_sets_is_recommended():
    result = compare_rules(two_halves(0), FAST, n_resamples=0)
    advice = result.advice
    assert result.recommended == advice.rule == advice.default == "blend"
    assert advice.n_sets >= 30
    assert advice.shown_better is None
    assert set(advice.gains) == {"log-loss", "accuracy"}
    assert not advice.only_decisions


def test_scored_labels_and_resamples_have_no_say():
    data = two_halves(1)
    rng = np.random.default_rng(0)
    recommended = {
        compare_rules(data.replace(labels=labels), FAST, n_resamples=n).recommended
        for labels in (data.labels, rng.permutation(data.labels), (data.labels + 1) % 4)
        for n in (0, 100)
    }
    assert len(recommended) == 1


def test_the_bundled_set_has_no_part_in_the_advice_on_itself():
    data = load_predictions(bundled.published_folder())
    rules = ["mean", "log-pool"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        permuted = data.replace(labels=np.random.default_rng(0).permutation(data.labels))
        first, second = (compare_rules(one, rules, n_resamples=0).advice for one in (data, permuted))
    assert first.rule == second.rule == "log-pool"
    assert first.n_sets == second.n_sets == shipped_evidence().n_sets("probabilities") - 1
    assert first.gains == second.gains


@pytest.mark.parametrize("metric", ["accuracy", "log-loss", "balanced-accuracy"])
def test_the_default_yields_to_what_is_shown_to_be_better(metric):
    proba, labels = nuisance_set(1600)
    fitting, scored = slice(0, 1000), slice(1000, None)
    validation = Predictions(proba[:, fitting], labels[fitting])
    data = Predictions(proba[:, scored], labels[scored], validation=validation)
    rules = ["mean", "log-pool", "simplex", "log-pool:signed=true"]
    result = compare_rules(data, rules, metric=metric, n_resamples=100)
    better = result.advice.shown_better
    assert (result.advice.default, result.recommended) == ("log-pool", "log-pool:signed=true")
    assert (better.rule, better.n_rules, better.repeats) == ("log-pool:signed=true", 3, 5)
    assert better.p_value < 0.05
    assert better.gain.value > 0
    assert "here log-pool:signed=true is shown to be better on the fitting rows: by " in result.verdict.sentences[1]
    assert compare_rules(data, rules, metric=metric, n_resamples=0).recommended == "log-pool:signed=true"


def test_a_handful_of_lucky_rows_shows_nothing():
    for seed in range(6):
        proba, labels = draw(seed, 6, 240, 3)
        data = Predictions(proba[:, 60:], labels[60:], validation=Predictions(proba[:, :60], labels[:60]))
        assert compare_rules(data, n_resamples=0).advice.shown_better is None


def test_few_fitting_rows_are_answered_by_the_mean():
    result = compare_rules(two_halves(2, n_fit=20), FAST, n_resamples=100)
    assert result.recommended == "mean"
    assert result.advice.best_known == "blend"
    told = "blend is the best on average over other sets, but there are 20 fitting rows, and it pays from 40 on."
    assert told in result.verdict.sentences
    assert compare_rules(two_halves(2, n_fit=60), FAST, n_resamples=0).recommended == "blend"


def test_without_rows_to_fit_on_the_mean_is_the_answer():
    proba, labels = draw(3, 4, 1)
    assert compare_rules(Predictions(proba, labels)).recommended == "mean"


def test_hard_labels_have_evidence_of_their_own():
    proba, labels = draw(4, n_samples=400)
    votes = np.eye(4)[proba.argmax(axis=-1)]
    result = compare_rules(Predictions(votes, labels, hard=[True] * 5), n_resamples=0)
    names = [rule.name for rule in result.rules]
    assert result.recommended == shipped_evidence().default_rule(names, "hard labels")
    assert set(result.advice.gains) == {"accuracy"}


def test_rules_that_nothing_is_known_of_go_by_their_score_here():
    result = compare_rules(two_halves(5), ["trimmed-mean:proportion=0.4", "greedy:n_steps=3"], n_resamples=50)
    assert result.recommended == result.chosen
    assert "what other sets say of these rules is not known" in result.verdict.sentences[1]
    assert compare_rules(two_halves(5), [SimpleAverage()], n_resamples=0).recommended == "mean"


def test_a_rule_below_the_best_single_model_is_not_recommended_without_saying_so():
    rng = np.random.default_rng(6)
    labels = rng.integers(0, 2, 600)
    strong = np.where(rng.random(600) < 0.9, labels, 1 - labels)
    noise = rng.integers(0, 2, (6, 600))
    proba = np.where(np.eye(2)[np.vstack([strong, noise])] == 1, 0.9, 0.1)
    data = Predictions(proba, labels)
    result = compare_rules(data, ["mean", "median"], n_resamples=100)
    assert result.advice.below_best_member > 0.1
    assert any("worse than the best single model" in sentence for sentence in result.verdict.sentences)
    assert any("probabilities are not calibrated" in sentence for sentence in result.verdict.sentences)
    alone = compare_rules(data, ["mean", "median", "best-member"], n_resamples=100)
    assert alone.recommended == "best-member"
    assert alone.verdict.sentences[0].startswith("Of these, use the best single model alone: accuracy .")


def test_calibrated_rules_may_be_used_for_their_probabilities():
    data = two_halves(7)
    assert compare_rules(data, ["mean"], n_resamples=0).advice.only_decisions
    assert not compare_rules(data, ["mean"], n_resamples=0, calibrate="ensemble").advice.only_decisions


def test_a_metric_of_the_users_own_can_show_a_rule_to_be_better():
    proba, labels = nuisance_set(800)

    def sureness(labels, proba):
        return float(proba[np.arange(len(labels)), labels].mean())

    result = compare_rules(Predictions(proba, labels), ["log-pool", "log-pool:signed=true"], metric=sureness)
    assert result.recommended == "log-pool:signed=true"


def test_json_has_the_reasons():
    document = compare_rules(two_halves(8), FAST, n_resamples=0).to_dict()
    assert document["recommended"] == "blend"
    advice = document["advice"]
    assert advice["gains"]["log-loss"]["pooled"]["n_sets"] == advice["n_sets"]
    assert advice["choosing"].keys() == {"wins", "ties", "losses"}
    assert document["verdict"] is None


def test_members_that_the_rule_does_not_use_are_named():
    proba, labels = draw(9, 4, 400)
    proba[1] = proba[1][::-1]  # knows nothing of its rows
    data = Predictions(proba, labels, names=["a", "useless", "c", "d"])
    result = compare_rules(data, ["mean", "log-pool"], n_resamples=50)
    assert result.recommended == "log-pool"
    assert "useless" in result.advice.unused
    told = f"It does not use {', '.join(result.advice.unused)}, which can be left out."
    assert told in result.verdict.sentences


def test_how_often_choosing_pays_is_told_of_the_rule_that_it_was_measured_against():
    data = two_halves(10)
    assert compare_rules(data, FAST, n_resamples=0).advice.choosing is not None
    assert compare_rules(data, ["mean", "median"], n_resamples=0).advice.choosing is None
    assert compare_rules(data, FAST, metric="brier", n_resamples=0).advice.choosing is None


def test_rows_of_one_class_or_without_a_class_show_nothing():
    proba, labels = draw(11, 4, 400)
    for kept, one_class in ((labels == 1, True), (labels != 1, False)):
        validation = Predictions(proba[:, kept], labels[kept])
        result = compare_rules(Predictions(proba, labels, validation=validation), n_resamples=0)
        assert result.advice.shown_better is None
        assert (result.recommended == "mean") == one_class


def test_one_member_is_not_combined():
    proba, labels = draw(12, 1, 300)
    result = compare_rules(Predictions(proba, labels), n_resamples=50)
    assert result.recommended == "mean"
    assert any("there is only one member" in sentence for sentence in result.verdict.sentences)


def test_figures_of_rules_as_they_are_are_not_told_of_calibrated_ones():
    assert compare_rules(two_halves(13), FAST, n_resamples=0, calibrate="members").advice.gains == {}


def test_where_nothing_is_known_of_some_rules_is_said():
    result = compare_rules(two_halves(14), ["mean", "log-pool", "log-pool:ridge=5"], n_resamples=50)
    assert result.advice.unknown == ("log-pool:ridge=5",)
    assert "nothing is known of log-pool:ridge=5" in result.verdict.sentences[1]


def test_without_validation_rows_a_lead_that_decided_is_called_optimistic():
    proba, labels = nuisance_set(800)
    rules = ["mean", "log-pool", "log-pool:signed=true"]
    result = compare_rules(Predictions(proba, labels), rules, n_resamples=50)
    assert result.advice.shown_better.on_scored_rows
    assert "so that its lead there is optimistic" in result.verdict.sentences[1]

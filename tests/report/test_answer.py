"""The one sentence that a page begins with, and the three cards below it."""

import numpy as np
import pytest

from ensembler import Predictions
from ensembler.report.answer import answer
from ensembler.report.cards import cards
from ensembler.report.page import render
from ensembler.report.survey import survey


def made(seed, strengths, n_samples=400, n_classes=3):
    """Draw members that are right as often as they are strong."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n_samples)
    logits = rng.normal(size=(len(strengths), n_samples, n_classes))
    logits[:, np.arange(n_samples), labels] += np.array(strengths)[:, None]
    proba = np.exp(logits)
    return Predictions(proba / proba.sum(axis=-1, keepdims=True), labels)


@pytest.fixture(scope="module")
def weak_company():
    """One strong member among three that know next to nothing."""
    return survey(made(0, [4, 0.1, 0.1, 0.1]), n_resamples=200)


def test_nothing_better_than_the_best_model_is_said_first(weak_company):
    said = answer(weak_company)
    assert said.title == "Nothing is shown to beat your best model, member-0"
    assert said.sentence.startswith(
        "Nothing is shown to beat your best model, member-0 (99.8 % accuracy); blend reaches"
    )
    assert "below it (95 % interval −" in said.sentence
    cheapest = cards(weak_company)[1]
    assert (cheapest.name, cheapest.value) == ("member-0 alone", "99.8 %")
    assert cheapest.note.startswith("25 % of the members; 0.3 points above blend")
    assert "<title>Nothing is shown to beat your best model" in render(weak_company)


def test_the_gain_is_that_of_the_paired_test(fer):
    surveyed = survey(fer, ["mean", "log-pool"], metric="balanced-accuracy", n_resamples=200)
    result = surveyed.comparison
    said, test = answer(surveyed), result[result.recommended].against_best
    value = 100 * result[result.recommended].metrics["balanced-accuracy"]
    gain, (low, high) = 100 * test.difference, (100 * end for end in test.interval)
    assert said.title == f"Use log-pool: {value:.1f} % balanced accuracy, {gain:.1f} points above your best model"
    assert said.sentence.startswith(f"{said.title} (95 % interval {low:.1f} to {high:.1f})")


def test_a_metric_that_is_no_share_has_no_points(fer):
    surveyed = survey(fer, ["mean", "log-pool"], metric="log-loss", n_resamples=100)
    sentence = answer(surveyed).sentence
    assert sentence.startswith("Use log-pool: log loss .8")
    assert "0.1205 better than your best model" in sentence
    assert "points" not in sentence
    assert cards(surveyed)[0].value == ".9468"


def test_a_committee_that_is_shown_to_be_better_is_the_answer(fer):
    surveyed = survey(fer, ["mean", "median"], n_resamples=100)
    said = answer(surveyed)
    assert said.sentence.startswith("Use the mean of 5 members: 69.9 % accuracy, 3.0 points above your best model")
    assert "1.3 points above the mean of all members (95 % interval" in said.sentence
    assert cards(surveyed)[1].name == "the mean of 5 members"


def test_what_cannot_be_told_apart_is_named_and_the_cheapest_is_as_good():
    surveyed = survey(made(1, [1.2] * 4), ["mean", "log-pool"], n_resamples=200)
    result, said = surveyed.comparison, answer(surveyed)
    other = {"log-pool": "mean", "mean": "log-pool"}[result.recommended]
    test = result[result.recommended].against_mean or result[other].against_mean
    assert not test.significant
    if result.recommended == "log-pool":
        assert "it cannot be told apart from the mean" in said.sentence
        assert cards(surveyed)[1].name == "the mean"


def test_one_model_and_optimistic_and_untested_figures_say_so(fer):
    one = survey(fer.select(only=["wiktorglita_cnn3"]), ["mean", "best-member"], n_resamples=100)
    assert (
        answer(one).sentence == "One model only: wiktorglita_cnn3, 62.1 % accuracy; there is nothing to combine it with"
    )
    assert cards(one) == []
    optimistic = survey(fer, ["mean", "accuracy-weighted"], fit_on="test", n_resamples=100)
    assert answer(optimistic).title == "Use accuracy-weighted: 69.2 % accuracy (optimistic)"
    assert "told apart" not in answer(optimistic).sentence
    assert [card.label for card in cards(optimistic)] == ["Best single model (optimistic)", "Ceiling"]
    untested = survey(fer, ["mean", "accuracy-weighted"], n_resamples=0)
    assert "2.4 points above your best model (untested)" in answer(untested).sentence


def test_the_ceiling_is_the_oracle(fer):
    surveyed = survey(fer, ["mean"], n_resamples=0)
    share = (fer.votes == fer.labels).any(axis=0).mean()
    assert cards(surveyed)[-1].value == f"{100 * share:.1f} %"

"""Committees against what is recommended without choosing members."""

import numpy as np
import pytest

from ensembler import Predictions
from ensembler.comparison.compare import compare_rules, recommend_rule
from ensembler.comparison.outcome import Advice, PairedTest
from ensembler.comparison.protocol import Split
from ensembler.metrics.paired import Discordance
from ensembler.report.headline import headline
from ensembler.subsets.baselines import Baselines, with_baselines
from ensembler.subsets.describe import describe_study, summarize_search, summarize_study
from ensembler.subsets.search import search_subsets
from ensembler.subsets.study import study_subsets
from tests.conftest import draw

pytestmark = pytest.mark.filterwarnings("ignore::ensembler.errors.FitWarning")


def divided(seed=0, n_rows=400, n_members=5):
    proba, labels = draw(seed, n_members, n_rows, 3)
    half = n_rows // 2
    return Predictions(proba[:, half:], labels[half:], validation=Predictions(proba[:, :half], labels[:half]))


@pytest.mark.parametrize("fit_on", ["val", "cross", "part"])
def test_the_recommendation_is_the_comparisons(fit_on):
    data = divided()
    split = Split.of(data, fit_on=fit_on)
    compared = compare_rules(data, split=split, n_resamples=0)
    found = recommend_rule(split)
    assert found.advice == compared.advice
    np.testing.assert_array_equal(found.proba, compared[compared.recommended].proba)
    np.testing.assert_array_equal(found.best_member, compared.best_member.proba)


def test_a_committee_is_tested_on_rows_that_it_was_not_chosen_on():
    data = divided()
    study = study_subsets(data, ["mean"])
    recommendation = recommend_rule(study.split)
    [rule] = with_baselines(study, recommendation).rules
    members = [data.names.index(name) for name in rule.chosen.members]
    committee = data.proba[members].mean(axis=0).argmax(axis=1) == data.labels
    recommended = recommendation.proba.argmax(axis=1) == data.labels
    test = rule.baselines.against_recommended
    pair = Discordance.of(committee, recommended)
    assert (test.better, test.worse, test.p_value) == (pair.b, pair.c, pair.p_value)
    assert test.difference == pytest.approx(committee.mean() - recommended.mean())
    assert test.against == recommendation.advice.rule
    assert rule.baselines.against_best_member.against == "best member"


def test_in_cross_fitting_committees_chosen_anew_are_tested():
    data = divided()
    study = study_subsets(data, ["mean"], fit_on="cross")
    [rule] = with_baselines(study, recommend_rule(study.split)).rules
    assert rule.fresh_correct.mean() == pytest.approx(rule.nested)
    search = search_subsets(data, ["mean"], width=32, fit_on="cross")
    np.testing.assert_array_equal(search.rules[0].fresh_correct, rule.fresh_correct)


def test_figures_on_rows_that_were_fitted_on_are_not_tested():
    data = divided()
    study = study_subsets(data, ["mean"], fit_on="test")
    assert with_baselines(study, recommend_rule(study.split)).rules[0].baselines is None


def test_a_search_and_a_sweep_say_the_same():
    data = divided(1)
    study = study_subsets(data, ["mean"])
    recommendation = recommend_rule(study.split)
    swept = summarize_study(with_baselines(study, recommendation))
    found = summarize_search(with_baselines(search_subsets(data, ["mean"], width=32), recommendation))
    words = [headline(one.advice, one.rules, 5) for one in (swept, found)]
    assert words[0] == words[1]
    document = describe_study(with_baselines(study, recommendation))
    assert document["recommended"] == recommendation.advice.rule
    assert document["rules"][0]["against_recommended"]["against"] == recommendation.advice.rule


class Tried:
    rule, nested = "mean", None

    def __init__(self, chosen, baselines):
        self.chosen, self.baselines = chosen, baselines


@pytest.mark.parametrize(
    ("interval", "b", "c", "difference", "told"),
    [
        ((0.02, 0.06), 80, 40, 0.04, "Use mean of m0, m1: accuracy .8000; 4.00 points better than blend of all"),
        ((-0.01, 0.03), 50, 40, 0.01, "Use blend of all 5 members: accuracy .7900; the committee chosen"),
        ((-0.06, -0.02), 40, 80, -0.04, "accuracy .8400; the committee chosen, mean of m0, m1, is 4.00 points worse"),
        ((0.001, 0.03), 50, 40, 0.01, "which McNemar's test does not confirm (p ."),
    ],
)  # fmt: skip
def test_the_headline_takes_the_committee_only_where_it_is_shown_to_be_better(interval, b, c, difference, told):
    data = divided()
    study = study_subsets(data, ["mean"])
    entry = summarize_study(study).rules[0].chosen
    chosen = type(entry)(mask=3, members=("m0", "m1"), size=2, accuracy=0.8, val_accuracy=0.8)
    test = PairedTest.of("blend", Discordance(1000, b, c), difference, interval, independent=True)
    advice = Advice("blend", "blend", "blend", 30, {}, 200, 40)
    sentence = headline(advice, (Tried(chosen, Baselines(test, None)),), 5)
    assert told in sentence
    assert headline(None, (Tried(chosen, Baselines(test, None)),), 5) is None
    assert headline(advice, (Tried(chosen, None),), 5) is None

"""The page on which rule to use is what the results say, and the evidence that ships is what was measured."""

import json

import pytest

from ensembler.combiners.registry import default_rules
from ensembler.comparison.evidence import shipped_evidence
from tests.pages import ROOT

BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture(autouse=True)
def benchmarks_are_found(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)


@pytest.fixture(scope="module")
def choosing():
    return json.loads((BENCHMARKS / "results" / "choosing.json").read_text(encoding="utf-8"))


def test_the_page_is_written_from_the_results():
    from which_rule import PAGE, read_results
    from which_rule_page import write_page

    assert write_page(read_results()) == PAGE.read_text(encoding="utf-8")


def test_the_readme_quotes_the_study(choosing):
    by_name = {row["name"]: row for row in choosing["procedures"]}
    blend, mean = by_name["blend, always"], by_name["the mean, always"]
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"{100 * (blend['accuracy'] - mean['accuracy']):.2f} points more accurate than the plain mean" in text
    assert f"a log loss {mean['log_loss'] - blend['log_loss']:.3f} lower".replace(" 0.", " .") in text
    assert f"over {len(choosing['clusters'])} real data sets" in text


def test_the_recommendation_meets_what_was_asked_of_it(choosing):
    recommended = choosing["recommendation"]
    assert recommended["against_log_pool"]["log_loss"] < 0
    assert recommended["against_log_pool"]["log_loss_p"] < 0.05
    assert recommended["against_simplest_not_worse"]["accuracy"] > 0.005
    assert recommended["accuracy"] > recommended["best_fixed_accuracy"] - 0.001
    unseen = choosing["unseen"]["recommendation"]
    assert unseen["against_log_pool"]["log_loss"] < 0
    assert unseen["against_simplest_not_worse"]["accuracy"] > 0.005
    assert unseen["accuracy"] > unseen["best_fixed_accuracy"] - 0.001


def test_the_evidence_is_that_of_the_study(choosing):
    shipped = shipped_evidence()
    assert shipped.default_rule(default_rules(), "probabilities") == choosing["default"]
    assert shipped.pays_from(choosing["default"], "probabilities") == choosing["pays_from"]
    tallies = {metric: vars(shipped.choosing_tally(metric)) for metric in shipped.choosing}
    assert tallies == choosing["choosing"]
    assert {item.cluster for item in shipped.of_kind("probabilities")} == set(choosing["clusters"])


def test_no_set_was_both_learnt_from_and_kept_aside(choosing):
    assert not set(choosing["clusters"]) & set(choosing["unseen"]["clusters"])

"""The page on dynamic selection is what the results say."""

import pytest

from ensembler.combiners.registry import family_rules
from tests.pages import ROOT


@pytest.fixture(autouse=True)
def benchmarks_are_found(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")


def test_the_page_is_written_from_the_results():
    from dynamic_rules import PAGE, read_results, write_page

    assert write_page(*read_results()) == PAGE.read_text(encoding="utf-8")


def test_every_rule_of_the_family_was_measured_over_all_sets():
    from dynamic_rules import METRICS, read_results

    results, _ = read_results()
    for metric in METRICS:
        rules = {rule["name"]: rule for rule in results[metric]["rules"]}
        n_clusters = len({item["cluster"] for item in results[metric]["sets"]})
        assert set(family_rules("dynamic")) < set(rules)
        for rule in rules.values():
            for against in ("against_mean", "against_default"):
                assert sum(rule[against].values()) == n_clusters
        assert rules["knop"]["mean_difference"] == rules["knora-u"]["mean_difference"]


def test_the_changelog_tells_no_lie():
    from dynamic_rules import read_results

    rules = {rule["name"]: rule["against_default"] for rule in read_results()[0]["accuracy"]["rules"]}
    assert all(rules[name]["losses"] > rules[name]["wins"] for name in family_rules("dynamic"))

"""Tables and sentences of ``ensembler subsets``."""

from dataclasses import replace

import pytest

from ensembler.report.subsets import best_table, conclusion, whole_against_chosen
from ensembler.report.tables import number
from ensembler.subsets.describe import describe_study, summarize_study
from ensembler.subsets.study import study_subsets


@pytest.fixture(scope="module")
def study(fer):
    return study_subsets(fer, ["mean"])


def test_tables_say_what_the_json_says(study):
    summary, described = summarize_study(study), describe_study(study)
    rows = best_table(summary.rules[0], summary).rows
    for row, entry in zip(rows, described["rules"][0]["best"], strict=False):
        assert row[2:] == [str(entry["size"]), number(entry["val_accuracy"]), number(entry["accuracy"])]


def test_another_metric_stands_beside_the_accuracy(fer):
    summary = summarize_study(study_subsets(fer, ["mean"], metric="log-loss"))
    table = best_table(summary.rules[0], summary)
    assert table.headers == ["", "committee", "size", "log-loss\nto choose", "log-loss", "acc.\nto choose", "accuracy"]
    best = summary.rules[0].best[0]
    assert best.score == best.value != best.accuracy
    assert f"log-loss {number(best.value)}" in conclusion(summary.rules[0], summary)[0]


def test_all_members_are_held_against_the_chosen_committee(study):
    rule = summarize_study(study).rules[0]
    test = rule.against_whole
    told = whole_against_chosen(test)
    assert told.startswith(f"{100 * abs(test.difference):.2f} points {'worse' if test.difference > 0 else 'better'} (")
    assert whole_against_chosen(replace(test, difference=0.0, interval=None)) == "no difference, untested"
    still = replace(test, difference=0.001, interval=(0.0, 0.002))
    assert whole_against_chosen(still) == "0.10 points worse (95 % interval -0.20 to +0.00), within noise"

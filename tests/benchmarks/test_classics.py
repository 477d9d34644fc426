"""The page on classic rules is what the results say, and what is measured is what it says."""

import json

import numpy as np
import pytest

from ensembler import Predictions, make_rule
from ensembler.combiners.calibrated import Calibrated
from tests.conftest import draw
from tests.pages import ROOT

BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture(autouse=True)
def benchmarks_are_found(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)


def read(name):
    return json.loads((BENCHMARKS / "results" / name).read_text(encoding="utf-8"))


def test_the_page_is_written_from_the_results():
    from classics import PAGE
    from classics_page import write_page

    assert write_page(read("classics.json"), read("rules_speed.json")) == PAGE.read_text(encoding="utf-8")


def test_speed_is_what_was_asked_for():
    speed = read("rules_speed.json")
    for item in speed["rules"]:
        if item["peer"].startswith("Pusion") and item["rule"] != "decision-templates":
            assert item["ratio"] >= speed["wanted_ratio_at_least"], item
    assert max(speed["large"]["seconds"].values()) < speed["large"]["wanted_seconds_at_most"]


def test_a_rule_is_measured_on_both_sets_of_rows():
    from classics import CALIBRATED, measure_rule

    proba, labels = draw(0, 3, 300, 3)
    fitting, scored = Predictions(proba[:, :200], labels[:200]), Predictions(proba[:, 200:], labels[200:])
    found = measure_rule("naive-bayes", fitting, scored)
    assert found["inner"].shape == (2, 200)
    assert found["outer"].shape == (2, 100)
    right = make_rule("naive-bayes").fit(fitting.proba, fitting.labels).predict(scored.proba) == scored.labels
    np.testing.assert_array_equal(found["outer"][0], right)
    heated = measure_rule("naive-bayes" + CALIBRATED, fitting, scored)
    calibrated = Calibrated(make_rule("naive-bayes")).fit(fitting.proba, fitting.labels).predict_proba(scored.proba)
    losses = -np.log(calibrated[np.arange(100), scored.labels])
    np.testing.assert_allclose(heated["outer"][1], losses, rtol=1e-5)
    assert "inner" not in heated


def test_choosing_counts_what_luck_adds():
    from classics import against_mean, choosing, compare

    def scores(inner, outer):
        return {"inner": np.array([inner, 1.0]), "outer": np.array([outer, 1.0]), "seconds": 1.0}

    found = {
        "a-0": {"mean": scores(0.6, 0.6), "lucky": scores(0.9, 0.5), "recall": scores(0.5, 0.7)},
        "a-1": {"mean": scores(0.6, 0.6), "lucky": scores(0.9, 0.7), "recall": scores(0.5, 0.5)},
        "b-0": {"mean": scores(0.6, 0.6), "lucky": scores(0.5, 0.6), "recall": scores(0.5, 0.9)},
    }
    few, many = (choosing(found, rules, "accuracy") for rules in (["mean", "recall"], ["mean", "recall", "lucky"]))
    assert few["gain"] == pytest.approx(0.0)
    assert many["gain"] == pytest.approx((np.mean([-0.1, 0.1]) + 0.0) / 2)
    optimism = [0.4 - np.mean([0.0, 0.4, -0.2]), 0.2 - np.mean([0.0, 0.2, 0.0]), 0.0 - np.mean([0.0, -0.1, -0.4])]
    assert many["optimism"] == pytest.approx((np.mean(optimism[:2]) + optimism[2]) / 2)
    assert compare(few, many)["gain"] == pytest.approx(many["gain"] - few["gain"])
    recall = against_mean(found, "recall")["accuracy"]
    assert (recall["better"], recall["equal"], recall["worse"], recall["n_clusters"]) == (1, 1, 0, 2)

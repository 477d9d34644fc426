"""The risk–coverage figure draws the curves that were measured, on pages and in files."""

import numpy as np
import pytest

from ensembler import Predictions, compare_rules, study_abstention
from ensembler.report.answering import coverage_table, rules_answering, signals_answering
from ensembler.report.figures.drawing import draw_for_file, draw_for_page
from ensembler.report.figures.risk_coverage import curves_of, risk_coverage_figure, risk_coverage_of
from tests.conftest import draw


@pytest.fixture(scope="module")
def data():
    proba, labels = draw(5, n_members=3, n_samples=1200, n_classes=3)
    return Predictions(proba[:, 600:], labels[600:], validation=Predictions(proba[:, :600], labels[:600]))


def test_both_drawings_show_every_signal_its_band_and_the_threshold(data):
    study = study_abstention(data, "mean", risk=0.2)
    chart = risk_coverage_of(study)
    page = draw_for_page(chart)
    names = [trace["name"] for trace in page["data"] if trace.get("name")]
    assert set(names) == {"95 % interval", "threshold", *(signal.name for signal in study.signals)}
    drawn = next(trace for trace in page["data"] if trace.get("name") == "top-probability")
    assert drawn["y"][-1] == pytest.approx(1 - study.rule.accuracy, rel=1e-4)
    band = [trace for trace in page["data"] if trace.get("line", {}).get("width") == 0]
    inside = np.isin(drawn["x"], band[0]["x"])
    assert inside[10:].all()
    assert (np.array(band[0]["y"]) <= np.array(drawn["y"])[inside]).all()
    low, high = page["layout"]["yaxis"]["range"]
    assert low < min(band[0]["y"])
    assert max(band[1]["y"]) < high
    stop = next(trace for trace in page["data"] if trace.get("name") == "threshold")
    assert (stop["x"], stop["y"]) == ([study.reached.coverage], [pytest.approx(study.reached.risk, rel=1e-4)])
    (axes,) = draw_for_file(chart).axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    np.testing.assert_allclose(lines["margin"].get_ydata()[-1], 1 - study.rule.accuracy)
    assert "threshold" in lines


def test_votes_are_few_steps_and_marked(data):
    votes = data.replace(
        proba=np.eye(3)[data.proba.argmax(-1)],
        hard=[True] * 3,
        validation=data.validation.replace(proba=np.eye(3)[data.validation.proba.argmax(-1)], hard=[True] * 3),
    )
    study = study_abstention(votes, "mean", risk=0.4)
    drawn = [trace for trace in draw_for_page(risk_coverage_of(study))["data"] if trace.get("name") == "agreement"]
    assert drawn[0]["mode"] == "lines+markers"
    assert len(drawn[0]["x"]) == 3


def test_the_page_has_the_recommended_rule_and_its_signals(data):
    result = compare_rules(data, ["mean", "log-pool", "majority-vote"], n_resamples=0)
    curves, signals = rules_answering(result), signals_answering(result)
    assert curves[0].label == result.recommended
    assert curves[-1].label == "best member"
    assert next(one.label for one in signals) == "top-probability"
    figure = risk_coverage_figure(curves, signals)
    assert [label for label, _ in figure.views] == ["rules", "signals"]
    assert curves_of(curves).curves[0].risk[-1] == pytest.approx(1 - result[result.recommended].metrics["accuracy"])
    table = coverage_table(result, curves[0])
    assert len(table.rows) == 10
    assert table.rows[-1][0] == "1.0000"


def test_one_member_has_no_signals_of_agreement(data):
    result = compare_rules(data.pick([2]), n_resamples=0)
    assert [one.label for one in signals_answering(result)] == ["top-probability", "margin", "entropy"]

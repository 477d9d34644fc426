"""Drawings of learning curves."""

import numpy as np

from ensembler.metrics import METRICS
from ensembler.ranking.learning_curve import LearningCurve, LearningPoint
from ensembler.report.figures.drawing import draw_for_file, draw_for_page
from ensembler.report.figures.learning_curve import learning_curve
from ensembler.report.learning_curve import learning_curve_table


def curve_of(**rules):
    points = [
        LearningPoint(rule, 10 * 2**place, effect, (effect - 0.01, effect + 0.01), 3)
        for rule, effects in rules.items()
        for place, effect in enumerate(effects)
    ]
    return LearningCurve(METRICS["accuracy"], tuple(points))


CURVE = curve_of(worse=[-0.05, -0.05, -0.05], late=[-0.02, 0.0, 0.03], early=[0.02, 0.02, 0.02], never=[0, 0.02, 0.0])


def test_both_drawings_show_the_effects_in_points(ranked, ranking_figures):
    chart = ranking_figures["learning-curve"].views[0][1]
    first = chart.leading[0]
    assert first.label == ranked.recommended
    assert first.values == [100 * point.effect for point in ranked.learning_curve.of(first.label)]
    page = {trace["name"]: trace["y"] for trace in draw_for_page(chart)["data"] if trace.get("name")}
    lines = {line.get_label(): line.get_ydata() for line in draw_for_file(chart).axes[0].lines}
    for curve in chart.leading:
        assert np.allclose(page[curve.label], lines[curve.label], rtol=1e-3)


def test_the_rules_that_pay_first_are_in_colour():
    figure = learning_curve(curve_of(**{f"no-{place}": [-0.1, -0.1] for place in range(5)}, pays=[0.02, 0.02]), "no-1")
    chart = figure.views[0][1]
    assert [curve.label for curve in chart.leading][:2] == ["no-1", "pays"]
    assert len(chart.others) == 2
    assert "at every size from the one named on: pays from 10." in figure.text


def test_the_table_says_from_how_many_rows_a_rule_pays():
    table = learning_curve_table(CURVE, "late")
    assert [(row[0], row[-1]) for row in table.rows] == [
        ("early", "10"), ("late", "40"), ("never", "–"), ("worse", "–"), ("sets", ""),
    ]  # fmt: skip
    assert table.rows[1][1:4] == ["-2.00*", "+0.00 ", "+3.00*"]
    assert list(table.strong) == [1]


def test_of_many_sizes_some_are_shown():
    long = curve_of(rule=[0.02] * 10)
    assert [header.strip() for header in learning_curve_table(long).headers[1:-1]] == [
        "20", "80", "320", "1,280", "5,120",
    ]  # fmt: skip
    assert "5 sizes in between are not shown" in learning_curve_table(long).notes[-1]
    assert len(learning_curve_table(long, most=10).headers) == 12


def test_a_single_size_is_no_curve():
    assert learning_curve(curve_of(rule=[0.1])) is None
    assert learning_curve(None) is None


def test_a_very_long_interval_does_not_flatten_the_curves():
    points = [LearningPoint("rule", size, 0.02, (-9.0, 9.0) if size == 80 else (0.01, 0.03), 2) for size in (10, 80)]
    low, high = learning_curve(LearningCurve(METRICS["accuracy"], tuple(points))).views[0][1].span
    assert -6 < low < 0 < 2 < high < 8

"""Forest plots of pooled effects."""

from ensembler.report.figures.charts import Axis
from ensembler.report.figures.drawing import draw_for_file, draw_for_page
from ensembler.report.figures.forest import Effect, Forest, span_of


def test_effects_are_in_points_the_largest_on_top(ranked, ranking_figures):
    chart = ranking_figures["effects"].views[0][1]
    values = [row.value for row in chart.rows]
    assert values == sorted(values, reverse=True)
    assert "mean" not in [row.label for row in chart.rows]
    for row in chart.rows:
        effect = ranked[row.label].effect
        assert row.value == 100 * effect.effect
        assert row.interval == tuple(100 * end for end in effect.interval)
        assert row.prediction == tuple(100 * end for end in effect.prediction_interval)


def test_what_crosses_0_is_drawn_as_it_is():
    chart = Forest(Axis("points"), [Effect("one", 0.2, (-0.1, 0.5), (-0.6, 1.0)), Effect("two", -0.1)])
    thin, thick, points = draw_for_page(chart)["data"]
    assert thin["x"] == [-0.6, 1.0, None]
    assert thick["x"] == [-0.1, 0.5, None]
    assert points["x"] == [0.2, -0.1]
    assert (thin["name"], thick["name"]) == ("95 % prediction interval", "95 % interval")
    axes = draw_for_file(chart).axes[0]
    assert [list(line.get_xdata()) for line in axes.lines[1:4]] == [[-0.6, 1.0], [-0.1, 0.5], [0.2]]


def test_a_rule_that_is_far_off_does_not_flatten_the_others():
    near = [Effect(f"rule-{place}", 0.1 * place, (0.1 * place - 0.2, 0.1 * place + 0.2)) for place in range(10)]
    assert span_of(near) is None
    low, high = span_of([*near, Effect("far", -90.0, (-120.0, -60.0))])
    assert -20 < low < -0.2
    assert high >= 1.1


def test_lines_that_go_on_have_an_arrow_and_no_other_ends_on_the_edge():
    rows = [Effect("near", 0.1, (0.0, 0.2), (-0.1, 0.3)), Effect("far", 0.0, (-9.0, 0.2))]
    chart = Forest(Axis("points"), rows, (-1.0, 0.5))
    arrows = draw_for_page(chart)["data"][-1]
    assert (arrows["x"], arrows["y"], arrows["name"]) == ([-1.0], [1], "goes on")
    assert arrows["marker"]["symbol"] == ["triangle-left"]
    assert "goes on" in draw_for_file(chart).axes[0].get_legend_handles_labels()[1]
    whole = Forest(Axis("points"), rows)
    assert whole.going_on() == []
    low, high = draw_for_page(whole)["layout"]["xaxis"]["range"]
    assert low < -9
    assert high > 0.3


def test_one_set_has_no_intervals():
    assert draw_for_file(Forest(Axis("points"), [Effect("one", 0.2), Effect("two", 0.2)]))
    assert span_of([Effect("one", 0.0)]) is None

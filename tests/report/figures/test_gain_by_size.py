"""Gains against sizes."""

import math

import pytest

from ensembler.report.figures.charts import Axis
from ensembler.report.figures.drawing import draw_for_file, draw_for_page
from ensembler.report.figures.gain_by_size import GainBySize, SizePanel


def test_a_panel_for_each_size_that_varies(ranked, ranking_figures):
    figure = ranking_figures["size"]
    assert figure.views[0][0] == ranked.recommended
    assert "mean" not in [label for label, _ in figure.views]
    chart = figure.views[0][1]
    assert [panel.title for panel in chart.panels] == ["fitting rows", "members", "classes"]
    assert list(chart.panels[0].sizes) == [values.n_fit for values in ranked.sets]
    drawn = draw_for_page(chart)
    assert [trace["xaxis"] for trace in drawn["data"]] == ["x", "x2", "x3"]
    assert drawn["layout"]["xaxis3"]["domain"][1] == pytest.approx(1)
    assert len(draw_for_file(chart).axes) == 3


@pytest.mark.parametrize(
    ("sizes", "ticks", "logarithmic"),
    [
        ([2, 3, 11], [2, 4, 6, 8, 10], False),
        ([37, 192], [50, 100, 150], False),
        ([37, 750], [50, 100, 200, 500], True),
        ([10, 1_000_000], [10, 100, 1000, 10_000, 100_000, 1_000_000], True),
        ([5, 6], [5, 6], False),
    ],
)
def test_ticks_are_round_numbers(sizes, ticks, logarithmic):
    panel = SizePanel("rows", sizes)
    assert panel.is_logarithmic == logarithmic
    assert panel.ticks == ticks


def test_the_correlation_is_of_ranks():
    panel = SizePanel("rows", [10, 20, 30, 4000])
    assert GainBySize(Axis("points"), [panel], ["a", "b", "c", "d"], [1, 2, 3, 4]).correlation(panel) == 1
    assert math.isnan(GainBySize(Axis("points"), [panel], ["a", "b", "c", "d"], [0, 0, 0, 0]).correlation(panel))

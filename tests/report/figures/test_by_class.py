"""Recall by class."""

import numpy as np

from ensembler.report.figures.by_class import LANE, OPEN, ByClass, Series
from ensembler.report.figures.charts import Axis
from ensembler.report.figures.drawing import draw_for_file, draw_for_page
from ensembler.report.figures.style import LOOKS

BASE = Series("best", [0.5, 0.6], "best member")


def chart(*values):
    series = [BASE, *(Series(role, list(value), role) for role, value in zip(("chosen", "mean"), values, strict=True))]
    return ByClass(Axis("recall"), ["a", "b"], [10, 20], [Series("one", [0.5, 0.6])], series, BASE)


def test_marks_do_not_lie_on_one_another():
    drawn = chart([0.5, 0.6], [0.5, 0.6])
    lanes = drawn.lanes
    assert len(lanes) == 4
    assert max(abs(lane) for lane in lanes) < 0.5
    layout = draw_for_page(drawn)["layout"]
    pixels = (layout["height"] - 170) / 2
    assert np.allclose(np.diff(lanes) * pixels, LANE, atol=0.5)
    assert 0.8 * max(LOOKS[role].size for role in ("best member", "mean")) < LANE
    heights = [trace["y"][0] for trace in draw_for_page(drawn)["data"] if trace["name"] != OPEN]
    assert heights == lanes


def test_open_marks_are_in_the_legend_where_there_are_some():
    for values, said in ((([0.4, 0.7], [0.5, 0.6]), True), (([0.5, 0.7], [0.5, 0.6]), False)):
        drawn = chart(*values)
        assert (OPEN in [trace["name"] for trace in draw_for_page(drawn)["data"]]) == said
        labels = draw_for_file(drawn).axes[0].get_legend_handles_labels()[1]
        assert (OPEN in labels) == said

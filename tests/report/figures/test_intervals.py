"""Forest plots."""

from ensembler.report.figures.charts import Axis
from ensembler.report.figures.drawing import draw_for_file, draw_for_page
from ensembler.report.figures.intervals import Estimate, Intervals


def test_an_interval_is_drawn_as_it_is():
    # A bootstrap interval need not hold the estimate.
    chart = Intervals(Axis("ece"), [Estimate("one", 0.02, (0.021, 0.039)), Estimate("two", 0.03)])
    line, mark = draw_for_page(chart)["data"]
    assert line["x"] == [0.021, 0.039, None]
    assert mark["x"] == [0.02, 0.03]


def test_no_interval_ends_on_the_edge(figures):
    for _, chart in figures["rules"].views:
        ends = [end for row in chart.rows for end in (row.value, *(row.interval or ()))]
        low, high = draw_for_page(chart)["layout"]["xaxis"]["range"]
        assert low < min(ends) < max(ends) < high
        low, high = draw_for_file(chart).axes[0].get_xlim()
        assert low < min(ends) < max(ends) < high


def test_what_is_several_things_is_named_as_all_of_them(figures):
    chart = figures["rules"].views[0][1]
    several = [row for row in chart.rows if len(row.roles) > 1]
    assert several
    page = [trace.get("name") for trace in draw_for_page(chart)["data"]]
    drawn = draw_for_file(chart).axes[0].get_legend_handles_labels()[1]
    for row in several:
        assert ", ".join(row.roles) in page
        assert ", ".join(row.roles) in drawn


def test_differences_of_shares_are_in_points(surveyed, figures):
    label, chart = figures["rules"].views[1]
    assert label == "against the best member"
    assert chart.axis.title == "points of accuracy better than the best member"
    tests = {entry.name: entry.against_best for entry in surveyed.comparison.rules}
    for row in chart.rows:
        assert row.value == 100 * tests[row.label].difference

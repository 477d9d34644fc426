"""What cascades cost."""

from ensembler.report.figures.cascade_front import CascadeFront, Point, merged
from ensembler.report.figures.charts import Axis
from ensembler.report.figures.drawing import draw_for_file, draw_for_page


def test_what_is_two_things_has_one_mark_that_names_both():
    best = Point(0.2, 0.7, "a", "best member", "best single model")
    use = Point(0.2, 0.7, "a", "chosen", "the one to use")
    whole = Point(1.0, 0.8, "all members", "all members", "all members")
    others = merged([whole, best, use])
    assert [point.label for point in others] == ["all members", "the one to use, best single model"]
    chart = CascadeFront(Axis("accuracy", percent=True), [Point(0.1, 0.6, "b"), best], others)
    assert [trace["name"] for trace in draw_for_page(chart)["data"]][1:] == [point.label for point in others]
    assert "the one to use, best single model" in draw_for_file(chart).axes[0].get_legend_handles_labels()[1]

"""One description of each chart, two drawings."""

import numpy as np

from ensembler import Predictions
from ensembler.report.figures.drawing import draw_for_file, draw_for_page
from ensembler.report.figures.sizes import Sizes
from ensembler.report.page import write_figures
from ensembler.report.survey import BEAM_SIZE, survey
from tests.conftest import draw


def test_plotly_knows_all_that_is_drawn(figures):
    import plotly.graph_objects as go

    for figure in figures.values():
        for _, chart in figure.views:
            drawn = draw_for_page(chart)
            # Colours are names of the page's own until it resolves them.
            go.Figure(data=real_colors(drawn["data"]), layout=real_colors(drawn["layout"]))
    assert list(figures) == [
        "rules", "committees", "members", "cost", "cascade", "recall", "confusion", "reliability",
            "abstention", "diversity", "changes",
    ]  # fmt: skip


def real_colors(value):
    if isinstance(value, str):
        return "#123456" if value.startswith("var(") else value
    if isinstance(value, dict):
        return {key: real_colors(item) for key, item in value.items()}
    return [real_colors(item) for item in value] if isinstance(value, list) else value


def test_every_view_becomes_a_file(surveyed, figures, tmp_path):
    written = write_figures(surveyed, tmp_path / "figures")
    assert len(written) == sum(len(figure.views) for figure in figures.values()) == len(set(written))
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert "<text" in text
    first = written[0].read_bytes()
    assert write_figures(surveyed, tmp_path / "again")[0].read_bytes() == first


def test_both_drawings_show_the_same_numbers(figures):
    chart = figures["committees"].views[0][1]
    assert isinstance(chart, Sizes)
    drawn = draw_for_page(chart)
    page = {trace["name"]: trace["y"] for trace in drawn["data"] if trace.get("name")}
    lines = {line.get_label().split(":")[0]: line.get_ydata() for line in draw_for_file(chart).axes[0].lines}
    for name in ("chosen", "luckiest", "all members", "best of each size"):
        assert np.allclose(page[name], lines[name], atol=1e-5)


def test_two_hundred_members_and_a_hundred_classes(figures_of):
    proba, labels = draw(0, n_members=200, n_samples=300, n_classes=3)
    many = survey(Predictions(proba, labels), ["mean"], n_resamples=50)
    assert many.study is None
    assert many.search.sizes == (1, BEAM_SIZE)
    assert "200 members have too many committees" in figures_of(many)["committees"].text
    proba, labels = draw(0, n_members=3, n_samples=900, n_classes=100)
    wide = figures_of(survey(Predictions(proba, labels), ["mean"], n_resamples=50))
    assert "80 classes in between are not drawn" in wide["recall"].text
    assert "Only the 60 classes with most errors are drawn" in wide["confusion"].text
    assert wide["confusion"].views[0][1].values.shape == (60, 60)

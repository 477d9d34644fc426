"""One description, two drawings."""

import math

import numpy as np
import pytest

from ensembler import Predictions, compare_rules
from ensembler.report.figures import collect
from ensembler.report.figures import matplotlib as paper
from ensembler.report.figures import plotly as interactive
from ensembler.report.figures.charts import Axis, Estimate, Figure, Intervals, Sizes
from ensembler.report.figures.collect import alike_first, size_densities
from ensembler.report.figures.style import shortened
from ensembler.report.page import write_figures
from ensembler.report.sections import sections
from ensembler.report.survey import BEAM_SIZE, survey
from ensembler.subsets.describe import describe_study
from ensembler.subsets.study import study_subsets
from tests.conftest import draw


@pytest.fixture(scope="module")
def found(fer):
    return survey(fer, ["mean", "median", "accuracy-weighted", "exponential-weighted"], n_resamples=200)


def figures(found):
    return [block for section in sections(found) for block in section.blocks if isinstance(block, Figure)]


def test_plotly_knows_all_that_is_drawn(found):
    import plotly.graph_objects as go

    keys = []
    for figure in figures(found):
        keys.append(figure.key)
        for _, chart in figure.views:
            drawn = interactive.draw(chart)
            # Colours are names of the page's own until it resolves them.
            go.Figure(data=real_colors(drawn["data"]), layout=real_colors(drawn["layout"]))
    assert keys == [
        "rules", "committees", "members", "cost", "recall", "confusion", "reliability", "diversity", "changes",
    ]  # fmt: skip


def real_colors(value):
    if isinstance(value, str):
        return "#123456" if value.startswith("var(") else value
    if isinstance(value, dict):
        return {key: real_colors(one) for key, one in value.items()}
    return [real_colors(one) for one in value] if isinstance(value, list) else value


def test_every_view_becomes_a_file(found, tmp_path):
    written = write_figures(found, tmp_path / "figures")
    assert len(written) == sum(len(figure.views) for figure in figures(found)) == len(set(written))
    for path in written:
        text = path.read_text(encoding="utf-8")
        assert "<text" in text
    first = written[0].read_bytes()
    assert write_figures(found, tmp_path / "again")[0].read_bytes() == first


def test_densities_count_every_committee(fer):
    study = study_subsets(fer, ["mean"])
    densities = size_densities(study.rules[0])
    assert [density.size for density in densities] == list(range(1, 10))
    for density in densities:
        assert density.numbers.sum() == math.comb(9, density.size)


def test_both_drawings_show_the_same_numbers(found):
    chart = next(chart for figure in figures(found) if figure.key == "committees" for _, chart in figure.views)
    assert isinstance(chart, Sizes)
    drawn = interactive.draw(chart)
    page = {trace["name"]: trace["y"] for trace in drawn["data"] if trace.get("name")}
    lines = {line.get_label().split(":")[0]: line.get_ydata() for line in paper.draw(chart).axes[0].lines}
    for name in ("chosen", "luckiest", "all members", "best of each size"):
        assert np.allclose(page[name], lines[name], atol=1e-5)


def test_what_is_told_on_hover_is_what_the_json_says(fer, found):
    described = describe_study(found.study)
    worth = interactive.draw(next(one for one in figures(found) if one.key == "members").views[0][1])
    told = {text.split("</b>")[0].removeprefix("<b>"): text for text in worth["data"][0]["hovertext"]}
    for member in described["rules"][0]["members"]:
        assert f"Shapley value {100 * member['shapley']:+.2f} points" in told[member["name"]]
    by_loss = describe_study(study_subsets(fer, metric="log-loss"))
    drawn = interactive.draw(collect.worth(by_loss).views[0][1])
    best = max(by_loss["rules"][0]["members"], key=lambda member: member["shapley"])
    assert f"Shapley value {best['shapley']:+.4f}" in drawn["data"][0]["hovertext"][0]
    assert "points" not in drawn["data"][0]["hovertext"][0]


def test_an_interval_is_drawn_as_it_is():
    # A bootstrap interval need not hold the estimate.
    chart = Intervals(Axis("ece"), [Estimate("one", 0.02, (0.021, 0.039)), Estimate("two", 0.03)])
    line, mark = interactive.draw(chart)["data"]
    assert line["x"] == [0.021, 0.039, None]
    assert mark["x"] == [0.02, 0.03]


def test_committees_far_off_do_not_flatten_the_others(fer):
    study = study_subsets(fer, metric="log-loss")
    figure = collect.sweep(study, describe_study(study))
    low, high = figure.views[0][1].span
    assert low < 0.9 < high < 3 < study.rules[0].scored.by_size()[0].worst * -1
    assert "too far off" in figure.text


def test_recalls_of_weighted_rows_agree(fer):
    weight = np.random.default_rng(0).uniform(0.2, 5, fer.n_samples)
    weighted = Predictions(fer.proba, fer.labels, sample_weight=weight)
    result = compare_rules(weighted, ["mean"], n_resamples=50)
    shares = collect.confusions(result).views[0][1].values
    assert np.allclose(np.diag(shares), result["mean"].recall)


def test_members_that_are_alike_stand_together():
    rng = np.random.default_rng(0)
    family = np.array([0, 1, 0, 1, 0, 1, 0, 1])
    different = np.where(family[:, None] == family, 0.1, 0.5) + rng.random((8, 8)) * 0.01
    different = (different + different.T) / 2
    np.fill_diagonal(different, 0)
    order = family[alike_first(different)]
    assert (np.diff(order) != 0).sum() == 1


def test_long_names_keep_their_ends():
    assert shortened("a" * 50 + "-17", 20).endswith("a-17")
    assert len(shortened("a" * 50, 20)) == 20
    assert shortened("short", 20) == "short"


def test_two_hundred_members_and_a_hundred_classes():
    proba, labels = draw(0, n_members=200, n_samples=300, n_classes=3)
    many = survey(Predictions(proba, labels), ["mean"], n_resamples=50)
    assert many.study is None
    assert many.search.sizes == (1, BEAM_SIZE)
    committees = next(figure for figure in figures(many) if figure.key == "committees")
    assert "200 members have too many committees" in committees.text
    proba, labels = draw(0, n_members=3, n_samples=900, n_classes=100)
    wide = survey(Predictions(proba, labels), ["mean"], n_resamples=50)
    by_key = {figure.key: figure for figure in figures(wide)}
    assert "80 classes in between are not drawn" in by_key["recall"].text
    assert "Only the 60 classes with most errors are drawn" in by_key["confusion"].text
    assert by_key["confusion"].views[0][1].values.shape == (60, 60)

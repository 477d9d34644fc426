"""What members are worth."""

import pytest

from ensembler.report.figures.drawing import draw_for_file, draw_for_page
from ensembler.report.figures.worth import worth
from ensembler.subsets.describe import describe_study, summarize_study
from ensembler.subsets.study import study_subsets


def test_what_is_told_on_hover_is_what_the_json_says(fer, surveyed, figures):
    described = describe_study(surveyed.study)
    drawn = draw_for_page(figures["members"].views[0][1])
    hover = {text.split("</b>")[0].removeprefix("<b>"): text for text in drawn["data"][0]["hovertext"]}
    for member in described["rules"][0]["members"]:
        assert f"Shapley value {100 * member['shapley']:+.2f} points" in hover[member["name"]]
    by_loss = study_subsets(fer, metric="log-loss")
    drawn = draw_for_page(worth(summarize_study(by_loss)).views[0][1])
    best = max(describe_study(by_loss)["rules"][0]["members"], key=lambda member: member["shapley"])
    assert f"Shapley value {best['shapley']:+.4f}" in drawn["data"][0]["hovertext"][0]
    assert "points" not in drawn["data"][0]["hovertext"][0]


def test_mean_effects_stand_beside_shapley_values_and_harm_looks_like_harm(surveyed, figures):
    members = {member["name"]: member for member in describe_study(surveyed.study)["rules"][0]["members"]}
    chart = figures["members"].views[0][1]
    assert list(chart.effects) == [100 * members[name]["mean_effect"] for name in chart.names]
    drawn = draw_for_page(chart)
    values, up, down, helped, hurt = drawn["data"]
    assert [values.get("xaxis"), up["xaxis"], down["xaxis"], helped["xaxis"]] == [None, "x2", "x2", "x3"]
    for name, effect, more, less in zip(chart.names, chart.effects, up["x"], down["x"], strict=True):
        assert more + less == pytest.approx(effect, rel=1e-4), name
    assert down["marker"] == hurt["marker"] != up["marker"] == helped["marker"]
    bars = draw_for_file(chart).axes[1].patches
    assert [bar.get_width() for bar in bars[: len(chart.names)]] == [max(effect, 0) for effect in chart.effects]


def test_a_metric_of_which_less_is_better_is_turned_and_says_so(fer):
    figure = worth(summarize_study(study_subsets(fer.select(only=["oarriaga*"]), metric="brier")))
    assert figure.views[0][1].titles[0] == "Shapley value, brier, sign turned"
    assert figure.text.endswith("The sign is turned: positive values lower the brier.")

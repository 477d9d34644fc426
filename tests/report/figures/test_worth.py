"""What members are worth."""

from ensembler.report.figures.drawing import draw_for_page
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


def test_a_metric_of_which_less_is_better_is_turned_and_says_so(fer):
    figure = worth(summarize_study(study_subsets(fer.select(only=["oarriaga*"]), metric="brier")))
    assert figure.views[0][1].axis.title == "Shapley value, brier, sign turned"
    assert figure.text.endswith("The sign is turned: positive values lower the brier.")

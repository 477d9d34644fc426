"""Heat maps of rules and sets."""

import numpy as np

from ensembler.report.figures.charts import Axis
from ensembler.report.figures.drawing import draw_for_file, draw_for_page
from ensembler.report.figures.rules_by_sets import RulesBySets


def test_each_cell_is_the_difference_of_its_rule_on_its_set(ranked, ranking_figures):
    chart = ranking_figures["sets"].views[0][1]
    order = [values.name for values in ranked.sets]
    names = [rule.name for rule in ranked.rules]
    assert "mean" not in chart.rules
    for row, rule in enumerate(chart.rules):
        for column, name in enumerate(chart.sets):
            expected = 100 * ranked.differences[order.index(name), names.index(rule)]
            assert chart.values[row, column] == expected
    recommended = chart.values[chart.rules.index(ranked.recommended)]
    assert (np.diff(recommended) <= 0).all()


def test_a_rule_that_could_not_run_leaves_a_hole():
    values = np.array([[1.0, np.nan], [-2.0, 0.5]])
    chart = RulesBySets(Axis("points"), ["one", "two"], ["first", "second"], values)
    assert draw_for_page(chart)["data"][0]["z"] == [[1.0, None], [-2.0, 0.5]]
    assert draw_for_file(chart)


def test_no_difference_anywhere():
    chart = RulesBySets(Axis("points"), ["one"], ["first", "second"], np.zeros((1, 2)))
    assert draw_for_page(chart)["data"][0]["zmax"] == 1


def test_very_many_sets_have_no_labels():
    chart = RulesBySets(Axis("points"), ["one"], [f"set-{place}" for place in range(200)], np.ones((1, 200)))
    assert draw_for_page(chart)["layout"]["xaxis"]["ticktext"] == []
    assert draw_for_file(chart).axes[0].get_xlabel() == "200 sets"

"""Critical-difference diagrams."""

import pytest

from ensembler.report.figures.critical_difference import CriticalDifference, RankedName
from ensembler.report.figures.drawing import draw_for_file, draw_for_page


def diagram(*ranks, difference=1.0):
    return CriticalDifference([RankedName(f"rule-{rank}", rank) for rank in ranks], difference)


@pytest.mark.parametrize(
    ("ranks", "groups"),
    [
        ((1.0, 1.5, 3.0, 3.9), [(1.0, 1.5, 0), (3.0, 3.9, 0)]),
        ((1.0, 1.8, 2.5), [(1.0, 1.8, 0), (1.8, 2.5, 1)]),
        ((1.0, 1.2, 1.4), [(1.0, 1.4, 0)]),
        ((1.0, 2.5, 4.0), []),
        # The test calls a difference significant that is as large as the critical one only if it is larger.
        ((1.0, 2.0), [(1.0, 2.0, 0)]),
    ],
)
def test_a_bar_is_over_each_largest_group_that_is_not_shown_to_differ(ranks, groups):
    assert diagram(*ranks).groups == groups


def test_names_stand_beside_one_another_and_lines_do_not_cross():
    chart = diagram(1.0, 1.4, 2.2, 3.0, 3.3)
    left = [stem for stem in chart.stems if stem.is_left]
    right = [stem for stem in chart.stems if not stem.is_left]
    assert [stem.name.rank for stem in left] == [1.0, 1.4, 2.2]
    assert [stem.name.rank for stem in right] == [3.3, 3.0]
    for side in (left, right):
        rows = [stem.row for stem in side]
        assert rows == sorted(rows, reverse=True)
        assert len(set(rows)) == len(rows)
    lowest_bar = -0.6 - 0.55 * (chart.n_levels - 1)
    assert max(stem.row for stem in chart.stems) < lowest_bar


def test_two_rules_that_tie_everywhere_can_be_drawn():
    chart = diagram(1.5, 1.5)
    assert chart.groups == []
    assert draw_for_page(chart)["layout"]["height"] > 50
    assert draw_for_file(chart)


def test_both_drawings_show_the_mean_ranks(ranked, ranking_figures):
    chart = ranking_figures["ranks"].views[0][1]
    ranks = {rule.name: rule.mean_rank for rule in ranked.rules}
    assert {name.label: name.rank for name in chart.names} == ranks
    drawn = draw_for_page(chart)["data"]
    told = [text for trace in drawn for text in trace.get("text", ())]
    written = [text.get_text() for text in draw_for_file(chart).axes[0].texts]
    for name, rank in ranks.items():
        assert any(name in text and f"{rank:.2f}" in text for text in told)
        assert any(name in text and f"{rank:.2f}" in text for text in written)
    assert any(f"critical difference {ranked.critical_difference:.2f}" in text for text in written)

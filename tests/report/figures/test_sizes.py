"""Committees by size."""

import math

from ensembler.report.figures.charts import Axis, Mark
from ensembler.report.figures.drawing import draw_for_file, draw_for_page
from ensembler.report.figures.sizes import Sizes, merged, size_densities, sweep
from ensembler.subsets.describe import summarize_study
from ensembler.subsets.study import study_subsets


def test_densities_count_every_committee(fer):
    study = study_subsets(fer, ["mean"])
    densities = size_densities(study.rules[0])
    assert [density.size for density in densities] == list(range(1, 10))
    for density in densities:
        assert density.numbers.sum() == math.comb(9, density.size)


def test_a_committee_that_is_several_things_has_one_mark_that_names_them():
    marks = merged(
        [Mark(3, 0.7, "a\nb\nc", "all members"), Mark(2, 0.8, "a\nb", "luckiest"), Mark(2, 0.8, "a\nb", "chosen")]
    )
    assert [mark.named for mark in marks] == [("all members",), ("chosen", "luckiest")]
    chart = Sizes(Axis("accuracy"), [], [Mark(2, 0.8, "a\nb")], marks)
    assert [trace["name"] for trace in draw_for_page(chart)["data"]][1:] == ["all members", "chosen, luckiest"]
    labels = [line.get_label() for line in draw_for_file(chart).axes[0].lines]
    assert "chosen, luckiest: 0.8000" in labels


def test_committees_far_off_do_not_flatten_the_others(fer):
    study = study_subsets(fer, metric="log-loss")
    figure = sweep(study, summarize_study(study))
    low, high = figure.views[0][1].span
    assert low < 0.9 < high < 3 < study.rules[0].scored.by_size()[0].worst * -1
    assert "too far off" in figure.text

"""Committees by size."""

import math

from ensembler.report.figures.sizes import size_densities, sweep
from ensembler.subsets.describe import summarize_study
from ensembler.subsets.study import study_subsets


def test_densities_count_every_committee(fer):
    study = study_subsets(fer, ["mean"])
    densities = size_densities(study.rules[0])
    assert [density.size for density in densities] == list(range(1, 10))
    for density in densities:
        assert density.numbers.sum() == math.comb(9, density.size)


def test_committees_far_off_do_not_flatten_the_others(fer):
    study = study_subsets(fer, metric="log-loss")
    figure = sweep(study, summarize_study(study))
    low, high = figure.views[0][1].span
    assert low < 0.9 < high < 3 < study.rules[0].scored.by_size()[0].worst * -1
    assert "too far off" in figure.text

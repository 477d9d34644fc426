"""Confusion matrices, and members that are alike."""

import numpy as np
import pytest

from ensembler import Predictions, compare_rules
from ensembler.report.figures.drawing import draw_for_file, draw_for_page
from ensembler.report.figures.matrix import alike_first, confusions


def test_recalls_of_weighted_rows_agree(fer):
    weight = np.random.default_rng(0).uniform(0.2, 5, fer.n_samples)
    weighted = Predictions(fer.proba, fer.labels, sample_weight=weight)
    result = compare_rules(weighted, ["mean"], n_resamples=50)
    shares = confusions(result).views[0][1].values
    assert np.allclose(np.diag(shares), result["mean"].recall)


def test_the_pair_that_is_most_alike_does_not_look_like_the_diagonal(figures):
    chart = figures["diversity"].views[0][1]
    trace = draw_for_page(chart)["data"][0]
    least = np.nanmin(chart.values)
    assert trace["zmin"] == pytest.approx(least, rel=1e-4)
    assert trace["colorscale"][0] == [0, "var(--faint)"]
    image = draw_for_file(chart).axes[0].images[0]
    colors = image.to_rgba(image.get_array())
    row, column = np.argwhere(chart.values == least)[0]
    assert min(colors[row, column][:3]) < 0.9
    assert colors[0, 0][3] == 0 or min(colors[0, 0][:3]) > 0.99


def test_members_that_are_alike_stand_together():
    rng = np.random.default_rng(0)
    family = np.array([0, 1, 0, 1, 0, 1, 0, 1])
    different = np.where(family[:, None] == family, 0.1, 0.5) + rng.random((8, 8)) * 0.01
    different = (different + different.T) / 2
    np.fill_diagonal(different, 0)
    order = family[alike_first(different)]
    assert (np.diff(order) != 0).sum() == 1

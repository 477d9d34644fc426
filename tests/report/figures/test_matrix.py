"""Confusion matrices, and members that are alike."""

import numpy as np

from ensembler import Predictions, compare_rules
from ensembler.report.figures.matrix import alike_first, confusions


def test_recalls_of_weighted_rows_agree(fer):
    weight = np.random.default_rng(0).uniform(0.2, 5, fer.n_samples)
    weighted = Predictions(fer.proba, fer.labels, sample_weight=weight)
    result = compare_rules(weighted, ["mean"], n_resamples=50)
    shares = confusions(result).views[0][1].values
    assert np.allclose(np.diag(shares), result["mean"].recall)


def test_members_that_are_alike_stand_together():
    rng = np.random.default_rng(0)
    family = np.array([0, 1, 0, 1, 0, 1, 0, 1])
    different = np.where(family[:, None] == family, 0.1, 0.5) + rng.random((8, 8)) * 0.01
    different = (different + different.T) / 2
    np.fill_diagonal(different, 0)
    order = family[alike_first(different)]
    assert (np.diff(order) != 0).sum() == 1

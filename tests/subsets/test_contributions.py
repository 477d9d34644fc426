"""Outcomes of all committees at once against adding up each one."""

import numpy as np
import pytest

from ensembler.combiners.registry import make_rule
from ensembler.subsets.contributions import Contributions, all_outcomes
from tests.conftest import draw


@pytest.mark.parametrize("name", ["mean", "product", "majority-vote", "borda", "recall"])
@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("n_classes", [2, 5, 60])
def test_all_committees_at_once_are_each_added_up(name, coarse, n_classes):
    for seed in range(5):
        proba, labels = draw(seed, 4, 30, n_classes)
        if coarse:
            proba = np.round(proba, 1) + 0.01
            proba /= proba.sum(axis=-1, keepdims=True)
        rule = make_rule(name).fit(proba, labels)
        data = Contributions(proba, labels, [(np.arange(30), rule)])
        found = np.zeros((16, 30), dtype=bool)
        for rows, correct in all_outcomes(data, np.arange(30), rule):
            found[:, rows] = correct
        added = data.of(np.arange(30), rule)
        for mask in range(1, 16):
            scores = np.zeros((30, n_classes)) + rule.start()
            for member in range(4):
                if mask >> member & 1:
                    scores += added[member]
            np.testing.assert_array_equal(found[mask], scores.argmax(axis=1) == labels)

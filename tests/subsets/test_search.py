"""The search step by step: what is counted, and that it finds what looking at everything finds."""

import numpy as np
import pytest

from ensembler import Predictions
from ensembler.arrays import one_hot
from ensembler.subsets import search
from ensembler.subsets.search import count_each, search_subsets
from ensembler.subsets.study import study_subsets
from tests.subsets.draw import draw


@pytest.mark.parametrize("block", [1, 64, 1 << 17])
@pytest.mark.parametrize("kind", ["random", "ties", "votes"])
def test_rows_are_counted_as_the_first_maximum_says(kind, block, monkeypatch):
    monkeypatch.setattr(search, "BLOCK_VALUES", block)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 70)
    if kind == "votes":
        proba = np.array([one_hot(rng.integers(0, 4, 70), 4) for _ in range(6)]).astype(np.float64)
    else:
        proba = rng.dirichlet(np.ones(4), (6, 70))
        proba = np.round(proba * 4) / 4 if kind == "ties" else proba
    added = np.moveaxis(proba, 1, 2)
    scores = added[1] + added[4]
    expected = [int(((scores + member).argmax(axis=0) == labels).sum()) for member in added]
    of_truth = added[:, labels, np.arange(70)]
    assert count_each(scores, added, of_truth, labels).tolist() == expected


@pytest.mark.parametrize("rule", ["mean", "majority-vote", "accuracy-weighted"])
def test_a_wide_beam_finds_what_looking_at_every_committee_finds(rule):
    proba, labels = draw("random", 6, 120, 4, seed=8)
    data = Predictions(proba, labels, validation=Predictions(*draw("random", 6, 90, 4, seed=9)))
    found = search_subsets(data, [rule], width=64, sizes=(1, 6))
    swept = study_subsets(data, [rule])
    best = swept.rules[0].choice
    assert [step.selection_accuracy for step in found.rules[0].steps] == [best.best(k).value for k in range(1, 7)]

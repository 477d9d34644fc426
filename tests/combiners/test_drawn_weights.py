"""The accuracy of many weighted means at once is that of each."""

import numpy as np
import pytest

from ensembler.combiners._drawn_weights import Leads
from tests.conftest import draw


@pytest.mark.parametrize("kind", ["plain", "coarse", "certain", "single", "alone"])
@pytest.mark.parametrize("n_classes", [2, 5, 40])
def test_it_is_that_of_each_mean(n_classes, kind):
    rng = np.random.default_rng(0)
    proba, labels = draw(3, 1 if kind == "alone" else 6, 500, n_classes)
    if kind == "coarse":
        proba = np.round(proba * 4) / 4
    if kind == "certain":
        proba = np.eye(n_classes)[proba.argmax(axis=2)]
    if kind == "single":
        proba = proba.astype(np.float32)
    weight = rng.random(500)
    weights = np.concatenate([rng.dirichlet(np.ones(len(proba)), 50), np.eye(len(proba))])
    if kind in ("coarse", "certain"):
        # Sums of quarters are exact, and equal ones are many.
        weights = rng.multinomial(4, np.full(len(proba), 1 / len(proba)), 50) / 4
    found = Leads.of(proba, labels, weight).accuracy(weights)
    means = np.einsum("dm,mnc->dnc", weights, proba.astype(np.float64))
    expected = np.average(means.argmax(axis=2) == labels, axis=1, weights=weight)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("is_right", [True, False])
def test_rows_that_are_all_right_or_all_wrong_need_no_look(is_right):
    labels = np.arange(60) % 3
    proba = np.stack([np.eye(3)[(labels + (not is_right)) % 3]] * 4)
    leads = Leads.of(proba, labels, np.ones(60))
    assert not len(leads.weight)
    np.testing.assert_array_equal(leads.accuracy(np.full((2, 4), 0.25)), float(is_right))

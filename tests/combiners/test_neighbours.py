"""Nearest output profiles, against sorting all distances."""

import numpy as np
import pytest

from ensembler.combiners.dynamic import neighbours
from ensembler.combiners.dynamic.neighbours import NearestProfiles, as_profiles
from tests.conftest import draw


def nearest_by_sorting(fitting, new, k, own=False):
    """All distances, then the k smallest: of equal ones the lowest numbers."""
    profiles, queries = as_profiles(fitting), as_profiles(new)
    found = []
    for number, query in enumerate(queries):
        distances = np.square(query - profiles).sum(axis=1)
        if own:
            distances[number] = np.inf
        found.append(np.argsort(distances, kind="stable")[: min(k, len(profiles) - own)])
    return np.array(found)


def votes_of(proba):
    return np.eye(proba.shape[2])[proba.argmax(axis=2)]


def rounded(proba):
    """Few digits, so that many rows are equal and many more equally far."""
    steps = np.floor(proba * 4)
    steps[..., 0] += 1e-9
    return steps / steps.sum(axis=2, keepdims=True)


def sharpened(proba):
    """Members that are all but certain: single precision tells few of the rows apart."""
    powers = proba**12
    return powers / powers.sum(axis=2, keepdims=True)


KINDS = {
    "probabilities": lambda proba: proba,
    "single precision": lambda proba: proba.astype(np.float32),
    "votes": votes_of,
    "rounded": rounded,
    "sharp": sharpened,
    "one": lambda proba: np.broadcast_to(proba[:, :1], proba.shape).copy(),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("sizes", "k"), [((3, 2200, 3), 7), ((5, 2000, 2), 1), ((4, 90, 40), 7), ((1, 30, 2), 40)])
def test_neighbours_are_those_of_sorting_all_distances(kind, sizes, k, monkeypatch):
    monkeypatch.setattr(neighbours, "FEW_DISTANCES", 1 << 16)
    monkeypatch.setattr(neighbours, "ENOUGH_ROWS", 8)
    monkeypatch.setattr(neighbours, "PAIRS", 1 << 10)
    n_members, n_samples, n_classes = sizes
    fitting = KINDS[kind](draw(1, n_members, n_samples, n_classes)[0])
    new = KINDS[kind](draw(2, n_members, 60, n_classes)[0])
    new[:, :20] = fitting[:, 5:25]
    search = NearestProfiles(as_profiles(fitting))
    np.testing.assert_array_equal(search.nearest(new, k), nearest_by_sorting(fitting, new, k))
    np.testing.assert_array_equal(search.nearest_others(k)[:60], nearest_by_sorting(fitting, fitting, k, own=True)[:60])


def test_neighbours_do_not_depend_on_blocks(monkeypatch):
    fitting, new = draw(3, 4, 700, 5)[0], draw(4, 4, 300, 5)[0]
    whole = NearestProfiles(as_profiles(fitting)).nearest(new, 5)
    monkeypatch.setattr(neighbours, "FEW_DISTANCES", 1)
    monkeypatch.setattr(neighbours, "MOST_DISTANCES", 1)
    np.testing.assert_array_equal(NearestProfiles(as_profiles(fitting)).nearest(new, 5), whole)


def test_profiles_that_cannot_be_told_apart_in_single_precision_are_compared_in_double():
    rng = np.random.default_rng(5)
    base = rng.dirichlet(np.ones(3), (2, 1))
    fitting = base + 1e-9 * rng.normal(size=(2, 3000, 3))
    new = base + 1e-9 * rng.normal(size=(2, 40, 3))
    found = NearestProfiles(as_profiles(fitting)).nearest(new, 3)
    np.testing.assert_array_equal(found, nearest_by_sorting(fitting, new, 3))


def test_what_was_asked_is_remembered_by_its_content_not_by_its_place():
    fitting, new = draw(6, 3, 80, 3)[0], draw(7, 3, 20, 3)[0]
    search = NearestProfiles(as_profiles(fitting))
    first = search.nearest(new, 4).copy()
    np.testing.assert_array_equal(search.nearest(new, 2), first[:, :2])
    new[:] = new[:, ::-1].copy()
    np.testing.assert_array_equal(search.nearest(new, 4), first[::-1])
    np.testing.assert_array_equal(search.nearest(new, 9), nearest_by_sorting(fitting, new, 9))

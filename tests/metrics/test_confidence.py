"""Signals of confidence against scipy, and what must hold of each."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy as scipy_entropy

from ensembler.errors import UnknownNameError
from ensembler.metrics.confidence import SIGNALS, confidence, entropy, margin, mutual_information


@pytest.fixture(params=[2, 3, 40])
def members(request: pytest.FixtureRequest) -> np.ndarray:
    """Probabilities of four members on 60 rows."""
    generator = np.random.default_rng(request.param)
    return generator.dirichlet(np.full(request.param, 0.4), size=(4, 60))


def test_entropy_is_scipys(members: np.ndarray) -> None:
    assert entropy(members) == pytest.approx(scipy_entropy(members, axis=-1), abs=1e-12)


def test_the_margin_is_the_difference_of_the_two_largest(members: np.ndarray) -> None:
    ordered = np.sort(members[0], axis=-1)
    assert (margin(members[0]) == ordered[:, -1] - ordered[:, -2]).all()


def test_mutual_information_of_two_is_the_jensen_shannon_divergence(members: np.ndarray) -> None:
    expected = jensenshannon(members[0], members[1], axis=-1) ** 2
    assert mutual_information(members[:2]) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("signal", SIGNALS)
def test_confidence_is_from_0_to_1_and_sees_certainty(signal: str, members: np.ndarray) -> None:
    found = confidence(signal, members.mean(axis=0), members)
    assert found.shape == (60,)
    assert (found >= 0).all()
    assert (found <= 1).all()
    certain = np.eye(members.shape[2])[np.zeros((4, 60), dtype=int)]
    assert (confidence(signal, certain.mean(axis=0), certain) == 1).all()


@pytest.mark.parametrize("signal", SIGNALS)
def test_confidence_does_not_depend_on_the_order_of_classes(signal: str, members: np.ndarray) -> None:
    turned = members[..., ::-1]
    expected = confidence(signal, members.mean(axis=0), members)
    assert confidence(signal, turned.mean(axis=0), turned) == pytest.approx(expected, abs=1e-12)


def test_an_unknown_signal_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="top-probability"):
        confidence("sureness", np.full((2, 2), 0.5), np.full((1, 2, 2), 0.5))

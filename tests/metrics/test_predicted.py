"""What is kept of predictions: metrics of it are those of the probabilities; many are made anew when asked for."""

from copy import deepcopy as copy_of

import numpy as np
import pytest

from ensembler.metrics import METRICS, get_metric, predicted
from ensembler.metrics.predicted import Pieces, Predicted

NAMES = [*METRICS, "top-k-accuracy:k=1", "ece:bins=7"]
N_ROWS, N_CLASSES = 60, 3


def draw(seed):
    proba = np.random.default_rng(seed).dirichlet(np.ones(N_CLASSES), N_ROWS)
    return np.random.default_rng(9).integers(0, N_CLASSES, N_ROWS), proba


def bound(name):
    return get_metric(name).bind(["0", "1"]) if name == "f1" else get_metric(name)


@pytest.fixture(params=[True, False], ids=["kept", "made anew"])
def kept(request, monkeypatch):
    if not request.param:
        monkeypatch.setattr(predicted, "MOST_KEPT", 0)
    return request.param


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_of_what_was_predicted_is_that_of_the_probabilities(name, kept):
    labels, proba = draw(0)
    weight = np.random.default_rng(1).random(N_ROWS)
    whole = Predicted(labels, lambda: proba.copy(), N_CLASSES)
    metric = bound(name)
    assert metric(labels, whole, weight) == metric(labels, proba, weight)
    rows = np.arange(0, N_ROWS, 2)
    assert metric(labels[rows], whole.of_rows(rows)) == metric(labels[rows], proba[rows])


@pytest.mark.parametrize("name", NAMES)
def test_pieces_of_predictions_are_measured_as_their_rows_together(name, kept):
    (labels, first), (_, second) = draw(0), draw(1)
    parts = [(np.arange(0, 25), first), (np.arange(25, N_ROWS), second)]
    pieces = Pieces([(rows, Predicted(labels, proba.copy, N_CLASSES)) for rows, proba in parts])
    together = np.concatenate([first[:25], second[25:]])
    assert np.array_equal(pieces.proba, together)
    assert bound(name)(labels, pieces) == bound(name)(labels, together)


def test_many_probabilities_are_made_once_for_all_that_is_taken_while_they_are_held(monkeypatch):
    monkeypatch.setattr(predicted, "MOST_KEPT", 0)
    labels, proba = draw(0)
    made = []

    def make():
        made.append(1)
        return proba

    whole = Predicted(labels, make, N_CLASSES)
    assert not made
    with whole.held():
        for name in ("accuracy", "log-loss", "brier", "ece", "macro-f1"):
            METRICS[name](labels, whole)
    assert len(made) == 1
    METRICS["brier"](labels, whole)
    assert len(made) == 1


def test_copies_have_the_probabilities(kept):
    labels, proba = draw(0)
    whole = Predicted(labels, proba.copy, N_CLASSES)
    for each in (whole, whole.of_rows(np.arange(N_ROWS)), Pieces([(np.arange(N_ROWS), whole)])):
        copy = copy_of(each)
        assert np.array_equal(copy.proba, proba)
        assert np.array_equal(copy.labels, labels)


def test_a_function_of_the_user_gets_the_probabilities():
    labels, proba = draw(0)
    metric = get_metric(lambda labels, proba: float(proba[np.arange(len(labels)), labels].mean()))
    assert metric(labels, Predicted.of(labels, proba)) == metric(labels, proba)

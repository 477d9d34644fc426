"""Rows of which most are of one class."""

import shlex

import numpy as np
import pytest

from ensembler import Predictions, compare_rules
from ensembler.metrics import get_metric
from ensembler.report.bench import conclusion
from tests.conftest import draw


def rare(share, **given):
    """A set whose second class has a share of the rows."""
    proba, labels = draw(seed=1, n_members=3, n_samples=400, n_classes=2)
    labels = (np.arange(400) < share * 400).astype(int)
    return Predictions(proba, labels, class_names=["no", "yes, rarely"], **given)


def test_always_answering_the_larger_class_is_named_with_metrics_that_suit():
    data = rare(0.05)
    result = compare_rules(data, ["mean"], n_resamples=0)
    assert result.to_dict()["imbalance"]["share"] == pytest.approx(0.95)
    sentence = conclusion(result)[-1]
    assert sentence.startswith("Accuracy says little here: always answering no is right in 95.0 % of the rows.")
    assert "roc-auc" in sentence
    for text in result.imbalance.metrics:
        assert shlex.quote(text) in sentence
        # What is named can be typed.
        metric = get_metric(text).bind(data.classes)
        assert compare_rules(data, ["mean"], metric=text, n_resamples=0)["mean"].metrics[text] == pytest.approx(
            float(metric(data.labels, data.proba.mean(axis=0)))
        )


def test_it_is_not_said_of_balanced_rows_or_by_another_metric():
    assert compare_rules(rare(0.4), ["mean"], n_resamples=0).imbalance is None
    result = compare_rules(rare(0.05), ["mean"], metric="roc-auc", n_resamples=0)
    assert result.imbalance is not None
    assert not any("Accuracy says little" in sentence for sentence in conclusion(result))


def test_weights_count():
    weight = np.where(np.arange(400) < 20, 19.0, 1.0)
    assert compare_rules(rare(0.05, sample_weight=weight), ["mean"], n_resamples=0).imbalance is None


def test_hard_labels_are_told_metrics_of_answers():
    data = rare(0.1)
    votes = np.eye(2)[data.proba.argmax(axis=-1)]
    result = compare_rules(Predictions(votes, data.labels, hard=[True] * 3), ["majority-vote"], n_resamples=0)
    assert result.imbalance.metrics == ("balanced-accuracy", "mcc", "f1:class=1")

"""Weights that the user gives."""

import json

import numpy as np
import pytest

from ensembler import FixedWeights, Predictions, compare_rules, make_rule, sweep_subsets
from ensembler.errors import ParameterError, UnknownNameError
from tests.conftest import draw


def test_it_is_numpys_weighted_mean():
    proba, _ = draw(0)
    weights = [3, 0, 1, 0.5, 2]
    expected = np.average(proba, axis=0, weights=weights)
    np.testing.assert_allclose(FixedWeights(weights).predict_proba(proba), expected, atol=1e-12)
    rule = FixedWeights(np.array(weights)).fit(proba)
    np.testing.assert_allclose(rule.weights_, np.array(weights) / 6.5)
    assert rule.members_used() == (0, 2, 3, 4)


def test_text_and_names():
    proba, labels = draw(1, 3)
    data = Predictions(proba, labels, names=["vgg", "resnet", "deit"])
    by_name = 'fixed-weights:weights={"resnet":0.3,"vgg":0.7}'
    result = compare_rules(data, [by_name, "fixed-weights:weights=[7,3,0]"], n_resamples=0)
    first, second = (rule.proba for rule in result.rules)
    np.testing.assert_allclose(first, second, atol=1e-12)
    assert {rule.name for rule in result.rules} == {by_name, "fixed-weights:weights=[7,3,0]"}
    json.dumps(result.to_dict())
    assert make_rule("fixed-weights:weights=[7,3,0]").to_text() == "fixed-weights:weights=[7, 3, 0]"


def test_committees_keep_the_weights():
    proba, labels = draw(2, 4)
    sweep = sweep_subsets(proba, labels, "fixed-weights:weights=[4,3,2,1]")
    for mask in range(1, 16):
        members = [member for member in range(4) if mask >> member & 1]
        mean = np.average(proba[members], axis=0, weights=np.array([4, 3, 2, 1])[members])
        assert sweep.correct[mask] == (mean.argmax(axis=1) == labels).sum()


def test_impossible_weights_are_refused():
    proba, labels = draw(3, 3)
    data = Predictions(proba, labels, names=["a", "b", "c"])
    with pytest.raises(ParameterError, match="weights is None, expected one number >= 0 a member, not all 0"):
        make_rule("fixed-weights")
    with pytest.raises(ParameterError, match=r"weights is \[1, -1, 2\], expected one number >= 0"):
        compare_rules(data, ["fixed-weights:weights=[1,-1,2]"])
    with pytest.raises(ParameterError, match="expected 3 numbers: one weight a member"):
        compare_rules(data, ["fixed-weights:weights=[1,2]"])
    with pytest.raises(UnknownNameError, match="unknown member in weights 'd'"):
        compare_rules(data, ['fixed-weights:weights={"d":1}'])
    with pytest.raises(ParameterError, match="call bind"):
        FixedWeights({"a": 1}).fit(proba)


def test_it_is_left_out_where_all_rules_run():
    result = compare_rules(Predictions(*draw(4, 3)), n_resamples=0)
    assert "fixed-weights" not in [rule.name for rule in result.rules]
    assert "fixed-weights" not in [name for name, _ in result.left_out]


def test_weights_that_are_set_are_checked():
    proba, _ = draw(5, 3)
    rule = FixedWeights([1, 1, 1]).fit(proba)
    rule.weights_ = [0.5, 0.5, 0.0]
    np.testing.assert_allclose(rule.predict_proba(proba), proba[:2].mean(axis=0), atol=1e-12)
    with pytest.raises(ParameterError, match="expected 3 numbers"):
        rule.weights_ = [1.0]
    with pytest.raises(ParameterError, match="not all of them 0"):
        rule.weights_ = [0.0, 0.0, 0.0]


def test_arrays_are_as_good_as_lists():
    rule = FixedWeights(np.array([1.0, 2.0]))
    assert rule == FixedWeights([1.0, 2.0])
    assert rule.to_text() == "fixed-weights:weights=[1.0, 2.0]"
    assert make_rule(rule.to_text()) == rule

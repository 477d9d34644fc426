"""The mean of several rules' probabilities."""

import numpy as np
import pytest

from ensembler import Blend, LogLinearPool, Predictions, SimplexWeights, Stacking, compare_rules, make_rule
from ensembler.errors import ParameterError, UnknownNameError
from tests.conftest import draw


def test_it_is_the_mean_of_its_rules():
    proba, labels = draw(0, 4, 150)
    rule = Blend().fit(proba, labels)
    parts = [LogLinearPool().fit(proba, labels), Stacking().fit(proba, labels)]
    expected = np.mean([part.predict_proba(proba) for part in parts], axis=0)
    np.testing.assert_allclose(rule.predict_proba(proba), expected, atol=1e-12)
    assert rule.n_fitted() == sum(part.n_fitted() for part in parts)


def test_weights_by_cross_fitted_log_loss_leave_a_bad_rule_out():
    proba, labels = draw(1, 4, 300)
    proba[0] = proba[0][::-1]  # always badly wrong, which the minimum cannot get over
    rule = Blend(["simplex", "min"], weights="log-loss").fit(proba, labels)
    assert rule.blend_weights_[0] > 0.9
    assert rule.blend_weights_.sum() == pytest.approx(1)
    assert rule.blend_weights_[1] == 0
    assert rule.members_used() == SimplexWeights().fit(proba, labels).members_used()


def test_too_few_rows_for_folds_leave_weights_equal():
    proba, _ = draw(2, 3, 3, 3)
    rule = Blend(["mean", "max"], weights="log-loss").fit(proba, [0, 1, 2])
    np.testing.assert_array_equal(rule.blend_weights_, [0.5, 0.5])


def test_rules_inside_are_bound_to_the_members():
    proba, labels = draw(3, 4)
    data = Predictions(proba, labels, names=["deep-a", "deep-b", "flat-a", "flat-b"])
    spec = 'blend:rules=["mean","hierarchical-committee:groups=[[\\"deep-*\\"],[\\"flat-*\\"]]"]'
    result = compare_rules(data, [spec], n_resamples=0)
    assert result.rules[0].rule.rules[1] == "hierarchical-committee:groups=[[0, 1], [2, 3]]"
    assert result.rules[0].rule.names_members_by_number()


def test_what_it_learned_is_told_and_kept():
    proba, labels = draw(4, 3)
    rule = Blend(weights="log-loss").fit(proba, labels)
    told = rule.fitted()
    assert set(told) == {"blend_weights", "rules"}
    assert set(told["rules"]) == {"log-pool", "stacking"}
    again = Blend(weights="log-loss").restore(rule.state())
    np.testing.assert_array_equal(again.predict_proba(proba), rule.predict_proba(proba))


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ('blend:rules=["mean"]', ParameterError, "expected a list of at least two rules"),
        ('blend:rules=["mean","medain"]', UnknownNameError, "unknown rule 'medain'; did you mean 'median'"),
        ('blend:rules=["mean","trimmed-mean:proportion=2"]', ParameterError, "proportion is 2"),
        ("blend:weights=best", ParameterError, "weights is 'best', expected 'equal' or 'log-loss'"),
    ],
)
def test_impossible_blends(text, error, message):
    with pytest.raises(error, match=message):
        make_rule(text)


def test_rules_that_are_fitted_already_are_not_fitted_again():
    proba, labels = draw(5, 4)
    parts = [LogLinearPool().fit(proba, labels), Stacking().fit(proba, labels)]
    rule = Blend().reuse({part.to_text(): part for part in parts}).fit(proba, labels)
    assert all(mine is part for mine, part in zip(rule.rules_, parts, strict=True))
    np.testing.assert_array_equal(rule.predict_proba(proba), Blend().fit(proba, labels).predict_proba(proba))
    refitted = rule.fit(proba[:3], labels)  # once only: other rows, other rules
    assert refitted.rules_[0].n_members_ == 3


def test_a_comparison_fits_each_rule_once(monkeypatch):
    fits = []
    original = Stacking._fit
    monkeypatch.setattr(Stacking, "_fit", lambda self, *arrays: (fits.append(1), original(self, *arrays))[1])
    proba, labels = draw(6, 3)
    data = Predictions(proba, labels, validation=Predictions(*draw(7, 3)))
    compare_rules(data, ["stacking", "log-pool", "blend"], n_resamples=0)
    assert len(fits) == 6  # five folds, and all fitting rows

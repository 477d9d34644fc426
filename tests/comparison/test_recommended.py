"""The rule that is recommended without a comparison, also of more rows than it takes to find it."""

import numpy as np
import pytest

from ensembler import Predictions, compare_rules
from ensembler.comparison import compare
from ensembler.comparison.compare import recommend_rule
from ensembler.comparison.protocol import Split
from tests.conftest import draw


@pytest.mark.parametrize("fit_on", ["cross", "part"])
def test_it_is_that_of_the_comparison(fit_on):
    proba, labels = draw(seed=4, n_members=3, n_samples=240, n_classes=3)
    split = Split.of(Predictions(proba, labels), fit_on=fit_on)
    found, compared = recommend_rule(split), compare_rules(split.predictions, split=split)
    assert found.advice.rule == compared.recommended
    assert found.advice.to_dict() == compared.advice.to_dict()
    np.testing.assert_array_equal(found.proba, compared[compared.recommended].proba)
    np.testing.assert_array_equal(found.best_member, compared.best_member.proba)


@pytest.mark.parametrize("fit_on", ["cross", "part"])
def test_of_many_rows_some_are_fitted_on_and_all_predicted(monkeypatch, fit_on):
    proba, labels = draw(seed=5, n_members=3, n_samples=900, n_classes=3)
    split = Split.of(Predictions(proba, labels), fit_on=fit_on)
    whole = recommend_rule(split)
    limits = {"MOST_TO_ADVISE": 300} if fit_on == "cross" else {"FEWEST_TO_ADVISE": 300, "VALUES_TO_ADVISE": 300}
    for name, value in limits.items():
        monkeypatch.setattr(compare, name, value)
    some, rows = split.sample(300)
    assert (some.fitting.n_samples, len(rows)) == (300, 300)
    found = recommend_rule(split)
    assert found.proba.shape == whole.proba.shape
    assert found.proba.sum(axis=1) == pytest.approx(1.0)
    assert found.advice.n_fit == split.protocol.n_fit
    scored = split.scored.true_labels
    reached = [(item.proba.argmax(axis=1) == scored).mean() for item in (found, whole)]
    assert reached[0] == pytest.approx(reached[1], abs=0.05)

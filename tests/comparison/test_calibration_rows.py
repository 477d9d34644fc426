"""Rows that are kept back: disjoint, whole groups, and without a part in weights or the choice of the rule."""

import numpy as np
import pytest

from ensembler import Predictions, Split
from ensembler.comparison.calibration_rows import calibrated_rule, keep_back
from ensembler.errors import NotApplicableError, ParameterError, UsageError
from tests.conftest import draw

pytestmark = pytest.mark.filterwarnings("ignore::ensembler.errors.FitWarning")


def made(n_samples=600, **options):
    proba, labels = draw(3, n_members=3, n_samples=2 * n_samples, n_classes=3)
    groups = options.pop("groups", None)
    own = {} if groups is None else {"groups": groups}
    fitting = Predictions(proba[:, :n_samples], labels[:n_samples], **own)
    return Predictions(proba[:, n_samples:], labels[n_samples:], validation=fitting, **own, **options)


def test_every_row_is_fitted_on_or_kept_back():
    data = made().validation
    kept, back = keep_back(data, 0.25, 0)
    assert len(back) == 150
    np.testing.assert_array_equal(np.sort(np.append(kept, back)), np.arange(600))
    np.testing.assert_array_equal(keep_back(data, 0.25, 0)[1], back)
    assert (keep_back(data, 0.25, 1)[1] != back).any()


def test_groups_are_kept_back_whole():
    data = made(groups=np.arange(600) // 7).validation
    kept, back = keep_back(data, 0.5, 0)
    assert not set(data.groups[kept]) & set(data.groups[back])


def test_a_rule_that_learns_nothing_leaves_all_rows():
    rule = calibrated_rule(Split.of(made()), "mean")
    assert rule.share is None
    assert rule.final.calibration.n_samples == 600
    assert rule.accuracy == rule.full_accuracy
    with pytest.raises(UsageError, match="calibration_share has no effect with mean, which learns nothing"):
        calibrated_rule(Split.of(made()), "mean", share=0.3)


def test_labels_of_rows_kept_back_change_neither_weights_nor_choice():
    data = made()
    split = Split.of(data)
    _, back = keep_back(data.validation, 0.5, 0)
    labels = data.validation.true_labels.copy()
    labels[back] = (labels[back] + 1) % 3
    other = Split.of(data.replace(validation=data.validation.replace(labels=labels)))
    for name in ("stacking", None):
        first, second = (calibrated_rule(one, name) for one in (split, other))
        assert first.name == second.name
        np.testing.assert_array_equal(first.proba, second.proba)
        assert first.recommended == (name is None)


@pytest.mark.parametrize("fit_on", ["cross", "part"])
def test_no_row_is_scored_by_a_rule_that_has_seen_it(fit_on):
    data = made().replace(validation=None, ids=np.arange(600))
    rule = calibrated_rule(Split.of(data, fit_on=fit_on), "accuracy-weighted")
    seen = np.zeros(rule.scored.n_samples, dtype=int)
    for fit in rule.fits:
        scored = set(rule.scored.ids[fit.rows].tolist())
        assert not scored & set(fit.weights.ids.tolist())
        assert not scored & set(fit.calibration.ids.tolist())
        assert not set(fit.weights.ids.tolist()) & set(fit.calibration.ids.tolist())
        seen[fit.rows] += 1
    assert (seen == 1).all()
    assert len(rule.fits) == (5 if fit_on == "cross" else 1)
    final = rule.final.weights.n_samples + rule.final.calibration.n_samples
    assert final == (600 if fit_on == "cross" else 300)


def test_what_cannot_be_is_refused():
    split = Split.of(made())
    with pytest.raises(ParameterError, match="calibration_share is 1, expected a fraction"):
        calibrated_rule(split, "stacking", share=1)
    with pytest.raises(ParameterError, match="calibration_share 0.5 of 1 group leaves nothing"):
        calibrated_rule(Split.of(made(groups=np.zeros(600))), "stacking")
    few = made().take(np.array([0, 1])).replace(validation=None)
    with pytest.raises(ParameterError, match="calibration_share 0.5 of 1 row that a fold leaves of 2 leaves nothing"):
        calibrated_rule(Split.of(few), "accuracy-weighted")
    proba, labels = draw(3, n_members=2, n_samples=1, n_classes=3)
    with pytest.raises(NotApplicableError, match="no row can be scored by rules that have not seen it"):
        calibrated_rule(Split.of(Predictions(proba, labels)), "mean")

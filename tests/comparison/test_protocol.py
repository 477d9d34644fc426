"""Which rows are fitted on and scored, said once for comparisons, sweeps and searches."""

import dataclasses

import numpy as np
import pytest

from ensembler import Predictions, compare_rules
from ensembler.comparison.protocol import Split
from ensembler.errors import AlignmentError, ParameterError, UnknownNameError, UsageError
from ensembler.report.survey import survey
from ensembler.subsets.search import search_subsets
from ensembler.subsets.study import study_subsets
from tests.conftest import draw


@pytest.fixture
def data():
    return Predictions(*draw(0), validation=Predictions(*draw(100)))


@pytest.mark.parametrize("fit_on", ["val", "cross", "part", "test"])
def test_rows_are_those_of_the_protocol(data, fit_on):
    split = Split.of(data, fit_on=fit_on)
    fitting, scored = {
        "val": (data.validation, data),
        "cross": (data, data),
        "part": (split.fitting, split.scored),
        "test": (data, data),
    }[fit_on]
    assert split.fitting is fitting
    assert split.scored is scored
    assert split.cross_fitted == (fit_on == "cross")
    assert split.protocol.optimistic == (fit_on == "test")
    assert (split.protocol.n_fit, split.protocol.n_scored) == (fitting.n_samples, scored.n_samples)
    assert sorted(np.concatenate([test for _, test in split.folds.pairs])) == list(range(fitting.n_samples))
    if fit_on == "part":
        assert fitting.n_samples == scored.n_samples == 60
        assert split.protocol.fraction == 0.5


def test_the_same_seed_divides_the_same_way(data):
    first, second = (Split.of(data, fit_on="part", part=0.3, seed=4) for _ in range(2))
    np.testing.assert_array_equal(first.fitting.proba, second.fitting.proba)
    other = Split.of(data, fit_on="part", part=0.3, seed=5)
    assert not np.array_equal(first.fitting.proba, other.fitting.proba)
    assert first.seed == 4


@pytest.mark.parametrize("fit_on", ["val", "cross", "part"])
def test_a_split_and_what_describes_it_give_the_same(data, fit_on):
    split = Split.of(data, fit_on=fit_on, folds=3, seed=2)
    rules = ["mean", "accuracy-weighted"]
    described = compare_rules(data, rules, fit_on=fit_on, folds=3, seed=2, n_resamples=100)
    assert compare_rules(data, rules, split=split, n_resamples=100).to_dict() == described.to_dict()
    swept = study_subsets(data, rules, split=split)
    expected = study_subsets(data, rules, fit_on=fit_on, folds=3, seed=2)
    assert [rule.chosen for rule in swept.rules] == [rule.chosen for rule in expected.rules]
    assert swept.protocol == expected.protocol
    found, again = search_subsets(data, split=split), search_subsets(data, fit_on=fit_on, folds=3, seed=2)
    assert found.rules == again.rules


def test_a_survey_divides_once(data):
    split = Split.of(data, fit_on="part", seed=3)
    found = survey(data, ["mean"], split=split, n_resamples=0)
    assert found.comparison.split is split
    assert found.study.split is split


def test_contradictions_are_refused(data):
    split = Split.of(data)
    with pytest.raises(UsageError, match="seed has no effect beside a split"):
        compare_rules(data, split=split, seed=1)
    with pytest.raises(UsageError, match="fit_on has no effect beside a split"):
        study_subsets(data, split=split, fit_on="cross")
    with pytest.raises(UsageError, match="the split is of other predictions"):
        compare_rules(data.pick([0, 1]), split=split)
    with pytest.raises(UsageError, match="split is 'val', expected a Split"):
        compare_rules(data, split="val")
    with pytest.raises(ParameterError, match="seed is x, expected a whole number"):
        Split.of(data, seed="x")
    with pytest.raises(UnknownNameError, match="did you mean 'val'"):
        Split.of(data, fit_on="vall")
    with pytest.raises(UsageError, match="part has no effect with fit_on='val'"):
        Split.of(data, fit_on="val", part=0.5)
    with pytest.raises(ParameterError, match=r"part is 1.5, expected a fraction between 0 and 1"):
        Split.of(data, part=1.5)
    with pytest.raises(ParameterError, match="folds is 1, expected at least 2"):
        Split.of(data, folds=1)
    with pytest.raises(AlignmentError, match="there are no validation rows"):
        Split.of(Predictions(*draw(0)), fit_on="val")
    with pytest.raises(UsageError, match="predictions is a ndarray, expected Predictions"):
        Split.of(draw(0)[0])


def test_results_are_frozen(data):
    result = compare_rules(data, ["mean"], n_resamples=0)
    for frozen, name in ((result, "chosen"), (result.rules[0], "gain"), (result.split, "n_folds")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(frozen, name, None)

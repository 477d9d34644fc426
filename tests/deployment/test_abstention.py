"""Thresholds of confidence: that they promise what holds, by simulation, and what they are on ties and few rows."""

import numpy as np
import pytest

from ensembler import Abstention, Predictions, study_abstention
from ensembler.deployment.abstention import NEVER, Thresholds
from ensembler.errors import NotApplicableError, ParameterError, UnknownNameError, UsageError, ValueRangeError
from ensembler.metrics.confidence import SIGNALS
from tests.conftest import draw

RUNS = 400


def confident_rows(rng, n_rows, levels=None):
    """Draw confidences, of a few levels or of all numbers, and answers that are the more often right."""
    sure = rng.random(n_rows) if levels is None else rng.integers(1, levels + 1, n_rows) / levels
    return rng.random(n_rows) < 0.55 + 0.42 * sure, sure


def true_risk(threshold, levels=None):
    """Return the risk of new rows above a threshold."""
    if levels is None:
        return 1 - (0.55 + 0.42 * (min(threshold, 1) + 1) / 2)
    kept = [level / levels for level in range(1, levels + 1) if level / levels >= threshold]
    return 1 - (0.55 + 0.42 * np.mean(kept))


@pytest.mark.parametrize("levels", [None, 7])
@pytest.mark.parametrize(("delta", "n_rows"), [(0.05, 400), (0.5, 150)])
def test_the_promised_risk_holds_in_the_promised_share_of_runs(levels, delta, n_rows):
    rng = np.random.default_rng(8)
    broken, found = 0, 0
    for _ in range(RUNS):
        try:
            made = Abstention.fit(*confident_rows(rng, n_rows, levels), risk=0.2, delta=delta)
        except NotApplicableError:
            continue
        found += 1
        broken += true_risk(made.threshold, levels) > 0.2
    # Three standard errors above what is promised would be chance.
    assert broken / RUNS <= delta + 3 * np.sqrt(delta * (1 - delta) / RUNS)
    assert found > RUNS / 3


def test_all_bounds_hold_at_once_in_the_promised_share_of_runs():
    rng = np.random.default_rng(9)
    delta, broken = 0.5, 0
    for _ in range(RUNS):
        tried = Thresholds.of(*confident_rows(rng, 300), delta)
        risks = np.array([true_risk(threshold) for threshold in tried.thresholds])
        broken += bool((risks > tried.bounds).any())
    assert 0 < broken / RUNS <= delta


def test_with_many_rows_little_coverage_is_lost():
    made = Abstention.fit(*confident_rows(np.random.default_rng(0), 100_000), risk=0.2)
    best = 2 * (0.8 - 0.55) / 0.42 - 1
    assert best < made.threshold < best + 0.06


def test_a_risk_that_all_answers_keep_needs_no_threshold():
    made = Abstention.fit(*confident_rows(np.random.default_rng(0), 2000), risk=0.5)
    assert made.threshold == 0


def test_rows_of_the_same_confidence_are_answered_together():
    correct, sure = confident_rows(np.random.default_rng(0), 3000, levels=4)
    tried = Thresholds.of(correct, sure)
    for threshold, answered, wrong in zip(tried.thresholds, tried.answered, tried.wrong, strict=True):
        above = sure >= threshold
        assert (answered, wrong) == (above.sum(), (~correct[above]).sum())
        assert answered in [(sure >= level).sum() for level in (0.25, 0.5, 0.75, 1.0, NEVER)]
    # The first level is a quarter of all rows: what is aimed lower answers none.
    assert tried.answered[0] == 0
    assert tried.bounds[0] == 1


def test_what_is_not_shown_is_told():
    rng = np.random.default_rng(0)
    with pytest.raises(NotApplicableError, match="no threshold of confidence is shown by 60 calibration rows to keep"):
        Abstention.fit(*confident_rows(rng, 60), risk=0.01)
    with pytest.raises(NotApplicableError, match="the lowest that one is shown to keep is"):
        Abstention.fit(np.ones(40, dtype=bool), np.linspace(0, 1, 40), risk=0.01)


def test_the_lowest_risk_that_is_shown_can_be_asked_for():
    correct, sure = confident_rows(np.random.default_rng(3), 700)
    with pytest.raises(NotApplicableError) as refusal:
        Abstention.fit(correct, sure, risk=0.001)
    told = float(str(refusal.value).partition("is shown to keep is ")[2].partition(";")[0])
    assert Abstention.fit(correct, sure, risk=told).risk == told


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"risk": 0}, ParameterError, "risk is 0, expected a number between 0 and 1"),
        ({"risk": 1.5}, ParameterError, "risk is 1.5"),
        ({"delta": True}, ParameterError, "delta is True"),
        ({"signal": "sureness"}, UnknownNameError, "sureness"),
    ],
)
def test_wrong_parameters_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        Abstention.fit(*confident_rows(np.random.default_rng(0), 2000), **{"risk": 0.4, **options})


def test_confidence_has_to_be_from_0_to_1():
    with pytest.raises(ValueRangeError, match="confidence is from -1 to -1, expected from 0 to 1"):
        Abstention.fit([True, False], [-1, -1])
    with pytest.raises(ParameterError, match="threshold is 3"):
        Abstention("margin", 3)


@pytest.fixture(scope="module")
def data():
    proba, labels = draw(5, n_members=4, n_samples=6000, n_classes=4, skill=0.6)
    fitting = Predictions(proba[:, :3000], labels[:3000])
    return Predictions(proba[:, 3000:], labels[3000:], validation=fitting)


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("fit_on", ["val", "cross", "part"])
def test_a_study_answers_what_its_abstention_answers(data, signal, fit_on):
    # The members' mutual information hardly tells right from wrong here.
    risk = 0.43 if signal == "mutual-information" else 0.35
    study = study_abstention(data, "accuracy-weighted", confidence=signal, risk=risk, fit_on=fit_on)
    assert study.signal.name == signal
    assert study.abstention.confidence == signal
    assert study.abstention.n_rows == study.rule.final.calibration.n_samples
    if fit_on != "cross":
        proba = study.rule.final.rule.predict_proba(study.scored.proba)
        np.testing.assert_array_equal(proba, study.rule.proba)
        answered = study.abstention.answers(proba, study.scored.proba)
        np.testing.assert_array_equal(answered, study.answered)
    correct = study.rule.proba.argmax(-1) == study.scored.true_labels
    assert study.reached.coverage == study.answered.mean()
    assert study.reached.risk == pytest.approx((~correct[study.answered]).mean())
    assert sum(part.n_answered for part in study.by_class.values()) == study.answered.sum()
    assert study.reached.risk < risk
    assert signal == "mutual-information" or risk < study.signal.final.bounds[-1]


def test_members_signals_need_members(data):
    alone = data.pick([3])
    study = study_abstention(alone, "mean", risk=0.4)
    assert [one.name for one in study.signals] == ["top-probability", "margin", "entropy"]
    with pytest.raises(NotApplicableError, match="mean reads one member, with which agreement is the same in"):
        study_abstention(alone, "mean", confidence="agreement")


def test_the_scored_rows_do_not_calibrate(data):
    with pytest.raises(UsageError, match="leaves no rows to calibrate on that are not scored"):
        study_abstention(data, "mean", fit_on="test")


def test_rows_of_weight_0_set_no_threshold():
    proba, labels = draw(5, n_members=3, n_samples=900, n_classes=3, skill=1.2)
    weight = (np.arange(900) % 3 > 0).astype(float)
    whole = Predictions(proba, labels, sample_weight=weight)
    kept = np.flatnonzero(weight)
    fitting, scored = whole.take(np.arange(450)), whole.take(np.arange(450, 900))
    some = Predictions(proba[:, kept[kept < 450]], labels[kept[kept < 450]])
    with_zeros = study_abstention(scored.replace(validation=fitting), "mean", risk=0.3)
    without = study_abstention(scored.replace(validation=some), "mean", risk=0.3)
    assert with_zeros.abstention == without.abstention
    assert with_zeros.reached.coverage == pytest.approx(without.answered[weight[450:] > 0].mean())


def test_missing_votes_and_rows_that_nobody_answers():
    proba, labels = draw(5, n_members=3, n_samples=1200, n_classes=3)
    votes = np.eye(3)[proba.argmax(-1)]
    missing = np.random.default_rng(0).random((3, 1200)) < 0.4
    votes[missing] = 0
    make = {"hard": [True] * 3}
    fitting = Predictions(votes[:, :600], labels[:600], missing=missing[:, :600], **make)
    data = Predictions(votes[:, 600:], labels[600:], missing=missing[:, 600:], validation=fitting, **make)
    nobody = missing[:, 600:].all(axis=0)
    assert nobody.any()
    for signal in ("agreement", "mutual-information"):
        study = study_abstention(data, "mean", confidence=signal, risk=0.35)
        assert (study.signal.confidence[nobody] == 0).all()
        assert not study.answered[nobody].any() or study.abstention.threshold == 0

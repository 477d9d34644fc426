"""Temperatures by scipy and scikit-learn; calibration never changes who wins where it comes last."""

import json

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from ensembler import Predictions, SimpleAverage, compare_rules
from ensembler.combiners.calibrated import Calibrated
from ensembler.errors import ParameterError, UnknownNameError, UsageError
from ensembler.metrics import METRICS
from ensembler.metrics.calibration import reliability
from ensembler.metrics.temperature import apply_temperature, at_best_temperature, fit_temperature
from tests.subsets.draw import draw


@pytest.mark.parametrize("kind", ["random", "float32", "hard", "constant"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_temperature_is_scipys_minimum(kind, seed):
    proba, labels = draw(kind, 1, 200, 4, seed)
    logs = np.log(np.clip(proba[0].astype(float), 1e-15, None))

    def loss(log_t):
        return log_loss(labels, softmax(logs / np.exp(log_t), axis=1), labels=range(4))

    best = minimize_scalar(loss, bounds=(np.log(1e-3), np.log(1e3)), method="bounded", options={"xatol": 1e-9})
    found = fit_temperature(proba[0], labels)
    assert loss(np.log(found)) <= best.fun + 1e-9


def test_weights_of_rows_count_rows():
    proba, labels = draw("random", 1, 60, 3, seed=2)
    weight = np.random.default_rng(0).integers(0, 3, 60).astype(float)
    rows = np.repeat(np.arange(60), weight.astype(int))
    assert fit_temperature(proba[0], labels, weight) == pytest.approx(fit_temperature(proba[0][rows], labels[rows]))


def test_predictions_that_are_always_right_or_never_stay_finite():
    proba = np.array([[0.9, 0.1]] * 5)
    assert fit_temperature(proba, np.zeros(5, dtype=int)) == pytest.approx(1e-3, rel=0.2)
    assert fit_temperature(proba, np.ones(5, dtype=int)) == pytest.approx(1e3, rel=0.2)


@pytest.mark.parametrize("temperature", [0.05, 1.0, 7.3])
def test_a_temperature_keeps_the_winner(temperature):
    proba, _ = draw("float32", 1, 500, 5, seed=3)
    scaled = apply_temperature(proba[0], temperature)
    assert (scaled.argmax(axis=1) == proba[0].argmax(axis=1)).all()
    assert scaled.sum(axis=1) == pytest.approx(np.ones(500))
    if temperature == 1.0:
        assert scaled == pytest.approx(proba[0], abs=1e-7)


def test_the_loss_at_the_best_temperature_is_not_fitted_where_it_is_measured():
    rng = np.random.default_rng(4)
    honest = rng.dirichlet(np.ones(3), 4000)
    labels = (honest.cumsum(axis=1) < rng.random((4000, 1))).sum(axis=1)
    sharp = softmax(4 * np.log(honest), axis=1)
    found = at_best_temperature(sharp, labels)
    assert found.temperature == pytest.approx(4, abs=0.3)
    honest_loss = float(METRICS["log-loss"](labels, honest))
    assert found.log_loss == pytest.approx(honest_loss, abs=0.005)
    assert found.log_loss < float(METRICS["log-loss"](labels, sharp))


def test_reliability_is_scikit_learns_curve():
    proba, labels = draw("random", 1, 400, 3, seed=5)
    found = reliability(proba[0], labels, bins=10)
    right = proba[0].argmax(axis=1) == labels
    true, sure = calibration_curve(right, proba[0].max(axis=1), n_bins=10)
    kept = np.array(found.rows) > 0
    assert np.array(found.accuracy)[kept] == pytest.approx(true)
    assert np.array(found.confidence)[kept] == pytest.approx(sure)
    error = np.nansum(np.array(found.rows) * np.abs(np.array(found.accuracy) - np.array(found.confidence))) / 400
    assert error == pytest.approx(float(METRICS["ece"](labels, proba[0])), abs=0.02)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_diagram_and_the_table_have_one_calibration_error(weighted):
    proba, labels = draw("random", 1, 400, 3, seed=5)
    weight = np.random.default_rng(0).uniform(0, 4, 400) if weighted else None
    found = reliability(proba[0], labels, weight)
    assert found.error == pytest.approx(float(METRICS["ece"](labels, proba[0], weight)))
    assert sum(found.rows) == 400


def test_calibrating_the_result_changes_its_sureness_only(fer):
    plain = compare_rules(fer, ["mean", "product"], n_resamples=0)
    scaled = compare_rules(fer, ["mean", "product"], n_resamples=0, calibrate="ensemble")
    for name in ("mean", "product"):
        assert scaled[name].metrics["accuracy"] == plain[name].metrics["accuracy"]
        assert scaled[name].metrics["log-loss"] < plain[name].metrics["log-loss"]
        mean = plain[name].rule
        inside = mean.predict_proba(fer.validation.proba)
        assert scaled[name].rule.temperatures_ == pytest.approx([fit_temperature(inside, fer.validation.true_labels)])
        assert scaled[name].rule.n_fitted() == 1


def test_calibrating_members_comes_before_the_rule(fer):
    result = compare_rules(fer, ["mean"], n_resamples=0, calibrate="members")
    temperatures = [fit_temperature(member, fer.validation.true_labels) for member in fer.validation.proba]
    members = [apply_temperature(*pair) for pair in zip(fer.proba, temperatures, strict=True)]
    assert result["mean"].proba == pytest.approx(np.mean(members, axis=0))
    assert result["mean"].to_dict()["fitted"]["temperatures"] == pytest.approx(temperatures)
    assert result["mean"].metrics["accuracy"] > compare_rules(fer, ["mean"], n_resamples=0)["mean"].metrics["accuracy"]


def test_temperatures_are_cross_fitted():
    proba, labels = draw("random", 3, 120, 3, seed=6)
    result = compare_rules(Predictions(proba, labels), ["mean"], calibrate="ensemble", n_resamples=0)
    temperatures = {float(rule.temperatures_[0]) for rule in result["mean"].fold_rules}
    assert len(temperatures) == 5


def test_the_wrapper_is_a_rule():
    proba, labels = draw("random", 3, 50, 3, seed=7)
    rule = Calibrated(SimpleAverage(), "ensemble").fit(proba, labels)
    assert rule.name == "mean"
    assert rule.predict(proba).tolist() == SimpleAverage().fit(proba).predict(proba).tolist()
    with pytest.raises(ParameterError, match="step is 'both'"):
        Calibrated(SimpleAverage(), "both").fit(proba, labels)


def test_hard_labels_are_refused(fer):
    proba, labels = draw("random", 3, 50, 3, seed=8)
    hard = Predictions(np.eye(3)[proba.argmax(axis=-1)], labels, hard=[True] * 3)
    with pytest.raises(UsageError, match="calibration needs probabilities"):
        compare_rules(hard, ["mean"], calibrate="members")
    with pytest.raises(UnknownNameError, match="value of calibrate"):
        compare_rules(fer, ["mean"], calibrate="all")


def test_the_command(run, tmp_path, write_set):
    figure = tmp_path / "reliability.svg"
    done = run(
        "bench", "--rule", "mean", "--rule", "product", "--calibrate", "members", "--reliability", figure, "--full"
    )
    assert done.code == 0
    assert "each member had a temperature, fitted with the rule" in done.out
    assert "confidence" in figure.read_text()
    found = json.loads(run("bench", "--rule", "mean", "--json").out)
    [mean] = found["combiners"]
    assert mean["calibration"]["log_loss"] < mean["log-loss"]
    assert sum(mean["reliability"]["rows"]) == found["n_rows"]
    home, out = write_set(n_members=3), tmp_path / "ensemble.npy"
    command = ("predict", home, "--rule", "mean", "--to", home / "val", "--out", out)
    assert run(*command, "--calibrate", "ensemble").code == 0
    scaled = np.load(out)
    run(*command)
    assert not np.allclose(scaled, np.load(out))
    assert (scaled.argmax(axis=1) == np.load(out).argmax(axis=1)).all()
    assert run("bench", "--calibrate", "x").code == 2
    assert run("bench", write_set("hard", hard=True), "--reliability", figure).code == 2

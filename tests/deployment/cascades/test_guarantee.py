"""Promises are kept as often as they say, by simulation, and thresholds are those of the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensembler import Predictions
from ensembler.deployment.cascades.cascade import Cascade
from ensembler.deployment.cascades.guarantee import NEVER, crc_threshold
from ensembler.errors import NotApplicableError, ParameterError, UsageError, ValueRangeError


def brute_force_threshold(confidence: np.ndarray, differs: np.ndarray, alpha: float) -> float:
    n_rows = len(confidence)
    for threshold in [0.0, *np.unique(confidence)]:
        if ((confidence > threshold) & differs).sum() + 1 <= alpha * (n_rows + 1) + 1e-9:
            return float(threshold)
    return NEVER


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.sampled_from([0.01, 0.05, 0.1, 0.3, 0.6]), st.booleans())
def test_the_threshold_is_the_smallest_of_the_definition(seed: int, n_rows: int, alpha: float, ties: bool) -> None:
    generator = np.random.default_rng(seed)
    confidence = generator.random(n_rows)
    confidence = np.round(confidence, 1) if ties else confidence
    differs = generator.random(n_rows) < 0.4
    found = crc_threshold(confidence, differs, alpha)
    assert found == brute_force_threshold(confidence, differs, alpha)


def population(n_rows: int, seed: int, n_classes: int = 3) -> Predictions:
    """Return rows of one distribution: a weak member, a better one, and a third."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(n_classes, size=n_rows)
    strength = np.array([0.9, 1.6, 1.3])[:, None, None]
    logits = generator.normal(size=(3, n_rows, n_classes)) + strength * np.eye(n_classes)[labels]
    proba = np.exp(logits)
    return Predictions(proba / proba.sum(axis=-1, keepdims=True), labels)


NEW = population(5_000, 10**6)


def differing(cascade: Cascade) -> float:
    """Return how often a cascade differs from all members on very many new rows."""
    return float((cascade.predict(NEW.proba) != NEW.proba.mean(axis=0).argmax(axis=1)).mean())


def test_risk_control_keeps_its_promise_in_expectation() -> None:
    alpha = 0.08
    risks = [differing(Cascade.fit(population(200, seed), alpha=alpha, seed=seed)) for seed in range(60)]
    error = np.std(risks) / np.sqrt(len(risks))
    assert np.mean(risks) <= alpha + 3 * error
    # It is no excuse for never stopping: the promise is nearly used up.
    assert np.mean(risks) >= alpha - 0.035


def test_learn_then_test_keeps_its_promise_in_the_promised_share_of_runs() -> None:
    alpha, delta = 0.12, 0.2
    risks = np.array(
        [differing(Cascade.fit(population(300, seed), alpha=alpha, delta=delta, seed=seed)) for seed in range(60)]
    )
    broken = (risks > alpha).mean()
    assert broken <= delta + 3 * np.sqrt(delta * (1 - delta) / len(risks))
    assert risks.mean() > 0


def test_a_promised_accuracy_is_kept_in_the_promised_share_of_runs() -> None:
    target, delta = 0.78, 0.2
    kept = []
    for seed in range(50):
        try:
            cascade = Cascade.fit(population(600, seed), target=target, delta=delta, seed=seed)
        except NotApplicableError:
            continue
        kept.append(float((cascade.predict(NEW.proba) == NEW.labels).mean()) >= target)
    assert len(kept) > 30
    broken = 1 - np.mean(kept)
    assert broken <= delta + 3 * np.sqrt(delta * (1 - delta) / len(kept))


def test_what_a_promise_says_is_true_of_its_calibration_rows() -> None:
    cascade = Cascade.fit(population(400, 3), alpha=0.1)
    made = cascade.guarantee
    assert made is not None
    assert made.n_calibration == 120
    assert (made.n_rows_with + 1) / (made.n_calibration + 1) <= 0.1
    assert "differs from all members in at most 10 % of them" in made.promise
    assert "in expectation" in made.promise


def test_the_rows_that_promise_are_those_that_abstention_and_sets_keep_back() -> None:
    from ensembler.comparison.calibration_rows import keep_back

    data = population(400, 5)
    others, spared = keep_back(data, 0.3, 0)
    made = Cascade.fit(data, "accuracy-weighted", alpha=0.1)
    assert made.guarantee is not None
    assert made.guarantee.n_calibration == len(spared)
    assert made.recipe.fitted_on["rows"] == len(others)
    first, last = (list(step.members) for step in made.steps)
    calibration, rule = data.take(spared), made.additive
    scores = [sum(rule.contribution(m, calibration.proba[m]) for m in members) for members in (first, last)]
    early, late = (rule.to_proba(values) for values in scores)
    confidence = np.round(early.max(axis=1), 12)
    expected = brute_force_threshold(confidence, early.argmax(axis=1) != late.argmax(axis=1), 0.1)
    assert made.steps[0].threshold == expected


def test_a_goal_makes_the_promise_one_about_the_last_stage() -> None:
    risks = set()
    for budget in (0.35, 0.4, 0.5, 0.6, 0.8):
        cascade = Cascade.fit(population(400, 3), alpha=0.1, budget=budget)
        assert cascade.guarantee is not None
        whole = len(cascade.steps[-1].members) == 3
        assert cascade.guarantee.risk == ("differs from all members" if whole else "differs from its last stage")
        risks.add(whole)
    assert risks == {True, False}


def test_too_few_calibration_rows_stop_nothing() -> None:
    cascade = Cascade.fit(population(40, 1), alpha=0.02)
    assert cascade.steps[0].threshold == NEVER
    run = cascade.run(NEW.proba[:, :50])
    assert run.cost_share == 1


def test_what_cannot_be_promised_is_refused() -> None:
    data = population(300, 2)
    with pytest.raises(NotApplicableError, match=r"no cascade reaches accuracy 0\.9\d+"):
        Cascade.fit(data, target=0.95, delta=0.1)
    # Two of three members differ from all three more often than that, whatever the threshold.
    with pytest.raises(
        NotApplicableError, match=r"differs from all members in at most 1 % of new rows: even if no row"
    ):
        Cascade.fit(data, alpha=0.01, delta=0.1, budget=0.7)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"delta": 0.1}, UsageError, "delta has no effect without a promise"),
        ({"alpha": 0.1, "delta": 0.1, "target": 0.7}, UsageError, "give delta with one of them"),
        ({"calibration_share": 0.5}, UsageError, "calibration_share has no effect"),
        ({"alpha": 0.1, "stages": 3}, UsageError, "several thresholds"),
        ({"alpha": 1.5}, ParameterError, "alpha is 1.5"),
        ({"stages": 1}, ParameterError, "stages is 1, expected a whole number from 2 to 8"),
        ({"budget": 0.1, "target": 0.5}, UsageError, "target and budget exclude one another"),
        ({"budget": 2.0}, ParameterError, "budget is 2"),
        ({"costs": [1.0, -2.0, 3.0]}, ValueRangeError, "a cost is -2.0, expected a number from 0 to"),
        ({"costs": [1.0]}, ParameterError, "costs has 1 entries, expected one for each of 3 members"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Cascade.fit(population(60, 1), **options)


def test_promises_are_not_made_of_weighted_rows() -> None:
    data = population(60, 1)
    with pytest.raises(UsageError, match="exchangeable"):
        Cascade.fit(data.replace(sample_weight=np.linspace(0.5, 1.5, 60)), alpha=0.1)

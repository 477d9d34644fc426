"""The front of cascades against looking at every one of them by itself."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ensembler import Predictions
from ensembler.deployment.cascades.committees import SIGNALS, Answers, Committees
from ensembler.deployment.cascades.costs import Costs
from ensembler.deployment.cascades.front import CascadeData, Route, two_stages, with_further_stage
from ensembler.metrics.confidence import confidence
from ensembler.subsets.contributions import Contributions
from ensembler.subsets.rules import SweptRule


def contributions(data: Predictions, rule: str = "mean") -> Contributions:
    swept = SweptRule.of(rule, data, "accuracy", freeze=True)
    added = swept.contributions(data, swept.whole(data.n_samples))
    assert added is not None
    return added


def cascade_data(data: Predictions, costs: Costs, rule: str = "mean", signal: str = "top-probability") -> CascadeData:
    committees = Committees.every(data.n_members)
    answers = Answers.of(contributions(data, rule), committees, signal, len(committees))
    return CascadeData.of(committees, answers, costs, data.sample_weight, len(committees))


def made_up(seed: int, n_members: int, n_rows: int, n_classes: int, kind: str = "smooth") -> Predictions:
    generator = np.random.default_rng(seed)
    labels = generator.integers(n_classes, size=n_rows)
    proba = generator.dirichlet(np.full(n_classes, 0.7), size=(n_members, n_rows))
    proba += 0.6 * np.eye(n_classes)[labels] * generator.random((n_members, n_rows, 1))
    hard = None
    if kind == "hard":
        proba, hard = np.eye(n_classes)[proba.argmax(axis=-1)], [True] * n_members
    proba /= proba.sum(axis=-1, keepdims=True)
    if kind == "tied":
        # Eighths: their sums are exact, so that equal confidences are equal to the bit.
        proba = generator.multinomial(8, proba) / 8
    weight = generator.choice([0.25, 1.0, 3.0], size=n_rows) if kind == "weighted" else None
    return Predictions(proba, labels, hard=hard, sample_weight=weight)


def every_cascade(data: Predictions, costs: Costs, signal: str = "top-probability") -> list[tuple[float, float]]:
    """Return value and cost of every committee, and of every pair of them with every threshold, by the definition."""
    weight = np.ones(data.n_samples) if data.sample_weight is None else data.sample_weight
    answers = {}
    for mask in range(1, 1 << data.n_members):
        members = [m for m in range(data.n_members) if mask >> m & 1]
        mean = data.proba[members].astype(float).sum(axis=0) / len(members)
        cost = costs.of(np.array([[m in members for m in range(data.n_members)]]))[0]
        answers[mask] = mean.argmax(axis=1) == data.labels, confidence(signal, mean, data.proba[members]), cost
    found = [(weight[correct].sum(), cost) for correct, _, cost in answers.values()]
    for first, (correct, sure, cost) in answers.items():
        for second, (other, _, more) in answers.items():
            if first & second != first or first == second:
                continue
            for threshold in [*np.unique(sure)]:
                kept = sure > threshold
                value = weight[kept & correct].sum() + weight[~kept & other].sum()
                found.append((value, cost + (more - cost) * weight[~kept].sum() / weight.sum()))
    return found


def front_of(cascades: list[tuple[float, float]]) -> list[tuple[float, float]]:
    kept: list[tuple[float, float]] = []
    for value, cost in sorted(cascades, key=lambda pair: (pair[1], -pair[0])):
        if not kept or value > kept[-1][0] + 1e-9:
            kept.append((value, cost))
    return kept


@pytest.mark.parametrize("kind", ["smooth", "hard", "tied", "weighted"])
@pytest.mark.parametrize("n_members", [2, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_the_front_is_that_of_every_cascade_by_itself(kind: str, n_members: int, seed: int) -> None:
    data = made_up(seed, n_members, 40, 3, kind)
    prices = np.random.default_rng(seed).uniform(1, 9, size=n_members)
    costs = Costs(tuple(prices.round(3).tolist()), "seconds")
    found = two_stages(cascade_data(data, costs))
    expected = front_of(every_cascade(data, costs))
    assert [entry.value for entry in found.routes] == pytest.approx([value for value, _ in expected])
    assert [entry.cost for entry in found.routes] == pytest.approx([cost for _, cost in expected])


@pytest.mark.parametrize("signal", SIGNALS)
def test_every_signal_of_confidence_gives_its_front(signal: str) -> None:
    data = made_up(5, 3, 60, 4)
    costs = Costs((1.0, 2.0, 4.0), "seconds")
    found = two_stages(cascade_data(data, costs, signal=signal))
    expected = front_of(every_cascade(data, costs, signal))
    assert [entry.value for entry in found.routes] == pytest.approx([value for value, _ in expected])
    assert [entry.cost for entry in found.routes] == pytest.approx([cost for _, cost in expected])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["smooth", "hard", "tied", "weighted"]), st.integers(2, 4))
@example(74, "weighted", 4)  # Weights that sum to a little more than their total.
def test_a_route_is_priced_as_it_was_found(seed: int, kind: str, n_members: int) -> None:
    data = made_up(seed, n_members, 30, 3, kind)
    known = cascade_data(data, Costs(tuple(range(1, n_members + 1)), "seconds"))
    front = two_stages(known)
    for _ in range(2):
        for entry in front.routes:
            again = known.price(entry.route)
            assert again.value == pytest.approx(entry.value)
            assert again.cost == pytest.approx(entry.cost)
        values = [entry.value for entry in front.routes]
        costs = [entry.cost for entry in front.routes]
        assert values == sorted(values)
        assert costs == sorted(costs)
        front = with_further_stage(known, front)


def test_a_further_stage_never_makes_the_front_worse() -> None:
    data = made_up(3, 5, 120, 4)
    known = cascade_data(data, Costs((1.0, 1.0, 2.0, 3.0, 5.0), "seconds"))
    two = two_stages(known)
    three = with_further_stage(known, two)
    assert max(len(entry.route.committees) for entry in three.routes) == 3
    assert three.n_cascades > two.n_cascades
    for entry in two.routes:
        assert any(other.value >= entry.value - 1e-9 and other.cost <= entry.cost + 1e-9 for other in three.routes)


def test_all_pairs_of_committees_are_counted() -> None:
    data = made_up(1, 4, 50, 3)
    found = two_stages(cascade_data(data, Costs((1.0,) * 4, "members")))
    # 3^4 - 2^5 + 1 pairs, 49 thresholds between 50 different confidences, and 15 committees alone.
    assert found.n_cascades == (3**4 - 2**5 + 1) * 49 + 15


@pytest.mark.parametrize("rule", ["mean", "accuracy-weighted", "log-pool", "majority-vote", "class-weighted"])
def test_committees_answer_as_the_rule_with_its_weights_does(rule: str) -> None:
    data = made_up(2, 4, 80, 3)
    added = contributions(data, rule)
    committees = Committees.every(4)
    answers = Answers.of(added, committees, "top-probability", len(committees))
    for place, members in enumerate(committees.members):
        expected = added.committee_proba(list(members))
        assert (answers.predicted[place] == expected.argmax(axis=1)).all()
        assert (answers.confidence[place] == np.round(expected.max(axis=1), 12)).all()
        assert (answers.correct[place] == (answers.predicted[place] == data.labels)).all()


def test_rows_are_answered_in_blocks_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    data = made_up(4, 3, 90, 3)
    whole = cascade_data(data, Costs((1.0,) * 3, "members"))
    monkeypatch.setattr("ensembler.subsets.contributions.BLOCK_VALUES", 63)
    parts = cascade_data(data, Costs((1.0,) * 3, "members"))
    assert (whole.answers.confidence == parts.answers.confidence).all()
    assert two_stages(whole).routes == two_stages(parts).routes


def test_the_search_is_the_same_however_many_committees_are_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    data = made_up(6, 5, 60, 3)
    expected = two_stages(cascade_data(data, Costs((1.0, 2.0, 3.0, 4.0, 5.0), "seconds")))
    monkeypatch.setattr("ensembler.deployment.cascades.front.VALUES_AT_ONCE", 1)
    assert two_stages(cascade_data(data, Costs((1.0, 2.0, 3.0, 4.0, 5.0), "seconds"))).routes == expected.routes


def test_following_a_route_stops_rows_above_its_thresholds() -> None:
    data = made_up(7, 3, 50, 3)
    known = cascade_data(data, Costs((1.0, 2.0, 3.0), "seconds"))
    route = Route((0, 3, 6), (0.7, 0.6))
    rows = known.follow(route)
    sure = known.answers.confidence
    expected = np.where(sure[0] > 0.7, 0, np.where(sure[3] > 0.6, 1, 2))
    assert (rows.stage == expected).all()
    assert (rows.cost == np.array([1.0, 3.0, 6.0])[expected]).all()

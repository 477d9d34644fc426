"""Shapley values, effects, sizes and shortcuts against plain enumeration."""

import itertools
import math

import numpy as np
import pytest

from ensembler import Predictions, sweep_subsets
from ensembler.combiners.registry import make_rule
from ensembler.errors import EnsemblerError, NotApplicableError, ShapeError, UsageError
from ensembler.metrics import get_metric
from ensembler.subsets import effects
from ensembler.subsets.shortcuts import regrets
from ensembler.subsets.sweep import sweep_predictions
from tests.subsets.draw import draw


def enumerate_shapley(values, n):
    """Average what each member adds over all orders."""
    found = np.zeros(n)
    for order in itertools.permutations(range(n)):
        mask = 0
        for member in order:
            found[member] += values[mask | 1 << member] - values[mask]
            mask |= 1 << member
    return found / math.factorial(n)


@pytest.fixture
def swept():
    proba, labels = draw("random", 6, 90, 4, seed=3)
    return sweep_subsets(proba, labels, top=7), labels


def test_shapley_is_the_mean_over_all_orders(swept):
    sweep, labels = swept
    values = sweep.correct / len(labels)
    assert sweep.shapley() == pytest.approx(enumerate_shapley(values, 6), abs=1e-12)
    assert sweep.shapley().sum() == pytest.approx(values[-1] - values[0], abs=1e-12)
    assert values[0] == np.bincount(labels).max() / len(labels)


def test_banzhaf_and_effects_are_means_over_all_pairs(swept):
    sweep, labels = swept
    values = sweep.correct / len(labels)
    effects = sweep.effects()
    for member in range(6):
        changes = {mask: values[mask | 1 << member] - values[mask] for mask in range(64) if not mask >> member & 1}
        assert sweep.banzhaf()[member] == pytest.approx(np.mean(list(changes.values())), abs=1e-12)
        del changes[0]
        assert effects.helped[member] == np.mean([change > 0 for change in changes.values()])
        assert effects.hurt[member] == np.mean([change < 0 for change in changes.values()])
        assert effects.mean[member] == pytest.approx(np.mean(list(changes.values())), abs=1e-12)
    assert effects.n_pairs == 6 * 31
    assert effects.helped_at_all == pytest.approx(effects.helped.mean())


def test_sizes_are_summed_up_exactly(swept):
    sweep, labels = swept
    counts = sweep.correct
    for size in sweep.by_size():
        kept = [int(counts[mask]) for mask in range(64) if mask.bit_count() == size.size]
        assert size.n_committees == len(kept) == math.comb(6, size.size)
        assert (size.worst, size.best) == (min(kept) / len(labels), max(kept) / len(labels))
        assert size.median == pytest.approx(np.median(kept) / len(labels))
        first = min(m for m in range(64) if m.bit_count() == size.size and counts[m] == max(kept))
        assert size.committee.mask == sweep.best(size.size).mask == first


def test_the_top_is_in_order_of_value_size_and_mask(swept):
    sweep, _ = swept
    order = sorted(range(1, 64), key=lambda mask: (-sweep.correct[mask], mask.bit_count(), mask))
    assert [one.mask for one in sweep.top()] == order[:7]
    assert sweep.best().mask == order[0]


def test_shortcuts_are_never_better_than_the_optimum(swept):
    sweep, labels = swept
    counts = sweep.correct
    for regret in regrets(sweep):
        assert min(regret.forward, regret.backward, regret.top_k) >= 0
    first = int(np.argmax([counts[1 << member] for member in range(6)]))
    second = max(counts[1 << first | 1 << other] for other in range(6) if other != first)
    assert regrets(sweep)[1].forward == pytest.approx((sweep.best(2).value * len(labels) - second) / len(labels))


@pytest.mark.parametrize("rule", ["mean", "accuracy-weighted", "loss-weighted"])
@pytest.mark.parametrize(
    "metric", ["balanced-accuracy", "brier", "log-loss", "roc-auc", "average-precision:class=1", "mcc", "ece"]
)
def test_other_metrics_are_those_of_the_combined_probabilities(rule, metric):
    proba, labels = draw("random", 5, 80, 3, seed=5)
    sweep = sweep_subsets(proba, labels, rule, metric=metric)
    for mask in range(1, 32):
        members = [member for member in range(5) if mask >> member & 1]
        combined = make_rule(rule).fit(proba[members], labels).predict_proba(proba[members])
        expected = get_metric(metric).signed(float(get_metric(metric)(labels, combined)))
        assert sweep.value_of([mask])[0] == pytest.approx(expected, abs=1e-9)
        assert sweep.evaluator.values_of([mask])[0] == pytest.approx(expected, abs=1e-9)
    values = [sweep.evaluator.empty, *sweep.value_of(range(1, 32))]
    assert sweep.shapley() == pytest.approx(enumerate_shapley(values, 5), abs=1e-9)
    medians = {one.size: one.median for one in sweep.by_size()}
    assert medians[2] == pytest.approx(np.median([values[mask] for mask in range(32) if mask.bit_count() == 2]))


@pytest.mark.parametrize("metric", ["accuracy", "log-loss", "balanced-accuracy", "roc-auc", "f1:class=1"])
@pytest.mark.parametrize("rule", ["median", "class-weighted", "product"])
def test_other_rules_are_refitted(rule, metric):
    proba, labels = draw("random", 4, 60, 3, seed=6)
    sweep = sweep_subsets(proba, labels, rule, metric=metric)
    for mask in range(1, 16):
        members = [member for member in range(4) if mask >> member & 1]
        combined = make_rule(rule).fit(proba[members], labels).predict_proba(proba[members])
        expected = get_metric(metric).signed(float(get_metric(metric)(labels, combined)))
        assert sweep.value_of([mask])[0] == pytest.approx(expected, abs=1e-12)


def test_brier_scores_of_other_rules_are_refused():
    proba, labels = draw("random", 3, 20, 3, seed=6)
    with pytest.raises(NotApplicableError, match="no quadratic form"):
        sweep_subsets(proba, labels, "product", metric="brier")


@pytest.mark.parametrize("top", [1, 5, 100])
def test_as_many_of_the_best_are_returned_as_were_asked_for(top):
    proba, labels = draw("random", 6, 50, 3, seed=1)
    sweep = sweep_subsets(proba, labels, top=top)
    assert len(sweep.top()) == min(top, 63)
    assert sweep.top()[0] == sweep.best()


def test_streamed_and_kept_sweeps_say_the_same(monkeypatch):
    proba, labels = draw("random", 14, 150, 4, seed=7)
    data = Predictions(proba, labels)
    kept = sweep_predictions(data, shard_bits=9)
    monkeypatch.setattr("ensembler.subsets.workers.TABLE_BITS", 10)
    monkeypatch.setattr("ensembler.subsets.workers.MOST_LISTED", 100)
    streamed = sweep_predictions(data, shard_bits=9)
    assert streamed.table is None
    assert streamed.by_size() == kept.by_size()
    assert streamed.top() == kept.top()
    assert streamed.shapley().tolist() == kept.shapley().tolist()
    assert streamed.banzhaf().tolist() == kept.banzhaf().tolist()
    assert [vars(one) for one in regrets(streamed)] == [vars(one) for one in regrets(kept)]
    with pytest.raises(UsageError, match="too many for a table"):
        _ = streamed.correct


def test_sampled_effects_are_near_the_counted_ones(monkeypatch):
    proba, labels = draw("random", 13, 100, 3, seed=8)
    data = Predictions(proba, labels)
    counted = sweep_predictions(data, shard_bits=9).effects()
    monkeypatch.setattr("ensembler.subsets.workers.TABLE_BITS", 10)
    monkeypatch.setattr("ensembler.subsets.workers.MOST_LISTED", 100)
    monkeypatch.setattr(effects, "SAMPLED_PAIRS", 13 * 2000)
    sampled = sweep_predictions(data, shard_bits=9).effects(seed=1)
    assert counted.standard_error is None
    assert sampled.standard_error is not None
    assert sampled.n_pairs >= 13 * 2000
    assert np.abs(sampled.helped - counted.helped) == pytest.approx(
        np.zeros(13), abs=5 * sampled.standard_error.max() + 0.01
    )
    assert sampled.mean.tolist() == counted.mean.tolist()


@pytest.mark.parametrize("n_members", [6, 13])
def test_sizes_and_must_narrow_the_sweep(n_members):
    proba, labels = draw("random", n_members, 60, 3, seed=9)
    whole = sweep_subsets(proba, labels)
    narrow = sweep_subsets(proba, labels, sizes=(3, 4), must=[1, 4])
    wanted = [m for m in range(1 << n_members) if m.bit_count() in (3, 4) and m >> 1 & 1 and m >> 4 & 1]
    found = narrow.to_frame()
    assert found["mask"].tolist() == wanted
    assert found["correct"].tolist() == whole.correct[wanted].tolist()
    assert narrow.plan.n_committees == len(wanted)
    assert narrow.best().value == max(whole.correct[wanted]) / len(labels)
    assert (narrow.correct >= 0).sum() == len(wanted) + 1
    with pytest.raises(NotApplicableError, match="need all committees"):
        narrow.shapley()


def test_narrow_sizes_of_many_members():
    proba, labels = draw("random", 40, 30, 3, seed=10)
    sweep = sweep_subsets(proba, labels, sizes=(1, 2))
    pairs = {
        (a, b): int(((proba[a] + proba[b]).argmax(axis=1) == labels).sum())
        for a, b in itertools.combinations(range(40), 2)
    }
    best = max(pairs.values())
    assert sweep.best(2).value == best / 30
    assert sweep.by_size()[1].n_committees == 780
    assert sweep.by_size()[1].worst == min(pairs.values()) / 30


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": (0, 3)}, "committee sizes are 0 to 3"),
        ({"sizes": (3, 9)}, "committee sizes are 3 to 9, expected 1 <= smallest <= largest <= 4"),
        ({"sizes": (3, 2)}, "committee sizes are 3 to 2"),
        ({"must": [7]}, "member number 7 is not there, expected 0 to 3"),
        ({"must": ["x"]}, "unknown member 'x'"),
        ({"must": [0, 1, 2], "sizes": (1, 2)}, "3 members must be in, and a committee has at most 2"),
        ({"metric": "mmc"}, "unknown metric 'mmc'"),
        ({"metric": "f1"}, "metric f1 is of one class, and there are 3"),
        ({"top": 0}, "top is 0, expected at least 1"),
    ],
)
def test_impossible_sweeps(options, message):
    proba, labels = draw("random", 4, 20, 3, seed=1)
    with pytest.raises(EnsemblerError, match=message):
        sweep_subsets(proba, labels, **options)


def test_more_than_62_members_are_refused():
    proba, labels = draw("random", 63, 5, 2, seed=1)
    with pytest.raises(UsageError, match="at most 62 members, got 63; leave some out, or search"):
        sweep_subsets(proba, labels)


def test_one_member_and_one_row():
    proba, labels = draw("random", 1, 1, 2, seed=1)
    sweep = sweep_subsets(proba, labels)
    assert sweep.correct.shape == (2,)
    assert sweep.shapley()[0] == sweep.best().value - 1.0
    assert np.isnan(sweep.effects().helped[0])


def test_a_fitted_rule_of_other_members_is_refused():
    proba, labels = draw("random", 4, 60, 3, seed=2)
    fitted = make_rule("accuracy-weighted").fit(proba[:3], labels)
    with pytest.raises(ShapeError, match="fitted on 3 members and 3 classes, expected 4 and 3"):
        sweep_subsets(proba, labels, fitted)


def test_a_fitted_rule_is_taken_as_it_is():
    proba, labels = draw("random", 4, 60, 3, seed=2)
    other, other_labels = draw("random", 4, 60, 3, seed=3)
    fitted = make_rule("accuracy-weighted").fit(other, other_labels)
    sweep = sweep_subsets(proba, labels, fitted)
    assert not sweep.optimistic
    assert sweep_subsets(proba, labels, "accuracy-weighted").optimistic
    weights = fitted.accuracy_
    expected = np.tensordot(weights, proba, axes=1).argmax(axis=1) == labels
    assert sweep.correct[-1] == expected.sum()

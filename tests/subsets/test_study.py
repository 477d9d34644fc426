"""A committee is chosen without the scored rows, and the luck of the best one is told."""

import itertools

import numpy as np
import pytest

from ensembler import LossWeightedAverage, Predictions, compare_rules, load_predictions, sweep_subsets
from ensembler.combiners.registry import make_rule
from ensembler.comparison.folds import make_folds
from ensembler.errors import EnsemblerError, UsageError
from ensembler.metrics import METRICS
from ensembler.metrics.paired import Discordance, standard_error
from ensembler.metrics.selection import bias_corrected_best
from ensembler.predictions.bundled import published_folder
from ensembler.subsets.describe import describe_study, study_frame
from ensembler.subsets.search import search_subsets
from ensembler.subsets.study import study_subsets
from tests.subsets.draw import draw


def divided(n_members=5, n_rows=120, seed=1, metadata=None):
    proba, labels = draw("random", n_members, n_rows, 3, seed)
    val, val_labels = draw("random", n_members, n_rows, 3, seed + 100)
    return Predictions(proba, labels, validation=Predictions(val, val_labels), metadata=metadata)


def crossed_accuracy(rule, proba, labels, members, seed=0):
    """Predict each fold with weights from the others, in plain loops."""
    predicted = np.empty(len(labels), dtype=int)
    for train, held in make_folds(labels, None, 5, seed).pairs:
        fitted = make_rule(rule).fit(proba[members][:, train], labels[train])
        predicted[held] = fitted.predict(proba[members][:, held])
    return (predicted == labels).mean()


@pytest.mark.parametrize("rule", ["mean", "accuracy-weighted", "weighted-vote", "class-weighted"])
def test_the_choice_is_cross_fitted_inside_the_validation_rows(rule):
    data = divided()
    [one] = study_subsets(data, [rule]).rules
    val = data.validation
    inside = {}
    for mask in range(1, 32):
        members = [member for member in range(5) if mask >> member & 1]
        inside[mask] = crossed_accuracy(rule, val.proba, val.true_labels, members)
    assert one.choice.value_of(list(inside)) == pytest.approx(list(inside.values()), abs=1e-12)
    best = min(inside, key=lambda mask: (-inside[mask], mask.bit_count(), mask))
    assert one.chosen.mask == best
    fitted = make_rule(rule).fit(val.proba, val.true_labels)
    whole = (fitted.predict(data.proba) == data.true_labels).mean()
    assert one.scored.value_of([31]) == [whole]


def test_the_chosen_committee_is_compared_with_all_members():
    data = load_predictions(published_folder())
    [one] = study_subsets(data, ["mean"]).rules
    members = [name in one.chosen.members for name in data.names]
    right = [
        proba.mean(axis=0, dtype=float).argmax(axis=1) == data.true_labels
        for proba in (data.proba[members], data.proba)
    ]
    test = one.against_whole
    assert test.difference == pytest.approx(right[0].mean() - right[1].mean())
    assert test.p_value == pytest.approx(Discordance.of(*right).p_value)
    error = standard_error(*right)
    assert test.interval == pytest.approx(
        (test.difference - 1.96 * error, test.difference + 1.96 * error), abs=0.15 * error
    )
    told = describe_study(study_subsets(data, ["mean"]))["rules"][0]["against_whole"]
    assert told["difference"] == test.difference
    assert study_subsets(data, ["mean"], fit_on="cross").rules[0].against_whole is None
    assert study_subsets(data, ["mean"], sizes=(9, 9)).rules[0].against_whole is None


def test_in_cross_fitting_a_committee_is_chosen_anew_in_each_fold():
    proba, labels = draw("random", 4, 100, 3, seed=4)
    [one] = study_subsets(Predictions(proba, labels), ["mean"]).rules
    assert one.choice is one.scored
    assert one.chosen == one.luckiest
    right = np.array(
        [
            (proba[[m for m in range(4) if mask >> m & 1]].sum(axis=0).argmax(axis=1) == labels) if mask else labels < 0
            for mask in range(16)
        ]
    )
    reached = 0
    for train, held in make_folds(labels, None, 5, 0).pairs:
        best = min(range(1, 16), key=lambda mask: (-right[mask, train].sum(), mask.bit_count(), mask))
        reached += right[best, held].sum()
    assert one.nested == reached / 100


def test_freezing_fits_once_on_all_members():
    data = divided()
    [one] = study_subsets(data, ["exponential-weighted"], freeze=True).rules
    fitted = make_rule("exponential-weighted").fit(data.validation.proba, data.validation.true_labels)
    scores = fitted.weights_[1] * data.proba[1] + fitted.weights_[3] * data.proba[3]
    assert one.scored.correct[0b01010] == (scores.argmax(axis=1) == data.true_labels).sum()
    study = study_subsets(data, ["median", "mean"], freeze=True)
    assert [name for name, _ in study.left_out] == ["median"]
    assert describe_study(study)["weights_frozen"]


@pytest.mark.parametrize("rule", ["naive-bayes", "recall", "dempster-shafer"])
def test_tables_of_one_member_are_the_same_frozen_and_refitted(rule):
    data = divided()
    [frozen] = study_subsets(data, [rule], freeze=True).rules
    [plain] = study_subsets(data, [rule]).rules
    assert frozen.scored.correct.tolist() == plain.scored.correct.tolist()
    members = [1, 3]
    fitted = make_rule(rule).fit(data.validation.proba[members], data.validation.true_labels)
    correct = (fitted.predict(data.proba[members]) == data.true_labels).sum()
    assert plain.scored.correct[0b01010] == correct


@pytest.mark.parametrize("rule", ["dawid-skene", "bayesian-combination"])
def test_rules_that_are_fitted_jointly_can_be_frozen(rule):
    data = divided()
    [one] = study_subsets(data, [rule], freeze=True).rules
    fitted = make_rule(rule).fit(data.validation.proba, data.validation.true_labels)
    scores = fitted.frozen_offset() + sum(fitted.frozen_contribution(member, data.proba[member]) for member in (1, 3))
    assert one.scored.correct[0b01010] == (scores.argmax(axis=1) == data.true_labels).sum()


def test_rules_without_contributions_are_refitted_after_an_estimate(monkeypatch):
    monkeypatch.setattr("ensembler.subsets.request.MANY_REFITS", 8)
    data, told = divided(), []
    [one] = study_subsets(data, ["behaviour-knowledge-space"], announce=told.append).rules
    fitted = make_rule("behaviour-knowledge-space").fit(data.validation.proba[[1, 3]], data.validation.true_labels)
    assert one.scored.correct[0b01010] == (fitted.predict(data.proba[[1, 3]]) == data.true_labels).sum()
    assert [estimate.rule for estimate in told] == ["behaviour-knowledge-space"]
    assert all(estimate.refitted for estimate in told)


@pytest.mark.parametrize("fit_on", ["val", "cross"])
@pytest.mark.parametrize("metric", ["accuracy", "log-loss"])
@pytest.mark.parametrize("rule", ["mean", "accuracy-weighted", "median"])
def test_calibrated_members_are_those_of_a_comparison(rule, metric, fit_on):
    data = divided(n_members=4)
    [one] = study_subsets(data, [rule], metric=metric, calibrate="members", fit_on=fit_on).rules
    [plain] = study_subsets(data, [rule], metric=metric, fit_on=fit_on).rules
    for size in (2, 3, 4):
        for members in itertools.combinations(range(4), size):
            mask = sum(1 << member for member in members)
            part = Predictions(
                data.proba[list(members)],
                data.labels,
                validation=Predictions(data.validation.proba[list(members)], data.validation.labels),
            )
            same = compare_rules(part, [rule], calibrate="members", fit_on=fit_on, n_resamples=0)[rule]
            [value] = one.scored.value_of([mask])
            assert METRICS[metric].signed(value) == pytest.approx(same.metrics[metric], abs=1e-11)
            if fit_on == "val":
                [inside] = one.val_accuracy([mask])
                assert inside == pytest.approx(same.choice_score, abs=1e-11)
    assert one.scored.value_of(range(1, 16)) != plain.scored.value_of(range(1, 16))


def test_a_search_calibrates_members_as_a_sweep_does():
    data = divided()
    for fit_on in ("val", "cross"):
        [swept] = study_subsets(data, ["mean"], calibrate="members", fit_on=fit_on).rules
        [found] = search_subsets(data, ["mean"], width=32, calibrate="members", fit_on=fit_on).rules
        assert found.chosen.mask == swept.chosen.mask
        assert [step.accuracy for step in found.steps] == swept.scored.value_of([step.mask for step in found.steps])
        assert found.nested == swept.nested


def test_calibration_that_committees_do_not_have_is_refused():
    with pytest.raises(UsageError, match="committees have no temperature of their own"):
        study_subsets(divided(), calibrate="ensemble")
    with pytest.raises(EnsemblerError, match="unknown value of calibrate 'member'"):
        search_subsets(divided(), calibrate="member")
    proba, labels = draw("hard", 3, 60, 3, 0)
    with pytest.raises(UsageError, match="calibration needs probabilities"):
        study_subsets(Predictions(proba, labels, hard=[True] * 3), calibrate="members")


def test_the_cheapest_committee_as_good_as_the_best():
    costs = [5.0, 1.0, 3.0, 2.0, 4.0]
    data = divided(metadata=[{"multiply_adds": cost} for cost in costs])
    study = study_subsets(data, ["mean"])
    [one] = study.rules
    assert study.cost_unit == "multiply-adds"
    counts = one.choice.correct
    cost = {mask: sum(costs[m] for m in range(5) if mask >> m & 1) for mask in range(1, 32)}
    front = [
        mask
        for mask in cost
        if not any(
            (cost[o] < cost[mask] and counts[o] >= counts[mask])
            or (cost[o] == cost[mask] and (counts[o] > counts[mask] or (counts[o] == counts[mask] and o < mask)))
            for o in cost
        )
    ]
    assert [committee.mask for committee, _ in one.cost.committees] == sorted(front, key=cost.get)
    right = dict(zip(cost, one.choice.evaluator.outcomes(list(cost)), strict=True))
    near = []
    for mask in sorted(front, key=cost.get):
        lead = right[one.chosen.mask].mean() - right[mask].mean()
        near += [mask] * int(lead <= standard_error(right[one.chosen.mask], right[mask]))
    assert one.cost.cheapest.mask == near[0]


def test_the_best_of_equals_is_luck():
    rng = np.random.default_rng(0)
    right = rng.random((200, 500)) < 0.6
    found = bias_corrected_best(right, seed=3)
    assert found.raw == right.mean(axis=1).max()
    assert 0.58 < found.corrected < 0.635 < found.raw
    assert found == bias_corrected_best(right, seed=3)
    one = bias_corrected_best(right[:1], seed=3)
    assert one.optimism == pytest.approx(0.0, abs=0.005)


def test_luck_is_a_lower_bound_where_only_the_best_are_looked_at(monkeypatch):
    data = divided()
    [exact] = study_subsets(data, ["mean"]).rules
    assert not exact.optimism_is_bound
    assert exact.optimism.n_candidates == 31
    monkeypatch.setattr("ensembler.subsets.choice.EXACT_OPTIMISM", 8)
    monkeypatch.setattr("ensembler.subsets.choice.MOST_RANKED", 5)
    [bound] = study_subsets(data, ["mean"]).rules
    assert bound.optimism_is_bound
    assert bound.optimism.n_candidates == 5


def test_rules_that_cannot_run_are_left_out_with_the_reason():
    proba, labels = draw("random", 3, 60, 3, seed=2)
    hard = Predictions(np.eye(3)[proba.argmax(axis=-1)], labels, hard=[True] * 3)
    study = study_subsets(hard, ["mean", "borda", "majority-vote"])
    assert [one.rule for one in study.rules] == ["mean", "majority-vote"]
    assert study.left_out == (("borda", "needs probabilities, and some members are hard labels"),)


def test_row_weights_are_refused():
    proba, labels = draw("random", 3, 20, 3, seed=2)
    with pytest.raises(UsageError, match="takes no row weights"):
        study_subsets(Predictions(proba, labels, sample_weight=np.ones(20)))


def test_the_frame_has_both_splits_and_another_metric():
    data = divided()
    frame = study_frame(study_subsets(data, ["mean", "product"]))
    assert list(frame) == ["rule", "mask", "size", "correct", "accuracy", "val_correct", "val_accuracy"]
    assert len(frame) == 62
    brier = study_frame(study_subsets(data, ["mean"], metric="brier", with_accuracy=True))
    assert list(brier)[-3:] == ["metric", "value", "val_value"]
    assert (brier["value"] > 0).all()


def test_json_names_and_orders():
    data = divided()
    found = describe_study(study_subsets(data, ["mean"], metric="log-loss", top=3))
    [rule] = found["rules"]
    assert found["schema"] == "ensembler.subsets/2"
    assert len(rule["best"]) == 3
    values = [entry["val_value"] for entry in rule["best"]]
    assert values == sorted(values)
    assert rule["chosen"] == rule["best"][0]
    entry = rule["luckiest"]
    assert entry["value"] == min(entry["value"] for entry in [rule["chosen"], rule["luckiest"], *rule["best"]])
    assert set(entry) == {"mask", "members", "size", "accuracy", "val_accuracy", "value", "val_value"}
    members = [int(name.removeprefix("member-")) for name in entry["members"]]
    assert entry["mask"] == sum(1 << member for member in members)
    combined = data.proba[members].mean(axis=0)
    assert entry["accuracy"] == (combined.argmax(axis=1) == data.true_labels).mean()


def test_a_search_that_keeps_everything_finds_the_best():
    data = divided(n_members=6)
    [exact] = study_subsets(data, ["accuracy-weighted"]).rules
    [found] = search_subsets(data, ["accuracy-weighted"], width=100).rules
    for step in found.steps:
        assert step.selection_accuracy == exact.choice.best(step.size).value
        assert step.accuracy == exact.scored.value_of([step.mask])[0]
    assert found.chosen.mask == exact.chosen.mask


def test_a_greedy_search_is_the_forward_path():
    from ensembler.subsets.shortcuts import forward_path

    data = divided(n_members=7)
    [exact] = study_subsets(data, ["mean"]).rules
    [found] = search_subsets(data, ["mean"]).rules
    assert [step.mask for step in found.steps] == forward_path(exact.choice.value_of, 7)
    assert found.n_evaluated == 28


def test_a_search_takes_hundreds_of_members():
    proba, labels = draw("random", 150, 80, 3, seed=5)
    study = search_subsets(Predictions(proba, labels), ["mean", "median"], width=3, sizes=(2, 6), must=["member-149"])
    [found] = study.rules
    assert [step.size for step in found.steps] == [2, 3, 4, 5, 6]
    assert all(step.mask >> 149 & 1 for step in found.steps)
    assert 0 < found.nested < 1
    assert study.left_out == (("median", "only additive rules can be searched step by step"),)


@pytest.mark.parametrize("metric", ["log-loss", "balanced-accuracy"])
@pytest.mark.parametrize("rule", ["class-weighted", "exponential-weighted"])
def test_frozen_weights_are_frozen_for_every_metric(rule, metric):
    data = divided()
    [one] = study_subsets(data, [rule], metric=metric, freeze=True).rules
    fitted = make_rule(rule).fit(data.validation.proba, data.validation.true_labels)
    for members in ([1], [0, 3], [0, 1, 2, 3, 4]):
        scores = sum(fitted.weights_[member] * data.proba[member] for member in members)
        expected = METRICS[metric](data.true_labels, scores / scores.sum(axis=1, keepdims=True))
        [value] = one.scored.value_of([sum(1 << member for member in members)])
        assert METRICS[metric].signed(value) == pytest.approx(float(expected), abs=1e-9)


def test_luck_and_errors_respect_groups():
    proba, labels = draw("random", 5, 40, 3, seed=6)
    val, val_labels = draw("random", 5, 40, 3, seed=106)

    def copied(times):
        rows = np.repeat(np.arange(40), times)
        inside = Predictions(val[:, rows], val_labels[rows], groups=rows)
        return Predictions(proba[:, rows], labels[rows], groups=rows, validation=inside)

    [plain] = study_subsets(copied(1), ["mean"]).rules
    [grouped] = study_subsets(copied(10), ["mean"]).rules
    assert grouped.optimism.optimism == pytest.approx(plain.optimism.optimism, abs=0.02)
    right = np.array([True, True, False, True]), np.array([False, True, True, True])
    alone = standard_error(*right)
    copied = standard_error(np.repeat(right[0], 5), np.repeat(right[1], 5), np.repeat(np.arange(4), 5))
    assert copied == pytest.approx(alone)


def test_few_committees_of_many_members_are_listed():
    proba, labels = draw("random", 30, 40, 3, seed=7)
    data = Predictions(proba, labels)
    study = study_subsets(data, ["mean", "median"], sizes=(1, 2))
    assert not study.rules[0].optimism_is_bound
    assert study.rules[0].optimism.n_candidates == 465
    frame = study_frame(study)
    assert len(frame) == 930
    mask = int(frame["mask"][37])
    members = [member for member in range(30) if mask >> member & 1]
    assert frame["correct"][37] == (proba[members].mean(axis=0).argmax(axis=1) == labels).sum()
    [brier] = study_subsets(data, ["mean"], sizes=(1, 2), metric="brier").rules
    assert brier.scored.by_size()[1].n_committees == 435


def test_a_rule_that_can_run_on_nothing_is_left_out():
    proba, _ = draw("random", 3, 60, 2, seed=8)
    labels = np.array([0] * 59 + [1])
    study = study_subsets(Predictions(proba, labels), ["mean", "stacking"])
    assert [one.rule for one in study.rules] == ["mean"]
    assert study.left_out[0][0] == "stacking"


def test_groups_by_number_are_left_out():
    study = study_subsets(divided(), ["mean", "hierarchical-committee:groups=[[0,1],[1,2]]"])
    assert study.left_out == (
        (
            "hierarchical-committee:groups=[[0,1],[1,2]]",
            "groups by number mean other members in each committee; give names or patterns",
        ),
    )


@pytest.mark.parametrize("metric", ["brier", "log-loss", "balanced-accuracy"])
def test_copies_neither_help_nor_hurt(metric):
    proba, labels = draw("random", 1, 150, 3, seed=9)
    data = Predictions(np.repeat(proba, 5, axis=0), labels)
    [one] = study_subsets(data, ["mean"], metric=metric).rules
    assert one.chosen.size == one.luckiest.size == 1
    effects = one.scored.effects()
    assert effects.helped.tolist() == effects.hurt.tolist() == [0.0] * 5


def test_weights_that_underflow_together_are_refitted():
    proba, labels = draw("random", 3, 150, 3, seed=10)
    proba[1:] = 0.05 + 0.85 * proba[1:]
    rule = "loss-weighted:form=exp,beta=5000"
    val = Predictions(*draw("random", 3, 150, 3, seed=11))
    [one] = study_subsets(Predictions(proba, labels, validation=val), [rule]).rules
    for member in range(3):
        [alone] = one.scored.value_of([1 << member])
        assert alone == (proba[member].argmax(axis=1) == labels).mean()


def test_weights_that_underflow_are_refused_where_committees_are_sums():
    proba, labels = draw("random", 3, 150, 3, seed=10)
    proba[1:] = 0.05 + 0.85 * proba[1:]
    data = Predictions(proba, labels, validation=Predictions(*draw("random", 3, 150, 3, seed=11)))
    rule = "loss-weighted:form=exp,beta=5000"
    with pytest.raises(UsageError, match="weights are too far apart .* lower beta"):
        search_subsets(data, [rule])
    with pytest.raises(EnsemblerError, match="weights are too far apart"):
        sweep_subsets(proba, labels, LossWeightedAverage(form="exp", beta=50000).fit(proba, labels))


def test_one_committee_has_no_luck():
    assert study_subsets(divided(), ["mean"], sizes=(5, 5)).rules[0].optimism is None


def test_impossible_seeds_are_refused():
    with pytest.raises(UsageError, match="seed is -1"):
        study_subsets(divided(), ["mean"], seed=-1)
    with pytest.raises(UsageError, match="seed is -1"):
        search_subsets(divided(), ["mean"], seed=-1)


def test_refits_are_told_in_advance():
    told = []
    data = divided(n_members=9, n_rows=30)
    study_subsets(data, ["product", "mean"], metric="log-loss", announce=told.append)
    assert [(one.rule, one.n_committees, one.refitted) for one in told] == [("product", 511, True)]


def test_validation_rows_that_are_scored_say_nothing_of_luck():
    proba, labels = draw("random", 4, 100, 3, seed=12)
    same = Predictions(proba, labels, validation=Predictions(proba, labels))
    study = study_subsets(same, ["accuracy-weighted"])
    assert study.protocol.optimistic
    assert study.rules[0].scored.optimistic
    assert study.rules[0].optimism is None


def test_frozen_weights_are_fitted_once(monkeypatch):
    fits = []
    rule = type(make_rule("class-weighted"))
    original = rule._fit
    monkeypatch.setattr(rule, "_fit", lambda self, *given: (fits.append(1), original(self, *given))[1])
    study_subsets(divided(), ["class-weighted"], metric="log-loss", freeze=True)
    # Once for all scored rows and once a fold, for the values and again for the accuracies of what is listed.
    assert len(fits) == 2 * (1 + 5)

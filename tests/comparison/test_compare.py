"""Which rows are fitted on, which are scored, and what is chosen."""

import json

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold

from ensembler import (
    BestMember,
    ExponentialWeightedAverage,
    GreedySelection,
    MajorityVote,
    Predictions,
    SimpleAverage,
    Stacking,
    compare_rules,
    load_predictions,
)
from ensembler.combiners.registry import default_rules, make_rule
from ensembler.comparison.compare import fit_rule
from ensembler.comparison.folds import make_folds, split_part
from ensembler.errors import AlignmentError, DataError, UnknownNameError, UsageError
from ensembler.metrics import METRICS, Metric
from ensembler.subsets.search import search_subsets
from ensembler.subsets.study import study_subsets
from tests.conftest import draw

pytestmark = pytest.mark.filterwarnings("ignore::ensembler.errors.FitWarning")
FAST = ["mean", "accuracy-weighted", "exponential-weighted", "majority-vote", "best-member"]


def drawn(seed=0, validation=True, **sizes):
    proba, labels = draw(seed, **sizes)
    other = draw(seed + 100, **sizes)
    return Predictions(proba, labels, validation=Predictions(*other) if validation else None)


def accuracy(rule, fitting, scored):
    return float((rule.fit(fitting.proba, fitting.labels).predict(scored.proba) == scored.labels).mean())


def test_the_bundled_set_has_the_published_accuracies(fer):
    result = compare_rules(fer, ["mean"])
    published = {
        "oarriaga_big_xception_54": (0.6539, 0.6682),
        "oarriaga_mini_xception_102": (0.6523, 0.6587),
        "oarriaga_mini_xception_119_48": (0.6336, 0.6525),
        "oarriaga_mini_xception_43": (0.6311, 0.6356),
        "wiktorglita_cnn3": (0.6057, 0.6211),
        "faceapi_expressionnet": (0.5840, 0.5885),
        "whattheface_last_relu": (0.5709, 0.5801),
        "whattheface_cnn3": (0.5620, 0.5653),
        "facial_emotion_recognition_cnn4": (0.5099, 0.5210),
    }
    found = {m.name: (round(m.fit_accuracy, 4), round(m.metrics["accuracy"], 4)) for m in result.members}
    assert found == published
    assert round(result["mean"].metrics["accuracy"], 4) == 0.6860


@pytest.mark.filterwarnings("ignore:member .* has its classes in another order")
def test_weights_come_from_validation_rows_only():
    data = drawn()
    result = compare_rules(data, FAST)
    for rule in (ExponentialWeightedAverage(), MajorityVote(), BestMember()):
        assert result[rule.name].metrics["accuracy"] == accuracy(rule, data.validation, data)
    flipped = Predictions(data.proba, (data.labels + 1) % 4, validation=data.validation)
    np.testing.assert_array_equal(
        compare_rules(flipped, FAST)["exponential-weighted"].rule.weights_, result["exponential-weighted"].rule.weights_
    )
    assert compare_rules(flipped, FAST).chosen == result.chosen


def test_the_choice_is_cross_fitted_inside_the_fitting_rows():
    data = drawn(n_samples=200)
    result = compare_rules(data, FAST)
    rows = data.validation
    outside = np.empty(200, int)
    for train, held in StratifiedKFold(5, shuffle=True, random_state=0).split(rows.labels, rows.labels):
        rule = ExponentialWeightedAverage().fit(rows.proba[:, train], rows.labels[train])
        outside[held] = rule.predict(rows.proba[:, held])
    assert result["exponential-weighted"].choice_score == (outside == rows.labels).mean()
    assert result["mean"].choice_score == accuracy(SimpleAverage(), rows, rows)
    best = max(entry.choice_score for entry in result.rules)
    assert result[result.chosen].choice_score == best
    assert result.luckiest == result.rules[0].name


def test_cross_fitting_scores_each_row_by_rules_that_have_not_seen_it():
    data = drawn(validation=False, n_samples=150)
    result = compare_rules(data, ["accuracy-weighted", "mean", "stacking"])
    output = np.empty((150, 4))
    for train, held in StratifiedKFold(5, shuffle=True, random_state=0).split(data.labels, data.labels):
        output[held] = Stacking().fit(data.proba[:, train], data.labels[train]).predict_proba(data.proba[:, held])
    np.testing.assert_array_equal(result["stacking"].proba, output)
    assert result["stacking"].metrics["accuracy"] == (output.argmax(-1) == data.labels).mean()
    assert len(result["accuracy-weighted"].fold_rules) == 5
    everything = METRICS["accuracy"](data.labels, data.proba)
    np.testing.assert_allclose(result["accuracy-weighted"].rule.weights_, everything / everything.sum())


def test_the_nested_choice_never_sees_its_fold():
    data = drawn(validation=False, n_samples=150)
    result = compare_rules(data, FAST)
    by_fold = result.nested["by_fold"]
    assert len(by_fold) == 5
    right = 0
    for (_, held), name in zip(make_folds(data.labels, None, 5, 0).pairs, by_fold, strict=True):
        right += (result[name].proba[held].argmax(-1) == data.labels[held]).sum()
    assert result.nested["value"] == right / 150
    # Spoiling one fold's labels cannot change what is chosen for it.
    train, held = make_folds(data.labels, None, 5, 0).pairs[0]
    assert set(train) & set(held) == set()


def test_a_part_is_fitted_on_and_only_the_rest_is_scored():
    data = drawn(n_samples=100)
    result = compare_rules(data, FAST, fit_on="part", part=0.3)
    fitted, scored = split_part(data.labels, None, 0.3, 0)
    assert (result.protocol.n_fit, result.protocol.n_scored) == (30, 70)
    fitting, rest = data.take(fitted), data.take(scored)
    assert result["exponential-weighted"].metrics["accuracy"] == accuracy(ExponentialWeightedAverage(), fitting, rest)
    np.testing.assert_allclose(
        [m.metrics["accuracy"] for m in result.members], METRICS["accuracy"](rest.labels, rest.proba)
    )


def test_fitting_on_the_scored_rows_is_called_optimistic():
    data = drawn()
    result = compare_rules(data, FAST, fit_on="test")
    assert result.protocol.optimistic
    assert result["best-member"].metrics["accuracy"] == max(m.metrics["accuracy"] for m in result.members)
    assert not compare_rules(data, FAST).protocol.optimistic


def test_ties_in_the_choice_go_to_the_simpler_rule():
    labels = np.tile(np.arange(3), 20)
    proba = np.repeat((np.eye(3)[labels] * 0.7 + 0.1)[None], 3, axis=0)
    data = Predictions(proba, labels)
    assert compare_rules(data, ["stacking", "accuracy-weighted", "best-member", "mean"]).chosen == "mean"
    assert compare_rules(data, ["stacking", "accuracy-weighted", "best-member"]).chosen == "best-member"
    # Equally many fitted numbers: greedy uses one member, accuracy weights three.
    assert compare_rules(data, ["accuracy-weighted", "greedy"]).chosen == "greedy"


def test_gain_is_against_the_best_member_chosen_on_validation():
    data = drawn()
    result = compare_rules(data, ["mean", "median"])
    best = int(np.argmax(METRICS["accuracy"](data.validation.labels, data.validation.proba)))
    assert result.best_member_name == f"member-{best}"
    gain = result["mean"].metrics["accuracy"] - result.members[best].metrics["accuracy"]
    assert result["mean"].gain == pytest.approx(gain)


def test_another_metric_ranks_chooses_and_reaches_the_rules_that_have_one():
    data = drawn()
    result = compare_rules(data, [*FAST, "greedy", "greedy:metric=brier"], metric="log-loss")
    losses = [entry.metrics["log-loss"] for entry in result.rules]
    assert losses == sorted(losses)
    assert result["greedy"].rule.metric == "log-loss"
    assert result["greedy:metric=brier"].rule.metric == "brier"
    assert result["best-member"].gain == 0
    assert result.rules[0].gain >= 0


def test_a_function_and_several_metrics():
    def hits(labels, proba):
        return float((proba.argmax(-1) == labels).sum())

    result = compare_rules(drawn(), FAST, metric=[hits, "mcc", "top-k-accuracy:k=3", "roc-auc"])
    assert result.metric_names[:4] == ["hits", "mcc", "top-k-accuracy:k=3", "roc-auc"]
    assert result.rules[0].metrics["hits"] == pytest.approx(120 * result.rules[0].metrics["accuracy"])


def test_the_oracle_bounds_every_rule_that_picks_an_answer():
    data = drawn()
    result = compare_rules(data, FAST)
    right = (data.proba.argmax(-1) == data.labels).any(axis=0)
    assert result.oracle == right.mean()


def test_hard_labels_leave_out_what_needs_probabilities(write_set):
    result = compare_rules(load_predictions(write_set(hard=True)))
    assert {entry.name for entry in result.rules} == {
        "mean",
        "accuracy-weighted",
        "class-weighted",
        "exponential-weighted",
        "majority-vote",
        "weighted-vote",
        "best-member",
        "greedy",
        "super-learner",
    }
    left_out = dict(result.left_out)
    assert left_out.pop("hierarchical-committee").startswith("give groups=")
    probabilities = {"loss-weighted", "median", "product", "max", "min", "trimmed-mean", "borda", "stacking"}
    assert set(left_out) == {*probabilities, "log-pool", "log-pool:signed=true", "simplex", "blend"}
    document = result.to_dict()
    for entry in [*document["members"], *document["combiners"]]:
        assert entry["accuracy"] is not None
        assert entry["log-loss"] is entry["brier"] is entry["ece"] is None
    mean = result["mean"]
    votes = np.stack([member.argmax(-1) for member in result.predictions.proba])
    shares = np.stack([(votes == c).mean(axis=0) for c in range(4)], axis=-1)
    np.testing.assert_allclose(mean.proba, shares)


def test_row_weights_count_in_fits_and_scores():
    proba, labels = draw(3, 4, 90)
    counts = np.random.default_rng(0).integers(1, 4, 90)
    weighted = compare_rules(Predictions(proba, labels, sample_weight=counts), ["accuracy-weighted"], fit_on="test")
    repeated = Predictions(np.repeat(proba, counts, axis=1), np.repeat(labels, counts))
    plain = compare_rules(repeated, ["accuracy-weighted"], fit_on="test")
    for name in ("accuracy", "balanced-accuracy", "macro-f1", "log-loss", "brier", "ece"):
        assert weighted["accuracy-weighted"].metrics[name] == pytest.approx(plain["accuracy-weighted"].metrics[name])
    assert weighted.oracle == pytest.approx(plain.oracle)


def test_groups_are_never_divided():
    groups = np.repeat(np.arange(30), 5)
    labels = np.random.default_rng(0).integers(0, 3, 150)
    for train, held in make_folds(labels, groups, 5, 0).pairs:
        assert not set(groups[train]) & set(groups[held])
    fitted, scored = split_part(labels, groups, 0.4, 0)
    assert not set(groups[fitted]) & set(groups[scored])
    proba, _ = draw(0, 3, 150, 3)
    result = compare_rules(Predictions(proba, labels, groups=groups), ["accuracy-weighted"])
    assert result.protocol.folds == 5
    with pytest.raises(UsageError, match="groups have no effect"):
        compare_rules(Predictions(proba, labels, groups=groups, validation=Predictions(proba, labels)))


def test_small_classes_reduce_the_folds_and_are_mentioned():
    labels = np.array([0] * 20 + [1] * 3)
    folds = make_folds(labels, None, 5, 0)
    assert len(folds.pairs) == 3
    assert folds.note.startswith("3 folds instead of 5: the smallest class has 3 of the rows")
    assert len(make_folds(np.array([0] * 20 + [1]), None, 5, 0).pairs) == 2
    assert len(make_folds(np.arange(7), None, 5, 0).pairs) == 2
    assert make_folds(np.array([0]), None, 5, 0).note == "one row cannot be divided into folds"
    assert make_folds(labels, np.zeros(23), 5, 0).note == "one group cannot be divided into folds"


def test_without_two_folds_fitted_rules_are_left_out():
    data = drawn(validation=False, n_samples=1)
    result = compare_rules(data)
    assert {entry.name for entry in result.rules} == {
        name for name in default_rules() if not make_rule(name).is_trainable
    }
    assert result.recommended == "mean"
    assert ("greedy", "cannot be cross-fitted: one row cannot be divided into folds") in result.left_out
    assert result.best_member is None
    assert result.chosen is None
    json.dumps(result.to_dict(), allow_nan=False)


def test_how_a_rule_was_chosen_is_told_as_it_was():
    for data, how in (
        (drawn(), "chosen without the scored rows"),
        (drawn(validation=False), "chosen by nested cross-fitting"),
    ):
        result = compare_rules(data, FAST)
        assert result.protocol.how_chosen == how
        if result.chosen != result.recommended:
            assert f"{result.chosen}, {how}, reached" in result.verdict.sentences[-1]


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 0.9])
def test_a_part_is_stratified(fraction):
    labels = np.repeat([0, 1, 2, 3], [100, 40, 10, 50])
    fitted, scored = split_part(labels, None, fraction, 0)
    assert sorted([*fitted, *scored]) == list(range(200))
    for label, count in enumerate([100, 40, 10, 50]):
        assert abs((labels[fitted] == label).sum() - fraction * count) <= 1
    assert not np.array_equal(split_part(labels, None, fraction, 1)[0], fitted)


def test_the_same_seed_gives_the_same_and_another_seed_another_division():
    data = drawn(validation=False)
    first = json.dumps(compare_rules(data, FAST).to_dict())
    assert json.dumps(compare_rules(data, FAST).to_dict()) == first
    assert compare_rules(data, FAST, seed=1)["exponential-weighted"].proba.tobytes() != (
        compare_rules(data, FAST)["exponential-weighted"].proba.tobytes()
    )


def test_folds_can_be_set():
    data = drawn(validation=False)
    assert compare_rules(data, ["accuracy-weighted"], folds=3).protocol.folds == 3
    assert len(compare_rules(data, ["accuracy-weighted"], folds=3)["accuracy-weighted"].fold_rules) == 3


def test_rules_as_objects_are_named_by_what_differs():
    result = compare_rules(drawn(), [SimpleAverage(), ExponentialWeightedAverage(q_min=0), GreedySelection("brier")])
    assert {entry.name for entry in result.rules} == {"mean", "exponential-weighted:q_min=0", "greedy:metric=brier"}


def test_given_rules_are_left_unfitted():
    rule = ExponentialWeightedAverage()
    compare_rules(drawn(), [rule])
    assert not hasattr(rule, "q_")


def test_progress_is_reported():
    seen = []
    compare_rules(drawn(), FAST, progress=lambda done, total, what: seen.append((done, total, what)))
    assert [done for done, _, _ in seen] == list(range(len(seen)))
    assert len(seen) == seen[0][1]


def test_notes_of_doubtful_fits_are_kept():
    proba, labels = draw(20, 6, 12, 3, skill=4.0)
    result = compare_rules(Predictions(proba, labels), ["exponential-weighted"], fit_on="test")
    assert "grid values share the best accuracy" in result["exponential-weighted"].notes[0]


def test_metadata_make_the_committee():
    proba, labels = draw(0, 4, 100)
    facts = [{"architecture": "a"}, {"architecture": "a"}, {"architecture": "b"}, {"architecture": "b"}]
    result = compare_rules(Predictions(proba, labels, metadata=facts), ["hierarchical-committee"])
    fitted = result.to_dict()["combiners"][0]["fitted"]["groups"]
    assert [group["members"] for group in fitted] == [[0, 1], [2, 3], [0, 1, 2, 3]]


def test_the_frame_has_a_row_for_each_rule_and_member():
    frame = compare_rules(drawn(), FAST).to_frame()
    assert len(frame) == len(FAST) + 5
    assert frame.chosen.fillna(False).infer_objects().sum() == 1


def test_one_rule_is_fitted_for_other_rows():
    data = drawn()
    expected = ExponentialWeightedAverage().fit(data.validation.proba, data.validation.labels).weights_
    np.testing.assert_array_equal(fit_rule(data, "exponential-weighted").weights_, expected)
    expected = ExponentialWeightedAverage().fit(data.proba, data.labels).weights_
    np.testing.assert_array_equal(fit_rule(data, "exponential-weighted", "test").weights_, expected)
    with pytest.raises(UsageError, match="fit_on is 'cross', expected 'val' or 'test'"):
        fit_rule(data, "mean", "cross")


def test_a_function_cannot_have_the_name_of_another_metric():
    def accuracy(labels, proba):
        return 0.0

    data = drawn()
    with pytest.raises(UsageError, match="two metrics are called 'accuracy'; rename the function"):
        compare_rules(data, ["mean"], metric=accuracy)
    with pytest.raises(UsageError, match="two metrics are called '<lambda>'"):
        compare_rules(data, ["mean"], metric=[lambda y, p: 0.0, lambda y, p: 1.0])


def test_a_metric_that_is_nowhere_defined_names_nobody():
    result = compare_rules(drawn(), ["mean", "min"], metric=lambda labels, proba: float("nan"))
    assert result.chosen is result.luckiest is None


def test_sparse_row_weights_leave_out_what_cannot_be_fitted():
    data = drawn(validation=False, n_samples=200)
    weight = np.zeros(200)
    weight[:1] = 1
    sparse = Predictions(data.proba, data.labels, sample_weight=weight)
    result = compare_rules(sparse, ["mean", "stacking", "accuracy-weighted"])
    assert [entry.name for entry in result.rules] == ["mean"]
    assert "a fold leaves no row of positive weight" in dict(result.left_out)["accuracy-weighted"]


def test_a_row_of_weight_zero_is_a_row_that_is_not_there():
    proba, labels = draw(2, 4, 120)
    weight = (np.arange(120) % 3 > 0).astype(float)
    kept = weight > 0
    for rule in (Stacking(), ExponentialWeightedAverage(), GreedySelection()):
        dropped = type(rule)().fit(proba[:, kept], labels[kept]).predict_proba(proba)
        np.testing.assert_allclose(rule.fit(proba, labels, weight).predict_proba(proba), dropped, atol=1e-12)


def test_names_do_not_hold_memory_addresses():
    def mine(labels, proba):
        return 0.5

    result = compare_rules(drawn(), [GreedySelection(metric=mine)])
    assert "0x" not in json.dumps(result.to_dict())


def test_what_cannot_be_compared():
    data = drawn(validation=False)
    with pytest.raises(UnknownNameError, match="unknown rule 'meen'"):
        compare_rules(data, ["meen"])
    with pytest.raises(UsageError, match="rule 'mean' is given twice"):
        compare_rules(data, ["mean", SimpleAverage()])
    assert [entry.name for entry in compare_rules(data, "median").rules] == ["median"]
    with pytest.raises(UsageError, match="no rules given"):
        compare_rules(data, [])
    with pytest.raises(AlignmentError, match="there are no validation rows to fit on"):
        compare_rules(data, fit_on="val")
    with pytest.raises(AlignmentError, match="these predictions have no labels"):
        compare_rules(Predictions(data.proba))
    with pytest.raises(UnknownNameError, match="unknown rule in this comparison 'x'"):
        compare_rules(data, ["mean"])["x"]


@pytest.mark.parametrize("function", [compare_rules, study_subsets, search_subsets])
def test_arrays_are_no_predictions(function):
    with pytest.raises(UsageError, match="predictions is a ndarray, expected Predictions"):
        function(drawn().proba)


@pytest.mark.parametrize("metric", [3, None, [None]])
def test_what_is_no_metric_is_refused(metric):
    with pytest.raises(UsageError, match=r"metric is (3|None), expected a name, a Metric or a function"):
        compare_rules(drawn(), ["mean"], metric=metric)


def test_what_is_no_rule_is_refused():
    with pytest.raises(UsageError, match="rule is 5, expected a rule or its text"):
        compare_rules(drawn(), 5)


def test_everything_wrong_with_a_sweep_is_told_at_once():
    with pytest.raises(UsageError, match="4 problems") as refused:
        study_subsets(drawn(), ["meen"], must=["q"], top=0, seed=-1)
    assert all(word in str(refused.value) for word in ("'meen'", "'q'", "top is 0", "seed is -1"))
    with pytest.raises(DataError, match="2 problems"):
        study_subsets(Predictions(drawn().proba), ["meen"])


def test_a_metric_of_the_users_own_keeps_its_direction():
    def distance(labels, proba, sample_weight=None):
        return 1 - proba[..., np.arange(len(labels)), labels].mean(axis=-1)

    mine = Metric("my-loss", distance, greater_is_better=False, needs_probabilities=True)
    result = compare_rules(drawn(), FAST, metric=mine)
    assert result.first_metric == mine
    assert result.metrics[0].name == "my-loss"
    values = [rule.metrics["my-loss"] for rule in result.rules]
    assert values == sorted(values)


def test_rules_that_take_long_run_where_they_are_named(monkeypatch):
    monkeypatch.setattr("ensembler.combiners.stacked.MOST_PRODUCTS", 1000)
    proba, labels = draw(3, 3, 60, 4)
    data = Predictions(proba.astype(np.float32), labels)
    result = compare_rules(data, n_resamples=0)
    reasons = dict(result.left_out)
    assert reasons["stacking"] == reasons["blend"] == "48 coefficients on 60 rows take long; it runs where it is named"
    named = compare_rules(data, ["stacking", "mean"], n_resamples=0)
    assert {outcome.name for outcome in named.rules} == {"stacking", "mean"}
    assert not compare_rules(data, [Stacking()], n_resamples=0).left_out
    family = compare_rules(data, ["pooled", "stacked"], n_resamples=0)
    assert {"stacking", "blend"} < set(dict(family.left_out))

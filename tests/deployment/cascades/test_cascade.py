"""A cascade in use: rows through its stages, files, and what is refused."""

import json

import numpy as np
import pytest

from ensembler import Predictions, load_predictions
from ensembler.deployment.cascades.cascade import Cascade
from ensembler.deployment.cascades.costs import Costs, SharedCost
from ensembler.deployment.cascades.fitting import CascadeOptions
from ensembler.deployment.cascades.results import CascadeStudy, ClassShare
from ensembler.deployment.cascades.study import study_cascades
from ensembler.errors import FileError, NotApplicableError, ShapeError, UnknownNameError, UsageError, ValueRangeError
from ensembler.metrics.confidence import confidence
from ensembler.predictions import bundled


@pytest.fixture(scope="module")
def data() -> Predictions:
    return load_predictions(bundled.published_folder()).pick([0, 2, 4, 6])


@pytest.fixture(scope="module")
def cascade(data: Predictions) -> Cascade:
    return Cascade.fit(data.validation, "log-pool", stages=3, costs=[1.0, 2.0, 3.0, 4.0])


def test_rows_get_the_answer_of_the_committee_they_stop_at(data: Predictions, cascade: Cascade) -> None:
    run = cascade.run(data.proba)
    waiting = np.ones(data.n_samples, dtype=bool)
    for number, stage in enumerate(cascade.steps):
        rule = cascade.additive
        scores = np.zeros((data.n_samples, data.n_classes)) + rule.start()
        for member in stage.members:
            scores += rule.contribution(member, data.proba[member])
        proba = rule.to_proba(scores)
        sure = confidence("top-probability", proba, data.proba[list(stage.members)])
        stops = waiting if stage.threshold is None else waiting & (sure > stage.threshold)
        assert (run.stage[stops] == number).all()
        assert (run.proba[stops] == proba[stops]).all()
        waiting = waiting & ~stops
    assert not waiting.any()
    assert run.cost == pytest.approx(sum(cascade.stage_cost(stage) for stage in run.stage))
    assert (cascade.predict(data.proba) == run.predicted).all()
    assert (cascade.predict_proba(data.proba) == run.proba).all()


@pytest.mark.parametrize("signal", ["top-probability", "margin", "entropy", "agreement"])
@pytest.mark.parametrize("rule", ["mean", "majority-vote", "accuracy-weighted"])
def test_what_was_measured_is_what_is_deployed(data: Predictions, rule: str, signal: str) -> None:
    study = study_cascades(data, rule, CascadeOptions.of(confidence=signal, budget=0.7))
    run = Cascade(**vars(study.definition)).run(data.proba)
    assert (run.stage == study.stage).all()
    assert (run.predicted == data.labels).mean() == pytest.approx(study.summary.accuracy)
    assert run.cost / data.n_samples == pytest.approx(study.summary.cost)


def test_members_are_asked_only_where_rows_are_left(data: Predictions, cascade: Cascade) -> None:
    run = cascade.stages(data.n_samples)
    asked: list[int] = []
    for request in run:
        assert not set(asked) & set(request.members)
        asked += request.members
        request.answer([data.proba[member][request.rows] for member in request.members])
    assert run.reached[0] == data.n_samples
    assert list(run.reached) == sorted(run.reached, reverse=True)
    assert (run.proba == cascade.predict_proba(data.proba)).all()


def test_no_row_is_passed_on_where_all_are_sure(data: Predictions, cascade: Cascade) -> None:
    certain = np.eye(data.n_classes)[np.zeros((4, 5), dtype=int)]
    run = cascade.stages(5)
    requests = 0
    for request in run:
        requests += 1
        request.answer(certain[list(request.members)])
    assert requests == 1
    assert run.predicted.tolist() == [0] * 5


def test_a_stage_has_to_be_answered_once(data: Predictions, cascade: Cascade) -> None:
    run = iter(cascade.stages(3))
    request = next(run)
    with pytest.raises(UsageError, match=r"stage 1 was not answered: call answer\(…\)"):
        next(run)
    run = iter(cascade.stages(3))
    request = next(run)
    with pytest.raises(ShapeError, match="answers of stage 1 have shape"):
        request.answer(data.proba[: len(request.members), :2])
    with pytest.raises(ValueRangeError, match="expected"):
        request.answer(np.full((len(request.members), 3, 7), 0.5))
    request.answer(data.proba[list(request.members), :3])
    with pytest.raises(UsageError, match="answered already"):
        request.answer(data.proba[list(request.members), :3])


def test_a_saved_cascade_predicts_to_the_bit(data: Predictions, cascade: Cascade, tmp_path) -> None:
    cascade.save(tmp_path / "cascade.json")
    again = Cascade.load(tmp_path / "cascade.json")
    assert (again.predict_proba(data.proba) == cascade.predict_proba(data.proba)).all()
    assert again.steps == cascade.steps
    assert again.costs == cascade.costs
    again.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "cascade.json").read_bytes()


def test_a_promise_is_saved(tmp_path, data: Predictions) -> None:
    made = Cascade.fit(data.validation, alpha=0.05)
    made.save(tmp_path / "cascade.json")
    assert Cascade.load(tmp_path / "cascade.json").guarantee == made.guarantee


def change(document: dict, path: list, value: object) -> None:
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["confidence"], "sureness", "confidence is not one of"),
        (["stages"], [], "stages is not a list"),
        (["stages", 0, "threshold"], None, "stage 1 has the threshold None"),
        (["stages", 0, "threshold"], 1.5, "stage 1: threshold is not"),
        (["stages", 0, "threshold"], True, "stage 1: threshold is not"),
        (["stages", 0, "members"], ["nobody"], "stage 1 has the member 'nobody'"),
        (["stages", 0, "members"], [], "stage 1: members is not"),
        (["stages", 1, "members"], ["faceapi_expressionnet"], "stage 2 has not all members of the stage before"),
        (["costs"], {}, "costs: it has no unit"),
        (["costs", "members"], {"a": 1.0}, "costs are of other members"),
        (["costs", "members", "oarriaga_big_xception_54"], -1.0, "costs: members is not costs by member"),
        (["costs", "shared"], [{"members": ["x"], "cost": 1.0}], "shared work of members"),
        (["guarantee"], {"risk": "is wrong"}, "guarantee: it has no"),
        (["schema"], "ensembler.cascade-recipe/9", "expected 'ensembler.cascade-recipe/1'"),
        (["ensemble", "n_classes"], 8, "damaged"),
        (["ensemble", "state"], {}, "damaged"),
        (["surplus"], 1, "it has 'surplus'"),
        (["stages", 0, "threshold"], 0.123, "it was changed after it was saved"),
    ],
)
def test_a_changed_cascade_is_refused(path: list, value: object, message: str, data: Predictions, tmp_path) -> None:
    file = tmp_path / "cascade.json"
    Cascade.fit(data.validation, costs=[1.0, 2.0, 3.0, 4.0], target=0.66).save(file)
    document = json.loads(file.read_text())
    change(document, path, value)
    file.write_text(json.dumps(document))
    with pytest.raises(FileError, match=message):
        Cascade.load(file)


def test_a_recipe_is_no_cascade(tmp_path, data: Predictions) -> None:
    from ensembler import Recipe, SimpleAverage

    Recipe.of(SimpleAverage().fit(data.proba, data.labels), data).save(tmp_path / "recipe.json")
    with pytest.raises(FileError, match="a file that `ensembler cascade --save` wrote"):
        Cascade.load(tmp_path / "recipe.json")


def test_shared_work_is_paid_once(data: Predictions) -> None:
    costs = Costs((1.0, 1.0, 1.0, 1.0), "seconds", (SharedCost((0, 1), 8.0),))
    assert costs.full == 12
    made = Cascade.fit(data.validation, costs=costs)
    run = made.run(data.proba)
    assert run.cost == pytest.approx(sum(costs.of(inside_of(made, stage))[0] for stage in run.stage))


def inside_of(cascade: Cascade, stage: int) -> np.ndarray:
    inside = np.zeros((1, cascade.n_members), dtype=bool)
    inside[0, list(cascade.steps[stage].members)] = True
    return inside


def test_a_file_of_costs_is_read(tmp_path) -> None:
    path = tmp_path / "costs.json"
    path.write_text('{"unit": "ms", "members": {"b": 2, "a": 1.5}, "shared": [{"members": ["b", "a"], "cost": 4}]}')
    costs = Costs.of_file(path, ["a", "b"])
    assert costs == Costs((1.5, 2.0), "ms", (SharedCost((0, 1), 4.0),))
    assert costs.full == 7.5
    path.write_text('{"a": 1, "b": 2}')
    assert Costs.of_file(path, ["a", "b"]).members == (1.0, 2.0)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("[1, 2]", FileError, "expected costs by member"),
        ('{"a": 1}', FileError, "no cost of b"),
        ('{"a": 1, "b": -2}', ValueRangeError, "cost of b is -2, expected a number from 0 to 1e"),
        ('{"a": 0, "b": 0}', ValueRangeError, "every member costs 0"),
        ('{"a": 1, "b": true}', ValueRangeError, "cost of b is True"),
        ('{"members": {"a": 1, "b": 1}, "extra": 1}', FileError, "has 'extra'"),
        ('{"members": {"a": 1, "b": 1}, "shared": [{"members": ["c"], "cost": 1}]}', UnknownNameError, "'c'"),
        ('{"members": {"a": 1, "b": 1}, "shared": [{"cost": 1}]}', FileError, "shared has"),
        ('{"members": {"a": 1, "b": 1}, "unit": 7}', ValueRangeError, "unit is 7"),
    ],
)
def test_a_file_of_costs_that_cannot_be_is_refused(text: str, error: type, message: str, tmp_path) -> None:
    path = tmp_path / "costs.json"
    path.write_text(text)
    with pytest.raises(error, match=message):
        Costs.of_file(path, ["a", "b"])


def test_costs_come_from_the_metadata_or_are_equal(data: Predictions) -> None:
    assert Costs.of_set(data).unit == "parameters"
    assert Costs.of_set(data.replace(metadata=[{}] * 4)).members == (1.0,) * 4
    assert Costs.of_set(data.replace(metadata=[{"ms": member + 1} for member in range(4)]), "ms").full == 10
    with pytest.raises(UsageError, match=r"ms: no number above 0 for .*; figures that all members have: "):
        Costs.of_set(data, "ms")


@pytest.mark.parametrize("rule", ["stacking", "median"])
def test_rules_without_weights_to_freeze_are_refused(rule: str, data: Predictions) -> None:
    with pytest.raises(NotApplicableError, match="no sums of what members add"):
        Cascade.fit(data.validation, rule)


def test_one_member_is_a_cascade_of_one_stage(data: Predictions) -> None:
    alone = data.pick([0])
    study = study_cascades(alone)
    assert [len(stage.members) for stage in study.summary.stages] == [1]
    assert study.summary.cost_share == 1
    with pytest.raises(NotApplicableError, match="nothing to pass rows on to"):
        Cascade.fit(alone.validation, alpha=0.1)


def test_hard_labels_with_missing_votes_have_cascades() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(3, size=200)
    votes = np.where(generator.random((4, 200)) < 0.7, labels, generator.integers(3, size=(4, 200)))
    missing = generator.random((4, 200)) < 0.1
    proba = np.where(missing[:, :, None], 0.0, np.eye(3)[votes])
    rows = Predictions(proba, labels, hard=[True] * 4, missing=missing)
    study = study_cascades(rows, "majority-vote", CascadeOptions.of(confidence="agreement", match="full"))
    assert study.summary.accuracy > 0.6
    run = Cascade(**vars(study.definition)).stages(200)
    for request in run:
        request.take(proba[list(request.members)][:, request.rows])
    assert run.reached[0] == 200


def test_cross_fitted_rows_are_answered_without_their_fold(data: Predictions) -> None:
    few = data.validation.take(np.arange(0, 3589, 6))
    study = study_cascades(few, "accuracy-weighted", CascadeOptions.of(budget=0.5), folds=3)
    assert study.protocol.fit_on == "cross"
    assert study.summary.val_accuracy >= study.summary.accuracy - 0.02
    # By hand: each fold by the cascade of the others.
    from ensembler import Split
    from ensembler.deployment.cascades.fitting import fit_cascade

    split = Split.of(few, fit_on="cross", folds=3)
    correct = np.zeros(few.n_samples, dtype=bool)
    for train, rest in split.folds.pairs:
        options = CascadeOptions.of(budget=0.5)
        made = fit_cascade(few.take(train), "accuracy-weighted", options, n_folds=3).definition
        correct[rest] = Cascade(**vars(made)).predict(few.proba[:, rest]) == few.labels[rest]
    assert correct.mean() == pytest.approx(study.summary.accuracy)


def test_figures_do_not_depend_on_the_labels_that_are_scored(data: Predictions) -> None:
    turned = data.replace(labels=np.random.default_rng(0).permutation(data.labels), validation=data.validation)
    first, second = study_cascades(data), study_cascades(turned)
    assert first.definition.steps == second.definition.steps
    assert [point.stages for point in first.front] == [point.stages for point in second.front]


def test_row_weights_count(data: Predictions) -> None:
    weight = np.random.default_rng(1).choice([0.5, 2.0], size=data.n_samples)
    weighted = data.replace(sample_weight=weight)
    study = study_cascades(weighted, "mean", CascadeOptions.of(budget=0.5))
    run = Cascade(**vars(study.definition)).run(data.proba)
    correct = run.predicted == data.labels
    assert study.summary.accuracy == pytest.approx(np.average(correct, weights=weight))
    assert study.summary.against_full.p_value is None
    of_class, passed = data.labels == 1, run.stage > 0
    share = next(share for share in study.summary.by_class if share.name == data.classes[1])
    assert share.escalated == pytest.approx(np.average(passed[of_class], weights=weight[of_class]))
    for value, rows in ((share.accuracy_stopped, of_class & ~passed), (share.accuracy_escalated, of_class & passed)):
        assert value == pytest.approx(np.average(correct[rows], weights=weight[rows]))
    together = sum(share.escalated * weight[data.labels == number].sum() for number, share in by_number(study))
    assert study.summary.reached[1] == pytest.approx(together / weight.sum())


def by_number(study: CascadeStudy) -> list[tuple[int, ClassShare]]:
    """Pair what is said of classes with their numbers."""
    return [(study.predictions.classes.index(share.name), share) for share in study.summary.by_class]

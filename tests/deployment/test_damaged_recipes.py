"""A recipe whose file was changed predicts as before, or is refused in one sentence."""

import copy
import json
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest

from ensembler import Abstention, Predictions, PredictionSets, SimpleAverage
from ensembler.combiners.balanced import Balanced
from ensembler.combiners.base import Combiner
from ensembler.combiners.calibrated import Calibrated
from ensembler.combiners.registry import all_rules, family_rules
from ensembler.combiners.wrapped import WrappedRule
from ensembler.comparison.compare import fit_rule
from ensembler.deployment.recipe import Recipe
from ensembler.errors import FileError, NotApplicableError, ValueRangeError
from tests.conftest import draw

pytestmark = pytest.mark.filterwarnings("ignore::ensembler.errors.FitWarning")

SMALLER = {
    "exponential-weighted": "exponential-weighted:q_step=40",
    "greedy": "greedy:n_steps=4,n_bags=2",
    "hierarchical-committee": 'hierarchical-committee:groups=[[0,1],[1,2]],rules=["accuracy-weighted","majority-vote"]',
}
AS_KNOP = {"knora-e", "knora-u", "lca", "ola"}  # what they keep is what knop keeps
NAMES = [*(name for name in family_rules("all") if name not in AS_KNOP), "fixed-weights:weights=[3,2,1]"]
RULES = [(SMALLER.get(name, name), {}) for name in NAMES]
RULES += [
    ("class-weighted", {"calibrate": "members"}),
    ("log-pool:bias=true", {"calibrate": "ensemble"}),
    ("accuracy-weighted", {"balance": "auto"}),
    ("stacking", {"calibrate": "ensemble", "balance": 0.5}),
]
ANSWERS = {
    "abstention": Abstention("agreement", 0.6, 0.2, 0.05, 45),
    "prediction_sets": PredictionSets("raps", 0.1, (0.9, float("inf"), 0.7), True, True, 3, 0.01, 1, 45),
}
RULES += [
    ("mean", {"abstention": Abstention("top-probability", 0.7)}),
    ("accuracy-weighted", ANSWERS),
    ("log-pool", {"prediction_sets": PredictionSets("lac", 0.1, (0.8, 0.8, 0.8), n_rows=45)}),
]
SCALARS = [None, "x", -1, 0, 10**30, 0.25, True, [], {}, {"dtype": "float64", "array": "nan"}]
SCALARS += [{"dtype": "float64", "array": "inf"}, {"dtype": "S2000000000", "array": ["x"]}]
PROBA, LABELS = draw(3, n_members=3, n_samples=45, n_classes=3)


@pytest.fixture(scope="module")
def data():
    return Predictions(PROBA, LABELS, names=["a", "b", "c"], class_names=["x", "y", "z"])


def saved(rule, options, data, path):
    """Return the document of a rule that is fitted and saved, and what it predicts."""
    answers = {name: value for name, value in options.items() if name in ANSWERS}
    fitted = fit_rule(data, rule, **{name: value for name, value in options.items() if name not in ANSWERS})
    recipe = Recipe.of(fitted, data, **answers)
    recipe.save(path)
    np.testing.assert_array_equal(recipe.predict(PROBA).proba, fitted.predict_proba(PROBA))
    return json.loads(path.read_text()), recipe.predict(PROBA)


def places(value, path=()):
    """Yield the paths of all values in a document, of long lists the first and the last one only."""
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for index in sorted({0, len(value) - 1} & set(range(len(value)))):
            yield from places(value[index], (*path, index))


def mutations(document):
    """Yield changed copies of a document."""
    for path in places(document):
        if not path:
            continue
        *above, last = path
        for new in [*SCALARS, *changed_containers(reach(document, path))]:
            changed = copy.deepcopy(document)
            reach(changed, above)[last] = new
            yield changed
        changed = copy.deepcopy(document)
        del reach(changed, above)[last]
        yield changed
        if isinstance(last, str):
            changed = copy.deepcopy(document)
            reach(changed, above)["predict_proba"] = 1
            yield changed


def reach(value, path):
    for step in path:
        value = value[step]
    return value


def changed_containers(value):
    """Return a list with an entry more, a dictionary of other types."""
    if isinstance(value, list):
        return [[*value, *value[-1:]], value[::-1], [value], "abc"]
    if isinstance(value, dict) and "dtype" in value:
        return [{**value, "dtype": dtype} for dtype in ("int8", "float32", "U5", "object", "S2000000000", "O", ["x"])]
    return []


@pytest.mark.parametrize(("rule", "options"), RULES, ids=[f"{rule} {[*options]}" for rule, options in RULES])
def test_any_change_is_refused_or_changes_nothing(rule, options, data, tmp_path):
    path = tmp_path / "ensemble.json"
    document, expected = saved(rule, options, data, path)
    n_refused = 0
    for number, changed in enumerate(mutations(document)):
        # Without its checksum a recipe is what somebody means; it has to make sense all the same.
        meant = {name: value for name, value in changed.items() if name != "sha256"}
        for variant in (meant, changed) if number % 5 == 0 else (meant,):
            path.write_text(json.dumps(variant))
            try:
                found = Recipe.load(path).predict(PROBA)
            except FileError as error:
                n_refused += 1
                assert str(error).startswith(f"{path}: ")
                assert "\n" not in str(error)
                continue
            assert found.proba.shape == expected.proba.shape
            np.testing.assert_allclose(found.proba.sum(axis=1), 1.0, atol=1e-6)
            assert (found.proba >= 0).all()
            assert set(found.labels.tolist()) <= {-1, 0, 1, 2}
            assert found.sets is None or found.sets.shape == (45, 3)
            if "sha256" in variant:
                np.testing.assert_array_equal(found.proba, expected.proba)
                np.testing.assert_array_equal(found.labels, expected.labels)
                np.testing.assert_array_equal(found.sets, expected.sets)
    assert n_refused > 100


@pytest.mark.parametrize("rule", [*all_rules().values(), Calibrated, Balanced])
def test_every_rule_says_what_it_fits(rule):
    assert "fitted_state" in vars(rule)


FAULTS = {
    "null": (lambda state: values(state).__setitem__(0, None), "_multipliers holds 'None', expected float values"),
    "infinite": (lambda state: values(state).__setitem__(0, nonfinite("inf")), "_multipliers holds inf, expected numb"),
    "missing": (lambda state: values(state).__setitem__(0, nonfinite("nan")), "_multipliers holds nan, expected numb"),
    "negative": (lambda state: values(state).__setitem__(1, -0.5), "_multipliers holds -0.5, expected numbers from"),
    "short": (lambda state: values(state).pop(), r"_multipliers has shape \(2,\), expected \(3\)"),
    "long": (lambda state: values(state).append(1.0), r"_multipliers has shape \(4,\), expected \(3\)"),
    "two axes": (lambda state: multipliers(state, array=[[1.0], [1.0], [1.0]]), r"_multipliers has shape \(3, 1\)"),
    "text": (lambda state: state.__setitem__("_multipliers", "x"), "_multipliers is a str, expected an array"),
    "texts": (lambda state: multipliers(state, dtype="U5", array=["a", "b", "c"]), "_multipliers has dtype 'U5'"),
    "huge type": (lambda state: multipliers(state, dtype="S2000000000"), "_multipliers has dtype 'S2000000000'"),
    "small type": (lambda state: multipliers(state, dtype="int8"), "_multipliers has dtype 'int8', expected float64"),
    "zeros": (lambda state: multipliers(state, array=[0.0, 0.0, 0.0]), "_multipliers holds 0, expected numbers from"),
    "method": (lambda state: state.__setitem__("scores", 1.0), "the state has 'scores', which the rule does not fit"),
    "extra": (lambda state: state.__setitem__("other_", 1.0), "the state has 'other_', which the rule does not fit"),
    "absent": (lambda state: state.pop("_multipliers"), "the state has no _multipliers"),
    "no size": (lambda state: state.pop("n_members_"), "the state has no n_members_"),
    "truth": (lambda state: state.__setitem__("n_classes_", True), "n_classes_ is True, expected a whole number"),
}


def values(state):
    return state["_multipliers"]["array"]


def multipliers(state, **entries):
    state["_multipliers"].update(entries)


def nonfinite(text):
    return {"dtype": "float64", "array": text}


@pytest.mark.parametrize("fault", FAULTS)
def test_messages_name_what_is_wrong(fault, data, tmp_path, run):
    change, message = FAULTS[fault]
    path = tmp_path / "ensemble.json"
    document, _ = saved("accuracy-weighted", {}, data, path)
    change(document["state"])
    path.write_text(json.dumps(document))
    tracemalloc.start()
    with pytest.raises(FileError, match=f"the recipe is damaged .accuracy-weighted: {message}"):
        Recipe.load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6
    data.save(tmp_path / "preds")
    told = run("predict", "--recipe", path, "--to", tmp_path / "preds", "--out", tmp_path / "out.npy")
    assert told.code == 1
    assert not (tmp_path / "out.npy").exists()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"calibrate": ["x"]}, "calibrate is not 'none', 'members' or 'ensemble'"),
        ({"class_names": ["a"]}, "class_names has 1 names, expected 3"),
        ({"class_names": ["a", "a", "b"]}, "class_names has 2 names, expected 3"),
        ({"class_names": [1, None, {}]}, "class_names is not null or a list of names"),
        ({"members": ["a", "a", "b"]}, "member"),
        ({"members": [1, 2, 3]}, "members is not a list of different names"),
        ({"members": "abc"}, "members is not a list of different names"),
        ({"hard": [False]}, "hard has 1 entries, expected one for each of 3 members"),
        ({"hard": "abc"}, "hard is not a list of true and false"),
        ({"hard": [0, 0, 0]}, "hard is not a list of true and false"),
        ({"n_classes": 3.0}, "n_classes is not a whole number"),
        ({"n_classes": 10**9}, "members and classes do not fit"),
        ({"parameters": []}, "parameters is not parameters by name"),
        ({"rule": ["mean"]}, "rule is not the name of a rule"),
        ({"state": None}, "state is not fitted values by name"),
        ({"balance": {"tau": 1}}, "balance is not null, or tau and metric"),
        ({"fitted_on": {"rows": "many"}}, "fitted_on is not a number of rows"),
        ({"fitted_on": {"sha256": {"a": "12"}}}, "fitted_on is not a number of rows"),
        ({"note": 1}, "it has 'note', expected schema"),
        ({"ensembler": "9.9.9"}, 'it was changed after it was saved; if that was meant, delete its line "sha256"'),
    ],
)
def test_entries_are_checked(entries, message, data, tmp_path):
    path = tmp_path / "ensemble.json"
    document, _ = saved("accuracy-weighted", {}, data, path)
    path.write_text(json.dumps({**document, **entries}))
    with pytest.raises(FileError, match=message):
        Recipe.load(path)


@pytest.mark.parametrize(
    ("name", "entries", "message"),
    [
        ("abstention", {"threshold": -0.1}, "abstention: threshold is -0.1, expected a number from 0 to 2"),
        ("abstention", {"threshold": None}, "abstention: threshold is None, expected a number"),
        ("abstention", {"confidence": "sureness"}, "abstention: confidence is 'sureness', expected top-probability"),
        ("abstention", {"risk": 1.5}, "abstention: risk is 1.5"),
        ("abstention", {"n_rows": 0.5}, "abstention: n_rows is 0.5, expected a whole number"),
        ("abstention", {"share": 1}, "abstention: the state has 'share', which the rule does not fit"),
        ("prediction_sets", {"quantiles": [0.9, 0.9]}, "prediction_sets: quantiles has 2 entries, expected 3"),
        ("prediction_sets", {"quantiles": [0.9, 0.9, "x"]}, "prediction_sets: quantiles is 'x', expected a number"),
        ("prediction_sets", {"by_class": 1}, "prediction_sets: by_class is 1, expected true or false"),
        ("prediction_sets", {"by_class": False}, "the quantiles of classes differ, expected one for all"),
        ("prediction_sets", {"alpha": 0}, "alpha is 0.0, expected a number between 0 and 1"),
        ("prediction_sets", {"score": "hinge"}, "prediction_sets: score is 'hinge', expected lac, aps, raps"),
        ("prediction_sets", {"score": "lac"}, "lac is not randomised"),
        ("prediction_sets", {"seed": -1}, "prediction_sets: seed is -1"),
    ],
)
def test_answers_and_sets_are_checked(name, entries, message, data, tmp_path):
    path = tmp_path / "ensemble.json"
    document, _ = saved("mean", ANSWERS, data, path)
    path.write_text(json.dumps({**document, name: {**document[name], **entries}}))
    with pytest.raises(FileError, match=message):
        Recipe.load(path)


def test_a_list_is_neither_an_abstention_nor_a_set(data, tmp_path):
    path = tmp_path / "ensemble.json"
    document, _ = saved("mean", ANSWERS, data, path)
    for name, expected in (("abstention", "a threshold of confidence"), ("prediction_sets", "quantiles of scores")):
        path.write_text(json.dumps({**document, name: [1]}))
        with pytest.raises(FileError, match=f"{name} is not null, or {expected}"):
            Recipe.load(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 200_000, "nested deeper than 64"),
        ('{"schema": ' + '{"a":' * 100 + "1" + "}" * 101, "nested deeper than 64"),
        ('{"schema": [' + "[]," * 1_000_001 + "1]}", "more than 1,000,000"),
        ('{"schema": "ensembler.recipe/3", "schema": 1}', "the key 'schema' stands there twice"),
        ('{"schema": NaN}', "NaN is no JSON number"),
        ('{"schema": 1e999}', "no recipe"),
        ('{"schema": "\\ud800"}', "no recipe"),
        ('{"schema": ' + "9" * 5000 + "}", "no recipe"),
        ('{"schema": "' + '\\"' * 200_000, "no recipe"),
        ("\ufeff{}", "no recipe"),
    ],
)
def test_json_is_read_strictly(text, message, tmp_path):
    path = tmp_path / "ensemble.json"
    path.write_text(text)
    with pytest.raises(FileError, match=message):
        Recipe.load(path)


def test_a_file_is_read_up_to_a_bound(tmp_path, monkeypatch, data):
    monkeypatch.setattr("ensembler.deployment.document.MOST_BYTES", 1000)
    path = tmp_path / "ensemble.json"
    path.write_text('{"schema": "' + "x" * 1000)
    with pytest.raises(FileError, match="it is larger than 1,000 bytes"):
        Recipe.load(path)
    with pytest.raises(NotApplicableError, match="as JSON it is larger than 1,000 bytes"):
        Recipe.of(fit_rule(data, "stacking"), data).save(path)


def test_a_name_that_is_no_text_is_told(tmp_path):
    data = Predictions(PROBA, LABELS, names=["a", "b\udcff", "c"])
    with pytest.raises(NotApplicableError, match=r"'\\udcff' of a name is no text; rename it"):
        Recipe.of(fit_rule(data, "mean"), data).save(tmp_path / "ensemble.json")


def test_people_may_change_a_recipe(data, tmp_path):
    path = tmp_path / "ensemble.json"
    document, _ = saved("accuracy-weighted", {}, data, path)
    document["state"]["_multipliers"]["array"] = [0.5, 0.25, 0.25]
    del document["sha256"]
    path.write_text(json.dumps(document, indent=8, sort_keys=True))
    np.testing.assert_array_equal(Recipe.load(path).rule.weights_, [0.5, 0.25, 0.25])


@dataclass
class Foreign(Combiner):
    """A rule that does not say what it fits."""

    name = "foreign"
    source = "a test"

    def _fit(self, proba, labels, sample_weight):
        self.shift_ = np.bincount(labels, minlength=self.n_classes_).astype(float)
        self.note_ = ["plain", 1, None]

    def _scores(self, proba):
        return proba.sum(axis=0) + self.shift_


def test_a_rule_that_declares_nothing_is_restored_from_plain_values():
    rule = Foreign().fit(PROBA, LABELS)
    again = Foreign().restore(json.loads(json.dumps(rule.state())))
    np.testing.assert_array_equal(again.predict_proba(PROBA), rule.predict_proba(PROBA))
    assert again.note_ == rule.note_
    for name in ("scores", "name", "__class__", "fitted_state", "not a name"):
        with pytest.raises(ValueRangeError, match="which the rule does not fit"):
            Foreign().restore({**rule.state(), name: 1})
    rule.shift_ = np.array(["text"])
    with pytest.raises(NotApplicableError, match="shift_ is an array of str128, expected float64"):
        rule.state()


def test_what_a_plug_in_makes_of_a_changed_state_is_tried(data, tmp_path, monkeypatch):
    known = {**all_rules(), "foreign": Foreign}
    monkeypatch.setattr("ensembler.deployment.recipe.all_rules", lambda: known)
    path = tmp_path / "ensemble.json"
    Recipe.of(Foreign().fit(PROBA, LABELS), data).save(path)
    document = json.loads(path.read_text())
    del document["sha256"]
    for value in (nonfinite("nan"), "text", None, {"dtype": "float64", "array": [1.0, 2.0]}):
        path.write_text(json.dumps({**document, "state": {**document["state"], "shift_": value}}))
        with pytest.raises(FileError, match="the recipe is damaged"):
            Recipe.load(path)


def test_a_rule_whose_state_is_not_what_it_declares_is_not_saved(data):
    rule = fit_rule(data, "simplex")
    rule.weights_ = [1e250, 0, 0]
    with pytest.raises(NotApplicableError, match="simplex: weights_ holds 1e\\+250"):
        rule.state()


def test_rows_are_checked_before_they_are_written(run, write_set, tmp_path, monkeypatch):
    home = write_set(n_members=3, n_samples=80, n_classes=3)
    recipe, out = tmp_path / "ensemble.json", tmp_path / "out.npy"
    assert run("predict", home, "--rule", "mean", "--save", recipe).code == 0

    def spoilt(self, scores):
        proba = scores / scores.sum(axis=-1, keepdims=True)
        if len(proba) > 3:
            proba[7] *= 1.00001
        return proba

    monkeypatch.setattr("ensembler.combiners.base.Combiner.to_proba", spoilt)
    told = run("predict", "--recipe", recipe, "--to", home / "val", "--out", out)
    assert told.code == 1
    assert "predictions of mean: row 7 is [" in told.err
    assert "expected probabilities that sum to 1" in told.err
    told = run("predict", home, "--rule", "mean", "--to", home / "val", "--out", out)
    assert told.code == 1
    assert not out.exists()


@dataclass
class Around(WrappedRule):
    """A wrapper of somebody else, which declares nothing of its own."""

    reported = ("share_",)

    def _fit(self, proba, labels, sample_weight):
        self.rule_ = self.rule.fit(proba, labels)
        self.share_ = 0.5

    def _scores(self, proba):
        return self.rule_.scores(proba)


def test_a_wrapper_that_declares_nothing_is_restored_too():
    rule = Around(SimpleAverage()).fit(PROBA, LABELS)
    again = Around(SimpleAverage()).restore(json.loads(json.dumps(rule.state())))
    np.testing.assert_array_equal(again.predict_proba(PROBA), rule.predict_proba(PROBA))
    assert again.share_ == 0.5
    with pytest.raises(ValueRangeError, match="mean: fitted to 2 members and 3 classes, expected 3 and 3"):
        Around(SimpleAverage()).restore({**rule.state(), "rule": {"n_members_": 2, "n_classes_": 3}})

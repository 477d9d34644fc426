"""A fitted ensemble survives as a file, to the last bit."""

import json

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from ensembler import (
    Abstention,
    BestMember,
    ClassWeightedAverage,
    FixedWeights,
    HierarchicalCommittee,
    Predictions,
    PredictionSets,
    SimpleAverage,
    Stacking,
)
from ensembler.combiners.registry import family_rules
from ensembler.comparison.compare import fit_rule
from ensembler.deployment.recipe import Recipe
from ensembler.errors import FileError, NotApplicableError, NotFittedError, ShapeError
from tests.conftest import draw


@pytest.fixture(scope="module")
def data():
    proba, labels = draw(0, n_members=4, n_samples=240, n_classes=3)
    facts = [{"architecture": "deep" if member % 2 else "shallow"} for member in range(4)]
    common = {"names": ["a", "b", "c", "d"], "class_names": ["x", "y", "z"], "metadata": facts}
    fitting = Predictions(proba[:, :120], labels[:120], **common)
    return Predictions(proba[:, 120:], labels[120:], validation=fitting, **common)


@pytest.mark.filterwarnings("ignore::ensembler.errors.FitWarning")
@pytest.mark.parametrize("calibrate", ["none", "members", "ensemble"])
@pytest.mark.parametrize("name", [*family_rules("all"), 'fixed-weights:weights={"a":3,"c":1}'])
def test_every_rule_comes_back_to_the_last_bit(name, calibrate, data, tmp_path):
    rule = fit_rule(data, name, calibrate=calibrate)
    Recipe.of(rule, data.validation).save(tmp_path / "ensemble.json")
    again = Recipe.load(tmp_path / "ensemble.json")
    np.testing.assert_array_equal(again.predict_proba(data.proba), rule.predict_proba(data.proba))
    assert (again.names, again.class_names, again.hard) == (data.names, data.class_names, (False,) * 4)
    assert again.fitted_on["rows"] == 120
    assert again.fitted_on["sha256"]["a"] == data.validation.digests[0]
    assert again.rule.fitted() == rule.fitted()
    assert again.rule.n_fitted() == rule.n_fitted()


def test_two_classes_and_one_strength(tmp_path):
    proba, labels = draw(1, n_members=3, n_samples=90, n_classes=2)
    rows = Predictions(proba, labels)
    rule = Stacking(strengths=[0.1]).fit(proba, labels)
    Recipe.of(rule, rows).save(tmp_path / "s.json")
    again = Recipe.load(tmp_path / "s.json")
    np.testing.assert_array_equal(again.predict_proba(proba), rule.predict_proba(proba))
    assert again.rule.strengths == [0.1]


def test_a_class_without_fitting_rows_is_no_obstacle_to_strict_json(tmp_path):
    proba, labels = draw(1, n_members=3, n_samples=90, n_classes=3)
    labels = np.where(labels == 2, 1, labels)
    rule = ClassWeightedAverage().fit(proba, labels)
    assert np.isnan(rule.quality_).any()
    Recipe.of(rule, Predictions(proba, labels)).save(tmp_path / "w.json")
    assert "NaN" not in (tmp_path / "w.json").read_text()
    again = Recipe.load(tmp_path / "w.json").rule
    np.testing.assert_array_equal(again.quality_, rule.quality_)
    np.testing.assert_array_equal(again.predict_proba(proba), rule.predict_proba(proba))


def test_a_committee_of_objects(tmp_path):
    proba, labels = draw(1, n_members=3, n_samples=90, n_classes=3)
    rule = HierarchicalCommittee(groups=[[0, 1], [1, 2]], rules=(SimpleAverage(), "majority-vote")).fit(proba, labels)
    Recipe.of(rule, Predictions(proba, labels)).save(tmp_path / "c.json")
    np.testing.assert_array_equal(Recipe.load(tmp_path / "c.json").predict_proba(proba), rule.predict_proba(proba))


def test_what_cannot_be_saved_is_told(tmp_path):
    proba, labels = draw(1, n_members=3, n_samples=90, n_classes=3)
    rows = Predictions(proba, labels)
    own = Stacking(final_estimator=GaussianNB()).fit(proba, labels)
    with pytest.raises(NotApplicableError, match="final_estimator is GaussianNB"):
        Recipe.of(own, rows).save(tmp_path / "r.json")
    with pytest.raises(NotApplicableError, match="stacking with a GaussianNB cannot be saved"):
        own.state()
    by_function = BestMember(metric=lambda labels, proba: (proba.argmax(-1) == labels).mean()).fit(proba, labels)
    with pytest.raises(NotApplicableError, match="best-member cannot be saved: metric is"):
        Recipe.of(by_function, rows).save(tmp_path / "r.json")
    with pytest.raises(NotFittedError, match="mean is not fitted yet"):
        Recipe.of(SimpleAverage(), rows).save(tmp_path / "r.json")
    assert not (tmp_path / "r.json").exists()


def test_damaged_files_are_told(data, tmp_path):
    path = tmp_path / "ensemble.json"
    Recipe.of(fit_rule(data, "stacking"), data.validation).save(path)
    whole = json.loads(path.read_text())

    def changed(**values):
        path.write_text(json.dumps({**whole, **values}))
        return path

    for text, message in (
        ("", "no recipe"),
        ("[1]", "no recipe"),
        ("{}", "no recipe"),
        ("\x80\x04pickle", "no recipe"),
    ):
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(FileError, match=message):
            Recipe.load(path)
    for values, message in (
        ({"schema": "ensembler.recipe/9"}, "another version"),
        ({"rule": "magic"}, "rule 'magic' is not known here"),
        ({"parameters": {"power": 3}}, "damaged"),
        ({"state": {}}, "damaged"),
        ({"members": ["a"]}, "members and classes do not fit"),
        ({"calibrate": "twice"}, "damaged"),
    ):
        with pytest.raises(FileError, match=message):
            Recipe.load(changed(**values))
    with pytest.raises(FileError, match="no such file"):
        Recipe.load(tmp_path / "none.json")
    with pytest.raises(ShapeError, match=r"proba has 2 members and 3 classes, expected 4 \(a, b, c, d\) and 3"):
        Recipe.load(changed()).predict_proba(data.proba[:2])


def test_saved_once_and_used_without_the_predictions(run, write_set, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    home = write_set(n_members=3, n_samples=80, n_classes=3)
    new = home / "val"
    told = run("predict", home, "--rule", "exponential-weighted", "--calibrate", "ensemble", "--save", "ensemble.json")
    assert told.code == 0
    assert told.err.endswith("fitted on 80 rows, saved as ensemble.json\n")
    run("predict", home, "--rule", "exponential-weighted", "--calibrate", "ensemble", "--to", new, "--out", "a.npy")
    assert run("predict", "--recipe", "ensemble.json", "--to", new, "--out", "b.npy").code == 0
    np.testing.assert_array_equal(np.load("a.npy"), np.load("b.npy"))


def test_rules_that_keep_their_fitting_rows_make_large_files_whose_size_is_said(run, write_set, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    home = write_set(n_members=4, n_samples=1500, n_classes=8)
    told = run("predict", home, "--rule", "knora-e", "--save", "e.json", "--to", home / "val", "--out", "a.npy")
    assert f"saved as e.json ({(tmp_path / 'e.json').stat().st_size / 1e6:.1f} MB), predicted 1,500 rows" in told.err
    assert run("predict", "--recipe", "e.json", "--to", home / "val", "--out", "b.npy").code == 0
    np.testing.assert_array_equal(np.load("a.npy"), np.load("b.npy"))
    told = run("export", "e.json", "--format", "python", "--out", "e.py")
    assert told.code == 1
    assert "knora-e cannot be exported: it compares new rows with the 1,500 fitting rows that it keeps" in told.err


def test_only_recipes_are_replaced(run, write_set, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    home = write_set(n_members=3, n_samples=80, n_classes=3)
    facts = home / "facts.json"
    facts.write_text('{"class_names": ["a", "b", "c"]}')
    told = run("predict", home, "--rule", "mean", "--save", facts)
    assert told.code == 2
    assert "is there already and is no recipe, so it stays" in told.err
    assert facts.read_text() == '{"class_names": ["a", "b", "c"]}'
    assert run("predict", home, "--rule", "mean", "--save", "e.json").code == 0
    assert run("predict", home, "--rule", "median", "--save", "e.json").code == 0
    assert Recipe.load("e.json").rule.name == "median"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "which rule?"),
        (["--rule", "mean"], "nothing to do with the fitted rule"),
        (["--rule", "mean", "--to", "preds/val"], "--to and --out belong together"),
        (["--rule", "mean", "--save", "ensemble.txt"], "expected a file that ends in .json"),
        (["--rule", "mean", "--save", "e.json", "--proba"], "--proba has no effect without --to"),
        (["--recipe", "e.json", "--rule", "mean", "--to", "preds/val", "--out", "b.npy"], "--rule has no effect"),
        (["preds", "--recipe", "e.json", "--to", "preds/val", "--out", "b.npy"], "PATHS has no effect with --recipe"),
        (["--recipe", "e.json"], "--recipe needs rows to predict"),
    ],
)
def test_wrong_usage(run, write_set, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    write_set(n_members=3, n_samples=80, n_classes=3)
    result = run("predict", *arguments)
    assert result.code == 2
    assert message in result.err


def test_members_of_weight_zero_need_not_be_there(run, write_set, tmp_path):
    home = write_set()
    weights = 'fixed-weights:weights={"m0":3,"m2":1}'
    recipe, out = tmp_path / "ensemble.json", tmp_path / "out.npy"
    assert run("predict", home, "--rule", weights, "--save", recipe, "--to", home / "val", "--out", out).code == 0
    new = tmp_path / "new"
    new.mkdir()
    for name in ("m0", "m2"):
        (new / f"{name}.npy").write_bytes((home / "val" / f"{name}.npy").read_bytes())
    again = tmp_path / "again.npy"
    (new / "m1.npy").write_bytes(b"junk that nothing depends on")
    result = run("predict", "--recipe", recipe, "--to", new, "--out", again)
    assert result.code == 0, result.err
    np.testing.assert_array_equal(np.load(again), np.load(out))
    (new / "m2.npy").unlink()
    result = run("predict", "--recipe", recipe, "--to", new, "--out", tmp_path / "third.npy")
    assert result.code == 1
    assert "no predictions of member 'm2' (missing: 1 of 2)" in result.err
    assert "m1.npy: not a .npy file" in result.err
    assert not (tmp_path / "third.npy").exists()


def test_answers_and_sets_come_back(data, tmp_path):
    rule = fit_rule(data, "accuracy-weighted")
    proba = rule.predict_proba(data.validation.proba)
    abstention = Abstention("mutual-information", 0.9, 0.2, 0.05, 120)
    sets = PredictionSets.fit(proba, data.validation.true_labels, score="aps", randomised=True, by_class=True, seed=5)
    recipe = Recipe.of(rule, data.validation, abstention, sets)
    recipe.save(tmp_path / "e.json")
    again = Recipe.load(tmp_path / "e.json")
    assert (again.abstention, again.prediction_sets) == (abstention, sets)
    found, expected = again.predict(data.proba), recipe.predict(data.proba)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.sets, expected.sets)
    np.testing.assert_array_equal(found.answered, abstention.answers(found.proba, data.proba))
    assert 0 < found.answered.mean() < 1
    assert (found.labels[~found.answered] == -1).all()
    with pytest.raises(NotApplicableError, match="leaves rows without an answer, which a scikit-learn"):
        again.to_estimator()
    with pytest.raises(NotApplicableError, match="has prediction sets, which a scikit-learn classifier"):
        Recipe.of(rule, data.validation, None, sets).to_estimator()


def test_only_members_that_are_read_agree(tmp_path):
    proba, labels = draw(1, n_members=3, n_samples=90, n_classes=3)
    rule = FixedWeights([1, 0, 1]).fit(proba, labels)
    recipe = Recipe.of(rule, Predictions(proba, labels), Abstention("agreement", 0.6))
    proba[1] = 0.25
    found = recipe.answer(proba, recipe.predict_rows(proba))
    votes = (proba[[0, 2]].argmax(-1) == found.proba.argmax(-1)).mean(axis=0)
    np.testing.assert_array_equal(found.confidence, votes)

"""The shift against the class prior: by its formula, by the study's figures, and in every place that asks for it."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from ensembler import MajorityVote, Metric, Predictions, Recipe, SimpleAverage, compare_rules
from ensembler.combiners.balanced import TAUS, Balanced
from ensembler.combiners.calibrated import Calibrated
from ensembler.comparison.compare import fit_rule
from ensembler.errors import FileError, NotFittedError, ParameterError
from ensembler.predictions.bundled import published_folder
from ensembler.report.balance import ShiftEffect, shift_table, unshifted_proba
from tests.conftest import draw


def draw_rare(seed=0, n_members=3, n_samples=200, keep=0.2):
    """Draw a set whose last class is rare."""
    proba, labels = draw(seed, n_members=n_members, n_samples=n_samples)
    kept = (labels < 3) | (np.random.default_rng(seed).random(n_samples) < keep)
    return proba[:, kept], labels[kept]


def renormalised(data):
    proba = data.proba.astype(np.float64)
    return proba / proba.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize(("tau", "n_correct", "balanced"), [(0, 2462, 0.6651), (0.5, 2452, 0.6910)])
def test_figures_of_the_published_networks(fer, tau, n_correct, balanced):
    rule = Balanced(SimpleAverage(), tau).fit(renormalised(fer.validation), fer.validation.true_labels)
    proba = renormalised(fer)
    assert (rule.predict(proba) == fer.true_labels).sum() == n_correct
    assert rule.score(proba, fer.true_labels, metric="balanced-accuracy") == pytest.approx(balanced, abs=5e-5)
    [same] = compare_rules(fer, ["mean"], balance=tau, n_resamples=0).rules
    assert same.metrics["accuracy"] == n_correct / 3589
    assert same.metrics["balanced-accuracy"] == pytest.approx(balanced, abs=5e-5)


@settings(deadline=None)
@given(st.floats(0, 3, allow_subnormal=False), st.integers(0, 50))
def test_the_formula_row_by_row(tau, seed):
    proba, labels = draw(seed, n_members=2, n_samples=30, n_classes=3)
    weight = np.random.default_rng(seed).uniform(0.5, 2, 30)
    rule = Balanced(SimpleAverage(), tau).fit(proba, labels, weight)
    weight *= 30 / weight.sum()
    prior = [(weight[labels == c].sum() + 1) / 33 for c in range(3)]
    assert rule.prior_ == pytest.approx(prior)
    for row, found in zip(np.moveaxis(proba, 1, 0), rule.predict_proba(proba), strict=True):
        odds = row.mean(axis=0) * np.array(prior) ** -tau
        assert found == pytest.approx(odds / odds.sum(), rel=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("metric", "score"),
    [("balanced-accuracy", balanced_accuracy_score), ("macro-f1", lambda *a, **k: f1_score(*a, **k, average="macro"))],
)
@pytest.mark.parametrize("seed", range(4))
def test_auto_is_the_best_of_the_grid_and_of_equals_the_smallest(metric, score, seed, weighted):
    proba, labels = draw_rare(seed)
    weight = np.random.default_rng(seed).uniform(0, 3, len(labels)) if weighted else None
    rule = Balanced(SimpleAverage(), "auto", metric).fit(proba, labels, weight)
    fixed = [Balanced(SimpleAverage(), tau).fit(proba, labels, weight).predict(proba) for tau in TAUS]
    values = [round(score(labels, predicted, sample_weight=weight), 10) for predicted in fixed]
    assert rule.tau_ == TAUS[int(np.argmax(values))]
    assert max(values) >= values[0]
    assert rule.fitted()["tau"] == rule.tau_


def test_the_grid_goes_from_0_to_2_by_twentieths():
    assert [round(tau, 2) for tau in TAUS] == [round(0.05 * step, 2) for step in range(41)]
    assert list(TAUS) == [float(f"{step / 20:.2f}") for step in range(41)]


def test_rows_of_weight_zero_are_not_there():
    proba, labels = draw_rare(3)
    weight = np.where(np.arange(len(labels)) < 100, 0.0, 5.0)
    some = Balanced(SimpleAverage()).fit(proba, labels, weight)
    rest = Balanced(SimpleAverage()).fit(proba[:, 100:], labels[100:])
    np.testing.assert_array_equal(some.prior_, rest.prior_)
    np.testing.assert_array_equal(some.predict_proba(proba), rest.predict_proba(proba))


def test_equal_class_counts_shift_nothing():
    proba, _ = draw(2, n_members=2, n_samples=40)
    labels = np.repeat(np.arange(4), 10)
    rule = Balanced(SimpleAverage(), "auto").fit(proba, labels)
    assert rule.tau_ == 0
    rule = Balanced(SimpleAverage(), 1.3).fit(proba, labels)
    assert rule.predict_proba(proba) == pytest.approx(SimpleAverage().predict_proba(proba))


def test_the_more_the_shift_the_more_a_rare_class_is_predicted():
    proba, labels = draw_rare(1)
    counts = [(Balanced(SimpleAverage(), tau).fit(proba, labels).predict(proba) == 3).sum() for tau in (0, 0.5, 1, 100)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1] == len(labels)


def test_a_class_of_probability_zero_or_without_a_vote_stays_out():
    proba = np.zeros((3, 4, 3))
    proba[:, :, 0] = 1.0
    proba[2, 0] = [0.0, 1.0, 0.0]
    labels = np.array([0, 0, 0, 1])
    rule = Balanced(MajorityVote(), 100).fit(proba, labels)
    assert rule.predict(proba).tolist() == [1, 0, 0, 0]
    assert (rule.predict_proba(proba)[:, 2] == 0).all()
    assert np.isfinite(rule.predict_proba(proba)).all()


def test_hard_labels_are_shifted_as_votes():
    proba, labels = draw_rare(5, n_members=5)
    hard = Predictions(np.eye(4)[proba.argmax(axis=-1)], labels, hard=[True] * 5)
    [vote] = compare_rules(hard, ["majority-vote"], balance=0.8, fit_on="test", n_resamples=0).rules
    votes = np.array([(proba.argmax(axis=-1) == c).sum(axis=0) for c in range(4)]).T
    np.testing.assert_allclose(vote.proba, (odds := votes * vote.rule.prior_**-0.8) / odds.sum(axis=1, keepdims=True))


def test_temperatures_come_before_the_shift(fer):
    both = fit_rule(fer, "mean", calibrate="members", balance=0.5)
    assert isinstance(both, Balanced)
    assert isinstance(both.rule_, Calibrated)
    inside = fit_rule(fer, "mean", calibrate="members").predict_proba(fer.proba)
    expected = inside * both.prior_**-0.5
    np.testing.assert_allclose(both.predict_proba(fer.proba), expected / expected.sum(axis=1, keepdims=True))
    assert set(both.fitted()) == {"weights", "temperatures", "tau", "prior"}
    assert both.n_fitted() == 9 + 7
    assert fit_rule(fer, "mean", balance="auto").n_fitted() == 7 + 1


def test_no_shift_leaves_a_comparison_as_it_was(fer):
    rules = ["mean", "majority-vote", "exponential-weighted"]
    plain = compare_rules(fer, rules, n_resamples=0)
    zero = compare_rules(fer, rules, n_resamples=0, balance=0.0)
    for entry in plain.rules:
        np.testing.assert_array_equal(zero[entry.name].proba, entry.proba)
        assert zero[entry.name].metrics == entry.metrics
        assert zero[entry.name].gain == entry.gain
        assert (entry.tau, zero[entry.name].tau) == (None, 0.0)
    assert (zero.chosen, zero.luckiest) == (plain.chosen, plain.luckiest)


@pytest.mark.parametrize(
    ("metric", "fitted_for"),
    [
        ("accuracy", "balanced-accuracy"),
        ("macro-f1", "macro-f1"),
        (["macro-f1", "accuracy"], "macro-f1"),
        ("log-loss", "balanced-accuracy"),
        (Metric.of(lambda labels, proba: 0.0, name="own"), "balanced-accuracy"),
    ],
)
def test_what_tau_is_fitted_for(metric, fitted_for):
    proba, labels = draw_rare(4)
    data = Predictions(proba, labels)
    result = compare_rules(data, ["mean"], metric=metric, balance="auto", fit_on="test", n_resamples=0)
    assert result.rules[0].rule.metric == fitted_for
    assert result.best_member.rule.metric == fitted_for


def test_scored_rows_are_not_seen():
    proba, labels = draw_rare(6)
    fitting = Predictions(proba[:, :90], labels[:90])
    given = {"validation": fitting}
    first = compare_rules(Predictions(proba[:, 90:], labels[90:], **given), ["mean"], balance="auto", n_resamples=0)
    others = np.roll(labels[90:], 1)
    second = compare_rules(Predictions(proba[:, 90:], others, **given), ["mean"], balance="auto", n_resamples=0)
    np.testing.assert_array_equal(first["mean"].proba, second["mean"].proba)


def test_tau_and_prior_are_cross_fitted():
    proba, labels = draw_rare(7)
    result = compare_rules(Predictions(proba, labels), ["mean"], balance="auto", n_resamples=0)
    entry = result["mean"]
    for rule, (train, rest) in zip(entry.fold_rules, result.split.folds.pairs, strict=True):
        same = Balanced(SimpleAverage()).fit(proba[:, train], labels[train])
        assert same.tau_ == rule.tau_
        np.testing.assert_array_equal(same.predict_proba(proba[:, rest]), entry.proba[rest])
    assert entry.to_dict()["tau_by_fold"] == [rule.tau_ for rule in entry.fold_rules]
    plain = compare_rules(Predictions(proba, labels), ["mean"], n_resamples=0)
    np.testing.assert_allclose(unshifted_proba(result, entry), plain["mean"].proba, atol=1e-15)
    member = unshifted_proba(result, result.best_member)
    np.testing.assert_array_equal(member, plain.best_member.proba)


@pytest.mark.parametrize("calibrate", ["none", "members", "ensemble"])
@pytest.mark.parametrize("balance", [0.0, 0.35, "auto"])
@pytest.mark.parametrize("name", ["mean", "stacking", "exponential-weighted", "majority-vote"])
def test_a_recipe_comes_back_to_the_last_bit(name, balance, calibrate, tmp_path):
    proba, labels = draw_rare(8)
    data = Predictions(proba, labels)
    rule = fit_rule(data, name, calibrate=calibrate, balance=balance)
    Recipe.of(rule, data).save(tmp_path / "ensemble.json")
    again = Recipe.load(tmp_path / "ensemble.json")
    np.testing.assert_array_equal(again.predict_proba(proba), rule.predict_proba(proba))
    assert again.rule.fitted() == rule.fitted()
    assert again.rule.n_fitted() == rule.n_fitted()


def test_recipes_that_are_older_or_damaged(tmp_path):
    proba, labels = draw_rare(8)
    data, path = Predictions(proba, labels), tmp_path / "ensemble.json"
    Recipe.of(fit_rule(data, "mean"), data).save(path)
    document = json.loads(path.read_text())
    assert document.pop("balance") is None
    path.write_text(json.dumps(document))
    np.testing.assert_array_equal(Recipe.load(path).predict_proba(proba), SimpleAverage().predict_proba(proba))
    Recipe.of(fit_rule(data, "mean", balance=0.5), data).save(path)
    document = json.loads(path.read_text())
    for balance in (3, {"tau": -1}, {"tau": 0.5, "metric": "accuracy"}, {"power": 2}):
        path.write_text(json.dumps({**document, "balance": balance}))
        with pytest.raises(FileError, match="damaged"):
            Recipe.load(path)
    with pytest.raises(NotFittedError, match="before you save it"):
        Recipe.of(Balanced(SimpleAverage()), data).save(path)


@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf, 100.5, "much", "0.5", True, [0.5]])
def test_values_that_cannot_be(value, fer):
    shown = str(value).replace("[", r"\[").replace("]", r"\]")
    with pytest.raises(ParameterError, match=f"balance is '?{shown}'?, expected 'auto' or a number from 0 to 100"):
        compare_rules(fer, ["mean"], balance=value)
    with pytest.raises(ParameterError, match=f"balance is '?{shown}'?, expected"):
        fit_rule(fer, "mean", balance=value)
    proba, labels = draw()
    with pytest.raises(ParameterError, match=f"mean: tau is '?{shown}'?, expected 'auto' or a number from 0 to 100"):
        Balanced(SimpleAverage(), value).fit(proba, labels)


def test_metrics_that_tau_is_not_fitted_for():
    proba, labels = draw()
    with pytest.raises(ParameterError, match="metric is 'accuracy', expected 'balanced-accuracy' or 'macro-f1'"):
        Balanced(SimpleAverage(), metric="accuracy").fit(proba, labels)
    with pytest.raises(ParameterError, match="mean learns from labels, got none"):
        Balanced(SimpleAverage()).fit(proba)


def test_what_the_shift_does_is_measured_on_one_fit(fer):
    plain = compare_rules(fer, ["mean"], n_resamples=0)
    result = compare_rules(fer, ["mean"], n_resamples=0, balance=0.5)
    effect = ShiftEffect.of(result)
    np.testing.assert_array_equal(effect.before.recall, plain["mean"].recall)
    np.testing.assert_array_equal(effect.after.recall, result["mean"].recall)
    np.testing.assert_array_equal(effect.best_member.recall, plain.best_member.recall)
    assert [fer.classes[label] for label in effect.losing_classes()] == ["Disgust", "Fear"]
    table = shift_table(result)
    assert [row[0] for row in table.rows] == ["Disgust", "Fear", "accuracy", "balanced accuracy"]
    assert [cell.strip() for cell in table.rows[0]] == ["Disgust", "55", ".7273", ".6545 ↓", ".8545"]
    assert [cell.strip() for cell in table.rows[2]] == ["accuracy", "3,589", ".6682", ".6860", ".6832"]
    assert [cell.strip() for cell in table.rows[3]] == ["balanced accuracy", "3,589", ".6607", ".6651", ".6910"]
    assert table.headers[-1] == "with shift\nτ = .50"


def test_of_many_classes_those_lost_most_are_listed():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(60), 10)
    good = np.eye(60)[labels] * 3 + rng.gumbel(size=(600, 60))
    members = np.exp([good, good + 2.5 * rng.gumbel(size=good.shape)])
    members /= members.sum(axis=-1, keepdims=True)
    result = compare_rules(Predictions(members, labels), ["mean"], balance=0.3, fit_on="test", n_resamples=0)
    table, losing = shift_table(result), ShiftEffect.of(result).losing_classes()
    assert len(losing) > 20
    assert len(table.rows) == 20 + 2
    assert f"{len(losing) - 20} more of these classes are not shown (--json has all recalls)" in table.notes


def test_the_page_says_it(fer):
    page = compare_rules(fer, ["mean", "median"], n_resamples=0, balance="auto").to_html()
    assert "τ is fitted with each rule, for balanced-accuracy" in re.sub("<[^>]*>", "", page)
    assert "What the shift does to" in page


PUBLISHED = published_folder()
RULES = ["--rule", "mean", "--rule", "exponential-weighted", "--resamples", "0"]


def test_bench(run):
    done = run("bench", PUBLISHED, *RULES, "--balance", "0.5")
    assert done.code == 0, done.err
    assert "What the shift does to exponential-weighted" in done.out
    assert "best member that gains are measured against; τ is given" in " ".join(done.out.split())
    document = json.loads(run("bench", PUBLISHED, *RULES, "--balance", "0.5", "--json").out)
    assert document["balance"] == 0.5
    assert [entry["tau"] for entry in document["combiners"]] == [0.5, 0.5]
    assert sum(document["combiners"][0]["fitted"]["prior"]) == pytest.approx(1)
    mean = next(entry for entry in document["combiners"] if entry["name"] == "mean")
    assert round(mean["accuracy"] * document["n_rows"]) == 2452
    document = json.loads(run("bench", PUBLISHED, *RULES, "--balance", "auto", "--json").out)
    assert document["balance"] == "auto"
    assert {entry["tau"] for entry in document["combiners"]} <= set(TAUS)
    plain = run("bench", PUBLISHED, *RULES)
    assert "shift" not in plain.out
    document = json.loads(run("bench", PUBLISHED, *RULES, "--json").out)
    assert document["balance"] is None
    assert [entry["tau"] for entry in document["combiners"]] == [None, None]


def test_predict_and_recipe(run, write_set, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    home = write_set(n_members=3, n_samples=80)
    command = ["predict", home, "--rule", "mean", "--to", home / "val"]
    done = run(*command, "--balance", "0.5", "--save", "e.json", "--out", "a.npy")
    assert done.code == 0, done.err
    assert done.err.startswith("mean: fitted on 80 rows, tau 0.5, saved as e.json")
    assert run("predict", "--recipe", "e.json", "--to", home / "val", "--out", "b.npy").code == 0
    np.testing.assert_array_equal(np.load("a.npy"), np.load("b.npy"))
    assert run(*command, "--out", "c.npy").code == 0
    assert not np.allclose(np.load("a.npy"), np.load("c.npy"))
    document = json.loads(run("bench", home, "--rule", "mean", "--balance", "auto", "--json").out)
    done = run(*command, "--balance", "auto", "--out", "d.npy")
    assert f"tau {document['combiners'][0]['tau']:g}" in done.err
    done = run("predict", "--recipe", "e.json", "--balance", "0", "--to", home / "val", "--out", "b.npy")
    assert done.code == 2
    assert "--balance has no effect with --recipe" in done.err


@pytest.mark.parametrize(
    ("value", "shown"), [("-1", "-1.0"), ("nan", "nan"), ("inf", "inf"), ("much", "'much'"), ("", "''")]
)
@pytest.mark.parametrize("command", ["bench", "predict"])
def test_wrong_usage(run, command, value, shown, tmp_path):
    rest = ["--rule", "mean", "--save", tmp_path / "e.json"] if command == "predict" else []
    done = run(command, PUBLISHED, *rest, f"--balance={value}")
    assert done.code == 2
    assert f"balance is {shown}, expected 'auto' or a number from 0 to 100" in done.err
    assert not (tmp_path / "e.json").exists()

"""Comparisons of hard members that leave rows unanswered."""

import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, recall_score

from ensembler import Predictions, compare_rules
from ensembler.arrays import one_hot
from ensembler.comparison.protocol import Split
from ensembler.metrics import METRICS
from ensembler.metrics.intervals import wilson
from ensembler.predictions.diagnosis import checks
from ensembler.predictions.diagnosis.changes import compare_two, side_by_side
from ensembler.predictions.diagnosis.hard_rows import contested_rows, count_votes, missed_rows
from ensembler.ranking.measurement import compare_with_mean
from ensembler.report.bench import members_table
from ensembler.report.compare import changes_document, describe_changes
from ensembler.report.diversity import diversity_document
from ensembler.report.explain import votes_table
from ensembler.report.members import describe_set, members_document, summarize_set

C = 3

pytestmark = pytest.mark.filterwarnings("ignore")


def make(seed, n_rows=200, **more):
    rng = np.random.default_rng(seed)
    labels = rng.choice(C, n_rows, p=[0.2, 0.5, 0.3])
    skill = np.array([0.5, 0.6, 0.7, 0.8])[:, None]
    votes = np.where(rng.random((4, n_rows)) < skill, labels, rng.integers(0, C, (4, n_rows)))
    votes[rng.random(votes.shape) < [[0.0], [0.3], [0.5], [0.4]]] = -1
    votes[:, [5, 17, 101]] = -1
    proba = np.stack([one_hot(member, C) for member in votes])
    names = ["every", "some", "half", "best"]
    return Predictions(proba, labels, names=names, hard=[True] * 4, missing=votes == -1, **more)


@pytest.fixture(scope="module")
def data():
    return make(0, validation=make(1))


@pytest.fixture(scope="module")
def result(data):
    return compare_rules(data, n_resamples=200)


def prior_of(labels):
    return (np.bincount(labels, minlength=C) + 1) / (len(labels) + C)


def test_rules_that_cannot_are_left_out_with_the_reason(result, data):
    reasons = dict(result.left_out)
    n_missing = int(data.missing.sum() + data.validation.missing.sum())
    assert reasons["median"] == "needs probabilities, and some members are hard labels"
    assert reasons["super-learner"] == f"needs every vote, and {n_missing} are missing"
    ran = {rule.name for rule in result.rules}
    assert ran >= {"mean", "accuracy-weighted", "class-weighted", "exponential-weighted", "majority-vote"}
    assert ran >= {"weighted-vote", "best-member", "greedy"}
    complete = data.take(np.flatnonzero(data.answered.all(axis=0)))
    only_fitting = complete.replace(validation=data.validation)
    n_missing = int(data.validation.missing.sum())
    left_out = compare_rules(only_fitting, ["mean", "super-learner"], n_resamples=0).left_out
    assert left_out == (("super-learner", f"needs every vote, and {n_missing} are missing"),)


def test_members_by_scikit_learn(result, data):
    largest = data.votes.copy()
    largest[data.missing] = prior_of(data.validation.labels).argmax()
    for member, votes, alone in zip(result.members, data.votes, largest, strict=True):
        there = votes >= 0
        assert member.metrics["accuracy"] == pytest.approx(accuracy_score(data.labels, votes))
        assert member.answered_accuracy == pytest.approx(accuracy_score(data.labels[there], votes[there]))
        assert member.n_missing == (~there).sum()
        assert member.metrics["balanced-accuracy"] == pytest.approx(balanced_accuracy_score(data.labels, alone))
        assert member.metrics["macro-f1"] == pytest.approx(f1_score(data.labels, alone, average="macro"))
        expected = recall_score(data.labels, votes, labels=range(C), average=None)
        np.testing.assert_allclose(member.recall, expected)
        assert member.interval == wilson(int((votes == data.labels).sum()), len(votes))
        for name in ("log-loss", "brier", "ece"):
            assert np.isnan(member.metrics[name])
    fitted = [accuracy_score(data.validation.labels, votes) for votes in data.validation.votes]
    assert [member.fit_accuracy for member in result.members] == pytest.approx(fitted)
    assert result.oracle == (data.votes == data.labels).any(axis=0).mean()


def test_the_document(result, data):
    document = json.loads(json.dumps(result.to_dict()))
    assert document["n_unanswered"] == 3
    assert [member["missing"] for member in document["members"]] == data.n_missing.tolist()
    assert document["members"][0]["answered_accuracy"] == pytest.approx(data.answered_accuracy[0])
    assert document["combiners"][0]["log-loss"] is None


def test_every_rule_gives_unanswered_rows_the_prior_of_the_fitting_rows(result, data):
    for rule in [*result.rules, result.best_member]:
        np.testing.assert_allclose(rule.proba[[5, 17, 101]], [prior_of(data.validation.labels)] * 3, err_msg=rule.name)
        np.testing.assert_allclose(rule.proba.sum(axis=1), 1)


def test_in_cross_fitting_the_prior_is_that_of_the_other_folds(data):
    split = Split.of(data.replace(validation=None), fit_on="cross", seed=1)
    result = compare_rules(split.predictions, ["mean", "weighted-vote"], split=split, n_resamples=0)
    for train, rest in split.folds.pairs:
        for row in np.intersect1d(rest, [5, 17, 101]):
            for rule in result.rules:
                np.testing.assert_allclose(rule.proba[row], prior_of(data.labels[train]))


@pytest.mark.parametrize("fit_on", ["val", "cross", "part"])
def test_rules_are_tested_against_the_same_mean_whether_it_is_among_them(data, fit_on):
    with_mean = compare_rules(data, ["weighted-vote", "mean"], fit_on=fit_on, n_resamples=200)
    without = compare_rules(data, ["weighted-vote"], fit_on=fit_on, n_resamples=200)
    assert without["weighted-vote"].against_mean.difference == with_mean["weighted-vote"].against_mean.difference
    differences = compare_with_mean(Split.of(data, fit_on=fit_on), ["mean"], METRICS["accuracy"])
    assert differences["mean"].value == 0


def test_tables_show_both_accuracies(result, data):
    table = members_table(result)
    assert table.headers[2:4] == ["acc. of\nanswered", "missing"]
    assert any(note.startswith("no member answers 3 of the rows") for note in table.notes)
    summary = summarize_set(data)
    plain = describe_set(summary, data)
    assert plain["n_unanswered"] == 3
    assert [member["missing"] for member in plain["members"]] == data.n_missing.tolist()
    parts = members_document(summary).parts
    assert "No member answers 3 of the rows" in parts[0]
    complete = data.take(np.flatnonzero(data.answered.all(axis=0)))
    assert "missing" not in members_document(summarize_set(complete)).parts[2].headers
    assert "missing" not in members_table(compare_rules(complete, ["mean"], fit_on="test", n_resamples=0)).headers


def test_votes_are_counted_without_missing_ones(data):
    votes = count_votes(data)
    assert votes.sum(axis=1).tolist() == data.answered.sum(axis=0).tolist()
    proba = compare_rules(data, ["mean"], fit_on="test", n_resamples=0)["mean"].proba
    # Nobody answers these, so that nobody misses them.
    assert not {row.row for row in missed_rows(data, proba, 200)} & {5, 17, 101}
    first = contested_rows(data, proba, 1)[0]
    shares = votes[first.row][votes[first.row] > 0] / votes[first.row].sum()
    assert first.value == pytest.approx(-(shares * np.log2(shares)).sum())
    table = votes_table(data, 5, "mean", 1)
    assert [row[1] for row in table.rows] == ["–"] * 4
    assert [row[4] for row in table.rows] == [""] * 4


def test_checks_say_what_is_missing(data):
    found = {(finding.code, finding.subject): finding for finding in checks.quick(data)}
    missing = data.n_missing.tolist()
    assert found["missing-votes", "some"].message == f"member 'some' leaves {missing[1]} of 200 rows unanswered"
    assert found["missing-votes", "some"].severity == "info"
    assert found["missing-votes", "half"].severity == ("warning" if missing[2] >= 100 else "info")
    assert found["unanswered-rows", "rows"].message == "no member answers 3 of 200 rows"
    assert found["unanswered-rows", "rows"].severity == "warning"


def test_checks_do_not_take_a_missing_vote_for_the_first_class():
    """Members that only ever answer rows of other classes are not taken for copies, or for wrong ones."""
    labels = np.tile([0, 1, 2], 40)
    votes = np.stack([labels, np.where(labels == 0, -1, labels), np.where(labels == 0, -1, (labels + 1) % 3)])
    proba = np.stack([one_hot(member, 3) for member in votes])
    data = Predictions(proba, labels, hard=[True] * 3, missing=votes == -1)
    right = [finding.subject for finding in checks.quick(data) if finding.code == "always-right"]
    assert right == ["member-0"]
    nobody = Predictions(proba[1:2], labels, hard=[True], missing=votes[1:2] == -1)
    codes = {finding.code for finding in (*checks.quick(nobody), *checks.critical(nobody))}
    assert "always-right" not in codes
    assert "no-better-than-largest-class" not in codes


def test_two_predictions_with_missing_votes(data):
    parts = [data.pick([0]).replace(validation=None), data.pick([1]).replace(validation=None)]
    both = side_by_side(parts, ["a", "b"])
    np.testing.assert_array_equal(both.votes, data.votes[:2])
    from ensembler.combiners.missing_votes import class_prior, fill_unanswered

    probas = tuple(fill_unanswered(member, class_prior(data.labels, None, C)) for member in both.proba)
    changes = compare_two(both, both.names, probas, hard=True, n_resamples=200)
    alone = np.where(data.votes[:2] == -1, prior_of(data.labels).argmax(), data.votes[:2])
    assert changes.metrics[0].first == pytest.approx(accuracy_score(data.labels, alone[0]))
    text = changes_document(changes, both).parts[-1]
    counts = data.n_missing.tolist()
    assert text.startswith(
        f"Unanswered rows ({counts[0]} of every (a), {counts[1]} of some (b)) are taken for the most"
    )
    assert describe_changes(changes, both)["missing"] == {"every (a)": counts[0], "some (b)": counts[1]}


def test_diversity_says_how_it_is_measured(data):
    from ensembler.predictions.diagnosis.diversity import measure_diversity

    parts = diversity_document(measure_diversity(data), data, "disagreement").parts
    assert parts[1].startswith(f"{data.missing.sum()} votes are missing: a pair is measured on the rows that both have")

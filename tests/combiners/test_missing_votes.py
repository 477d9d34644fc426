"""Rules where hard members leave rows unanswered: a missing vote adds nothing to any sum."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from ensembler.arrays import one_hot
from ensembler.combiners.balanced import Balanced
from ensembler.combiners.base import clone
from ensembler.combiners.registry import all_rules, make_rule
from ensembler.errors import NotApplicableError, ValueRangeError
from tests.oracles import crowd_kit

ORACLE = json.loads((Path(__file__).parents[1] / "oracles" / "crowd_kit.json").read_text())

pytestmark = pytest.mark.filterwarnings("ignore::ensembler.errors.FitWarning")

C = 4
TAKING = [
    "mean",
    "accuracy-weighted",
    "class-weighted",
    "exponential-weighted",
    "majority-vote",
    "weighted-vote",
    "best-member",
    "fixed-weights:weights=[1.0,2.0,0.5,1.5,3.0]",
    "greedy",
    'hierarchical-committee:groups=[[0,1,2],[2,3,4]],rules=["mean","majority-vote"]',
    'hierarchical-committee:groups=[[0,1,2],[2,3,4]],rules=["accuracy-weighted","exponential-weighted"]',
    'blend:rules=["mean","majority-vote"]',
    "naive-bayes",
    "recall",
    "behaviour-knowledge-space",
    "dawid-skene",
]


def draw_votes(seed=0, n_members=5, n_samples=150, share=0.3, n_classes=C):
    """Draw votes of unequal skill, -1 where they are missing, and labels of unequal frequency."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(n_classes, n_samples, p=np.arange(n_classes, 0, -1) / sum(range(n_classes + 1)))
    skill = np.linspace(0.4, 0.8, n_members)[:, None]
    votes = np.where(
        rng.random((n_members, n_samples)) < skill, labels, rng.integers(0, n_classes, (n_members, n_samples))
    )
    votes[rng.random(votes.shape) < share] = -1
    votes[:, 3] = -1
    return votes, labels


def encode(votes, n_classes=C):
    return np.stack([one_hot(member, n_classes) for member in votes]), votes == -1


def fit(text, votes, labels, **more):
    proba, missing = encode(votes)
    return make_rule(text).fit(proba, labels, missing=missing, **more)


def prior_of(labels, n_classes=C):
    return (np.bincount(labels, minlength=n_classes) + 1) / (len(labels) + n_classes)


@pytest.fixture(params=TAKING)
def text(request):
    return request.param


def test_which_rules_take_missing_votes():
    taking = {name for name, rule in all_rules().items() if rule.takes_missing_votes}
    assert taking == {
        "mean",
        "accuracy-weighted",
        "class-weighted",
        "exponential-weighted",
        "majority-vote",
        "weighted-vote",
        "best-member",
        "fixed-weights",
        "greedy",
        "naive-bayes",
        "recall",
        "behaviour-knowledge-space",
        "dawid-skene",
    }
    for name in ("median", "product", "max", "min", "trimmed-mean", "borda", "stacking", "log-pool", "loss-weighted"):
        assert make_rule(name).needs_every_vote()
    assert make_rule('blend:rules=["mean","median"]').needs_every_vote()
    assert make_rule('hierarchical-committee:groups=[[0,1]],rules=["mean","borda"]').needs_every_vote()
    assert Balanced(make_rule("max")).needs_every_vote()
    assert not Balanced(make_rule("mean")).needs_every_vote()


def test_a_row_without_a_vote_has_the_class_prior(text):
    votes, labels = draw_votes()
    rule = fit(text, votes, labels)
    some = np.full((5, 3), -1)
    some[:, 1] = 3
    proba, missing = encode(some)
    found = rule.predict_proba(proba, missing=missing)
    np.testing.assert_allclose(found[[0, 2]], [prior_of(labels)] * 2, rtol=1e-12)
    assert rule.predict(proba, missing=missing).tolist() == [int(np.bincount(labels).argmax()), 3, 0]
    shifted = Balanced(make_rule(text), tau=2.0).fit(*encode(votes)[:1], labels, missing=votes == -1)
    np.testing.assert_allclose(
        shifted.predict_proba(proba, missing=missing)[[0, 2]], [prior_of(labels)] * 2, rtol=1e-12
    )


def test_the_prior_is_kept_where_nothing_was_missing_in_the_fit(text):
    votes, labels = draw_votes(share=0.0)
    votes[:, 3] = 2
    none, missing = encode(np.full((5, 1), -1))
    rule = fit(text, votes, labels)
    np.testing.assert_allclose(rule.predict_proba(none, missing=missing), [prior_of(labels)], rtol=1e-12)
    saved = json.loads(json.dumps(rule.state()))
    again = clone(rule).restore(saved)
    np.testing.assert_array_equal(again.predict_proba(none, missing=missing), rule.predict_proba(none, missing=missing))


def test_nothing_missing_changes_nothing(text):
    votes, labels = draw_votes(share=0.0)
    votes[:, 3] = 2
    proba, missing = encode(votes)
    rule, declared = make_rule(text).fit(proba, labels), make_rule(text).fit(proba, labels, missing=missing)
    np.testing.assert_array_equal(declared.scores(proba, missing=missing), rule.scores(proba))
    np.testing.assert_array_equal(declared.predict_proba(proba), rule.predict_proba(proba))
    assert declared.fitted() == rule.fitted() or str(declared.fitted()) == str(rule.fitted())


def test_rows_of_weight_zero_are_not_there(text):
    votes, labels = draw_votes()
    weight = np.ones(len(labels))
    weight[100:] = 0
    proba, missing = encode(votes)
    whole = make_rule(text).fit(proba, labels, weight, missing=missing)
    part = make_rule(text).fit(proba[:, :100], labels[:100], missing=missing[:, :100])
    np.testing.assert_array_equal(
        whole.predict_proba(proba, missing=missing), part.predict_proba(proba, missing=missing)
    )


def test_output_is_on_the_simplex_and_agrees_with_scores(text):
    votes, labels = draw_votes(1)
    proba, missing = encode(votes)
    rule = fit(text, votes, labels)
    scores, output = rule.scores(proba, missing=missing), rule.predict_proba(proba, missing=missing)
    assert (output >= 0).all()
    np.testing.assert_allclose(output.sum(axis=-1), 1.0, atol=1e-12)
    np.testing.assert_array_equal(output.argmax(-1), scores.argmax(-1))


def test_order_of_members_is_irrelevant():
    votes, labels = draw_votes(2)
    order = np.random.default_rng(0).permutation(5)
    proba, missing = encode(votes)
    for text in TAKING[:6]:
        first = fit(text, votes, labels).predict_proba(proba, missing=missing)
        second = fit(text, votes[order], labels).predict_proba(proba[order], missing=missing[order])
        np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-12, err_msg=text)


some_votes = hnp.arrays(np.int64, st.tuples(st.integers(1, 5), st.integers(1, 8)), elements=st.integers(-1, C - 1))


@given(some_votes, st.data())
@settings(max_examples=150, deadline=None)
def test_a_missing_vote_leaves_the_member_out_of_the_row(votes, data):
    weights = data.draw(st.lists(st.floats(0.01, 10), min_size=len(votes), max_size=len(votes)))
    proba, missing = encode(votes)
    labels = np.zeros(votes.shape[1], dtype=int)
    for text in ("mean", "majority-vote", "majority-vote:ties=lowest", "fixed-weights"):
        parameters = {"weights": weights} if text == "fixed-weights" else {}
        rule = make_rule(text) if text != "fixed-weights" else all_rules()[text](**parameters)
        found = rule.fit(proba, labels, missing=missing).predict_proba(proba, missing=missing)
        for row in range(votes.shape[1]):
            there = np.flatnonzero(votes[:, row] >= 0)
            if not len(there):
                np.testing.assert_allclose(found[row], prior_of(labels))
                continue
            other = clone(rule)
            if text == "fixed-weights":
                other = all_rules()[text](weights=[weights[member] for member in there])
            np.testing.assert_allclose(
                found[row], other.fit(proba[there, row][:, None]).predict_proba(proba[there, row][:, None])[0]
            )


@given(some_votes, st.integers(0, 1000))
@settings(max_examples=100, deadline=None)
def test_weighted_votes_are_those_of_the_members_that_answer(votes, seed):
    labels = np.random.default_rng(seed).integers(0, C, votes.shape[1])
    proba, missing = encode(votes)
    if missing.all():
        with pytest.raises(NotApplicableError, match="weighted-vote learns from votes, and no member has answered any"):
            make_rule("weighted-vote").fit(proba, labels, missing=missing)
        return
    rule = make_rule("weighted-vote").fit(proba, labels, missing=missing)
    scores = rule.scores(proba, missing=missing)
    priors = prior_of(labels)
    for member, answers in enumerate(votes):
        rows = np.flatnonzero(answers >= 0)
        value = 0.0
        if len(rows):
            share = accuracy_score(labels[rows], answers[rows])
            share = min(max(share, 1 / (2 * len(rows))), 1 - 1 / (2 * len(rows)))
            value = np.log(share / (1 - share)) + np.log(C - 1)
        assert rule.vote_values_[member] == pytest.approx(value, abs=1e-12)
    for row in range(votes.shape[1]):
        expected = np.log(priors)
        for member, answers in enumerate(votes):
            if answers[row] >= 0:
                expected[answers[row]] += rule.vote_values_[member]
        np.testing.assert_allclose(scores[row], expected)


def test_weights_are_accuracies_on_answered_rows():
    votes, labels = draw_votes(3)
    votes[1] = -1
    rule = fit("accuracy-weighted", votes, labels)
    expected = [
        accuracy_score(labels[answers >= 0], answers[answers >= 0]) if (answers >= 0).any() else 1 / C
        for answers in votes
    ]
    np.testing.assert_allclose(rule.accuracy_, expected)
    weight = np.random.default_rng(0).uniform(0.1, 2, len(labels))
    rule = fit("accuracy-weighted", votes, labels, sample_weight=weight)
    for member in (0, 2, 3, 4):
        rows = votes[member] >= 0
        expected_share = accuracy_score(labels[rows], votes[member][rows], sample_weight=weight[rows])
        assert rule.accuracy_[member] == pytest.approx(expected_share)


@pytest.mark.parametrize(("by", "score"), [("recall", recall_score), ("precision", precision_score), ("f1", f1_score)])
def test_class_weights_are_of_answered_rows(by, score):
    votes, labels = draw_votes(4, n_samples=400)
    rule = fit(f"class-weighted:by={by}", votes, labels)
    for member, answers in enumerate(votes):
        rows = answers >= 0
        expected = score(labels[rows], answers[rows], average=None, labels=range(C), zero_division=0)
        floor = 1 / (2 * np.bincount(labels[rows], minlength=C) + 2)
        np.testing.assert_allclose(rule.quality_[member], np.maximum(expected, floor))
    np.testing.assert_allclose(rule.weights_, rule.quality_ / rule.quality_.sum(axis=0))


def test_a_class_that_a_member_has_no_answered_row_of():
    labels = np.array([0, 0, 1, 1, 2, 2, 0, 1])
    votes = np.array([[0, 0, 1, 1, -1, -1, 0, 1], [0, 1, 1, 1, 2, 2, 0, 0]])
    rule = fit("class-weighted", votes, labels)
    assert rule.quality_[0, 2] == 0.5
    assert np.isnan(rule.quality_[:, 3]).all()
    np.testing.assert_array_equal(rule.weights_[:, 3], [0.5, 0.5])


def test_exponent_is_tuned_on_rows_with_a_vote():
    votes, labels = draw_votes(5)
    rule = fit("exponential-weighted:q_min=-5,q_max=20,q_step=0.5", votes, labels)
    kept = np.flatnonzero((votes >= 0).any(axis=0))
    assert len(kept) < len(labels)
    for q, reached in zip(rule.q_grid_, rule.grid_accuracy_, strict=True):
        weights = rule.accuracy_**q / (rule.accuracy_**q).sum()
        right = 0
        for row in kept:
            scores = [sum(w for w, answers in zip(weights, votes, strict=True) if answers[row] == c) for c in range(C)]
            right += int(np.argmax(np.round(scores, 12))) == labels[row]
        assert reached == pytest.approx(right / len(kept), abs=1e-9), q
    assert rule.q_ == rule.q_grid_[rule.grid_accuracy_.argmax()]


def filled(votes, labels):
    """Return the votes with the most frequent class where they are missing: what a member alone predicts."""
    return np.where(votes == -1, np.bincount(labels).argmax(), votes)


@pytest.mark.parametrize("metric", ["accuracy", "macro-f1"])
def test_best_member_is_the_best_alone(metric):
    votes, labels = draw_votes(6)
    votes[0, np.flatnonzero(votes[0] != labels)] = -1
    votes[0, 10:] = -1
    rule = fit(f"best-member:metric={metric}", votes, labels)
    score = accuracy_score if metric == "accuracy" else lambda true, said: f1_score(true, said, average="macro")
    values = [score(labels, answers) for answers in filled(votes, labels)]
    assert rule.member_ == int(np.argmax(values)) != 0
    proba, missing = encode(votes)
    np.testing.assert_array_equal(rule.predict(proba, missing=missing), filled(votes, labels)[rule.member_])


@pytest.mark.parametrize("metric", ["accuracy", "macro-f1"])
def test_greedy_selection_in_plain_loops(metric):
    votes, labels = draw_votes(7, n_samples=101)
    rule = fit(f"greedy:metric={metric},n_steps=6,best_prefix=false", votes, labels)
    score = accuracy_score if metric == "accuracy" else lambda true, said: f1_score(true, said, average="macro")
    bag = np.zeros((len(labels), C))
    proba = encode(votes)[0]
    for member, reached in zip(rule.order_[0], rule.path_[0], strict=True):
        values = []
        for candidate in proba:
            sums = bag + candidate
            values.append(score(labels, np.where(sums.any(axis=1), sums.argmax(axis=1), prior_of(labels).argmax())))
        assert values[member] == pytest.approx(max(values))
        assert reached == pytest.approx(max(values))
        bag += proba[member]


def test_a_group_without_a_vote_has_none_above():
    votes = np.array([[-1, 0, 1], [-1, 0, -1], [2, 1, -1], [2, 1, -1], [2, -1, 0]])
    labels = np.array([2, 0, 1])
    proba, missing = encode(votes)
    groups = "groups=[[0,1],[2,3],[4]]"
    rule = make_rule(f'hierarchical-committee:{groups},rules=["majority-vote","majority-vote"]')
    rule.fit(proba, labels, missing=missing)
    # Row 0: two groups say 2. Row 1: one says 0, one says 1, a tie. Row 2: one says 1, one says 0, a tie.
    assert rule.predict(proba, missing=missing).tolist() == [2, 0, 0]
    np.testing.assert_allclose(rule.scores(proba, missing=missing), [[0, 0, 10, 0], [5, 5, 0, 0], [5, 5, 0, 0]])


def test_rules_that_need_every_vote_are_refused():
    votes, labels = draw_votes()
    proba, missing = encode(votes)
    for name in ("median", "product", "borda", "max"):
        with pytest.raises(NotApplicableError, match=f"{name} needs every vote, and {missing.sum()} are missing"):
            make_rule(name).fit(proba, labels, missing=missing)
    proba, missing = encode(np.array([[0, 1], [-1, 2]]))
    with pytest.raises(NotApplicableError, match="median needs every vote, and 1 is missing"):
        make_rule("median").scores(proba, missing=missing)


def test_zeros_are_refused_where_no_vote_is_said_to_be_missing(text):
    votes, labels = draw_votes()
    proba, missing = encode(votes)
    with pytest.raises(ValueRangeError, match="sums to 0, expected 1"):
        make_rule(text).fit(proba, labels)
    rule = make_rule(text).fit(proba, labels, missing=missing)
    for call in (rule.scores, rule.predict_proba, rule.predict):
        with pytest.raises(ValueRangeError, match="sums to 0, expected 1"):
            call(proba)
    soft, mask = np.full((5, 2, C), 0.25), np.zeros((5, 2), dtype=bool)
    soft[0, 0], mask[0, 0] = 0, True
    with pytest.raises(ValueRangeError, match="holds probabilities, and 1 votes are missing"):
        rule.scores(soft, missing=mask)
    expected = accuracy_score(labels, rule.predict(proba, missing=missing))
    assert rule.score(proba, labels, missing=missing) == pytest.approx(expected)


@pytest.mark.parametrize("stored", ORACLE["cases"], ids=lambda stored: f"seed {stored['case'][0]}")
def test_votes_are_those_of_crowd_kit(stored):
    assert [entry["case"] for entry in ORACLE["cases"]] == [list(case) for case in crowd_kit.CASES]
    votes, n_classes = crowd_kit.draw_votes(*stored["case"]), stored["case"][3]
    proba, missing = encode(votes, n_classes)
    weights = crowd_kit.weights_of(len(votes))
    for shares, rule in (("plain", make_rule("mean")), ("weighted", all_rules()["fixed-weights"](weights=weights))):
        kept = [row for row, share in enumerate(stored[shares]) if share is not None]
        assert kept == np.flatnonzero(~missing.all(axis=0)).tolist()
        expected = np.array([stored[shares][row] for row in kept])
        found = rule.predict_proba(proba, missing=missing)[kept]
        np.testing.assert_allclose(found[:, : expected.shape[1]], expected, atol=1e-11)
        if shares == "plain":
            ordered = np.sort(expected, axis=1)
            clear = ordered[:, -1] - ordered[:, -2] > 1e-9
            said = make_rule("majority-vote").predict(proba, missing=missing)[kept]
            assert clear.sum() > 20
            np.testing.assert_array_equal(said[clear], expected.argmax(axis=1)[clear])

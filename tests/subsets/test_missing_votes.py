"""Sweeps where votes are missing equal brute force: rows that a committee leaves unanswered have the class prior."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ensembler import Predictions, sweep_subsets
from ensembler.arrays import one_hot
from ensembler.combiners.base import clone
from ensembler.combiners.registry import make_rule
from ensembler.comparison.protocol import Split
from ensembler.errors import NotApplicableError, ShapeError
from ensembler.subsets.contributions import Contributions
from ensembler.subsets.evaluators import CountsByDoubling, CountsByWalk, IndividualCounts
from ensembler.subsets.kernel.counter import Counter
from ensembler.subsets.plan import make_plan
from ensembler.subsets.rules import Frozen
from ensembler.subsets.search import search_subsets
from ensembler.subsets.study import study_subsets
from ensembler.subsets.sweep import sweep_predictions

ADDITIVE = ("accuracy-weighted", "majority-vote", "majority-vote:ties=lowest", "mean", "weighted-vote")
FREEZABLE = ("class-weighted", "exponential-weighted")

pytestmark = pytest.mark.filterwarnings("ignore::ensembler.errors.FitWarning")


def draw(n_members, n_rows, n_classes, seed, soft=0):
    """Draw votes, -1 where missing; the first ``soft`` members have probabilities instead."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n_rows)
    votes = np.where(rng.random((n_members, n_rows)) < 0.5, labels, rng.integers(0, n_classes, (n_members, n_rows)))
    votes[rng.random(votes.shape) < 0.45] = -1
    # Every member answers a row, so that every committee has something to be fitted on.
    votes[:, 0] = rng.integers(0, n_classes, n_members)
    proba = np.stack([one_hot(member, n_classes) for member in votes]).astype(np.float64)
    proba[:soft] = rng.multinomial(8, np.full(n_classes, 1 / n_classes), size=(soft, n_rows)) / 8
    votes[:soft] = proba[:soft].argmax(axis=-1)
    return proba, votes == -1, votes, labels


def members_of(mask, n_members):
    return [member for member in range(n_members) if mask >> member & 1]


def prior_of(labels, n_classes):
    return (np.bincount(labels, minlength=n_classes) + 1) / (len(labels) + n_classes)


def refitted(proba, missing, labels, rule):
    """Count by refitting the rule on the members of each committee, in plain loops."""
    found = [int(np.bincount(labels).max())]
    for mask in range(1, 1 << len(proba)):
        members = members_of(mask, len(proba))
        fitted = clone(rule).fit(proba[members], labels, missing=missing[members], check_input=False)
        found.append(int((fitted.predict(proba[members], check_input=False) == labels).sum()))
    return found


def counted(proba, votes, labels):
    """Count majority votes with Kim's tie rule in plain loops, without any rule of ours."""
    n_classes = proba.shape[2]
    largest = int(prior_of(labels, n_classes).argmax())
    found = [int(np.bincount(labels).max())]
    for mask in range(1, 1 << len(proba)):
        right = 0
        for row, label in enumerate(labels):
            voters = {c: [m for m in members_of(mask, len(proba)) if votes[m, row] == c] for c in range(n_classes)}
            most = max(len(of_class) for of_class in voters.values())
            tied = [c for c in range(n_classes) if len(voters[c]) == most]
            if most == 0:
                winner = largest
            else:
                means = {c: float(np.mean([proba[m, row, c] for m in voters[c]])) for c in tied}
                winner = min(tied, key=lambda c: (-means[c], c))
            right += int(winner == label)
        found.append(right)
    return found


def by_definition(proba, labels, rule):
    """Count by adding contributions in ascending member order; the class prior decides where there are none."""
    parts = [rule.contribution(member, proba[member]) for member in range(len(proba))]
    prior = prior_of(labels, proba.shape[2])
    found = []
    for mask in range(1, 1 << len(proba)):
        members = members_of(mask, len(proba))
        scores = np.zeros(proba.shape[1:]) + rule.offset()
        for member in members:
            scores = scores + parts[member]
        nobody = ~proba[members].any(axis=(0, 2))
        scores[nobody] = prior
        found.append(int((scores.argmax(axis=1) == labels).sum()))
    return found


def every_path(proba, labels, rule):
    """Count by the definition, by doubling and by the compiled walk."""
    data = Contributions(proba, labels, [(np.arange(len(labels)), rule)])
    plan = make_plan(len(proba))
    yield IndividualCounts(plan, data, 0.0).values_of(range(1, 1 << len(proba)))
    yield CountsByDoubling(plan, data, 0.0).values(0)[1:]
    if len(proba) >= 8:
        plan = make_plan(len(proba), shard_bits=8)
        evaluator = CountsByWalk(plan, data, 0.0, Counter.of(data, plan))
        yield np.concatenate([evaluator.values(shard) for shard in plan.shards()])[1:]
        yield evaluator.values_of(range(1, 1 << len(proba)))


@pytest.mark.parametrize("soft", [0, 2])
@pytest.mark.parametrize("name", ADDITIVE)
def test_counts_are_those_of_refitted_rules(name, soft):
    proba, missing, _, labels = draw(6, 60, 4, 1, soft)
    sweep = sweep_subsets(proba, labels, name, missing=missing) if not soft else None
    if sweep is None:
        hard = [False] * soft + [True] * (6 - soft)
        sweep = sweep_predictions(Predictions(proba, labels, hard=hard, missing=missing), name)
    assert sweep.correct.tolist() == refitted(proba, missing, labels, make_rule(name))
    assert sweep.optimistic


@pytest.mark.parametrize("soft", [0, 3])
@pytest.mark.parametrize("seed", range(3))
def test_majority_votes_are_counted(soft, seed):
    proba, missing, votes, labels = draw(8, 40, 3, seed, soft)
    hard = [False] * soft + [True] * (8 - soft)
    sweep = sweep_predictions(Predictions(proba, labels, hard=hard, missing=missing), "majority-vote")
    assert sweep.correct.tolist() == counted(proba, votes, labels)


@pytest.mark.parametrize("name", ADDITIVE + FREEZABLE)
@pytest.mark.parametrize("seed", range(3))
def test_all_paths_follow_the_definition(name, seed):
    proba, missing, _, labels = draw(9, 40, 3, seed)
    rule = make_rule(name).fit(proba, labels, missing=missing)
    rule = Frozen(rule) if name in FREEZABLE else rule
    wanted = by_definition(proba, labels, rule)
    for found in every_path(proba, labels, rule):
        assert found.astype(int).tolist() == wanted


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(ADDITIVE),
    n_members=st.integers(1, 8),
    n_rows=st.integers(1, 12),
    n_classes=st.integers(2, 5),
    seed=st.integers(0, 1000),
    soft=st.integers(0, 1),
)
def test_every_path_on_few_rows(name, n_members, n_rows, n_classes, seed, soft):
    proba, missing, _, labels = draw(n_members, n_rows, n_classes, seed, min(soft, n_members - 1))
    rule = make_rule(name).fit(proba, labels, missing=missing, check_input=False)
    wanted = by_definition(proba, labels, rule)
    for found in every_path(proba, labels, rule):
        assert found.astype(int).tolist() == wanted


@pytest.mark.parametrize("name", ["exponential-weighted", "best-member", "greedy"])
def test_rules_that_are_fitted_anew(name):
    proba, missing, _, labels = draw(4, 60, 4, 2)
    sweep = sweep_subsets(proba, labels, name, missing=missing)
    assert sweep.correct.tolist() == refitted(proba, missing, labels, make_rule(name))


def test_balanced_accuracy():
    proba, missing, _, labels = draw(5, 60, 3, 3)
    sweep = sweep_subsets(proba, labels, "mean", missing=missing, metric="balanced-accuracy")
    for mask in range(1, 32):
        members = members_of(mask, 5)
        rule = make_rule("mean").fit(proba[members], labels, missing=missing[members])
        right = rule.predict(proba[members], missing=missing[members]) == labels
        expected = np.mean([right[labels == c].mean() for c in range(3)])
        assert sweep.value_of([mask])[0] == pytest.approx(expected)


def make_set(seed, n_rows=120, validation=None):
    proba, missing, _, labels = draw(5, n_rows, 3, seed)
    return Predictions(proba, labels, hard=[True] * 5, missing=missing, validation=validation)


def test_a_row_that_nobody_answers_is_predicted_without_its_own_label():
    """The mean learns nothing but the prior, and that from the other folds."""
    labels = np.repeat([0, 1], 20)
    votes = np.full((2, 40), -1)
    votes[:, 0] = 0
    proba = np.stack([one_hot(member, 2) for member in votes])
    few = Predictions(proba, labels, hard=[True] * 2, missing=votes == -1)
    split = Split.of(few, fit_on="cross", folds=4, seed=0)
    study = study_subsets(few, ["mean"], split=split)
    expected = 0
    for train, rest in split.folds.pairs:
        largest = prior_of(labels[train], 2).argmax()
        expected += int((np.where(proba[0, rest].any(axis=1), 0, largest) == labels[rest]).sum())
    assert study.rules[0].scored.correct.tolist()[1:] == [expected] * 3


def test_studies_and_searches_take_missing_votes():
    data = make_set(5, validation=make_set(6))
    study = study_subsets(data, ["mean", "majority-vote", "borda"])
    assert study.left_out == (("borda", "needs probabilities, and some members are hard labels"),)
    search = search_subsets(data, ["mean", "weighted-vote"])
    fitting = data.validation
    for name, swept in zip(("mean", "majority-vote"), study.rules, strict=True):
        for mask in range(1, 32):
            members = members_of(mask, 5)
            part = fitting.pick(members)
            rule = make_rule(name).fit(part.proba, part.labels, missing=~part.answered)
            predicted = rule.predict(data.proba[members], check_input=False)
            assert swept.scored.correct[mask] == (predicted == data.labels).sum()
    assert [rule.rule for rule in search.rules] == ["mean", "weighted-vote"]


def test_masks_that_do_not_fit_are_refused():
    proba, missing, _, labels = draw(4, 20, 3, 0)
    with pytest.raises(ShapeError, match=r"missing has shape \(20,\)"):
        sweep_subsets(proba, labels, missing=missing[0])
    with pytest.raises(NotApplicableError, match="needs probabilities"):
        sweep_subsets(proba, labels, "median", missing=missing)


@pytest.mark.parametrize("must", [(), (2,), (1, 9)])
@pytest.mark.parametrize("name", ["mean", "majority-vote"])
def test_shards_and_members_that_must_be_there_change_nothing(name, must):
    proba, missing, _, labels = draw(11, 60, 4, 5)
    data = Predictions(proba, labels, hard=[True] * 11, missing=missing)
    reference = sweep_predictions(data, name)
    sharded = sweep_predictions(data, name, must=must, shard_bits=8)
    rule = make_rule(name).fit(proba, labels, missing=missing)
    some = np.random.default_rng(0).integers(1, 1 << 11, 100) | sum(1 << member for member in must)
    wanted = by_definition(proba, labels, rule)
    assert reference.correct[some].tolist() == [wanted[mask - 1] for mask in some]
    assert np.round(np.array(sharded.value_of(some.tolist())) * 60).tolist() == reference.correct[some].tolist()
    best = sharded.top()[:3]
    assert [round(entry.value * 60) for entry in best] == [int(reference.correct[entry.mask]) for entry in best]

"""Committees of committees."""

import numpy as np
import pytest

from ensembler import (
    AccuracyWeightedAverage,
    ExponentialWeightedAverage,
    HierarchicalCommittee,
    MajorityVote,
    SimpleAverage,
)
from ensembler.errors import NotApplicableError, ParameterError, UnknownNameError
from tests.conftest import draw

NAMES = ["deep-a", "deep-b", "shallow-a", "shallow-b"]
METADATA = [
    {"architecture": "deep", "normalisation": "x"},
    {"architecture": "deep", "normalisation": "y"},
    {"architecture": "shallow", "normalisation": "x"},
    {"architecture": "shallow", "normalisation": "y"},
]


def test_two_levels_are_a_vote_over_the_labels_of_tuned_averages():
    proba, labels = draw(1, 6, 300)
    groups = [[0, 1, 2], [2, 3, 4], [4, 5, 0]]
    rule = HierarchicalCommittee(groups).fit(proba, labels)
    level = np.stack(
        [ExponentialWeightedAverage().fit(proba[group], labels).predict_proba(proba[group]) for group in groups]
    )
    np.testing.assert_array_equal(rule.predict(proba), MajorityVote().fit(level).predict(level))
    assert [group["members"] for group in rule.groups_] == [[0, 1, 2], [2, 3, 4], [0, 4, 5], [0, 1, 2, 3, 4, 5]]
    assert [group["rule"] for group in rule.groups_] == ["exponential-weighted"] * 3 + ["majority-vote"]
    assert all("q" in group for group in rule.groups_[:3])


def test_a_mean_above_combines_scores_and_not_labels():
    proba, labels = draw(2, 4, 300)
    rule = HierarchicalCommittee([[0, 1], [2, 3]], ("accuracy-weighted", "mean")).fit(proba, labels)
    level = [AccuracyWeightedAverage().fit(proba[g], labels).predict_proba(proba[g]) for g in ([0, 1], [2, 3])]
    np.testing.assert_allclose(rule.predict_proba(proba), np.mean(level, axis=0))


def test_a_vote_hands_its_labels_to_a_vote_and_the_simple_mean_to_a_mean():
    proba, labels = draw(3, 6, 2000, 5)
    groups = [[0, 1, 2], [3, 4, 5], [0, 2, 4]]
    votes = [MajorityVote().fit(proba[g]) for g in groups]
    below = [vote.predict(proba[g]) for vote, g in zip(votes, groups, strict=True)]
    means = [SimpleAverage().fit(proba[g]).predict_proba(proba[g]) for g in groups]
    assert any((label != mean.argmax(-1)).any() for label, mean in zip(below, means, strict=True))

    handed = HierarchicalCommittee(groups, ("majority-vote", "mean")).fit(proba, labels)
    np.testing.assert_allclose(handed.predict_proba(proba), np.mean(means, axis=0))

    counted = HierarchicalCommittee(groups, ("majority-vote", "majority-vote")).fit(proba, labels).predict(proba)
    for row in range(2000):
        counts = np.bincount([label[row] for label in below], minlength=5)
        tied = np.flatnonzero(counts == counts.max())
        confidence = [
            np.mean([mean[row, c] for mean, label in zip(means, below, strict=True) if label[row] == c]) for c in tied
        ]
        assert counted[row] == tied[int(np.argmax(confidence))]


@pytest.mark.filterwarnings("ignore::ensembler.errors.FitWarning")
def test_three_levels_with_rules_as_objects_and_parameters():
    proba, labels = draw(4, 4, 200)
    rule = HierarchicalCommittee(
        [[[0, 1], [1, 2]], [[2, 3], [0, 3]]], ("exponential-weighted:q_min=0", MajorityVote(ties="lowest"), "median")
    ).fit(proba, labels)
    assert len(rule.groups_) == 7
    assert all(group["q"] >= 0 for group in rule.groups_ if group["rule"] == "exponential-weighted")


def test_groups_by_name_and_by_metadata():
    by_name = HierarchicalCommittee([["deep-*"], ["shallow-*", "deep-a"]]).bind(NAMES, METADATA)
    assert by_name.groups == [[0, 1], [2, 3, 0]]
    assert HierarchicalCommittee().bind(NAMES, METADATA).groups == [[0, 1], [2, 3]]
    by_facts = HierarchicalCommittee(["architecture", "normalisation"]).bind(NAMES, METADATA)
    assert by_facts.groups == [[0, 1], [2, 3], [0, 2], [1, 3]]
    assert HierarchicalCommittee("normalisation").bind(NAMES, METADATA).groups == [[0, 2], [1, 3]]


def test_binding_leaves_the_given_rule_alone():
    given = HierarchicalCommittee([["deep-*"], ["shallow-*"]])
    given.bind(NAMES, METADATA)
    assert given.groups == [["deep-*"], ["shallow-*"]]


def test_without_groups_or_metadata_it_does_not_apply():
    with pytest.raises(NotApplicableError, match="give groups=.*member 'deep-a' has no 'architecture'"):
        HierarchicalCommittee().bind(NAMES, [{}] * 4)
    with pytest.raises(NotApplicableError, match="give groups=.*all members have the same architecture"):
        HierarchicalCommittee().bind(NAMES[:2], METADATA[:2])
    with pytest.raises(NotApplicableError, match="give groups="):
        HierarchicalCommittee().fit(*draw(5))


@pytest.mark.parametrize(
    ("groups", "rules", "message"),
    [
        ([[0, 1], [2]], ("mean", "mean", "mean"), "got 3 rules for groups of 2 levels, expected one rule a level"),
        ([[0, 1], [[2], [3]]], ("mean", "mean"), "nested to unequal depth"),
        ([0, 1], ("mean", "mean"), r"groups is \[0, 1\], expected a list of groups"),
        ([[0, 1], []], ("mean", "mean"), r"groups hold \[\], expected a list that is not empty"),
        ([[0, 9], [1]], ("mean", "mean"), "groups hold member 9, expected 0 to 4"),
        ([[0, -1], [1]], ("mean", "mean"), "groups hold member -1, expected 0 to 4"),
        ([["a"], ["b"]], ("mean", "mean"), r"call bind\(names, metadata\) before fit"),
        ([[0], [1]], ("mean", "meen"), "unknown rule 'meen'; did you mean 'mean'"),
        ([[0], [1]], ("mean",), "expected a list with one rule a level, at least two"),
        ([[0], [1]], ("mean", 3), "hierarchical-committee: one of the rules is 3, expected a rule or its text"),
    ],
)
def test_impossible_committees(groups, rules, message):
    with pytest.raises(ValueError, match=message) as caught:
        HierarchicalCommittee(groups, rules).fit(*draw(6))
    assert isinstance(caught.value, (ParameterError, UnknownNameError))


def test_unknown_patterns_and_keys_are_refused():
    with pytest.raises(UnknownNameError, match=r"unknown member or pattern in groups 'dep-\*'"):
        HierarchicalCommittee([["dep-*"], ["shallow-*"]]).bind(NAMES, METADATA)
    with pytest.raises(UnknownNameError, match="unknown metadata key .* 'normalization'; did you mean 'normalisation'"):
        HierarchicalCommittee("normalization").bind(NAMES, METADATA)


def test_it_needs_probabilities_only_if_a_rule_does():
    assert not HierarchicalCommittee([[0], [1]]).needs_probabilities()
    assert HierarchicalCommittee([[0], [1]], ("product", "mean")).needs_probabilities()

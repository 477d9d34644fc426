"""What a fitted rule computes, as a small expression that any exporter can write down.

With p[m] the probabilities of member m and s the scores, of shapes (N, C); each formula says what s is, and how
probabilities are made of it: divided by their sum, or by a softmax.
"""

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np

from ensembler.arrays import Values
from ensembler.combiners.balanced import Balanced
from ensembler.combiners.base import Combiner
from ensembler.combiners.blend import Blend
from ensembler.combiners.borda import BordaCount
from ensembler.combiners.calibrated import Calibrated
from ensembler.combiners.class_weighted import ClassWeightedAverage
from ensembler.combiners.committee import HierarchicalCommittee, Node
from ensembler.combiners.dawid_skene import DawidSkene
from ensembler.combiners.dynamic.selection import DynamicSelection
from ensembler.combiners.log_pool import LogLinearPool
from ensembler.combiners.majority_vote import MajorityVote
from ensembler.combiners.naive_bayes import NaiveBayes
from ensembler.combiners.order_statistics import Maximum, Median, Minimum, TrimmedMean
from ensembler.combiners.product_rule import Product
from ensembler.combiners.recall import RecallCombiner
from ensembler.combiners.simple_average import SimpleAverage
from ensembler.combiners.stacked import Stacking
from ensembler.combiners.weighted_vote import WeightedVote
from ensembler.errors import NotApplicableError


@dataclass(frozen=True, eq=False)
class Formula:
    """Base of all: scores of ``n_classes`` classes from the probabilities of ``n_members`` members."""

    n_members: int
    n_classes: int


@dataclass(frozen=True, eq=False)
class WeightedSum(Formula):
    """s = Σ w[m] p[m], divided by its sum; weights are (M,) or (M, C)."""

    weights: Values


@dataclass(frozen=True, eq=False)
class LogSum(Formula):
    """s = b + Σ w[m] log p[m], softmax of s / temperature."""

    weights: Values
    bias: Values
    temperature: float = 1.0


@dataclass(frozen=True, eq=False)
class Plurality(Formula):
    """s = the number of votes, with ties to the more confident voters or to the lowest class, divided by its sum."""

    by_confidence: bool


@dataclass(frozen=True, eq=False)
class VoteSum(Formula):
    """s = b + the sum of the values of the votes for each class, softmax."""

    values: Values
    bias: Values


@dataclass(frozen=True, eq=False)
class VoteTable(Formula):
    """s = b + the sum of each vote's values for all classes, (M, C, C) by member, vote and class, softmax."""

    values: Values
    bias: Values


@dataclass(frozen=True, eq=False)
class Ranks(Formula):
    """s = Σ of how many classes each class beats, divided by its sum."""


@dataclass(frozen=True, eq=False)
class SortedMean(Formula):
    """s = the mean of the sorted probabilities of a class from number ``first`` to before ``last``, then divided."""

    first: int
    last: int


@dataclass(frozen=True, eq=False)
class Logistic(Formula):
    """Multinomial logistic regression on standardised log probabilities, of the classes that it has seen."""

    mean: Values
    scale: Values
    coefficients: Values
    intercepts: Values
    seen: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Mixture(Formula):
    """s = Σ v[k] times the probabilities of part k, divided by its sum."""

    parts: tuple[Formula, ...]
    weights: Values


@dataclass(frozen=True, eq=False)
class Heated(Formula):
    """The inner formula's probabilities at a temperature: softmax of log p / T."""

    inner: Formula
    temperature: float


@dataclass(frozen=True, eq=False)
class HeatedMembers(Formula):
    """The inner formula of members that are each at a temperature."""

    inner: Formula
    temperatures: Values


@dataclass(frozen=True, eq=False)
class Shifted(Formula):
    """Softmax of the inner formula's log p − τ log prior."""

    inner: Formula
    shift: Values


@dataclass(frozen=True, eq=False)
class Grouped(Formula):
    """A formula of groups, each of which is a formula of some members or of groups again.

    A group passes on its probabilities; a plurality passes on the mean of its own, lowered below the winner's
    (``lowered``) where the formula above counts votes.
    """

    inner: Formula
    groups: tuple["Grouped | Members", ...]
    lowered: bool = False


@dataclass(frozen=True, eq=False)
class Members(Formula):
    """A formula of the members with some numbers."""

    inner: Formula
    numbers: tuple[int, ...]
    lowered: bool = False


def formula_of(rule: Combiner) -> Formula:
    """Return what a fitted rule computes.

    Raises
    ------
    NotApplicableError
        The rule is of a kind that has no formula here; the message names those that have.
    """
    return of_rule(rule)


@singledispatch
def of_rule(rule: Any) -> Formula:
    """Return the formula of a rule of any kind that is not below: a mean with fixed weights."""
    if isinstance(rule, Combiner) and rule.is_fixed_weighted_mean:
        return WeightedSum(*sizes(rule), np.asarray(rule.weights_))
    raise NotApplicableError(
        f"{rule.name} cannot be exported: it is no mean with fixed weights, and no other form of it is known; "
        f"known: means, {', '.join(kind.name for kind in KNOWN)}"
    )


@of_rule.register
def of_dynamic_selection(rule: DynamicSelection) -> Formula:
    """Refuse: what such a rule computes is no expression of the row alone."""
    raise NotApplicableError(
        f"{rule.name} cannot be exported: it compares new rows with the {len(rule.labels_):,} fitting rows that it "
        "keeps; use the saved ensemble itself, by ensembler predict --recipe"
    )


def sizes(rule: Combiner) -> tuple[int, int]:
    """Return the numbers of members and classes."""
    return rule.n_members_, rule.n_classes_


@of_rule.register
def _(rule: SimpleAverage) -> Formula:
    return WeightedSum(*sizes(rule), np.ones(rule.n_members_))


@of_rule.register
def _(rule: ClassWeightedAverage) -> Formula:
    return WeightedSum(*sizes(rule), rule.weights_)


@of_rule.register
def _(rule: LogLinearPool) -> Formula:
    return LogSum(*sizes(rule), rule.weights_, rule.bias_)


@of_rule.register
def _(rule: Product) -> Formula:
    return LogSum(*sizes(rule), np.ones(rule.n_members_), np.zeros(rule.n_classes_), float(rule.n_members_))


@of_rule.register
def _(rule: MajorityVote) -> Formula:
    return Plurality(*sizes(rule), rule.ties == "confidence")


@of_rule.register
def _(rule: WeightedVote) -> Formula:
    return VoteSum(*sizes(rule), rule.vote_values_, rule.offset())


@of_rule.register
def _(rule: NaiveBayes) -> Formula:
    return VoteTable(*sizes(rule), rule.likelihoods_, rule.offset())


@of_rule.register
def _(rule: RecallCombiner) -> Formula:
    values = np.empty((rule.n_members_, rule.n_classes_, rule.n_classes_))
    for member, table in enumerate(values):
        missed, for_class = rule.vote_values(member)
        table[:] = missed + np.diag(for_class)
    return VoteTable(*sizes(rule), values, rule.offset())


@of_rule.register
def _(rule: DawidSkene) -> Formula:
    return VoteTable(*sizes(rule), np.log(rule.confusion_), rule.frozen_offset())


@of_rule.register
def _(rule: BordaCount) -> Formula:
    return Ranks(*sizes(rule))


@of_rule.register
def _(rule: Median) -> Formula:
    n_members = rule.n_members_
    return SortedMean(*sizes(rule), (n_members - 1) // 2, n_members // 2 + 1)


@of_rule.register
def _(rule: Maximum) -> Formula:
    return SortedMean(*sizes(rule), rule.n_members_ - 1, rule.n_members_)


@of_rule.register
def _(rule: Minimum) -> Formula:
    return SortedMean(*sizes(rule), 0, 1)


@of_rule.register
def _(rule: TrimmedMean) -> Formula:
    dropped = rule.n_dropped(rule.n_members_)
    return SortedMean(*sizes(rule), dropped, rule.n_members_ - dropped)


@of_rule.register
def _(rule: Stacking) -> Formula:
    state = rule.take_state(rule.state())
    seen = tuple(state["classes_"].tolist())
    return Logistic(*sizes(rule), state["mean_"], state["scale_"], state["coef_"], state["intercept_"], seen)


@of_rule.register
def _(rule: Blend) -> Formula:
    return Mixture(*sizes(rule), tuple(map(of_rule, rule.rules_)), rule.blend_weights_)


@of_rule.register
def _(rule: Calibrated) -> Formula:
    inner = of_rule(rule.rule_)
    if rule.step == "members":
        return HeatedMembers(*sizes(rule), inner, rule.temperatures_)
    return Heated(*sizes(rule), inner, float(rule.temperatures_[0]))


@of_rule.register
def _(rule: Balanced) -> Formula:
    inner = of_rule(rule.rule_)
    return Shifted(*sizes(rule), inner, rule.tau_ * np.log(rule.prior_)) if rule.tau_ else inner


@of_rule.register
def _(rule: HierarchicalCommittee) -> Formula:
    return of_node(rule.tree_, *sizes(rule), for_votes=False)


def of_node(node: Node, n_members: int, n_classes: int, *, for_votes: bool) -> "Grouped | Members":
    """Return the formula of a committee's node."""
    inner, lowered = of_rule(node.rule), for_votes and node.rule.counts_votes
    if node.children:
        votes = node.rule.counts_votes
        groups = tuple(of_node(child, n_members, n_classes, for_votes=votes) for child in node.children)
        return Grouped(n_members, n_classes, inner, groups, lowered)
    return Members(n_members, n_classes, inner, tuple(node.members), lowered)


KNOWN: tuple[type[Combiner], ...] = (
    ClassWeightedAverage,
    LogLinearPool,
    Product,
    MajorityVote,
    WeightedVote,
    NaiveBayes,
    RecallCombiner,
    DawidSkene,
    BordaCount,
    Median,
    Maximum,
    Minimum,
    TrimmedMean,
    Stacking,
    Blend,
    HierarchicalCommittee,
)

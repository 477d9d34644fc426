"""Which members err alike, and which of these add nothing to committees.

Members err alike where they agree far beyond what their accuracies imply. That alone makes none redundant: of two good
members that err alike each may be worth having. Redundant is one that committees do not get better by.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ensembler.metrics.excess_agreement import ExcessAgreement, excess_agreement
from ensembler.predictions.diagnosis.committee_accuracy import committee_accuracies, memberships
from ensembler.predictions.diagnosis.groups import near_groups
from ensembler.predictions.prediction_set import Predictions

ALIKE = 0.8
"""κ from which members err alike: Landis & Koch's "almost perfect" (1977, doi 10.2307/2529310).

No two of the 120 classifiers of four real sets, trained apart, have more than .71; copies with noise in a twentieth of
the rows have .9.
"""
MOST_WORK = 2e8
FEWEST_TRIED, MOST_TRIED = 32, 2048
"""Committees that a member is taken out of, to see what it adds."""


def agreement_beyond_accuracy(data: Predictions) -> ExcessAgreement:
    """Measure how far the members of a set with labels agree beyond what their accuracies imply."""
    return excess_agreement(data.votes, data.true_labels, data.n_classes)


@dataclass(frozen=True)
class Redundancy:
    """Who errs alike, and who adds nothing.

    Attributes
    ----------
    groups : list of list of str
        Groups of members of which all pairs err alike.
    closest : list of float
        For each group the smallest κ of a pair in it.
    redundant : list of str
        Members of groups that committees do not get better by; never all of a group.
    """

    groups: list[list[str]]
    closest: list[float]
    redundant: list[str]

    def without(self, valued: Collection[str]) -> "Redundancy":
        """Return the same with members that are known to be worth having not called redundant."""
        return Redundancy(self.groups, self.closest, [name for name in self.redundant if name not in valued])


def measure_redundancy(
    data: Predictions, agreement: ExcessAgreement, committees: Sequence[tuple[int, ...]]
) -> Redundancy:
    """Find members that err alike, and those of them that add nothing to committees.

    Parameters
    ----------
    data : Predictions
    agreement : ExcessAgreement
    committees : sequence of tuples of int
        Committees that members are taken out of, to see what they add.
    """
    groups = alike_groups(agreement)
    redundant: list[int] = []
    for group in groups:
        effects = {member: mean_effect(data, member, committees) for member in group}
        best = max(group, key=lambda member: effects[member])
        redundant += [member for member in group if member != best and effects[member] <= 0]
    closest = [float(agreement.kappa[np.ix_(group, group)].min()) for group in groups]
    named = [[data.names[member] for member in group] for group in groups]
    return Redundancy(named, closest, [data.names[member] for member in sorted(redundant)])


def alike_groups(agreement: ExcessAgreement) -> list[list[int]]:
    """Return groups of members of which all pairs are shown to err alike (complete linkage)."""
    distances = np.where(agreement.shown_above(ALIKE), 1 - np.nan_to_num(agreement.kappa), 2.0)
    np.fill_diagonal(distances, 0.0)
    return near_groups(distances, 1 - ALIKE)


def mean_effect(data: Predictions, member: int, committees: Sequence[tuple[int, ...]]) -> float:
    """Return by how much the mean of a committee is more accurate with a member than without it, on average.

    Over all the committees with it, of two members or more, or over so many of them as take a moment, evenly spread.
    """
    having = [committee for committee in committees if member in committee]
    most = int(np.clip(MOST_WORK / data.proba[0].size / data.n_members, FEWEST_TRIED, MOST_TRIED))
    tried = having[:: -(-len(having) // most)] if having else []
    if not tried:
        return 0.0
    with_it = memberships(tried, data.n_members)
    without = with_it.copy()
    without[:, member] = False
    return float(np.mean(committee_accuracies(data, with_it) - committee_accuracies(data, without)))

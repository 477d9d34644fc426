"""The values of all rules on all sets as tables, and the conclusions drawn from them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ensembler.arrays import Values
from ensembler.combiners.registry import is_never_recommended
from ensembler.metrics import TIED_DECIMALS, Metric
from ensembler.metrics.differences import Tally, pool_by_cluster
from ensembler.metrics.paired import holm
from ensembler.metrics.pooling import PooledEffect
from ensembler.ranking.learning_curve import LearningCurve
from ensembler.ranking.measurement import SetValues
from ensembler.ranking.pairs import signed_rank_probabilities, wilcoxon_test
from ensembler.ranking.ranks import cluster_means, critical_difference, friedman, mean_ranks
from ensembler.ranking.ratings import ratings
from ensembler.ranking.results import RankedRule, Ranking, RulePair
from ensembler.ranking.wording import ranking_sentences


@dataclass(frozen=True)
class RuleTable:
    """The values of all sets, by rule.

    Attributes
    ----------
    sets : tuple of SetValues
    clusters : list of str
    metric : Metric
    names : list of str
        Of the rules.
    values, differences, against_best : (S, R)
        The metric, and its differences from the mean and from the best member; NaN where a rule could not run.
    """

    sets: tuple[SetValues, ...]
    clusters: list[str]
    metric: Metric
    names: list[str]
    values: Values
    differences: Values
    against_best: Values

    @classmethod
    def of(cls, sets: tuple[SetValues, ...], clusters: list[str], metric: Metric) -> "RuleTable":
        """Put the values of all sets into tables."""
        names = list(dict.fromkeys(name for item in sets for name in item.rules))
        tables = np.full((3, len(sets), len(names)), np.nan)
        for place, item in enumerate(sets):
            for name, rule in item.rules.items():
                best = math.nan if rule.against_best is None else rule.against_best.value
                tables[:, place, names.index(name)] = rule.value, rule.against_mean.value, best
        return cls(sets, clusters, metric, names, *tables)

    def by_cluster(self, table: Values) -> Values:
        """Return a table with one row a cluster, the mean of its sets."""
        return cluster_means(table, self.clusters)

    def where_all_ran(self, table: Values) -> Values:
        """Return the same, with NaN for a rule that missed a set of a cluster: its mean is one of other sets."""
        missing = np.isnan(table).astype(np.float64)
        return np.where(self.by_cluster(missing) > 0, np.nan, self.by_cluster(table))

    def complete(self) -> list[int]:
        """Return the places of the rules that ran on every set."""
        return np.flatnonzero(np.isfinite(self.values).all(axis=0)).tolist()

    def effect(self, name: str) -> PooledEffect | None:
        """Pool a rule's differences from the mean."""
        if name == "mean":
            return None
        there = [
            (item.rules[name].against_mean, cluster)
            for item, cluster in zip(self.sets, self.clusters, strict=True)
            if name in item.rules
        ]
        return pool_by_cluster(*zip(*there, strict=True))

    def ranked_rules(self, n_resamples: int, seed: int) -> list[RankedRule]:
        """Return all rules, best mean rank first; those that did not run on all sets come last."""
        complete = self.complete()
        signed = self.where_all_ran(self.metric.signed(self.values))
        rank = dict(zip(complete, mean_ranks(signed[:, complete]), strict=True)) if complete else {}
        strength, intervals = ratings(signed, n_resamples, seed)
        differences, against_best = self.by_cluster(self.differences), self.by_cluster(self.against_best)
        rules = [
            RankedRule(
                name=name,
                n_sets=int(np.isfinite(signed[:, place]).sum()),
                mean_rank=None if place not in rank else float(rank[place]),
                against_mean=Tally.of(differences[:, place]),
                against_best_member=Tally.of(against_best[:, place]),
                effect=self.effect(name),
                mean_difference=float(np.nanmean(differences[:, place])),
                median_difference=float(np.nanmedian(differences[:, place])),
                rating=float(strength[place]),
                rating_interval=(float(intervals[place, 0]), float(intervals[place, 1])),
            )
            for place, name in enumerate(self.names)
        ]
        return sorted(rules, key=lambda rule: (math.inf if rule.mean_rank is None else rule.mean_rank, rule.name))

    def pairs(self, against: Sequence[str], rope: float, seed: int) -> tuple[RulePair, ...]:
        """Test every rule against some of them."""
        values = self.metric.signed(self.values)
        found: list[RulePair] = []
        for other in dict.fromkeys(name for name in against if name in self.names):
            for name in self.names:
                if name == other or (other, name) in [(pair.rule, pair.against) for pair in found]:
                    continue
                # Of each set first: the sets of a cluster that one of two rules did not run on say nothing of them.
                by_set = values[:, self.names.index(name)] - values[:, self.names.index(other)]
                differences = self.by_cluster(by_set[:, None])[:, 0]
                differences = differences[np.isfinite(differences)]
                if not len(differences):
                    continue
                likely = signed_rank_probabilities(differences, rope, seed)
                p_value = wilcoxon_test(differences)
                found.append(RulePair(name, other, p_value, None, likely.p_worse, likely.p_equivalent, likely.p_better))
        tested = [pair.p_value for pair in found if pair.p_value is not None]
        adjusted = iter(holm(tested))
        return tuple(pair if pair.p_value is None else replace(pair, p_holm=next(adjusted)) for pair in found)

    def ranking(self, rope: float, n_resamples: int, protocol: dict[str, Any], curve: LearningCurve | None) -> Ranking:
        """Draw the conclusions."""
        seed, complete = protocol["seed"], self.complete()
        rules = self.ranked_rules(n_resamples, seed)
        order = [self.names.index(rule.name) for rule in rules]
        signed = self.by_cluster(self.metric.signed(self.values))[:, complete]
        testable = len(signed) > 1 and len(complete) > 1
        best = recommend(rules)
        pairs = self.pairs(["mean", rules[0].name, best.name], rope, seed)
        return Ranking(
            sets=self.sets,
            clusters=tuple(self.clusters),
            metric=self.metric,
            rules=tuple(rules),
            values=self.values[:, order],
            differences=self.differences[:, order],
            friedman=friedman(signed) if testable else None,
            critical_difference=critical_difference(len(complete), len(signed)) if testable else None,
            pairs=pairs,
            recommended=best.name,
            sentences=ranking_sentences(
                self.metric, rules, best, pairs, len(signed), len(self.sets), optimistic=protocol["fit_on"] == "test"
            ),
            rope=rope,
            protocol=protocol,
            learning_curve=curve,
        )


def recommend(rules: Sequence[RankedRule]) -> RankedRule:
    """Return the best rule on average among those that ran on all sets; the mean's difference is 0, and wins ties.

    Every set counts the same: the weights of the pooled effect favour large sets, on which rules differ least, and mean
    ranks depend on which other rules are there (Benavoli et al. 2016, jmlr.org/papers/v17/benavoli16a.html).
    """
    allowed = [rule for rule in rules if not is_never_recommended(rule.name)] or list(rules)
    complete = [rule for rule in allowed if rule.mean_rank is not None] or allowed
    # What single sets are far off in must not outweigh what most of the rows say.
    eligible = [rule for rule in complete if rule.effect is None or rule.effect.effect >= 0] or complete
    return max(eligible, key=lambda rule: (round(rule.mean_difference, TIED_DECIMALS), rule.name == "mean"))

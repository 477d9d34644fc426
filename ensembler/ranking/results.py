"""What many prediction sets say of every rule: frozen objects, and how they are written down."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ensembler import serialization
from ensembler.arrays import Values
from ensembler.comparison.results import door
from ensembler.errors import UnknownNameError
from ensembler.metrics import Metric
from ensembler.metrics.differences import Tally
from ensembler.metrics.intervals import Interval
from ensembler.metrics.pooling import PooledEffect
from ensembler.predictions.files import write_text
from ensembler.ranking.learning_curve import LearningCurve
from ensembler.ranking.measurement import SetValues
from ensembler.ranking.ranks import Friedman
from ensembler.serialization import document

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "ensembler.rank/1"


@dataclass(frozen=True)
class RankedRule:
    """A rule over all sets; differences are against the mean, positive is better.

    Attributes
    ----------
    name : str
    n_sets : int
        Clusters on which it ran.
    mean_rank : float or None
        1 is best; over the rules that ran on all sets, None for others.
    against_mean, against_best_member : Tally
    effect : PooledEffect or None
        The difference from the mean, pooled; None for the mean itself and for a rule without standard errors.
    mean_difference, median_difference : float
        Of the sets, each counting the same; one that is far off moves the mean, but not the median.
    rating : float or None
        Bradley–Terry, on the scale of Elo ratings with mean 1000.
    rating_interval : (low, high) or None
    """

    name: str
    n_sets: int
    mean_rank: float | None
    against_mean: Tally
    against_best_member: Tally
    effect: PooledEffect | None
    mean_difference: float
    median_difference: float
    rating: float | None
    rating_interval: Interval | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        effect = self.effect
        return {
            "name": self.name,
            "n_sets": self.n_sets,
            "mean_rank": self.mean_rank,
            **vars(self.against_mean),
            "against_best_member": vars(self.against_best_member),
            "effect": None if effect is None else effect.effect,
            "effect_interval": None if effect is None else effect.interval,
            "prediction_interval": None if effect is None else effect.prediction_interval,
            "tau": None if effect is None else effect.tau,
            "mean_difference": self.mean_difference,
            "median_difference": self.median_difference,
            "rating": self.rating,
            "rating_interval": self.rating_interval,
        }


@dataclass(frozen=True)
class RulePair:
    """Two rules over all sets.

    Attributes
    ----------
    rule, against : str
    p_value, p_holm : float or None
        Wilcoxon's signed-rank test, alone and adjusted for all pairs; None for fewer than 6 sets.
    p_worse, p_equivalent, p_better : float
        Bayesian signed-rank test: how likely the rule is worse, practically equivalent, or better on most sets.
    """

    rule: str
    against: str
    p_value: float | None
    p_holm: float | None
    p_worse: float
    p_equivalent: float
    p_better: float

    def swapped(self) -> "RulePair":
        """Return the pair seen from the other rule."""
        return replace(self, rule=self.against, against=self.rule, p_worse=self.p_better, p_better=self.p_worse)


def pairs_against(pairs: Iterable[RulePair], name: str) -> dict[str, RulePair]:
    """Return the pairs that a rule is in, seen from the other one, by its name."""
    seen = {pair.rule: pair for pair in pairs if pair.against == name}
    return seen | {pair.against: pair.swapped() for pair in pairs if pair.rule == name}


@dataclass(frozen=True, eq=False)
class Ranking:
    """The result of `rank_rules`.

    Attributes
    ----------
    sets : tuple of SetValues
    clusters : tuple of str
        Of each set; sets of one cluster count once, by their mean.
    metric : Metric
    rules : tuple of RankedRule
        Best mean rank first.
    values, differences : (S, R)
        The metric, and its difference from the mean (positive is better), of the sets and the rules in these orders;
        NaN where a rule could not run.
    friedman : Friedman or None
        Whether the rules that ran on all sets differ at all; None for fewer than two clusters or rules.
    critical_difference : float or None
        Mean ranks of two rules that differ by less are not shown to differ (Nemenyi, 5 %).
    pairs : tuple of RulePair
        Each rule against the mean, the best-ranked one and the recommended one.
    recommended : str
    sentences : tuple of str
        Which rule to use and how sure that is; what it would cost to be simple.
    rope : float
        Differences below are practically equivalent.
    protocol : dict
    learning_curve : LearningCurve or None
    """

    sets: tuple[SetValues, ...]
    clusters: tuple[str, ...]
    metric: Metric
    rules: tuple[RankedRule, ...]
    values: Values
    differences: Values
    friedman: Friedman | None
    critical_difference: float | None
    pairs: tuple[RulePair, ...]
    recommended: str
    sentences: tuple[str, ...]
    rope: float
    protocol: dict[str, Any]
    learning_curve: LearningCurve | None = None

    def __getitem__(self, name: str) -> RankedRule:
        """Return the rule of that name."""
        for rule in self.rules:
            if rule.name == name:
                return rule
        raise UnknownNameError("rule in this ranking", name, [rule.name for rule in self.rules])

    def __repr__(self) -> str:
        """Return how much was ranked, and what came out."""
        return f"<Ranking: {len(self.rules)} rules on {len(self.sets)} sets, recommended {self.recommended}>"

    @property
    def n_clusters(self) -> int:
        """How many sets there are that share nothing."""
        return len(set(self.clusters))

    def to_dict(self, command: str | None = None) -> dict[str, Any]:
        """Return the whole result as plain values: what ``--json`` prints."""
        sets = [
            {
                "name": values.name,
                "n_rows": values.n_rows,
                "n_fit": values.n_fit,
                "n_classes": values.n_classes,
                "n_members": values.n_members,
                "cluster": cluster,
            }
            for values, cluster in zip(self.sets, self.clusters, strict=True)
        ]
        body = {
            "sets": sets,
            "metric": self.metric.name,
            "rules": [rule.to_dict() for rule in self.rules],
            "values": self.values,
            "friedman": None if self.friedman is None else vars(self.friedman),
            "critical_difference": self.critical_difference,
            "pairs": [vars(pair) for pair in self.pairs],
            "recommended": self.recommended,
            "sentences": self.sentences,
            "rope": self.rope,
            "protocol": self.protocol,
            "seed": self.protocol["seed"],
            "learning_curve": None if self.learning_curve is None else self.learning_curve.to_list(),
        }
        provenance = {
            "versions": {"ensembler": serialization.__version__},
            "labels": {values.name: values.labels for values in self.sets},
            "seed": self.protocol["seed"],
            "command": command,
        }
        return document(SCHEMA, body, provenance)

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each set and rule."""
        import pandas as pd

        names = [rule.name for rule in self.rules]
        rows = [
            {
                "set": values.name,
                "cluster": cluster,
                "n_rows": values.n_rows,
                "n_fit": values.n_fit,
                "n_classes": values.n_classes,
                "n_members": values.n_members,
                "rule": name,
                self.metric.name: self.values[place, column],
                "difference": self.differences[place, column],
            }
            for place, (values, cluster) in enumerate(zip(self.sets, self.clusters, strict=True))
            for column, name in enumerate(names)
        ]
        return pd.DataFrame(rows)

    def to_html(self, path: str | Path | None = None, *, title: str | None = None) -> str:
        """Return the ranking as one self-contained page, and write it where a path is given.

        Raises
        ------
        UsageError
            The packages of the extra ``report`` are not installed.
        """
        text: str = door("ranking_page").render(self, title)
        if path is not None:
            write_text(path, text)
        return text

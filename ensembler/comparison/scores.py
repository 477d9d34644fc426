"""All rules and members of a comparison with their figures, ranked."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import call
from typing import Any

from ensembler.comparison.choice import Choice, ranking_value
from ensembler.comparison.fitting import Fit
from ensembler.comparison.protocol import Split
from ensembler.comparison.results import MemberScore, RuleScore
from ensembler.comparison.scoring import Measured, measure_all, measure_members
from ensembler.comparison.verdict import Contest, Inference
from ensembler.metrics import Metric
from ensembler.metrics.intervals import wilson
from ensembler.metrics.temperature import MapSpans
from ensembler.parallel.threads import side_by_side

SIDE_BY_SIDE = 1 << 24
"""Probabilities of a rule up to which several rules are measured side by side; of more, one has to be in memory."""


@dataclass(frozen=True)
class Scores:
    """Rules, members and the best member with their figures.

    Attributes
    ----------
    ranked : tuple of Fit
        The rules, best on the scored rows first.
    rules : tuple of RuleScore
        In that order.
    members : tuple of MemberScore
    best_member : RuleScore or None
    best_member_name : str or None
    chosen, luckiest : str or None
        The best rule where it is chosen, and the best on the scored rows.
    """

    ranked: tuple[Fit, ...]
    rules: tuple[RuleScore, ...]
    members: tuple[MemberScore, ...]
    best_member: RuleScore | None
    best_member_name: str | None
    chosen: str | None
    luckiest: str | None

    @classmethod
    def of(
        cls, split: Split, metrics: tuple[Metric, ...], fits: Sequence[Fit], best: Fit | None, choice: Choice
    ) -> "Scores":
        """Measure everything on the scored rows, and rank it by the first metric."""
        first, scored, chosen = metrics[0], split.scored, choice.best
        every = [*fits, *([] if best is None else [best])]
        together = scored.n_samples * scored.n_classes <= SIDE_BY_SIDE
        map_spans: MapSpans = map if together else side_by_side
        parts: list[Callable[[], Any]] = [
            partial(measure_members, metrics, split),
            *(partial(measure_all, metrics, scored, fit.predicted, split.seed, map_spans) for fit in every),
        ]
        members, *found = side_by_side(call, parts) if together else map(call, parts)
        scores = [score_rule(fit, measured) for fit, measured in zip(every, found, strict=True)]
        measured = {fit.name: score for fit, score in zip(fits, scores, strict=False)}
        base = None if best is None else scores[-1]

        def rank(fit: Fit) -> tuple[float, bool]:
            return -ranking_value(first, measured[fit.name].metrics[first.name]), fit.name != chosen

        ranked = sorted(fits, key=rank)
        rules = tuple(
            replace(
                measured[fit.name],
                gain=gain_over(base, measured[fit.name], first),
                choice_score=choice.scores.get(fit.name),
            )
            for fit in ranked
        )
        return cls(
            ranked=tuple(ranked),
            rules=rules,
            members=tuple(members),
            best_member=base,
            best_member_name=None if base is None else base.heaviest_member(scored.names),
            chosen=chosen,
            luckiest=rules[0].name if rules and math.isfinite(rules[0].metrics[first.name]) else None,
        )

    def with_inference(self, contest: Contest, inference: Inference) -> "Scores":
        """Return the same with intervals and paired tests."""
        rules = tuple(
            replace(rule, intervals=intervals, against_best=against_best, against_mean=against_mean)
            for rule, intervals, against_best, against_mean in zip(
                self.rules, inference.intervals, inference.against_best, inference.against_mean, strict=True
            )
        )
        best, members = self.best_member, self.members
        if best is not None and contest.best_member is not None:
            best = replace(best, intervals=contest.intervals(contest.best_member))
        if contest.independent:
            members = tuple(with_interval(member, contest.scored.n_samples) for member in members)
        return replace(self, rules=rules, members=members, best_member=best)


def score_rule(fit: Fit, measured: Measured) -> RuleScore:
    """Put together what a rule is and what it measures."""
    return RuleScore(
        fit.name,
        fit.rule,
        measured.metrics,
        measured.recall,
        fit.predicted,
        fold_rules=fit.fold_rules,
        notes=fit.notes,
        calibration=measured.calibration,
        reliability=measured.reliability,
    )


def gain_over(base: RuleScore | None, rule: RuleScore, metric: Metric) -> float:
    """Return by how much a rule beats the best member; positive is better, NaN without one."""
    if base is None:
        return math.nan
    return float(metric.signed(rule.metrics[metric.name] - base.metrics[metric.name]))


def with_interval(member: MemberScore, n_samples: int) -> MemberScore:
    """Return a member with Wilson's interval of its accuracy."""
    return replace(member, interval=wilson(round(member.metrics["accuracy"] * n_samples), n_samples))

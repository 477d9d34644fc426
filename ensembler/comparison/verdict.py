"""What of a comparison is noise, and which rule to use.

Intervals resample the scored rows and take fitted weights as they are: they say what other rows of this kind would do
to these very rules, not what other fitting rows would.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from ensembler.metrics import SHARES, Metric
from ensembler.metrics.bootstrap import FEWEST_UNITS, RESAMPLES, enough_units
from ensembler.metrics.intervals import Interval, percentile_interval, wilson
from ensembler.metrics.paired import ALPHA, CochranQ, Discordance, cochran_q, holm, is_shown, letters
from ensembler.metrics.resampling import resampled_metrics
from ensembler.metrics.selection import BiasCorrected, bias_corrected_best
from ensembler.predictions.prediction_set import Predictions

if TYPE_CHECKING:
    from ensembler.comparison.results import MemberScore, Protocol, RuleScore


@dataclass
class PairedTest:
    """A rule against another one on the same rows.

    Attributes
    ----------
    against : str
    difference : float
        In the metric that ranks, positive where the rule is better.
    interval : (low, high) or None
        95 % bootstrap interval of the difference; None for metrics that cannot be resampled.
    better, worse : int
        Rows that only the rule, and only the other one, is right about.
    p_value, p_holm : float or None
        McNemar's exact test of the two accuracies, alone and adjusted for all rules against the same one; None where
        rows are weighted or grouped, so that they are no independent trials.
    smallest_detectable : float or None
        The accuracy difference that so many rows would show in 80 of 100 cases, at this discordance.
    excluded_beyond : float or None
        Differences larger than this, either way, are excluded by the interval.
    """

    against: str
    difference: float
    interval: Interval | None
    better: int
    worse: int
    p_value: float | None
    p_holm: float | None = None
    smallest_detectable: float | None = None
    excluded_beyond: float | None = None
    of_accuracy: bool = True

    @classmethod
    def of(
        cls,
        against: str,
        pair: Discordance,
        difference: float,
        interval: Interval | None,
        *,
        independent: bool,
        of_accuracy: bool = True,
    ) -> Self:
        """Make a test of what is right and wrong on the same rows, and of the difference of a metric."""
        return cls(
            against=against,
            difference=difference,
            interval=interval,
            better=pair.b,
            worse=pair.c,
            p_value=pair.p_value if independent else None,
            smallest_detectable=pair.smallest_detectable if independent else None,
            excluded_beyond=None if interval is None or interval[0] == interval[1] else max(map(abs, interval)),
            of_accuracy=of_accuracy,
        )

    @property
    def shown(self) -> bool:
        """Whether the interval excludes 0, and for accuracies McNemar's test agrees."""
        return is_shown(self.interval, self.p_value if self.of_accuracy else None)

    @property
    def shown_worse(self) -> bool:
        """Whether the rule is shown to be worse than the other."""
        return self.shown and self.difference < 0

    def to_dict(self) -> dict[str, object]:
        """Return plain values, with whether the difference is shown."""
        plain = {name: value for name, value in vars(self).items() if name != "of_accuracy"}
        return {**plain, "shown": self.shown}


@dataclass
class Verdict:
    """What is noise, and what to use.

    Attributes
    ----------
    recommended : str or None
        The simplest rule that is not shown to be worse than the chosen one; one model alone where it is shown to be
        better than that.
    cochran : CochranQ or None
        Whether any rules differ in accuracy at all.
    optimism : BiasCorrected or None
        The luckiest rule's accuracy, corrected for having been picked.
    sentences : list of str
    n_resamples : int
    letters : dict or None
        By rule, where asked for: rules that share one are not shown to differ.
    """

    recommended: str | None
    cochran: CochranQ | None
    optimism: BiasCorrected | None
    n_resamples: int
    letters: dict[str, str] | None = None
    sentences: list[str] = field(default_factory=list)


def judge(
    scored: Predictions,
    metrics: Sequence[Metric],
    rules: Sequence["RuleScore"],
    members: Sequence["MemberScore"],
    best_member: "RuleScore | None",
    chosen: str | None,
    protocol: "Protocol",
    *,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
    with_letters: bool = False,
) -> Verdict | None:
    """Give every rule its intervals and paired tests, and say what to use.

    Returns None where nothing can be resampled: without rules, or with ``n_resamples=0``.
    """
    if not rules or not n_resamples:
        return None
    metric = metrics[0]
    labels, weight, groups = scored.truth, scored.sample_weight, scored.groups
    mean = next((rule.proba for rule in rules if rule.name == "mean"), None)
    if mean is None:
        mean = scored.proba.mean(axis=0, dtype=np.float64)
    others = [mean] if best_member is None else [mean, best_member.proba]
    probas = [*(rule.proba for rule in rules), *others]
    resampled = [one for one in metrics if not (one.needs_probabilities and scored.any_hard)]
    found = resampled_metrics(
        resampled, labels, probas, sample_weight=weight, groups=groups, n_resamples=n_resamples, seed=seed
    )
    enough = enough_units(scored.n_samples, groups)
    independent = weight is None and groups is None
    right = np.array([proba.argmax(axis=1) == labels for proba in probas])
    with_intervals = [*enumerate(rules), *([] if best_member is None else [(len(rules) + 1, best_member)])]
    for position, rule in with_intervals:
        rule.intervals = {
            name: percentile_interval(values[:, position]) if enough else None for name, values in found.items()
        }
        if independent:
            rule.intervals["accuracy"] = wilson(int(right[position].sum()), scored.n_samples)
    if independent:
        for member in members:
            total = scored.n_samples
            member.interval = wilson(round(member.metrics["accuracy"] * total), total)
    samples = found.get(metric.name)

    def compare(first: int, second: int, against: str) -> PairedTest:
        pair = Discordance.of(right[first], right[second])
        values = [score(metric, scored, probas[one]) for one in (first, second)]
        interval = None
        if samples is not None and enough:
            interval = percentile_interval(metric.signed(samples[:, first] - samples[:, second]))
        difference = float(metric.signed(values[0] - values[1]))
        is_accuracy = metric.name == "accuracy"
        return PairedTest.of(against, pair, difference, interval, independent=independent, of_accuracy=is_accuracy)

    for position, rule in enumerate(rules):
        if rule.name != "mean":
            rule.against_mean = compare(position, len(rules), "mean")
        if best_member is not None and rule.name != "best-member":
            rule.against_best = compare(position, len(rules) + 1, "best member")
    adjust([rule.against_mean for rule in rules if rule.against_mean is not None])
    adjust([rule.against_best for rule in rules if rule.against_best is not None])
    verdict = Verdict(None, None, None, n_resamples)
    if independent and enough:
        verdict.cochran = cochran_q(right[: len(rules)])
        if metric.name == "accuracy" and not protocol.optimistic:
            order = sorted(range(len(rules)), key=lambda position: simplicity(rules[position]))
            verdict.optimism = bias_corrected_best(right[order], n_resamples, seed)
    if independent and with_letters:
        verdict.letters = share_letters(rules, right[: len(rules)])
    names = [rule.name for rule in rules]
    if chosen is None:
        return verdict
    index = names.index(chosen)
    reached = f"{metric.name} {rules[index].metrics[metric.name]:.4f}"
    if protocol.optimistic:
        verdict.sentences = [
            f"{chosen} reached {reached} on the rows that it was fitted and chosen on.",
            "Nothing follows for other rows: fit elsewhere (validation rows, or cross-fitting).",
        ]
    elif samples is None or not enough:
        few = f"there are fewer than {FEWEST_UNITS} rows or groups"
        why = f"{metric.name} cannot be resampled" if samples is None else few
        verdict.sentences = [
            f"{chosen}, {protocol.how_chosen}, reached {reached}.",
            f"Whether it differs from simpler rules is untested: {why}.",
        ]
    else:
        to_chosen = [compare(position, index, chosen) for position in range(len(rules))]
        as_good = [position for position, test in enumerate(to_chosen) if not test.shown_worse]
        simplest = min(as_good, key=lambda position: simplicity(rules[position]))
        verdict.recommended = names[simplest]
        told_first = f"{protocol.how_chosen}, reached {reached}"
        verdict.sentences = sentences(metric, rules, index, told_first, names[simplest], to_chosen[simplest])
        if best_member is not None and scored.n_members > 1 and verdict.recommended != "best-member":
            test = compare(len(rules) + 1, simplest, verdict.recommended)
            lead = told(test, metric.name in SHARES, verdict.recommended)
            name = best_member.heaviest_member(scored.names)
            if test.shown and not test.shown_worse:
                verdict.sentences[1] = f"Use one model alone, {name}: {lead} is {is_noise(test)}."
                verdict.recommended = "best-member"
            elif not test.shown:
                verdict.sentences.append(f"One model, {name}, may do as well: {lead} is {is_noise(test)}.")
    return verdict


def score(metric: Metric, scored: Predictions, proba: NDArray[np.float64]) -> float:
    """Return a metric on the scored rows, NaN where it means nothing for hard labels."""
    if metric.needs_probabilities and scored.any_hard:
        return math.nan
    return float(metric(scored.truth, proba, scored.sample_weight))


def adjust(tests: Sequence[PairedTest]) -> None:
    """Adjust p-values within a family by Holm's method."""
    p_values = [test.p_value for test in tests if test.p_value is not None]
    if len(p_values) == len(tests):
        for test, adjusted in zip(tests, holm(p_values), strict=True):
            test.p_holm = adjusted


def simplicity(rule: "RuleScore") -> tuple[int, int, str]:
    """Return a key that sorts simple rules first."""
    return rule.rule.complexity, rule.rule.n_fitted(), rule.name


def share_letters(rules: Sequence["RuleScore"], right: NDArray[np.bool_]) -> dict[str, str]:
    """Return letters that rules share if McNemar's test, adjusted for all pairs, does not show them to differ."""
    n_rules = len(rules)
    pairs = [(first, second) for first in range(n_rules) for second in range(first + 1, n_rules)]
    adjusted = holm([Discordance.of(right[first], right[second]).p_value for first, second in pairs])
    differ = np.zeros((n_rules, n_rules), dtype=bool)
    for (first, second), p_value in zip(pairs, adjusted, strict=True):
        differ[first, second] = differ[second, first] = p_value < ALPHA
    return dict(zip([rule.name for rule in rules], letters(differ), strict=True))


def sentences(
    metric: Metric, rules: Sequence["RuleScore"], chosen: int, reached: str, recommended: str, to_chosen: PairedTest
) -> list[str]:
    """Say in two sentences what won, whether that is noise, and what to use."""
    rule = rules[chosen]
    points = metric.name in SHARES
    first = f"{rule.name}, {reached}"
    test = rule.against_best
    if test is not None:
        first += f": {told(test, points, 'the best single model')}, {is_noise(test)}"
    test = rule.against_mean
    if test is not None:
        before = ";" if rule.against_best is not None else ":"
        first += f"{before} {told(test, points, 'the simple mean')}, {is_noise(test)}"
    if recommended == rule.name:
        second = f"Use {recommended}: every simpler rule here is shown to be worse."
        if rule.rule.complexity == 0:
            second = f"Use {recommended}: there is no simpler rule."
        if len(rules) == 1:
            second = f"Use {recommended}."
    else:
        lead = told(to_chosen, points, rule.name)
        second = f"Use {recommended}: it is simpler, and {lead} is {is_noise(to_chosen)}."
    return [first + ".", second]


def told(test: PairedTest, points: bool, other: str) -> str:
    """Write a difference with its interval, in points where it is a share."""
    scale, unit, digits = (100.0, " points", 2) if points else (1.0, "", 4)
    text = f"no difference from {other}"
    if test.difference != 0:
        side = "better" if test.difference > 0 else "worse"
        text = f"{abs(test.difference) * scale:.{digits}f}{unit} {side} than {other}"
    if test.interval is not None:
        text += f" (95 % interval {span(test.interval, scale, digits)})"
    return text


def span(interval: Interval, scale: float, digits: int) -> str:
    """Write an interval."""
    return f"{interval[0] * scale:+.{digits}f} to {interval[1] * scale:+.{digits}f}"


def is_noise(test: PairedTest) -> str:
    """Say whether a difference can be told from noise."""
    if test.interval is None:
        return "untested"
    return "not noise" if test.shown else "within noise"

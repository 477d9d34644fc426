"""What a comparison shows: the rule to use, paired tests, and the verdict they lead to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from ensembler.arrays import Values
from ensembler.combiners.registry import default_rules
from ensembler.metrics.differences import Difference, Tally
from ensembler.metrics.intervals import Interval
from ensembler.metrics.paired import CochranQ, Discordance, is_significant
from ensembler.metrics.pooling import PooledEffect
from ensembler.metrics.selection import BiasCorrected


@dataclass(frozen=True)
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
        Rows that only the rule, and only the other one, is correct about.
    p_value, p_holm : float or None
        Of that difference, alone and adjusted for all rules against the same one. For accuracy by McNemar's exact test,
        None where rows are weighted or grouped, so that they are no independent trials; for any other metric by its
        standard error in bootstrap samples, None where it cannot be resampled.
    smallest_detectable : float or None
        The accuracy difference that so many rows would show in 80 of 100 cases, at this discordance; None for any other
        metric.
    excluded_beyond : float or None
        Differences larger than this, either way, are excluded by the interval.
    of_accuracy : bool
        Whether the metric is the accuracy, which McNemar's test is about.
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
        p_value: float | None = None,
    ) -> Self:
        """Make a test of what is correct and wrong on the same rows, and of the difference of a metric.

        ``p_value`` is of a metric that is not the accuracy.
        """
        exact = independent and of_accuracy
        return cls(
            against=against,
            difference=difference,
            interval=interval,
            better=pair.b,
            worse=pair.c,
            p_value=pair.p_value if exact else p_value,
            smallest_detectable=pair.smallest_detectable if exact else None,
            excluded_beyond=None if interval is None or interval[0] == interval[1] else max(map(abs, interval)),
            of_accuracy=of_accuracy,
        )

    @property
    def significant(self) -> bool:
        """Whether the interval excludes 0, and for accuracies McNemar's test agrees."""
        return is_significant(self.interval, self.p_value if self.of_accuracy else None)

    @property
    def unconfirmed(self) -> bool:
        """Whether the interval excludes 0, and McNemar's test does not agree."""
        return not self.significant and is_significant(self.interval, None)

    @property
    def test(self) -> str | None:
        """What the p-value is of: "mcnemar", or "bootstrap" for metrics other than the accuracy; None without one."""
        if self.p_value is None:
            return None
        return "mcnemar" if self.of_accuracy else "bootstrap"

    def to_dict(self) -> dict[str, object]:
        """Return plain values, with what the p-value is of, and whether the difference is significant."""
        plain = {name: value for name, value in vars(self).items() if name != "of_accuracy"}
        return {**plain, "test": self.test, "significant": self.significant}


@dataclass(frozen=True)
class SetsGain:
    """By how much a rule is better than the mean over many sets: on average, and pooled by a random-effects model."""

    average: float
    pooled: PooledEffect


@dataclass(frozen=True)
class ShownBetter:
    """A rule that the default yields to.

    Attributes
    ----------
    rule : str
    gain : Difference
        Of the metric, over the default rule, on the fitting rows; averaged over repeated cross-fittings.
    p_value : float
        One-sided, that the gain is no larger than the margin; adjusted for all rules that were tried.
    n_rules : int
        So many.
    repeats : int
    on_scored_rows : bool
        Whether the fitting rows are the scored ones, so that what it gains on these is optimistic.
    """

    rule: str
    gain: Difference
    p_value: float
    n_rules: int
    repeats: int
    on_scored_rows: bool


@dataclass(frozen=True)
class Advice:
    """The rule to use, and why.

    Attributes
    ----------
    rule : str
        The name of a rule that ran.
    default : str
        The rule that many sets name for a set like this one.
    best_known : str or None
        The best rule over many sets, whatever the number of fitting rows; None where nothing is known of any.
    n_sets : int
        How many sets that share no rows with this one.
    gains : dict
        By metric, the best known rule's difference from the mean over those sets; empty where rules are calibrated or
        shifted.
    n_fit, pays_from : int, int or None
        The fitting rows here, and from how many on the best rule is better than the mean.
    fallback : str or None
        Why the default is the mean, and not that rule.
    unknown : tuple of str
        Rules beyond those that a comparison runs of itself that nothing is known of.
    shown_better : ShownBetter or None
        The rule that the default yields to.
    below_best_member : float or None
        By how much the rule's cross-fitted metric is below that of the best single model, where it is.
    choosing : Tally or None
        How often choosing a rule by its cross-fitted score was better than the default, over many sets.
    only_decisions : bool
        Whether the rule's probabilities are neither fitted to a proper score nor calibrated.
    unused : tuple of str
        Members that the rule does not read, so that they need not run.
    """

    rule: str
    default: str
    best_known: str | None
    n_sets: int
    gains: dict[str, SetsGain]
    n_fit: int
    pays_from: int | None
    fallback: str | None = None
    unknown: tuple[str, ...] = ()
    shown_better: ShownBetter | None = None
    below_best_member: float | None = None
    choosing: Tally | None = None
    only_decisions: bool = False
    unused: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        better = self.shown_better
        return {
            **vars(self),
            "gains": {
                metric: {"average": gain.average, "pooled": vars(gain.pooled)} for metric, gain in self.gains.items()
            },
            "shown_better": None if better is None else {**vars(better), "gain": vars(better.gain)},
            "choosing": None if self.choosing is None else vars(self.choosing),
        }


@dataclass(frozen=True)
class Recommendation:
    """What is recommended, with its probabilities of the scored rows.

    Attributes
    ----------
    advice : Advice
    proba : (N, C)
        Of the recommended rule.
    best_member : (N, C) or None
        Of the best single member.
    """

    advice: Advice
    proba: Values
    best_member: Values | None


def are_some(names: Sequence[str]) -> bool:
    """Whether rules are several, and not all that a comparison runs of itself."""
    return len(names) > 1 and not set(default_rules()) <= set(names)


def use(*, of_some: bool) -> str:
    """Return how the sentence begins that names the rule to use, of all rules or of some that were named."""
    return "Of these, use" if of_some else "Use"


@dataclass(frozen=True)
class Verdict:
    """What is noise, and how the recommended rule does on the scored rows.

    Attributes
    ----------
    cochran : CochranQ or None
        Whether any rules differ in accuracy at all.
    optimism : BiasCorrected or None
        The luckiest rule's accuracy, corrected for having been picked.
    n_resamples : int
    letters : dict or None
        By rule, where asked for (compact letter display): rules that share one are not shown to differ.
    standing : str
        The recommended rule, what it reached and gains on the scored rows.
    reasons : tuple of str
        Sentences that say why that rule.
    of_some : bool
        Whether only some of the rules were compared that a comparison runs of itself.
    """

    cochran: CochranQ | None
    optimism: BiasCorrected | None
    n_resamples: int
    letters: dict[str, str] | None = None
    standing: str = ""
    reasons: tuple[str, ...] = ()
    of_some: bool = False

    @property
    def sentences(self) -> tuple[str, ...]:
        """Which rule to use, what it gains, and why it."""
        return (f"{use(of_some=self.of_some)} {self.standing}", *self.reasons)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        optimism = None
        if self.optimism is not None:
            optimism = {
                "accuracy": self.optimism.raw,
                "corrected": self.optimism.corrected,
                "optimism": self.optimism.optimism,
                "n_rules": self.optimism.n_candidates,
            }
        return {
            "sentences": self.sentences,
            "cochran_q": None if self.cochran is None else vars(self.cochran),
            "optimism": optimism,
            "letters": self.letters,
            "n_resamples": self.n_resamples,
        }

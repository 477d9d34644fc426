"""What of a comparison is noise.

Intervals resample the scored rows and take fitted weights as they are: they say what other rows of this kind would do
to these very rules, not what other fitting rows would.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ensembler.arrays import Correct, Values
from ensembler.comparison import wording
from ensembler.comparison.fitting import Fit, mean_of_members
from ensembler.comparison.outcome import Advice, PairedTest, Verdict
from ensembler.comparison.protocol import Split
from ensembler.metrics import TIED_DECIMALS, Metric
from ensembler.metrics.bootstrap import FEWEST_UNITS, enough_units
from ensembler.metrics.intervals import Interval, percentile_interval, wilson
from ensembler.metrics.paired import (
    ALPHA,
    CochranQ,
    Discordance,
    cochran_q,
    compact_letter_display,
    holm,
    resampled_p_value,
)
from ensembler.metrics.predicted import Predicted
from ensembler.metrics.resampling import resampled_metrics
from ensembler.metrics.scores import correct_rows
from ensembler.metrics.selection import BiasCorrected, bias_corrected_best
from ensembler.parallel.threads import side_by_side
from ensembler.predictions.prediction_set import Predictions

Intervals = dict[str, Interval | None]
TestPairs = list[PairedTest | None]


@dataclass(frozen=True)
class Contest:
    """Several predictions of the scored rows, resampled together.

    Attributes
    ----------
    scored : Predictions
    metrics : sequence of Metric
        The first one ranks.
    fits : sequence of Fit
        The rules, in the order of their ranks.
    predicted : list of Predicted
        Of the rules; then of the simple mean; then of the best member, where there is one.
    values : list of float
        The first metric of each.
    correct : (K, N)
        Which rows each is correct about.
    samples : dict of (B, K)
        Metrics of each on the bootstrap samples.
    enough, independent : bool
        Whether rows are enough for intervals; and independent trials, neither weighted nor grouped.
    """

    scored: Predictions
    metrics: Sequence[Metric]
    fits: Sequence[Fit]
    predicted: list[Predicted]
    values: list[float]
    correct: Correct
    samples: dict[str, Values]
    enough: bool
    independent: bool

    @classmethod
    def of(
        cls,
        split: Split,
        metrics: Sequence[Metric],
        fits: Sequence[Fit],
        best_member: Fit | None,
        n_resamples: int,
    ) -> "Contest":
        """Resample the scored rows for all predictions at once."""
        scored, metric = split.scored, metrics[0]
        labels, weight, groups = scored.true_labels, scored.sample_weight, scored.groups
        mean = next((fit.predicted for fit in fits if fit.name == "mean"), None)
        if mean is None:
            mean = mean_of_members(split)
        predicted = [*(fit.predicted for fit in fits), mean, *([] if best_member is None else [best_member.predicted])]
        defined = [metric for metric in metrics if not (metric.needs_probabilities and scored.any_hard)]
        samples = resampled_metrics(
            defined,
            labels,
            predicted,
            sample_weight=weight,
            groups=groups,
            n_resamples=n_resamples,
            seed=split.seed,
            map_blocks=side_by_side,
        )
        values = [float(metric(labels, each, weight)) if metric in defined else np.nan for each in predicted]
        correct = np.array([each.taken(correct_rows) for each in predicted])
        enough, independent = enough_units(scored.n_samples, groups), weight is None and groups is None
        return cls(scored, metrics, fits, predicted, values, correct, samples, enough, independent)

    @property
    def metric(self) -> Metric:
        """The metric that ranks."""
        return self.metrics[0]

    @property
    def mean(self) -> int:
        """The place of the simple mean."""
        return len(self.fits)

    @property
    def best_member(self) -> int | None:
        """The place of the best member."""
        return len(self.fits) + 1 if len(self.predicted) > len(self.fits) + 1 else None

    def intervals(self, place: int) -> Intervals:
        """Return the 95 % interval of each metric: Wilson's for accuracy, else bootstrap."""
        found = {
            name: percentile_interval(values[:, place]) if self.enough else None
            for name, values in self.samples.items()
        }
        if self.independent:
            found["accuracy"] = wilson(int(self.correct[place].sum()), self.scored.n_samples)
        return found

    @property
    def of_accuracy(self) -> bool:
        """Whether the metric that ranks is the accuracy, which McNemar's test is about."""
        return self.metric.name == "accuracy"

    def compare(self, first: int, second: int, against: str) -> PairedTest:
        """Test one prediction against another."""
        interval = None
        differences = self.differences(first, second)
        if differences is not None:
            interval = percentile_interval(differences)
        return PairedTest.of(
            against,
            Discordance.of(self.correct[first], self.correct[second]),
            self.difference(first, second),
            interval,
            independent=self.independent,
            of_accuracy=self.of_accuracy,
            p_value=None if self.of_accuracy else self.p_value(first, second),
        )

    def difference(self, first: int, second: int) -> float:
        """Return by how much one prediction is better than another."""
        return float(not_tied(self.metric.signed(self.values[first] - self.values[second])))

    def differences(self, first: int, second: int) -> Values | None:
        """Return the same on the bootstrap samples; None where there are none to go by."""
        samples = self.samples.get(self.metric.name)
        if samples is None or not self.enough:
            return None
        return not_tied(self.metric.signed(samples[:, first] - samples[:, second]))

    def p_value(self, first: int, second: int) -> float | None:
        """Return the p-value of the metric's difference: McNemar's for accuracy, else by bootstrap samples."""
        if self.of_accuracy:
            return Discordance.of(self.correct[first], self.correct[second]).p_value if self.independent else None
        differences = self.differences(first, second)
        return None if differences is None else resampled_p_value(self.difference(first, second), differences)

    def test_against(self, other: int | None, label: str, name: str) -> TestPairs:
        """Test every rule but the one of that name against another prediction, adjusted by Holm for their number."""
        if other is None:
            return [None] * len(self.fits)
        tests = [None if fit.name == name else self.compare(place, other, label) for place, fit in enumerate(self.fits)]
        return adjusted(tests)

    def simplicity(self, place: int) -> tuple[int, int, str]:
        """Return a key that sorts simple rules first."""
        fit = self.fits[place]
        return fit.rule.complexity, fit.rule.n_fitted(), fit.name

    def cochran(self) -> CochranQ | None:
        """Test whether any rules differ in accuracy."""
        return cochran_q(self.correct[: self.mean]) if self.independent and self.enough else None

    def optimism(self, n_resamples: int, seed: int) -> BiasCorrected | None:
        """Correct the best rule's accuracy for having been picked; the simplest first among equals."""
        if not (self.independent and self.enough and self.of_accuracy):
            return None
        order = sorted(range(self.mean), key=self.simplicity)
        return bias_corrected_best(self.correct[order], n_resamples, seed)

    def compact_letter_display(self) -> dict[str, str] | None:
        """Return letters that rules share if their tests, adjusted for all pairs, do not show them to differ."""
        n_rules = self.mean
        pairs = [(first, second) for first in range(n_rules) for second in range(first + 1, n_rules)]
        p_values = [p_value for pair in pairs if (p_value := self.p_value(*pair)) is not None]
        if len(p_values) < len(pairs):
            return None
        differ = np.zeros((n_rules, n_rules), dtype=bool)
        for (first, second), p_value in zip(pairs, holm(p_values), strict=True):
            differ[first, second] = differ[second, first] = p_value < ALPHA
        return dict(zip([fit.name for fit in self.fits], compact_letter_display(differ), strict=True))


def not_tied(differences: Any) -> Values:
    """Return differences with 0 for those that are rounding only."""
    return np.where(np.round(differences, TIED_DECIMALS) == 0, 0.0, differences)


def adjusted(tests: TestPairs) -> TestPairs:
    """Return tests with their p-values adjusted within the family by Holm's method."""
    p_values = [test.p_value for test in tests if test is not None and test.p_value is not None]
    if len(p_values) < sum(test is not None for test in tests):
        return tests
    values = iter(holm(p_values))
    return [None if test is None else replace(test, p_holm=next(values)) for test in tests]


@dataclass(frozen=True)
class Inference:
    """What was resampled: intervals of every rule, and its tests against the best member and the simple mean."""

    intervals: list[Intervals]
    against_best: TestPairs
    against_mean: TestPairs

    @classmethod
    def of(cls, contest: Contest) -> "Inference":
        """Take intervals and tests of all rules."""
        return cls(
            [contest.intervals(place) for place in range(contest.mean)],
            contest.test_against(contest.best_member, "best member", "best-member"),
            contest.test_against(contest.mean, "mean", "mean"),
        )


def reach_verdict(
    contest: Contest,
    inference: Inference,
    split: Split,
    advice: Advice,
    chosen: str | None,
    best_member_name: str | None,
    *,
    n_resamples: int,
    letters: bool,
    of_some: bool = False,
) -> Verdict:
    """Say what is noise, and test what is recommended on the scored rows; ``of_some`` as in `Verdict`."""
    metric, names = contest.metric, [fit.name for fit in contest.fits]
    place = names.index(advice.rule)
    reached = wording.format_value(metric, contest.values[place])
    tests = [
        (wording.best_member_in_words(best_member_name), inference.against_best[place]),
        ("the mean", inference.against_mean[place]),
    ]
    untested = None
    if metric.name not in contest.samples:
        untested = f"{metric.name} cannot be resampled"
    elif not contest.enough:
        untested = f"there are fewer than {FEWEST_UNITS} rows or groups"
    optimistic = split.protocol.optimistic
    reasons = wording.reason_sentences(advice, metric)
    if chosen is not None and chosen != advice.rule:
        value = wording.format_value(metric, contest.values[names.index(chosen)])
        reasons.append(wording.chosen_sentence(advice, chosen, value, split.protocol))
    return Verdict(
        cochran=contest.cochran(),
        optimism=None if optimistic else contest.optimism(n_resamples, split.seed),
        n_resamples=n_resamples,
        letters=contest.compact_letter_display() if letters else None,
        standing=wording.standing(advice, reached, tests, metric, optimistic=optimistic, untested=untested),
        reasons=tuple(reasons),
        of_some=of_some,
    )

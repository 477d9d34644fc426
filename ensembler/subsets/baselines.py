"""The chosen committee against what is recommended without choosing members, and against the best single model."""

from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from ensembler.arrays import Correct, Values
from ensembler.comparison.outcome import PairedTest, Recommendation
from ensembler.comparison.protocol import Split
from ensembler.metrics.bootstrap import mean_interval
from ensembler.metrics.paired import Discordance
from ensembler.predictions.prediction_set import Predictions


@dataclass(frozen=True)
class Baselines:
    """A committee's tests, by accuracy on rows that it was not chosen on.

    Attributes
    ----------
    against_recommended : PairedTest
        Against the rule that is recommended for all members.
    against_best_member : PairedTest or None
    """

    against_recommended: PairedTest
    against_best_member: PairedTest | None

    @classmethod
    def of(cls, correct: Correct, recommendation: Recommendation, scored: Predictions, seed: int) -> "Baselines":
        """Test a committee that is correct about some of the scored rows."""

        def against(proba: Values, name: str) -> PairedTest:
            return paired(correct, proba.argmax(axis=1) == scored.true_labels, name, scored, seed)

        best = recommendation.best_member
        return cls(
            against(recommendation.proba, recommendation.advice.rule),
            None if best is None else against(best, "best member"),
        )


def paired(first: Correct, second: Correct, name: str, scored: Predictions, seed: int) -> PairedTest:
    """Test which of two is correct about more of the scored rows."""
    difference = first.astype(float) - second
    return PairedTest.of(
        name,
        Discordance.of(first, second),
        float(difference.mean()),
        mean_interval(difference, scored.groups, seed=seed),
        independent=scored.groups is None,
    )


AnyStudy = TypeVar("AnyStudy", bound="Study")


class Study(Protocol):
    """A study or a search: a frozen dataclass with rules that have ``fresh_correct`` and ``baselines``."""

    @property
    def split(self) -> Split: ...  # noqa: D102
    @property
    def rules(self) -> tuple[Any, ...]: ...  # noqa: D102


def with_baselines(study: AnyStudy, recommendation: Recommendation | None) -> AnyStudy:
    """Return a study with its committees tested against what is recommended for the same split."""
    if recommendation is None:
        return study
    scored, seed = study.split.scored, study.split.seed
    rules = tuple(
        rule
        if rule.fresh_correct is None
        else replace(rule, baselines=Baselines.of(rule.fresh_correct, recommendation, scored, seed))
        for rule in study.rules
    )
    found: AnyStudy = replace(study, advice=recommendation.advice, rules=rules)  # type: ignore[type-var]
    return found

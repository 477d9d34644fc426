"""What a study of committees found: one rule on every committee, and all rules together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ensembler.arrays import Correct
from ensembler.comparison.outcome import Advice, PairedTest
from ensembler.comparison.protocol import SplitResult
from ensembler.metrics.selection import BiasCorrected
from ensembler.subsets.baselines import Baselines
from ensembler.subsets.committees import Committee, SubsetSweep

AccuracyOf = Callable[[Sequence[int]], list[float]]


@dataclass(frozen=True)
class CostFront:
    """What accuracy costs.

    Attributes
    ----------
    committees : tuple of (Committee, cost)
        Those that no cheaper one equals on the selection rows, cheapest first.
    cheapest : Committee
        The cheapest one within one standard error (of the paired difference) of the best.
    """

    committees: tuple[tuple[Committee, float], ...]
    cheapest: Committee


@dataclass(frozen=True)
class RuleStudy:
    """One rule on every committee.

    Attributes
    ----------
    scored : SubsetSweep
        On the scored rows.
    choice : SubsetSweep or None
        On the fitting rows, cross-fitted: what the committee is chosen by. The scored sweep itself in cross-fitting;
        None where the rows cannot be divided.
    chosen, luckiest : Committee or None
        The best on the fitting rows, and the best on the scored rows, which luck has helped.
    accuracy, val_accuracy : callable
        From masks to accuracies on the scored rows, and on the rows the committee is chosen by.
    nested : float or None
        In cross-fitting: what choosing a committee anew in each fold reaches on the rows of that fold.
    against_whole : PairedTest or None
        The chosen committee against all members, by accuracy on rows that it was not chosen on.
    fresh_correct : (N,) bool or None
        About which scored rows the chosen committee (in cross-fitting, those chosen anew in each fold) is correct; for
        accuracy, where it was not chosen on them.
    baselines : Baselines or None
        That against what is recommended, and against the best single member: see `with_baselines`.
    optimism : BiasCorrected or None
        What is left of the luckiest when it is chosen anew in every bootstrap sample; for accuracy.
    optimism_is_bound : bool
        Whether that was computed over the best committees only, so that the optimism is a lower bound.
    cost : CostFront or None
        Where the costs of members are known.
    counted : pair of SubsetSweep, or None
        Both sweeps by accuracy, where the metric is another one and they were asked for.
    """

    scored: SubsetSweep
    choice: SubsetSweep | None
    chosen: Committee | None
    luckiest: Committee
    accuracy: AccuracyOf
    val_accuracy: AccuracyOf
    nested: float | None = None
    against_whole: PairedTest | None = None
    fresh_correct: Correct | None = field(default=None, compare=False)
    baselines: Baselines | None = None
    optimism: BiasCorrected | None = None
    optimism_is_bound: bool = False
    cost: CostFront | None = None
    counted: tuple[SubsetSweep, SubsetSweep | None] | None = None

    @property
    def rule(self) -> str:
        """The rule's name."""
        return self.scored.rule


@dataclass(frozen=True)
class SubsetStudy(SplitResult):
    """The result of `study_subsets`.

    Attributes
    ----------
    split : Split
        The prediction set, and its rows to fit on and to score.
    metric : str
    frozen : bool
        Whether weights were fitted once, on all members.
    calibrate : "none" or "members"
    rules : tuple of RuleStudy
    left_out : tuple of (rule, reason)
    must : tuple of int
        Members that every committee has.
    costs : tuple of float or None
    cost_unit : str or None
    top : int
        How many of the best committees are listed.
    advice : Advice or None
        Which rule to use without choosing members, where that was asked for.
    """

    metric: str
    frozen: bool
    calibrate: str
    rules: tuple[RuleStudy, ...]
    left_out: tuple[tuple[str, str], ...]
    must: tuple[int, ...]
    costs: tuple[float, ...] | None
    cost_unit: str | None
    top: int
    advice: Advice | None = None

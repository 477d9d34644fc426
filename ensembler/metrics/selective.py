"""How often answers are wrong if only the most confident rows are answered: the risk–coverage curve.

Rows of the same confidence are answered together, as one step, since no threshold tells them apart.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ensembler.arrays import Values, check_sample_weight, mid_ranks
from ensembler.errors import ShapeError, ValueRangeError
from ensembler.metrics.bootstrap import RESAMPLES, bootstrap_counts, enough_units
from ensembler.metrics.intervals import LEVEL, Interval, percentile_interval

MOST_DRAWN = 50_000_000
"""Rows that are drawn in all bootstrap samples together."""
MOST_AT_ONCE = 1 << 24
"""Rows of several choices that are resampled at a time."""


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    r"""The risk–coverage curve of a confidence: its steps, the fewest answers first.

    Attributes
    ----------
    thresholds : (S,)
        The different confidences, descending; a step answers the rows whose confidence is at least this.
    coverage : (S,)
        The share of rows that is answered, from 0 to 1.
    risk : (S,)
        The share of the answers that is wrong.
    aurc : float
        The area under the curve, :math:`\sum_s (c_s - c_{s-1})\, r_s`: the mean of the risk over coverage.
    excess : float
        By how much it exceeds the area of a confidence that is larger in every correct row than in any wrong one.
    """

    thresholds: Values
    coverage: Values
    risk: Values
    aurc: float
    excess: float

    def at(self, coverage: float) -> float:
        """Return the risk at the first step that answers at least this share of the rows."""
        step = int(np.searchsorted(self.coverage, coverage - 1e-12))
        return float(self.risk[min(step, len(self.risk) - 1)])


def risk_coverage(correct: ArrayLike, confidence: ArrayLike, sample_weight: ArrayLike | None = None) -> RiskCoverage:
    r"""Return the risk–coverage curve of a classifier, with its area and the excess of it.

    Without ties and weights the area is :math:`\frac1N\sum_{i=1}^N e_i/i` with :math:`e_i` errors among the i most
    confident rows. The best order of rows with k errors has :math:`\frac1N\sum_{i>N-k}(i-N+k)/i`, which is subtracted
    for the excess; with row weights the best order ends in the wrong rows by ascending weight.

    Parameters
    ----------
    correct : (N,) bool
        Which predictions are correct.
    confidence : (N,)
        Larger is surer.
    sample_weight : (N,) optional
        Row weights.

    Raises
    ------
    ShapeError, ValueRangeError

    Notes
    -----
    Geifman & El-Yaniv 2017, arXiv 1705.08500; Geifman, Uziel & El-Yaniv 2019, arXiv 1805.08206.

    Examples
    --------
    >>> curve = risk_coverage([True, True, False, True], [0.9, 0.8, 0.7, 0.6])
    >>> curve.coverage.tolist(), curve.risk.round(3).tolist()
    ([0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 0.333, 0.25])
    >>> round(curve.aurc, 4), round(curve.excess, 4)
    (0.1458, 0.0833)
    """
    is_correct, confidences = checked(correct, confidence)
    weight = np.ones(len(is_correct)) if sample_weight is None else check_sample_weight(sample_weight, len(is_correct))
    there = weight > 0
    is_correct, confidences, weight = is_correct[there], confidences[there], weight[there]
    order = np.argsort(-confidences, kind="stable")
    ends = step_ends(confidences[order])
    answered = np.cumsum(weight[order])[ends]
    wrong = np.cumsum(np.where(is_correct, 0.0, weight)[order])[ends]
    coverage, risk = answered / answered[-1], wrong / answered
    coverage[-1] = 1.0
    area = float(np.diff(coverage, prepend=0.0) @ risk)
    return RiskCoverage(confidences[order][ends], coverage, risk, area, max(0.0, area - best_area(is_correct, weight)))


def checked(correct: ArrayLike, confidence: ArrayLike) -> tuple[NDArray[np.bool_], Values]:
    """Return which rows are correct, and their confidence, or raise."""
    is_correct, confidences = np.asarray(correct), np.asarray(confidence, dtype=np.float64)
    if is_correct.dtype != bool or is_correct.ndim != 1 or not len(is_correct):
        raise ShapeError(f"correct is {is_correct.dtype} of shape {is_correct.shape}, expected bool of shape (N,)")
    if confidences.shape != is_correct.shape:
        raise ShapeError(f"confidence has shape {confidences.shape}, expected {is_correct.shape}: one value a row")
    if not np.isfinite(confidences).all():
        raise ValueRangeError("confidence holds values that are not finite, expected numbers")
    return is_correct, confidences


def step_ends(descending: Values) -> NDArray[np.intp]:
    """Return the last place of each run of equal values."""
    return np.flatnonzero(np.append(np.diff(descending) != 0, True))


def best_area(correct: NDArray[np.bool_], weight: Values) -> float:
    """Return the area of the best order of these rows: all correct ones first, then the wrong ones, the lightest first.

    >>> best_area(np.array([True, False, True, False]), np.ones(4)) == (1 / 3 + 2 / 4) / 4
    True
    """
    errors = np.sort(weight[~correct])
    wrong = np.cumsum(errors)
    total = float(weight.sum())
    return float(errors @ (wrong / (total - errors.sum() + wrong)) / total) if len(errors) else 0.0


def resampled_areas(
    correct: NDArray[np.bool_],
    confidences: list[Values],
    sample_weight: Values | None = None,
    groups: NDArray[Any] | None = None,
    *,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
) -> Values:
    """Return the area under the risk–coverage curve of each confidence on bootstrap samples of the rows, (K, B).

    All confidences see the same samples; with groups, whole groups are drawn.
    """
    orders = [np.argsort(-confidence, kind="stable") for confidence in confidences]
    ends = [step_ends(confidence[order]) for confidence, order in zip(confidences, orders, strict=True)]
    areas: list[list[Values]] = [[] for _ in confidences]
    for block in bootstrap_counts(len(correct), n_resamples, seed, groups):
        counts = block.astype(np.float64) if sample_weight is None else block * sample_weight
        errors = np.where(correct, 0.0, counts)
        for order, places, kept in zip(orders, ends, areas, strict=True):
            answered = np.cumsum(counts[:, order], axis=1)[:, places]
            wrong = np.cumsum(errors[:, order], axis=1)[:, places]
            risk = np.divide(wrong, answered, out=np.zeros_like(wrong), where=answered > 0)
            steps = np.diff(answered, axis=1, prepend=0.0)
            kept.append(np.einsum("bs,bs->b", steps, risk) / answered[:, -1])
    return np.array([np.concatenate(kept) for kept in areas])


def area_differences(
    correct: NDArray[np.bool_],
    confidences: list[Values],
    sample_weight: Values | None = None,
    groups: NDArray[Any] | None = None,
    *,
    seed: int = 0,
) -> list[Interval | None]:
    """Return the 95 % interval of how much larger each area is than the first one's; None where rows are too few."""
    if not enough_units(len(correct), groups):
        return [None] * len(confidences)
    n_resamples = n_samples_for(len(correct))
    areas = resampled_areas(correct, confidences, sample_weight, groups, n_resamples=n_resamples, seed=seed)
    return [percentile_interval(area - areas[0]) for area in areas]


@dataclass(frozen=True)
class Answered:
    """What comes of answering some rows only; rows are weighted.

    Attributes
    ----------
    n_rows, n_answered, n_wrong : int
        Rows, those that are answered, and those of them that are answered wrongly.
    coverage : float
        The share that is answered; NaN of no rows.
    risk : float
        The share of the answers that is wrong; NaN where nothing is answered.
    interval : (low, high) or None
        95 % interval of the risk: exact, or by the bootstrap where rows have weights or groups, if some answers are
        right and some wrong.
    """

    n_rows: int
    n_answered: int
    n_wrong: int
    coverage: float
    risk: float
    interval: Interval | None

    @classmethod
    def of(
        cls,
        correct: NDArray[np.bool_],
        answered: NDArray[np.bool_],
        sample_weight: Values | None = None,
        groups: NDArray[Any] | None = None,
        *,
        seed: int = 0,
    ) -> "Answered":
        """Measure the answers to the rows that are answered.

        >>> Answered.of(np.array([True, False, True, False]), np.array([True, True, True, False])).n_wrong
        1
        """
        return answered_steps(correct, answered[None], sample_weight, groups, seed=seed)[0]


def answered_steps(
    correct: NDArray[np.bool_],
    answered: NDArray[np.bool_],
    sample_weight: Values | None = None,
    groups: NDArray[Any] | None = None,
    *,
    seed: int = 0,
) -> list[Answered]:
    """Measure several choices of rows to answer, (S, N)."""
    weight = np.ones(len(correct)) if sample_weight is None else sample_weight
    total = float(weight.sum())
    by_count = sample_weight is None and groups is None
    intervals = [None] * len(answered) if by_count else resampled_risks(correct, answered, weight, groups, seed)
    steps = []
    for some, resampled in zip(answered, intervals, strict=True):
        interval = resampled
        wrong = some & ~correct
        n_some, n_wrong = int(some.sum()), int(wrong.sum())
        share = float(weight[some].sum())
        risk = float(weight[wrong].sum()) / share if share else float("nan")
        if by_count:
            interval = risk_interval(n_wrong, n_some) if n_some else None
        elif n_wrong in (0, n_some):
            # Every bootstrap sample says the same then, which is no certainty.
            interval = None
        steps.append(Answered(len(correct), n_some, n_wrong, share / total if total else float("nan"), risk, interval))
    return steps


def resampled_risks(
    correct: NDArray[np.bool_],
    answered: NDArray[np.bool_],
    weight: Values,
    groups: NDArray[Any] | None,
    seed: int,
) -> list[Interval | None]:
    """Return the bootstrap interval of the risk of each choice of rows to answer, (S, N)."""
    n_rows = answered.shape[1]
    if not n_rows or not enough_units(n_rows, groups):
        return [None] * len(answered)
    size = max(1, MOST_AT_ONCE // n_rows)
    found: list[Interval | None] = []
    for start in range(0, len(answered), size):
        kept = (answered[start : start + size] * weight).T
        wrong = kept * ~correct[:, None]
        risks = []
        for block in bootstrap_counts(n_rows, n_samples_for(n_rows), seed, groups):
            with np.errstate(invalid="ignore", divide="ignore"):
                risks.append((block @ wrong) / (block @ kept))
        found += [percentile_interval(values) for values in np.concatenate(risks).T]
    return found


def n_samples_for(n_rows: int) -> int:
    """Return how many bootstrap samples of so many rows are drawn: fewer where rows are many."""
    return int(max(200, min(RESAMPLES, MOST_DRAWN // max(1, n_rows))))


def risk_interval(wrong: int, answered: int, level: float = LEVEL) -> Interval:
    """Return the exact interval of a risk, Clopper's and Pearson's; from 0 to 1 where nothing is answered.

    Clopper & Pearson 1934, doi 10.1093/biomet/26.4.404.

    >>> tuple(round(end, 4) for end in risk_interval(2, 40))
    (0.0061, 0.1692)
    """
    if not answered:
        return 0.0, 1.0
    from scipy.special import betaincinv

    low = betaincinv(wrong, answered - wrong + 1, (1 - level) / 2) if wrong else 0.0
    high = betaincinv(wrong + 1, answered - wrong, (1 + level) / 2) if wrong < answered else 1.0
    return float(low), float(high)


def risk_bounds(wrong: NDArray[np.int64], answered: NDArray[np.int64], delta: float) -> Values:
    """Return what each risk does not exceed, but with probability delta: Clopper's and Pearson's upper bounds.

    >>> risk_bounds(np.array([2, 0]), np.array([40, 0]), 0.025).round(4).tolist()
    [0.1692, 1.0]
    """
    from scipy.special import betainccinv

    bounds = np.ones(len(wrong))
    some = wrong < answered
    bounds[some] = betainccinv(wrong[some] + 1, answered[some] - wrong[some], delta)
    return bounds


def error_auroc(correct: NDArray[np.bool_], confidence: Values) -> float:
    """Return how probably a correct row has more confidence than a wrong one, ties half; NaN where all are of one kind.

    >>> error_auroc(np.array([True, True, False, True]), np.array([0.9, 0.8, 0.7, 0.6]))
    0.6666666666666666
    """
    n_right = int(correct.sum())
    n_wrong = len(correct) - n_right
    if not n_right or not n_wrong:
        return float("nan")
    return float((mid_ranks(confidence)[correct].sum() - n_right * (n_right + 1) / 2) / (n_right * n_wrong))


def auroc_intervals(
    correct: NDArray[np.bool_], confidences: list[Values], groups: NDArray[Any] | None = None, *, seed: int = 0
) -> list[tuple[Interval | None, Interval | None]]:
    """Return the 95 % interval of each `error_auroc`, and of how much larger it is than the first one's.

    All confidences see the same bootstrap samples; with groups, whole groups are drawn. None where rows are too few, or
    all are of one kind.
    """
    from ensembler.metrics.areas import ClassRanking, area_under_roc

    if not enough_units(len(correct), groups) or correct.all() or not correct.any():
        return [(None, None)] * len(confidences)
    rankings = [ClassRanking.of(correct, confidence) for confidence in confidences]
    areas: list[list[Values]] = [[] for _ in confidences]
    for block in bootstrap_counts(len(correct), n_samples_for(len(correct)), seed, groups):
        counts = np.ascontiguousarray(block.T, dtype=np.float64)
        for ranking, kept in zip(rankings, areas, strict=True):
            kept.append(area_under_roc(ranking, counts))
    found = [np.concatenate(kept) for kept in areas]
    return [(percentile_interval(area), percentile_interval(area - found[0])) for area in found]

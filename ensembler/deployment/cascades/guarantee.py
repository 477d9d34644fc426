"""Thresholds that keep a promise on new rows: conformal risk control, and Learn-then-Test."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ensembler.arrays import Correct, Values
from ensembler.deployment.cascades.front import CascadeData, Route
from ensembler.errors import NotApplicableError

STEPS = 200
"""Thresholds that Learn-then-Test goes through, from one that stops no row early."""

NEVER = 1.0
"""The threshold that no confidence is above."""

LAST_STAGE, ALL_MEMBERS, ERROR = "differs from its last stage", "differs from all members", "is wrong"
RISKS = (LAST_STAGE, ALL_MEMBERS, ERROR)


@dataclass(frozen=True)
class Guarantee:
    """What is promised of new rows, by thresholds that were set on rows which chose nothing else.

    Attributes
    ----------
    risk : str
        What the promise is about: in how many rows the cascade differs from its own last stage, differs from all
        members, or is wrong.
    alpha : float
        The promised share of rows, at most.
    delta : float or None
        None where the promise is one of the expectation; else it holds with probability 1 − delta at least.
    n_calibration : int
        Rows that set the thresholds.
    n_rows_with : int
        How many of them had it at these thresholds.
    """

    risk: str
    alpha: float
    delta: float | None
    n_calibration: int
    n_rows_with: int

    @property
    def method(self) -> str:
        """The name of the method."""
        return "conformal risk control" if self.delta is None else "Learn-then-Test"

    @property
    def promise(self) -> str:
        """What is promised, as a sentence."""
        if self.delta is None:
            how = "in expectation over the calibration rows and new ones"
        else:
            how = f"unless the calibration rows were unlucky, which has probability {self.delta:g} at most"
        return (
            f"Promised of new rows like the {self.n_calibration:,} that set the threshold and chose nothing else: the "
            f"cascade {self.risk} in at most {100 * self.alpha:.3g} % of them, {how} ({self.method})."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"method": self.method, **vars(self), "promise": self.promise}


BROKEN = (
    "The promise breaks where new rows are of another kind, and where members have seen the calibration rows: in "
    "training, or to choose their epochs."
)


def crc_threshold(confidence: Values, differs: Correct, alpha: float) -> float:
    r"""Return the smallest threshold above which few enough rows differ, by conformal risk control.

    With the loss :math:`L_i(\theta) = 1[\mathrm{conf}_i > \theta]\,1[\mathrm{differs}_i]`, which falls with
    :math:`\theta`, it is the smallest of 0, the confidences seen and 1 (which no confidence is above) with
    :math:`(\sum_i L_i(\theta) + 1) / (n + 1) \le \alpha`, or 1 where none has it; then the expected loss of a new
    exchangeable row is at most :math:`\alpha`: Angelopoulos et al. 2022, arXiv 2208.02814.

    >>> crc_threshold(np.array([0.9, 0.8, 0.6, 0.5]), np.array([False, True, False, True]), 0.4)
    0.5
    >>> crc_threshold(np.array([0.9, 0.8]), np.array([False, False]), 0.1)
    1.0
    """
    allowed = math.floor(alpha * (len(confidence) + 1) + 1e-9) - 1
    if allowed < 0:
        return NEVER
    differing = np.sort(confidence[differs])[::-1]
    return 0.0 if len(differing) <= allowed else float(differing[allowed])


def controlled(route: Route, data: CascadeData, alpha: float) -> tuple[Route, Guarantee]:
    """Set the threshold of a two-stage route so that it rarely differs from its last stage, and say what that promises.

    ``data`` has rows that chose nothing else.
    """
    first, last = route.committees
    differs = data.answers.predicted[first] != data.answers.predicted[last]
    threshold = crc_threshold(data.answers.confidence[first], differs, alpha)
    made = replace(route, thresholds=(threshold,))
    stopped = data.answers.confidence[first] > threshold
    risk = ALL_MEMBERS if last == data.committees.whole else LAST_STAGE
    return made, Guarantee(risk, alpha, None, data.n_rows, int((stopped & differs).sum()))


def cheapest_agreeing(data: CascadeData, alpha: float) -> Route:
    """Return the two-stage route to all members that is cheapest where it may differ from them in a share of rows.

    Its threshold is what conformal risk control would set on these rows, which chose the committee and are spent.
    """
    whole = data.committees.whole
    best = Route((whole,)), math.inf
    for committee in range(min(data.n_first, len(data.committees))):
        if committee == whole:
            continue
        confidence = data.answers.confidence[committee]
        differs = data.answers.predicted[committee] != data.answers.predicted[whole]
        threshold = crc_threshold(confidence, differs, alpha)
        passed = float((confidence <= threshold).mean())
        cost = data.costs[committee] + (data.costs[whole] - data.costs[committee]) * passed
        if cost < best[1]:
            best = Route((committee, whole), (threshold,)), float(cost)
    if len(best[0].committees) < 2:
        raise NotApplicableError("one member has no cascade: there is nothing to pass rows on to; give two or more")
    return best[0]


def learn_then_test(
    route: Route, attempts: Sequence[tuple[float, ...]], data: CascadeData, alpha: float, delta: float, *, target: bool
) -> tuple[Route, Guarantee]:
    r"""Move the thresholds of a route, from stopping no row early, as far as the risk is shown to be at most alpha.

    Each of the thresholds is tested in turn by the exact binomial tail :math:`P(\mathrm{Bin}(n, \alpha) \le k)` at
    level delta; the first that fails ends the sequence: fixed-sequence testing, Angelopoulos et al. 2021, arXiv
    2110.01052.

    Parameters
    ----------
    route : Route
    attempts : sequence of thresholds
        From stopping no row early on, fixed by other rows.
    data : CascadeData
        Rows that chose nothing else.
    alpha, delta : float
    target : bool
        Whether the risk is being wrong, instead of differing from all members.

    Raises
    ------
    NotApplicableError
        The promise cannot be made even where no row stops early.
    """
    from scipy.special import bdtr

    risk = ERROR if target else ALL_MEMBERS
    whole = data.answers.predicted[data.committees.whole]
    best: tuple[Route, int] | None = None
    n_with = data.n_rows
    for thresholds in attempts:
        attempt = replace(route, thresholds=thresholds)
        rows = data.follow(attempt)
        n_with = int((~rows.correct if target else rows.predicted != whole).sum())
        if bdtr(n_with, data.n_rows, alpha) > delta:
            break
        best = attempt, n_with
    if best is None:
        way_out = "give a lower target" if target else "give a larger share, or no goal: then all are the last stage"
        raise NotApplicableError(
            f"cannot promise that the cascade {risk} in at most {100 * alpha:.3g} % of new rows: even if no row stops "
            f"early, that is so in {n_with} of {data.n_rows} calibration rows; {way_out}"
        )
    return best[0], Guarantee(risk, alpha, delta, data.n_rows, best[1])


def bolder_thresholds(route: Route, data: CascadeData) -> list[tuple[float, ...]]:
    """Return thresholds of a route's stages, each stopping more rows early than those before, the first none.

    At step :math:`j` of `STEPS` each stage would stop :math:`j` times the same small share of the rows that the route
    was found on, in proportion to what the route stops there; at the last step the boldest stage stops all.
    """
    confidences = [data.answers.confidence[committee] for committee in route.committees[:-1]]
    stopped = [
        max(float((confidence > threshold).mean()), 1 / data.n_rows)
        for confidence, threshold in zip(confidences, route.thresholds, strict=True)
    ]
    ordered = [np.sort(confidence)[::-1] for confidence in confidences]
    steps = []
    for step in range(STEPS + 1):
        shares = [min(share / max(stopped) * step / STEPS, 1.0) for share in stopped]
        counts = [round(share * data.n_rows) for share in shares]
        steps.append(tuple(threshold_for(values, count) for values, count in zip(ordered, counts, strict=True)))
    return list(dict.fromkeys(steps))


def threshold_for(descending: Values, count: int) -> float:
    """Return a threshold that some number of values, or a few less where they tie, are above."""
    if count == 0:
        return NEVER
    return float(descending[count]) if count < len(descending) else 0.0

"""Leaving rows without an answer: a threshold of confidence, set so that answers are wrong as seldom as wanted."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ensembler.arrays import Floats, Missing, Values
from ensembler.combiners.fitted_state import Kind, Maybe, Number, OneOf, take_state
from ensembler.errors import NotApplicableError, ParameterError, UnknownNameError, ValueRangeError
from ensembler.metrics.confidence import SIGNALS, confidence
from ensembler.metrics.selective import checked, risk_bounds

N_COVERAGES = 100
"""Coverages that are tried, 1 % to 100 %: the bounds at all of them hold at once."""
RISK, DELTA = 0.2, 0.05
NEVER = 2.0
"""A threshold that no confidence reaches."""


@dataclass(frozen=True, eq=False)
class Thresholds:
    """Thresholds at fixed coverages of calibration rows, and what the risk above each does not exceed.

    Attributes
    ----------
    coverages : (K,)
        The coverages that were aimed at, 1/K to 1.
    thresholds : (K,)
        A row is answered where its confidence is at least this.
    answered, wrong : (K,) int
        Calibration rows above the threshold, and those of them that the rule is wrong about.
    bounds : (K,)
        Upper bounds of the risk on new rows; all of them hold at once, with probability 1 − delta.
    n_rows : int
        Calibration rows.
    delta : float
    """

    coverages: Values
    thresholds: Values
    answered: NDArray[np.int64]
    wrong: NDArray[np.int64]
    bounds: Values
    n_rows: int
    delta: float

    @classmethod
    def of(cls, correct: ArrayLike, confidence: ArrayLike, delta: float = DELTA) -> Self:
        r"""Find the thresholds on calibration rows.

        The threshold at coverage j/K is just above the confidence of the first row left out. Given that confidence, the
        rows above it are an independent sample of new rows above it, so that their errors are binomial, and Clopper's
        and Pearson's bound at :math:`\delta/K` holds; by Bonferroni's inequality all K hold with :math:`1-\delta`.

        Examples
        --------
        >>> tried = Thresholds.of(np.arange(1000) > 100, np.arange(1000) / 1000)
        >>> tried.thresholds[[49, 99]].round(3).tolist(), tried.bounds[[49, 99]].round(3).tolist()
        ([0.499, 0.0], [0.015, 0.136])
        """
        check_share("delta", delta)
        is_correct, confidences = checked(correct, confidence)
        if confidences.min() < 0 or confidences.max() > 1:
            raise ValueRangeError(
                f"confidence is from {confidences.min():g} to {confidences.max():g}, expected from 0 to 1"
            )
        n_rows = len(is_correct)
        order = np.argsort(-confidences, kind="stable")
        descending, wrong_until = confidences[order], np.cumsum(~is_correct[order])
        coverages = np.arange(1, N_COVERAGES + 1) / N_COVERAGES
        kept = np.maximum(1, np.floor(coverages * n_rows + 0.5).astype(np.int64))
        # Not the last row's own confidence: the sample above it would be chosen by a row that is in it.
        first_left_out = np.append(descending, -np.inf)[kept]
        thresholds = np.maximum(np.nextafter(first_left_out, np.inf), 0.0)
        answered = np.searchsorted(-descending, -thresholds, side="right").astype(np.int64)
        wrong = np.where(answered > 0, wrong_until[answered - 1], 0).astype(np.int64)
        bounds = risk_bounds(wrong, answered, delta / N_COVERAGES)
        return cls(coverages, thresholds, answered, wrong, bounds, n_rows, delta)

    def step_for(self, risk: float) -> int | None:
        """Return the place of the threshold that answers most rows with no more than this risk; None for none."""
        check_share("risk", risk)
        within = np.flatnonzero(self.bounds <= risk)
        return int(within[-1]) if len(within) else None


@dataclass(frozen=True)
class Abstention:
    """Answer the rows whose confidence reaches a threshold, and leave the others without an answer.

    Parameters
    ----------
    confidence : str
        What confidence is read from: one of `ensembler.metrics.confidence.SIGNALS`.
    threshold : float
        A row is answered where its confidence, from 0 to 1, is at least this.
    risk : float, optional
        What share of the answers may be wrong.
    delta : float, optional
        With which probability the calibration rows are so misleading that more are.
    n_rows : int, optional
        How many rows set the threshold. These three are None where a threshold was set by hand.

    Examples
    --------
    >>> proba = np.array([[0.9, 0.1], [0.55, 0.45]])
    >>> Abstention("top-probability", 0.7).answers(proba, proba[None]).tolist()
    [True, False]
    """

    confidence: str
    threshold: float
    risk: float | None = None
    delta: float | None = None
    n_rows: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no abstention can be."""
        if self.confidence not in SIGNALS:
            raise UnknownNameError("confidence signal", self.confidence, SIGNALS)
        if not 0 <= self.threshold <= NEVER:
            raise ParameterError(f"threshold is {self.threshold}, expected a confidence from 0 to 1")

    @classmethod
    def fit(
        cls,
        correct: ArrayLike,
        confidence: ArrayLike,
        *,
        signal: str = SIGNALS[0],
        risk: float = RISK,
        delta: float = DELTA,
    ) -> Self:
        r"""Set the threshold on calibration rows, so that answers to new rows are wrong in a share of at most ``risk``.

        This holds with probability :math:`1-\delta` over the draw of the calibration rows, if they and the new rows
        are drawn alike, independently, and chose nothing else.

        Parameters
        ----------
        correct : (n,) bool
            Which calibration rows the rule is correct about.
        confidence : (n,)
            Of each of them, from 0 to 1.
        signal : str
            What it was read from.
        risk, delta : float

        Raises
        ------
        NotApplicableError
            The rows show no threshold to have so low a risk.

        Notes
        -----
        Geifman & El-Yaniv 2017, arXiv 1705.08500, with thresholds at 100 fixed coverages and Bonferroni's inequality.

        Examples
        --------
        >>> confidences = np.arange(1000) / 1000
        >>> Abstention.fit(confidences > 0.3, confidences, risk=0.1).n_rows
        1000
        """
        tried = Thresholds.of(correct, confidence, delta)
        step = tried.step_for(risk)
        if step is None:
            raise NotApplicableError(no_threshold(tried, risk))
        return cls(signal, float(tried.thresholds[step]), risk, delta, tried.n_rows)

    def confidence_of(self, proba: Floats, members: Floats, missing: Missing | None = None) -> Values:
        """Return the confidence of each row, (N,), from the ensemble's probabilities (N, C) and the members'."""
        return confidence(self.confidence, proba, members, missing)

    def answers(self, proba: Floats, members: Floats, missing: Missing | None = None) -> NDArray[np.bool_]:
        """Return which rows are answered, (N,)."""
        return np.asarray(self.confidence_of(proba, members, missing) >= self.threshold)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as a recipe holds them."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Self:
        """Return the abstention that a recipe describes, each value checked."""
        return cls(**take_state("abstention", ENTRIES, entry, {}))


ENTRIES: dict[str, Kind] = {
    "confidence": OneOf(SIGNALS),
    "threshold": Number(0.0, NEVER),
    "risk": Maybe(Number(0.0, 1.0)),
    "delta": Maybe(Number(0.0, 1.0)),
    "n_rows": Maybe(Number(1, 1e12, whole=True)),
}
"""What a recipe holds of an abstention."""


def check_share(name: str, value: float) -> None:
    """Refuse what no share of rows between none and all can be."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 < value < 1:
        raise ParameterError(f"{name} is {value}, expected a number between 0 and 1")


def no_threshold(tried: Thresholds, risk: float) -> str:
    """Say that no threshold is shown to keep a risk, and which risk one is."""
    least = float(tried.bounds.min())
    # Rounded up, so that it is kept where it is typed.
    reached = "" if least >= 1 else f"; the lowest that one is shown to keep is {math.ceil(1e4 * least) / 1e4:g}"
    return (
        f"no threshold of confidence is shown by {tried.n_rows:,} calibration rows to keep the risk at {risk:g}"
        f"{reached}; allow more risk, or give more rows"
    )

"""Sets of classes that hold the true one as often as wanted, by conformal prediction on split-off rows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ensembler.arrays import Floats, Values, check_labels
from ensembler.combiners.fitted_state import Kind, Maybe, Number, OneOf, Several, Truth, take_state
from ensembler.deployment.abstention import check_share
from ensembler.errors import ParameterError, ShapeError, UnknownNameError, UsageError
from ensembler.metrics.conformal import SCORES, class_scores, conformal_level, conformal_quantile, label_scores
from ensembler.serialization import parse_spec

ALPHA = 0.1
PENALTY, FREE = 0.01, 5
"""Of raps, as its authors recommend: the penalty a rank, and the ranks that are free of it."""
LARGEST_SCORE = 1e9


@dataclass(frozen=True)
class PredictionSets:
    r"""Sets of the classes whose score is at most a quantile of calibration scores.

    A new row's set holds its true class with a probability of at least :math:`1-\alpha`, over the draw of the
    calibration rows and of the row, if they are drawn alike; with ``by_class`` also among the rows of each class.

    Parameters
    ----------
    score : str
        ``"lac"``, ``"aps"`` or ``"raps"``, as in `ensembler.metrics.conformal.class_scores`.
    alpha : float
        How often the true class may be missing.
    quantiles : tuple of float
        One a class; the same for all unless ``by_class``. Infinity puts the class into every set.
    by_class : bool
        Whether each class has a quantile of its own (Mondrian).
    randomised : bool
        Whether scores are randomised, by numbers drawn in the order of the rows.
    seed : int
    penalty, free : float, int
        Of ``"raps"``.
    n_rows : int
        How many rows calibrated.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> proba = rng.dirichlet([1, 1, 1], 1000)
    >>> labels = np.array([rng.choice(3, p=row) for row in proba])
    >>> sets = PredictionSets.fit(proba[:500], labels[:500], alpha=0.1)
    >>> sets.predict(proba[500:])[np.arange(500), labels[500:]].mean().round(2).tolist()
    0.92
    """

    score: str
    alpha: float
    quantiles: tuple[float, ...]
    by_class: bool = False
    randomised: bool = False
    seed: int = 0
    penalty: float = 0.0
    free: int = 0
    n_rows: int = 0

    def __post_init__(self) -> None:
        """Refuse what no prediction sets can be."""
        check_share("alpha", self.alpha)
        if self.score not in SCORES:
            raise UnknownNameError("score", self.score, SCORES)
        if self.randomised and self.score == "lac":
            raise UsageError("lac is not randomised; drop that, or take aps or raps")
        if not self.by_class and len(set(self.quantiles)) > 1:
            raise ParameterError("the quantiles of classes differ, expected one for all unless by_class is true")

    @classmethod
    def fit(
        cls,
        proba: ArrayLike,
        labels: ArrayLike,
        *,
        alpha: float = ALPHA,
        score: str = "lac",
        by_class: bool = False,
        randomised: bool = False,
        seed: int = 0,
    ) -> Self:
        """Take the quantiles of the scores of calibration rows.

        Parameters
        ----------
        proba : (n, C)
            The fitted rule's probabilities of rows that it was not fitted on.
        labels : (n,)
        alpha : float
        score : str
            ``"lac"``, ``"aps"``, ``"raps"``, or ``"raps:penalty=0.1,free=2"``.
        by_class, randomised, seed

        Raises
        ------
        ShapeError, UsageError
        """
        values = np.asarray(proba, dtype=np.float64)
        if values.ndim != 2 or not len(values):
            raise ShapeError(f"proba has shape {values.shape}, expected (n, C)")
        n_rows, n_classes = values.shape
        true = check_labels(labels, n_rows, n_classes)
        check_share("alpha", alpha)
        name, parameters = parse_score(score, n_classes)
        empty = cls(name, float(alpha), (), by_class, randomised, seed, **parameters, n_rows=n_rows)
        of_labels = label_scores(empty.scores(values, stream=0), true)
        if by_class:
            found = [conformal_quantile(of_labels[true == label], alpha) for label in range(n_classes)]
        else:
            found = [conformal_quantile(of_labels, alpha)] * n_classes
        return cls(name, float(alpha), tuple(found), by_class, randomised, seed, **parameters, n_rows=n_rows)

    @property
    def unbounded(self) -> tuple[int, ...]:
        """The classes that are in every set, since too few rows calibrated them."""
        return tuple(label for label, quantile in enumerate(self.quantiles) if math.isinf(quantile))

    @property
    def fewest_rows(self) -> int:
        """How many calibration rows a finite quantile needs at least."""
        n_rows = math.ceil(1 / self.alpha) - 1
        while conformal_level(n_rows, self.alpha) > n_rows:
            n_rows += 1
        return n_rows

    def scores(self, proba: Floats, stream: int = 1) -> Values:
        """Return the score of every class in every row, (N, C); ``stream`` 0 is that of the calibration rows."""
        drawn = np.random.default_rng([self.seed, stream]).random(len(proba)) if self.randomised else None
        return class_scores(self.score, proba, drawn, penalty=self.penalty, free=self.free)

    def predict(self, proba: Floats) -> NDArray[np.bool_]:
        """Return which classes are in each row's set, (N, C); a set may be empty where no class fits.

        Randomised sets are the same for the same rows in the same order.
        """
        values = np.asarray(proba)
        if values.ndim != 2 or values.shape[1] != len(self.quantiles):
            raise ShapeError(f"proba has shape {values.shape}, expected (N, {len(self.quantiles)})")
        return np.asarray(self.scores(values) <= np.array(self.quantiles))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as a recipe holds them; None for an infinite quantile."""
        finite = [None if math.isinf(quantile) else quantile for quantile in self.quantiles]
        return {**vars(self), "quantiles": finite}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any], n_classes: int) -> Self:
        """Return the prediction sets that a recipe describes, each value checked."""
        values = take_state("prediction_sets", ENTRIES, entry, {"C": n_classes})
        values["quantiles"] = tuple(math.inf if value is None else value for value in values["quantiles"])
        return cls(**values)


ENTRIES: dict[str, Kind] = {
    "score": OneOf(SCORES),
    "alpha": Number(0.0, 1.0),
    "quantiles": Several(Maybe(Number(-LARGEST_SCORE, LARGEST_SCORE)), "C"),
    "by_class": Truth(),
    "randomised": Truth(),
    "seed": Number(0, 2**32 - 1, whole=True),
    "penalty": Number(0.0, LARGEST_SCORE),
    "free": Number(0, 1e9, whole=True),
    "n_rows": Number(0, 1e12, whole=True),
}
"""What a recipe holds of prediction sets."""


def parse_score(text: str, n_classes: int) -> tuple[str, dict[str, Any]]:
    """Return the name of a score and its parameters.

    >>> parse_score("raps:penalty=0.1,free=2", 7)
    ('raps', {'penalty': 0.1, 'free': 2})
    """
    name, given = parse_spec(text)
    if name not in SCORES:
        raise UnknownNameError("score", name, SCORES)
    if name != "raps":
        if given:
            raise UsageError(f"score {name} has no parameters, got {', '.join(given)}; drop them")
        return name, {}
    for parameter in given:
        if parameter not in ("penalty", "free"):
            raise UnknownNameError("parameter of raps", parameter, ("penalty", "free"))
    penalty, free = given.get("penalty", PENALTY), given.get("free", FREE)
    if isinstance(penalty, bool) or not isinstance(penalty, (int, float)) or not 0 < penalty <= 1000:
        raise ParameterError(f"penalty of raps is {penalty}, expected a number above 0")
    if isinstance(free, bool) or not isinstance(free, int) or free < 0:
        raise ParameterError(f"free of raps is {free}, expected a whole number of at least 0")
    if free >= n_classes:
        raise UsageError(
            f"raps:free={free} penalises no rank of {n_classes} classes, so that it is aps; give raps:free=1"
        )
    return name, {"penalty": float(penalty), "free": free}

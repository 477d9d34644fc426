"""What finds a rule's errors: its own confidence, and the members' uncertainty taken apart."""

from dataclasses import dataclass

import numpy as np

from ensembler.arrays import Floats, Values
from ensembler.metrics.confidence import DECIMALS, Uncertainty, confidence, uncertainty
from ensembler.metrics.intervals import Interval
from ensembler.metrics.selective import auroc_intervals, error_auroc
from ensembler.predictions.prediction_set import Predictions

OF_RULE = ("top-probability", "margin", "entropy", "agreement")
UNCERTAIN = {
    "total": "total entropy",
    "expected": "expected entropy",
    "mutual_information": "mutual information",
}
"""Parts of the members' uncertainty, and what they are called."""


@dataclass(frozen=True)
class ErrorSignal:
    """How well a signal tells rows that a rule is right about from those that it is wrong about.

    Attributes
    ----------
    name : str
    auroc : float
        How probably the signal is surer of a right row than of a wrong one, ties half; NaN where all are of one kind.
    interval : (low, high) or None
        95 % bootstrap interval of it.
    difference : float
        Against the rule's top probability.
    difference_interval : (low, high) or None
    when_right, when_wrong : float
        Its mean over the rows that the rule is right, and wrong, about.
    """

    name: str
    auroc: float
    interval: Interval | None
    difference: float
    difference_interval: Interval | None
    when_right: float
    when_wrong: float


def uncertainty_of(data: Predictions) -> Uncertainty:
    """Return the members' uncertainty about each row of a set, taken apart, in nats."""
    return uncertainty(data.proba, data.missing)


def error_signals(data: Predictions, proba: Floats, seed: int = 0) -> list[ErrorSignal]:
    """Measure what finds the errors of a rule, whose probabilities (N, C) these are; its top probability comes first.

    With one member there is no disagreement, and nothing but what the rule itself says.
    """
    correct = proba.argmax(axis=-1) == data.true_labels
    one = data.n_members == 1
    names = [name for name in OF_RULE if not (one and name == "agreement")]
    values: dict[str, Values] = {name: confidence(name, proba, data.proba, data.missing) for name in names}
    sure = dict(values)
    if not one:
        for part, amount in uncertainty_of(data)._asdict().items():
            values[UNCERTAIN[part]] = amount
            # Entropies that are equal differ in the last bit by the order in which they were summed.
            sure[UNCERTAIN[part]] = np.asarray(-np.round(amount, DECIMALS))
    intervals = auroc_intervals(correct, list(sure.values()), data.groups, seed=seed)
    areas = {name: error_auroc(correct, confident) for name, confident in sure.items()}
    first = areas[OF_RULE[0]]
    return [
        ErrorSignal(
            name,
            areas[name],
            interval,
            areas[name] - first,
            difference if place else None,
            mean_of(amount[correct]),
            mean_of(amount[~correct]),
        )
        for place, ((name, amount), (interval, difference)) in enumerate(zip(values.items(), intervals, strict=True))
    ]


def mean_of(values: Values) -> float:
    """Return the mean; NaN of nothing."""
    return float(values.mean()) if len(values) else float("nan")

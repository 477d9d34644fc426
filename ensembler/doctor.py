"""What is suspicious about a prediction set that can be read."""

import warnings
from collections.abc import Iterator

import numpy as np

from ensembler.errors import DataWarning
from ensembler.metrics import METRICS
from ensembler.predictions import Predictions

FEWEST_ROWS = 20
"""Below this many rows, being no better than the largest class is nothing to wonder at."""


def warn(predictions: Predictions) -> None:
    """Give a `DataWarning` for each finding."""
    for finding in findings(predictions):
        warnings.warn(finding, DataWarning, stacklevel=3)


def findings(predictions: Predictions) -> Iterator[str]:
    """Yield in words what is legal, and probably not what was meant."""
    if predictions.n_members == 1:
        yield f"there is one member only, {predictions.names[0]!r}: every rule comes down to it"
    for name, member in zip(predictions.names, predictions.proba, strict=True):
        if predictions.n_samples > 1 and bool((member == member[0]).all()):
            yield f"member {name!r} gives the same probabilities in every row; is it trained?"
    if predictions.labels is not None and predictions.n_samples >= FEWEST_ROWS:
        accuracy = METRICS["accuracy"](predictions.labels, predictions.proba).max()
        counts = np.bincount(predictions.labels, minlength=predictions.n_classes)
        if accuracy <= counts.max() / predictions.n_samples < 1:
            largest = predictions.classes[counts.argmax()]
            yield (
                f"no member is right more often ({accuracy:.3f}) than always saying {largest} would be; "
                "do labels and predictions have the same row order and the same class order?"
            )
        for name, member in zip(predictions.names, predictions.proba, strict=True):
            if np.array_equal(member.argmax(axis=-1), predictions.labels):
                yield f"member {name!r} is right in every row; is it a copy of the labels?"
        if counts.max() == predictions.n_samples:
            yield f"every row has the label {predictions.classes[counts.argmax()]}; there is nothing to tell apart"
    first_of: dict[str, str] = {}
    for name, checksum in zip(predictions.names, predictions.digests, strict=True):
        if checksum in first_of:
            yield f"members {first_of[checksum]!r} and {name!r} are identical; is one a copy of the other?"
        first_of.setdefault(checksum, name)
    validation = predictions.validation
    if validation is not None:
        if validation_is_scored(predictions):
            yield (
                "the validation rows are the scored rows: weights are fitted on what is scored, "
                "and every figure is optimistic"
            )
        absent = np.setdiff1d(predictions.truth, validation.truth)
        if len(absent):
            names = ", ".join(predictions.classes[label] for label in absent)
            it = "it" if len(absent) == 1 else "them"
            yield f"no validation row has class {names}: nothing about {it} can be learned there"


def validation_is_scored(predictions: Predictions) -> bool:
    """Whether the validation rows are the scored rows once more."""
    validation = predictions.validation
    return (
        validation is not None
        and validation.digests == predictions.digests
        and np.array_equal(validation.truth, predictions.truth)
    )

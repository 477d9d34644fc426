"""Checks that cost nothing: they run whenever a prediction set is loaded or compared."""

from collections.abc import Iterator

import numpy as np

from ensembler.predictions.diagnosis.findings import FEWEST_ROWS, Check, Finding, Severity
from ensembler.predictions.diagnosis.leak_checks import FarAbove, validation_is_scored
from ensembler.predictions.prediction_set import Predictions


class OneMember(Check):
    """A set of one member, which leaves nothing to combine."""

    codes = ("one-member",)
    title = "There is one member only"
    severity = "warning"

    def findings(self, predictions: Predictions, which: str = "") -> Iterator[Finding]:
        """Yield one finding if there is one member."""
        if predictions.n_members == 1:
            [name] = predictions.names
            yield self.finding(name, f"there is one member only, {name!r}: nothing to combine")


class Constant(Check):
    """A member whose probabilities are the same in every row: an untrained or a collapsed network."""

    codes = ("constant",)
    title = "A member predicts the same in every row"
    severity = "warning"

    def findings(self, predictions: Predictions, which: str = "") -> Iterator[Finding]:
        """Yield one finding a member."""
        for name, member in zip(predictions.names, predictions.proba, strict=True):
            if predictions.n_samples > 1 and bool((member == member[0]).all()) and member[0].any():
                message = f"member {name!r} gives the same probabilities in every row"
                yield self.finding(name, message, "is it trained?")


class MissingVotes(Check):
    """Hard members that leave rows unanswered, and rows that no member answers, which go to the class prior."""

    codes = ("missing-votes", "unanswered-rows")
    title = "Votes are missing"

    many = 0.5
    """Share of a member's votes from which it is a warning that they are missing."""

    def findings(self, predictions: Predictions, which: str = "") -> Iterator[Finding]:
        """Yield one finding a member that leaves rows unanswered, and one about the rows that nobody answers."""
        for name, n_missing in zip(predictions.names, predictions.n_missing.tolist(), strict=True):
            if n_missing:
                severity: Severity = "info" if n_missing < self.many * predictions.n_samples else "warning"
                message = f"member {name!r} leaves {n_missing:,} of {predictions.n_samples:,} {which}rows unanswered"
                advice = "they add nothing to any sum, and count as wrong in its accuracy"
                yield self.finding(name, message, advice, severity=severity, code="missing-votes")
        if predictions.n_unanswered:
            message = f"no member answers {predictions.n_unanswered:,} of {predictions.n_samples:,} {which}rows"
            advice = "they go to the most frequent class of the fitting rows"
            yield self.finding("rows", message, advice, severity="warning", code="unanswered-rows")


class NoBetterThanLargestClass(Check):
    """No member beats the share of the most frequent class: labels or columns are likely in another order."""

    codes = ("no-better-than-largest-class",)
    title = "No member is better than the largest class"
    severity = "warning"
    fewest_rows = FEWEST_ROWS
    needs_labels = True

    def findings(self, predictions: Predictions, which: str = "") -> Iterator[Finding]:
        """Yield one finding about the labels."""
        labels = predictions.true_labels
        accuracy = (predictions.correct.sum(axis=1) / np.maximum(predictions.answered.sum(axis=1), 1)).max()
        counts = np.bincount(labels, minlength=predictions.n_classes)
        if accuracy <= counts.max() / predictions.n_samples < 1:
            largest = predictions.classes[counts.argmax()]
            message = f"no member is right more often ({accuracy:.3f}) than always saying {largest} would be"
            advice = "do labels and predictions have the same row order and the same class order?"
            yield self.finding("labels", message, advice)


class AlwaysRight(Check):
    """A member without a single error: likely a copy of the labels."""

    codes = ("always-right",)
    title = "A member is correct in every row"
    fewest_rows = FEWEST_ROWS
    needs_labels = True

    easy = 1 - FarAbove.error_lead
    """Accuracy of the best other member above which the rows are easy, and it is an info instead of an error."""

    def findings(self, predictions: Predictions, which: str = "") -> Iterator[Finding]:
        """Yield one finding a member."""
        for name, correct in zip(predictions.names, predictions.correct, strict=True):
            if correct.all():
                severity: Severity = "info" if best_of_others(predictions, name) > self.easy else "error"
                message = f"member {name!r} is right in every row"
                yield self.finding(name, message, "is it a copy of the labels?", severity=severity)


def best_of_others(predictions: Predictions, name: str) -> float:
    """Return the best accuracy among the members other than the one of this name; 0 without any."""
    accuracy = predictions.correct.mean(axis=1)
    others = [float(value) for other, value in zip(predictions.names, accuracy, strict=True) if other != name]
    return max(others, default=0.0)


class OneLabel(Check):
    """Every row has the same label, so that every metric is trivial."""

    codes = ("one-label",)
    title = "All rows have one label"
    severity = "warning"
    fewest_rows = FEWEST_ROWS
    needs_labels = True

    def findings(self, predictions: Predictions, which: str = "") -> Iterator[Finding]:
        """Yield one finding about the labels."""
        first = predictions.true_labels[0]
        if (predictions.true_labels == first).all():
            label = predictions.classes[first]
            yield self.finding("labels", f"every row has the label {label}; there is nothing to tell apart")


class Identical(Check):
    """Two members with the same array: one file saved, or copied, under two names."""

    codes = ("identical",)
    title = "Two members are identical"
    severity = "warning"

    def findings(self, predictions: Predictions, which: str = "") -> Iterator[Finding]:
        """Yield one finding for each member that repeats an earlier one."""
        first_of: dict[str, str] = {}
        for name, checksum in zip(predictions.names, predictions.digests, strict=True):
            if checksum in first_of:
                message = f"members {first_of[checksum]!r} and {name!r} are identical"
                yield self.finding(name, message, "is one a copy of the other?")
            first_of.setdefault(checksum, name)


class ValidationIsScored(Check):
    """The validation folder holds the scored rows once more, so that every fit is optimistic."""

    codes = ("validation-is-scored",)
    title = "The validation rows are the scored rows"
    severity = "error"

    def findings(self, predictions: Predictions, which: str = "") -> Iterator[Finding]:
        """Yield one finding about the validation rows."""
        if validation_is_scored(predictions):
            message = "the validation rows are the scored rows: weights are fitted on what is scored"
            yield self.finding("validation", message, "every figure is optimistic")


class ClassNotInValidation(Check):
    """A class of the scored rows that no validation row has, about which nothing can be fitted."""

    codes = ("class-not-in-validation",)
    title = "A class has no validation row"
    severity = "warning"

    def findings(self, predictions: Predictions, which: str = "") -> Iterator[Finding]:
        """Yield one finding that names all such classes."""
        if predictions.validation is None:
            return
        absent = np.setdiff1d(predictions.true_labels, predictions.validation.true_labels)
        if len(absent):
            classes = ", ".join(predictions.classes[label] for label in absent)
            pronoun = "it" if len(absent) == 1 else "them"
            message = f"no validation row has class {classes}: nothing about {pronoun} can be learned there"
            yield self.finding("validation", message)


QUICK_CHECKS: tuple[Check, ...] = (
    OneMember(),
    MissingVotes(),
    Constant(),
    NoBetterThanLargestClass(),
    AlwaysRight(),
    OneLabel(),
    Identical(),
    ValidationIsScored(),
    ClassNotInValidation(),
)

"""Checks of what members predict: classes that none ever does, near copies, confidence without accuracy."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ensembler.errors import setting, spelled
from ensembler.predictions.diagnosis.agreement import NEARLY_SAME
from ensembler.predictions.diagnosis.findings import FEWEST_ROWS, Check, Finding
from ensembler.predictions.diagnosis.redundancy import ALIKE, agreement_beyond_accuracy
from ensembler.predictions.prediction_set import Predictions


class ClassNeverPredicted(Check):
    """A class that occurs and that no member ever predicts, so that every rule misses it."""

    codes = ("class-never-predicted",)
    title = "A class is never predicted"
    severity = "warning"
    fewest_rows = FEWEST_ROWS

    def findings(self, predictions: Predictions, which: str = "") -> Iterator[Finding]:
        """Yield one finding a class."""
        predicted = set(np.unique(predictions.votes).tolist())
        counts = np.bincount(predictions.true_labels, minlength=predictions.n_classes)
        for label in np.flatnonzero(counts).tolist():
            if label not in predicted:
                name = predictions.classes[label]
                message = f"no member ever says {name}, which {counts[label]:,} of the {which}rows have"
                advice = "all rules will miss it; are class orders and labels what they should be?"
                yield self.finding(name, message, advice)


class NearDuplicates(Check):
    """Two members that err alike, beyond what their accuracies imply: checkpoints of one run, or one model twice.

    Without labels accuracies are not known; then those that predict the same class nearly everywhere are named.
    """

    codes = ("near-duplicates",)
    title = "Two members err alike"
    severity = "info"
    advice = "checkpoints of one run, or the same model twice?"

    def findings(self, predictions: Predictions, which: str = "") -> Iterator[Finding]:
        """Yield one finding a pair that is not identical."""
        seen = self.unlabelled(predictions) if predictions.labels is None else self.labelled(predictions)
        for first, second, message in seen:
            if predictions.digests[first] != predictions.digests[second]:
                names = (predictions.names[first], predictions.names[second])
                yield self.finding(
                    f"{names[0]}, {names[1]}", f"members {names[0]!r} and {names[1]!r} {message}", self.advice
                )

    def labelled(self, predictions: Predictions) -> Iterator[tuple[int, int, str]]:
        """Yield pairs that agree far beyond what their accuracies imply."""
        found = agreement_beyond_accuracy(predictions)
        for first, second in np.argwhere(np.triu(found.shown_above(ALIKE), 1)).tolist():
            share = 1 - found.different[first, second] / found.n_rows[first, second]
            implied, kappa = found.implied[first, second], found.kappa[first, second]
            text = f"say the same class in {share:.1%} of the rows, where their accuracies imply {implied:.0%}"
            yield first, second, f"{text} (κ {kappa:.2f})"

    def unlabelled(self, predictions: Predictions) -> Iterator[tuple[int, int, str]]:
        """Yield pairs that predict the same class nearly everywhere."""
        predicted, answered = predictions.votes, predictions.answered
        for first, second in zip(*np.triu_indices(predictions.n_members, 1), strict=True):
            both = answered[first] & answered[second]
            same = float((predicted[first] == predicted[second])[both].mean()) if both.any() else 0.0
            if same >= NEARLY_SAME:
                yield int(first), int(second), f"say the same class in {same:.1%} of the rows"


class SameSeed(Check):
    """Members whose metadata name the same architecture and the same seed, so that they may err alike."""

    codes = ("same-seed",)
    title = "Two members have one architecture and one seed"
    severity = "info"

    def findings(self, predictions: Predictions, which: str = "") -> Iterator[Finding]:
        """Yield one finding for each member that repeats an earlier one's recipe."""
        first_of: dict[tuple[Any, Any], str] = {}
        for name, metadata in zip(predictions.names, predictions.metadata, strict=True):
            if metadata.get("architecture") is None or metadata.get("seed") is None:
                continue
            recipe = (str(metadata["architecture"]), str(metadata["seed"]))
            if recipe in first_of:
                message = f"members {first_of[recipe]!r} and {name!r} have the same architecture and the same seed"
                advice = "they started alike and may err alike; were other seeds meant?"
                yield self.finding(f"{first_of[recipe]}, {name}", message, advice)
            first_of.setdefault(recipe, name)


class Overconfident(Check):
    """A member that is much more confident than accurate; one more confident than the others dominates averages."""

    codes = ("overconfident",)
    title = "A member is overconfident"
    severity = "info"
    fewest_rows = FEWEST_ROWS

    excess = 0.1
    """Mean confidence over accuracy, or over the others' median confidence. Real networks have up to .4 over their
    accuracy: nothing rare."""

    def findings(self, predictions: Predictions, which: str = "") -> Iterator[Finding]:
        """Yield one finding a member with probabilities."""
        accuracy = predictions.correct.mean(axis=1)
        confidences = {
            index: float(member.max(axis=1).mean(dtype=np.float64))
            for index, member in enumerate(predictions.proba)
            if not predictions.hard[index]
        }
        for index, confidence in confidences.items():
            if confidence - accuracy[index] > self.excess:
                name = predictions.names[index]
                message = (
                    f"member {name!r} is {confidence:.2f} confident on average and right in {accuracy[index]:.2f} "
                    "of the rows"
                )
                others = [value for other, value in confidences.items() if other != index]
                dominates = bool(others) and confidence - float(np.median(others)) > self.excess
                how = spelled("bench --calibrate members", setting("calibrate", "members"))
                advice = f"calibrate members ({how}), or vote"
                yield self.finding(name, message, f"it dominates averages; {advice}" if dominates else advice)

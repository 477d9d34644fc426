"""Checks for rows that were seen before: validation rows among the scored rows, members trained on either."""

import hashlib
import math
from collections.abc import Iterator

import numpy as np

from ensembler.errors import setting
from ensembler.predictions.diagnosis.findings import Check, Finding, Severity
from ensembler.predictions.prediction_set import Predictions


def validation_is_scored(predictions: Predictions) -> bool:
    """Whether the validation rows are the scored rows once more."""
    validation = predictions.validation
    return (
        validation is not None
        and validation.digests == predictions.digests
        and np.array_equal(validation.true_labels, predictions.true_labels)
    )


class SharedRows(Check):
    """Validation rows that are scored rows as well: the same label and the same predictions of all members."""

    codes = ("shared-rows",)
    title = "Validation rows are among the scored rows"

    error_share = 0.5
    """Share of validation rows from which most fits rest on scored rows."""
    warning_share = 0.02
    """Share that is too large for exact duplicates in the data: FER2013 has .013."""
    distinct_share = 0.9
    """Share of distinct scored rows below which equal predictions say nothing: votes, trees, rounded numbers."""

    def findings(self, predictions: Predictions, which: str = "") -> Iterator[Finding]:
        """Yield one finding about the validation rows."""
        validation = predictions.validation
        if validation is None or validation_is_scored(predictions) or all(predictions.hard):
            return
        scored = [row_key(predictions, row) for row in range(predictions.n_samples)]
        known = set(scored)
        if len(known) < self.distinct_share * len(scored):
            return
        n_shared = sum(row_key(validation, row) in known for row in range(validation.n_samples))
        if not n_shared:
            return
        severity = self.severity_of(n_shared / validation.n_samples)
        message = f"{n_shared:,} of {validation.n_samples:,} validation rows have the same predictions as a scored row"
        advice = (
            "weights are fitted on rows that are scored; divide the data anew"
            if severity != "info"
            else "exact duplicates?"
        )
        yield self.finding("validation", message, advice, severity=severity)

    def severity_of(self, share: float) -> Severity:
        """Return how bad a share of the validation rows is."""
        return "error" if share >= self.error_share else "warning" if share >= self.warning_share else "info"


def row_key(part: Predictions, row: int) -> bytes:
    """Return what tells a row from others: a checksum of its label and the predictions of all members."""
    facts = part.proba[:, row].tobytes() + int(part.true_labels[row]).to_bytes(8, "little")
    return hashlib.blake2b(facts, digest_size=16).digest()


class UnevenDrop(Check):
    """A member whose accuracy changes from validation to test unlike that of the others: it was trained on one of them.

    What is measured is its fall less the median fall of all members.
    """

    codes = ("seen-validation-rows", "seen-scored-rows")
    title = "A member was trained on validation or scored rows"

    warning_drop = 0.05
    """Real members differ from the median by .01, under a shift of the data (CIFAR-10.1) by .08: hence no error."""
    error_drop = 0.15
    """About twice the largest of a real member."""
    deviations = 4.0
    """Standard errors that the difference must have."""
    fewest_members = 3
    """Of two members, the median says nothing."""

    def findings(self, predictions: Predictions, which: str = "") -> Iterator[Finding]:
        """Yield one finding a member."""
        validation = predictions.validation
        if validation is None or predictions.n_members < self.fewest_members or validation_is_scored(predictions):
            return
        fitting, scored = validation.correct.mean(axis=1), predictions.correct.mean(axis=1)
        drops = fitting - scored
        excess = drops - np.median(drops)
        variances = fitting * (1 - fitting) / validation.n_samples + scored * (1 - scored) / predictions.n_samples
        error = np.sqrt(variances + 1e-12)
        for index, name in enumerate(predictions.names):
            size = abs(float(excess[index]))
            if size < self.warning_drop or size < self.deviations * error[index]:
                continue
            fell = bool(excess[index] > 0)
            message = (
                f"member {name!r} is {fitting[index]:.3f} right on validation and {scored[index]:.3f} on the scored "
                f"rows, {size:.3f} more of a {'fall' if fell else 'rise'} than the pool's median"
            )
            rows = "validation" if fell else "the scored rows"
            advice = f"was it trained on {rows}? leave it out ({setting('without', name)}), or divide the data anew"
            severity: Severity = "error" if size >= self.error_drop else "warning"
            yield self.finding(name, message, advice, severity=severity, code=self.codes[0 if fell else 1])


class FarAbove(Check):
    """A member so much better than all others that it may have seen the scored rows."""

    codes = ("far-above",)
    title = "A member is far better than all others"

    warning_lead = 0.12
    """Lead in accuracy over the second best; real leads are .01."""
    error_lead = 0.25
    """Twice that."""
    deviations = 4.0
    """Standard errors that the lead must have."""

    def findings(self, predictions: Predictions, which: str = "") -> Iterator[Finding]:
        """Yield one finding about the best member."""
        if predictions.n_members < 2:
            return
        accuracy = predictions.correct.mean(axis=1)
        order = np.argsort(-accuracy, kind="stable")
        best, second = (float(accuracy[order[place]]) for place in (0, 1))
        error = math.sqrt((best * (1 - best) + second * (1 - second)) / predictions.n_samples + 1e-12)
        if best - second < self.warning_lead or best - second < self.deviations * error:
            return
        name = predictions.names[order[0]]
        severity: Severity = "error" if best - second >= self.error_lead else "warning"
        message = f"member {name!r} is right in {best:.3f} of the rows, the next best in {second:.3f}"
        yield self.finding(name, message, "has it seen the scored rows?", severity=severity)

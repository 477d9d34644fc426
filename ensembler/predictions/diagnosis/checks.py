"""The checks of a prediction set, and when they run: whenever one is loaded, in every comparison, or all at once.

Thresholds stand on the checks with what they rest on: two real sets without faults, nine FER2013 networks (bundled) and
the thirty CIFAR-10.1 classifiers of Recht et al. 2018 (arXiv 1806.00451), stay clear of every error.
"""

from collections.abc import Iterator

from ensembler.predictions.diagnosis.findings import Check, Finding, run, warn_of, worst_first
from ensembler.predictions.diagnosis.leak_checks import FarAbove, SharedRows, UnevenDrop, validation_is_scored
from ensembler.predictions.diagnosis.member_checks import ClassNeverPredicted, NearDuplicates, Overconfident, SameSeed
from ensembler.predictions.diagnosis.order_checks import MisalignedLabels, MisalignedRows, PermutedClasses
from ensembler.predictions.diagnosis.quick_checks import QUICK_CHECKS
from ensembler.predictions.prediction_set import Predictions

__all__ = ["ALL_CHECKS", "Finding", "critical", "examine", "quick", "validation_is_scored", "warn", "worst_first"]

ROW_CHECKS: tuple[Check, ...] = (PermutedClasses(), MisalignedRows(), MisalignedLabels(), ClassNeverPredicted())
"""Run on the scored rows and on the validation rows, each by themselves."""
SET_CHECKS: tuple[Check, ...] = (NearDuplicates(), SameSeed(), SharedRows(), UnevenDrop(), FarAbove(), Overconfident())
"""Run once, on the whole set."""
CRITICAL_CHECKS: tuple[Check, ...] = (PermutedClasses(), SharedRows())
"""Run in every comparison, where only their errors count."""
ALL_CHECKS: tuple[Check, ...] = (*QUICK_CHECKS, *ROW_CHECKS, *SET_CHECKS)


def quick(predictions: Predictions) -> Iterator[Finding]:
    """Yield what is legal, and probably not what was meant, as far as it costs nothing to see."""
    return run(QUICK_CHECKS, predictions)


def critical(predictions: Predictions) -> Iterator[Finding]:
    """Yield what spoils every figure and takes a moment to see: classes in another order, rows in both splits."""
    return (finding for finding in run(CRITICAL_CHECKS, predictions) if finding.severity == "error")


def examine(predictions: Predictions) -> list[Finding]:
    """Return everything that is suspicious about a set with labels, worst first."""
    findings = [*quick(predictions), *run(ROW_CHECKS, predictions)]
    if predictions.validation is not None:
        findings += run(ROW_CHECKS, predictions.validation, "validation ")
    return worst_first([*findings, *run(SET_CHECKS, predictions)])


def warn(predictions: Predictions) -> None:
    """Give a warning for each quick finding, as seen from the caller's caller."""
    warn_of(quick(predictions), stacklevel=3)

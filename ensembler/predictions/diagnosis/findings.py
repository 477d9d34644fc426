"""What a check finds in a prediction set, and what a check is.

Severities: an error spoils figures, a warning is legal and probably not what was meant, an info is good to know.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from ensembler.errors import DataWarning
from ensembler.predictions.prediction_set import Predictions

Severity = Literal["error", "warning", "info"]
FEWEST_ROWS = 20
"""Below this many rows an accuracy says little: being no better than the largest class is nothing to wonder at."""
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""Worst first."""


@dataclass(frozen=True)
class Finding:
    """Something suspicious about a prediction set.

    Attributes
    ----------
    code : str
        What kind, for scripts.
    severity : "error", "warning" or "info"
    subject : str
        Which member, or what else it is about.
    message, advice : str
        What was seen, and what to do.
    """

    code: str
    severity: Severity
    subject: str
    message: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.message}; {self.advice}" if self.advice else self.message

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as ``check --json`` prints it, the severity as ``grade``."""
        return {
            "code": self.code,
            "grade": self.severity,
            "subject": self.subject,
            "message": self.message,
            "advice": self.advice,
        }


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings by severity, those of equal severity in the order given."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


class FindingWarning(DataWarning):
    """A finding as a warning; its ``code`` tells which, whatever the wording."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding)
        self.finding = finding

    @property
    def code(self) -> str:
        """The code of the finding."""
        return self.finding.code

    def __str__(self) -> str:
        return f"{self.finding} (`ensembler check` looks closer)"


def warn_of(findings: Iterable[Finding], *, stacklevel: int = 1) -> None:
    """Give a `FindingWarning` for each finding; ``stacklevel`` as in `warnings.warn`: 1 is the line of this call."""
    for finding in findings:
        warnings.warn(FindingWarning(finding), stacklevel=stacklevel + 1)


class Check(ABC):
    """One thing that may be wrong with a prediction set.

    A check is a small class that holds its thresholds as attributes, each with the evidence for it, and one method.

    Attributes
    ----------
    codes : tuple of str
        The codes that its findings carry; most checks have one.
    title : str
        What it looks for.
    severity : "error", "warning" or "info", optional
        That of all its findings; None where it depends on what is seen.
    fewest_rows : int
        On fewer rows it does not run.
    needs_labels : bool
        Whether it runs on labelled rows only.
    """

    codes: ClassVar[tuple[str, ...]]
    title: ClassVar[str]
    severity: ClassVar[Severity | None] = None
    fewest_rows: ClassVar[int] = 1
    needs_labels: ClassVar[bool] = False

    @abstractmethod
    def findings(self, predictions: Predictions, which: str = "") -> Iterator[Finding]:
        """Yield what is suspicious; ``which`` names the rows in messages: nothing, or ``"validation "``."""

    def finding(
        self, subject: str, message: str, advice: str = "", *, severity: Severity | None = None, code: str | None = None
    ) -> Finding:
        """Return a finding of this check."""
        severity = severity or self.severity
        assert severity is not None
        return Finding(code or self.codes[0], severity, subject, message, advice)


def run(checks: Iterable[Check], predictions: Predictions, which: str = "") -> Iterator[Finding]:
    """Yield what those checks find that can run on these rows, in their order."""
    for check in checks:
        if predictions.n_samples >= check.fewest_rows and (predictions.labels is not None or not check.needs_labels):
            yield from check.findings(predictions, which)

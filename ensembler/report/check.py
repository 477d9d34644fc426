"""Tables, sentences and JSON of ``ensembler check``."""

from collections.abc import Sequence
from typing import Any

from ensembler.predictions.diagnosis.checks import Finding
from ensembler.predictions.loading.repair import Checkup
from ensembler.predictions.provenance import provenance
from ensembler.report.tables import Document, Table
from ensembler.serialization import document

SCHEMA = "ensembler.check/1"
GRADES = {"error": "✗ error", "warning": "! warning", "info": "· info"}


def describe_checkup(checkup: Checkup, command: str | None = None) -> dict[str, Any]:
    """Return the findings as the document that ``--json`` prints."""
    data = checkup.predictions
    body = {
        "healthy": checkup.healthy,
        "members": checkup.members,
        "members_read": [] if data is None else data.names,
        "findings": [vars(finding) for finding in checkup.findings],
    }
    return document(SCHEMA, body, None if data is None else provenance(data, 0, command))


def checkup_document(checkup: Checkup) -> Document:
    """Arrange the findings for reading, worst first."""
    data = checkup.predictions
    read = "none could be looked at" if data is None else f"{data.n_members} looked at, {data.n_samples:,} rows"
    if data is not None and data.validation is not None:
        read += f" and {data.validation.n_samples:,} validation rows"
    parts: list[Table | str] = [f"{len(checkup.members)} members: {read}."]
    if checkup.findings:
        parts.append(findings_table(checkup.findings))
    parts.append(" ".join(conclusion(checkup.findings)))
    return Document(parts)


def findings_table(findings: Sequence[Finding]) -> Table:
    """Show what was seen, and what to do."""
    rows = [
        [GRADES[finding.grade], finding.message + (f". {capital(finding.advice)}" if finding.advice else "")]
        for finding in findings
    ]
    return Table("Findings", ["grade", "what was seen, and what to do"], rows, left=(0, 1))


def conclusion(findings: Sequence[Finding]) -> list[str]:
    """Return the sentences that say how many findings there are of each grade, and what follows."""
    if not findings:
        return ["Nothing suspicious was found."]
    counts = {grade: sum(finding.grade == grade for finding in findings) for grade in GRADES}
    counted = ", ".join(f"{number} {grade}{'s' * (number != 1)}" for grade, number in counts.items() if number)
    end = "Mend the errors before you believe a comparison." if counts["error"] else "No errors."
    return [f"{counted}.", end]


def capital(text: str) -> str:
    """Return a text with a capital first letter."""
    return text[:1].upper() + text[1:]

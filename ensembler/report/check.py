"""Tables, sentences and JSON of ``ensembler check``."""

from collections.abc import Sequence
from typing import Any

from ensembler.predictions.diagnosis.findings import Finding
from ensembler.predictions.loading.inspection import Inspection
from ensembler.predictions.provenance import provenance
from ensembler.report.tables import Document, Table
from ensembler.serialization import document

SCHEMA = "ensembler.check/2"
SEVERITIES = {"error": "✗ error", "warning": "! warning", "info": "· info"}


def describe_inspection(inspection: Inspection, command: str | None = None) -> dict[str, Any]:
    """Return the findings as the document that ``--json`` prints."""
    data = inspection.predictions
    body = {
        "ok": inspection.ok,
        "members": inspection.members,
        "members_read": [] if data is None else data.names,
        "findings": [finding.to_dict() for finding in inspection.findings],
    }
    return document(SCHEMA, body, None if data is None else provenance(data, None, command))


def inspection_document(inspection: Inspection) -> Document:
    """Arrange the findings for reading, worst first."""
    data = inspection.predictions
    read = "none could be looked at" if data is None else f"{data.n_members} looked at, {data.n_samples:,} rows"
    if data is not None and data.validation is not None:
        read += f" and {data.validation.n_samples:,} validation rows"
    parts: list[Table | str] = [f"{len(inspection.members)} members: {read}."]
    if inspection.findings:
        parts.append(findings_table(inspection.findings))
    parts.append(" ".join(conclusion(inspection.findings)))
    return Document(parts)


def findings_table(findings: Sequence[Finding]) -> Table:
    """Show what was seen, and what to do."""
    rows = [
        [SEVERITIES[finding.severity], finding.message + (f". {capital(finding.advice)}" if finding.advice else "")]
        for finding in findings
    ]
    return Table("Findings", ["grade", "what was seen, and what to do"], rows, left=(0, 1))


def conclusion(findings: Sequence[Finding]) -> list[str]:
    """Return the sentences that say how many findings there are of each severity, and what follows."""
    if not findings:
        return ["Nothing suspicious was found."]
    counts = {severity: sum(finding.severity == severity for finding in findings) for severity in SEVERITIES}
    counted = ", ".join(f"{number} {severity}{'s' * (number != 1)}" for severity, number in counts.items() if number)
    end = "Repair the errors before you believe a comparison." if counts["error"] else "No errors."
    return [f"{counted}.", end]


def capital(text: str) -> str:
    """Return a text with a capital first letter."""
    return text[:1].upper() + text[1:]

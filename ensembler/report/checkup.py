"""What ``ensembler check`` says."""

from collections.abc import Sequence
from typing import Any

from ensembler.predictions.diagnosis.checks import Finding
from ensembler.predictions.loading.inspection import Inspection
from ensembler.predictions.provenance import provenance
from ensembler.report.tables import Document, Table
from ensembler.serialization import jsonable

MARKS = {"error": "✗ error", "warning": "! warning", "info": "· info"}


def describe_checkup(checkup: Inspection, command: str | None = None) -> dict[str, Any]:
    """Return the findings as plain values."""
    data = checkup.predictions
    document = {
        "schema": "ensembler.check/2",
        "ok": checkup.ok,
        "members": checkup.members,
        "members_read": [] if data is None else list(data.names),
        "findings": [finding.to_dict() for finding in checkup.findings],
        "reproducibility": None if data is None else provenance(data, 0, command),
    }
    plain = jsonable(document)
    assert isinstance(plain, dict)
    return plain


def checkup_document(checkup: Inspection) -> Document:
    """Arrange the findings for reading, worst first."""
    data = checkup.predictions
    read = "none could be looked at" if data is None else f"{data.n_members} looked at, {data.n_samples:,} rows"
    if data is not None and data.validation is not None:
        read += f" and {data.validation.n_samples:,} validation rows"
    head = f"{len(checkup.members)} members: {read}."
    if not checkup.findings:
        return Document([head, summary([])])
    return Document([head, findings_table(checkup.findings), summary(checkup.findings)])


def findings_table(findings: Sequence[Finding]) -> Table:
    """Show what was seen, and what to do."""
    rows = [[MARKS[one.severity], one.message + (f". {capital(one.advice)}" if one.advice else "")] for one in findings]
    return Table("Findings", ["grade", "what was seen, and what to do"], rows, left=(0, 1))


def summary(findings: Sequence[Finding]) -> str:
    """Say how many findings there are of each grade."""
    if not findings:
        return "Nothing suspicious was found."
    counts = {grade: sum(one.severity == grade for one in findings) for grade in MARKS}
    told = ", ".join(f"{number} {grade}{'s' * (number != 1)}" for grade, number in counts.items() if number)
    end = "Mend the errors before you believe a comparison." if counts["error"] else "No errors."
    return f"{told}. {end}"


def capital(text: str) -> str:
    """Return a text with a capital first letter."""
    return text[:1].upper() + text[1:]

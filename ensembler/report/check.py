"""Tables, sentences and JSON of ``ensembler check``."""

from collections.abc import Sequence
from typing import Any

from ensembler.predictions.diagnosis.findings import Finding
from ensembler.predictions.loading.inspection import Inspection
from ensembler.predictions.provenance import provenance
from ensembler.report.tables import Document, Table, count, some_of
from ensembler.serialization import document

SCHEMA = "ensembler.check/2"
MOST_ALIKE, MOST_NAMED = 2, 4
"""More findings of one kind are told as one, which names so many of the others."""
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
    read = "none could be looked at" if data is None else f"{data.n_members} looked at, {count(data.n_samples, 'row')}"
    if data is not None and data.validation is not None:
        read += f" and {count(data.validation.n_samples, 'validation row')}"
    members = count(len(inspection.members), "member")
    parts: list[Table | str] = [f"{members}: {read}." if inspection.members else "No member could be read."]
    if inspection.findings:
        parts.append(findings_table(inspection.findings))
    parts.append(" ".join(conclusion(inspection.findings)))
    return Document(parts)


def findings_table(findings: Sequence[Finding]) -> Table:
    """Show what was seen, and what to do; what many members have in common is told once."""
    rows = []
    for alike in gathered(findings):
        first = alike[0]
        message = first.message + likewise(alike)
        rows.append([SEVERITIES[first.severity], message + (f". {capital(first.advice)}" if first.advice else "")])
    return Table("Findings", ["grade", "what was seen, and what to do"], rows, left=(0, 1))


def likewise(alike: Sequence[Finding]) -> str:
    """Say what else the first of some findings is true of."""
    others = list(dict.fromkeys(finding.subject for finding in alike))[1:]
    if others:
        return f"; likewise {some_of(others, MOST_NAMED)}"
    return f", and {len(alike) - 1} more like it" if len(alike) > 1 else ""


def gathered(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Return findings of one kind that ask for the same together, where they are more than a few; others alone."""
    kinds: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        kinds.setdefault((finding.severity, finding.code, finding.advice), []).append(finding)
    rows: list[list[Finding]] = []
    for alike in kinds.values():
        rows += [alike] if len(alike) > MOST_ALIKE and alike[0].advice else [[finding] for finding in alike]
    return rows


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

"""Loading a prediction set whose files may be invalid, to find what is wrong with it.

What `load_predictions` refuses is reported, repaired where it can be, and examined all the same.
"""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ensembler.errors import DataError, Problems, alike_together, joined_remedy
from ensembler.predictions.diagnosis.checks import examine
from ensembler.predictions.diagnosis.findings import Finding, worst_first
from ensembler.predictions.loading.class_space import ClassSpace
from ensembler.predictions.loading.folder import COSTS, KNOWN_KEYS, MemberMetadata, is_cost
from ensembler.predictions.loading.gather import Request, gather
from ensembler.predictions.loading.options import Columns, ReadOptions
from ensembler.predictions.loading.repair import repair_rows
from ensembler.predictions.loading.row_set import RowSet, assemble, class_space
from ensembler.predictions.loading.suspicions import check_columns
from ensembler.predictions.prediction_set import Predictions


@dataclass(frozen=True)
class Inspection:
    """What was found in the files of a prediction set, and the set as far as it could be read.

    Attributes
    ----------
    findings : list of Finding
    predictions : Predictions or None
        None where nothing could be read.
    members : list of str
        The members that there are files of, read or not.
    remedy : tuple of str
        Options of the command line with which the files are read as they are meant, as of an error.
    """

    findings: list[Finding]
    predictions: Predictions | None
    members: list[str] = field(default_factory=list)
    remedy: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return all(finding.severity != "error" for finding in self.findings)


def check_predictions(
    *paths: str | Path,
    labels: str | Path | None = None,
    val: str | Path | bool | None = None,
    members: str | Path | None = None,
    only: Sequence[str] = (),
    without: Sequence[str] = (),
    logits: bool = False,
    normalize: bool = False,
    columns: Columns | None = None,
    max_bytes: int | None = None,
) -> Inspection:
    """Look in a prediction set for what makes results too good or too bad.

    Parameters
    ----------
    *paths, labels, val, members, only, without, logits, normalize, columns, max_bytes
        As in `load_predictions`.

    Returns
    -------
    Inspection

    Raises
    ------
    FileError, UsageError
        There is nothing to look at: no files, no labels, unknown members.

    Examples
    --------
    >>> from ensembler.predictions.bundled import published_folder
    >>> inspection = check_predictions(published_folder())
    >>> inspection.ok, sorted({finding.code for finding in inspection.findings})
    (True, ['overconfident', 'shared-rows'])
    """
    options = ReadOptions(logits, normalize, columns or Columns(), max_bytes)
    found = gather(Request(paths, labels, val, members, only, without, options=options))
    findings = [
        *as_findings("file-unreadable", "files", found.files),
        *as_findings("validation-unreadable", "validation", found.validation),
        *as_findings("metadata", "members.json", found.facts),
    ]
    errors = [*found.files.errors, *found.validation.errors, *found.facts.errors]
    remedy = tuple(joined_remedy([error.remedy for error in errors]))
    if found.scored is None or found.scored.labels is None:
        return Inspection(findings, None, [table.name for table in found.tables], remedy)
    suspicious = check_columns(found.row_sets, options.columns)
    findings += as_findings("suspicious-columns", "files", suspicious)
    remedy = tuple(joined_remedy([remedy, *(error.remedy for error in suspicious.errors)]))
    row_sets, metadata, everything = found.row_sets, found.metadata, found.tables
    names = found.scored.names
    findings += check_metadata(metadata, [table.name for table in everything])
    try:
        classes = class_space(metadata.class_names, row_sets)
    except DataError as error:
        return Inspection([*findings, Finding("classes", "error", "classes", str(error))], None, names, remedy)
    repaired = []
    for rows in row_sets:
        valid, repairs = repair_rows(rows, classes, options)
        repaired.append(valid)
        findings += repairs
    remedy = tuple(joined_remedy([remedy, remedy_of(findings)]))
    common = [name for name in names if all(name in rows.names for rows in repaired)]
    if not common:
        return Inspection(findings, None, names, remedy)
    try:
        predictions = assemble_members(repaired, common, classes, metadata)
    except DataError as error:
        return Inspection([*findings, Finding("unreadable", "error", "rows", str(error))], None, names, remedy)
    return Inspection(worst_first([*findings, *examine(predictions)]), predictions, names, remedy)


def as_findings(code: str, subject: str, problems: Problems) -> list[Finding]:
    """Return errors as findings, those that differ in the file only as one."""
    return [Finding(code, "error", subject, text) for text in alike_together([str(error) for error in problems.errors])]


REPAIRED_BY = {"logits": ("--logits",), "row-sums": ("--normalize",)}
"""Options that read rows as what they are, by the codes of findings."""


def remedy_of(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Return the option that repairs rows, where all that are repaired need the same."""
    found = {REPAIRED_BY[finding.code] for finding in findings if finding.code in REPAIRED_BY}
    return next(iter(found)) if len(found) == 1 else ()


def assemble_members(
    row_sets: Sequence[RowSet], names: Sequence[str], classes: ClassSpace, metadata: MemberMetadata
) -> Predictions:
    """Assemble the scored rows, and the validation rows where there are some, of the members of these names."""
    scored, *fitting = (
        replace(rows, tables=[table for table in rows.tables if table.name in names]) for rows in row_sets
    )
    predictions = assemble(scored, classes, metadata.members, ReadOptions())
    if not fitting:
        return predictions
    return predictions.replace(validation=assemble(fitting[0], classes, metadata.members, ReadOptions()))


def check_keys(metadata: MemberMetadata) -> Iterator[Finding]:
    """Look for what is not read of members.json, as keys that are misspelt are not."""
    for key in metadata.surplus:
        close = difflib.get_close_matches(key, KNOWN_KEYS[:2], n=1)
        message, known = f"members.json has {key!r}, which is not read", " and ".join(KNOWN_KEYS[:2])
        if close:
            yield Finding("unknown-key", "warning", "members.json", message, f"did you mean {close[0]!r}?")
        else:
            yield Finding("unknown-key", "info", "members.json", message, f"only {known} are")


def check_metadata(metadata: MemberMetadata, names: Sequence[str]) -> Iterator[Finding]:
    """Look for metadata of members that are not there, and for costs that are none."""
    yield from check_keys(metadata)
    for name, entry in metadata.members.items():
        if name not in names:
            message = f"members.json has facts about {name!r}, and no member is called that"
            yield Finding("unknown-metadata", "warning", name, message, "is it a typing error?")
        for key in COSTS:
            cost = entry.get(key)
            if cost is not None and not is_cost(cost):
                message = f"members.json says that the {key} of member {name!r} is {cost!r}, expected a positive number"
                yield Finding("cost", "warning", name, message, "no committee's cost is told without it")

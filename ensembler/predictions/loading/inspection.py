"""Loading a prediction set whose files may be invalid, to find what is wrong with it.

What `load_predictions` refuses is reported, repaired where it can be, and examined all the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ensembler.errors import DataError, FileError
from ensembler.predictions.diagnosis.checks import examine
from ensembler.predictions.diagnosis.findings import Finding, worst_first
from ensembler.predictions.loading.alignment import ClassSpace
from ensembler.predictions.loading.conversion import ReadOptions
from ensembler.predictions.loading.folder import (
    COSTS,
    InputFiles,
    MemberMetadata,
    default_source,
    find_files,
    is_cost,
    labels_beside,
    read_all,
    read_metadata,
    validation_folder,
    validation_tables,
)
from ensembler.predictions.loading.load import select_tables
from ensembler.predictions.loading.repair import repair_rows
from ensembler.predictions.loading.row_set import RowSet, assemble, class_space
from ensembler.predictions.loading.table import Table
from ensembler.predictions.loading.tables import read_row_values
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
    """

    findings: list[Finding]
    predictions: Predictions | None
    members: list[str] = field(default_factory=list)

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
) -> Inspection:
    """Look in a prediction set for what makes results too good or too bad.

    Parameters
    ----------
    *paths, labels, val, members, only, without
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
    files = find_files(paths or [default_source()[0]], [labels] if labels is not None else [])
    findings: list[Finding] = []
    everything = read_all(
        files.members,
        lambda error: findings.append(Finding("file-unreadable", "error", "files", str(error), "save it again")),
    )
    if not everything:
        return Inspection(findings, None)
    tables = select_tables(everything, only, without)
    names = [table.name for table in tables]
    row_sets = [scored_rows(files, tables, labels)]
    try:
        row_sets += validation_rows(val, tables)
    except DataError as error:
        findings.append(Finding("validation-unreadable", "error", "validation", str(error)))
    metadata = MemberMetadata()
    try:
        metadata = read_metadata(members, tables[0].path.parent)
    except FileError as error:
        findings.append(Finding("metadata", "error", "members.json", str(error)))
    findings += check_metadata(metadata, [table.name for table in everything])
    try:
        classes = class_space(metadata.class_names, row_sets)
    except DataError as error:
        return Inspection([*findings, Finding("classes", "error", "classes", str(error))], None, names)
    repaired = []
    for rows in row_sets:
        valid, repairs = repair_rows(rows, classes)
        repaired.append(valid)
        findings += repairs
    common = [name for name in names if all(name in rows.names for rows in repaired)]
    if not common:
        return Inspection(findings, None, names)
    try:
        predictions = assemble_members(repaired, common, classes, metadata)
    except DataError as error:
        return Inspection([*findings, Finding("unreadable", "error", "rows", str(error))], None, names)
    return Inspection(worst_first([*findings, *examine(predictions)]), predictions, names)


def scored_rows(files: InputFiles, tables: Sequence[Table], labels: str | Path | None) -> RowSet:
    """Return the scored rows of these members, with their labels."""
    label_table = read_row_values(Path(labels)) if labels is not None else files.labels
    return RowSet("", tables, label_table or labels_beside(tables[0].path.parent, "pass --labels FILE"))


def validation_rows(val: str | Path | bool | None, tables: Sequence[Table]) -> Iterator[RowSet]:
    """Yield the validation rows of these members, if there are some."""
    folder = validation_folder(val, tables)
    if folder is not None:
        fitting = validation_tables(folder, [table.name for table in tables])
        yield RowSet("validation ", fitting, labels_beside(folder, "expected labels of these rows"))


def assemble_members(
    row_sets: Sequence[RowSet], names: Sequence[str], classes: ClassSpace, metadata: MemberMetadata
) -> Predictions:
    """Assemble the scored rows, and the validation rows where there are some, of the members of these names."""
    scored, *fitting = (
        replace(rows, tables=[table for table in rows.tables if table.name in names]) for rows in row_sets
    )
    validation = assemble(fitting[0], classes, metadata.members, ReadOptions()) if fitting else None
    return assemble(scored, classes, metadata.members, ReadOptions(), validation)


def check_metadata(metadata: MemberMetadata, names: Sequence[str]) -> Iterator[Finding]:
    """Look for metadata of members that are not there, and for costs that are none."""
    for name, entry in metadata.members.items():
        if name not in names:
            message = f"members.json has facts about {name!r}, and no member is called that"
            yield Finding("unknown-metadata", "warning", name, message, "is it a typing error?")
        for key in COSTS:
            cost = entry.get(key)
            if cost is not None and not is_cost(cost):
                message = f"members.json says that the {key} of member {name!r} is {cost!r}, expected a positive number"
                yield Finding("cost", "warning", name, message, "no committee's cost is told without it")

"""Gathering the files of a prediction set: members, labels, validation rows and metadata, with all that is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ensembler.errors import AlignmentError, FileError, Problems, UsageError, setting
from ensembler.predictions.loading.folder import (
    LABELS,
    InputFiles,
    MemberMetadata,
    default_source,
    find_files,
    is_folder,
    read_all,
    read_metadata,
    validation_files,
)
from ensembler.predictions.loading.labels import common_parent, divide_labels, labels_beside
from ensembler.predictions.loading.options import ReadOptions
from ensembler.predictions.loading.row_set import RowSet
from ensembler.predictions.loading.table import Table
from ensembler.predictions.loading.tables import read_row_values
from ensembler.predictions.prediction_set import matching


@dataclass(frozen=True)
class Request:
    """Which prediction set is asked for; fields as in `load_predictions`.

    ``labelled`` says whether labels must be there; with False they are taken if they are.
    """

    paths: Sequence[str | Path] = ()
    labels: str | Path | None = None
    val: str | Path | bool | None = None
    members: str | Path | None = None
    only: Sequence[str] = ()
    without: Sequence[str] = ()
    weights: str | Path | None = None
    groups: str | Path | None = None
    options: ReadOptions = field(default_factory=ReadOptions)
    labelled: bool = True

    @property
    def row_files(self) -> dict[str, Path]:
        """The files of row weights and groups that are given."""
        given = {"weights": self.weights, "groups": self.groups}
        return {key: Path(path) for key, path in given.items() if path is not None}

    @property
    def reserved(self) -> list[str | Path]:
        """Files and arrays that are no members."""
        return [*self.row_files.values(), *([self.labels] if self.labels is not None else [])]


@dataclass
class Gathered:
    """The files of a prediction set as far as they could be read, and what is wrong, by the part it is wrong with.

    Attributes
    ----------
    tables : list of Table
        All members that could be read, selected or not.
    scored, fitting : RowSet or None
    metadata : MemberMetadata
    files, validation, facts : Problems
        With files and labels, with validation rows, and with members.json.
    """

    tables: list[Table]
    scored: RowSet | None = None
    fitting: RowSet | None = None
    metadata: MemberMetadata = field(default_factory=MemberMetadata)
    files: Problems = field(default_factory=Problems)
    validation: Problems = field(default_factory=Problems)
    facts: Problems = field(default_factory=Problems)

    @property
    def row_sets(self) -> list[RowSet]:
        """The scored rows, and the validation rows where there are some."""
        return [rows for rows in (self.scored, self.fitting) if rows is not None]

    def raise_all(self) -> None:
        """Raise everything that is wrong, together."""
        problems = Problems()
        for part in (self.files, self.validation, self.facts):
            problems.errors += part.errors
        problems.raise_all()


def gather(request: Request) -> Gathered:
    """Read the files of a prediction set.

    Raises
    ------
    FileError, UsageError
        There are no files, or no members of the names asked for; all else is in the result.
    """
    files = find_files(request.paths or [default_source()[0]], request.reserved)
    found = Gathered([])
    read = read_all(files.members, request.options, found.files.add, request.reserved)
    own_labels = None
    members = [table for table in read if table.name != LABELS]
    agree = False
    with found.files.collected():
        members, own_labels = divide_labels(read)
        agree = True
    found.tables = members
    if not members:
        if not found.files.errors:
            found.files.add(FileError(f"{files.members[0]}: holds labels only, expected predictions of a member"))
        return found
    with found.files.collected():
        check_named_columns(request.options, read)
    kept = matching([table.name for table in members], request.only, request.without)
    tables = [table for table in members if table.name in kept]
    labels = None
    with found.files.collected():
        # Where columns of labels disagree, none are missing.
        if agree or request.labels is not None:
            labels = scored_labels(request, files, tables, own_labels, found.files)
    found.scored = RowSet("", tables, labels, read_each(request.row_files, found.files))
    with found.validation.collected():
        found.fitting = gather_validation(request, tables)
    with found.facts.collected():
        found.metadata = read_metadata(request.members, tables[0].path.parent)
    return found


def check_named_columns(options: ReadOptions, tables: Sequence[Table]) -> None:
    """Refuse columns named by an option that no table has."""
    header = list(dict.fromkeys(name for table in tables for name in table.header))
    named = {
        "id": [options.columns.id],
        "proba": options.columns.proba,
        "label": [options.columns.label],
        "drop": options.columns.drop,
    }
    for option, names in named.items():
        for name in names:
            if name is not None and name not in header:
                known = f"they have {', '.join(header)}" if header else "no file is a table with columns"
                raise UsageError(f"{setting(option, name)}: no file has such a column; {known}")


def scored_labels(
    request: Request, files: InputFiles, tables: Sequence[Table], own: Table | None, problems: Problems
) -> Table | None:
    """Return the labels of the scored rows: those given, in a column or an archive, or beside the members."""
    columns = request.options.columns
    if request.labels is not None:
        return read_row_values(Path(request.labels), columns)
    if own is not None and (columns.label is not None or files.labels is None):
        return own
    if files.labels is not None:
        return read_row_values(files.labels, columns)
    if any("--label-column" in error.remedy for error in problems.errors):
        return None
    homes = list(dict.fromkeys(table.path.parent for table in tables))
    folders = list(dict.fromkeys([homes[0], common_parent(homes)] if len(homes) > 1 else homes))
    try:
        return labels_beside(folders, files.members, tables, f"pass {setting('labels', place='FILE')}", request.options)
    except FileError:
        if request.labelled:
            raise
        return None


def gather_validation(request: Request, tables: Sequence[Table]) -> RowSet | None:
    """Read the validation rows of these members, with the row values that have a file of the same name there."""
    found = validation_files(request.val, [table.path.parent for table in tables])
    if found is None:
        return None
    files, folder = found
    names = [table.name for table in tables]
    given = request.val is not None and not isinstance(request.val, bool) and not is_folder(Path(request.val))
    label_files = [path for path in files if path.stem == LABELS]
    read_from = [
        path for path in files if path.stem != LABELS and (given or path.stem in names or path.suffix == ".npz")
    ]
    problems = Problems()
    read, own = divide_labels(read_all(read_from, request.options, problems.add))
    of_name = {table.name: table for table in read}
    missing = [name for name in names if name not in of_name]
    if missing and not problems.errors:
        problems.add(
            AlignmentError(
                f"{folder}: no predictions of member {missing[0]!r} (missing: {len(missing)} of {len(names)}); "
                f"add {missing[0]}.npy, leave the member out ({setting('without', missing[0])}), or fit elsewhere "
                f"({setting('fit_on', 'cross')})"
            )
        )
    labels = own
    if labels is None:
        with problems.collected():
            fix = f"weights are fitted on these rows; leave them out with {setting('fit_on', 'cross')}"
            homes = list(dict.fromkeys([folder, *(path.parent for path in label_files)]))
            labels = labels_beside(homes, files, read, fix, request.options)
    problems.raise_all()
    row_files = {key: folder / path.name for key, path in request.row_files.items() if (folder / path.name).exists()}
    return RowSet("validation ", [of_name[name] for name in names], labels, read_each(row_files, problems))


def read_each(files: Mapping[str, Path], problems: Problems) -> dict[str, Table]:
    """Read files of one value a row."""
    values = {}
    for key, path in files.items():
        with problems.collected():
            values[key] = read_row_values(path)
    return values

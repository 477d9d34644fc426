"""Which files make a prediction set: members, labels, validation rows, metadata."""

import glob
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from ensembler.errors import AlignmentError, FileError
from ensembler.predictions import bundled
from ensembler.predictions.files import readable
from ensembler.predictions.loading.table import SUFFIXES, Table
from ensembler.predictions.loading.tables import read_row_values, read_tables

LABELS = "labels"
VALIDATION_FOLDER = "val"
ROWS_FOLDER = "rows"
METADATA_FILE = "members.json"
NOTES = (".json", ".md")
DEFAULT_FOLDER = "preds"
COSTS = ("cost", "multiply_adds", "parameters")
"""What metadata may say that a member costs; the first that all have is taken."""


@dataclass(frozen=True)
class InputFiles:
    """The files that arguments lead to: those of members, and labels where they are among them."""

    members: list[Path]
    labels: Table | None


def default_source() -> tuple[Path, str]:
    """Return the folder that is read when no path is given, and a message that says so."""
    local = Path(DEFAULT_FOLDER)
    if local.is_dir():
        return local, f"no paths given: reading ./{DEFAULT_FOLDER}"
    return bundled.folder(), "no paths given and no ./preds: reading the bundled FER2013 predictions"


def find_files(paths: Sequence[str | Path], reserved: Sequence[str | Path]) -> InputFiles:
    """Expand folders and patterns; set aside labels, metadata, the validation folder and files with another part."""
    # Absolute but not resolved: two links to one file are two members, and a check says that they are identical.
    set_aside = {Path(path).absolute() for path in reserved}
    files: dict[Path, Path] = {}
    for path in expand([Path(path) for path in paths]):
        inside = sorted_folder(path) if is_folder(path) else [path]
        for file in inside:
            if file.name != METADATA_FILE and file.absolute() not in set_aside:
                files.setdefault(file.absolute(), file)
    label_files = [file for file in files.values() if file.stem == LABELS]
    if len(label_files) > 1:
        raise AlignmentError(
            f"two files of labels: {label_files[0]} and {label_files[1]}; give one set at a time, with one of them"
        )
    members = [file for file in files.values() if file.stem != LABELS]
    if not members:
        raise FileError(
            f"no predictions in {', '.join(map(str, paths))}; expected one file a member: {', '.join(SUFFIXES)}"
        )
    return InputFiles(members, read_row_values(label_files[0]) if label_files else None)


def expand(given: Sequence[Path]) -> list[Path]:
    """Expand the patterns that the shell did not; among other paths, ``val``, ``rows`` and notes are no members."""
    expanded: list[Path] = []
    for path in given:
        text = str(path)
        if glob.has_magic(text) and not exists(path):
            matches = sorted(glob.glob(text))
            if not matches:
                raise FileError(f"{text}: no file matches this pattern")
            expanded += [Path(match) for match in matches]
        else:
            expanded.append(path)
    alone = len(expanded) == 1
    return [path for path in expanded if alone or not (is_aside(path) or path.suffix in NOTES)]


def is_aside(path: Path) -> bool:
    """Whether a path is a folder beside the members that holds something else."""
    return path.name in (VALIDATION_FOLDER, ROWS_FOLDER) and is_folder(path)


def exists(path: Path) -> bool:
    """Whether a path is there, where it can be looked at."""
    with readable(path):
        return path.exists()


def is_folder(path: Path) -> bool:
    """Whether a path is a folder, where it can be looked at."""
    with readable(path):
        return path.is_dir()


def sorted_folder(folder: Path) -> list[Path]:
    """Return the files of a folder that can hold predictions."""
    with readable(folder):
        return sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and not path.name.startswith("."))


def read_all(files: Sequence[Path], unreadable: Callable[[FileError], object] | None = None) -> list[Table]:
    """Read the members of all files, sorted by name, refusing two of one name; pass on what cannot be read."""
    tables: dict[str, Table] = {}
    for file in files:
        try:
            of_file = read_tables(file)
        except FileError as error:
            if unreadable is None:
                raise
            unreadable(error)
            continue
        for table in of_file:
            if table.name == LABELS:
                raise AlignmentError(
                    f"{file}: holds an array called 'labels' among the members; save it as labels.npy beside it"
                )
            if table.name in tables:
                raise AlignmentError(
                    f"two members are called {table.name!r}: {tables[table.name].path} and {file}; "
                    "rename one, or give one set at a time"
                )
            tables[table.name] = table
    return [tables[name] for name in sorted(tables)]


def labels_beside(folder: Path, fix: str) -> Table:
    """Read the labels of a folder; ``fix`` says in the error what to do where there are none."""
    files = [path for suffix in SUFFIXES if exists(path := folder / f"{LABELS}{suffix}")]
    if len(files) > 1:
        raise AlignmentError(f"two files of labels: {files[0]} and {files[1]}; keep one of them")
    if files:
        return read_row_values(files[0])
    raise FileError(f"no labels in {folder}, expected labels.npy (or {', '.join(SUFFIXES[1:])}); {fix}")


def validation_folder(val: str | Path | bool | None, tables: Sequence[Table]) -> Path | None:
    """Return the folder of validation rows: the one given, or ``val/`` beside members that share one folder."""
    if val is False:
        return None
    if val is None or val is True:
        homes = {table.path.parent.resolve() for table in tables}
        beside = tables[0].path.parent / VALIDATION_FOLDER
        is_beside = len(homes) == 1 and is_folder(beside)
        if val is True and not is_beside:
            raise FileError(f"no validation rows: {beside} is not there; pass --val FOLDER, or another --fit-on")
        return beside if is_beside else None
    folder = Path(val)
    if not is_folder(folder):
        raise FileError(f"{folder}: no such folder, expected validation predictions of the same members")
    return folder


def validation_tables(folder: Path, names: Sequence[str]) -> list[Table]:
    """Read the members of these names from the validation folder."""
    files = [path for path in sorted_folder(folder) if path.stem in names or path.suffix == ".npz"]
    tables = {table.name: table for table in read_all([path for path in files if path.stem != LABELS])}
    missing = [name for name in names if name not in tables]
    if missing:
        raise AlignmentError(
            f"{folder}: no predictions of member {missing[0]!r} (missing: {len(missing)} of {len(names)}); "
            f"add {missing[0]}.npy, leave the member out (--without {missing[0]}), or fit elsewhere (--fit-on cross)"
        )
    return [tables[name] for name in names]


@dataclass(frozen=True)
class MemberMetadata:
    """What members.json says: class names, and free metadata by member."""

    class_names: tuple[str, ...] | None = None
    members: dict[str, dict[str, Any]] = field(default_factory=dict)


def is_cost(value: object) -> TypeGuard[float]:
    """Whether a value of the metadata can be what a member costs."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def read_metadata(given: str | Path | None, home: Path) -> MemberMetadata:
    """Read class names and member metadata from the file given, else from members.json beside the members."""
    path = home / METADATA_FILE if given is None else Path(given)
    if given is None and not exists(path):
        return MemberMetadata()
    with readable(path):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise FileError(f"{path}: is not JSON: {error}") from error
    expected = 'expected {"class_names": ["…", …], "members": {"<member>": {"architecture": "…", …}, …}}'
    if not isinstance(content, dict):
        raise FileError(f"{path}: holds {type(content).__name__}, {expected}")
    names, members = content.get("class_names"), content.get("members", {})
    if not isinstance(members, dict) or not all(isinstance(entry, dict) for entry in members.values()):
        raise FileError(f"{path}: 'members' is not an object of objects, {expected}")
    if names is not None and not (isinstance(names, list) and len({str(name) for name in names}) == len(names) >= 2):
        raise FileError(f"{path}: 'class_names' is {names!r}, expected a list of at least two different names")
    return MemberMetadata(None if names is None else tuple(map(str, names)), members)

"""Which files make a prediction set: members, labels, validation rows, metadata."""

import glob
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeGuard

from ensembler.errors import AlignmentError, EnsemblerError, FileError, argument, setting
from ensembler.predictions import bundled
from ensembler.predictions.files import read_json, readable
from ensembler.predictions.loading.class_space import METADATA_FILE
from ensembler.predictions.loading.import_advice import import_words
from ensembler.predictions.loading.options import ReadOptions
from ensembler.predictions.loading.table import IMPORTED, SUFFIXES, Table
from ensembler.predictions.loading.tables import read_tables, split_key

LABELS = "labels"
VALIDATION_FOLDER = "val"
ROWS_FOLDER = "rows"
NOTES = (".json", ".md")
DEFAULT_FOLDER = "preds"
KNOWN_KEYS = ("class_names", "members", "imported")
"""What members.json holds; where a set was imported from is only kept."""
COSTS = ("cost", "multiply_adds", "parameters")
"""What metadata may say that a member costs; the first that all have is taken."""


def default_source() -> tuple[Path, str]:
    """Return the folder that is read when no path is given, and a message that says so."""
    local = Path(DEFAULT_FOLDER)
    if local.is_dir():
        return local, f"no paths given: reading ./{DEFAULT_FOLDER}"
    return bundled.folder(), "no paths given and no ./preds: reading the bundled FER2013 predictions"


@dataclass(frozen=True)
class InputFiles:
    """The files that arguments lead to: those of members, and that of labels where it is among them."""

    members: list[Path]
    labels: Path | None


def find_files(paths: Sequence[str | Path], reserved: Collection[str | Path]) -> InputFiles:
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
        other = [path for path in map(Path, paths) if is_folder(path) and any(map(may_be_imported, sorted_names(path)))]
        raise FileError(
            f"no predictions in {', '.join(map(str, paths))}; expected one file a member: {', '.join(SUFFIXES)}"
            + "; make a prediction set of what is there with ensembler import" * bool(other),
            remedy=import_words(*map(str, other)) if other else (),
        )
    return InputFiles(members, label_files[0] if label_files else None)


def sorted_names(folder: Path) -> list[str]:
    """Return the names in a folder that are not hidden."""
    with readable(folder):
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def may_be_imported(name: str) -> bool:
    """Whether a file's name ends as those of formats that only an import reads do."""
    return name.lower().endswith(IMPORTED) and name != METADATA_FILE


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


def read_all(
    files: Sequence[Path],
    options: ReadOptions,
    failed: Callable[[EnsemblerError], object] | None = None,
    reserved: Collection[str | Path] = (),
) -> list[Table]:
    """Read the members of all files, sorted by name; labels in an archive are among them.

    Parameters
    ----------
    files : sequence of Path
    options : ReadOptions
    failed : function of an error, optional
        Told of each file that cannot be read; without it, the first one raises.
    reserved : collection of paths
        Arrays, as ``file.npz#key``, that are no members.
    """
    tables: list[Table] = []
    for file in files:
        try:
            tables += read_tables(file, options)
        except EnsemblerError as error:
            if failed is None:
                raise
            failed(error)
    keys = {str(path) for path in reserved if split_key(Path(path))[1] is not None}
    kept = [table for table in tables if f"{table.path}#{table.name}" not in keys]
    return sorted(unlike_members(kept), key=lambda table: table.name)


def unlike_members(tables: Sequence[Table]) -> list[Table]:
    """Return tables of different names: those of one name are called after their folders.

    ``seed0/pyx.npy`` and ``seed1/pyx.npy`` become ``seed0`` and ``seed1``; beside other members ``seed0/pyx`` and
    ``seed1/pyx``.

    Raises
    ------
    AlignmentError
        Two members of one name are in one folder.
    """
    of_name: dict[str, list[Table]] = {}
    for table in tables:
        of_name.setdefault(table.name, []).append(table)
    names: dict[int, str] = {}
    for name, alike in of_name.items():
        if len(alike) == 1:
            continue
        homes = [table.path.parent.absolute() for table in alike]
        twice = next((index for index, home in enumerate(homes) if home in homes[:index]), None)
        if twice is not None:
            first = alike[homes.index(homes[twice])]
            # Arrays of one name in files of several are what imports call by the files.
            importable = first.path.stem != alike[twice].path.stem
            raise AlignmentError(
                f"two members are called {name!r}: {first.path} and {alike[twice].path}; "
                "rename one, or give one set at a time",
                remedy=import_words(str(first.path.parent)) if importable else (),
            )
        for table, folder in zip(alike, unlike_parts(homes), strict=True):
            names[id(table)] = folder if len(of_name) == 1 else f"{folder}/{name}"
    return [replace(table, name=names.get(id(table), table.name)) for table in tables]


def unlike_parts(folders: Sequence[Path]) -> list[str]:
    """Return a name for each of several different folders: the parts of their paths in which they differ.

    >>> unlike_parts([Path("/a/resnet/test"), Path("/a/vgg/test")])
    ['resnet', 'vgg']
    """
    parts = [list(folder.parts) for folder in folders]
    while len({part[-1] for part in parts}) == 1 and all(len(part) > 1 for part in parts):
        parts = [part[:-1] for part in parts]
    for n_parts in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-n_parts:]) for part in parts]
        if len(set(names)) == len(names):
            break
    return names


def validation_files(val: str | Path | bool | None, homes: Collection[Path]) -> tuple[list[Path], Path] | None:
    """Return the files of validation rows, and their folder: those given, or ``val/`` beside members of one folder."""
    if val is False:
        return None
    if val is None or val is True:
        beside = next(iter(homes)) / VALIDATION_FOLDER
        is_beside = len({home.resolve() for home in homes}) == 1 and is_folder(beside)
        if val is True and not is_beside:
            fix = f"pass {setting('val', place='FOLDER')}, or another {argument('fit_on')}"
            raise FileError(f"no validation rows: {beside} is not there; {fix}")
        return (sorted_folder(beside), beside) if is_beside else None
    path = Path(val)
    if is_folder(path):
        return sorted_folder(path), path
    file = split_key(path)[0]
    if not glob.has_magic(str(path)) and not exists(file):
        raise FileError(f"{path}: no such folder, expected validation predictions of the same members")
    files = expand([path])
    return files, files[0].parent


@dataclass(frozen=True)
class MemberMetadata:
    """What members.json says: class names, and free metadata by member."""

    class_names: tuple[str, ...] | None = None
    members: dict[str, dict[str, Any]] = field(default_factory=dict)
    surplus: tuple[str, ...] = ()
    """Keys beside these that are not read."""


def is_cost(value: object) -> TypeGuard[float]:
    """Whether a value of the metadata can be what a member costs."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def read_metadata(given: str | Path | None, home: Path) -> MemberMetadata:
    """Read class names and member metadata from the file given, else from members.json beside the members."""
    path = home / METADATA_FILE if given is None else Path(given)
    if given is None and not exists(path):
        return MemberMetadata()
    content = read_json(path)
    expected = 'expected {"class_names": ["…", …], "members": {"<member>": {"architecture": "…", …}, …}}'
    if not isinstance(content, dict):
        raise FileError(f"{path}: holds {type(content).__name__}, {expected}")
    names, members = content.get("class_names"), content.get("members", {})
    if not isinstance(members, dict) or not all(isinstance(entry, dict) for entry in members.values()):
        raise FileError(f"{path}: 'members' is not an object of objects, {expected}")
    if names is not None and not (isinstance(names, list) and len({str(name) for name in names}) == len(names) >= 2):
        raise FileError(f"{path}: 'class_names' is {names!r}, expected a list of at least two different names")
    surplus = tuple(key for key in content if key not in KNOWN_KEYS)
    return MemberMetadata(None if names is None else tuple(map(str, names)), members, surplus)

"""Several prediction sets: which folders hold one, what they are called, and loading all of them."""

import glob
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ensembler.errors import EnsemblerError, EnsemblerWarning, FileError, UsageError
from ensembler.predictions.files import readable
from ensembler.predictions.loading.folder import LABELS, exists, is_folder, sorted_folder
from ensembler.predictions.loading.load import load_predictions
from ensembler.predictions.loading.table import SUFFIXES
from ensembler.predictions.prediction_set import Predictions

MOST_PROBLEMS = 10


@dataclass(frozen=True)
class LoadedSets:
    """Prediction sets by name, and the names of those that something is suspicious about."""

    sets: Mapping[str, Predictions]
    with_findings: list[str] = field(default_factory=list)


def find_sets(paths: Sequence[str | Path]) -> dict[str, Path]:
    """Return the folders that paths lead to, by the names of their sets.

    A folder with labels is a set, named as the folder is, with as much of the path before it as tells it from others.
    A single folder without labels stands for the sets in it.

    Parameters
    ----------
    paths : sequence of paths
        Folders, and patterns of folders.

    Raises
    ------
    FileError
        What is wrong with which paths, all at once.
    """
    folders: dict[Path, Path] = {}
    problems = []
    for path in map(Path, paths):
        matches = expand_pattern(path)
        if len(paths) == 1 and len(matches) == 1 and is_folder(matches[0]) and not has_labels(matches[0]):
            matches = sets_inside(matches[0]) or matches
        if not matches:
            problems.append(f"{path}: no folder matches this pattern")
        for match in matches:
            problem = what_is_missing(match)
            if problem is not None:
                problems.append(problem)
            folders.setdefault(match.absolute(), match)
    if problems:
        raise FileError(all_problems(problems, "paths: no prediction set"))
    return dict(zip(unlike_names(list(folders)), folders.values(), strict=True))


def expand_pattern(path: Path) -> list[Path]:
    """Return the folders that match a pattern; a path that is none as it is. Files are passed over."""
    if not glob.has_magic(str(path)) or exists(path):
        return [path]
    return [match for match in map(Path, sorted(glob.glob(str(path)))) if is_folder(match)]


def has_labels(folder: Path) -> bool:
    """Whether a folder has a file of labels."""
    return any(exists(folder / f"{LABELS}{suffix}") for suffix in SUFFIXES)


def sets_inside(folder: Path) -> list[Path]:
    """Return the folders in a folder that are sets."""
    with readable(folder):
        inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return [path for path in inside if is_folder(path) and has_labels(path)]


def what_is_missing(path: Path) -> str | None:
    """Say why a path is no set; None where it is one."""
    if not exists(path):
        return f"{path}: no such folder"
    if not is_folder(path):
        return f"{path}: is a file, expected the folder of a prediction set"
    if not has_labels(path):
        return f"{path}: no labels, expected labels.npy (or {', '.join(SUFFIXES[1:])}) beside the members"
    if not any(file.stem != LABELS for file in sorted_folder(path)):
        return f"{path}: no predictions, expected one file a member: {', '.join(SUFFIXES)}"
    return None


def unlike_names(folders: Sequence[Path]) -> list[str]:
    """Return a name for each folder, all different: the last parts of its path, as many as that takes.

    >>> unlike_names([Path("/a/iris"), Path("/b/iris"), Path("/b/wine")])
    ['a/iris', 'b/iris', 'wine']
    """
    n_parts = [1] * len(folders)
    longest = max((len(folder.parts) for folder in folders), default=1)
    for _ in range(longest):
        names = ["/".join(folder.parts[-n:]) for folder, n in zip(folders, n_parts, strict=True)]
        alike = [names.count(name) > 1 for name in names]
        if not any(alike):
            break
        n_parts = [n + is_alike for n, is_alike in zip(n_parts, alike, strict=True)]
    return names


def load_sets(folders: Mapping[str, Path], **options: Any) -> LoadedSets:
    """Load the set in each folder.

    Parameters
    ----------
    folders : mapping from name to folder
    **options
        As in `load_predictions`.

    Raises
    ------
    FileError, UsageError
        What is wrong with which sets, all at once.
    """
    loaded, suspicious = {}, []
    errors: dict[str, EnsemblerError] = {}
    for name, folder in folders.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                loaded[name] = load_predictions(folder, **options)
            except EnsemblerError as error:
                errors[name] = error
        if any(issubclass(warning.category, EnsemblerWarning) for warning in caught):
            suspicious.append(name)
    if errors:
        problems = [f"{name}: {error}" for name, error in errors.items()]
        kind = UsageError if all(isinstance(error, UsageError) for error in errors.values()) else FileError
        raise kind(all_problems(problems, "sets: cannot be read"))
    return LoadedSets(loaded, suspicious)


def all_problems(problems: Sequence[str], what: str) -> str:
    """Return one message of all problems, a line each, or of the first of very many."""
    if len(problems) == 1:
        return problems[0]
    lines = [f"{len(problems)} {what}", *problems[:MOST_PROBLEMS]]
    more = len(problems) - MOST_PROBLEMS
    return "\n  ".join([*lines, *([f"and {more} more"] if more > 0 else [])])

"""Training a list of members one after another, ending in a complete prediction set.

A recipe is a TOML file: a table ``defaults``, and one table ``member`` for each member with its ``name``, its
``architecture`` and whatever differs from the defaults. Two come with the package: ``fer2013`` and ``pool``.
"""

import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backbones.configuration import OF_THE_DATA, RunConfig, find_problems
from backbones.errors import ConfigurationError, RunBusyError, RunError
from backbones.evaluation import PLAIN, TestTimeAugmentation, device_of, format_accuracies
from backbones.export import check_target, export, is_exported
from backbones.faces import Faces
from backbones.names import fault_of_member, printable
from backbones.reading import read_toml
from backbones.runs import Run
from backbones.training import train
from backbones.writing import require_writable

RECIPES = Path(__file__).parent / "recipes"
BUNDLED = RECIPES / "fer2013.toml"


@dataclass(frozen=True)
class Entry:
    """One member of a recipe."""

    name: str
    architecture: str
    options: dict[str, Any]


def find_recipe(name: str) -> Path:
    """Return the file of that name, or else the recipe of the package that is called so, with or without ``.toml``."""
    path = Path(name)
    if path.exists():
        return path
    bundled = RECIPES / f"{path.name.removesuffix('.toml')}.toml"
    if path.parent != Path() or not bundled.exists():
        names = ", ".join(sorted(recipe.stem for recipe in RECIPES.glob("*.toml")))
        raise ConfigurationError(f"{name}: no such file, and no recipe of the package; those are {names}")
    return bundled


def read_recipe(path: Path) -> list[Entry]:
    """Read a recipe, refusing names that no member can have and options that no run can, all of them at once."""
    document = read_toml(path, kind=ConfigurationError)
    defaults, members = document.get("defaults", {}), document.get("member", [])
    if not isinstance(defaults, dict):
        raise ConfigurationError(f"{path}: defaults is no table, expected [defaults]")
    if not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
        raise ConfigurationError(f"{path}: member is no list of tables, expected [[member]] for each")
    if not members:
        raise ConfigurationError(f"{path}: lists no [[member]]")
    known = {field.name for field in dataclasses.fields(RunConfig)} - set(OF_THE_DATA)
    entries: list[Entry] = []
    problems: list[str] = []
    taken: dict[str, str] = {}
    for number, member in enumerate(members, start=1):
        options = defaults | member
        name = options.pop("name", None)
        if not name or "architecture" not in options:
            problems.append(f"member {number} has no name or no architecture")
            continue
        fault = fault_of_member(name)
        if fault is not None:
            problems.append(f"member {number}: its name {fault}")
            continue
        unknown = sorted(set(options) - known)
        if unknown:
            problems.append(f"member {name!r} has the unknown option {unknown[0]!r}, expected {sorted(known)}")
        problems += [f"member {name!r}: {problem}" for problem in find_problems(options)]
        other = taken.setdefault(name.casefold(), name)
        if any(entry.name.casefold() == other.casefold() for entry in entries):
            problems.append(f"two members are called {other!r}" + (f" and {name!r}" if name != other else ""))
        entries.append(Entry(name, str(options.pop("architecture")), options))
    if problems:
        raise ConfigurationError(f"{path}: {'; '.join(problems)}")
    return entries


def train_recipe(
    entries: list[Entry],
    faces: Faces,
    runs: Path,
    out: Path,
    *,
    augmentation: TestTimeAugmentation = PLAIN,
    threads: int | None = None,
    accelerator: str = "auto",
    precision: str | None = None,
    report: Callable[[str], object] = lambda text: sys.stderr.write(printable(text) + "\n"),
) -> list[str]:
    """Train every member that is not finished and export each as soon as it is.

    Several processes may work on one recipe.

    Parameters
    ----------
    entries, faces
        Of which members, on what.
    runs, out : path
        Folders of the runs and of the prediction set.
    augmentation : TestTimeAugmentation
        Of the predictions.
    threads : int, optional
        Of PyTorch on the CPU.
    accelerator : str
        Lightning's; one device is used.
    precision : str, optional
        Instead of the recipe's.
    report : callable
        Gets a line before and after each member.

    Returns
    -------
    list of str
        The members that other processes are still training.

    Raises
    ------
    RunError
        Members could not be trained; the others are finished first.
    """
    require_writable(runs)
    check_target(faces, out)
    configs = []
    for entry in entries:
        options = entry.options if precision is None else entry.options | {"precision": precision}
        try:
            configs.append(RunConfig.for_faces(entry.architecture, faces, **options))
            configs[-1].outline()
        except ConfigurationError as error:
            raise ConfigurationError(f"member {entry.name!r}: {error}") from error
    elsewhere: list[str] = []
    failed: list[RunError] = []
    for number, (entry, config) in enumerate(zip(entries, configs, strict=True), start=1):
        run = Run(runs / entry.name)
        if not run.finished:
            report(f"{number}/{len(entries)} {entry.name}: training")
        try:
            train(run, config, faces, threads=threads, accelerator=accelerator, devices=1)
        except RunBusyError:
            report(f"{number}/{len(entries)} {entry.name}: another process is training it")
            elsewhere.append(entry.name)
            continue
        except RunError as error:
            report(f"{number}/{len(entries)} {entry.name}: {error}")
            failed.append(error)
            continue
        if is_exported(run, out, augmentation):
            continue
        accuracies = export(run, faces, out, augmentation=augmentation, device=device_of(accelerator))
        report(f"{number}/{len(entries)} {entry.name}: {format_accuracies(accuracies)}")
    if failed:
        raise RunError(f"{len(failed)} of {len(entries)} members could not be trained; the first: {failed[0]}")
    return elsewhere

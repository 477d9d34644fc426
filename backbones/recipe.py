"""Training a list of members one after another, ending in a complete prediction set.

A recipe is a TOML file: a table ``defaults``, and one table ``member`` for each member with its ``name``, its
``architecture`` and whatever differs from the defaults.
"""

import dataclasses
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backbones.errors import ConfigurationError, RunBusyError
from backbones.export import export
from backbones.faces import Faces
from backbones.runs import OF_THE_DATA, Run, RunConfig
from backbones.training import train

BUNDLED = Path(__file__).parent / "recipes" / "fer2013.toml"


@dataclass(frozen=True)
class Entry:
    """One member of a recipe."""

    name: str
    architecture: str
    options: dict[str, Any]


def read_recipe(path: Path) -> list[Entry]:
    """Read a recipe, refusing unknown options and names that are there twice."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: is not TOML: {error}") from error
    defaults, members = document.get("defaults", {}), document.get("member", [])
    known = {field.name for field in dataclasses.fields(RunConfig)} - set(OF_THE_DATA)
    entries: list[Entry] = []
    for number, member in enumerate(members):
        options = defaults | member
        name = options.pop("name", None)
        unknown = sorted(set(options) - known)
        if not name or "architecture" not in options:
            raise ConfigurationError(f"{path}: member {number + 1} has no name or no architecture")
        if unknown:
            raise ConfigurationError(
                f"{path}: member {name!r} has the unknown option {unknown[0]!r}, expected {sorted(known)}"
            )
        if name in {entry.name for entry in entries}:
            raise ConfigurationError(f"{path}: two members are called {name!r}")
        entries.append(Entry(name, options.pop("architecture"), options))
    if not entries:
        raise ConfigurationError(f"{path}: lists no [[member]]")
    return entries


def train_recipe(
    entries: list[Entry],
    faces: Faces,
    runs: Path,
    out: Path,
    *,
    flip: bool = False,
    threads: int | None = None,
    tell: Callable[[str], object] = lambda text: sys.stderr.write(text + "\n"),
) -> list[str]:
    """Train every member that is not finished and export each as soon as it is.

    Several processes may work on one recipe. Returns the members that others are still training.
    """
    elsewhere = []
    for number, entry in enumerate(entries, start=1):
        run = Run(runs / entry.name)
        config = RunConfig.for_faces(entry.architecture, faces, **entry.options)
        if not run.finished:
            tell(f"{number}/{len(entries)} {entry.name}: training")
        try:
            train(run, config, faces, threads=threads)
        except RunBusyError:
            tell(f"{number}/{len(entries)} {entry.name}: another process is training it")
            elsewhere.append(entry.name)
            continue
        accuracies = export(run, faces, out, flip=flip)
        tell(f"{number}/{len(entries)} {entry.name}: validation {accuracies['val']:.4f}, test {accuracies['test']:.4f}")
    return elsewhere

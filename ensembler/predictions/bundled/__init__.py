"""The bundled predictions on FER2013: the study's nine networks, a pool of 42, and nine published by other people."""

import shutil
from pathlib import Path

from ensembler.errors import FileError
from ensembler.predictions.files import readable, writing


def folder() -> Path:
    """Return the folder of the prediction set that commands read without paths."""
    return study_folder()


def published_folder() -> Path:
    """Return the folder of nine published networks' predictions; its README says where they come from."""
    return Path(__file__).parent / "published"


def study_folder() -> Path:
    """Return the folder of nine members trained by ``backbones recipe``; its README says how."""
    return Path(__file__).parent / "study"


def pool_folder() -> Path:
    """Return the folder of 42 members trained by ``backbones recipe pool``; its README says how they differ."""
    return Path(__file__).parent / "pool"


def write_sample(destination: str | Path, home: Path) -> list[Path]:
    """Copy a bundled set into a new or empty folder, and return what was written."""
    destination = Path(destination)
    with readable(destination):
        taken = destination.exists() and (not destination.is_dir() or any(destination.iterdir()))
    if taken:
        raise FileError(f"{destination}: is there already, expected a new or empty folder; nothing was written")
    written = []
    for path in sorted(path for path in home.rglob("*") if path.is_file()):
        target = destination / path.relative_to(home)
        with writing(target) as temporary:
            shutil.copyfile(path, temporary)
        written.append(target)
    return written

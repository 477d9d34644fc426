"""The bundled predictions on FER2013: the study's nine networks, a pool of 72, and nine published by other people."""

import shutil
from pathlib import Path

from ensembler.predictions.files import writing_folder


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
    """Return the folder of 72 members trained by ``backbones recipe pool``; its README says how they differ."""
    return Path(__file__).parent / "pool"


def write_sample(destination: str | Path, home: Path) -> list[Path]:
    """Copy a bundled set into a new or empty folder, whole or not at all, and return what was written."""
    destination = Path(destination)
    with writing_folder(destination) as temporary:
        shutil.copytree(home, temporary, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return sorted(path for path in destination.rglob("*") if path.is_file())

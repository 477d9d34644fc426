"""Refusing, before any work, options that contradict one another and files that could not be written after it."""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ensembler.errors import FileError, UsageError


def one_of(**flags: bool) -> None:
    """Refuse options that exclude one another."""
    given = [f"--{name.replace('_', '-')}" for name, value in flags.items() if value]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude one another; give one of them")


def only_one(values: list[str] | None, option: str) -> str | None:
    """Return the value of an option that can be given once; of two, the first would be lost without a word."""
    if values is not None and len(values) > 1:
        raise UsageError(f"{option} is given {len(values)} times ({', '.join(values)}), expected once")
    return values[0] if values else None


def refuse_given(options: Mapping[str, Any], reason: str) -> None:
    """Refuse options, by name, that have no effect; ``reason`` says with what."""
    for name, value in options.items():
        if value:
            raise UsageError(f"{name} has no effect {reason}; drop one of them")


def check_suffix(path: Path | None, option: str, suffixes: Sequence[str]) -> None:
    """Refuse a file that ends otherwise than its format does."""
    if path is not None and path.suffix not in suffixes:
        raise UsageError(f"{option} {path}: expected a file that ends in {' or '.join(suffixes)}")


def check_writable(path: Path | None) -> None:
    """Refuse, before long work, a file or folder that could not be written after it."""
    import tempfile

    if path is None:
        return
    if path.is_dir():
        raise FileError(f"{path}: cannot be written: it is a folder; give another file")
    home = next(parent for parent in (path.parent, *path.parent.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror or error}; give another place") from error


def require_module(name: str, extra: str) -> None:
    """Refuse what a package is missing for."""
    if importlib.util.find_spec(name) is None:
        raise UsageError(f"{name} is not installed; pip install 'ensembler-bench[{extra}]'")

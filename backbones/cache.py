"""The decoded images of a data set, kept beside it, read memory-mapped, and trusted only with the right checksums."""

import hashlib
import json
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from backbones.errors import DataError, DataWarning, RunError
from backbones.faces import Faces, FaceSplit, checksum
from backbones.names import fault_of_text
from backbones.reading import read_array, read_json, reading
from backbones.writing import become, temporary_folder, writable

VERSION = 2
SPLIT_NAMES = ("train", "val", "test")


def read_cache(source: Path, cache: str | Path | None) -> Faces | None:
    """Return the cached set, or None if there is none that belongs to the source as it is now.

    One that is damaged is made anew as well: what is stored has a checksum of its own.
    """
    with reading(source, "cannot be read", kind=DataError):
        folder = cache_folder(source, cache)
        if not (folder / "facts.json").exists():
            return None
        belongs_to = fingerprint(source)
    try:
        facts = read_json(folder / "facts.json", kind=DataError)
        if facts.get("version") != VERSION or facts.get("source") != belongs_to:
            return None
        splits = {name: read_split(folder, name) for name in SPLIT_NAMES}
        check_stored(facts, splits)
    except DataError:
        return None
    return Faces(
        splits["train"],
        splits["val"],
        splits["test"],
        class_names=tuple(facts["class_names"]),
        checksum=facts["checksum"],
        notes=facts["notes"],
    )


def read_split(folder: Path, name: str) -> FaceSplit:
    """Read the images and labels of a split, the images memory-mapped."""
    labels = read_array(folder / f"{name}-labels.npy", kind=DataError)
    # An empty file cannot be mapped.
    images = read_array(folder / f"{name}-images.npy", mapped=bool(labels.size), kind=DataError)
    return FaceSplit(images, labels)


def check_stored(facts: dict[str, Any], splits: dict[str, FaceSplit]) -> None:
    """Refuse a cache that is not what has been written."""
    for split in splits.values():
        if split.images.dtype != np.uint8 or split.labels.dtype != np.int64 or split.labels.ndim != 1:
            raise DataError("the images or labels are of another kind")
        if split.images.ndim != 3 or len(split.images) != len(split.labels):
            raise DataError("the images are no squares, or of another number than the labels")
    if facts.get("checksum") != checksum(splits.values()) or facts.get("seal") != seal(facts):
        raise DataError("the checksum is another one")
    names, notes = facts.get("class_names"), facts.get("notes")
    if not isinstance(names, list) or any(fault_of_text(name) is not None for name in names):
        raise DataError("the names of classes are none")
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
        raise DataError("the notes are no texts")
    if any(len(split) and not 0 <= split.labels.min() <= split.labels.max() < len(names) for split in splits.values()):
        raise DataError("the labels are no numbers of classes")


def seal(facts: dict[str, Any]) -> str:
    """Return the sha256 of the facts themselves, which the checksum of the images does not cover."""
    content = {name: value for name, value in facts.items() if name != "seal"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_cache(source: Path, cache: str | Path | None, faces: Faces) -> None:
    """Write the set beside its source as a whole; on a full or read-only disk there is a warning, and no cache."""
    with reading(source, "cannot be read", kind=DataError):
        folder = cache_folder(source, cache)
        facts = {
            "version": VERSION,
            "source": fingerprint(source),
            "checksum": faces.checksum,
            "class_names": list(faces.class_names),
            "notes": faces.notes,
        }
    facts["seal"] = seal(facts)
    try:
        with writable(folder), temporary_folder(folder) as temporary:
            for name in SPLIT_NAMES:
                np.save(temporary / f"{name}-images.npy", faces.split(name).images)
                np.save(temporary / f"{name}-labels.npy", faces.split(name).labels)
            (temporary / "facts.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
            if not become(temporary, folder):
                remove(folder)
                # Another process may have written its own in between, which is as good.
                become(temporary, folder)
    except RunError as error:
        warnings.warn(f"the decoded images are not kept: {error}", DataWarning, stacklevel=3)


def remove(folder: Path) -> None:
    """Remove a cache that does not belong to its source any more; anything else in its place stays."""
    own = {"facts.json", *(f"{name}-{part}.npy" for name in SPLIT_NAMES for part in ("images", "labels"))}
    if folder.is_symlink() or not folder.is_dir() or any(path.name not in own for path in folder.iterdir()):
        raise RunError(f"{folder}: is no cache of decoded images; move it away, or give another --cache")
    shutil.rmtree(folder)


def cache_folder(source: Path, cache: str | Path | None) -> Path:
    """Return where the cache of a source is: where asked, beside it, or in the user's cache if that is read-only."""
    name = f"{source.name}.cache"
    if cache is not None:
        return Path(cache) / name
    source = source.resolve()
    if source.parent.stat().st_mode & 0o222 and os.access(source.parent, os.W_OK):
        return source.parent / name
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "backbones" / f"{hashlib.sha256(str(source).encode()).hexdigest()[:12]}-{name}"


def fingerprint(source: Path) -> str:
    """Return the sha256 of a file, or of the names, sizes and times of the files in a folder."""
    digest = hashlib.sha256()
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.is_file():
                facts = path.stat()
                digest.update(f"{path.relative_to(source)}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    else:
        with source.open("rb") as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                digest.update(block)
    return digest.hexdigest()

"""The decoded images of a data set, kept beside it, read memory-mapped, and trusted only with the right checksum."""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from backbones.faces import Faces, FaceSplit

VERSION = 1


def read_cache(source: Path, cache: str | Path | None) -> Faces | None:
    """Return the cached set, or None if there is none that belongs to the source as it is now."""
    folder = cache_folder(source, cache)
    try:
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        if facts["version"] != VERSION or facts["source"] != fingerprint(source):
            return None
        splits = {}
        for name in ("train", "val", "test"):
            labels = np.load(folder / f"{name}-labels.npy", allow_pickle=False)
            # An empty file cannot be mapped.
            path = folder / f"{name}-images.npy"
            images = np.load(path, mmap_mode="r", allow_pickle=False) if len(labels) else np.load(path)
            splits[name] = FaceSplit(images, labels)
    except (OSError, ValueError, KeyError):
        # A cache that is missing or damaged is made anew.
        return None
    return Faces(
        splits["train"],
        splits["val"],
        splits["test"],
        class_names=tuple(facts["class_names"]),
        checksum=facts["checksum"],
        notes=facts["notes"],
    )


def write_cache(source: Path, cache: str | Path | None, faces: Faces) -> None:
    """Write the set beside its source as a whole; a full or read-only disk only means that there is no cache."""
    folder = cache_folder(source, cache)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError:
        return
    try:
        for name in ("train", "val", "test"):
            np.save(temporary / f"{name}-images.npy", faces.split(name).images)
            np.save(temporary / f"{name}-labels.npy", faces.split(name).labels)
        facts = {
            "version": VERSION,
            "source": fingerprint(source),
            "checksum": faces.checksum,
            "class_names": list(faces.class_names),
            "notes": faces.notes,
        }
        (temporary / "facts.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        temporary.replace(folder)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)


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

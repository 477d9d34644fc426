"""FER2013 in all the forms people have it, and other image sets of the same folder form.

Read are ``fer2013.csv`` (``emotion,pixels,Usage``), ``icml_face_data.csv`` (the same with leading spaces in the names),
``train.csv`` (``emotion,pixels``), each gzipped or not, and folders ``train/<class>/…``, ``test/<class>/…`` whose file
names may begin with the official split (``PublicTest_…``).
"""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backbones.cache import read_cache, write_cache
from backbones.errors import DataError, DataWarning
from backbones.faces import CLASSES, Faces, FaceSplit, Images, Labels, complete
from backbones.names import fault_of_text
from backbones.reading import reading

SPLITS = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}
COUNTS = {
    "train": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "val": (467, 56, 496, 895, 653, 415, 607),
    "test": (491, 55, 528, 879, 594, 416, 626),
}
HIDDEN_FOLDERS = ("__MACOSX",)
"""Folders without a dot that hold no class: what an archive made on a Mac has of its files' attributes."""
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")


def load_faces(path: str | Path, *, strict: bool = False, cache: str | Path | None = None) -> Faces:
    """Load an image set, from its cache if there is one.

    Parameters
    ----------
    path : path
        A csv file, gzipped or not, or a folder.
    strict : bool
        Refuse a set of seven facial emotions whose counts are not those of FER2013, instead of warning.
    cache : path, optional
        Folder for the decoded images; by default beside the data, or in the user's cache where that is not writable.

    Raises
    ------
    DataError
        What is wrong with which file.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if not (path.is_file() or path.is_dir()):
        raise DataError(f"{path}: is neither a file nor a folder; write what it gives into a file first")
    faces = read_cache(path, cache)
    if faces is None:
        splits, class_names = read_folder(path) if path.is_dir() else (read_csv(path), CLASSES)
        faces = complete(splits, class_names)
        write_cache(path, cache, faces)
    for note in faces.notes:
        warnings.warn(note, DataWarning, stacklevel=2)
    if faces.class_names == CLASSES:
        check_counts(faces, strict=strict)
    return faces


def check_counts(faces: Faces, *, strict: bool) -> None:
    """Say which class counts are not the official ones."""
    wrong = []
    for name, expected in COUNTS.items():
        counts = np.bincount(faces.split(name).labels, minlength=len(CLASSES))
        wrong += [
            f"{name} has {count} images of {label}, expected {official}"
            for label, count, official in zip(CLASSES, counts.tolist(), expected, strict=True)
            if count != official
        ]
    if wrong:
        message = f"this is not the official FER2013: {wrong[0]} ({len(wrong)} of 21 counts differ)"
        if strict:
            raise DataError(message)
        warnings.warn(message, DataWarning, stacklevel=3)


def read_csv(path: Path) -> dict[str, FaceSplit]:
    """Read any of the csv forms."""
    import pandas as pd

    with reading(path, "cannot be read as csv", kind=DataError):
        table = pd.read_csv(path, skipinitialspace=True, dtype={"pixels": str, " pixels": str})
    table.columns = [str(column).strip() for column in table.columns]
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()][0]
        raise DataError(f"{path}: two columns are called {twice!r}; drop one")
    if "pixels" not in table.columns:
        raise DataError(f"{path}: has the columns {', '.join(table.columns)}, expected emotion, pixels and Usage")
    if "emotion" not in table.columns:
        raise DataError(
            f"{path}: has no column emotion, so it cannot be learned from or scored; give the labelled file"
        )
    if len(table) == 0:
        raise DataError(f"{path}: holds no rows")
    labels = read_labels(table["emotion"].to_numpy(), path)
    usage = (
        table["Usage"].astype(str).str.strip().to_numpy()
        if "Usage" in table.columns
        else np.full(len(table), "Training")
    )
    unknown = sorted({str(name) for name in usage} - set(SPLITS))
    if unknown:
        raise DataError(f"{path}: Usage is {unknown[0]!r} in some rows, expected one of {', '.join(SPLITS)}")
    images = read_pixels(table["pixels"].tolist(), path)
    return {
        split: FaceSplit(images[usage == name], labels[usage == name])
        for name, split in SPLITS.items()
        if (usage == name).any()
    }


def read_labels(emotions: NDArray[np.generic], path: Path) -> Labels:
    """Return class numbers 0 … 6."""
    bad = [row for row, value in enumerate(emotions.tolist()) if value not in range(len(CLASSES))]
    if bad:
        raise DataError(f"{path}: row {bad[0]} has emotion {emotions[bad[0]]}, expected 0 to {len(CLASSES) - 1}")
    return emotions.astype(np.int64)


def read_pixels(rows: Sequence[str], path: Path) -> Images:
    """Decode space-separated grey values, all rows of one length that is a square."""
    images: Images | None = None
    for number, row in enumerate(rows):
        try:
            values = np.array(str(row).split(), dtype=np.int32)
        except (ValueError, OverflowError) as error:
            raise DataError(f"{path}: row {number} has pixels that are not whole numbers ({error})") from error
        if images is None:
            size = round(len(values) ** 0.5)
            if size < 2 or size * size != len(values):
                raise DataError(
                    f"{path}: row {number} has {len(values)} pixels, expected a square such as 2304 (48×48)"
                )
            images = np.empty((len(rows), size, size), np.uint8)
        if len(values) != images[0].size:
            raise DataError(
                f"{path}: row {number} has {len(values)} pixels, expected {images[0].size} as in the first row"
            )
        if values.min() < 0 or values.max() > 255:
            raise DataError(f"{path}: row {number} has pixels from {values.min()} to {values.max()}, expected 0 to 255")
        images[number] = values.reshape(images.shape[1:])
    assert images is not None
    return images


def read_folder(folder: Path) -> tuple[dict[str, FaceSplit], tuple[str, ...]]:
    """Read ``train/<class>/*`` and ``test/<class>/*``; names that begin with an official split win over the folder."""
    files: dict[str, list[tuple[Path, str]]] = {"train": [], "val": [], "test": []}
    for part in ("train", "val", "validation", "test"):
        default = "val" if part == "validation" else part
        for path, name in class_files(folder / part):
            prefix = path.name.split("_")[0]
            files[SPLITS.get(prefix, default)].append((path, name))
    names = {name for part in files.values() for _, name in part}
    if not names:
        raise DataError(f"{folder}: holds no images, expected train/<class>/*.jpg and test/<class>/*.jpg")
    class_names = order_classes(names, folder)
    index = {name.casefold(): number for number, name in enumerate(class_names)}
    splits = {}
    for part, listed in files.items():
        if listed:
            listed.sort(key=lambda file: natural_key(file[0].name))
            images = np.stack(list(read_images([path for path, _ in listed])))
            splits[part] = FaceSplit(images, np.array([index[name.casefold()] for _, name in listed], dtype=np.int64))
    return splits, class_names


def class_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the images below a folder with the names of the folders they are in."""
    if not folder.is_dir():
        return
    with reading(folder, "cannot be read", kind=DataError):
        for home in sorted(path for path in folder.iterdir() if path.is_dir() and not is_hidden(path)):
            for path in sorted(home.iterdir()):
                if path.suffix.lower() in IMAGE_SUFFIXES and not is_hidden(path):
                    yield path, home.name


def is_hidden(path: Path) -> bool:
    """Whether a file or folder is none of the set's: ``.ipynb_checkpoints``, ``__MACOSX``, ``._image.png``."""
    return path.name.startswith(".") or path.name in HIDDEN_FOLDERS


def natural_key(name: str) -> tuple[int, str]:
    """Sort by the last number in a name, so that ``PublicTest_9`` comes before ``PublicTest_10``."""
    digits = "".join(character if character.isdecimal() else " " for character in Path(name).stem).split()
    return (int(digits[-1]) if digits else -1), name


def order_classes(names: set[str], folder: Path) -> tuple[str, ...]:
    """Return class names in the order of their numbers: that of FER2013, or alphabetical for other sets."""
    for name in sorted(names):
        fault = fault_of_text(name)
        if fault is not None:
            raise DataError(f"{folder}: the name of a class folder {fault}; rename it")
    official = {name.casefold(): name for name in CLASSES}
    known = {name for name in names if name.casefold() in official}
    unknown = sorted(names - known)
    if len(known) > len(unknown) > 0:
        raise DataError(
            f"{folder}: unknown class folder {unknown[0]!r} among those of FER2013; expected {', '.join(CLASSES)}"
        )
    if known and not unknown:
        return CLASSES
    if len(names) < 2:
        raise DataError(f"{folder}: holds the class {unknown[0]!r} only, expected at least two")
    return tuple(sorted(names))


def read_images(paths: Sequence[Path]) -> Iterator[Images]:
    """Yield grey images, all of the size of the first and square."""
    from PIL import Image

    first: tuple[int, ...] | None = None
    for path in paths:
        with reading(path, "cannot be read as an image", kind=DataError), Image.open(path) as image:
            pixels = np.asarray(image.convert("L"))
        if pixels.shape[0] != pixels.shape[1] or (first is not None and pixels.shape != first):
            expected = "square images" if first is None else f"{first[1]}×{first[0]} as in {paths[0].name}"
            raise DataError(f"{path}: is {pixels.shape[1]}×{pixels.shape[0]}, expected {expected}")
        first = pixels.shape
        yield pixels

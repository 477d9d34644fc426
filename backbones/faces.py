"""A labelled image set in three splits, and the images that are in it more than once."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backbones.errors import DataError

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]

CLASSES = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
HELD_OUT = 0.1
"""Share of the training rows kept for validation where a set has none."""


@dataclass(frozen=True)
class FaceSplit:
    """Square grey images (N, size, size) and their classes (N,)."""

    images: Images
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Faces:
    """A labelled image set in three splits.

    Attributes
    ----------
    train, val, test : FaceSplit
        Training, PublicTest and PrivateTest of FER2013; ``test`` may be empty.
    class_names : tuple of str
    checksum : str
        sha256 of the images and labels of all splits, whatever file they came from.
    notes : list of str
        What a user should know of how the splits came about.
    normalized : dict of str to Faces
        The same set with other input normalisations, as far as they have been made.
    """

    train: FaceSplit
    val: FaceSplit
    test: FaceSplit
    class_names: tuple[str, ...] = CLASSES
    checksum: str = ""
    notes: list[str] = field(default_factory=list)
    normalized: dict[str, "Faces"] = field(default_factory=dict, repr=False, compare=False)

    def __deepcopy__(self, memo: object) -> "Faces":
        """Return the set itself: nobody changes its images, and they are large."""
        return self

    @property
    def size(self) -> int:
        """Height and width of an image."""
        return int(self.train.images.shape[1])

    def split(self, name: str) -> FaceSplit:
        """Return a split by name: train, val or test."""
        return {"train": self.train, "val": self.val, "test": self.test}[name]


def complete(splits: Mapping[str, FaceSplit], class_names: tuple[str, ...]) -> Faces:
    """Make a set of splits whole: hold out validation rows where there are none, and take the checksum."""
    train = splits.get("train")
    if train is None or not len(train):
        raise DataError("there are no training images, expected rows with Usage Training, or a folder train/")
    notes = []
    val = splits.get("val")
    if val is None or not len(val):
        train, val = hold_out(train)
        notes.append(f"there is no validation split: {len(val):,} of the training images are held out for it")
    if not len(train):
        raise DataError(
            f"no training images are left, since {len(val)} of {len(val)} is held out for validation; give more, or a "
            "validation split"
        )
    empty = FaceSplit(np.zeros((0, *train.images.shape[1:]), np.uint8), np.zeros(0, np.int64))
    test = splits.get("test", empty)
    sizes = {split.images.shape[1:] for split in (train, val, test)}
    if len(sizes) > 1:
        shown = ", ".join(sorted("×".join(map(str, size)) for size in sizes))
        raise DataError(f"the splits have images of {shown} pixels, expected one size")
    return Faces(train, val, test, class_names, checksum((train, val, test)), notes)


def checksum(splits: Iterable[FaceSplit]) -> str:
    """Return the sha256 of the images and labels of splits."""
    digest = hashlib.sha256()
    for split in splits:
        digest.update(np.ascontiguousarray(split.images).data)
        digest.update(np.ascontiguousarray(split.labels).data)
    return digest.hexdigest()


def hold_out(train: FaceSplit) -> tuple[FaceSplit, FaceSplit]:
    """Divide training rows into training and validation, every tenth of each class, the same ones each time."""
    order = np.argsort(train.labels, kind="stable")
    validation = np.zeros(len(train), dtype=bool)
    validation[order[:: round(1 / HELD_OUT)]] = True
    rest = ~validation
    return (
        FaceSplit(train.images[rest], train.labels[rest]),
        FaceSplit(train.images[validation], train.labels[validation]),
    )


@dataclass(frozen=True)
class ExactDuplicates:
    """Images that are identical pixel by pixel, within and across splits.

    Attributes
    ----------
    leaked : dict of str to (N,) bool
        For ``val`` and ``test``, which rows are also among the training images.
    groups : int
        Number of groups of identical images, over all splits.
    contradictory : int
        Groups whose images carry different labels.
    """

    leaked: dict[str, NDArray[np.bool_]]
    groups: int
    contradictory: int


def find_exact_duplicates(faces: Faces) -> ExactDuplicates:
    """Find images that are identical pixel by pixel, within and across splits."""
    seen: dict[bytes, list[tuple[str, int]]] = {}
    for name in ("train", "val", "test"):
        split = faces.split(name)
        for image, label in zip(split.images, split.labels.tolist(), strict=True):
            seen.setdefault(hashlib.blake2b(image.tobytes(), digest_size=16).digest(), []).append((name, label))
    trained = {key for key, places in seen.items() if any(name == "train" for name, _ in places)}
    leaked = {}
    for name in ("val", "test"):
        images = faces.split(name).images
        keys = (hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images)
        leaked[name] = np.fromiter((key in trained for key in keys), dtype=bool, count=len(images))
    groups = [places for places in seen.values() if len(places) > 1]
    contradictory = sum(len({label for _, label in places}) > 1 for places in groups)
    return ExactDuplicates(leaked, len(groups), contradictory)

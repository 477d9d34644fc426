"""Small image sets that can be learned in seconds."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra 'backbones' is not installed")

import torch

from backbones.faces import CLASSES, Faces, FaceSplit, complete

# One thread, so that small networks do not wait for each other's threads where a core is busy.
torch.set_num_threads(1)

REAL = Path(__file__).parents[3] / "shared" / "data" / "fer2013.csv.gz"


def draw_faces(seed=0, counts=(140, 56, 56), size=48, n_classes=7):
    """Draw images whose class is a bright patch at one of several places, in noise."""
    rng = np.random.default_rng(seed)
    splits = {}
    for name, count in zip(("train", "val", "test"), counts, strict=True):
        labels = np.arange(count) % n_classes
        rng.shuffle(labels)
        images = rng.integers(0, 120, (count, size, size))
        for image, label in zip(images, labels, strict=True):
            row, column = divmod(int(label), 3)
            image[4 + 13 * row : 14 + 13 * row, 4 + 13 * column : 14 + 13 * column] += 120
        splits[name] = FaceSplit(images.astype(np.uint8), labels.astype(np.int64))
    return complete(splits, CLASSES if n_classes == 7 else tuple(f"class {number}" for number in range(n_classes)))


@pytest.fixture(scope="session")
def drawn() -> Faces:
    """140 training, 56 validation and 56 test images."""
    return draw_faces()


@pytest.fixture(scope="session")
def real(tmp_path_factory) -> Path:
    """The real data, where they are."""
    if not REAL.exists():
        pytest.skip("the FER2013 data are not here")
    return REAL

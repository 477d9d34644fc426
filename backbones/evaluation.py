"""What a trained network says about the validation and test images, and how good that is."""

import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from backbones.architectures.layers import multiply_adds, trainable_parameters
from backbones.batches import EVALUATION_BATCH, to_float
from backbones.configuration import RunConfig
from backbones.errors import ConfigurationError, RunError
from backbones.faces import Faces, Images, find_exact_duplicates
from backbones.input_normalization import normalize_faces
from backbones.reading import first_line
from backbones.runs import Run, best_epoch, load_network

Proba = NDArray[np.float32]


@dataclass(frozen=True)
class TestTimeAugmentation:
    """The images whose probabilities are averaged for each image.

    Parameters
    ----------
    flip : bool
        The image and its mirror image.
    shift : int
        The image, and moved by so many pixels to each of the eight sides and corners, its border repeated; 0 for none.
    """

    __test__ = False  # nothing for pytest

    flip: bool = False
    shift: int = 0

    def __post_init__(self) -> None:
        if self.shift < 0:
            raise ConfigurationError(f"the shift of test-time augmentation is {self.shift}, expected at least 0 pixels")

    @property
    def views(self) -> int:
        """How many images are averaged."""
        return (2 if self.flip else 1) * (9 if self.shift else 1)

    def __call__(self, images: Tensor) -> Iterator[Tensor]:
        """Yield the views of a batch (N, 1, size, size), the images themselves first."""
        steps = (0, self.shift, -self.shift) if self.shift else (0,)
        height, width = images.shape[-2:]
        padded = functional.pad(images, [self.shift] * 4, mode="replicate") if self.shift else images
        for vertical, horizontal in itertools.product(steps, steps):
            top, left = self.shift + vertical, self.shift + horizontal
            view = padded[..., top : top + height, left : left + width]
            yield view
            if self.flip:
                yield view.flip(-1)


PLAIN = TestTimeAugmentation()


def predict(network: nn.Module, images: Images, augmentation: TestTimeAugmentation = PLAIN) -> Proba:
    """Return class probabilities (N, C) of uint8 images (N, size, size), on the device that the network is on.

    With test-time augmentation they are the mean over the views of each image.
    """
    network.eval()
    device = next(network.parameters()).device
    outputs = []
    with device_memory(), torch.inference_mode():
        for start in range(0, len(images), EVALUATION_BATCH):
            part = torch.from_numpy(np.array(images[start : start + EVALUATION_BATCH])).unsqueeze(1)
            total = sum(network(view).softmax(dim=-1) for view in augmentation(to_float(part.to(device))))
            assert isinstance(total, Tensor)
            outputs.append((total / augmentation.views).cpu().numpy())
    return np.concatenate(outputs)


@contextmanager
def device_memory() -> Iterator[None]:
    """Say that the memory of the device is full."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise RunError(
            f"the accelerator's memory is full ({first_line(error)}); give a smaller --batch-size, or end what else "
            "uses it"
        ) from error


@contextmanager
def known_accelerator(accelerator: str) -> Iterator[None]:
    """Refuse an accelerator that Lightning does not know, or does not find here."""
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    try:
        yield
    except (ValueError, RuntimeError, ImportError, MisconfigurationException) as error:
        reason = first_line(error)
        raise ConfigurationError(
            f"accelerator is {accelerator!r}, which cannot be used here ({reason}); give auto or cpu"
        ) from error


def device_of(accelerator: str) -> torch.device:
    """Return the device that Lightning would take for an accelerator's name."""
    from lightning.pytorch import Trainer

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    with known_accelerator(accelerator):
        trainer = Trainer(accelerator=accelerator, devices=1, logger=False, enable_checkpointing=False)
    device: torch.device = trainer.strategy.root_device
    return device


def format_accuracies(accuracies: dict[str, float]) -> str:
    """Say what a member reaches, with and without test-time augmentation where there is one."""
    text = f"validation {accuracies['val']:.4f}, test {accuracies['test']:.4f}"
    if "plain_val" in accuracies:
        plain = f"{accuracies['plain_val']:.4f} and {accuracies['plain_test']:.4f}"
        text += f" with test-time augmentation, {plain} without"
    return text


def confusion(labels: NDArray[np.int64], proba: Proba) -> list[list[int]]:
    """Count rows by true and predicted class."""
    n_classes = proba.shape[1]
    cells = np.bincount(labels * n_classes + proba.argmax(-1), minlength=n_classes**2)
    counts: list[list[int]] = cells.reshape(n_classes, n_classes).tolist()
    return counts


def finish(
    run: Run, config: RunConfig, faces: Faces, rows: list[dict[str, Any]], device: torch.device | str = "cpu"
) -> None:
    """Evaluate the best weights, write the result, and drop the state that is no longer needed."""
    network = load_network(run, config)
    normalized = normalize_faces(faces, config.normalization)
    duplicates = find_exact_duplicates(faces)
    result: dict[str, Any] = {
        "best_epoch": best_epoch(rows),
        "epochs": len(rows),
        "parameters": trainable_parameters(network),
        "multiply_adds": multiply_adds(network, (1, config.size, config.size)),
        "versions": versions(),
    }
    network.to(device)
    for name in ("val", "test"):
        split = normalized.split(name)
        if len(split):
            proba = predict(network, split.images)
            correct = proba.argmax(-1) == split.labels
            unseen = ~duplicates.leaked[name]
            result[name] = {
                "accuracy": float(correct.mean()),
                "accuracy_without_exact_duplicates": float(correct[unseen].mean()) if unseen.any() else None,
                "exact_duplicates_of_training_images": int(duplicates.leaked[name].sum()),
                "confusion": confusion(np.asarray(split.labels), proba),
            }
    run.write_json("result.json", result)
    run.drop_state()


def versions() -> dict[str, str]:
    """Return what the training ran on."""
    from importlib.metadata import version

    return {package: version(package) for package in ("torch", "lightning", "kornia", "numpy")}

"""Batches of images from a device's memory, in an order that the seed and the epoch decide."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from backbones.faces import FaceSplit

EVALUATION_BATCH = 256
AUGMENTED_TOGETHER = 32
"""Batches that an accelerator augments at once: it is as quick with many images as with few."""
Batch = tuple[Tensor, Tensor]


def resident(split: FaceSplit, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Return the uint8 images (N, 1, size, size) and the labels (N,) of a split in a device's memory.

    The only copy: a memory-mapped split is read once, so that batches are cut from memory.
    """
    images = torch.from_numpy(np.array(split.images)).unsqueeze(1)
    return images.to(device), torch.from_numpy(np.array(split.labels)).to(device)


class Batches:
    """Whole batches of images between 0 and 1 and their labels; a shuffled order is that of the seed and the epoch.

    With several processes each takes every n-th row of the common order.

    Parameters
    ----------
    images, labels : Tensor
        All uint8 images (N, 1, size, size) and all labels (N,), on the device that batches are wanted on.
    batch_size : int
    place : callable
        Returns the epoch, this process's number, and how many there are.
    seed : int, optional
        Of the order and of the augmentation; without it rows come in their own order.
    augmentation : nn.Module, optional
        Applied to the images. Its draws depend on the seed, the epoch and the place in the epoch alone, and leave
        PyTorch's generators as they were.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
        place: Callable[[], tuple[int, int, int]],
        seed: int | None = None,
        augmentation: nn.Module | None = None,
    ) -> None:
        self.images, self.labels = images, labels
        self.batch_size, self.place, self.seed, self.augmentation = batch_size, place, seed, augmentation
        self.together = 1 if images.device.type == "cpu" else AUGMENTED_TOGETHER

    def __len__(self) -> int:
        _, _, world = self.place()
        rows = len(self.labels) // world if self.seed is not None else -(-len(self.labels) // world)
        return (
            rows // self.batch_size
            if self.seed is not None and rows >= self.batch_size
            else -(-rows // self.batch_size)
        )

    def __iter__(self) -> Iterator[Batch]:
        epoch, rank, world = self.place()
        if self.seed is None:
            order = torch.arange(rank, len(self.labels), world)
        else:
            order = torch.randperm(len(self.labels), generator=torch.Generator().manual_seed(mix(self.seed, epoch)))
            order = order[rank::world][: len(self.labels) // world]
        order = order[: len(self) * self.batch_size].to(self.images.device)
        for number, rows in enumerate(torch.split(order, self.together * self.batch_size)):
            images, labels = to_float(self.images[rows]), self.labels[rows]
            if self.augmentation is not None and self.seed is not None:
                images = self.augment(images, mix(self.seed, epoch, rank, 2, number))
            yield from zip(torch.split(images, self.batch_size), torch.split(labels, self.batch_size), strict=True)

    def augment(self, images: Tensor, seed: int) -> Tensor:
        """Augment images by the draws of a seed."""
        assert self.augmentation is not None
        devices = [] if images.device.type == "cpu" else [images.device]
        with torch.random.fork_rng(devices, device_type=images.device.type if devices else "cuda"):
            torch.manual_seed(seed)
            augmented: Tensor = self.augmentation(images)
        return augmented


def mix(*numbers: int) -> int:
    """Return one seed for several numbers, such that neighbouring ones give unrelated seeds."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def to_float(images: Tensor) -> Tensor:
    """Turn grey values 0 … 255 into numbers between 0 and 1."""
    return images.to(torch.float32, memory_format=torch.channels_last).div_(255.0)

"""Batches of images from memory, in an order that the seed and the epoch decide."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from backbones.faces import Split

EVALUATION_BATCH = 256
Batch = tuple[Tensor, Tensor]


class Batches:
    """Whole batches of uint8 images and labels from memory; a shuffled order is that of the seed and the epoch.

    With several processes each takes every n-th row of the common order.
    """

    def __init__(
        self, split: Split, batch_size: int, place: Callable[[], tuple[int, int, int]], seed: int | None = None
    ) -> None:
        # The only copy: a memory-mapped split is read once, so that batches are cut from memory.
        self.images = torch.from_numpy(np.array(split.images)).unsqueeze(1)
        self.labels = torch.from_numpy(np.array(split.labels))
        self.batch_size, self.place, self.seed = batch_size, place, seed

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
        for number in range(len(self)):
            rows = order[number * self.batch_size : (number + 1) * self.batch_size]
            yield self.images[rows], self.labels[rows]


def mix(*numbers: int) -> int:
    """Return one seed for several numbers, such that neighbouring ones give unrelated seeds."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def to_float(images: Tensor) -> Tensor:
    """Turn grey values 0 … 255 into numbers between 0 and 1."""
    return images.to(torch.float32, memory_format=torch.channels_last).div_(255.0)

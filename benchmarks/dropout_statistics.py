"""What batch normalisation's statistics cost a network with dropout, on runs that `backbones` has finished.

    python benchmarks/dropout_statistics.py --data fer2013.csv.gz runs/deep-b runs/shallow-a runs/agrawal-a

judges the same weights on PublicTest with three sets of statistics: running averages of training steps, in which values
are dropped and images are augmented, as training usually leaves them; of training images as they are, as `backbones`
keeps them; and of all training images instead of a part. Writes benchmarks/results/dropout_statistics.json.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe
from torch import Tensor, nn

from backbones.augmentation import Augmentation
from backbones.batch_normalization import recalibrate
from backbones.batches import Batches, mix, resident, to_float
from backbones.classifier import Classifier
from backbones.configuration import RunConfig
from backbones.evaluation import predict
from backbones.faces import Faces
from backbones.fer2013 import load_faces
from backbones.input_normalization import normalize_faces
from backbones.runs import Run, load_network
from backbones.training import keep_freed_memory

RESULTS = Path(__file__).parent / "results" / "dropout_statistics.json"
STEPS = 120


def train_statistics(network: nn.Module, config: RunConfig, faces: Faces) -> None:
    """Replace the statistics by running averages of as many training steps as make earlier ones count for nothing."""
    torch.manual_seed(mix(config.seed, 2))
    augmentation = Augmentation(config.flip, config.degrees, config.shift, config.scale, config.erasing).train()
    place = (config.epochs, 0, 1)
    batches = Batches(*resident(faces.train), config.batch_size, lambda: place, config.seed, augmentation)
    network.train()
    with torch.no_grad():
        for (images, _), _ in zip(batches, range(STEPS), strict=False):
            with half(config):
                network(images)
    network.eval()


def half(config: RunConfig) -> torch.autocast:
    """Return the precision of the run's training steps."""
    return torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16-mixed")


def judge(network: nn.Module, faces: Faces) -> dict[str, float]:
    """Return accuracy and log loss on PublicTest."""
    proba = predict(network, faces.val.images)
    truth = np.asarray(faces.val.labels)
    own = np.clip(proba[np.arange(len(truth)), truth], 1e-12, 1)
    return {"accuracy": float((proba.argmax(-1) == truth).mean()), "log_loss": float(-np.log(own).mean())}


def whole(faces: Faces) -> list[Tensor]:
    """Return all training images in batches, in random order."""
    order = np.random.default_rng(0).permutation(len(faces.train))
    images = torch.from_numpy(np.asarray(faces.train.images)[order]).unsqueeze(1)
    return [to_float(part) for part in torch.split(images, 256)]


def measure(run: Run, faces: Faces) -> dict[str, Any]:
    """Judge one run's weights with each set of statistics."""
    config = run.config()
    faces = normalize_faces(faces, config.normalization)
    network = load_network(run, config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    found: dict[str, Any] = {"architecture": config.architecture, "dropout": config.dropout}
    train_statistics(network, config, faces)
    found["of training steps"] = judge(network, faces)
    module = Classifier(dataclasses.replace(config, normalization="raw"), faces)
    module.network = network
    module.on_validation_epoch_start()
    found["without dropout"] = judge(network, faces)
    with half(config):
        recalibrate(network, whole(faces))
    found["without dropout, all images"] = judge(network, faces)
    return found


def main() -> None:
    """Measure each run and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    keep_freed_memory()
    faces = load_faces(options.data, cache=options.cache)
    results = {"machine": describe(), "torch": torch.__version__, "steps": STEPS, "runs": {}}
    for folder in options.runs:
        results["runs"][folder.name] = found = measure(Run(folder), faces)
        print(
            f"{folder.name}: "
            + ", ".join(f"{name} {row['accuracy']:.4f}" for name, row in found.items() if isinstance(row, dict)),
            flush=True,
        )
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""What a trained network says about the validation and test images, and how good that is."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from backbones.architectures.layers import multiply_adds, trainable_parameters
from backbones.batches import EVALUATION_BATCH, to_float
from backbones.faces import Faces, Images, find_twins
from backbones.runs import Run, RunConfig, best_epoch, load_network

Proba = NDArray[np.float32]


def predict(network: nn.Module, images: Images, *, flip: bool = False) -> Proba:
    """Return class probabilities (N, C) of uint8 images (N, size, size).

    With ``flip`` they are the mean of those of the image and of its mirror image.
    """
    network.eval()
    outputs = []
    with torch.inference_mode():
        for start in range(0, len(images), EVALUATION_BATCH):
            batch = to_float(torch.from_numpy(np.array(images[start : start + EVALUATION_BATCH])).unsqueeze(1))
            proba = network(batch).softmax(dim=-1)
            if flip:
                proba = (proba + network(batch.flip(-1)).softmax(dim=-1)) / 2
            outputs.append(proba.numpy())
    return np.concatenate(outputs)


def confusion(labels: NDArray[np.int64], proba: Proba) -> list[list[int]]:
    """Count rows by true and predicted class."""
    n_classes = proba.shape[1]
    cells = np.bincount(labels * n_classes + proba.argmax(-1), minlength=n_classes**2)
    counts: list[list[int]] = cells.reshape(n_classes, n_classes).tolist()
    return counts


def finish(run: Run, config: RunConfig, faces: Faces, rows: list[dict[str, Any]]) -> None:
    """Evaluate the best weights, write the result, and drop the state that is no longer needed."""
    network = load_network(run, config)
    twins = find_twins(faces)
    result: dict[str, Any] = {
        "best_epoch": best_epoch(rows),
        "epochs": len(rows),
        "parameters": trainable_parameters(network),
        "multiply_adds": multiply_adds(network, (1, config.size, config.size)),
        "versions": versions(),
    }
    for name in ("val", "test"):
        split = faces.split(name)
        if len(split):
            proba = predict(network, split.images)
            right = proba.argmax(-1) == split.labels
            apart = ~twins.leaked[name]
            result[name] = {
                "accuracy": float(right.mean()),
                "accuracy_without_twins": float(right[apart].mean()) if apart.any() else None,
                "twins_of_training_images": int(twins.leaked[name].sum()),
                "confusion": confusion(np.asarray(split.labels), proba),
            }
    run.write_json("result.json", result)
    run.checkpoint.unlink(missing_ok=True)


def versions() -> dict[str, str]:
    """Return what the training ran on."""
    from importlib.metadata import version

    return {package: version(package) for package in ("torch", "lightning", "kornia", "numpy")}

"""Where backbones meets ensembler: a trained run becomes a member of a prediction set."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backbones.errors import RunError
from backbones.evaluation import PLAIN, Proba, TestTimeAugmentation, predict
from backbones.faces import Faces, find_exact_duplicates
from backbones.input_normalization import normalize_faces
from backbones.runs import OF_THE_DATA, Run, RunConfig, load_network
from ensembler.errors import EnsemblerError
from ensembler.predictions.files import write_array, write_text

METADATA = "members.json"


def export(
    run: Run,
    faces: Faces,
    folder: Path,
    *,
    augmentation: TestTimeAugmentation = PLAIN,
    device: torch.device | str = "cpu",
) -> dict[str, float]:
    """Write a finished run's probabilities into a prediction set, and return its accuracies.

    Test rows are PrivateTest, ``val/`` rows PublicTest, both in the order of the data; classes in the official order.

    Parameters
    ----------
    run, faces, folder
        What, of which images, and where to.
    augmentation : TestTimeAugmentation
        What the probabilities are averaged over; none by default.
    device
        That computes.

    Returns
    -------
    dict
        Accuracies of what was written, ``val`` and ``test``; with test-time augmentation also ``plain_val`` and
        ``plain_test``, those without it.

    Raises
    ------
    RunError
        The run is not finished, was trained on other data, or the folder holds another set or cannot be written.
    """
    config, result = run.config(), run.result()
    if config.data_checksum != faces.checksum:
        raise RunError(
            f"{run.folder}: was trained on other data (checksum {config.data_checksum[:12]}…, these images have "
            f"{faces.checksum[:12]}…); give the data it was trained on"
        )
    if not len(faces.test):
        raise RunError(
            "the data have no test split, so there is nothing to score members on; give a labelled test split"
        )
    network = load_network(run, config).to(device)
    normalized = normalize_faces(faces, config.normalization)
    parts = {"test": folder, "val": folder / "val"}
    for name, home in parts.items():
        check_labels(home / "labels.npy", np.asarray(faces.split(name).labels))
    arrays: dict[str, Proba] = {}
    accuracies = {}
    for name in parts:
        split = normalized.split(name)
        arrays[name] = predict(network, split.images, augmentation)
        accuracies[name] = float((arrays[name].argmax(-1) == split.labels).mean())
        if augmentation.views > 1:
            plain = predict(network, split.images)
            accuracies[f"plain_{name}"] = float((plain.argmax(-1) == split.labels).mean())
    duplicates = find_exact_duplicates(faces)
    rows = {name: np.flatnonzero(duplicates.leaked[name]).tolist() for name in ("val", "test")}
    try:
        for name, home in parts.items():
            write_array(home / "labels.npy", np.asarray(faces.split(name).labels))
            write_array(home / f"{run.name}.npy", arrays[name])
        write_text(folder / "exact-duplicates.json", json.dumps(rows) + "\n")
        with alone_in(folder):
            metadata = read_metadata(folder / METADATA)
            metadata["class_names"] = list(config.class_names)
            metadata["members"][run.name] = describe(config, result, augmentation) | scores(accuracies)
            metadata["members"] = dict(sorted(metadata["members"].items()))
            write_text(folder / METADATA, json.dumps(metadata, indent=2, ensure_ascii=False) + "\n")
    except EnsemblerError as error:
        raise RunError(str(error)) from error
    return accuracies


def describe(config: RunConfig, result: dict[str, Any], augmentation: TestTimeAugmentation) -> dict[str, Any]:
    """Return what the set's metadata say of a member besides its accuracies."""
    elsewhere = {"architecture", "seed", "normalization", *OF_THE_DATA}
    return {
        "architecture": config.architecture,
        "parameters": result["parameters"],
        "multiply_adds": result["multiply_adds"] * augmentation.views,
        "normalization": config.normalization,
        "flip_averaging": augmentation.flip,
        "shift_averaging": augmentation.shift,
        "seed": config.seed,
        "hyperparameters": {key: value for key, value in config.to_dict().items() if key not in elsewhere},
        "epochs": result["epochs"],
        "best_epoch": result["best_epoch"],
        "data_checksum": config.data_checksum,
        "versions": result["versions"],
    }


def scores(accuracies: dict[str, float]) -> dict[str, float]:
    """Return the accuracies of a member by the names that the metadata have for them."""
    names = {
        "val": "val_accuracy",
        "test": "accuracy",
        "plain_val": "plain_val_accuracy",
        "plain_test": "plain_accuracy",
    }
    return {names[name]: value for name, value in accuracies.items()}


def is_exported(run: Run, folder: Path, augmentation: TestTimeAugmentation = PLAIN) -> bool:
    """Whether a finished run is a member of a prediction set already, with the same test-time augmentation."""
    there = read_metadata(folder / METADATA)["members"].get(run.name, {})
    wanted = describe(run.config(), run.result(), augmentation)
    arrays = (folder / f"{run.name}.npy", folder / "val" / f"{run.name}.npy")
    return all(path.exists() for path in arrays) and all(there.get(key) == value for key, value in wanted.items())


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process is adding a member to the folder's metadata."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def check_labels(path: Path, labels: np.ndarray[Any, np.dtype[np.int64]]) -> None:
    """Refuse to mix members of different rows in one folder."""
    if path.exists() and not np.array_equal(np.load(path, allow_pickle=False), labels):
        raise RunError(f"{path}: holds the labels of other rows; write this member into another folder")


def read_metadata(path: Path) -> dict[str, Any]:
    """Read the metadata of the members that are there already."""
    metadata = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    metadata.setdefault("members", {})
    return dict(metadata)

"""Where backbones meets ensembler: a trained run becomes a member of a prediction set."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from backbones.errors import RunError
from backbones.evaluation import Proba, predict
from backbones.faces import Faces, find_twins
from backbones.runs import Run, load_network
from ensembler.files import write_array, write_text

FACTS = "members.json"


def export(run: Run, faces: Faces, folder: Path, *, flip: bool = False) -> dict[str, float]:
    """Write a finished run's probabilities into a prediction set, and return its accuracies.

    Test rows are PrivateTest, ``val/`` rows PublicTest, both in the order of the data; classes in the official order.

    Raises
    ------
    RunError
        The run is not finished, was trained on other data, or the folder holds another set.
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
    network = load_network(run, config)
    accuracies = {}
    parts = {"test": folder, "val": folder / "val"}
    for name, home in parts.items():
        check_labels(home / "labels.npy", np.asarray(faces.split(name).labels))
    for name, home in parts.items():
        split = faces.split(name)
        proba: Proba = predict(network, split.images, flip=flip)
        accuracies[name] = float((proba.argmax(-1) == split.labels).mean())
        write_array(home / "labels.npy", np.asarray(split.labels))
        write_array(home / f"{run.name}.npy", proba)
    twins = find_twins(faces)
    rows = {name: np.flatnonzero(twins.leaked[name]).tolist() for name in ("val", "test")}
    write_text(folder / "twins.json", json.dumps(rows) + "\n")
    with alone_in(folder):
        facts = read_facts(folder / FACTS)
        facts["class_names"] = list(config.class_names)
        facts["members"][run.name] = {
            "architecture": config.architecture,
            "parameters": result["parameters"],
            "multiply_adds": result["multiply_adds"] * (2 if flip else 1),
            "flip_averaging": flip,
            "seed": config.seed,
            "hyperparameters": {
                key: value
                for key, value in config.to_dict().items()
                if key not in {"architecture", "seed", "class_names", "n_classes", "size", "data_checksum"}
            },
            "epochs": result["epochs"],
            "best_epoch": result["best_epoch"],
            "val_accuracy": accuracies["val"],
            "accuracy": accuracies["test"],
            "data_checksum": config.data_checksum,
            "versions": result["versions"],
        }
        facts["members"] = dict(sorted(facts["members"].items()))
        write_text(folder / FACTS, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    return accuracies


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


def read_facts(path: Path) -> dict[str, Any]:
    """Read the metadata of the members that are there already."""
    facts = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    facts.setdefault("members", {})
    return dict(facts)

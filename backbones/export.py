"""Where backbones meets ensembler: a trained run becomes a member of a prediction set."""

import dataclasses
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backbones.configuration import OF_THE_DATA, RunConfig
from backbones.errors import RunError
from backbones.evaluation import PLAIN, Proba, TestTimeAugmentation, predict
from backbones.faces import Faces, find_exact_duplicates
from backbones.input_normalization import normalize_faces
from backbones.kept import KeptWeights
from backbones.reading import read_array, read_json
from backbones.runs import Run
from backbones.writing import become, flush, require_writable, temporary_folder, writable
from ensembler.errors import EnsemblerError
from ensembler.predictions.files import write_array, write_text

METADATA = "members.json"
LABELS = "labels.npy"
ROW_SUM_TOLERANCE = 1e-3


def export(
    run: Run | KeptWeights,
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
        What, of which images, and where to. The folder of a run, or weights that were kept of one.
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
        The run is not finished, was trained on other data, its name cannot be a member's, its probabilities are not
        finite, or the folder holds another set or cannot be written.
    """
    run.require_name()
    config, result = run.config(), run.result()
    where = run.folder if isinstance(run, Run) else run.path
    if config.data_checksum != faces.checksum:
        raise RunError(
            f"{where}: was trained on other data (checksum {config.data_checksum[:12]}…, these images have "
            f"{faces.checksum[:12]}…); give the data it was trained on"
        )
    check_target(faces, folder)
    network = run.network(config).to(device)
    normalized = normalize_faces(faces, config.normalization)
    arrays: dict[str, Proba] = {}
    accuracies = {}
    for name in PARTS:
        split = normalized.split(name)
        arrays[name] = predict(network, split.images, augmentation)
        check_probabilities(arrays[name], f"{where}: the probabilities of the {name} rows")
        accuracies[name] = float((arrays[name].argmax(-1) == split.labels).mean())
        if augmentation.views > 1:
            plain = predict(network, split.images)
            accuracies[f"plain_{name}"] = float((plain.argmax(-1) == split.labels).mean())
    entry = describe(config, result, augmentation) | scores(accuracies)
    named = dataclasses.replace(faces, class_names=config.class_names)
    add_member(folder.resolve(), run.name, arrays, entry, named)
    return accuracies


PARTS = {"val": "val", "test": ""}
"""Folders of the splits in a prediction set."""


def check_target(faces: Faces, folder: Path) -> None:
    """Refuse a folder that members of these images cannot be written into, before any work."""
    if not len(faces.test):
        raise RunError(
            "the data have no test split, so there is nothing to score members on; give a labelled test split"
        )
    require_writable(folder)
    for name, home in PARTS.items():
        check_labels(folder / home / LABELS, np.asarray(faces.split(name).labels))
    read_metadata(folder / METADATA)


def check_probabilities(proba: Proba, what: str) -> None:
    """Refuse to write what are no probabilities, as weights of damaged files or too large ones give."""
    if not np.isfinite(proba).all():
        raise RunError(f"{what} are not finite; are its weights damaged? train the run anew")
    if proba.min() < 0 or np.abs(proba.sum(axis=-1, dtype=np.float64) - 1).max() > ROW_SUM_TOLERANCE:
        raise RunError(f"{what} do not sum to 1; are its weights damaged? train the run anew")


def add_member(folder: Path, member: str, arrays: dict[str, Proba], entry: dict[str, Any], faces: Faces) -> None:
    """Write a member into a prediction set: a new set is there as a whole, and so is a member of one that is there.

    Everything is written into a temporary folder first, which becomes the set if there is none yet. Otherwise the files
    are moved into it, that of the test rows at last, without which a set has no such member.
    """
    # Inside a set that is there, which may be on another disk than the folder that holds it.
    beside = folder / member if folder.exists() else folder
    try:
        with writable(folder), temporary_folder(beside) as temporary:
            write_rows(temporary, member, arrays, faces)
            write_metadata(temporary, {"members": {}}, member, entry, faces)
            if beside == folder and become(temporary, folder):
                return
            with alone_in(folder):
                check_target(faces, folder)
                write_metadata(temporary, read_metadata(folder / METADATA), member, entry, faces)
                flush(temporary)
                last = folder / f"{member}.npy"
                if last.exists() and last.read_bytes() != (temporary / last.name).read_bytes():
                    last.unlink()
                written = [path.relative_to(temporary) for path in temporary.rglob("*") if path.is_file()]
                (folder / "val").mkdir(exist_ok=True)
                for path in sorted(written, key=lambda path: (path == Path(last.name), path)):
                    (temporary / path).replace(folder / path)
    except EnsemblerError as error:
        raise RunError(str(error)) from error


def write_rows(folder: Path, member: str, arrays: dict[str, Proba], faces: Faces) -> None:
    """Write labels, probabilities, and which rows are exact duplicates of training images."""
    for name, home in PARTS.items():
        write_array(folder / home / LABELS, np.asarray(faces.split(name).labels))
        write_array(folder / home / f"{member}.npy", arrays[name])
    duplicates = find_exact_duplicates(faces)
    rows = {name: np.flatnonzero(duplicates.leaked[name]).tolist() for name in ("val", "test")}
    write_text(folder / "exact-duplicates.json", json.dumps(rows) + "\n")


def write_metadata(folder: Path, metadata: dict[str, Any], member: str, entry: dict[str, Any], faces: Faces) -> None:
    """Write the metadata of a set with one more member."""
    metadata["class_names"] = list(faces.class_names)
    metadata["members"] = dict(sorted((metadata["members"] | {member: entry}).items()))
    write_text(folder / METADATA, json.dumps(metadata, indent=2, ensure_ascii=False) + "\n")


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
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def check_labels(path: Path, labels: np.ndarray[Any, np.dtype[np.int64]]) -> None:
    """Refuse to mix members of different rows in one folder."""
    if path.exists() and not np.array_equal(read_array(path), labels):
        raise RunError(f"{path}: holds the labels of other rows; write this member into another folder")


def read_metadata(path: Path) -> dict[str, Any]:
    """Read the metadata of the members that are there already."""
    metadata = read_json(path) if path.exists() else {}
    members = metadata.setdefault("members", {})
    if not isinstance(members, dict) or not all(isinstance(entry, dict) for entry in members.values()):
        raise RunError(f"{path}: its members are no object of objects; mend it, or write into another folder")
    return metadata

"""Writing what an ensemble predicts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import ShapeError, UsageError, ValueRangeError
from ensembler.predictions.files import write_array, write_text
from ensembler.predictions.loading.table import ID_COLUMN
from ensembler.predictions.prediction_set import Predictions

OUTPUT_TOLERANCE = 1e-6
"""How far from 1 a row of an ensemble's probabilities may sum."""


def check_destination(path: Path, with_proba: bool, members: Sequence[Path], others: Sequence[Path] = ()) -> None:
    """Refuse kinds of file that are not written, options without effect, and what would change what is read."""
    target = path.resolve()
    folders = [given.resolve() for given in members]
    folders += [folder.parent for folder in folders if not folder.is_dir()]
    if target in [*folders, *(given.resolve() for given in others)] or (path.exists() and target.parent in folders):
        raise UsageError(f"--out {path}: is one of the input files, which are never overwritten; choose another name")
    if target.parent in folders:
        raise UsageError(f"--out {path}: would be a member of {path.parent} from then on; write it to another folder")
    if path.suffix not in (".npy", ".csv"):
        raise UsageError(
            f"--out {path.name}: cannot write {path.suffix or 'a file without suffix'}, expected .npy or .csv"
        )
    if with_proba and path.suffix == ".npy":
        raise UsageError("--proba has no effect on .npy, which always holds probabilities; drop it")


def check_prediction(proba: NDArray[np.float64], shape: tuple[int, int], subject: str) -> None:
    """Raise unless a rule has made (N, C) probabilities: finite, at least 0, rows that sum to 1 within 1e-6."""
    if proba.shape != shape:
        raise ShapeError(f"predictions of {subject} have shape {proba.shape}, expected {shape}")
    # Of a whole row, so that NaN and infinity are among what is off.
    bad = ~((np.abs(proba.sum(axis=-1) - 1.0) <= OUTPUT_TOLERANCE) & (proba >= 0).all(axis=-1))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueRangeError(
            f"predictions of {subject}: row {row} is {proba[row][:10].tolist()}, expected probabilities that sum to 1"
        )


def write_prediction(path: Path, proba: NDArray[np.float64], rows: Predictions, *, with_proba: bool = False) -> None:
    """Write (N, C) probabilities: as float32 .npy, or as .csv with ``id,label`` or with one column a class.

    Ids are those of the files the rows came from, else row numbers; labels are class names where they are known.
    """
    check_prediction(proba, (rows.n_samples, rows.n_classes), "the ensemble")
    if path.suffix == ".npy":
        write_array(path, proba.astype(np.float32))
        return
    import pandas as pd

    ids = np.arange(len(proba)) if rows.ids is None else rows.ids
    if with_proba:
        frame = pd.DataFrame(proba, columns=list(rows.classes))
    else:
        frame = pd.DataFrame({"label": np.array(rows.classes)[proba.argmax(axis=-1)]})
    frame.insert(0, ID_COLUMN, ids, allow_duplicates=True)
    write_text(path, frame.to_csv(index=False))

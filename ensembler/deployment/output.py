"""Writing what an ensemble predicts."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import AlignmentError, ShapeError, UsageError, ValueRangeError
from ensembler.predictions.files import write_array, write_text, writing
from ensembler.predictions.loading.columns import find_id
from ensembler.predictions.loading.frame_files import read_frame_file
from ensembler.predictions.loading.table import ID_COLUMN
from ensembler.predictions.prediction_set import Predictions

if TYPE_CHECKING:
    import pandas as pd

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
    if path.suffix not in (".npy", ".csv", ".parquet"):
        raise UsageError(
            f"--out {path.name}: cannot write {path.suffix or 'a file without suffix'}, expected .npy, .csv or .parquet"
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


def write_prediction(
    path: Path,
    proba: NDArray[np.float64],
    rows: Predictions,
    *,
    with_proba: bool = False,
    like: "pd.DataFrame | None" = None,
) -> None:
    """Write (N, C) probabilities: as float32 .npy, or as .csv or .parquet with ``id,label`` or with one column a class.

    Ids are those of the files the rows came from, else row numbers; labels are class names where they are known.
    ``like`` is a sample submission, whose columns and order of rows are taken.
    """
    check_prediction(proba, (rows.n_samples, rows.n_classes), "the ensemble")
    if path.suffix == ".npy":
        write_array(path, proba.astype(np.float32))
        return
    frame = prediction_frame(proba, rows, with_proba=with_proba) if like is None else like_sample(like, proba, rows)
    if path.suffix == ".csv":
        write_text(path, frame.to_csv(index=False))
        return
    with writing(path) as temporary:
        frame.to_parquet(temporary, index=False)


def prediction_frame(proba: NDArray[np.float64], rows: Predictions, *, with_proba: bool) -> "pd.DataFrame":
    """Return predictions as a table of ids and classes, or of ids and a column a class."""
    import pandas as pd

    ids = np.arange(len(proba)) if rows.ids is None else rows.ids
    if with_proba:
        frame = pd.DataFrame(proba, columns=list(rows.classes))
    else:
        frame = pd.DataFrame({"label": np.array(rows.classes)[proba.argmax(axis=-1)]})
    frame.insert(0, ID_COLUMN, ids, allow_duplicates=True)
    return frame


def read_sample(path: Path) -> "pd.DataFrame":
    """Read a sample submission: a column that names the rows, and one of predictions, or one a class.

    Raises
    ------
    FileError, ShapeError
    """
    frame = read_frame_file(path)
    if frame.shape[1] < 2:
        raise ShapeError(f"{path}: has the column {', '.join(frame.columns)} only, expected ids and predictions")
    identity = find_id(frame, list(frame.columns)) or frame.columns[0]
    frame = frame.assign(**{identity: read_frame_file(path, (identity,))[identity]})
    return frame[[identity, *(name for name in frame.columns if name != identity)]]


def like_sample(sample: "pd.DataFrame", proba: NDArray[np.float64], rows: Predictions) -> "pd.DataFrame":
    """Return predictions in the form of a sample submission.

    One column besides the ids gets P(class 1) if the sample has fractions there and there are two classes, else the
    predicted class; as many columns as classes get their probabilities, by name where the names are those of classes.
    """
    identity, *columns = map(str, sample.columns)
    order = np.arange(len(proba))
    ids = sample[identity].map(str).tolist()
    if rows.ids is not None:
        position = {row: index for index, row in enumerate(rows.ids.tolist())}
        missing = [row for row in ids if row not in position]
        if missing:
            raise AlignmentError(
                f"the sample submission has {identity} {missing[0]!r}, which the rows to predict have not "
                f"({len(missing)} such); expected the same rows"
            )
        order = np.array([position[row] for row in ids], dtype=np.intp)
    elif len(ids) != len(proba):
        raise ShapeError(f"the sample submission has {len(ids)} rows, there are {len(proba)} to predict")
    ordered, made = proba[order], sample.copy()
    if len(columns) == 1:
        first = sample[columns[0]]
        as_probability = rows.n_classes == 2 and first.dtype.kind == "f"
        made[columns[0]] = ordered[:, 1] if as_probability else np.array(rows.classes)[ordered.argmax(axis=-1)]
        return made
    if len(columns) != rows.n_classes:
        raise ShapeError(
            f"the sample submission has {len(columns)} columns of predictions, expected 1 or {rows.n_classes}, one each"
        )
    classes = rows.classes if set(rows.classes) == set(columns) else columns
    for name in columns:
        made[name] = ordered[:, list(classes).index(name)]
    return made

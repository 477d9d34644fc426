"""Writing what an ensemble predicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Labels, Values
from ensembler.errors import AlignmentError, NotApplicableError, ShapeError, UsageError, ValueRangeError
from ensembler.predictions.files import refuse_input, write_array, write_text, writing
from ensembler.predictions.loading.columns import find_id
from ensembler.predictions.loading.frame_files import read_frame_file
from ensembler.predictions.loading.table import ID_COLUMN
from ensembler.predictions.prediction_set import Predictions

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = "|;/~^"
"""What the class names of a set are separated by: the first that is in none of them."""
OUTPUT_TOLERANCE = 1e-6
"""How far from 1 a row of an ensemble's probabilities may sum."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What an ensemble predicts of some rows.

    Attributes
    ----------
    proba : (N, C)
    confidence, answered : (N,) or None
        How confident it is, and which rows it answers; None where all are.
    sets : (N, C) bool or None
        Which classes are in each row's prediction set.
    """

    proba: Values
    confidence: Values | None = None
    answered: NDArray[np.bool_] | None = None
    sets: NDArray[np.bool_] | None = None

    @property
    def labels(self) -> Labels:
        """The predicted class of each row, (N,) int64; -1 for a row that is left without an answer."""
        predicted = self.proba.argmax(axis=-1).astype(np.int64)
        return predicted if self.answered is None else np.where(self.answered, predicted, -1)

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing but probabilities."""
        return self.answered is None and self.sets is None


def beside(path: Path) -> Path:
    """Return the table that is written beside probabilities in .npy, if there is more than these.

    >>> beside(Path("ensemble.npy")).name
    'ensemble.answers.csv'
    """
    return path.with_name(f"{path.stem}.answers.csv")


def check_destination(path: Path, with_proba: bool, members: Sequence[Path], others: Sequence[Path] = ()) -> None:
    """Refuse kinds of file that are not written, options without effect, and what would change what is read."""
    refuse_input(path, "--out", members, others)
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
    prediction: Prediction,
    rows: Predictions,
    *,
    with_proba: bool = False,
    like: "pd.DataFrame | None" = None,
) -> None:
    """Write predictions: as float32 .npy, or as .csv or .parquet with ``id,label`` or with one column a class.

    Ids are those of the files the rows came from, else row numbers; labels are class names where they are known, and
    empty where a row is left without an answer. Tables also have the confidence and the set of each row, where there
    are such; with .npy, such a table is written beside it. ``like`` is a sample submission, whose columns and order of
    rows are taken.
    """
    proba = prediction.proba
    check_prediction(proba, (rows.n_samples, rows.n_classes), "the ensemble")
    if path.suffix == ".npy":
        write_array(path, proba.astype(np.float32))
        if prediction.is_plain:
            return
        path = beside(path)
    if like is None:
        frame = prediction_frame(prediction, rows, with_proba=with_proba)
    else:
        frame = like_sample(like, proba, rows)
    if path.suffix == ".csv":
        write_text(path, frame.to_csv(index=False))
        return
    with writing(path) as temporary:
        frame.to_parquet(temporary, index=False)


def prediction_frame(prediction: Prediction, rows: Predictions, *, with_proba: bool) -> "pd.DataFrame":
    """Return predictions as a table of ids and classes, or of ids and a column a class."""
    import pandas as pd

    proba, answered = prediction.proba, prediction.answered
    ids = np.arange(len(proba)) if rows.ids is None else rows.ids
    if with_proba:
        frame = pd.DataFrame(proba, columns=list(rows.classes))
    else:
        label = np.array(rows.classes, dtype=object)[proba.argmax(axis=-1)]
        frame = pd.DataFrame({"label": label if answered is None else np.where(answered, label, None)})
    frame.insert(0, ID_COLUMN, ids, allow_duplicates=True)
    further: dict[str, NDArray[Any]] = {}
    if answered is not None and prediction.confidence is not None:
        further |= {"answered": answered.astype(np.int64)} if with_proba else {}
        further["confidence"] = prediction.confidence
    if prediction.sets is not None:
        further["set"] = set_names(prediction.sets, rows.classes)
    for name, values in further.items():
        frame.insert(frame.shape[1], name, values, allow_duplicates=True)
    return frame


def set_names(sets: NDArray[np.bool_], classes: Sequence[str]) -> NDArray[Any]:
    """Return the class names of each row's set as one text.

    >>> set_names(np.array([[True, False, True], [False, False, False]]), ["cat", "dog", "fox"]).tolist()
    ['cat|fox', '']
    """
    separator = separator_of(classes)
    distinct, place = np.unique(sets, axis=0, return_inverse=True)
    texts = [separator.join(classes[label] for label in np.flatnonzero(row).tolist()) for row in distinct]
    return np.array(texts, dtype=object)[place.reshape(-1)]


def separator_of(classes: Sequence[str]) -> str:
    """Return what the class names of a set are separated by."""
    separator = next((mark for mark in SEPARATORS if not any(mark in name for name in classes)), None)
    if separator is None:
        raise NotApplicableError(f"class names have all of {' '.join(SEPARATORS)}, so that no set can be written")
    return separator


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

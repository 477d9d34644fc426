"""Arrays: what they are called, what they may hold, and how rows of scores become probabilities.

The only place that inspects shapes and values. Every public entry (a combiner's ``fit`` and ``scores``, `Predictions`,
a metric) passes its arrays through here once; what lies behind that edge trusts them. Messages name the subject, what
was got, what was expected, and the fix.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ensembler.errors import AlignmentError, ShapeError, ValueRangeError, argument, spelled

Floats = NDArray[np.floating]
"""Probabilities as they are stored: float32 or float64."""
Values = NDArray[np.float64]
Labels = NDArray[np.int64]
Rows = NDArray[np.intp]
Correct = NDArray[np.bool_]
"""Which rows a member or a rule is correct about."""
Missing = NDArray[np.bool_]
"""Which votes are missing, (M, N)."""
MISSING_VOTE = -1
"""The class number of a vote that is missing."""

ROW_SUM_TOLERANCE = 1e-3
"""How far from 1 a row of probabilities may sum: what float32 softmax outputs and rounded csv files stay within."""
BLOCK_VALUES = 1 << 16
"""Float64 values that one working block may hold: half a megabyte, so that it stays in a core's cache."""
MANY_VALUES, SPANS = 1 << 25, 8
"""Of more values, rows are gone through in so many spans, side by side on the cores."""
FEW_CLASSES, VERY_FEW_CLASSES = 32, 12
"""Over so many classes or fewer, operations class by class are many times faster than row by row.

Where rows lie one after the other in memory, those of very few classes are worth being turned first.
"""
MANY_ROWS = 1 << 10
"""Of fewer rows, each is looked at by itself."""


def row_sum_tolerance(dtype: np.dtype[Any], n_classes: int) -> float:
    """Return the tolerance on row sums: half precision keeps 11 bits, so its error grows with the classes."""
    if dtype == np.float16:
        return max(ROW_SUM_TOLERANCE, n_classes * 2.0**-12)
    return ROW_SUM_TOLERANCE


def check_rows(proba: NDArray[Any], subject: str, *, sums: bool = True, labels: NDArray[Any] | None = None) -> None:
    """Raise unless each row of an (N, C) array is finite, non-negative and (with ``sums``) sums to 1.

    ``labels``, where known, only help to say what the numbers may be instead.
    """
    n_samples, n_classes = proba.shape
    tolerance = row_sum_tolerance(proba.dtype, n_classes)
    n_off, first_off, first_sum = 0, -1, 0.0
    for rows in row_blocks(n_samples, n_classes):
        block = proba[rows].astype(np.float64)
        totals = block.sum(axis=1)
        if not np.isfinite(totals).all():
            row = int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
            value = block[row][~np.isfinite(block[row])][0]
            raise ValueRangeError(
                f"{subject}: row {rows.start + row} contains {value}, expected finite probabilities; "
                f"find where the model diverged, or leave this member out ({argument('without')})"
            )
        if block.min() < 0:
            row = int(np.flatnonzero(block.min(axis=1) < 0)[0])
            question, remedy = what_rows_may_be(proba, labels)
            raise ValueRangeError(
                f"{subject}: row {rows.start + row} contains {block[row].min():.6g}, expected values >= 0; {question}",
                remedy=remedy,
            )
        off = np.abs(totals - 1.0) > tolerance
        if sums and off.any():
            if not n_off:
                first_off = rows.start + int(np.flatnonzero(off)[0])
                first_sum = float(totals[off][0])
            n_off += int(off.sum())
    if n_off:
        question, remedy = what_rows_may_be(proba, labels)
        raise ValueRangeError(
            f"{subject}: row {first_off} sums to {first_sum:.6g}, expected 1 within {tolerance:.2g} "
            f"(first of {n_off} such row{'s' * (n_off > 1)}); {question}",
            remedy=remedy,
        )


NORMALIZE, LOGITS = ("--normalize",), ("--logits",)
"""Options that mend rows."""
ROUNDING = 1e-5
"""How far below 0 rounding may leave a probability."""


def what_rows_may_be(array: NDArray[Any], labels: NDArray[Any] | None = None) -> tuple[str, tuple[str, ...]]:
    """Say what rows that are no probabilities may be instead, and return the option that reads them so.

    Logits are only suggested where values below 0 or above 1 make them possible and where, of non-negative values with
    known labels, a softmax has the smaller log loss.
    """
    normalize = spelled("pass --normalize", "divide each row by its sum (load_predictions: normalize=True)")
    logits = spelled("pass --logits", "softmax them first (load_predictions: logits=True)")
    values = np.asarray(array, dtype=np.float64)
    values = values[np.isfinite(values).all(axis=1)]
    totals = values.sum(axis=1)
    if values.min() < 0:
        if values.min() > -ROUNDING and np.abs(totals - 1).max() <= 2 * ROW_SUM_TOLERANCE:
            return f"is that rounding? {normalize}, which makes it 0", NORMALIZE
        if values.max() <= 0 and np.abs(np.exp(values).sum(axis=1) - 1).max() <= 1e-2:
            return f"are these logarithms of probabilities? {logits}, which undoes them", LOGITS
        return f"are these logits? {logits}", LOGITS
    if array.dtype == np.float16 and np.abs(totals - 1).max() <= 0.05:
        return (
            "float16 keeps three digits: was the softmax computed or averaged in half precision? "
            f"{normalize}, or save float32"
        ), NORMALIZE
    if values.max() <= 1 + ROUNDING:
        return (
            f"are they unnormalised probabilities? {normalize}; is each column a label or a model of its own? "
            "then they are not class probabilities"
        ), NORMALIZE
    if totals.min() > 0 and np.ptp(totals) <= 0.02 * totals.mean():
        return f"are they percentages, or counts? {normalize}", NORMALIZE
    if labels is not None and softmax_fits_better(values, labels):
        return f"are these logits? {logits}", LOGITS
    if labels is not None and totals.min() > 0:
        return f"are they unnormalised probabilities? {normalize}", NORMALIZE
    return f"are they unnormalised probabilities? {normalize}; are they logits? {logits}", NORMALIZE


def softmax_fits_better(values: NDArray[np.float64], labels: NDArray[Any]) -> bool:
    """Whether the softmax of non-negative rows has a smaller log loss on the labels than the rows over their sums."""
    if len(labels) != len(values) or labels.dtype.kind not in "iu" or labels.min() < 0:
        return False
    if labels.max() >= values.shape[1]:
        return False
    rows = np.arange(len(values))
    tiny = np.finfo(np.float64).tiny
    of_softmax = -np.log(np.maximum(softmax(values)[rows, labels], tiny)).mean()
    return bool(of_softmax < -np.log(np.maximum(normalise(values)[rows, labels], tiny)).mean())


def check_member_names(names: Sequence[str], n_members: int) -> None:
    """Raise unless there is one name a member, each a text and different from the others."""
    if len(names) != n_members:
        raise ShapeError(f"got {len(names)} member names for {n_members} members, expected one each")
    for index, name in enumerate(names):
        if not isinstance(name, str) or not name:
            raise ValueRangeError(f"name of member {index} is {name!r}, expected a text that is not empty")
        if name in names[:index]:
            raise AlignmentError(f"members {names.index(name)} and {index} are both called {name!r}; rename one")


def check_proba(
    proba: ArrayLike,
    subject: str = "proba",
    names: Sequence[str] | None = None,
    missing: ArrayLike | None = None,
) -> Floats:
    """Return predictions as an (M, N, C) float32 or float64 array, or raise what is wrong with them.

    Where votes are ``missing`` (M, N), and only there, a row holds zeros instead of summing to 1.
    """
    try:
        array = np.asarray(proba)
    except ValueError:
        shapes = [np.shape(member) for member in proba]  # type: ignore[union-attr]
        raise ShapeError(
            f"{subject}: members have different shapes {shapes}, expected the same (rows, classes) for each"
        ) from None
    if array.dtype.kind not in "biuf":
        raise ValueRangeError(f"{subject} has dtype {array.dtype}, expected numbers")
    if array.ndim != 3:
        fix = "; for one member pass proba[None]" if array.ndim == 2 else ""
        raise ShapeError(f"{subject} has shape {array.shape}, expected (members, rows, classes){fix}")
    if 0 in array.shape[:2]:
        raise ShapeError(f"{subject} has shape {array.shape}, expected at least one member and one row")
    if array.shape[2] < 2:
        raise ShapeError(f"{subject} has shape {array.shape}, expected at least two classes on the last axis")
    absent = None if missing is None else check_missing(missing, array, names)
    for index, member in enumerate(array):
        member_subject = f"{subject} of member {index if names is None else repr(names[index])}"
        if absent is not None and absent[index].any():
            check_votes(member, absent[index], member_subject)
        else:
            check_rows(member, member_subject)
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        return array.astype(np.float64)
    return array.astype(np.float32) if array.dtype == np.float16 else array


def check_missing(missing: ArrayLike, proba: NDArray[Any], names: Sequence[str] | None = None) -> Missing:
    """Return which votes are missing as an (M, N) bool array, or raise unless their rows hold zeros."""
    array = np.asarray(missing)
    if array.shape != proba.shape[:2] or array.dtype != np.bool_:
        raise ShapeError(
            f"missing has shape {array.shape} and dtype {array.dtype}, expected {proba.shape[:2]} and bool: one truth "
            "value a member and row"
        )
    if proba[array].any():
        index, row = (int(place) for place in np.argwhere(array & proba.any(axis=-1))[0])
        raise ValueRangeError(
            f"member {index if names is None else repr(names[index])}: row {row} is marked as missing and holds "
            f"{proba[index, row].tolist()}, expected zeros, which add nothing to any sum"
        )
    return array


def check_votes(member: NDArray[Any], missing: NDArray[np.bool_], subject: str) -> None:
    """Raise unless each row of an (N, C) array is one-hot, but for those of missing votes."""
    answered = member[~missing]
    if not ((answered == 0) | (answered == 1)).all():
        row = int(np.flatnonzero(((member != 0) & (member != 1)).any(axis=1))[0])
        raise ValueRangeError(
            f"{subject}: row {row} holds probabilities, and {int(missing.sum())} votes are missing; "
            "only hard labels, one-hot rows, may have missing votes"
        )
    # Row numbers in messages stay those of the member.
    filled = member.copy()
    filled[missing, 0] = 1
    check_rows(filled, subject)


def check_labels(labels: ArrayLike, n_samples: int, n_classes: int, subject: str = "labels") -> NDArray[np.int64]:
    """Return labels as an (N,) int64 array of values 0 … C−1, or raise what is wrong with them."""
    array = np.asarray(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        fix = "; take the argmax of one-hot labels first" if array.ndim == 2 else ""
        raise ShapeError(
            f"{subject} has shape {array.shape}, expected one class index a row; "
            f"multi-label and regression targets are not supported{fix}"
        )
    if len(array) != n_samples:
        raise ShapeError(f"{subject} has {len(array)} rows, the predictions have {n_samples}; expected one label a row")
    if array.dtype.kind == "f":
        whole = np.isfinite(array) & (array == np.floor(array)) & (np.abs(array) < 2.0**53)
        if not whole.all():
            row = int(np.flatnonzero(~whole)[0])
            raise ValueRangeError(
                f"{subject}: row {row} is {array[row]}, expected whole class numbers 0 to {n_classes - 1}; "
                "regression targets are not supported"
            )
    elif array.dtype.kind not in "biu":
        raise ValueRangeError(f"{subject} has dtype {array.dtype}, expected integers 0 to {n_classes - 1}")
    array = np.ascontiguousarray(array, dtype=np.int64)
    outside = (array < 0) | (array >= n_classes)
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        fix = "; are labels counted from 1? subtract 1" if array.min() == 1 and array.max() == n_classes else ""
        if np.isin(array, (-1, 1)).all():
            fix = "; are labels -1 and +1? write 0 and 1: (labels + 1) / 2"
        raise ValueRangeError(
            f"{subject}: row {row} is {array[row]}, expected 0 to {n_classes - 1} "
            f"since the predictions have {n_classes} classes{fix}"
        )
    return array


def check_sample_weight(
    sample_weight: ArrayLike | None, n_samples: int, subject: str = "sample_weight"
) -> NDArray[np.float64]:
    """Return row weights rescaled to mean 1 as an (N,) float64 array; None gives ones."""
    if sample_weight is None:
        return np.ones(n_samples)
    array = np.asarray(sample_weight)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (n_samples,):
        raise ShapeError(f"{subject} has shape {array.shape}, expected ({n_samples},): one number a row")
    if array.dtype.kind not in "biuf":
        raise ValueRangeError(f"{subject} has dtype {array.dtype}, expected numbers")
    array = array.astype(np.float64)
    bad = ~np.isfinite(array) | (array < 0)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueRangeError(f"{subject}: row {row} is {array[row]}, expected finite numbers >= 0")
    total = array.sum()
    if total == 0:
        raise ValueRangeError(f"{subject} is zero in every row, expected at least one positive number")
    # Equal weights give exactly ones, so that they change no figure.
    return np.ones(n_samples) if (array == array[0]).all() else array * (n_samples / total)


def widened(proba: NDArray[Any]) -> Floats:
    """Return probabilities as float32 or float64: those in half precision copied, others as they are."""
    return proba.astype(np.float32) if proba.dtype == np.float16 else proba


def row_blocks(n_samples: int, values_per_row: int) -> Iterator[slice]:
    """Yield slices over rows so that one block holds about `BLOCK_VALUES` values, and at least one row."""
    step = max(1, BLOCK_VALUES // max(1, values_per_row))
    for start in range(0, n_samples, step):
        yield slice(start, min(start + step, n_samples))


def row_spans(n_samples: int, n_values: int, most: int | None = None) -> list[slice]:
    """Return slices over rows that are gone through side by side: eight of many values, else one.

    Many are more than ``most``, by default `MANY_VALUES`.

    Their number does not depend on the cores, so that sums over them do not.

    >>> row_spans(10, 100), len(row_spans(10, MANY_VALUES + 1))
    ([slice(0, 10, None)], 5)
    """
    step = max(1, n_samples if n_values <= (MANY_VALUES if most is None else most) else -(-n_samples // SPANS))
    return [slice(start, min(start + step, n_samples)) for start in range(0, n_samples, step)]


def as_slice(rows: Rows) -> Rows | slice:
    """Return ascending rows that follow one another as a slice, which copies nothing; others as they are.

    >>> as_slice(np.array([4, 5, 6])), as_slice(np.array([4, 6]))
    (slice(4, 7, None), array([4, 6]))
    """
    if not len(rows):
        return rows
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == len(rows) else rows


def present_classes(labels: Labels) -> Labels:
    """Return the numbers of the classes that some labels are of, ascending.

    >>> present_classes(np.array([4, 1, 4])).tolist()
    [1, 4]
    """
    return np.flatnonzero(np.bincount(labels))


def mid_ranks(values: Values) -> Values:
    """Return ranks from 1 on, (N,); equal values share the mean of theirs.

    >>> mid_ranks(np.array([0.5, 0.1, 0.5])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place])


def softmax(scores: Floats) -> NDArray[np.float64]:
    r"""Turn log scores into probabilities: :math:`p_c = e^{s_c} / \sum_k e^{s_k}`, over the last axis."""
    scores = np.asarray(scores, dtype=np.float64)
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def sigmoid(scores: Floats) -> NDArray[np.float64]:
    r"""Turn log odds into probabilities, :math:`1 / (1 + e^{-s})`, without overflow."""
    return np.exp(-np.logaddexp(0.0, -np.asarray(scores, dtype=np.float64)))


def normalise(scores: Floats) -> NDArray[np.float64]:
    """Divide each row of non-negative scores by its sum; a row of zeros becomes uniform."""
    scores = np.asarray(scores, dtype=np.float64)
    totals = scores.sum(axis=-1, keepdims=True)
    empty = totals == 0
    if empty.any():
        scores = np.where(empty, 1.0, scores)
        totals = np.where(empty, float(scores.shape[-1]), totals)
    return np.asarray(scores / totals)


def with_argmax_of(proba: NDArray[np.float64], scores: Floats) -> NDArray[np.float64]:
    """Restore the winner of ``scores`` where rounding made it tie with an earlier class.

    Division and ``exp`` never swap two classes, but they can make two different scores equal, and then the first
    maximum is another one. In such rows the winner is raised by one unit in the last place.
    """
    winner = most_probable(scores)
    lost = most_probable(proba) != winner
    if lost.any():
        rows = np.flatnonzero(lost)
        proba[rows, winner[rows]] = np.nextafter(proba[rows].max(axis=-1), np.inf)
    return proba


def most_probable(scores: Floats) -> Labels:
    """Return the class with the first maximum of each row, (..., N) from (..., N, C).

    >>> most_probable(np.array([[0.2, 0.8], [0.5, 0.5]]))
    array([1, 0])
    """
    if scores.shape[-1] == 2:
        # Many times faster than a maximum over so short an axis.
        return np.asarray(scores[..., 1] > scores[..., 0], dtype=np.int64)
    n_classes, n_rows = scores.shape[-1], scores.size // scores.shape[-1]
    if n_rows >= MANY_ROWS and n_classes <= (FEW_CLASSES if by_class(scores) else VERY_FEW_CLASSES):
        rows, winners = scores.reshape(n_rows, n_classes), np.empty(n_rows, dtype=np.int64)
        for some in row_blocks(n_rows, n_classes):
            winners[some] = first_largest(np.ascontiguousarray(rows[some].T))
        return winners.reshape(scores.shape[:-1])
    return np.asarray(scores.argmax(axis=-1), dtype=np.int64)


def first_largest(columns: Floats) -> NDArray[np.uint8]:
    """Return the class with the first maximum of each row, (N,) from (C, N): class by class, so many rows at a time."""
    best, winner = columns[0], np.zeros(columns.shape[1], dtype=np.uint8)
    for number, column in enumerate(columns[1:], 1):
        np.maximum(winner, (column > best).view(np.uint8) * np.uint8(number), out=winner)
        best = np.maximum(best, column)
    return winner


def by_class(scores: Floats) -> bool:
    """Whether the scores (N, C) of one class are side by side in memory, not those of one row.

    >>> by_class(np.zeros((3, 2))), by_class(np.zeros((2, 3)).T)
    (False, True)
    """
    return scores.ndim == 2 and scores.strides[0] < scores.strides[1]


def largest(scores: Floats) -> Floats:
    """Return the largest value of each row, (..., N) from (..., N, C)."""
    if scores.shape[-1] > FEW_CLASSES:
        return np.asarray(scores.max(axis=-1))
    found = scores[..., 0].copy()
    for number in range(1, scores.shape[-1]):
        np.maximum(found, scores[..., number], out=found)
    return found


def one_hot(labels: NDArray[np.integer], n_classes: int) -> NDArray[np.float32]:
    """Return the (N, C) float32 indicator matrix of integer labels; a row of zeros where the vote is missing (-1)."""
    encoded = np.zeros((len(labels), n_classes), dtype=np.float32)
    rows = np.flatnonzero(labels != MISSING_VOTE)
    encoded[rows, labels[rows]] = 1.0
    return encoded


def clip_accuracy(accuracy: NDArray[np.float64], n_samples: int | NDArray[np.integer]) -> NDArray[np.float64]:
    """Keep accuracies measured on N rows within [1/(2N), 1 − 1/(2N)], so that logarithms and powers stay finite."""
    margin = 1.0 / (2.0 * n_samples)
    return np.clip(accuracy, margin, 1.0 - margin)


def digest(array: NDArray[Any]) -> str:
    """Return the sha256 of an array's type, shape and bytes; of one in half precision, of what it is in float32."""
    array = np.ascontiguousarray(array)
    half = array.dtype == np.float16
    checksum = hashlib.sha256(f"{np.dtype(np.float32).str if half else array.dtype.str}{array.shape}".encode())
    for rows in row_blocks(len(array), array[0].size) if half else ():
        checksum.update(widened(array[rows]).data)
    if not half:
        checksum.update(array.data)
    return checksum.hexdigest()

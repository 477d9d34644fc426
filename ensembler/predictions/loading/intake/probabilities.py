"""What numbers are: probabilities, multiples or logarithms of them, or logits."""

import shlex
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import MISSING_VOTE, ROW_SUM_TOLERANCE, row_sum_tolerance, sigmoid, softmax
from ensembler.errors import ShapeError
from ensembler.predictions.loading.intake.names import says_logits
from ensembler.predictions.loading.intake.plan import Decision, Item, is_whole

LOGITS = "logits (a softmax is applied)"
PERCENT_ROUNDING = 0.03
"""How far the sum of whole percentages may be from 100, as a share."""


def is_soft(item: Item) -> bool:
    """Whether an array holds rows of probabilities."""
    array = item.array
    if array.ndim != 2 or array.shape[1] < 2 or array.dtype.kind not in "iuf" or not len(array) or array.min() < 0:
        return False
    return are_multiples(array)


def are_multiples(array: NDArray[Any]) -> bool:
    """Whether rows are no less than 0 and have sums that differ little, as percentages have but for rounding."""
    totals = array.sum(axis=1, dtype=np.float64)
    if not (array >= 0).all() or not totals.min() > 0:
        return False
    return bool(np.ptp(totals) <= 1e-2 * totals.mean() or np.abs(totals / 100 - 1).max() < PERCENT_ROUNDING)


def sums_to_one(array: NDArray[Any], axis: int) -> bool:
    """Whether values are not negative and sum to 1 along an axis."""
    if array.dtype.kind not in "iuf":
        return False
    totals = np.asarray(array.sum(axis=axis, dtype=np.float64))
    tolerance = max(5 * ROW_SUM_TOLERANCE, 2 * row_sum_tolerance(array.dtype, array.shape[axis]))
    return bool((array >= -1e-6).all() and (np.abs(totals - 1) <= tolerance).all())


def as_probabilities(item: Item, array: NDArray[Any], decisions: list[Decision]) -> NDArray[Any]:
    """Return rows of probabilities: of logits, of their logarithms, of multiples, or as they are."""
    if array.ndim == 1 and array.dtype.kind == "f" and np.isnan(array).any():
        known = array[~np.isnan(array)]
        return (
            np.where(np.isnan(array), MISSING_VOTE, array).astype(np.int64) if len(known) and is_whole(known) else array
        )
    if array.ndim == 1 and array.dtype.kind == "f" and not is_whole(array) and np.isfinite(array).all():
        return of_class_1(item, array, decisions)
    if array.ndim == 1 or array.dtype.kind not in "iuf":
        return np.asarray(array.astype(np.int64) if array.dtype.kind in "biuf" and is_whole(array) else array)
    if not np.isfinite(array).all():
        return array
    values = np.asarray(array, dtype=np.float64)
    totals = values.sum(axis=1)
    if sums_to_one(array, 1):
        exact = np.abs(totals - 1).max() <= row_sum_tolerance(array.dtype, array.shape[1]) and values.min() >= 0
        return array if exact else np.clip(values, 0, None) / np.clip(values, 0, None).sum(axis=1, keepdims=True)
    if are_multiples(values):
        refuse_side_by_side(item, values)
        why = f"its rows sum to {totals.mean():.4g}"
        decisions.append(Decision(item.source, "multiples of probabilities", why))
        return np.asarray(values / totals[:, None])
    if is_whole(values) and values.min() >= MISSING_VOTE:
        raise ShapeError(
            f"{item.source}: holds whole numbers from {int(values.min())} to {int(values.max())} in {array.shape[1]} "
            "columns, expected probabilities or logits; are they votes of a model a column? give an array, or a column "
            "of a table with names, for each"
        )
    named = says_logits(item.source)
    if values.min() < 0 or named:
        logs = values.max() <= 0 and np.abs(np.exp(values).sum(axis=1) - 1).max() < 1e-2
        what = "logarithms of probabilities" if logs else LOGITS
        why = "it is called so" if named else f"its values go from {values.min():.3g} to {values.max():.3g}"
        decisions.append(Decision(item.source, what, why))
        return softmax(values)
    return array


def of_class_1(item: Item, array: NDArray[Any], decisions: list[Decision]) -> NDArray[Any]:
    """Return P(class 1) of log odds or percentages, which may be features as well, or values as they are."""
    low, high = float(array.min()), float(array.max())
    if low < -1e-3 and high > 0:
        what, values = "log odds (a sigmoid is applied)", sigmoid(array)
    elif low >= 0 and 2 < high <= 100:
        what, values = "percentages of class 1", array / 100
    else:
        return array
    decisions.append(
        Decision(item.source, what, f"its values go from {low:.3g} to {high:.3g}", is_guess=True, fix=leave_out(item))
    )
    return np.asarray(values)


def leave_out(item: Item) -> str:
    """Return the option that leaves a column out."""
    return f"--drop-column {shlex.quote(item.key)}" if item.key else ""


def refuse_side_by_side(item: Item, values: NDArray[np.float64]) -> None:
    """Raise where rows sum to a number of models among which the columns can be divided."""
    total = float(values.sum(axis=1).mean())
    n_models = round(total)
    apart = not 1 < n_models < values.shape[1] or values.shape[1] % n_models or is_whole(values)
    if apart or abs(values.sum(axis=1) - n_models).max() > 1e-2:
        return
    raise ShapeError(
        f"{item.source}: rows of {values.shape[1]} columns sum to {n_models}, expected 1: are they {n_models} models "
        "side by side? call the columns MODEL_CLASS, as in resnet_cat, or give one file a model"
    )

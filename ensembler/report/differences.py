"""How differences of a metric are written: shares in percentage points, others in the metric's own unit."""

import math

from ensembler.metrics import Metric
from ensembler.metrics.intervals import Interval
from ensembler.report.tables import MISSING, format_interval, number


def scale(metric: Metric) -> float:
    """Return what differences are multiplied by: shares are in percentage points."""
    return 100.0 if metric.share else 1.0


def decimals(metric: Metric) -> int:
    """Return how many decimals differences have."""
    return 2 if metric.share else 4


def unit(metric: Metric) -> str:
    """Return what differences are in, for titles and notes."""
    return f"points of {metric.name}" if metric.share else metric.name


def axis_title(metric: Metric) -> str:
    """Return the title of an axis of differences from the mean."""
    return "points over the mean" if metric.share else f"gain in {metric.name}"


def difference(metric: Metric, value: float | None) -> str:
    """Write a difference with its sign; one that rounds to 0 has none to the left."""
    if value is None or not math.isfinite(value):
        return MISSING
    return number(
        round(scale(metric) * value, decimals(metric)) + 0.0, decimals(metric), sign=True, points=metric.share
    )


def difference_interval(metric: Metric, ends: Interval | None) -> str:
    """Write the interval of a difference."""
    if ends is None:
        return MISSING
    low, high = (round(scale(metric) * end, decimals(metric)) + 0.0 for end in ends)
    return format_interval((low, high), decimals(metric), sign=True, points=metric.share)

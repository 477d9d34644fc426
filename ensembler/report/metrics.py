"""What tables and figures ask of a metric: its direction, whether its values are shares, its short heading."""

from ensembler.comparison.results import Comparison
from ensembler.metrics import METRICS, Metric
from ensembler.report.tables import heading


def metric_of(result: Comparison) -> Metric:
    """Return the metric that ranks and chooses in a comparison."""
    return result.first_metric


def metrics_of(result: Comparison) -> list[Metric]:
    """Return all metrics of a comparison, the one that ranks first."""
    return list(result.metrics)


def metric_named(name: str) -> Metric:
    """Return a metric of committees by its name."""
    return METRICS[name]


def is_share(metric: Metric) -> bool:
    """Whether values are shares of rows, written in per cent, and differences in percentage points."""
    return metric.share


def short_heading(metric: Metric) -> str:
    """Return the heading of a metric's column, in lines."""
    return metric.short or heading(metric.name)

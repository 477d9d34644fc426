"""What tables and figures ask of a metric: its direction, whether its values are shares, its short heading."""

from dataclasses import replace

from ensembler.comparison.results import Comparison
from ensembler.metrics import METRICS, SHARES, Metric
from ensembler.report.tables import heading

SHORT = {
    "accuracy": "acc.",
    "balanced-accuracy": "bal.\nacc.",
    "macro-f1": "macro\nF1",
    "log-loss": "log\nloss",
    "brier": "Brier",
    "ece": "ECE",
    "mcc": "MCC",
    "roc-auc": "ROC\nAUC",
}


def metric_of(result: Comparison) -> Metric:
    """Return the metric that ranks and chooses in a comparison."""
    return metric_named(result.metric)


def metrics_of(result: Comparison) -> list[Metric]:
    """Return all metrics of a comparison, the one that ranks first."""
    return [metric_named(name) for name in result.metric_names]


def metric_named(name: str) -> Metric:
    """Return a metric by its name; of a metric that is not known, greater is taken as better."""
    return METRICS.get(name) or replace(METRICS["accuracy"], name=name)


def is_share(metric: Metric) -> bool:
    """Whether values are shares of rows, written in per cent, and differences in percentage points."""
    return metric.name in SHARES


def short_heading(metric: Metric) -> str:
    """Return the heading of a metric's column, in lines."""
    return SHORT.get(metric.name) or heading(metric.name)

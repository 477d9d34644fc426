"""What a metric is, and the metrics that have a name."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import ParameterError, UnknownNameError
from ensembler.metrics import scores
from ensembler.metrics.calibration import expected_calibration_error
from ensembler.metrics.sums import keyword_names
from ensembler.serialization import parse_spec


@dataclass(frozen=True)
class Metric:
    """A named score of (..., N, C) probabilities.

    Parameters
    ----------
    name : str
        As written on the command line.
    function : callable
        ``function(labels, proba, sample_weight=None)`` with ``proba`` (..., N, C), returning the leading axes.
    greater_is_better : bool
    needs_probabilities : bool
        False where the predicted classes are enough, so that it is defined for hard labels too.
    share : bool
        Whether values are shares of rows, written in per cent, and their differences in percentage points.
    short : str
        Heading of a narrow column, by default the name.
    parameters : tuple of (name, value)
        What ``function`` is called with by keyword.
    """

    name: str
    function: Callable[..., Any]
    greater_is_better: bool = True
    needs_probabilities: bool = False
    share: bool = False
    short: str = ""
    parameters: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, function: Callable[..., float], *, name: str | None = None, greater_is_better: bool = True) -> "Metric":
        """Make a metric of a function of one prediction.

        Parameters
        ----------
        function : callable
            Gets ``(labels, proba)`` with ``proba`` (N, C), and ``sample_weight=`` where rows are weighted.
        name : str, optional
            By default the function's.
        greater_is_better : bool

        Examples
        --------
        >>> def distance(labels, proba):
        ...     return 1 - proba[np.arange(len(labels)), labels].mean()
        >>> metric = Metric.of(distance, greater_is_better=False)
        >>> float(metric(np.array([0, 1]), np.array([[0.7, 0.3], [0.4, 0.6]])).round(2)), metric.signed(0.35)
        (0.35, -0.35)
        """
        called = name or str(getattr(function, "__name__", repr(function)))
        wrapped = functools.partial(call_by_member, function)
        return cls(called, wrapped, greater_is_better=greater_is_better, needs_probabilities=True)

    def __call__(
        self,
        labels: NDArray[np.int64],
        proba: NDArray[np.floating],
        sample_weight: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Return the score for each leading index of ``proba``."""
        return np.asarray(self.function(labels, proba, sample_weight, **dict(self.parameters)), dtype=np.float64)

    def signed(self, value: Any) -> Any:
        """Return the value with the sign that makes greater better."""
        return value if self.greater_is_better else -value


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", scores.accuracy, share=True, short="acc."),
        Metric("balanced-accuracy", scores.balanced_accuracy, share=True, short="bal.\nacc."),
        Metric("macro-f1", scores.macro_f1, share=True, short="macro\nF1"),
        Metric("log-loss", scores.log_loss, greater_is_better=False, needs_probabilities=True, short="log\nloss"),
        Metric("brier", scores.brier, greater_is_better=False, needs_probabilities=True, short="Brier"),
        Metric("ece", expected_calibration_error, greater_is_better=False, needs_probabilities=True, short="ECE"),
        Metric("top-k-accuracy", scores.top_k_accuracy, needs_probabilities=True),
        Metric("mcc", scores.matthews, short="MCC"),
        Metric("roc-auc", scores.roc_auc, needs_probabilities=True, short="ROC\nAUC"),
    )
}

TIED_DECIMALS = 12
"""Values of a metric that agree to so many decimals are equal: the rest is rounding."""


def get_metric(metric: "str | Metric | Callable[..., float]") -> Metric:
    """Return the metric of that name (with parameters as ``name:key=value``), or wrap a callable.

    A callable is taken as `Metric.of` takes it; an attribute ``greater_is_better`` of it is heeded.
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        name, parameters = parse_spec(metric)
        if name not in METRICS:
            raise UnknownNameError("metric", name, METRICS)
        return with_parameters(METRICS[name], metric, parameters) if parameters else METRICS[name]
    if not callable(metric):
        raise ParameterError(f"metric is {metric!r}, expected a name, a Metric or a function of (labels, proba)")
    return Metric.of(metric, greater_is_better=getattr(metric, "greater_is_better", True))


def with_parameters(metric: Metric, spec: str, parameters: dict[str, Any]) -> Metric:
    """Bind keyword parameters of a metric, each a whole number of at least 1."""
    known = getattr(metric.function, "parameter_names", None)
    if known is None:
        known = keyword_names(metric.function)
    for key, value in parameters.items():
        if key not in known:
            raise UnknownNameError(f"parameter of metric {metric.name}", key, known)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ParameterError(f"metric {spec!r}: {key} is {value!r}, expected a whole number of at least 1")
    return replace(metric, name=spec, short="", parameters=tuple(parameters.items()))


def call_by_member(
    function: Callable[..., float],
    labels: NDArray[np.int64],
    proba: NDArray[np.floating],
    sample_weight: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Apply a user's function of one (N, C) array to each leading index."""
    weighted = sample_weight is not None and bool((sample_weight != 1).any())
    keywords = {"sample_weight": sample_weight} if weighted else {}
    flat = proba.reshape(-1, *proba.shape[-2:])
    return np.array([function(labels, rows, **keywords) for rows in flat]).reshape(proba.shape[:-2])

"""What a metric is, and the metrics that have a name."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.errors import ParameterError, UnknownNameError
from ensembler.metrics import areas, scores
from ensembler.metrics.calibration import expected_calibration_error
from ensembler.metrics.predicted import Predicted
from ensembler.metrics.sums import OfBinSums, OfClassCounts, OfRowMeans, RowMean, keyword_names
from ensembler.serialization import parse_spec

TAKERS = (RowMean, OfClassCounts, OfRowMeans, OfBinSums, areas.OfRankings)
"""Functions that know what they take from a `Predicted`."""


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
    summary : str
        What it is, in a sentence.
    """

    name: str
    function: Callable[..., Any]
    greater_is_better: bool = True
    needs_probabilities: bool = False
    share: bool = False
    short: str = ""
    parameters: tuple[tuple[str, Any], ...] = ()
    summary: str = ""

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
        proba: NDArray[np.floating] | Predicted,
        sample_weight: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Return the score for each leading index of ``proba``."""
        keywords = dict(self.numbered(proba.shape[-1]).parameters)
        if isinstance(proba, Predicted) and not isinstance(self.function, TAKERS):
            proba = proba.proba
        return np.asarray(self.function(labels, proba, sample_weight, **keywords), dtype=np.float64)

    def bind(self, classes: Sequence[str]) -> "Metric":
        """Return the metric for a set of these classes: one of a class knows its number.

        >>> get_metric("f1:class=no").bind(["yes", "no"]).parameters
        (('class', 1),)
        >>> get_metric("f1").bind(["yes", "no"]).parameters
        (('class', 1),)

        Raises
        ------
        ParameterError
            There is no such class, or one must be named.
        """
        given = dict(self.parameters)
        if isinstance(given.get("class"), int):
            return self
        if "class" not in given:
            if self.function is not scores.class_f1:
                return self
            if len(classes) != 2:
                raise ParameterError(
                    f"metric {self.name} is of one class, and there are {len(classes)}; name it as in "
                    f"f1:class={classes[0]}, or take macro-f1, the mean over all"
                )
            given["class"] = classes[1]
        number = number_of_class(given["class"], classes, self.name)
        return replace(self, parameters=tuple({**given, "class": number}.items()))

    def numbered(self, n_classes: int) -> "Metric":
        """Return the metric for classes without names."""
        if "class" not in getattr(self.function, "parameter_names", ()):
            return self
        return self.bind([str(number) for number in range(n_classes)])

    def signed(self, value: Any) -> Any:
        """Return the value with the sign that makes greater better."""
        return value if self.greater_is_better else -value


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", scores.accuracy, share=True, short="acc.", summary="share of rows answered correctly"),
        Metric(
            "balanced-accuracy",
            scores.balanced_accuracy,
            share=True,
            short="bal.\nacc.",
            summary="mean of the recalls of the classes that occur",
        ),
        Metric(
            "macro-f1",
            scores.macro_f1,
            share=True,
            short="macro\nF1",
            summary="mean of the F1 scores of the classes that occur or are predicted",
        ),
        Metric(
            "log-loss",
            scores.log_loss,
            greater_is_better=False,
            needs_probabilities=True,
            short="log\nloss",
            summary="mean negative log probability of the true class, in nats",
        ),
        Metric(
            "brier",
            scores.brier,
            greater_is_better=False,
            needs_probabilities=True,
            short="Brier",
            summary="mean squared distance from the indicator of the true class, 0 to 2",
        ),
        Metric(
            "ece",
            expected_calibration_error,
            greater_is_better=False,
            needs_probabilities=True,
            short="ECE",
            summary="expected calibration error of the top-1 confidence in 15 bins (ece:bins=10)",
        ),
        Metric(
            "top-k-accuracy",
            scores.top_k_accuracy,
            needs_probabilities=True,
            share=True,
            summary="share of rows whose class is among the 2 most probable (top-k-accuracy:k=3)",
        ),
        Metric(
            "mcc", scores.matthews, short="MCC", summary="Matthews correlation coefficient, for any number of classes"
        ),
        Metric(
            "f1",
            scores.class_f1,
            share=True,
            short="F1",
            summary="F1 score of one class (f1:class=NAME), by default of the second of two",
        ),
        Metric(
            "quadratic-kappa",
            scores.quadratic_kappa,
            short="quad.\nkappa",
            summary="Cohen's kappa with quadratic weights, for classes in an order",
        ),
        Metric(
            "roc-auc",
            areas.roc_auc,
            needs_probabilities=True,
            short="ROC\nAUC",
            summary="area under the ROC curve, mean over classes against the rest (roc-auc:class=NAME)",
        ),
        Metric(
            "average-precision",
            areas.average_precision,
            needs_probabilities=True,
            short="avg.\nprec.",
            summary="area under precision-recall, mean over classes (average-precision:class=NAME)",
        ),
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
    """Bind keyword parameters of a metric: a class by name or number, others whole numbers of at least 1."""
    known = getattr(metric.function, "parameter_names", None)
    if known is None:
        known = keyword_names(metric.function)
    for key, value in parameters.items():
        if key not in known:
            raise UnknownNameError(f"parameter of metric {metric.name}", key, known)
        if key == "class":
            if not isinstance(value, str) and not (is_whole(value) and value >= 0):
                raise ParameterError(f"metric {spec!r}: class is {value!r}, expected the name or number of a class")
        elif not is_whole(value) or value < 1:
            raise ParameterError(f"metric {spec!r}: {key} is {value!r}, expected a whole number of at least 1")
    given = {key: str(value) if key == "class" else value for key, value in parameters.items()}
    return replace(metric, name=spec, short="", parameters=tuple(given.items()))


def is_whole(value: Any) -> bool:
    """Whether a parameter is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def number_of_class(given: str, classes: Sequence[str], name: str) -> int:
    """Return the number of a class that is given by its name, or else by its number."""
    if given in classes:
        return list(classes).index(given)
    if not given.isdecimal():
        raise UnknownNameError(f"class in metric {name}", given, classes)
    if int(given) >= len(classes):
        raise ParameterError(f"metric {name}: class is {given}, expected 0 to {len(classes) - 1} or a name")
    return int(given)


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

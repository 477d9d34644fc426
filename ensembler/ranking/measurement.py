"""One prediction set under one protocol: every rule's value of a metric, and its differences from two baselines."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from ensembler.combiners.base import Combiner
from ensembler.comparison.candidates import Candidate, best_member, list_candidates
from ensembler.comparison.fitting import Fit, mean_of_members
from ensembler.comparison.progress import FitCounter
from ensembler.comparison.protocol import Split
from ensembler.comparison.scoring import fit_rules, measure
from ensembler.metrics import Metric
from ensembler.metrics.differences import Difference, paired_difference
from ensembler.metrics.predicted import Predicted
from ensembler.predictions.prediction_set import Predictions
from ensembler.predictions.provenance import label_checksums


@dataclass(frozen=True)
class RuleValue:
    """A rule on one set.

    Attributes
    ----------
    value : float
        The metric on the scored rows.
    against_mean, against_best : Difference or None
        Its paired differences from the mean and from the best single member, positive is better.
    """

    value: float
    against_mean: Difference
    against_best: Difference | None


@dataclass(frozen=True)
class SetValues:
    """One prediction set, measured.

    Attributes
    ----------
    name : str
    n_rows, n_fit, n_classes, n_members : int
        Scored rows, fitting rows, classes and members.
    labels : tuple of str
        Checksums of the labels of all rows, scored and fitting: sets that share one are not independent.
    rules : dict
        By name; rules that could not run are not there.
    """

    name: str
    n_rows: int
    n_fit: int
    n_classes: int
    n_members: int
    labels: tuple[str, ...]
    rules: Mapping[str, RuleValue]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Return what `to_dict` was called on."""

        def difference(values: Mapping[str, float] | None) -> Difference | None:
            return None if values is None else Difference(**values)

        rules = {
            name: RuleValue(entry["value"], Difference(**entry["against_mean"]), difference(entry["against_best"]))
            for name, entry in plain["rules"].items()
        }
        return cls(**{**plain, "labels": tuple(plain["labels"]), "rules": rules})


def measure_set(
    name: str,
    predictions: Predictions,
    rules: Sequence[str | Combiner] | None,
    metric: Metric,
    protocol: Mapping[str, Any],
) -> SetValues:
    """Fit every rule on one set, and measure it on the scored rows.

    Parameters
    ----------
    name : str
    predictions : Predictions
    rules : sequence of str or Combiner, optional
        By default all that need no parameters.
    metric : Metric
    protocol : mapping
        Arguments of `Split.of`.
    """
    with warnings.catch_warnings():
        # What is doubtful about a set is the business of `ensembler check`, and would be said once a fit here.
        warnings.simplefilter("ignore")
        split = Split.of(predictions, **protocol)
        return measure_split(name, split, rules, metric)


def measure_split(name: str, split: Split, rules: Sequence[str | Combiner] | None, metric: Metric) -> SetValues:
    """Fit every rule on the fitting rows of a split, and measure it on the scored ones."""
    scored, metric = split.scored, metric.bind(split.predictions.classes)
    fits = fit_all(list_candidates(rules, split.predictions, metric, "none"), split)
    reference = next(iter(fit_all([best_member(metric, "none")], split)), None)
    mean = mean_of_members(split)
    return SetValues(
        name=name,
        n_rows=scored.n_samples,
        n_fit=split.protocol.n_fit,
        n_classes=scored.n_classes,
        n_members=scored.n_members,
        labels=tuple(label_checksums(split.predictions)),
        rules={
            fit.name: RuleValue(
                measure(metric, scored, fit.predicted),
                compare(split, metric, fit.predicted, mean),
                None if reference is None else compare(split, metric, fit.predicted, reference.predicted),
            )
            for fit in fits
        },
    )


def compare_with_mean(split: Split, rules: Sequence[str | Combiner] | None, metric: Metric) -> dict[str, Difference]:
    """Fit every rule on the fitting rows of a split, and return its difference from the mean on the scored ones."""
    metric = metric.bind(split.predictions.classes)
    fits = fit_all(list_candidates(rules, split.predictions, metric, "none"), split)
    mean = mean_of_members(split)
    return {fit.name: compare(split, metric, fit.predicted, mean) for fit in fits}


def fit_all(candidates: Sequence[Candidate], split: Split) -> list[Fit]:
    """Fit those rules that can be."""
    return fit_rules(candidates, split, FitCounter(None, 0))[0]


def compare(split: Split, metric: Metric, first: Predicted, other: Predicted) -> Difference:
    """Return by how much one prediction of the scored rows is better than another."""
    scored = split.scored
    return paired_difference(
        metric,
        scored.true_labels,
        first,
        other,
        sample_weight=scored.sample_weight,
        groups=scored.groups,
        seed=split.seed,
    )

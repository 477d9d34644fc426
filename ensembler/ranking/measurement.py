"""One prediction set under one protocol: every rule's value of a metric, and its differences from two baselines."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from ensembler.arrays import Values, digest
from ensembler.combiners.base import Combiner
from ensembler.comparison.candidates import best_member, list_candidates
from ensembler.comparison.progress import FitCounter
from ensembler.comparison.protocol import Split
from ensembler.comparison.scoring import fit_rules, measure
from ensembler.metrics import Metric
from ensembler.metrics.differences import Difference, paired_difference
from ensembler.predictions.prediction_set import Predictions


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
    scored = split.scored
    counter = FitCounter(None, 0)
    candidates = list_candidates(rules, split.predictions, metric, "none")
    fits, _ = fit_rules(candidates, split, counter)
    reference = next(iter(fit_rules([best_member(metric, "none")], split, counter)[0]), None)
    mean = scored.proba.mean(axis=0, dtype=np.float64)

    def against(proba: Values, other: Values) -> Difference:
        return paired_difference(
            metric,
            scored.true_labels,
            proba,
            other,
            sample_weight=scored.sample_weight,
            groups=scored.groups,
            seed=split.seed,
        )

    return SetValues(
        name=name,
        n_rows=scored.n_samples,
        n_fit=split.protocol.n_fit,
        n_classes=scored.n_classes,
        n_members=scored.n_members,
        labels=label_checksums(split.predictions),
        rules={
            fit.name: RuleValue(
                measure(metric, scored, fit.proba),
                against(fit.proba, mean),
                None if reference is None else against(fit.proba, reference.proba),
            )
            for fit in fits
        },
    )


def label_checksums(predictions: Predictions) -> tuple[str, ...]:
    """Return the checksums of the labels of a set's rows, and of its validation rows."""
    parts = [part for part in (predictions, predictions.validation) if part is not None]
    return tuple(digest(part.true_labels) for part in parts)

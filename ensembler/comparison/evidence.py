"""What many prediction sets say of every rule: package data, made by ``benchmarks/choosing.py`` and only read here."""

import functools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any, Literal

import numpy as np

from ensembler.metrics.differences import Difference, Tally, pool_by_cluster
from ensembler.metrics.pooling import PooledEffect

SCHEMA = "ensembler.evidence/1"
DECIDING = {"probabilities": "log-loss", "hard labels": "accuracy"}
"""The metric that rules are compared by over many sets: a proper score, where there are probabilities."""

Kind = Literal["probabilities", "hard labels"]


@dataclass(frozen=True)
class Entry:
    """Every rule's differences from the mean on one set.

    Attributes
    ----------
    set, cluster : str
        The set, and what all sets of the same rows are called.
    kind : "probabilities" or "hard labels"
    n_fit, n_rows, n_classes, n_members : int
    sample : bool
        Whether the fitting rows are a sample of those that there are: a point of a learning curve.
    labels : tuple of str
        Checksums of the labels of its rows.
    rules : mapping from rule to mapping from metric to Difference
        Positive is better.
    """

    set: str
    cluster: str
    kind: Kind
    n_fit: int
    n_rows: int
    n_classes: int
    n_members: int
    sample: bool
    labels: tuple[str, ...]
    rules: Mapping[str, Mapping[str, Difference]]


@dataclass(frozen=True)
class Evidence:
    """The entries of many sets.

    Attributes
    ----------
    entries : tuple of Entry
    choosing : mapping from metric to mapping from cluster to float
        By how much choosing a rule by its cross-fitted score was better than a rule that was always used.
    always : str
        That rule.
    """

    entries: tuple[Entry, ...]
    choosing: Mapping[str, Mapping[str, float]]
    always: str

    def without(self, labels: Collection[str]) -> "Evidence":
        """Return what is left without the clusters of sets whose labels have one of these checksums."""
        own = {entry.cluster for entry in self.entries if not set(entry.labels).isdisjoint(labels)}
        choosing = {
            metric: {cluster: lead for cluster, lead in leads.items() if cluster not in own}
            for metric, leads in self.choosing.items()
        }
        entries = tuple(entry for entry in self.entries if entry.cluster not in own)
        return replace(self, entries=entries, choosing=choosing)

    def choosing_tally(self, metric: str) -> Tally | None:
        """Return on how many sets choosing a rule was better; None for a metric that nothing is known of."""
        leads = self.choosing.get(metric)
        return Tally.of(np.array(list(leads.values()))) if leads else None

    def of_kind(self, kind: Kind) -> tuple[Entry, ...]:
        """Return the entries that rest on all fitting rows of their sets."""
        return tuple(entry for entry in self.entries if entry.kind == kind and not entry.sample)

    def n_sets(self, kind: Kind) -> int:
        """Return how many sets there are that share no rows."""
        return len({entry.cluster for entry in self.of_kind(kind)})

    def default_rule(self, names: Iterable[str], kind: Kind) -> str | None:
        """Return the best of some rules on average over sets; None where nothing is known of any of them.

        The one with the least log loss among those that are no less accurate than the mean on average; with hard labels
        the most accurate. Every cluster of sets counts the same.
        """
        gains = {name: self.average(name, DECIDING[kind], kind) for name in names}
        known = {name: gain for name, gain in gains.items() if gain is not None}
        accurate = {name: gain for name, gain in known.items() if (self.average(name, "accuracy", kind) or 0.0) >= 0}
        eligible = accurate or known
        return max(eligible, key=lambda name: eligible[name]) if eligible else None

    def average(self, rule: str, metric: str, kind: Kind) -> float | None:
        """Return a rule's difference from the mean, averaged over sets; None where it did not run on all of them."""
        return average(self.of_kind(kind), rule, metric)

    def effect(self, rule: str, metric: str, kind: Kind) -> PooledEffect | None:
        """Pool a rule's differences from the mean by a random-effects model; None where nothing is known."""
        return pooled(self.of_kind(kind), rule, metric)

    def pays_from(self, rule: str, kind: Kind) -> int | None:
        """Return the number of fitting rows from which on a rule is better than the mean, by the learning curves.

        The smallest number tried from which on its average gain over the mean, in the metric that decides, is above 0;
        None where there is no such number.
        """
        samples = [entry for entry in self.entries if entry.kind == kind and entry.sample]
        smallest = None
        for size in sorted({entry.n_fit for entry in samples}, reverse=True):
            gain = average([entry for entry in samples if entry.n_fit == size], rule, DECIDING[kind])
            if gain is None or gain <= 0:
                break
            smallest = size
        return smallest


def average(entries: Sequence[Entry], rule: str, metric: str) -> float | None:
    """Return a rule's difference from the mean, averaged over clusters; None where it did not run on all sets."""
    if rule == "mean":
        return 0.0
    if not entries or any(metric not in entry.rules.get(rule, {}) for entry in entries):
        return None
    by_cluster: dict[str, list[float]] = {}
    for entry in entries:
        by_cluster.setdefault(entry.cluster, []).append(entry.rules[rule][metric].value)
    return float(np.mean([np.mean(values) for values in by_cluster.values()]))


def pooled(entries: Iterable[Entry], rule: str, metric: str) -> PooledEffect | None:
    """Pool a rule's differences from the mean over some entries."""
    there = [entry for entry in entries if metric in entry.rules.get(rule, {})]
    return pool_by_cluster([entry.rules[rule][metric] for entry in there], [entry.cluster for entry in there])


@functools.cache
def shipped_evidence() -> Evidence:
    """Return the evidence that the package ships."""
    text = files("ensembler.comparison").joinpath("evidence.json").read_text(encoding="utf-8")
    return read_evidence(json.loads(text))


def read_evidence(document: Mapping[str, Any]) -> Evidence:
    """Return the evidence in a document."""
    entries = tuple(
        Entry(
            **{
                **plain,
                "labels": tuple(plain["labels"]),
                "rules": {
                    rule: {metric: Difference(*pair) for metric, pair in by_metric.items()}
                    for rule, by_metric in plain["rules"].items()
                },
            }
        )
        for plain in document["entries"]
    )
    return Evidence(entries, document["choosing"], document["always"])

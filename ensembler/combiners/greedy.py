"""Caruana's greedy ensemble selection."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ensembler.arrays import FEW_CLASSES, Floats, Labels, Values
from ensembler.combiners._greedy_candidates import AccuracyCandidates, Candidates, LogLossCandidates
from ensembler.combiners._greedy_many_classes import of_many_classes
from ensembler.combiners.additive import FittedMean
from ensembler.combiners.base import is_number, is_whole, require
from ensembler.combiners.fitted_state import WEIGHTS, Kind, Number, Numbers, Several
from ensembler.metrics import METRICS, TIED_DECIMALS, Metric, get_metric

TIED = 10.0**-TIED_DECIMALS


@dataclass
class GreedySelection(FittedMean):
    r"""Mean of a bag of members that grows by the one that helps most, with replacement.

    Start from the best members; then, until ``n_steps`` are in the bag, add the member that makes the metric of the
    running mean best on the fitting rows. Weights are the shares in the bag:

    .. math:: s_c = \sum_m \frac{n_m}{T}\, p_m(c)

    Rows that no member in the bag answers are predicted by the class prior. Equally good candidates: one that is
    already in, then the lower log loss of the running mean, then the lower index.

    Parameters
    ----------
    metric : str or callable
        A name from the registry of metrics, or ``function(labels, proba)`` of which more is better.
    n_steps : int
        Size of the bag, the starting members included.
    n_init : int
        How many of the best single members start it (sorted initialisation).
    n_bags : int
        With 1 or more, the selection is repeated on that many random parts of the members and the weights averaged.
    bag_fraction : float
        Share of the members in each part; left at 0.5 without bags, where it has no meaning.
    best_prefix : bool
        Cut the sequence of additions where the metric was best (the first such place).
    random_state : int, Generator or None
        Draws the parts.

    Attributes
    ----------
    weights_ : (M,) float64, summing to 1
    order_ : list of list of int
        For each bag, the members in the order they were added, up to the cut.
    path_ : list of (T,) float64
        For each bag, the metric of the running mean after each addition.

    References
    ----------
    Caruana et al., Ensemble selection from libraries of models, ICML 2004, doi 10.1145/1015330.1015432.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.8, 0.2], [0.6, 0.4]], [[0.3, 0.7], [0.1, 0.9]], [[0.6, 0.4], [0.7, 0.3]]])
    >>> GreedySelection().fit(proba, [0, 1]).weights_
    array([0.5, 0.5, 0. ])
    """

    name: ClassVar[str] = "greedy"
    family: ClassVar[str] = "weighted"
    source: ClassVar[str] = "Caruana et al. 2004, doi 10.1145/1015330.1015432"
    complexity: ClassVar[int] = 140
    takes_missing_votes: ClassVar[bool] = True
    reported: ClassVar[tuple[str, ...]] = ("weights_", "order_")
    fitted_state: ClassVar[Mapping[str, Kind]] = {
        "weights_": WEIGHTS,
        "order_": Several(Several(Number(0, whole=True, below="M")), size="B"),
        "path_": Several(Numbers("T", nan=True), size="B"),
    }

    metric: str | Callable[..., Any] = "accuracy"
    n_steps: int = 50
    n_init: int = 1
    n_bags: int = 0
    bag_fraction: float = 0.5
    best_prefix: bool = True
    random_state: int | np.random.Generator | None = 0

    def check_parameters(self) -> None:
        """Refuse impossible sizes and options without effect."""
        get_metric(self.metric)
        require(is_whole(self.n_steps) and self.n_steps >= 1, self, "n_steps", "a whole number of at least 1")
        valid = is_whole(self.n_init) and 1 <= self.n_init <= self.n_steps
        require(valid, self, "n_init", f"a whole number from 1 to n_steps, which is {self.n_steps}")
        require(is_whole(self.n_bags) and self.n_bags >= 0, self, "n_bags", "a whole number of at least 0")
        valid = is_number(self.bag_fraction) and 0 < self.bag_fraction <= 1
        require(valid, self, "bag_fraction", "a number above 0 and at most 1")
        unused = self.n_bags == 0 and self.bag_fraction != 0.5
        require(not unused, self, "bag_fraction", "0.5 without bags, which do not use it; set n_bags")
        require(isinstance(self.best_prefix, bool), self, "best_prefix", "true or false")
        drawn = self.random_state
        valid = drawn is None or isinstance(drawn, np.random.Generator) or (is_whole(drawn) and drawn >= 0)
        require(valid, self, "random_state", "a whole number of at least 0, a Generator or None")

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        members = np.arange(self.n_members_)
        bags = [members]
        if self.n_bags:
            rng = np.random.default_rng(self.random_state)
            size = max(1, round(self.bag_fraction * self.n_members_))
            bags = [np.sort(rng.choice(members, size, replace=False)) for _ in range(self.n_bags)]
        weights = np.zeros(self.n_members_)
        self.order_, self.path_ = [], []
        for bag in bags:
            part = proba if len(bag) == len(proba) else proba[bag]
            order, path = self._select(part, labels, sample_weight)
            self.order_.append([int(bag[index]) for index in order])
            self.path_.append(path)
            shares = np.bincount(bag[order], minlength=self.n_members_) / len(order)
            weights += shares / len(bags)
        self.weights_ = weights

    def _select(self, proba: Floats, labels: Labels, sample_weight: Values) -> tuple[list[int], Values]:
        """Return the members added, in order up to the cut, and the path in the metric's own direction."""
        metric = get_metric(self.metric)
        candidates = candidates_for(metric, proba, labels, sample_weight)
        order: list[int] = []
        path = np.full(self.n_steps, np.nan)
        start = self._best_first(candidates.signed_scores(), candidates.log_losses)[: self.n_init]
        for step in range(self.n_steps):
            signed = candidates.signed_scores()
            chosen = int(start[step]) if step < len(start) else self._pick(signed, order, candidates.log_losses)
            order.append(chosen)
            path[step] = signed[chosen]
            candidates.add(chosen)
        if self.best_prefix:
            allowed = path[min(len(start), len(path)) - 1 :]
            best = int(np.flatnonzero(allowed >= np.nanmax(allowed) - TIED)[0]) if not np.isnan(allowed).all() else 0
            order = order[: len(path) - len(allowed) + best + 1]
        return order, np.asarray(metric.signed(path))

    @staticmethod
    def _best_first(signed: Values, log_losses: Callable[[Labels], Values]) -> Labels:
        """Return all members, best first; among equally good ones lower log loss, then lower index."""
        descending = -np.round(np.nan_to_num(signed, nan=-np.inf), TIED_DECIMALS)
        losses = np.zeros(len(descending))
        if len(np.unique(descending)) < len(descending):
            losses = np.round(log_losses(np.arange(len(descending))), TIED_DECIMALS)
        return np.lexsort((losses, descending))

    @staticmethod
    def _pick(signed: Values, order: list[int], log_losses: Callable[[Labels], Values]) -> int:
        """Return the best candidate by the stated order of ties."""
        signed = np.nan_to_num(signed, nan=-np.inf)
        tied = np.flatnonzero(signed >= signed.max() - TIED)
        inside = tied[np.isin(tied, order)]
        tied = inside if len(inside) else tied
        if len(tied) > 1:
            losses = log_losses(tied)
            tied = tied[losses <= losses.min() + TIED]
        return int(tied[0])

    def needs_probabilities(self) -> bool:
        """Only if its metric does."""
        return get_metric(self.metric).needs_probabilities

    def n_fitted(self) -> int:
        """One weight a member."""
        return self.n_members_


def candidates_for(metric: Metric, proba: Floats, labels: Labels, sample_weight: Values) -> Candidates:
    """Return the fastest bookkeeping that the metric allows."""
    if metric == METRICS["accuracy"] and proba.shape[2] > FEW_CLASSES:
        return of_many_classes(metric, proba, labels, sample_weight)
    special = {METRICS["accuracy"]: AccuracyCandidates, METRICS["log-loss"]: LogLossCandidates}
    return special.get(metric, Candidates)(metric, proba, labels, sample_weight)

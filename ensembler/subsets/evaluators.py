"""From a shard of committees to one value each, of which more is better."""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Floats, Values
from ensembler.metrics.scores import LOG_LOSS_CLIP
from ensembler.subsets.contributions import Contributions, all_outcomes, outcomes, undisputed
from ensembler.subsets.kernel.counter import Counter
from ensembler.subsets.plan import Plan
from ensembler.subsets.tally import Layout, subset_sums

DOUBLING_BITS = 12
"""With so many members or fewer, NumPy is done before a compiler has started."""
LEAST_WALK_BITS = 8
"""The walk needs shards of so many varying members."""
LOG_LOSS_ROWS = 64


class Evaluator(Protocol):
    """Values of committees on one set of rows.

    NaN stands for a committee that the rule cannot run on.
    """

    @property
    def plan(self) -> Plan:
        """Which committees are asked for."""
        ...

    @property
    def n_rows(self) -> int | None:
        """The number of rows where values are counts."""
        ...

    @property
    def empty(self) -> float:
        """The value of the empty committee."""
        ...

    def values(self, shard: int) -> Values:
        """Return the values of all places of a shard, those that are not asked for included."""
        ...

    def values_of(self, masks: Sequence[int]) -> Values:
        """Return the values of some committees."""
        ...


@runtime_checkable
class Judge(Protocol):
    """An evaluator that can say about which rows a committee is right."""

    def outcomes(self, masks: Sequence[int]) -> NDArray[np.bool_]:
        """Say about which rows some committees are right, (S, N)."""
        ...


@dataclass
class CountsOneByOne:
    """Right rows of an additive rule's committees by the definition, where few members are free."""

    plan: Plan
    data: Contributions
    empty: float

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.data.n_rows

    def values(self, shard: int) -> Values:
        """Return the counts of a shard."""
        layout = Layout(self.plan)
        base = sum(1 << member for member in layout.fixed(shard))
        return self.values_of((base + layout.masks).tolist())

    def values_of(self, masks: Sequence[int]) -> Values:
        """Return the counts of some committees."""
        return np.asarray(self.outcomes(masks).sum(axis=1), dtype=np.float64)

    def outcomes(self, masks: Sequence[int]) -> NDArray[np.bool_]:
        """Say about which rows some committees are right."""
        return outcomes(self.data, masks)


class CountsByDoubling(CountsOneByOne):
    """Right rows of an additive rule's committees, all at once, for few members."""

    def values(self, shard: int) -> Values:
        """Return the counts of all committees."""
        data = self.data
        found = np.zeros(1 << data.n_members)
        for rows, rule in data.blocks():
            disputed = rows
            if not rule.offset().any():
                right, wrong = undisputed(data.of(rows, rule), data.labels[rows])
                found += right.sum()
                disputed = rows[~right & ~wrong]
            for _, part in all_outcomes(data, disputed, rule):
                found += part.sum(axis=1)
        return np.asarray(found[self.plan.must_mask + Layout(self.plan).masks])


@dataclass
class CountsByWalk(CountsOneByOne):
    """Right rows of an additive rule's committees, by the compiled walk."""

    counter: Counter

    def values(self, shard: int) -> Values:
        """Return the counts of a shard."""
        return self.counter.count(shard).astype(np.float64)

    def values_of(self, masks: Sequence[int]) -> Values:
        """Return the counts of some committees."""
        return self.counter.count_some(np.asarray(masks, dtype=np.int64)).astype(np.float64)


def counts(data: Contributions, plan: Plan, empty: float) -> CountsOneByOne:
    """Return how right rows are counted: in NumPy where that is quicker than starting a compiler."""
    started = "ensembler.subsets.kernel.walk" in sys.modules and plan.shard_bits >= LEAST_WALK_BITS
    if data.n_members <= DOUBLING_BITS and plan.prefix_bits == 0 and not started:
        return CountsByDoubling(plan, data, empty)
    if plan.shard_bits < LEAST_WALK_BITS:
        return CountsOneByOne(plan, data, empty)
    return CountsByWalk(plan, data, empty, Counter.of(data, plan))


@dataclass
class Pooled:
    """A weighted sum of the values on several parts of the rows: classes, or folds with rules of their own."""

    plan: Plan
    shares: list[float]
    parts: list[Any]
    empty: float
    n_rows: None = None

    def values(self, shard: int) -> Values:
        """Return the values of a shard."""
        return self.pool([part.values(shard) for part in self.parts])

    def values_of(self, masks: Sequence[int]) -> Values:
        """Return the values of some committees."""
        return self.pool([part.values_of(masks) for part in self.parts])

    def pool(self, found: list[Values]) -> Values:
        """Add in the order of the parts."""
        total = np.zeros_like(found[0])
        for share, values in zip(self.shares, found, strict=True):
            total += share * values
        return total


def balanced_accuracy(data: Contributions, plan: Plan) -> Pooled:
    """Return the mean over classes of the share of their rows that are right; no committee has that of one class."""
    present = np.unique(data.labels)
    parts = [counts(data.take(np.flatnonzero(data.labels == label)), plan, 0.0) for label in present]
    shares = [1.0 / (part.n_rows * len(present)) for part in parts]
    return Pooled(plan, shares, parts, 1.0 / len(present))


@dataclass
class NegativeBrier:
    """Minus the Brier score of a weighted mean of probabilities: a quadratic form in the members' inner products.

    With weights u and the committee's sum U, the score is (u'Gu) / U² - 2 (u'b) / U + 1, where G has the members' mean
    inner products and b their mean probabilities of the true class.
    """

    plan: Plan
    weights: Values
    inner: Values
    true: Values
    empty: float
    n_rows: None = None

    @classmethod
    def of(cls, proba: Floats, labels: NDArray[np.int64], weights: Values, plan: Plan) -> "NegativeBrier":
        """Compute the inner products, in blocks of rows; no committee has the score of equal probabilities."""
        n_members, n_rows, n_classes = proba.shape
        inner, true = np.zeros((n_members, n_members)), np.zeros(n_members)
        size = max(1, (1 << 21) // (n_members * n_classes))
        for start in range(0, n_rows, size):
            block = proba[:, start : start + size].astype(np.float64)
            flat = block.reshape(n_members, -1)
            inner += flat @ flat.T
            true += block[:, np.arange(block.shape[1]), labels[start : start + size]].sum(axis=1)
        return cls(plan, weights, inner / n_rows, true / n_rows, 1.0 / n_classes - 1.0)

    def values(self, shard: int) -> Values:
        """Return the values of a shard, by doubling."""
        layout = Layout(self.plan)
        fixed, varying = layout.fixed(shard), layout.varying
        form = self.inner * np.outer(self.weights, self.weights)
        linear = self.weights * self.true
        quadratic = np.array([form[np.ix_(fixed, fixed)].sum()])
        for bit, member in enumerate(varying):
            cross = subset_sums([form[member, other] for other in varying[:bit]])
            alone = form[member, member] + 2 * form[member, fixed].sum()
            quadratic = np.concatenate([quadratic, quadratic + alone + 2 * cross])
        hits = linear[fixed].sum() + subset_sums([linear[member] for member in varying])
        total = self.weights[fixed].sum() + subset_sums([self.weights[member] for member in varying])
        with np.errstate(invalid="ignore", divide="ignore"):
            score = quadratic / total**2 - 2 * hits / total + 1
        return np.asarray(-score)

    def values_of(self, masks: Sequence[int]) -> Values:
        """Return the values of some committees."""
        found = []
        for mask in masks:
            members = [member for member in range(len(self.weights)) if mask >> member & 1]
            u = self.weights[members]
            u = u / u.sum()
            found.append(-(u @ self.inner[np.ix_(members, members)] @ u - 2 * u @ self.true[members] + 1))
        return np.array(found)


@dataclass
class NegativeLogLoss:
    """Minus the log loss of a weighted mean of probabilities."""

    plan: Plan
    weights: Values
    true: NDArray[np.float64]
    empty: float
    n_rows: None = None

    @classmethod
    def of(cls, proba: Floats, labels: NDArray[np.int64], weights: Values, plan: Plan) -> "NegativeLogLoss":
        """Take the probabilities of the true class, (N, M); no committee has the loss of equal probabilities."""
        true = proba[:, np.arange(len(labels)), labels].astype(np.float64).T * weights
        return cls(plan, weights, np.ascontiguousarray(true), -math.log(proba.shape[2]))

    def values(self, shard: int) -> Values:
        """Return the values of a shard, by doubling over the members for some rows at a time."""
        layout = Layout(self.plan)
        fixed, varying = layout.fixed(shard), layout.varying
        total = self.weights[fixed].sum() + subset_sums([self.weights[member] for member in varying])
        logs = np.zeros(1 << len(varying))
        for start in range(0, len(self.true), LOG_LOSS_ROWS):
            rows = self.true[start : start + LOG_LOSS_ROWS]
            sums = np.empty((1 << len(varying), len(rows)))
            sums[0] = rows[:, fixed].sum(axis=1)
            for bit, member in enumerate(varying):
                np.add(sums[: 1 << bit], rows[:, member], out=sums[1 << bit : 2 << bit])
            with np.errstate(invalid="ignore", divide="ignore"):
                sums /= total[:, None]
                np.clip(sums, LOG_LOSS_CLIP, 1.0 - LOG_LOSS_CLIP, out=sums)
                logs += np.log(sums, out=sums).sum(axis=1)
        return logs / len(self.true)

    def values_of(self, masks: Sequence[int]) -> Values:
        """Return the values of some committees."""
        found = []
        for mask in masks:
            members = [member for member in range(len(self.weights)) if mask >> member & 1]
            mean = self.true[:, members].sum(axis=1) / self.weights[members].sum()
            found.append(float(np.log(np.clip(mean, LOG_LOSS_CLIP, 1.0 - LOG_LOSS_CLIP)).mean()))
        return np.array(found)


@dataclass
class OneByOne:
    """Values of any rule, from the probabilities of each committee by itself.

    Parameters
    ----------
    judge : callable
        From a committee's (N, C) probabilities to its value; None counts right rows.
    predict : callable
        From a committee's members to its (N, C) probabilities on all rows; None where the rule cannot run on them.
    """

    plan: Plan
    predict: Callable[[list[int]], Values | None]
    judge: Callable[[Values], float] | None
    labels: NDArray[np.int64]
    empty: float

    @property
    def n_rows(self) -> int | None:
        """Number of rows where values are counts."""
        return len(self.labels) if self.judge is None else None

    def values(self, shard: int) -> Values:
        """Return the values of a shard; NaN for sizes that are not asked for."""
        layout, plan = Layout(self.plan), self.plan
        fixed = layout.fixed(shard)
        base = sum(1 << member for member in fixed)
        found = np.full(1 << plan.shard_bits, np.nan)
        sizes = layout.sizes + len(fixed)
        for place in np.flatnonzero((sizes >= max(1, plan.size_min)) & (sizes <= plan.size_max)):
            found[place] = self.value(base + int(layout.masks[place]))
        return found

    def value(self, mask: int) -> float:
        """Return the value of one committee, NaN where the rule cannot run on it."""
        proba = self.proba(mask)
        if proba is None:
            return math.nan
        return float((proba.argmax(axis=1) == self.labels).sum()) if self.judge is None else self.judge(proba)

    def proba(self, mask: int) -> Values | None:
        """Return the probabilities of one committee."""
        return self.predict([member for member in range(self.plan.n_members) if mask >> member & 1])

    def values_of(self, masks: Sequence[int]) -> Values:
        """Return the values of some committees."""
        return np.array([self.value(int(mask)) for mask in masks])

    def outcomes(self, masks: Sequence[int]) -> NDArray[np.bool_]:
        """Say about which rows some committees are right."""
        right = np.zeros((len(masks), len(self.labels)), dtype=bool)
        for position, mask in enumerate(masks):
            proba = self.proba(int(mask))
            if proba is not None:
                right[position] = proba.argmax(axis=1) == self.labels
        return right

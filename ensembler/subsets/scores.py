"""Committees judged by balanced accuracy, Brier score and log loss, exactly and many at a time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ensembler.arrays import Floats, Labels, Values, present_classes
from ensembler.metrics.scores import LOG_LOSS_CLIP
from ensembler.subsets.contributions import Contributions
from ensembler.subsets.evaluators import counts
from ensembler.subsets.plan import Plan
from ensembler.subsets.tally import Layout, subset_sums

LOG_LOSS_ROWS = 64


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
    """Return the mean over classes of the share of their rows that are correct; no committee has that of one class."""
    present = present_classes(data.labels)
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
    def of(cls, proba: Floats, labels: Labels, weights: Values, plan: Plan) -> "NegativeBrier":
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
    true: Values
    empty: float
    n_rows: None = None

    @classmethod
    def of(cls, proba: Floats, labels: Labels, weights: Values, plan: Plan) -> "NegativeLogLoss":
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

"""How good the running mean of greedy selection would be with each member added."""

import numpy as np

from ensembler.combiners.base import Labels, Values
from ensembler.metrics import METRICS, Metric
from ensembler.metrics.scores import LOG_LOSS_CLIP, true_class_proba
from ensembler.probabilities import Floats, row_blocks


class Candidates:
    """The sum of the members added so far, and the metric of its mean after one more; works for any metric."""

    def __init__(self, metric: Metric, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        self.metric, self.proba, self.labels, self.sample_weight = metric, proba, labels, sample_weight
        self.total = np.zeros(proba.shape[1:])
        self.n_added = 0

    def add(self, member: int) -> None:
        """Add a member to the sum."""
        self.total += self.proba[member]
        self.n_added += 1

    def goodness(self) -> Values:
        """Return for each member the metric of the mean with it added, in the sign that makes greater better, (M,)."""
        values = [
            self.metric(self.labels, (self.total + member) / (self.n_added + 1), self.sample_weight)
            for member in self.proba
        ]
        return np.asarray(self.metric.goodness(np.array(values)))

    def log_losses(self, members: Labels) -> Values:
        """Return the log loss of the mean with each of some members added."""
        rows = np.arange(len(self.labels))
        truth = self.total[rows, self.labels] + self.proba[members][:, rows, self.labels]
        return mean_log_loss(truth / (self.n_added + 1), self.sample_weight)


class LogLossCandidates(Candidates):
    """Log loss needs the true class's probabilities only, (M, N) instead of (M, N, C)."""

    def __init__(self, metric: Metric, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        super().__init__(metric, proba, labels, sample_weight)
        self.truth = true_class_proba(labels, proba)
        self.true_total = np.zeros(len(labels))

    def add(self, member: int) -> None:
        """Add a member to the sum."""
        self.true_total += self.truth[member]
        self.n_added += 1

    def goodness(self) -> Values:
        """Return minus the log loss of the mean with each member added."""
        return -self.log_losses(np.arange(len(self.truth)))

    def log_losses(self, members: Labels) -> Values:
        """Return the log loss of the mean with each of some members added."""
        losses = np.empty(len(members))
        for index, member in enumerate(members):
            losses[index] = mean_log_loss(
                (self.true_total + self.truth[member]) / (self.n_added + 1), self.sample_weight
            )
        return losses


class AccuracyCandidates(Candidates):
    """Accuracy can change only in rows whose winner leads by less than one member can move it.

    The lead of the true class over its strongest rival, in the sum, moves by at most the largest probability when a
    member is added. As the sum grows, fewer and fewer rows are that close.
    """

    def __init__(self, metric: Metric, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        super().__init__(metric, proba, labels, sample_weight)
        self.reach = float(proba.max()) + 1e-9

    def goodness(self) -> Values:
        """Return the accuracy of the mean with each member added."""
        rows = np.arange(len(self.labels))
        rivals = self.total.copy()
        rivals[rows, self.labels] = -np.inf
        lead = self.total[rows, self.labels] - rivals.max(axis=1)
        close = np.flatnonzero(np.abs(lead) <= self.reach)
        right = np.full(len(self.proba), self.sample_weight[lead > self.reach].sum())
        n_members, n_classes = len(self.proba), self.proba.shape[2]
        for part in row_blocks(len(close), n_members * n_classes):
            some = close[part]
            winners = (self.total[some] + self.proba[:, some]).argmax(axis=-1)
            right += (winners == self.labels[some]) @ self.sample_weight[some]
        return np.asarray(right / self.sample_weight.sum())


def mean_log_loss(truth: Values, sample_weight: Values) -> Values:
    """Weighted mean of minus the logarithm, clipped as the metric clips."""
    losses = -np.log(np.clip(truth, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP))
    return np.asarray(losses @ sample_weight / sample_weight.sum())


def candidates_for(metric: Metric, proba: Floats, labels: Labels, sample_weight: Values) -> Candidates:
    """Return the fastest bookkeeping that the metric allows."""
    special = {METRICS["accuracy"]: AccuracyCandidates, METRICS["log-loss"]: LogLossCandidates}
    return special.get(metric, Candidates)(metric, proba, labels, sample_weight)

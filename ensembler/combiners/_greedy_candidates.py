"""How good the running mean of greedy selection would be with each member added."""

import numpy as np

from ensembler.arrays import Floats, Labels, Rows, Values, row_blocks
from ensembler.combiners.missing_votes import NO_VOTE, answered, class_prior
from ensembler.metrics import Metric
from ensembler.metrics.scores import LOG_LOSS_CLIP, true_class_proba

NEARLY_TIED = 1e-9


class Candidates:
    """The sum of the members added so far, and the metric of its mean after one more; works for any metric."""

    def __init__(self, metric: Metric, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        self.metric, self.proba, self.labels, self.sample_weight = metric, proba, labels, sample_weight
        self.n_added = 0
        # It decides in rows that nobody in the bag answers, and moves no sum with a vote in it.
        everywhere = answered(proba).all()
        self.start = 0.0 if everywhere else NO_VOTE * class_prior(labels, sample_weight, proba.shape[2])
        self.prepare()

    def prepare(self) -> None:
        """Make what is kept."""
        self.total = self.start + np.zeros(self.proba.shape[1:])

    def add(self, member: int) -> None:
        """Add a member to the sum."""
        self.total += self.proba[member]
        self.n_added += 1

    def signed_scores(self) -> Values:
        """Return for each member the metric of the mean with it added, in the sign that makes greater better, (M,)."""
        values = [
            self.metric(self.labels, (self.total + member) / (self.n_added + 1), self.sample_weight)
            for member in self.proba
        ]
        return np.asarray(self.metric.signed(np.array(values)))

    def log_losses(self, members: Labels) -> Values:
        """Return the log loss of the mean with each of some members added."""
        rows = np.arange(len(self.labels))
        true_proba = self.total[rows, self.labels] + self.proba[members][:, rows, self.labels]
        return mean_log_loss(true_proba / (self.n_added + 1), self.sample_weight)


class LogLossCandidates(Candidates):
    """Log loss needs the true class's probabilities only, (M, N) instead of (M, N, C)."""

    def prepare(self) -> None:
        """Make what is kept."""
        self.true_proba = true_class_proba(self.labels, self.proba)
        self.true_total = np.zeros(len(self.labels))

    def add(self, member: int) -> None:
        """Add a member to the sum."""
        self.true_total += self.true_proba[member]
        self.n_added += 1

    def signed_scores(self) -> Values:
        """Return minus the log loss of the mean with each member added."""
        return -self.log_losses(np.arange(len(self.true_proba)))

    def log_losses(self, members: Labels) -> Values:
        """Return the log loss of the mean with each of some members added."""
        losses = np.empty(len(members))
        for index, member in enumerate(members):
            losses[index] = mean_log_loss(
                (self.true_total + self.true_proba[member]) / (self.n_added + 1), self.sample_weight
            )
        return losses


class AccuracyCandidates(Candidates):
    """Accuracy can change only in rows whose winner leads by less than one member can move it.

    Adding member m moves the lead of the true class over its strongest rival, in the sum, down by at most the largest
    lead that m gives a rival, and up by at most what m gives the true class over the least probable one. As the sum
    grows, fewer and fewer rows are that close; rows in which all members are correct never are. Between additions the
    lead is known within bounds, and is looked up only where these leave open whether it is close.
    """

    def prepare(self) -> None:
        """Make what is kept."""
        n_members, n_samples, n_classes = self.proba.shape
        # Classes first: the maximum over them is then along memory.
        self.total = np.zeros((n_samples, n_classes), order="F")
        self.total += self.start
        # Rows first: one row's members lie together.
        self.by_row = np.ascontiguousarray(np.moveaxis(self.proba, 0, 1))
        self.lowest, self.highest = np.zeros(n_samples), np.zeros(n_samples)
        self.most_harm, self.most_help = np.empty(n_samples), np.empty(n_samples)
        for rows in row_blocks(n_samples, n_members * n_classes):
            by_class = np.ascontiguousarray(np.moveaxis(self.proba[:, rows], 2, 0), dtype=np.float64)
            true_proba = np.take_along_axis(by_class, self.labels[None, None, rows], axis=0)[0]
            self.most_harm[rows] = (by_class.max(axis=0) - true_proba).max(axis=0) + NEARLY_TIED
            self.most_help[rows] = (true_proba - by_class.min(axis=0)).max(axis=0) + NEARLY_TIED

    def add(self, member: int) -> None:
        """Add a member to the sum."""
        super().add(member)
        self.lowest -= self.most_harm
        self.highest += self.most_help

    def look_up(self, rows: Rows) -> None:
        """Take the leads of some rows from the sum."""
        for part in row_blocks(len(rows), self.total.shape[1]):
            some = rows[part]
            own, places = self.labels[some], np.arange(part.stop - part.start)
            by_class = self.total.T[:, some]
            true_proba = by_class[own, places]
            by_class[own, places] = -np.inf
            self.lowest[some] = self.highest[some] = true_proba - by_class.max(axis=0)

    def signed_scores(self) -> Values:
        """Return the accuracy of the mean with each member added."""
        self.look_up(np.flatnonzero((self.lowest <= self.most_harm) & (self.highest >= -self.most_help)))
        safe = self.lowest > self.most_harm
        close = np.flatnonzero(~safe & (self.highest >= -self.most_help))
        correct = np.full(len(self.proba), self.sample_weight[safe].sum())
        n_members, n_classes = self.by_row.shape[1:]
        for part in row_blocks(len(close), n_members * n_classes):
            some = close[part]
            winners = (self.total[some, None] + self.by_row[some]).argmax(axis=2)
            correct += self.sample_weight[some] @ (winners == self.labels[some, None])
        return np.asarray(correct / self.sample_weight.sum())


def mean_log_loss(true_proba: Values, sample_weight: Values) -> Values:
    """Weighted mean of minus the logarithm, clipped as the metric clips."""
    losses = -np.log(np.clip(true_proba, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP))
    return np.asarray(losses @ sample_weight / sample_weight.sum())

"""How good the running mean of greedy selection would be with each member added."""

import numpy as np

from ensembler.arrays import FEW_CLASSES, Correct, Floats, Labels, Rows, Values, row_blocks
from ensembler.combiners.missing_votes import NO_VOTE, answered, class_prior
from ensembler.metrics import METRICS, Metric
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


class ManyClassAccuracy(Candidates):
    """Accuracy where there are many classes: few rows, and few additions, need a look at all of them.

    No bag is wrong about a row in which the true class leads in every member, or correct about one in which the
    same other class leads it in every member. In the contested rest, whose leads are known within bounds as where there
    are few classes, an addition is correct where the true class leads by more than that member can change, and wrong
    where the strongest rival in the sum still wins over the true class.
    """

    def prepare(self) -> None:
        """Make what is kept: of all rows the true class's probability, of contested ones the sum."""
        self.true_proba = true_class_proba(self.labels, self.proba).astype(np.float64, copy=False)
        self.true_total = np.zeros(len(self.labels)) + np.broadcast_to(self.start, self.proba.shape[2])[self.labels]
        lead, most_help, always_correct, always_wrong = self.leads()
        harm = np.maximum(-lead, 0) + NEARLY_TIED
        self.always_correct = float(self.sample_weight[always_correct].sum())
        rows = self.contested = np.flatnonzero(~always_correct & ~always_wrong)
        self.own, self.weight, self.own_proba = self.labels[rows], self.sample_weight[rows], self.true_proba[:, rows]
        self.alone, self.harm, self.most_help = lead[:, rows], harm[:, rows], most_help[rows]
        self.most_harm = self.harm.max(axis=0)
        self.lowest, self.highest = np.zeros(len(rows)), np.zeros(len(rows))
        self.rivals = np.full(len(rows), -1)
        self.rival_proba = np.empty(self.harm.shape)
        self.total = np.zeros((len(rows), self.proba.shape[2]))
        if np.any(self.start):
            self.total += self.start
        self.added: list[int] = []
        self.n_summed = np.zeros(len(rows), dtype=np.intp)

    def leads(self) -> tuple[Values, Values, Correct, Correct]:
        """Return what additions can do to the true class's lead, and in which rows they all do the same.

        The true class's lead over its strongest rival in each member, (M, N), and what any gives it over the least
        probable one at most, (N,); in which rows no bag is wrong, and in which none is correct, both (N,).
        """
        n_members, n_samples, n_classes = self.proba.shape
        lead, most_help = np.empty((n_members, n_samples)), np.zeros(n_samples)
        rivals = np.empty((n_members, n_samples), dtype=np.intp)
        for member, proba in enumerate(self.proba):
            for rows in row_blocks(n_samples, n_classes):
                block, own, places = np.array(proba[rows]), self.labels[rows], np.arange(rows.stop - rows.start)
                true_proba = self.true_proba[member, rows]
                most_help[rows] = np.maximum(most_help[rows], true_proba - block.min(axis=1))
                block[places, own] = -np.inf
                rivals[member, rows] = block.argmax(axis=1)
                lead[member, rows] = true_proba - block[places, rivals[member, rows]]
        behind = np.flatnonzero((lead < -NEARLY_TIED).all(axis=0))
        always_wrong: Correct = np.zeros(n_samples, dtype=bool)
        for rival in rivals[:, behind]:
            ahead = self.proba[:, behind, rival] > self.true_proba[:, behind] + NEARLY_TIED
            always_wrong[behind] |= ahead.all(axis=0)
        always_correct: Correct = np.asarray((lead > NEARLY_TIED).all(axis=0))
        return lead, most_help + NEARLY_TIED, always_correct, always_wrong

    def add(self, member: int) -> None:
        """Add a member to the sum."""
        self.added.append(member)
        self.true_total += self.true_proba[member]
        self.n_added += 1
        self.lowest -= self.most_harm
        self.highest += self.most_help

    def summed(self, some: Rows) -> Values:
        """Bring the sums of some contested rows up to date, member by member as they were added; return a copy."""
        sums, n_summed = self.total[some], self.n_summed[some]
        for place in range(int(n_summed.min()), self.n_added):
            late = np.flatnonzero(n_summed <= place)
            sums[late] += self.proba[self.added[place], self.contested[some[late]]]
        self.total[some], self.n_summed[some] = sums, self.n_added
        return sums

    def look_up(self, rows: Rows) -> None:
        """Take the leads of some contested rows from the sum, and the strongest rivals of their true classes."""
        for part in row_blocks(len(rows), self.total.shape[1]):
            some = rows[part]
            sums = self.summed(some)
            own, places = self.own[some], np.arange(part.stop - part.start)
            true_proba = sums[places, own]
            sums[places, own] = -np.inf
            rivals = sums.argmax(axis=1)
            self.lowest[some] = self.highest[some] = true_proba - sums[places, rivals]
            changed = rivals != self.rivals[some]
            self.rivals[some] = rivals
            others = some[changed]
            self.rival_proba[:, others] = self.proba[:, self.contested[others], rivals[changed]]

    def signed_scores(self) -> Values:
        """Return the accuracy of the mean with each member added."""
        if self.n_added:
            self.look_up(np.flatnonzero((self.lowest <= self.most_harm) & (self.highest >= -self.most_help)))
        safe = self.lowest > self.most_harm
        close = np.flatnonzero(~safe & (self.highest >= -self.most_help))
        right, wrong = self.decided(close)
        members, places = np.nonzero(~(wrong | right))
        for part in row_blocks(len(places), self.total.shape[1]):
            who, some = members[part], close[places[part]]
            winners = (self.total[some] + self.proba[who, self.contested[some]]).argmax(axis=1)
            right[who, places[part]] = winners == self.own[some]
        correct = self.always_correct + self.weight[safe].sum() + right @ self.weight[close]
        return np.asarray(correct / self.sample_weight.sum())

    def decided(self, close: Rows) -> tuple[Correct, Correct]:
        """Return where the mean with each member added is known to be correct, and to be wrong, each (M, n)."""
        if not self.n_added:
            return self.alone[:, close] > NEARLY_TIED, self.alone[:, close] < -NEARLY_TIED
        own, rivals = self.own[close], self.rivals[close]
        reached = self.total[close, own] + self.own_proba[:, close]
        against = self.total[close, rivals] + self.rival_proba[:, close]
        wrong = (against > reached) | ((against == reached) & (rivals < own))
        return self.lowest[close] > self.harm[:, close], wrong

    def log_losses(self, members: Labels) -> Values:
        """Return the log loss of the mean with each of some members added."""
        return mean_log_loss((self.true_total + self.true_proba[members]) / (self.n_added + 1), self.sample_weight)


def mean_log_loss(true_proba: Values, sample_weight: Values) -> Values:
    """Weighted mean of minus the logarithm, clipped as the metric clips."""
    losses = -np.log(np.clip(true_proba, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP))
    return np.asarray(losses @ sample_weight / sample_weight.sum())


def candidates_for(metric: Metric, proba: Floats, labels: Labels, sample_weight: Values) -> Candidates:
    """Return the fastest bookkeeping that the metric allows."""
    if metric == METRICS["accuracy"] and proba.shape[2] > FEW_CLASSES:
        return ManyClassAccuracy(metric, proba, labels, sample_weight)
    special = {METRICS["accuracy"]: AccuracyCandidates, METRICS["log-loss"]: LogLossCandidates}
    return special.get(metric, Candidates)(metric, proba, labels, sample_weight)

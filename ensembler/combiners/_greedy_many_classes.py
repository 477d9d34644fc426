"""How accurate the running mean of greedy selection would be with each member added, where there are many classes."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Correct, Floats, Labels, Rows, Values, row_blocks, row_spans
from ensembler.combiners._greedy_candidates import NEARLY_TIED, Candidates, mean_log_loss
from ensembler.metrics import Metric
from ensembler.metrics.scores import true_class_proba
from ensembler.parallel.threads import side_by_side

FEW_RIVALS = 0.125
"""Share of all classes and rows up to which rivals are looked at alone."""
MANY_SUMS = 1 << 20
"""So many sums, and no more, are looked at by one core."""


class ManyClasses(Candidates):
    """Of the true class all members' probabilities, (M, N), and their sum in the bag, (N,), whatever else is kept."""

    true_proba: Values
    true_total: Values

    def log_losses(self, members: Labels) -> Values:
        """Return the log loss of the mean with each of some members added."""
        return mean_log_loss((self.true_total + self.true_proba[members]) / (self.n_added + 1), self.sample_weight)


class FewRivals(ManyClasses):
    """Accuracy where few classes can ever win over the true one: those that some member prefers to it.

    A bag in which every member gives the true class more than another gives it more itself. What is left of a row are
    its rivals, and of all rows those that have one; sums and maxima are of these alone, side by side in memory, row by
    row. As where there are few classes, only rows are looked at in which one member can decide.
    """

    def __init__(
        self, metric: Metric, proba: Floats, labels: Labels, sample_weight: Values, rivals: tuple[Rows, Labels]
    ) -> None:
        self.rival_rows, self.rivals = rivals
        super().__init__(metric, proba, labels, sample_weight)

    def prepare(self) -> None:
        """Make what is kept: of rivals all members' probabilities, of rows the true class's."""
        self.true_proba = true_class_proba(self.labels, self.proba).astype(np.float64, copy=False)
        start = np.zeros(self.proba.shape[2]) + self.start
        self.true_total = start[self.labels]
        of_rivals = self.proba[:, self.rival_rows, self.rivals].astype(np.float64)
        # No bag is correct about a row in which every member prefers one and the same rival.
        ahead = (of_rivals > self.true_proba[:, self.rival_rows] + NEARLY_TIED).all(axis=0)
        contested = np.zeros(len(self.labels), dtype=bool)
        contested[self.rival_rows] = True
        self.always_correct = float(self.sample_weight[~contested].sum())
        contested[self.rival_rows[ahead]] = False
        kept = contested[self.rival_rows]
        self.of_rivals, self.rivals = np.ascontiguousarray(of_rivals[:, kept]), self.rivals[kept]
        rows = self.rows = np.flatnonzero(contested)
        self.n_rivals = np.bincount(self.rival_rows[kept], minlength=len(self.labels))[rows]
        self.first = first_of_each(self.n_rivals)
        self.own, self.weight, self.own_proba = self.labels[rows], self.sample_weight[rows], self.true_proba[:, rows]
        self.is_before = self.rivals < np.repeat(self.own, self.n_rivals)
        self.total = start[self.rivals]
        if len(rows):
            harm = np.maximum.reduceat(self.of_rivals, self.first, axis=1) - self.own_proba
            help_ = self.own_proba - np.minimum.reduceat(self.of_rivals, self.first, axis=1)
            self.most_harm, self.most_help = harm.max(axis=0) + NEARLY_TIED, help_.max(axis=0) + NEARLY_TIED

    def add(self, member: int) -> None:
        """Add a member to the sums."""
        self.true_total += self.true_proba[member]
        self.total += self.of_rivals[member]
        self.n_added += 1

    def signed_scores(self) -> Values:
        """Return the accuracy of the mean with each member added."""
        correct = np.full(len(self.proba), self.always_correct)
        if len(self.rows):
            reached = self.true_total[self.rows]
            lead = reached - np.maximum.reduceat(self.total, self.first)
            safe = lead > self.most_harm
            correct += self.weight[safe].sum()
            close = ~safe & (lead >= -self.most_help)
            if close.any():
                correct += self.correct_of_each(close, reached[close]) @ self.weight[close]
        return np.asarray(correct / self.sample_weight.sum())

    def correct_of_each(self, close: Correct, reached: Values) -> Correct:
        """Return whether the mean with each member added is correct about some of the rows, (M, n)."""
        of_them = np.flatnonzero(np.repeat(close, self.n_rivals))
        first = first_of_each(self.n_rivals[close])
        total, is_before = self.total[of_them], self.is_before[of_them]
        correct = np.empty((len(self.proba), len(first)), dtype=bool)
        for member, (of_rivals, own) in enumerate(zip(self.of_rivals, self.own_proba[:, close] + reached, strict=True)):
            against = total + of_rivals[of_them]
            strongest = np.maximum.reduceat(against, first)
            correct[member] = own >= strongest
            if (own == strongest).any():
                # The first of equal classes wins.
                against[~is_before] = -np.inf
                correct[member] &= own > np.maximum.reduceat(against, first)
        return correct


class ManyClassAccuracy(ManyClasses):
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

        def look_up(part: slice) -> None:
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

        in_blocks(look_up, len(rows), self.total.shape[1])

    def signed_scores(self) -> Values:
        """Return the accuracy of the mean with each member added."""
        if self.n_added:
            self.look_up(np.flatnonzero((self.lowest <= self.most_harm) & (self.highest >= -self.most_help)))
        safe = self.lowest > self.most_harm
        close = np.flatnonzero(~safe & (self.highest >= -self.most_help))
        right, wrong = self.decided(close)
        members, places = np.nonzero(~(wrong | right))

        def decide(part: slice) -> None:
            who, some = members[part], close[places[part]]
            winners = (self.total[some] + self.proba[who, self.contested[some]]).argmax(axis=1)
            right[who, places[part]] = winners == self.own[some]

        in_blocks(decide, len(places), self.total.shape[1])
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


def in_blocks(function: Callable[[slice], None], n_rows: int, n_classes: int) -> None:
    """Call a function, which changes what belongs to the rows it is given only, with blocks of rows."""

    def of_span(span: slice) -> None:
        for part in row_blocks(span.stop - span.start, n_classes):
            function(slice(span.start + part.start, span.start + part.stop))

    side_by_side(of_span, row_spans(n_rows, n_rows * n_classes, MANY_SUMS))


def first_of_each(counts: NDArray[np.int64]) -> Rows:
    """Return where each of several runs of such lengths starts.

    >>> first_of_each(np.array([2, 1, 3])).tolist()
    [0, 2, 3]
    """
    return np.cumsum(counts) - counts


def few_rivals(proba: Floats, labels: Labels) -> tuple[Rows, Labels] | None:
    """Return the rows, ascending, and classes that some member prefers to the true class; None where they are many."""
    n_samples, n_classes = proba.shape[1:]

    def of_span(span: slice) -> tuple[Rows, Labels] | None:
        left = int((span.stop - span.start) * n_classes * FEW_RIVALS)
        rows, classes = [], []
        for part in row_blocks(span.stop - span.start, n_classes):
            some = slice(span.start + part.start, span.start + part.stop)
            row, rival = np.nonzero(preferred(proba[:, some], labels[some]))
            left -= len(row)
            if left < 0:
                return None
            rows.append(row + some.start)
            classes.append(rival)
        return np.concatenate(rows), np.concatenate(classes)

    found = side_by_side(of_span, row_spans(n_samples, proba.size))
    of_spans = [rivals for rivals in found if rivals is not None]
    if len(of_spans) < len(found):
        return None
    rows, classes = (np.concatenate(parts) for parts in zip(*of_spans, strict=True))
    return rows, classes


def preferred(proba: Floats, labels: Labels) -> Correct:
    """Return which classes some member prefers to the true one of each row, or gives as much, (n, C)."""
    places = np.arange(len(labels))
    found = np.zeros(proba.shape[1:], dtype=bool)
    for member in proba:
        # As near below the true class as a tie may be, in the precision of the block.
        bound = np.nextafter((member[places, labels] - 2 * NEARLY_TIED).astype(proba.dtype), proba.dtype.type(-1))
        found |= member >= bound[:, None]
    found[places, labels] = False
    return found


def of_many_classes(metric: Metric, proba: Floats, labels: Labels, sample_weight: Values) -> Candidates:
    """Return the bookkeeping of rivals where they are few, else of all classes."""
    rivals = few_rivals(proba, labels)
    if rivals is None:
        return ManyClassAccuracy(metric, proba, labels, sample_weight)
    return FewRivals(metric, proba, labels, sample_weight, rivals)

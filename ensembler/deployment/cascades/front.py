"""The cascades that no cheaper one equals, found by looking at every pair of committees and every threshold.

A two-stage cascade asks a committee first, keeps its answer where its confidence is above a threshold, and passes the
other rows on to a larger committee. With the rows in descending order of confidence and the first k kept, it is correct
about as many rows as the larger committee, plus the sum over those k of what the first is correct about and the other
is not (minus the reverse), and costs :math:`c_1 + (c_2 - c_1)(N - k)/N` a row. Rows of equal confidence stop together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Correct, Rows, Values
from ensembler.deployment.cascades.committees import Answers, Committees
from ensembler.deployment.cascades.costs import Costs
from ensembler.deployment.cascades.scan import FirstStage, Found, Known
from ensembler.parallel.progress import Progress

BINS = 1 << 13
"""Bins of accuracy where rows have weights."""
VALUES_AT_ONCE = 1 << 19
"""Answers of committees that are looked at together, so that they stay at hand."""


@dataclass(frozen=True)
class Route:
    """A cascade as committees by number, and the confidence above which a row stops at each but the last."""

    committees: tuple[int, ...]
    thresholds: tuple[float, ...] = ()


@dataclass(frozen=True)
class PricedRoute:
    """A route with what it reaches and costs on the rows it was found on.

    Attributes
    ----------
    route : Route
    value : float
        The weight of the rows that it is correct about.
    cost : float
        Of a row, on average.
    """

    route: Route
    value: float
    cost: float


@dataclass(frozen=True, eq=False)
class RowOutcomes:
    """What a route does with each of N rows.

    Attributes
    ----------
    stage : (N,) intp
        Where the row stops.
    correct : (N,) bool
    cost : (N,)
    predicted : (N,)
        The class.
    """

    stage: Rows
    correct: Correct
    cost: Values
    predicted: NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class CascadeData:
    """Committees, what they answer on N rows, and what they cost: all that a cascade is made of.

    Attributes
    ----------
    committees : Committees
    answers : Answers
    costs : (S,)
        Of each committee.
    weight : (N,)
        Of the rows, with mean 1.
    weighted : bool
        Whether those differ.
    n_first : int
        So many committees may come before others: the smaller ones.
    """

    committees: Committees
    answers: Answers
    costs: Values
    weight: Values
    weighted: bool
    n_first: int

    @classmethod
    def of(
        cls, committees: Committees, answers: Answers, costs: Costs, sample_weight: Values | None, n_first: int
    ) -> "CascadeData":
        """Put together what is known of committees on some rows."""
        n_rows = answers.correct.shape[1]
        weight = np.ones(n_rows) if sample_weight is None else sample_weight
        return cls(committees, answers, costs.of(committees.inside), weight, sample_weight is not None, n_first)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.weight)

    def follow(self, route: Route) -> RowOutcomes:
        """Send the rows through a route."""
        stage = np.zeros(self.n_rows, dtype=np.intp)
        passed = np.ones(self.n_rows, dtype=bool)
        for place, threshold in enumerate(route.thresholds):
            passed &= ~(self.answers.confidence[route.committees[place]] > threshold)
            stage[passed] = place + 1
        committees, rows = np.array(route.committees)[stage], np.arange(self.n_rows)
        return RowOutcomes(
            stage=stage,
            correct=self.answers.correct[committees, rows].astype(bool),
            cost=self.costs[committees],
            predicted=self.answers.predicted[committees, rows],
        )

    def price(self, route: Route) -> PricedRoute:
        """Return what a route reaches and costs."""
        rows = self.follow(route)
        return PricedRoute(
            route, float(self.weight[rows.correct].sum()), float(np.average(rows.cost, weights=self.weight))
        )


@dataclass(frozen=True, eq=False)
class Front:
    """The routes that no cheaper or equally cheap one surpasses, cheapest first.

    Attributes
    ----------
    routes : tuple of PricedRoute
    n_cascades : int
        How many cascades were looked at.
    """

    routes: tuple[PricedRoute, ...]
    n_cascades: int

    def merged(self, others: Sequence[PricedRoute], n_cascades: int) -> "Front":
        """Return the front of these and other routes."""
        everything = [*self.routes, *others]
        value = np.array([entry.value for entry in everything])
        cost = np.array([entry.cost for entry in everything])
        kept = surviving(np.lexsort((np.arange(len(value)), -value, cost)), value)
        return Front(tuple(everything[place] for place in kept), self.n_cascades + n_cascades)


def surviving(order: Rows, value: Values) -> Rows:
    """Return the entries that have more value than all before them in an order, which goes by cost."""
    ordered = value[order]
    before = np.concatenate([[-np.inf], np.maximum.accumulate(ordered)[:-1]])
    return order[ordered > before + 1e-9]


def single_stages(data: CascadeData) -> list[PricedRoute]:
    """Return every committee alone as a cascade of one stage."""
    values = data.answers.correct @ data.weight
    return [
        PricedRoute(Route((committee,)), float(value), float(cost))
        for committee, (value, cost) in enumerate(zip(values, data.costs, strict=True))
    ]


def two_stages(data: CascadeData, progress: Progress | None = None) -> Front:
    """Look at every pair of committees, one within the other, and every threshold."""
    scan = Scan(data)
    singles = single_stages(data)
    scan.learn(singles)
    everyone = np.arange(data.n_rows)
    for committee in range(data.n_first):
        followers = data.committees.supersets(committee)
        if len(followers):
            scan.of(Route((committee,)), everyone, followers)
        if progress is not None and committee % 64 == 0:
            progress(committee, data.n_first, "pairs of committees")
    return Front((), len(singles)).merged([*singles, *scan.found()], scan.n_cascades)


def with_further_stage(data: CascadeData, front: Front, progress: Progress | None = None) -> Front:
    """Give every route of a front one stage more, at its end or before its beginning, where that is worth it."""
    scan = Scan(data)
    scan.learn(front.routes)
    earlier: list[PricedRoute] = []
    n_earlier = 0
    for number, entry in enumerate(front.routes):
        route, rows = entry.route, data.follow(entry.route)
        last = np.flatnonzero(rows.stage == len(route.committees) - 1)
        followers = data.committees.supersets(route.committees[-1])
        if len(followers) and len(last) > 1 and len(route.committees) > 1:
            scan.of(route, last, followers)
        if len(route.committees) > 1:
            before = data.committees.subsets(route.committees[0])
            made, looked_at = with_stage_before(data, route, rows, before[before < data.n_first])
            earlier += made
            n_earlier += looked_at
        if progress is not None:
            progress(number, len(front.routes), "further stages")
    return front.merged([*scan.found(), *earlier], scan.n_cascades + n_earlier)


def with_stage_before(
    data: CascadeData, route: Route, rows: RowOutcomes, committees: NDArray[np.int32]
) -> tuple[list[PricedRoute], int]:
    """Return the best routes with one of the committees before a route, which answers what that one is unsure of."""
    found: list[PricedRoute] = []
    looked_at = 0
    weight, total = data.weight, data.weight.sum()
    for committee in committees.tolist():
        order, ends = by_confidence(data.answers.confidence[committee])
        correct = data.answers.correct[committee][order]
        gained = (weight * rows.correct)[order] - weight[order] * correct
        # The first k rows are kept; all from there on are passed to the route.
        value = (weight[order] * correct).sum() + np.cumsum(gained[::-1])[::-1]
        price = data.costs[committee]
        cost = price + np.cumsum((weight * (rows.cost - price))[order][::-1])[::-1] / total
        places = np.flatnonzero(ends)
        looked_at += len(places)
        kept = places[surviving(np.lexsort((-value[places], cost[places])), value[places])]
        confidence = data.answers.confidence[committee][order]
        found += [
            PricedRoute(
                Route((committee, *route.committees), (between(confidence, place), *route.thresholds)),
                float(value[place]),
                float(cost[place]),
            )
            for place in kept.tolist()
        ]
    return found, looked_at


def by_confidence(confidence: Values) -> tuple[Rows, Correct]:
    """Return the rows in descending order of confidence, and at which places it is lower than just before.

    Rows of equal confidence come in any order: no threshold is between them.
    """
    order = np.argsort(-confidence)
    ordered = confidence[order]
    ends = np.zeros(len(order), dtype=bool)
    ends[1:] = ordered[1:] < ordered[:-1]
    return order, ends


def between(confidence: Values, place: int) -> float:
    """Return a threshold between a place and the one before, of confidences in descending order."""
    low, high = float(confidence[place]), float(confidence[place - 1])
    middle = low + (high - low) / 2
    return middle if middle < high else low


class Scan:
    """Looks at thresholds of first stages with all that may follow, and keeps what nothing known surpasses."""

    def __init__(self, data: CascadeData) -> None:
        self.data = data
        self.total = float(data.weight.sum())
        scale = BINS / self.total if data.weighted else 1.0
        # Sums of weights may end a bin beyond their total, by rounding.
        self.known = Known(np.full(round(self.total * scale) + 4, np.inf), scale, data.weighted)
        self.routes: list[tuple[Route, Values]] = []
        self.kept = np.empty((0, 5))
        self.n_cascades = 0

    def learn(self, known: Sequence[PricedRoute]) -> None:
        """Take note of cascades that are known, so that only better ones are kept."""
        self.known.learn(np.array([entry.value for entry in known]), np.array([entry.cost for entry in known]))

    def of(self, route: Route, rows: Rows, followers: NDArray[np.int32]) -> None:
        """Look at a route, the last stage of which answers some rows, with each committee that may follow it."""
        data = self.data
        last = route.committees[-1]
        order, ends = by_confidence(data.answers.confidence[last][rows])
        ordered = rows[order]
        weight = data.weight[ordered]
        whole = data.price(route) if route.thresholds else None
        correct = weight * data.answers.correct[last][ordered]
        first = FirstStage(
            ends=ends,
            correct=correct,
            weight=weight,
            passed=np.cumsum(weight[::-1])[::-1] / self.total,
            base=float(correct.sum()) if whole is None else whole.value,
            cost=float(data.costs[last]) if whole is None else whole.cost,
        )
        number = len(self.routes)
        self.routes.append((route, data.answers.confidence[last][ordered]))
        self.n_cascades += len(followers) * int(np.count_nonzero(ends))
        at_once = max(1, VALUES_AT_ONCE // len(ordered))
        for begin in range(0, len(followers), at_once):
            some = followers[begin : begin + at_once]
            answers = data.answers.correct[some].take(ordered, axis=1)
            found = first.followed(answers, data.costs[some] - data.costs[last], self.known)
            self.keep(number, some[found.second], found)

    def keep(self, route: int, committees: NDArray[np.int32], found: Found) -> None:
        """Add what was found to what is kept, and drop what is surpassed."""
        if not len(committees):
            return
        self.known.learn(found.value, found.cost)
        added = np.column_stack([np.full(len(committees), route), committees, found.kept, found.cost, found.value])
        both = np.concatenate([self.kept, added])
        order = np.lexsort((both[:, 2], both[:, 1], both[:, 0], -both[:, 4], both[:, 3]))
        self.kept = both[surviving(order, both[:, 4])]

    def found(self) -> Iterator[PricedRoute]:
        """Return what was found, cheapest first."""
        for number, second, kept, cost, value in self.kept.tolist():
            route, confidence = self.routes[int(number)]
            threshold = between(confidence, int(kept))
            yield PricedRoute(
                Route((*route.committees, int(second)), (*route.thresholds, threshold)), float(value), float(cost)
            )

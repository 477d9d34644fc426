"""Which cascade of a front is wanted."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ensembler.deployment.cascades.front import CascadeData, Front, PricedRoute, Route
from ensembler.errors import NotApplicableError, ParameterError, UnknownNameError, UsageError, argument, spelled
from ensembler.metrics.paired import standard_error_of_mean
from ensembler.predictions.prediction_set import Predictions


@dataclass(frozen=True)
class Goal:
    """What a cascade has to reach, on the rows that it is chosen on.

    At most one of the three; without any, the cheapest cascade within one standard error of the best one is wanted: of
    the paired difference, as a committee is chosen by `subsets`.

    Attributes
    ----------
    accuracy : float or None
        At least this accuracy, for as little as possible.
    budget : float or None
        The best that costs at most this share of all members.
    match_full : bool
        At least the accuracy of all members, for as little as possible.
    """

    accuracy: float | None = None
    budget: float | None = None
    match_full: bool = False

    @classmethod
    def of(cls, target: float | None = None, budget: float | None = None, match: str | None = None) -> Self:
        """Check what is wanted.

        Raises
        ------
        UsageError
            Two goals at once.
        ParameterError
            A share that is none.
        """
        given = [
            name for name, value in (("target", target), ("budget", budget), ("match", match)) if value is not None
        ]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(map(argument, given))} exclude one another; give one of them")
        if match not in (None, "full"):
            raise UnknownNameError(f"value of {argument('match')}", str(match), ("full",))
        if target is not None and not 0 < target <= 1:
            raise ParameterError(
                f"{spelled('--target accuracy', 'target')} is {target:g}, expected a share of rows above 0, up to 1"
            )
        if budget is not None and not 0 < budget <= 1:
            raise ParameterError(
                f"{argument('budget')} is {budget:g}, expected a share of the cost of all members above 0, up to 1"
            )
        return cls(target, budget, match == "full")

    @property
    def given(self) -> bool:
        """Whether there is any."""
        return self != Goal()

    @property
    def words(self) -> str:
        """The goal, as it ends a sentence."""
        if self.accuracy is not None:
            return f"the cheapest of accuracy {self.accuracy:.4g} or more"
        if self.budget is not None:
            return f"the best of at most {self.budget:.3g} of the cost of all members"
        if self.match_full:
            return "the cheapest that is as accurate as all members"
        return "the cheapest within one standard error of the best"

    def choose(self, front: Front, data: CascadeData, rows: Predictions) -> PricedRoute:
        """Return the route of a front that is wanted, on the rows that it was found on.

        Raises
        ------
        NotApplicableError
            There is none.
        """
        routes, total = front.routes, float(data.weight.sum())
        if self.budget is not None:
            affordable = [
                entry for entry in routes if entry.cost <= self.budget * data.costs[data.committees.whole] * (1 + 1e-12)
            ]
            if not affordable:
                share = routes[0].cost / data.costs[data.committees.whole]
                raise NotApplicableError(
                    f"nothing costs at most {self.budget:.3g} of all members: the cheapest member costs {share:.3g}"
                )
            return affordable[-1]
        if self.accuracy is None and not self.match_full:
            return cheapest_of_the_best(front, data, rows)
        wanted = (
            self.accuracy * total if self.accuracy is not None else data.price(Route((data.committees.whole,))).value
        )
        reaching = [entry for entry in routes if entry.value >= wanted - 1e-9 * total]
        if not reaching:
            raise NotApplicableError(
                f"no cascade reaches accuracy {wanted / total:.4g} on the rows it is chosen on; the best reaches "
                f"{routes[-1].value / total:.4f}"
            )
        return reaching[0]


def cheapest_of_the_best(front: Front, data: CascadeData, rows: Predictions) -> PricedRoute:
    """Return the cheapest route within one standard error of the most accurate one."""
    best = data.follow(front.routes[-1].route).correct.astype(np.float64)
    for entry in front.routes:
        lead = best - data.follow(entry.route).correct
        weight = data.weight if data.weighted else None
        if np.average(lead, weights=weight) <= standard_error_of_mean(lead, weight, rows.groups):
            return entry
    return front.routes[-1]

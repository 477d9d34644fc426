"""What a cascade consists of."""

from dataclasses import dataclass

import numpy as np

from ensembler.deployment.cascades.costs import Costs
from ensembler.deployment.cascades.guarantee import Guarantee
from ensembler.deployment.recipe import Recipe


@dataclass(frozen=True)
class Stage:
    """A stage of a cascade.

    Attributes
    ----------
    members : tuple of int
        Of its committee, by number: those of the stages before it, and others.
    threshold : float or None
        A row stops here if the committee's confidence is above; None for the last stage, where every row stops.
    """

    members: tuple[int, ...]
    threshold: float | None = None


@dataclass(frozen=True, eq=False)
class CascadeDefinition:
    """The stages of a cascade with their thresholds, the rule that combines members, and what those cost.

    Attributes
    ----------
    recipe : Recipe
        The rule, fitted on all members, and their names; committees of some keep its weights.
    steps : tuple of Stage
    confidence : str
        What the confidence is read from: "top-probability", "margin", "entropy" or "agreement".
    costs : Costs
    guarantee : Guarantee, optional
        What the thresholds promise.
    """

    recipe: Recipe
    steps: tuple[Stage, ...]
    confidence: str
    costs: Costs
    guarantee: Guarantee | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All members of the set that it was fitted on, in order."""
        return self.recipe.names

    @property
    def n_members(self) -> int:
        """Number of those."""
        return self.recipe.n_members

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return self.recipe.n_classes

    @property
    def members_read(self) -> tuple[int, ...]:
        """Numbers of the members of its last stage; no others are ever asked."""
        return self.steps[-1].members

    def added(self, stage: int) -> tuple[int, ...]:
        """Return the members that a stage has and the one before has not."""
        before = self.steps[stage - 1].members if stage else ()
        return tuple(member for member in self.steps[stage].members if member not in before)

    def stage_cost(self, stage: int) -> float:
        """Return what a row costs that stops at a stage."""
        inside = np.zeros((1, self.n_members), dtype=bool)
        inside[0, list(self.steps[stage].members)] = True
        return float(self.costs.of(inside)[0])

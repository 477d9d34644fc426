"""Any rule with temperature scaling before it or after it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from ensembler.arrays import Floats, Labels, Values
from ensembler.combiners.base import Combiner, clone, require
from ensembler.metrics.temperature import apply_temperature, fit_temperature
from ensembler.serialization import from_plain, to_plain


@dataclass
class Calibrated(Combiner):
    """A rule with temperature scaling before it or after it, fitted on the same rows as the rule.

    Parameters
    ----------
    rule : Combiner
    step : "members" or "ensemble"
        Each member gets a temperature before the rule sees it (calibrate, then pool); or the rule's result gets one
        (pool, then calibrate: Rahaman & Thiery 2021, arXiv 2007.08792).
    """

    rule: Combiner
    step: Literal["members", "ensemble"] = "ensemble"

    source: ClassVar[str] = "Guo et al. 2017, arXiv 1706.04599"

    def __post_init__(self) -> None:
        # Tables and JSON call it by the rule's name; the temperatures stand beside.
        vars(self)["name"], vars(self)["complexity"] = self.rule.name, self.rule.complexity

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters by name; another rule inside gives its name."""
        super().set_params(**parameters)
        self.__post_init__()
        return self

    @property
    def weights_(self) -> Values:
        """The weights of the rule inside, where it has some."""
        return self.rule_.weights_

    @weights_.setter
    def weights_(self, weights: ArrayLike) -> None:
        self.rule_.weights_ = weights  # type: ignore[assignment]

    def names_members_by_number(self) -> bool:
        """Whether the rule inside does."""
        return self.rule.names_members_by_number()

    def check_parameters(self) -> None:
        """Refuse unknown steps."""
        require(self.step in ("members", "ensemble"), self, "step", "'members' or 'ensemble'")
        self.rule.check_parameters()

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        inner = clone(self.rule)
        if self.step == "members":
            self.temperatures_ = np.array([fit_temperature(member, labels, sample_weight) for member in proba])
            proba = self._members(proba)
        self.rule_ = inner.fit(proba, labels, sample_weight, check_input=False)
        if self.step == "ensemble":
            self.temperatures_ = np.array(
                [fit_temperature(self.rule_.predict_proba(proba, check_input=False), labels, sample_weight)]
            )

    def _members(self, proba: Floats) -> Values:
        pairs = zip(proba, self.temperatures_, strict=True)
        return np.stack([apply_temperature(member, temperature) for member, temperature in pairs])

    def _scores(self, proba: Floats) -> Values:
        if self.step == "members":
            return self.rule_.scores(self._members(proba), check_input=False)
        return apply_temperature(self.rule_.predict_proba(proba, check_input=False), float(self.temperatures_[0]))

    def to_proba(self, scores: Values) -> Values:
        """Turn what `scores` returned into probabilities."""
        return self.rule_.to_proba(scores) if self.step == "members" else scores

    def needs_probabilities(self) -> bool:
        """Return True: hard labels have no confidence to calibrate."""
        return True

    def members_used(self) -> tuple[int, ...]:
        """Return the members that the rule inside reads."""
        self._require_fitted("ask for its members")
        return self.rule_.members_used()

    def n_fitted(self) -> int:
        """Count the rule's own numbers and the temperatures."""
        return self.rule_.n_fitted() + len(self.temperatures_)

    def fitted(self) -> dict[str, Any]:
        """Return what the rule learned, and the temperatures."""
        return {**self.rule_.fitted(), "temperatures": self.temperatures_.tolist()}

    def state(self) -> dict[str, Any]:
        """Return what the rule has fitted, and the temperatures."""
        return {"rule": self.rule_.state(), "temperatures_": to_plain(self.temperatures_)}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Give the rule what it had fitted, and take the temperatures."""
        self.rule_ = clone(self.rule).restore(state["rule"])
        self.n_members_, self.n_classes_ = self.rule_.n_members_, self.rule_.n_classes_
        self.temperatures_ = from_plain(state["temperatures_"])
        return self

    def bind(self, names: Sequence[str], metadata: Sequence[Mapping[str, Any]]) -> Self:
        """Bind the rule inside."""
        return replace(self, rule=self.rule.bind(names, metadata))

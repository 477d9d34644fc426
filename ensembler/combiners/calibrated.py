"""Any rule with temperature scaling before it or after it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ensembler.arrays import Floats, Labels, Values
from ensembler.combiners.base import clone, require
from ensembler.combiners.fitted_state import Kind, Numbers
from ensembler.combiners.wrapped import WrappedRule
from ensembler.metrics.temperature import COLDEST, HOTTEST, apply_temperature, fit_temperature


@dataclass
class Calibrated(WrappedRule):
    """A rule with temperature scaling before it or after it, fitted on the same rows as the rule.

    Parameters
    ----------
    rule : Combiner
    step : "members" or "ensemble"
        Each member gets a temperature before the rule sees it (calibrate, then pool); or the rule's result gets one
        (pool, then calibrate: Rahaman & Thiery 2021, arXiv 2007.08792).
    """

    step: Literal["members", "ensemble"] = "ensemble"

    source: ClassVar[str] = "Guo et al. 2017, arXiv 1706.04599"
    reported: ClassVar[tuple[str, ...]] = ("temperatures_",)
    fitted_state: ClassVar[Mapping[str, Kind]] = {
        "temperatures_": Numbers("T", low=COLDEST / 2, high=HOTTEST * 2),
        **WrappedRule.fitted_state,
    }

    def check_parameters(self) -> None:
        """Refuse unknown steps."""
        require(self.step in ("members", "ensemble"), self, "step", "'members' or 'ensemble'")
        super().check_parameters()

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

    def _state_sizes(self, M: int, C: int) -> dict[str, int]:
        return {"T": M if self.step == "members" else 1}

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

    def fits_proper_score(self) -> bool:
        """With a temperature after it, every rule does."""
        return self.step == "ensemble" or self.rule.fits_proper_score()

    def needs_probabilities(self) -> bool:
        """Return True: hard labels have no confidence to calibrate."""
        return True

    def n_fitted(self) -> int:
        """Count the rule's own numbers and the temperatures."""
        return self.rule_.n_fitted() + len(self.temperatures_)

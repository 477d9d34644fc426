"""The mean of several rules' probabilities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np

from ensembler.arrays import Floats, Labels, Values, present_classes
from ensembler.combiners.base import Combiner, clone, require, restore_inside
from ensembler.combiners.fitted_state import Kind, Numbers, RuleState, Several
from ensembler.combiners.registry import make_rule
from ensembler.combiners.simplex import SimplexWeights
from ensembler.combiners.stratified import stratified_folds
from ensembler.serialization import to_plain

DEFAULT_RULES = ("log-pool", "stacking")
MOST_FOLDS = 5


@dataclass
class Blend(Combiner):
    r"""Mean of the probabilities of several rules, all fitted on the same rows.

    .. math:: s_c = \sum_k v_k\, p_k(c)

    with the probabilities :math:`p_k` of rule k and :math:`v_k = 1/K`, or the mixture weights with the least log loss
    of the rules' out-of-fold probabilities (5 stratified folds, fewer where a class has fewer rows).

    Parameters
    ----------
    rules : sequence of str or Combiner
        As on the command line, ``["log-pool:ridge=0", "stacking"]``.
    weights : "equal" or "log-loss"

    Attributes
    ----------
    rules_ : list of Combiner
        The fitted rules.
    blend_weights_ : (K,) float64, summing to 1

    References
    ----------
    Wolpert, Stacked generalization, Neural Networks 5 (1992) 241–259, doi 10.1016/S0893-6080(05)80023-1; Clemen,
    Combining forecasts, Int. J. Forecasting 5 (1989) 559–583, doi 10.1016/0169-2070(89)90012-5, on equal weights.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1]], [[0.5, 0.5]], [[0.7, 0.3]]])
    >>> Blend(["mean", "max"]).fit(proba, [0]).predict_proba(proba).round(3)
    array([[0.671, 0.329]])
    """

    name: ClassVar[str] = "blend"
    family: ClassVar[str] = "stacked"
    source: ClassVar[str] = "Clemen 1989, doi 10.1016/0169-2070(89)90012-5"
    complexity: ClassVar[int] = 170
    list_position: ClassVar[int] = 12
    reported: ClassVar[tuple[str, ...]] = ("blend_weights_",)
    fitted_state: ClassVar[Mapping[str, Kind]] = {
        "blend_weights_": Numbers("K", low=0.0, some=True),
        "rules": Several(RuleState(), size="K"),
    }

    rules: Sequence[str | Combiner] = DEFAULT_RULES
    weights: Literal["equal", "log-loss"] = "equal"

    def check_parameters(self) -> None:
        """Refuse unknown rules and fewer than two of them."""
        valid = isinstance(self.rules, (list, tuple)) and len(self.rules) > 1
        valid = valid and all(isinstance(rule, (str, Combiner)) for rule in self.rules)
        require(valid, self, "rules", 'a list of at least two rules, as in rules=["log-pool","stacking"]')
        require(self.weights in ("equal", "log-loss"), self, "weights", "'equal' or 'log-loss'")
        self._rule_objects()

    def _rule_objects(self) -> list[Combiner]:
        return [make_rule(rule) for rule in self.rules]

    def bind(self, names: Sequence[str], metadata: Sequence[Mapping[str, Any]]) -> Self:
        """Bind the rules inside; those given as text stay text."""
        bound = [rule.bind(names, metadata) for rule in self._rule_objects()]
        pairs = zip(self.rules, bound, strict=True)
        return replace(self, rules=[rule.to_text() if isinstance(given, str) else rule for given, rule in pairs])

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        self.rules_ = self._fitted_rules(proba, labels, sample_weight, self.__dict__.pop("_reused", {}))
        n_rules = len(self.rules_)
        self.blend_weights_ = np.full(n_rules, 1.0 / n_rules)
        if self.weights == "log-loss":
            outputs = self._out_of_fold(proba, labels, sample_weight)
            if outputs is not None:
                self.blend_weights_ = SimplexWeights().fit(outputs, labels, sample_weight, check_input=False).weights_

    def reuse(self, fitted: Mapping[str, Combiner]) -> Self:
        """Return a blend that takes rules of its own that are fitted already."""
        known = replace(self)
        known._reused = dict(fitted)
        return known

    def _fitted_rules(
        self, proba: Floats, labels: Labels, sample_weight: Values, reused: Mapping[str, Combiner]
    ) -> list[Combiner]:
        # Text describes a rule fully; an object may hold a function that another one of the same name differs from.
        pairs = zip(self.rules, self._rule_objects(), strict=True)
        rules = [reused.get(rule.to_text(), rule) if isinstance(given, str) else clone(rule) for given, rule in pairs]
        return [
            rule if hasattr(rule, "n_members_") else rule.fit(proba, labels, sample_weight, check_input=False)
            for rule in rules
        ]

    def _out_of_fold(self, proba: Floats, labels: Labels, sample_weight: Values) -> Values | None:
        """Return the (K, N, C) probabilities of rules that have not seen the row; None where rows are too few."""
        n_folds = min(MOST_FOLDS, int(np.bincount(labels)[present_classes(labels)].min()))
        if n_folds < 2:
            return None
        outputs = np.empty((len(self.rules_), *proba.shape[1:]))
        for train, rest in stratified_folds(labels, n_folds, seed=0):
            rules = self._fitted_rules(proba[:, train], labels[train], sample_weight[train], {})
            outputs[:, rest] = [rule.predict_proba(proba[:, rest], check_input=False) for rule in rules]
        return outputs

    def _scores(self, proba: Floats) -> Values:
        outputs = (rule.predict_proba(proba, check_input=False) for rule in self.rules_)
        return np.asarray(sum(w * output for w, output in zip(self.blend_weights_, outputs, strict=True)))

    def fits_proper_score(self) -> bool:
        """As soon as all of the rules do."""
        return all(rule.fits_proper_score() for rule in self._rule_objects())

    def needs_probabilities(self) -> bool:
        """As soon as one of the rules does."""
        return any(rule.needs_probabilities() for rule in self._rule_objects())

    def takes_long(self, n_members: int, n_samples: int, n_classes: int) -> str | None:
        """Return the reason of the first rule that has one."""
        reasons = (rule.takes_long(n_members, n_samples, n_classes) for rule in self._rule_objects())
        return next((reason for reason in reasons if reason is not None), None)

    def needs_every_vote(self) -> bool:
        """As soon as one of the rules does."""
        return any(rule.needs_every_vote() for rule in self._rule_objects())

    @property
    def class_prior_(self) -> Values:
        """What a row gets that nobody answers, from the rules."""
        return self.rules_[0].class_prior_

    @class_prior_.setter
    def class_prior_(self, prior: Values) -> None:
        for rule in self.rules_:
            rule.class_prior_ = prior

    def names_members_by_number(self) -> bool:
        """As soon as one of the rules does."""
        return any(rule.names_members_by_number() for rule in self._rule_objects())

    def members_used(self) -> tuple[int, ...]:
        """Return the members that any of the rules reads."""
        self._require_fitted("ask for its members")
        weighted = zip(self.rules_, self.blend_weights_, strict=True)
        return tuple(sorted({member for rule, weight in weighted if weight for member in rule.members_used()}))

    def n_fitted(self) -> int:
        """All numbers of the rules, and the weights of the blend."""
        blended = len(self.rules_) - 1 if self.weights == "log-loss" else 0
        return sum(rule.n_fitted() for rule in self.rules_) + blended

    def fitted(self) -> dict[str, Any]:
        """Return the weights of the blend, and what each rule has learned."""
        return {**super().fitted(), "rules": {rule.to_text(): rule.fitted() for rule in self.rules_}}

    def state(self) -> dict[str, Any]:
        """Return what the rules have fitted, and the weights of the blend."""
        self._require_fitted("save it")
        return {
            "n_members_": self.n_members_,
            "n_classes_": self.n_classes_,
            "blend_weights_": to_plain(self.blend_weights_),
            "rules": [rule.state() for rule in self.rules_],
        }

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Give the rules what they had fitted."""
        values = self.take_state(state)
        self.n_members_, self.n_classes_ = sizes = values["n_members_"], values["n_classes_"]
        self.blend_weights_ = values["blend_weights_"]
        pairs = zip(self._rule_objects(), values["rules"], strict=True)
        self.rules_ = [restore_inside(clone(rule), fitted, *sizes) for rule, fitted in pairs]
        return self

    def _state_sizes(self, M: int, C: int) -> dict[str, int]:
        return {"K": len(self.rules)}

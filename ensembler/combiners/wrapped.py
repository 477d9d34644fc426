"""What rules around another rule have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike

from ensembler.arrays import Values
from ensembler.combiners.base import Combiner, clone, restore_inside
from ensembler.combiners.fitted_state import SIZES, Kind, RuleState
from ensembler.serialization import to_plain


@dataclass
class WrappedRule(Combiner):
    """A rule with something fitted around it, called by the name of the rule inside.

    A subclass fits a clone of ``rule`` as ``rule_``, and lists in `reported` what it learns beside it.

    Parameters
    ----------
    rule : Combiner
    """

    fitted_state: ClassVar[Mapping[str, Kind]] = {"rule": RuleState()}

    rule: Combiner

    def __post_init__(self) -> None:
        # Tables and JSON call it by the rule's name; what is fitted around it stands beside.
        for name in ("name", "complexity", "never_recommended"):
            vars(self)[name] = getattr(self.rule, name)

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

    @property
    def class_prior_(self) -> Values:
        """What a row gets that nobody answers, from the rule inside."""
        return self.rule_.class_prior_

    @class_prior_.setter
    def class_prior_(self, prior: Values) -> None:
        self.rule_.class_prior_ = prior

    def check_parameters(self) -> None:
        """Check those of the rule inside."""
        self.rule.check_parameters()

    def names_members_by_number(self) -> bool:
        """Whether the rule inside does."""
        return self.rule.names_members_by_number()

    def fits_proper_score(self) -> bool:
        """Whether the rule inside does."""
        return self.rule.fits_proper_score()

    def needs_probabilities(self) -> bool:
        """Whether the rule inside does."""
        return self.rule.needs_probabilities()

    def needs_every_vote(self) -> bool:
        """Whether the rule inside does."""
        return self.rule.needs_every_vote()

    def members_used(self) -> tuple[int, ...]:
        """Return the members that the rule inside reads."""
        self._require_fitted("ask for its members")
        return self.rule_.members_used()

    def fitted(self) -> dict[str, Any]:
        """Return what the rule inside learned, and what is fitted around it."""
        return {**self.rule_.fitted(), **super().fitted()}

    def state(self) -> dict[str, Any]:
        """Return what the rule inside has fitted, and what is fitted around it."""
        self._require_fitted("save it")
        around = {name: to_plain(getattr(self, name)) for name in (*SIZES, *self.reported)}
        return {**around, "rule": self.rule_.state()}

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Give the rule inside what it had fitted, and take the rest."""
        values = self.take_state(state)
        inside = values.pop("rule")
        for name, value in values.items():
            setattr(self, name, value)
        self.rule_ = restore_inside(clone(self.rule), inside, self.n_members_, self.n_classes_)
        return self

    def bind(self, names: Sequence[str], metadata: Sequence[Mapping[str, Any]]) -> Self:
        """Bind the rule inside."""
        return replace(self, rule=self.rule.bind(names, metadata))

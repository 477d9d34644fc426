"""A mean with weights that the user gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Floats, Labels, Values
from ensembler.combiners.additive import WeightedMean
from ensembler.combiners.base import check_weights, is_number
from ensembler.combiners.fitted_state import Kind
from ensembler.errors import ParameterError, UnknownNameError

EXAMPLE = 'weights=[0.7,0.3], or by name weights={"vgg":0.7,"resnet":0.3}'


@dataclass
class FixedWeights(WeightedMean):
    r"""Mean weighted as the user says; nothing is learned.

    .. math:: s_c = \sum_m w_m\, p_m(c), \qquad w_m \ge 0

    Parameters
    ----------
    weights : sequence of float, or mapping from member name to float
        Only ratios matter. By name, members that are not named have no weight; names need `bind`, which every command
        and `compare_rules` call.

    Attributes
    ----------
    weights_ : (M,) float64, summing to 1

    References
    ----------
    Kuncheva, Combining Pattern Classifiers, 2nd ed. 2014, chapter 5, doi 10.1002/9781118914564.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1]], [[0.4, 0.6]]])
    >>> FixedWeights([3, 1]).predict_proba(proba)
    array([[0.775, 0.225]])
    """

    name: ClassVar[str] = "fixed-weights"
    family: ClassVar[str] = "weighted"
    source: ClassVar[str] = "weights given by the user"
    complexity: ClassVar[int] = 85
    needs_parameters: ClassVar[bool] = True
    is_trainable: ClassVar[bool] = False
    fitted_state: ClassVar[Mapping[str, Kind]] = WeightedMean.fitted_state
    takes_missing_votes: ClassVar[bool] = True

    weights: Sequence[float] | NDArray[np.floating] | Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.weights, np.ndarray):
            self.weights = self.weights.tolist()

    def check_parameters(self) -> None:
        """Refuse weights that are missing, negative or no numbers."""
        if isinstance(self.weights, Mapping):
            values: Any = list(self.weights.values())
        else:
            values = np.asarray(self.weights).tolist() if self.weights is not None else None
        valid = (
            isinstance(values, list) and len(values) > 0 and all(is_number(value) and value >= 0 for value in values)
        )
        if not valid or not any(values):
            raise ParameterError(
                f"{self.name}: weights is {self.weights!r}, expected one number >= 0 a member, not all 0: {EXAMPLE}"
            )

    def bind(self, names: Sequence[str], metadata: Sequence[Mapping[str, Any]]) -> Self:
        """Return the rule with one weight a member, in their order."""
        if not isinstance(self.weights, Mapping):
            return self
        for name in self.weights:
            if name not in names:
                raise UnknownNameError("member in weights", name, names)
        return replace(self, weights=[float(self.weights.get(name, 0.0)) for name in names])

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        if isinstance(self.weights, Mapping):
            raise ParameterError(f"{self.name}: weights are by name; call bind(names, metadata) before fit")
        assert self.weights is not None
        self._take(check_weights(self.weights, (self.n_members_,), f"{self.name}: weights"))

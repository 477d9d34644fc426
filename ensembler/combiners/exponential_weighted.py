"""Kim's exponential weights: a power of each member's accuracy, the power tuned on the fitting rows."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ensembler.arrays import Floats, Labels, Values, softmax
from ensembler.combiners._weight_grid import accuracy_over_grid
from ensembler.combiners.additive import FittedMean
from ensembler.combiners.base import is_number, require
from ensembler.combiners.fitted_state import ACCURACY, WEIGHTS, Kind, Number, Numbers
from ensembler.combiners.missing_votes import answered, vote_accuracy
from ensembler.errors import FitWarning
from ensembler.metrics.scores import log_loss

GRIDS = {"power": (-50.0, 150.0), "exp-accuracy": (0.0, 200.0), "exp-loss": (0.0, 200.0)}
MOST_GRID_POINTS = 1_000_001


@dataclass
class ExponentialWeightedAverage(FittedMean):
    r"""Mean weighted by a power of accuracy, VA-expo-WA of Kim et al.

    .. math:: s_c = \sum_m w_m\, p_m(c), \qquad w_m = \frac{a_m^q}{\sum_j a_j^q} = \operatorname{softmax}_m(q \log a_m)

    where q is the value of the grid −50.0, −49.9, …, 150.0 with the best accuracy of the weighted average on the
    fitting rows. q = 0 is the simple mean, q = 1 the accuracy-weighted mean, q → ∞ the best member. Accuracies are
    clipped to :math:`[1/(2N), 1 - 1/(2N)]`.

    Parameters
    ----------
    form : "power", "exp-accuracy" or "exp-loss"
        Kim's rule, or its relatives :math:`w_m \propto e^{\beta a_m}` and
        :math:`w_m \propto e^{-\beta\,\mathrm{NLL}_m}`, which are common use and not Kim's; β is tuned like q, on the
        grid 0, 0.1, …, 200.
    q_min, q_max : float, optional
        Ends of the grid; by default those above.
    q_step : float
        Its step.
    plateau : "smallest", "nearest-zero" or "middle"
        Which of equally good values is taken: the smallest as in the source, the one nearest to zero (the smaller of
        two), or the middle of the longest run (the first of equally long ones).

    Attributes
    ----------
    q_ : float
        The tuned q, or β.
    weights_ : (M,) float64, summing to 1
    accuracy_ : (M,) float64
        Of the members, each on the rows that it has answered, after clipping.
    q_grid_, grid_accuracy_ : (Q,) float64
        Each value tried, and the accuracy of the weighted average on the fitting rows that any member has answered.
    plateau_width_ : int
        How many values of the grid share the best accuracy.

    Warns
    -----
    FitWarning
        The tuned value is negative (weak members weigh more) or an end of the grid.

    References
    ----------
    Kim et al., J. Multimodal User Interfaces 10 (2016) 173–189, doi 10.1007/s12193-015-0209-0.

    Examples
    --------
    >>> import numpy as np
    >>> proba = np.array([[[0.6, 0.4], [0.3, 0.7], [0.6, 0.4]], [[0.1, 0.9], [0.4, 0.6], [0.3, 0.7]]])
    >>> rule = ExponentialWeightedAverage().fit(proba, [0, 1, 0])
    >>> rule.q_, rule.plateau_width_, rule.weights_.round(2)
    (1.6, 1485, array([0.81, 0.19]))
    """

    name: ClassVar[str] = "exponential-weighted"
    family: ClassVar[str] = "weighted"
    source: ClassVar[str] = "Kim et al. 2016 (VA-expo-WA), doi 10.1007/s12193-015-0209-0"
    complexity: ClassVar[int] = 130
    freezable: ClassVar[bool] = True
    list_position: ClassVar[int] = 5
    takes_missing_votes: ClassVar[bool] = True
    reported: ClassVar[tuple[str, ...]] = ("weights_", "q_", "plateau_width_")
    fitted_state: ClassVar[Mapping[str, Kind]] = {
        "weights_": WEIGHTS,
        "accuracy_": ACCURACY,
        "q_": Number(),
        "q_grid_": Numbers("Q"),
        "grid_accuracy_": Numbers("Q", low=0.0, high=1.0 + 1e-9),
        "plateau_width_": Number(1, MOST_GRID_POINTS, whole=True),
    }

    form: Literal["power", "exp-accuracy", "exp-loss"] = "power"
    q_min: float | None = None
    q_max: float | None = None
    q_step: float = 0.1
    plateau: Literal["smallest", "nearest-zero", "middle"] = "smallest"

    def check_parameters(self) -> None:
        """Refuse unknown forms and impossible grids."""
        require(self.form in GRIDS, self, "form", "'power', 'exp-accuracy' or 'exp-loss'")
        require(self.q_min is None or is_number(self.q_min), self, "q_min", "a number")
        require(self.q_max is None or is_number(self.q_max), self, "q_max", "a number")
        require(is_number(self.q_step) and self.q_step > 0, self, "q_step", "a number above 0")
        low, high = self._ends()
        require(low <= high, self, "q_min", f"at most q_max, which is {high:g}")
        enough = (high - low) / self.q_step < MOST_GRID_POINTS
        require(enough, self, "q_step", f"a step that makes at most {MOST_GRID_POINTS:,} grid values")
        require(
            self.plateau in ("smallest", "nearest-zero", "middle"),
            self,
            "plateau",
            "'smallest', 'nearest-zero' or 'middle'",
        )

    def _ends(self) -> tuple[float, float]:
        low, high = GRIDS[self.form]
        return low if self.q_min is None else self.q_min, high if self.q_max is None else self.q_max

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        low, high = self._ends()
        n_values = int(np.floor((high - low) / self.q_step + 1e-9)) + 1
        self.q_grid_ = np.round(low + self.q_step * np.arange(n_values), 10)
        self.accuracy_ = vote_accuracy(labels, proba, sample_weight, clip=True)
        match self.form:
            case "power":
                strength = np.log(self.accuracy_)
            case "exp-accuracy":
                strength = self.accuracy_
            case _:
                strength = -log_loss(labels, proba, sample_weight)
        grid_weights = softmax(self.q_grid_[:, None] * strength)
        kept = answered(proba).any(axis=0)
        if not kept.all():
            proba, labels, sample_weight = proba[:, kept], labels[kept], sample_weight[kept]
        self.grid_accuracy_ = accuracy_over_grid(proba, labels, sample_weight, grid_weights)
        tied = self.grid_accuracy_ == self.grid_accuracy_.max()
        self.plateau_width_ = int(tied.sum())
        chosen = self._pick(np.flatnonzero(tied))
        self.q_, self.weights_ = float(self.q_grid_[chosen]), grid_weights[chosen]
        self._warn(chosen)

    def _pick(self, tied: Labels) -> int:
        """Return the grid index taken from those of equal accuracy."""
        if self.plateau == "smallest":
            return int(tied[0])
        if self.plateau == "nearest-zero":
            return int(tied[np.abs(self.q_grid_[tied]).argmin()])
        runs = np.split(tied, np.flatnonzero(np.diff(tied) > 1) + 1)
        longest = max(runs, key=len)
        return int(longest[(len(longest) - 1) // 2])

    def _warn(self, chosen: int) -> None:
        if self.n_members_ == 1 or len(self.q_grid_) == 1:
            return
        symbol = "q" if self.form == "power" else "beta"
        plateau = f"{self.plateau_width_} of {len(self.q_grid_)} grid values share the best accuracy"
        if chosen in (0, len(self.q_grid_) - 1):
            message = f"{self.name}: {symbol} = {self.q_:g} is an end of its grid ({plateau})"
        elif self.q_ < 0:
            message = f"{self.name}: {symbol} = {self.q_:g} is negative, so weaker members weigh more ({plateau})"
        else:
            return
        warnings.warn(message, FitWarning, stacklevel=2)

    def needs_probabilities(self) -> bool:
        """Only the form that looks at the loss."""
        return self.form == "exp-loss"

    def n_fitted(self) -> int:
        """One accuracy (or loss) a member, and q."""
        return self.n_members_ + 1

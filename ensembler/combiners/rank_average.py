"""Mean ranks of a row among the fitting rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ensembler.arrays import Floats, Labels, Values
from ensembler.combiners.base import Combiner
from ensembler.combiners.fitted_state import Kind, Numbers
from ensembler.errors import ValueRangeError


@dataclass
class RankAverage(Combiner):
    r"""Mean over members of how high the row ranks in each class among the fitting rows (rank averaging).

    .. math::
        s_c = \frac1M \sum_m F_{mc}\bigl(p_m(c)\bigr), \qquad
        F_{mc}(p) = \frac1N \Bigl( \#\{i : p_{im}(c) < p\} + \tfrac12 \#\{i : p_{im}(c) = p\} \Bigr)

    one class against the rest; with two classes the second one's ranks alone are used, and the first gets what is left
    of 1. A single row has an answer, since its ranks are among the fitting rows, of which no labels are used. Ranks put
    members on one scale that are confident in different degrees, which suits metrics of ranks, as ``roc-auc``. They
    forget how frequent classes are: half of the rows are above the middle in each class, so that answers are poor where
    classes are not balanced. ``--balance`` and ``--calibrate ensemble`` compose. A fitted rule keeps M·C·N numbers, and
    twice as many with row weights, and so does its file.

    Attributes
    ----------
    values_ : (M, K, N) float64
        The fitting rows' probabilities of each member and class, sorted; K is C, or 1 with two classes.
    mass_ : (1, 1, N + 1) or (M, K, N + 1) float64
        The share of rows (or of their weights) before each place; the same for all without row weights.

    References
    ----------
    Kuncheva, Combining Pattern Classifiers, 2nd ed. 2014, section 5.3, doi 10.1002/9781118914564; mid-ranks as in
    Conover & Iman, Am. Stat. 35 (1981) 124–129, doi 10.1080/00031305.1981.10479327.

    Examples
    --------
    >>> import numpy as np
    >>> steep = np.array([0.01, 0.02, 0.97, 0.98])
    >>> flat = np.array([0.49, 0.5, 0.51, 0.52])
    >>> proba = np.stack([np.stack([1 - p, p], axis=-1) for p in (steep, flat)])
    >>> RankAverage().fit(proba).scores(proba)[:, 1]
    array([0.125, 0.375, 0.625, 0.875])
    """

    name: ClassVar[str] = "rank-average"
    family: ClassVar[str] = "fixed"
    source: ClassVar[str] = "Kuncheva 2014, sec. 5.3, doi 10.1002/9781118914564"
    is_trainable: ClassVar[bool] = False
    complexity: ClassVar[int] = 75
    list_position: ClassVar[int] = 2000
    by_default: ClassVar[bool] = False
    reported: ClassVar[tuple[str, ...]] = ()
    fitted_state: ClassVar[Mapping[str, Kind]] = {
        "values_": Numbers("MKN", low=0.0, high=1.1),
        "mass_": Numbers("ABP", low=0.0, high=1.0 + 1e-9),
    }

    def _fit(self, proba: Floats, labels: Labels, sample_weight: Values) -> None:
        columns = self._columns(proba)
        share = sample_weight / sample_weight.sum()
        if (share == share[0]).all():
            self.values_ = np.sort(columns, axis=-1)
            self.mass_ = np.linspace(0.0, 1.0, len(share) + 1)[None, None]
            return
        order = np.argsort(columns, axis=-1)
        self.values_ = np.take_along_axis(columns, order, axis=-1)
        self.mass_ = np.zeros((*columns.shape[:2], len(share) + 1))
        self.mass_[..., 1:] = np.minimum(np.cumsum(share[order], axis=-1), 1.0)

    def _columns(self, proba: Floats) -> Values:
        """Return the (M, K, N) probabilities whose ranks count, in single precision: a tie is one in any file."""
        kept = proba[..., 1:] if proba.shape[2] == 2 else proba
        return np.ascontiguousarray(kept.transpose(0, 2, 1), dtype=np.float32).astype(np.float64)

    def _scores(self, proba: Floats) -> Values:
        columns = self._columns(proba)
        mass = np.broadcast_to(self.mass_, (*self.values_.shape[:2], self.mass_.shape[-1]))
        total = np.zeros(columns.shape[1:])
        for member, (given, known) in enumerate(zip(columns, self.values_, strict=True)):
            for column, (asked, values) in enumerate(zip(given, known, strict=True)):
                # Sorted questions walk through the values once.
                order = np.argsort(asked)
                below = np.searchsorted(values, asked[order])
                up_to = np.searchsorted(values, asked[order], side="right")
                share = mass[member, column]
                total[column, order] += (share[below] + share[up_to]) / 2
        ranks = total.T / len(columns)
        return np.concatenate([1.0 - ranks, ranks], axis=1) if proba.shape[2] == 2 else np.ascontiguousarray(ranks)

    def take_state(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a saved state, of which there are as many shares as values."""
        values = super().take_state(state)
        n_members, n_columns, n_rows = values["values_"].shape
        expected = 1 if values["n_classes_"] == 2 else values["n_classes_"]
        if n_columns != expected:
            raise ValueRangeError(f"{self.name}: values_ has {n_columns} columns, expected {expected}")
        if values["mass_"].shape not in ((1, 1, n_rows + 1), (n_members, n_columns, n_rows + 1)):
            raise ValueRangeError(
                f"{self.name}: mass_ has shape {values['mass_'].shape}, expected ({n_members}, {n_columns}, "
                f"{n_rows + 1}), or 1 for the first two"
            )
        for name in ("values_", "mass_"):
            if (np.diff(values[name], axis=-1) < 0).any():
                raise ValueRangeError(f"{self.name}: {name} is not sorted")
        return values

    def needs_probabilities(self) -> bool:
        """Return True: hard labels have no order."""
        return True

"""What a study of cascades comes to, as plain facts."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ensembler.comparison.outcome import PairedTest
from ensembler.comparison.protocol import SplitResult
from ensembler.deployment.cascades.costs import Costs
from ensembler.deployment.cascades.definition import CascadeDefinition
from ensembler.deployment.cascades.guarantee import BROKEN, Guarantee
from ensembler.metrics.intervals import Interval
from ensembler.predictions.provenance import provenance
from ensembler.serialization import document

SCHEMA = "ensembler.cascade/1"


@dataclass(frozen=True)
class StageSummary:
    """A stage of a cascade with its members by name; ``threshold`` is None for the last one."""

    members: tuple[str, ...]
    threshold: float | None


@dataclass(frozen=True)
class FrontPoint:
    """A cascade that no cheaper one equals on the fitting rows, and what became of it on the scored ones.

    Attributes
    ----------
    stages : tuple of StageSummary
    accuracy, cost_share : float
        On the scored rows; the cost of a row on average, as a share of all members'.
    val_accuracy, val_cost_share : float
        On the fitting rows, where it was found.
    against_full, against_best_member : float
        Differences of accuracy on the scored rows, with the 95 % intervals that follow (difference ± 1.96 standard
        errors of the paired difference).
    """

    stages: tuple[StageSummary, ...]
    accuracy: float
    cost_share: float
    val_accuracy: float
    val_cost_share: float
    against_full: float
    against_full_interval: Interval | None
    against_best_member: float
    against_best_member_interval: Interval | None
    chosen: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**vars(self), "stages": [vars(stage) for stage in self.stages]}


@dataclass(frozen=True)
class ClassShare:
    """How one class fares: its scored rows, the share passed on, and the accuracy of those that stop and do not.

    ``accuracy_full`` is that of all members on the rows that were passed on.
    """

    name: str
    n_rows: int
    escalated: float
    accuracy_stopped: float | None
    accuracy_escalated: float | None
    accuracy_full: float | None


@dataclass(frozen=True)
class CascadeSummary:
    """The cascade that is wanted, on the scored rows.

    Attributes
    ----------
    stages : tuple of StageSummary
    accuracy, val_accuracy : float
        On the scored and on the fitting rows.
    cost, full_cost : float
        Of a scored row on average, and of all members.
    val_cost : float
        Of a fitting row.
    reached : tuple of float
        The share of scored rows that reach each stage; 1 for the first.
    full_accuracy, best_member_accuracy : float
    val_full_accuracy : float
        Of all members on the fitting rows.
    best_member : str
        The member that is most accurate on the fitting rows.
    best_member_cost : float
    against_full, against_best_member : PairedTest
    disagreement, disagreement_with_last : float
        The share of scored rows with another answer than all members', and than its last stage's.
    by_class : tuple of ClassShare
    """

    stages: tuple[StageSummary, ...]
    accuracy: float
    val_accuracy: float
    cost: float
    val_cost: float
    full_cost: float
    reached: tuple[float, ...]
    full_accuracy: float
    val_full_accuracy: float
    best_member: str
    best_member_accuracy: float
    best_member_cost: float
    against_full: PairedTest
    against_best_member: PairedTest
    disagreement: float
    disagreement_with_last: float
    by_class: tuple[ClassShare, ...]

    @property
    def cost_share(self) -> float:
        """The cost as a share of all members'."""
        return self.cost / self.full_cost

    @property
    def escalated(self) -> float:
        """The share of rows that the first stage passes on."""
        return self.reached[1] if len(self.reached) > 1 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        tests = {"against_full": self.against_full.to_dict(), "against_best_member": self.against_best_member.to_dict()}
        return {
            **vars(self),
            **tests,
            "stages": [vars(stage) for stage in self.stages],
            "cost_share": self.cost_share,
            "escalated": self.escalated,
            "by_class": [vars(share) for share in self.by_class],
        }


@dataclass(frozen=True, eq=False)
class CascadeStudy(SplitResult):
    """Cascades found on the fitting rows of a split, and what they reach on the scored ones.

    Attributes
    ----------
    rule : str
    confidence : str
    n_stages : int
    wanted : str
        The cascade that is, in words.
    definition : CascadeDefinition
        The one that is wanted, fitted on all fitting rows.
    summary : CascadeSummary
        Where rows are cross-fitted, cascades that were chosen anew without each fold.
    front : tuple of FrontPoint
        Cheapest first.
    guarantee : Guarantee or None
    n_cascades : int
        How many were looked at.
    exact : bool
        Whether that were all of them.
    stage : (N,)
        The stage at which each scored row stopped.
    """

    rule: str
    confidence: str
    n_stages: int
    wanted: str
    definition: CascadeDefinition
    summary: CascadeSummary
    front: tuple[FrontPoint, ...]
    guarantee: Guarantee | None
    n_cascades: int
    exact: bool
    stage: NDArray[np.intp]

    @property
    def costs(self) -> Costs:
        """What members cost."""
        return self.definition.costs

    def to_dict(self, command: str | None = None) -> dict[str, Any]:
        """Return the document that ``--json`` prints."""
        guarantee = None if self.guarantee is None else {**self.guarantee.to_dict(), "breaks": BROKEN}
        body = {
            "n_rows": self.predictions.n_samples,
            "n_classes": self.predictions.n_classes,
            "members": self.predictions.names,
            "rule": self.rule,
            "confidence": self.confidence,
            "wanted": self.wanted,
            **self.summary.to_dict(),
            "guarantee": guarantee,
            "n_cascades": self.n_cascades,
            "exact": self.exact,
            "costs": self.costs.to_dict(self.predictions.names),
            "protocol": vars(self.protocol),
            "front": [point.to_dict() for point in self.front],
        }
        return document(SCHEMA, body, provenance(self.predictions, self.protocol.seed, command))

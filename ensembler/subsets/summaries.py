"""What a study or a search of committees comes to: the values that ``--json`` prints, and that tables and figures read.

Values are in the metric's own direction. Shapley values, Banzhaf values and effects are turned so that more is better,
regrets so that less is.
"""

from dataclasses import dataclass, field
from typing import Any

from ensembler.comparison.outcome import Advice, PairedTest
from ensembler.comparison.protocol import Protocol
from ensembler.predictions.prediction_set import Predictions
from ensembler.predictions.provenance import provenance
from ensembler.serialization import document
from ensembler.subsets.baselines import Baselines
from ensembler.subsets.shortcuts import Regret

STUDY_SCHEMA, SEARCH_SCHEMA = "ensembler.subsets/2", "ensembler.subsets-search/1"


@dataclass(frozen=True)
class CommitteeEntry:
    """A committee: its members, and what it reaches on the scored rows and on the rows it is chosen by.

    Attributes
    ----------
    mask : int or str
        Bit m stands for member m; decimal text where JSON numbers would lose bits.
    members : tuple of str
    size : int
    accuracy, val_accuracy : float, float or None
        On the scored rows, and on the rows that committees are chosen by where these are others.
    value, val_value : float or None
        The same in the metric of the study; None in a study by accuracy.
    cost : float or None
        Of a committee on the cost front.
    """

    mask: int | str
    members: tuple[str, ...]
    size: int
    accuracy: float
    val_accuracy: float | None
    value: float | None = None
    val_value: float | None = None
    cost: float | None = None

    @property
    def score(self) -> float:
        """What it reaches on the scored rows in the metric of the study."""
        return self.accuracy if self.value is None else self.value

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; those that a study does not have are left out."""
        plain: dict[str, Any] = {
            "mask": self.mask,
            "members": self.members,
            "size": self.size,
            "accuracy": self.accuracy,
            "val_accuracy": self.val_accuracy,
        }
        if self.value is not None:
            plain |= {"value": self.value, "val_value": self.val_value}
        if self.cost is not None:
            plain["cost"] = self.cost
        return plain


@dataclass(frozen=True)
class SizeEntry:
    """The committees of one size on the scored rows: how they are spread, and which is the best."""

    size: int
    n_subsets: int
    worst: float
    median: float
    best: float
    mask: int | str
    members: tuple[str, ...]


@dataclass(frozen=True)
class MemberValue:
    """What a member is worth: by itself, on average over committees, and how often adding it helped and hurt."""

    name: str
    alone: float
    shapley: float
    banzhaf: float
    helped: float
    hurt: float
    mean_effect: float
    standard_error: float | None


@dataclass(frozen=True)
class EffectsSummary:
    """What adding any member to a committee did, over how many pairs, and what no member at all reaches."""

    helped_at_all: float
    n_pairs: int
    sampled: bool
    no_member: float


@dataclass(frozen=True)
class OptimismSummary:
    """The selection optimism of the luckiest committee, and how that was computed."""

    method: str
    accuracy: float
    corrected: float
    optimism: float
    n_subsets: int
    n_resamples: int
    lower_bound: bool


@dataclass(frozen=True)
class CostSummary:
    """Committees that no cheaper one equals, and the cheapest within one standard error of the best."""

    unit: str
    front: tuple[CommitteeEntry, ...]
    cheapest: CommitteeEntry

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "unit": self.unit,
            "front": [entry.to_dict() for entry in self.front],
            "cheapest": self.cheapest.to_dict(),
        }


def tests_against(baselines: Baselines | None) -> dict[str, Any]:
    """Return the tests of a committee as plain values for JSON."""
    best = None if baselines is None else baselines.against_best_member
    return {
        "against_recommended": None if baselines is None else baselines.against_recommended.to_dict(),
        "against_best_member": None if best is None else best.to_dict(),
    }


@dataclass(frozen=True)
class RuleSummary:
    """One rule on every committee.

    Attributes
    ----------
    best : tuple of CommitteeEntry
        The first ones in the order of the rows that committees are chosen by.
    chosen, luckiest, whole : CommitteeEntry or None
        The first on these rows, the best on the scored rows, and the committee of all members.
    against_whole : PairedTest or None
        The chosen one against all members, by accuracy.
    baselines : Baselines or None
        The chosen one against what is recommended without choosing members, and against the best single model.
    nested : float or None
        What choosing a committee anew in each fold reaches.
    members, effects, regret : None where not every committee was evaluated
        What each member is worth, and how far shortcuts stay behind the best committee of each size.
    """

    rule: str
    n_subsets: int
    sizes: tuple[int, int]
    complete: bool
    optimistic: bool
    best: tuple[CommitteeEntry, ...]
    chosen: CommitteeEntry | None
    luckiest: CommitteeEntry
    whole: CommitteeEntry | None
    against_whole: PairedTest | None
    baselines: Baselines | None
    nested: float | None
    optimism: OptimismSummary | None
    by_size: tuple[SizeEntry, ...]
    notes: tuple[str, ...]
    members: tuple[MemberValue, ...] | None
    effects: EffectsSummary | None
    cost: CostSummary | None
    regret: tuple[Regret, ...] | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "rule": self.rule,
            "n_subsets": self.n_subsets,
            "sizes": self.sizes,
            "complete": self.complete,
            "optimistic": self.optimistic,
            "best": [entry.to_dict() for entry in self.best],
            "chosen": None if self.chosen is None else self.chosen.to_dict(),
            "luckiest": self.luckiest.to_dict(),
            "whole": None if self.whole is None else self.whole.to_dict(),
            "against_whole": None if self.against_whole is None else self.against_whole.to_dict(),
            **tests_against(self.baselines),
            "nested": self.nested,
            "optimism": None if self.optimism is None else vars(self.optimism),
            "by_size": [vars(size) for size in self.by_size],
            "notes": self.notes,
            "members": None if self.members is None else [vars(member) for member in self.members],
            "effects": None if self.effects is None else vars(self.effects),
            "cost": None if self.cost is None else self.cost.to_dict(),
            "regret": None if self.regret is None else [vars(regret) for regret in self.regret],
        }


@dataclass(frozen=True)
class StudySummary:
    """All rules of a study on every committee, with what they have in common."""

    predictions: Predictions = field(repr=False)
    metric: str
    weights_frozen: bool
    calibrate: str
    must: tuple[str, ...]
    costs: tuple[float, ...] | None
    protocol: Protocol
    advice: Advice | None
    rules: tuple[RuleSummary, ...]
    left_out: tuple[tuple[str, str], ...]

    @property
    def members(self) -> tuple[str, ...]:
        """The names of all members."""
        return self.predictions.names

    def to_dict(self, command: str | None = None) -> dict[str, Any]:
        """Return the document that ``--json`` prints."""
        body = {
            "n_rows": self.predictions.n_samples,
            "n_classes": self.predictions.n_classes,
            "metric": self.metric,
            "weights_frozen": self.weights_frozen,
            "calibrate": self.calibrate,
            "members": self.members,
            "must": self.must,
            "costs": self.costs,
            "protocol": vars(self.protocol),
            "recommended": None if self.advice is None else self.advice.rule,
            "rules": [rule.to_dict() for rule in self.rules],
            "left_out": [{"name": name, "reason": reason} for name, reason in self.left_out],
        }
        return document(STUDY_SCHEMA, body, provenance(self.predictions, self.protocol.seed, command))


@dataclass(frozen=True)
class SearchRuleSummary:
    """One rule's search: the best committee of each size that it came upon, and the chosen one."""

    rule: str
    n_subsets: int
    best: tuple[CommitteeEntry, ...]
    chosen: CommitteeEntry
    nested: float | None
    by_size: tuple[CommitteeEntry, ...]
    baselines: Baselines | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, in the shape of an exact study's."""
        return {
            "rule": self.rule,
            "n_subsets": self.n_subsets,
            "best": [entry.to_dict() for entry in self.best],
            "chosen": self.chosen.to_dict(),
            "luckiest": None,
            **tests_against(self.baselines),
            "nested": self.nested,
            "by_size": [entry.to_dict() for entry in self.by_size],
        }


@dataclass(frozen=True)
class SearchSummary:
    """All rules of a search, with what they have in common."""

    predictions: Predictions = field(repr=False)
    width: int
    sizes: tuple[int, int]
    weights_frozen: bool
    calibrate: str
    must: tuple[str, ...]
    protocol: Protocol
    advice: Advice | None
    rules: tuple[SearchRuleSummary, ...]
    left_out: tuple[tuple[str, str], ...]
    metric: str = "accuracy"

    @property
    def members(self) -> tuple[str, ...]:
        """The names of all members."""
        return self.predictions.names

    def to_dict(self, command: str | None = None) -> dict[str, Any]:
        """Return the document that ``--json`` prints."""
        body = {
            "n_rows": self.predictions.n_samples,
            "n_classes": self.predictions.n_classes,
            "metric": self.metric,
            "search": "greedy" if self.width == 1 else "beam",
            "width": self.width,
            "members": self.members,
            "weights_frozen": self.weights_frozen,
            "calibrate": self.calibrate,
            "must": self.must,
            "protocol": vars(self.protocol),
            "recommended": None if self.advice is None else self.advice.rule,
            "rules": [rule.to_dict() for rule in self.rules],
            "left_out": [{"name": name, "reason": reason} for name, reason in self.left_out],
        }
        return document(SEARCH_SCHEMA, body, provenance(self.predictions, self.protocol.seed, command))

"""What a comparison found, and how it is written down."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ensembler.combiners.base import Combiner
from ensembler.comparison.verdict import PairedTest, Verdict
from ensembler.errors import UnknownNameError
from ensembler.metrics.calibration import Reliability
from ensembler.metrics.intervals import Interval
from ensembler.metrics.temperature import AtBestTemperature
from ensembler.predictions.files import write_text
from ensembler.predictions.prediction_set import Predictions
from ensembler.predictions.provenance import provenance
from ensembler.serialization import is_plain, jsonable, object_name

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "ensembler.bench/1"
REFERENCE = "the best member"
"""The name under which the best member is fitted beside the rules, as what they are measured against."""


@dataclass(frozen=True)
class Protocol:
    """Which rows weights were fitted on and which were scored."""

    fit_on: str
    folds: int | None
    fraction: float | None
    seed: int
    optimistic: bool
    n_fit: int
    n_scored: int
    notes: list[str] = field(default_factory=list)

    @property
    def how_chosen(self) -> str:
        """How a rule was chosen, to be read after its name; without validation rows, all rows take part in it."""
        if self.optimistic:
            return "chosen by cross-fitting on the scored rows themselves"
        return "chosen by nested cross-fitting" if self.fit_on == "cross" else "chosen without the scored rows"


@dataclass
class MemberScore:
    """A member by itself: its metrics on the scored rows and its accuracy on the fitting rows."""

    name: str
    metrics: dict[str, float]
    recall: NDArray[np.float64]
    fit_accuracy: float | None
    interval: Interval | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "name": self.name,
            **jsonable(self.metrics),
            "accuracy_interval": jsonable(self.interval),
            "fit_accuracy": self.fit_accuracy,
            "recall": jsonable(self.recall),
        }


@dataclass
class RuleScore:
    """A rule: what it was, what it learned, and how it scored.

    Attributes
    ----------
    name : str
        As on the command line, with the parameters that were given.
    rule : Combiner
        Fitted on the fitting rows; in cross-fitting, on all rows.
    metrics : dict
        On the scored rows; NaN where the metric means nothing.
    recall : (C,)
        Of each class on the scored rows.
    gain : float
        By how much it beats the best member chosen on the fitting rows, in the first metric; positive is better.
    choice_score : float or None
        The first metric, cross-fitted inside the fitting rows: what rules are chosen by.
    fold_rules : list of Combiner
        In cross-fitting, the rule as fitted for each fold.
    notes : list of str
        What was doubtful in the fit.
    proba : (N, C)
        On the scored rows.
    intervals : dict
        95 % interval of each metric; Wilson's for accuracy, else bootstrap.
    calibration, reliability
        The log loss at the best temperature, and the reliability diagram; None with hard labels.
    against_best, against_mean : PairedTest or None
        The paired comparison with the best member and with the simple mean.
    """

    name: str
    rule: Combiner
    metrics: dict[str, float]
    recall: NDArray[np.float64]
    proba: NDArray[np.float64]
    gain: float = math.nan
    choice_score: float | None = None
    fold_rules: list[Combiner] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    intervals: dict[str, Interval | None] = field(default_factory=dict)
    against_best: PairedTest | None = None
    against_mean: PairedTest | None = None
    calibration: AtBestTemperature | None = None
    reliability: Reliability | None = None

    def heaviest_member(self, names: Sequence[str]) -> str:
        """Return the member with the largest weight; several where folds differ in it."""
        chosen = dict.fromkeys(int(np.argmax(rule.weights_)) for rule in self.fold_rules or [self.rule])
        return " / ".join(names[member] for member in chosen)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        fitted = self.rule.fitted()
        document = {
            "name": self.name,
            "rule": self.rule.name,
            "parameters": parameters(self.rule),
            **self.metrics,
            "gain": self.gain,
            "choice_score": self.choice_score,
            "intervals": self.intervals,
            "against_best_member": None if self.against_best is None else self.against_best.to_dict(),
            "against_mean": None if self.against_mean is None else self.against_mean.to_dict(),
            "calibration": None if self.calibration is None else vars(self.calibration),
            "reliability": None if self.reliability is None else vars(self.reliability),
            "n_fitted": self.rule.n_fitted(),
            "recall": self.recall,
            "weights": fitted.pop("weights", None),
            "fitted": fitted,
            "notes": self.notes,
        }
        if self.fold_rules:
            document["weights_by_fold"] = [rule.fitted().get("weights") for rule in self.fold_rules]
        plain = jsonable(document)
        assert isinstance(plain, dict)
        return plain


@dataclass
class Comparison:
    """The result of `compare_rules`.

    Attributes
    ----------
    predictions, scored : Predictions
        The whole set, and the rows that were scored: the same, but for a comparison that fits on a part of them.
    rules : list of RuleScore
        Best first by the first metric.
    members : list of MemberScore
        In the order of the prediction set.
    best_member : RuleScore or None
        The best member chosen on the fitting rows (in cross-fitting, chosen anew for each fold); None where the rows
        cannot be divided into folds.
    chosen, luckiest : str or None
        The rule to use, picked without the scored rows; and the best on them, which luck has helped.
    nested : dict or None
        In cross-fitting: the first metric of choosing a rule in each fold without that fold, and the choices.
    calibrate : "none", "members" or "ensemble"
        Where temperatures were fitted.
    verdict : Verdict or None
        What is noise, and the rule to use.
    left_out : list of (name, reason)
    oracle : float
        Share of rows in which any member is right; no rule that picks among members' answers can do better.
    """

    predictions: Predictions
    scored: Predictions
    protocol: Protocol
    metric_names: list[str]
    members: list[MemberScore]
    rules: list[RuleScore]
    best_member: RuleScore | None
    left_out: list[tuple[str, str]]
    oracle: float
    chosen: str | None
    luckiest: str | None
    nested: dict[str, Any] | None = None
    verdict: Verdict | None = None
    calibrate: str = "none"
    warnings: list[str] = field(default_factory=list)

    def __getitem__(self, name: str) -> RuleScore:
        """Return the rule of that name."""
        for entry in self.rules:
            if entry.name == name:
                return entry
        raise UnknownNameError("rule in this comparison", name, [entry.name for entry in self.rules])

    @property
    def metric(self) -> str:
        """The name of the metric that ranks and chooses."""
        return self.metric_names[0]

    @property
    def best_member_name(self) -> str | None:
        """Which member the best member is; several where folds chose differently."""
        if self.best_member is None:
            return None
        return self.best_member.heaviest_member(self.predictions.names)

    def __repr__(self) -> str:
        """Return what was chosen and what it reached."""
        if self.chosen is None:
            return f"<Comparison: {len(self.rules)} rules, none chosen>"
        reached = f"{self.metric} {self[self.chosen].metrics[self.metric]:.4f}"
        return f"<Comparison: {len(self.rules)} rules, chosen {self.chosen}: {reached}>"

    def to_dict(self, command: str | None = None) -> dict[str, Any]:
        """Return the whole result as plain values: what ``--json`` prints."""
        document = {
            "schema": SCHEMA,
            "n_rows": self.predictions.n_samples,
            "n_classes": self.predictions.n_classes,
            "class_names": list(self.predictions.classes),
            "metric": self.metric,
            "protocol": vars(self.protocol),
            "calibrate": self.calibrate,
            "members": [member.to_dict() for member in self.members],
            "oracle": {"accuracy": self.oracle},
            "best_member": None
            if self.best_member is None
            else {
                "name": self.best_member_name,
                **self.best_member.metrics,
                "intervals": self.best_member.intervals,
                "recall": self.best_member.recall,
            },
            "combiners": [entry.to_dict() for entry in self.rules],
            "left_out": [{"name": name, "reason": reason} for name, reason in self.left_out],
            "chosen": self.chosen,
            "luckiest": self.luckiest,
            "nested": self.nested,
            "verdict": None if self.verdict is None else describe_verdict(self.verdict),
            "warnings": self.warnings,
            "reproducibility": provenance(self.predictions, self.protocol.seed, command),
        }
        plain = jsonable(document)
        assert isinstance(plain, dict)
        return plain

    def to_html(self, path: str | Path | None = None, *, title: str | None = None) -> str:
        """Return the comparison as one self-contained page, and write it where a path is given.

        The page of ``ensembler report`` has more: `ensembler.report.survey.survey` gathers it, `ensembler.report.page`
        writes it.

        Raises
        ------
        UsageError
            The packages of the extra ``report`` are not installed.
        """
        from ensembler.report.page import render
        from ensembler.report.survey import Survey

        page = render(Survey(self), title)
        if path is not None:
            write_text(path, page)
        return page

    def _repr_html_(self) -> str:
        """Show rules and verdict as a notebook does."""
        from ensembler.report.bench import conclusion, rules_table
        from ensembler.report.tables import fragment

        return fragment([rules_table(self), " ".join(conclusion(self))])

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each rule and each member: its metrics, and how it stands."""
        import pandas as pd

        rows = [
            {
                "kind": "rule",
                "name": entry.name,
                **entry.metrics,
                "gain": entry.gain,
                "choice_score": entry.choice_score,
                "chosen": entry.name == self.chosen,
                "luckiest": entry.name == self.luckiest,
            }
            for entry in self.rules
        ]
        rows += [{"kind": "member", "name": member.name, **member.metrics} for member in self.members]
        return pd.DataFrame(rows)


def describe_verdict(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as plain values."""
    optimism = verdict.optimism
    return {
        "recommended": verdict.recommended,
        "sentences": verdict.sentences,
        "cochran_q": None if verdict.cochran is None else vars(verdict.cochran),
        "optimism": None
        if optimism is None
        else {
            "accuracy": optimism.raw,
            "corrected": optimism.corrected,
            "optimism": optimism.optimism,
            "n_rules": optimism.n_candidates,
        },
        "letters": verdict.letters,
        "n_resamples": verdict.n_resamples,
    }


def parameters(rule: Combiner) -> dict[str, Any]:
    """Return a rule's parameters, objects that JSON does not know as text."""
    return {key: value if is_plain(value) else object_name(value) for key, value in rule.get_params(deep=False).items()}

"""What a comparison found: frozen objects, built once, and how they are written down."""

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ensembler.arrays import Values
from ensembler.combiners.balanced import Balanced
from ensembler.combiners.base import Combiner
from ensembler.comparison.imbalance import Imbalance
from ensembler.comparison.outcome import Advice, PairedTest, Recommendation, Verdict, are_some
from ensembler.comparison.protocol import SplitResult
from ensembler.errors import UnknownNameError
from ensembler.metrics import Metric
from ensembler.metrics.calibration import Reliability
from ensembler.metrics.intervals import Interval
from ensembler.metrics.predicted import Predicted
from ensembler.metrics.temperature import AtBestTemperature
from ensembler.predictions.files import write_text
from ensembler.predictions.provenance import provenance
from ensembler.serialization import document, jsonable

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "ensembler.bench/2"


@dataclass(frozen=True)
class MemberScore:
    """A member by itself: its metrics and recalls on the scored rows, and its accuracy on the fitting rows.

    In accuracies and recalls a missing vote counts as wrong, but in ``answered_accuracy``, that of the rows which the
    member has answered; other metrics are those of the member alone, with the class prior where it has not.
    """

    name: str
    metrics: dict[str, float]
    recall: Values
    fit_accuracy: float | None
    interval: Interval | None = None
    answered_accuracy: float = math.nan
    n_missing: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "name": self.name,
            **jsonable(self.metrics),
            "accuracy_interval": jsonable(self.interval),
            "answered_accuracy": jsonable(self.answered_accuracy),
            "missing": self.n_missing,
            "fit_accuracy": self.fit_accuracy,
            "recall": jsonable(self.recall),
        }


@dataclass(frozen=True)
class RuleScore:
    """A rule: what it was, what it learned, and how it scored.

    Attributes
    ----------
    name : str
        As on the command line, with the parameters that were given.
    rule : Combiner
        Fitted on the fitting rows; in cross-fitting, on all rows.
    metrics : dict
        From metric name to value on the scored rows; NaN where the metric means nothing.
    recall : (C,)
        Of each class on the scored rows.
    predicted : Predicted
        What it predicts of the scored rows.
    gain : float
        By how much it beats the best member chosen on the fitting rows, in the first metric; positive is better.
    choice_score : float or None
        The first metric, cross-fitted inside the fitting rows: what rules are chosen by.
    fold_rules : tuple of Combiner
        In cross-fitting, the rule as fitted for each fold.
    notes : tuple of str
        What was doubtful in the fit.
    intervals : dict
        95 % interval of each metric; Wilson's for accuracy, else bootstrap.
    against_best, against_mean : PairedTest or None
        The paired comparison with the best member and with the simple mean.
    calibration, reliability
        The log loss at the best temperature, and the reliability diagram; None with hard labels.
    """

    name: str
    rule: Combiner
    metrics: dict[str, float]
    recall: Values
    predicted: Predicted
    gain: float = math.nan
    choice_score: float | None = None
    fold_rules: tuple[Combiner, ...] = ()
    notes: tuple[str, ...] = ()
    intervals: dict[str, Interval | None] = field(default_factory=dict)
    against_best: PairedTest | None = None
    against_mean: PairedTest | None = None
    calibration: AtBestTemperature | None = None
    reliability: Reliability | None = None

    @property
    def proba(self) -> Values:
        """Its probabilities on the scored rows, (N, C); many are computed anew each time."""
        return self.predicted.proba

    @property
    def tau(self) -> float | None:
        """How far its probabilities are shifted against the class prior; None where they are as the rule gives them."""
        return tau_of(self.rule)

    def heaviest_member(self, names: Sequence[str]) -> str:
        """Return the member with the largest weight; several where folds differ in it."""
        chosen = dict.fromkeys(int(np.argmax(rule.weights_)) for rule in self.fold_rules or [self.rule])
        return " / ".join(names[member] for member in chosen)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        fitted = self.rule.fitted()
        plain = {
            "name": self.name,
            "rule": self.rule.name,
            "parameters": self.rule.describe_parameters(),
            "tau": self.tau,
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
            plain["weights_by_fold"] = [rule.fitted().get("weights") for rule in self.fold_rules]
            plain["tau_by_fold"] = [tau_of(rule) for rule in self.fold_rules]
        return dict(jsonable(plain))


@dataclass(frozen=True, eq=False)
class Comparison(SplitResult):
    """The result of `compare_rules`.

    Attributes
    ----------
    split : Split
        The prediction set, and its rows to fit on and to score.
    metrics : tuple of Metric
        The first one ranks and chooses.
    rules : tuple of RuleScore
        Best first by the first metric.
    members : tuple of MemberScore
        In the order of the prediction set.
    best_member : RuleScore or None
        The best member chosen on the fitting rows (in cross-fitting, chosen anew for each fold); None where the rows
        cannot be divided into folds.
    left_out : tuple of (name, reason)
    oracle : float
        Share of rows in which any member is correct; no rule that picks among members' answers can do better.
    chosen, luckiest : str or None
        The best rule where it was chosen, without the scored rows; and the best on them, which luck has helped.
    nested : dict or None
        In cross-fitting: the first metric of choosing a rule in each fold without that fold, and the choices.
    advice : Advice or None
        The rule to use, and why; None where no rule ran.
    verdict : Verdict or None
        What is noise, and how the recommended rule does on the scored rows; None without resamples.
    calibrate : "none", "members" or "ensemble"
        Where temperatures were fitted.
    balance : float, "auto" or None
        How far probabilities were shifted against the class prior.
    warnings : tuple of str
    """

    metrics: tuple[Metric, ...]
    members: tuple[MemberScore, ...]
    rules: tuple[RuleScore, ...]
    best_member: RuleScore | None
    left_out: tuple[tuple[str, str], ...]
    oracle: float
    chosen: str | None
    luckiest: str | None
    nested: dict[str, Any] | None = None
    advice: Advice | None = None
    verdict: Verdict | None = None
    calibrate: str = "none"
    balance: float | Literal["auto"] | None = None
    warnings: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> RuleScore:
        """Return the rule of that name."""
        for rule in self.rules:
            if rule.name == name:
                return rule
        raise UnknownNameError("rule in this comparison", name, [rule.name for rule in self.rules])

    @property
    def first_metric(self) -> Metric:
        """The metric that ranks and chooses."""
        return self.metrics[0]

    @property
    def metric(self) -> str:
        """The name of the metric that ranks and chooses."""
        return self.metrics[0].name

    @property
    def metric_names(self) -> list[str]:
        """The names of all metrics."""
        return [metric.name for metric in self.metrics]

    @property
    def of_some(self) -> bool:
        """Whether several rules were compared, and not all that a comparison runs of itself."""
        return are_some([*(rule.name for rule in self.rules), *(name for name, _ in self.left_out)])

    @property
    def recommended(self) -> str | None:
        """The rule to use, a name of `rules`; None only where no rule ran."""
        return None if self.advice is None else self.advice.rule

    @property
    def recommendation(self) -> Recommendation | None:
        """What is recommended, with its probabilities."""
        if self.advice is None:
            return None
        best = None if self.best_member is None else self.best_member.proba
        return Recommendation(self.advice, self[self.advice.rule].proba, best)

    @property
    def imbalance(self) -> Imbalance | None:
        """The class that has most of the scored rows, where one has so many that accuracy says little."""
        return Imbalance.of(self.scored)

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
        best = None
        if self.best_member is not None:
            best = {
                "name": self.best_member_name,
                **self.best_member.metrics,
                "intervals": self.best_member.intervals,
                "recall": self.best_member.recall,
            }
        body = {
            "n_rows": self.predictions.n_samples,
            "n_unanswered": self.scored.n_unanswered,
            "n_classes": self.predictions.n_classes,
            "class_names": list(self.predictions.classes),
            "metric": self.metric,
            "protocol": vars(self.protocol),
            "calibrate": self.calibrate,
            "balance": self.balance,
            "members": [member.to_dict() for member in self.members],
            "oracle": {"accuracy": self.oracle},
            "best_member": best,
            "combiners": [rule.to_dict() for rule in self.rules],
            "left_out": [{"name": name, "reason": reason} for name, reason in self.left_out],
            "chosen": self.chosen,
            "luckiest": self.luckiest,
            "recommended": self.recommended,
            "advice": None if self.advice is None else self.advice.to_dict(),
            "nested": self.nested,
            "verdict": None if self.verdict is None else self.verdict.to_dict(),
            "imbalance": None if self.imbalance is None else vars(self.imbalance),
            "warnings": self.warnings,
        }
        return document(SCHEMA, body, provenance(self.predictions, self.protocol.seed, command))

    def to_html(self, path: str | Path | None = None, *, title: str | None = None) -> str:
        """Return the comparison as one self-contained page, and write it where a path is given.

        The page of ``ensembler report`` has more: `ensembler.report.survey.survey` gathers it,
        `ensembler.report.page` writes it.

        Raises
        ------
        UsageError
            The packages of the extra ``report`` are not installed.
        """
        text: str = door("page").render(door("survey").Survey(self), title)
        if path is not None:
            write_text(path, text)
        return text

    def _repr_html_(self) -> str:
        """Show rules and verdict as a notebook does."""
        bench = door("bench")
        return str(door("tables").fragment([bench.rules_table(self), " ".join(bench.conclusion(self))]))

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each rule and each member: its metrics, and how it stands."""
        import pandas as pd

        rows = [
            {
                "kind": "rule",
                "name": rule.name,
                **rule.metrics,
                "gain": rule.gain,
                "choice_score": rule.choice_score,
                "recommended": rule.name == self.recommended,
                "chosen": rule.name == self.chosen,
                "luckiest": rule.name == self.luckiest,
            }
            for rule in self.rules
        ]
        rows += [{"kind": "member", "name": member.name, **member.metrics} for member in self.members]
        return pd.DataFrame(rows)


def tau_of(rule: Combiner) -> float | None:
    """Return how far a fitted rule shifts its probabilities against the class prior; None for not at all."""
    return rule.tau_ if isinstance(rule, Balanced) else None


def door(module: str) -> Any:
    """Return a module of the report, which lies above: a result finds its page by name, and only here."""
    return importlib.import_module(f"ensembler.report.{module}")

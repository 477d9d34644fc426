"""A fitted ensemble as a file: what it takes to predict new rows without the predictions it was fitted on.

The file is JSON, to be read and compared by people too; every number in it comes back to the last bit.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ensembler import serialization
from ensembler.arrays import Floats, Missing, Values, check_proba, digest
from ensembler.combiners.balanced import Balanced
from ensembler.combiners.base import Combiner
from ensembler.combiners.calibrated import Calibrated
from ensembler.combiners.registry import all_rules
from ensembler.deployment.abstention import Abstention
from ensembler.deployment.document import (
    ENTRIES,
    NotRecipeError,
    check_entries,
    check_unchanged,
    read_document,
    restoring,
    write_document,
)
from ensembler.deployment.output import Prediction, check_prediction
from ensembler.deployment.prediction_sets import PredictionSets
from ensembler.errors import FileError, NotApplicableError, ShapeError
from ensembler.predictions.prediction_set import Predictions
from ensembler.serialization import to_plain

if TYPE_CHECKING:
    from ensembler.adapters.sklearn import EnsembleClassifier

SCHEMA = "ensembler.recipe/3"
MOST_TRIED = 1_000_000
"""A recipe is tried on some rows when it is read, unless rows have more numbers than that."""


@dataclass(frozen=True, eq=False)
class Recipe:
    """A fitted rule, and the members and classes it is for.

    Parameters
    ----------
    rule : Combiner
        Fitted.
    names : tuple of str
        Its members, in the order in which it combines them.
    hard : tuple of bool
        Which of them are hard labels.
    n_classes : int
    class_names : tuple of str, optional
    fitted_on : mapping
        How many rows it was fitted on, and the checksums of their arrays.
    abstention : Abstention, optional
        Which rows are left without an answer.
    prediction_sets : PredictionSets, optional
        Which classes are in each row's set.

    Examples
    --------
    >>> import tempfile
    >>> from ensembler import AccuracyWeightedAverage, load_predictions
    >>> from ensembler.predictions import bundled
    >>> data = load_predictions(bundled.published_folder()).validation
    >>> rule = AccuracyWeightedAverage().fit(data.proba, data.labels)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Recipe.of(rule, data).save(f"{folder}/ensemble.json")
    ...     again = Recipe.load(f"{folder}/ensemble.json")
    >>> bool((again.predict_proba(data.proba) == rule.predict_proba(data.proba)).all())
    True
    """

    rule: Combiner
    names: tuple[str, ...]
    hard: tuple[bool, ...]
    n_classes: int
    class_names: tuple[str, ...] | None = None
    fitted_on: Mapping[str, Any] = field(default_factory=dict)
    abstention: Abstention | None = None
    prediction_sets: PredictionSets | None = None

    @classmethod
    def of(
        cls,
        rule: Combiner,
        data: Predictions,
        abstention: Abstention | None = None,
        prediction_sets: PredictionSets | None = None,
    ) -> Self:
        """Return the recipe of a rule that was fitted on the rows of a set."""
        checksums = {**dict(zip(data.names, data.digests, strict=True)), "labels": digest(data.true_labels)}
        facts = {"rows": data.n_samples, "sha256": checksums}
        members = (tuple(data.names), tuple(data.hard), data.n_classes, data.class_names)
        return cls(rule, *members, facts, abstention, prediction_sets)

    @property
    def n_members(self) -> int:
        """Number of members."""
        return len(self.names)

    @property
    def members_read(self) -> tuple[int, ...]:
        """Numbers of the members that predictions depend on; files of others need not be there."""
        return self.rule.members_used()

    def predict_proba(self, proba: ArrayLike) -> NDArray[np.float64]:
        """Return the ensemble's (N, C) probabilities of rows given as (M, N, C), members in the order of ``names``."""
        array = check_proba(proba)
        if (array.shape[0], array.shape[2]) != (self.n_members, self.n_classes):
            raise ShapeError(
                f"proba has {array.shape[0]} members and {array.shape[2]} classes, expected {self.n_members} "
                f"({', '.join(self.names)}) and {self.n_classes}"
            )
        return self.predict_rows(array)

    def predict_rows(self, proba: Floats, missing: Missing | None = None) -> NDArray[np.float64]:
        """Return the same of rows that are checked, where members that are not read may hold anything."""
        predicted = self.rule.predict_proba(proba, missing=missing, check_input=False)
        check_prediction(predicted, (proba.shape[1], self.n_classes), self.rule.name)
        return predicted

    def predict(self, proba: ArrayLike) -> Prediction:
        """Return what is predicted of rows given as (M, N, C): probabilities, answers, and sets of classes.

        Examples
        --------
        >>> from ensembler import Abstention, SimpleAverage
        >>> rule = SimpleAverage().fit([[[0.5, 0.5]]])
        >>> recipe = Recipe(rule, ("a",), (False,), 2, abstention=Abstention("margin", 0.3))
        >>> recipe.predict([[[0.9, 0.1], [0.6, 0.4]]]).labels.tolist()
        [0, -1]
        """
        return self.answer(check_proba(proba), self.predict_proba(proba))

    def answer(self, members: Floats, proba: Values, missing: Missing | None = None) -> Prediction:
        """Return the same from the ensemble's probabilities (N, C), and the members' they were made of."""
        confidence, answered = None, None
        if self.abstention is not None:
            used = list(self.members_read)
            votes = None if missing is None else missing[used]
            confidence = self.abstention.confidence_of(proba, members[used], votes)
            answered = confidence >= self.abstention.threshold
        sets = None if self.prediction_sets is None else self.prediction_sets.predict(proba)
        return Prediction(proba, confidence, answered, sets)

    def require_plain(self, what: str) -> None:
        """Refuse a form that has no place for rows without an answer, or for sets."""
        if self.abstention is not None or self.prediction_sets is not None:
            more = "leaves rows without an answer" if self.abstention is not None else "has prediction sets"
            raise NotApplicableError(
                f"the recipe {more}, which {what} has no place for; save the rule by itself: "
                f"ensembler predict --rule {self.rule.to_text()} --save FILE"
            )

    def to_estimator(self) -> "EnsembleClassifier":
        """Return a fitted scikit-learn classifier: the members' probabilities side by side to the ensemble's.

        Raises
        ------
        NotApplicableError
            The recipe leaves rows without an answer, or has prediction sets.
        """
        from ensembler.adapters.sklearn import EnsembleClassifier

        self.require_plain("a scikit-learn classifier")

        return EnsembleClassifier.fitted(self.rule, self.names, self.class_names)

    def to_document(self) -> dict[str, Any]:
        """Return all of it as values that JSON holds.

        Raises
        ------
        NotApplicableError
            The rule has a parameter or a fitted attribute that JSON has no form for.
        """
        balanced = self.rule if isinstance(self.rule, Balanced) else None
        before_shift = self.rule if balanced is None else balanced.rule
        calibrated = before_shift if isinstance(before_shift, Calibrated) else None
        rule = before_shift if calibrated is None else calibrated.rule
        return {
            "schema": SCHEMA,
            "ensembler": serialization.__version__,
            "rule": rule.name,
            "parameters": rule.plain_parameters(),
            "calibrate": "none" if calibrated is None else calibrated.step,
            "balance": None if balanced is None else {"tau": to_plain(balanced.tau), "metric": balanced.metric},
            "members": list(self.names),
            "hard": list(self.hard),
            "n_classes": self.n_classes,
            "class_names": None if self.class_names is None else list(self.class_names),
            "state": self.rule.state(),
            "abstention": None if self.abstention is None else self.abstention.to_dict(),
            "prediction_sets": None if self.prediction_sets is None else self.prediction_sets.to_dict(),
            "fitted_on": dict(self.fitted_on),
        }

    def save(self, path: str | Path) -> None:
        """Write the recipe; an older file stays until the new one is whole.

        Raises
        ------
        NotApplicableError
            The rule has a parameter or a fitted attribute that JSON has no form for.
        """
        write_document(path, self.to_document(), self.rule.name)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a recipe.

        Raises
        ------
        FileError
            The file is missing, no recipe, damaged, changed, or of a rule that is not installed.
        """
        path = Path(path)
        document = read_document(path)
        with restoring(path):
            return cls.from_document(document)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Return what `to_document` returned, with every entry checked."""
        document = {"balance": None, "abstention": None, "prediction_sets": None, **document}
        if document["schema"].startswith("ensembler.cascade-recipe"):
            raise FileError("is a cascade, which only `ensembler predict --recipe` uses; expected the recipe of a rule")
        if document["schema"] != SCHEMA:
            raise FileError(
                f"schema is {document['schema']!r}, expected {SCHEMA!r}; was it written by another version?"
            )
        check_entries(document, ENTRIES)
        if document["rule"] not in all_rules():
            raise FileError(f"rule {document['rule']!r} is not known here; install what it comes from")
        made = cls(
            restored_rule(document),
            tuple(document["members"]),
            tuple(document["hard"]),
            document["n_classes"],
            None if document["class_names"] is None else tuple(document["class_names"]),
            document["fitted_on"],
            **restored_answers(document),
        )
        made.check_use()
        check_unchanged(document)
        return made

    def check_use(self) -> None:
        """Raise unless the rule fits the members and classes, and makes probabilities of some rows."""
        if (self.rule.n_members_, self.rule.n_classes_) != (self.n_members, self.n_classes):
            raise ShapeError("members and classes do not fit the rule")
        if len(self.hard) != self.n_members:
            raise ShapeError(f"hard has {len(self.hard)} entries, expected one for each of {self.n_members} members")
        if self.class_names is not None and len(set(self.class_names)) != self.n_classes:
            raise ShapeError(f"class_names has {len(set(self.class_names))} names, expected {self.n_classes}")
        if self.n_members * self.n_classes > MOST_TRIED:
            return
        members = np.arange(self.n_members)
        tried = np.full((self.n_members, 3, self.n_classes), 1.0 / self.n_classes)
        tried[:, :2] = 0.0
        tried[:, 0, 0] = tried[members, 1, members % self.n_classes] = 1.0
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check_prediction(self.rule.predict_proba(tried, check_input=False), (3, self.n_classes), self.rule.name)


def restored_rule(document: Mapping[str, Any]) -> Combiner:
    """Return the fitted rule that a recipe describes."""
    rule: Combiner = all_rules()[document["rule"]](**document["parameters"])
    if document["calibrate"] != "none":
        rule = Calibrated(rule, document["calibrate"])
    if document["balance"] is not None:
        rule = Balanced(rule, **document["balance"])
    rule.check_parameters()
    return rule.restore(document["state"])


def restored_answers(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the abstention and the prediction sets that a recipe describes, None for none."""
    abstention, sets = document["abstention"], document["prediction_sets"]
    return {
        "abstention": None if abstention is None else Abstention.from_dict(abstention),
        "prediction_sets": None if sets is None else PredictionSets.from_dict(sets, document["n_classes"]),
    }


def is_recipe(path: Path) -> bool:
    """Whether a file is a recipe, of whatever version."""
    try:
        return str(read_document(path)["schema"]).startswith(SCHEMA.partition("/")[0])
    except NotRecipeError:
        return False

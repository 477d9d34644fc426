"""A fitted ensemble as a file: what it takes to predict new rows without the predictions it was fitted on.

The file is JSON, to be read and compared by people too; every number in it comes back to the last bit.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ensembler import serialization
from ensembler.arrays import check_proba, digest
from ensembler.combiners.balanced import Balanced
from ensembler.combiners.base import Combiner
from ensembler.combiners.calibrated import Calibrated
from ensembler.combiners.registry import all_rules
from ensembler.errors import EnsemblerError, FileError, ShapeError
from ensembler.predictions.files import readable, write_text
from ensembler.predictions.prediction_set import Predictions
from ensembler.serialization import to_plain

SCHEMA = "ensembler.recipe/2"


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

    @classmethod
    def of(cls, rule: Combiner, data: Predictions) -> Self:
        """Return the recipe of a rule that was fitted on the rows of a set."""
        checksums = {**dict(zip(data.names, data.digests, strict=True)), "labels": digest(data.true_labels)}
        facts = {"rows": data.n_samples, "sha256": checksums}
        return cls(rule, tuple(data.names), tuple(data.hard), data.n_classes, data.class_names, facts)

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
        return self.rule.predict_proba(array, check_input=False)

    def save(self, path: str | Path) -> None:
        """Write the recipe; an older file stays until the new one is whole.

        Raises
        ------
        NotApplicableError
            The rule has a parameter or a fitted attribute that JSON has no form for.
        """
        balanced = self.rule if isinstance(self.rule, Balanced) else None
        before_shift = self.rule if balanced is None else balanced.rule
        calibrated = before_shift if isinstance(before_shift, Calibrated) else None
        rule = before_shift if calibrated is None else calibrated.rule
        document = {
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
            "fitted_on": dict(self.fitted_on),
        }
        write_text(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a recipe.

        Raises
        ------
        FileError
            The file is missing, no recipe, damaged, or of a rule that is not installed.
        """
        path = Path(path)
        with readable(path):
            if not path.exists():
                raise FileError(f"{path}: no such file")
            text = path.read_bytes()
        try:
            document = json.loads(text)
            schema = document["schema"]
        except (ValueError, TypeError, KeyError) as error:
            raise FileError(f"{path}: no recipe; expected a file that `ensembler predict --save` wrote") from error
        if schema != SCHEMA:
            raise FileError(f"{path}: schema is {schema!r}, expected {SCHEMA!r}; was it written by another version?")
        if document.get("rule") not in all_rules():
            raise FileError(f"{path}: rule {document.get('rule')!r} is not known here; install what it comes from")
        try:
            rule = all_rules()[document["rule"]](**document["parameters"])
            if document["calibrate"] != "none":
                rule = Calibrated(rule, document["calibrate"])
            if document.get("balance") is not None:
                rule = Balanced(rule, **document["balance"])
            rule.check_parameters()
            names = document["class_names"]
            made = cls(
                rule.restore(document["state"]),
                tuple(document["members"]),
                tuple(document["hard"]),
                document["n_classes"],
                None if names is None else tuple(names),
                document["fitted_on"],
            )
        except (EnsemblerError, KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"{type(error).__name__}: {error}"
            raise FileError(f"{path}: the recipe is damaged ({what}); save it again") from error
        if (made.rule.n_members_, made.rule.n_classes_) != (made.n_members, made.n_classes):
            raise FileError(f"{path}: the recipe is damaged (members and classes do not fit the rule); save it again")
        return made


def is_recipe(path: Path) -> bool:
    """Whether a file is a recipe, of whatever version."""
    with readable(path):
        text = path.read_bytes()
    try:
        return str(json.loads(text)["schema"]).startswith(SCHEMA.partition("/")[0])
    except (ValueError, TypeError, KeyError):
        return False

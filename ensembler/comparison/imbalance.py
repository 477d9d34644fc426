"""Whether one class has so many of the rows that accuracy says little."""

import shlex
from dataclasses import dataclass
from typing import Self

import numpy as np

from ensembler.errors import argument
from ensembler.predictions.prediction_set import Predictions
from ensembler.serialization import format_spec

LARGE_SHARE = 0.8
"""From this share of the rows on, a class hides in the accuracy what becomes of the others."""


@dataclass(frozen=True)
class Imbalance:
    """A class that has most of the rows.

    Attributes
    ----------
    class_name : str
    share : float
        Of the rows, or of their weight: the accuracy of always answering that class.
    metrics : tuple of str
        Metrics that suit such rows, as they would be typed.
    """

    class_name: str
    share: float
    metrics: tuple[str, ...]

    @classmethod
    def of(cls, scored: Predictions) -> Self | None:
        """Look for such a class among labelled rows; None where there is none, or no other class at all.

        >>> found = Imbalance.of(Predictions(np.full((1, 20, 2), 0.5), [0] * 19 + [1], class_names=["no", "yes"]))
        >>> found.class_name, found.share, found.metrics[-1]
        ('no', 0.95, 'average-precision:class=yes')
        """
        weight = np.bincount(scored.true_labels, weights=scored.sample_weight, minlength=scored.n_classes)
        largest, occur = int(weight.argmax()), np.flatnonzero(weight)
        share = float(weight[largest] / weight.sum())
        if share < LARGE_SHARE or len(occur) < 2:
            return None
        metrics = ["balanced-accuracy", "mcc"]
        name = scored.classes[int(occur[weight[occur].argmin()])]
        rare = {"class": int(name) if name.isdecimal() else name}
        metrics.append(format_spec("f1", rare) if len(occur) == 2 else "macro-f1")
        if not scored.any_hard:
            metrics += ["roc-auc", format_spec("average-precision", rare) if len(occur) == 2 else "average-precision"]
        return cls(scored.classes[largest], share, tuple(metrics))

    @property
    def sentence(self) -> str:
        """What accuracy leaves out, and which metrics do not."""
        *some, last = map(shlex.quote, self.metrics)
        return (
            f"Accuracy says little here: always answering {self.class_name} is right in {100 * self.share:.1f} % of "
            f"the rows. Rank by {argument('metric')} {', '.join(some)} or {last}."
        )

"""How far members agree, where there are no labels to say who is right."""

from dataclasses import dataclass

import numpy as np

from ensembler.arrays import Correct, Labels, Values
from ensembler.metrics.diversity import cohen_kappa, share_different
from ensembler.predictions.diagnosis.groups import near_groups
from ensembler.predictions.prediction_set import Predictions

NEARLY_SAME = 0.97
"""Share of rows with the same class, for members whose accuracies are not known."""


@dataclass(frozen=True)
class Agreement:
    r"""How far members predict the same classes.

    Attributes
    ----------
    different : (M, M)
        Share of the rows that both have answered with different classes; NaN where there are none.
    cohen_kappa : (M, M)
        Cohen's :math:`\kappa` of each pair: agreement beyond what the class shares of both would give by chance.
    unanimous : float
        Share of the rows that anybody answers on which all who do predict one class.
    class_shares : (M, C)
        How often each member predicts each class, in the rows that it has answered.
    clusters : list of list of str
        Groups of members that predict the same classes nearly everywhere.
    """

    different: Values
    cohen_kappa: Values
    unanimous: float
    class_shares: Values
    clusters: list[list[str]]


def measure_agreement(data: Predictions) -> Agreement:
    """Measure how far the members of a set agree; labels are not read.

    >>> import numpy as np
    >>> proba = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.8, 0.2], [0.6, 0.4]]])
    >>> measure_agreement(Predictions(proba)).unanimous
    0.5
    """
    predicted, answered = data.votes, data.answered
    different = share_different(predicted)
    return Agreement(
        different,
        cohen_kappa(predicted, data.n_classes),
        unanimous(predicted, answered),
        np.array(
            [
                np.bincount(own[there], minlength=data.n_classes) / max(1, there.sum())
                for own, there in zip(predicted, answered, strict=True)
            ]
        ),
        [
            [data.names[member] for member in group]
            for group in near_groups(np.nan_to_num(different, nan=1.0), 1 - NEARLY_SAME)
        ],
    )


def unanimous(predicted: Labels, answered: Correct) -> float:
    """Return the share of rows with one class only, of those with an answer; NaN without any."""
    first = np.take_along_axis(predicted, answered.argmax(axis=0)[None], axis=0)
    same = ((predicted == first) | ~answered).all(axis=0)
    rows = answered.any(axis=0)
    return float(same[rows].mean()) if rows.any() else float("nan")

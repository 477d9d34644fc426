"""How far members agree, where there are no labels to say who is right."""

from dataclasses import dataclass

import numpy as np

from ensembler.arrays import Values
from ensembler.metrics.diversity import cohen_kappa
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
        Share of rows with different classes.
    cohen_kappa : (M, M)
        Cohen's :math:`\kappa` of each pair: agreement beyond what the class shares of both would give by chance.
    unanimous : float
        Share of rows on which all members predict one class.
    class_shares : (M, C)
        How often each member predicts each class.
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
    predicted = np.array([member.argmax(axis=1) for member in data.proba])
    different = np.array([[(first != second).mean() for second in predicted] for first in predicted])
    return Agreement(
        different,
        cohen_kappa(predicted, data.n_classes),
        float((predicted == predicted[0]).all(axis=0).mean()),
        np.array([np.bincount(classes, minlength=data.n_classes) / data.n_samples for classes in predicted]),
        [[data.names[member] for member in group] for group in near_groups(different, 1 - NEARLY_SAME)],
    )

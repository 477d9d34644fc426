"""Whether a stated confidence comes true."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ensembler.arrays import Floats, Labels, Values, largest, most_probable
from ensembler.metrics.sums import OfBinSums

ECE_BINS = 15


def confidence_surplus(labels: Labels, proba: Floats, *, bins: int = ECE_BINS) -> tuple[NDArray[np.intp], Values, int]:
    """Return the bin of each row's confidence, by how much being correct exceeds it, and the number of bins."""
    confidence = largest(proba).astype(np.float64)
    return confidence_bins(confidence, bins), (most_probable(proba) == labels) - confidence, bins


expected_calibration_error = OfBinSums(confidence_surplus)
r"""Expected calibration error of the top-1 confidence.

.. math:: \mathrm{ECE} = \sum_{b=1}^{B} \frac{|S_b|}{N} \, \bigl|\, \mathrm{acc}(S_b) - \mathrm{conf}(S_b) \,\bigr|

where :math:`S_b` holds the rows whose largest probability lies in :math:`((b-1)/B,\, b/B]`, acc is their accuracy and
conf their mean largest probability. Between 0 and 1; lower is better. The parameter ``bins`` is B, of equal width.

Guo et al., On Calibration of Modern Neural Networks, ICML 2017, arXiv 1706.04599.
"""


def confidence_bins(confidence: NDArray[np.float64], bins: int) -> NDArray[np.intp]:
    """Return the number of the equal-width bin of each confidence, from 0; a bin has its upper edge."""
    inner_edges = np.linspace(0.0, 1.0, bins + 1)[1:-1]
    return np.asarray(np.searchsorted(inner_edges, confidence, side="left"))


@dataclass(frozen=True)
class Reliability:
    """How often predictions of some confidence are correct, in equal-width bins of the top-1 confidence.

    ``weights`` are the rows' weights, summed. Empty bins have NaN.
    """

    edges: tuple[float, ...]
    rows: tuple[int, ...]
    weights: tuple[float, ...]
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]

    @property
    def error(self) -> float:
        """The expected calibration error: mean distance of confidence and accuracy, weighted by rows."""
        pairs = zip(self.weights, self.confidence, self.accuracy, strict=True)
        return sum(weight * abs(share - confidence) for weight, confidence, share in pairs if weight) / sum(
            self.weights
        )


def reliability(
    proba: Floats, labels: Labels, sample_weight: Values | None = None, bins: int = ECE_BINS
) -> Reliability:
    """Return the reliability diagram of (N, C) probabilities; the bins are those of the ECE."""
    confidence = largest(proba).astype(np.float64)
    correct = (most_probable(proba) == labels).astype(np.float64)
    place = confidence_bins(confidence, bins)
    weight = np.ones(len(labels)) if sample_weight is None else sample_weight
    rows = np.bincount(place, minlength=bins)
    total = np.bincount(place, weights=weight, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, weights=weight * confidence, minlength=bins) / total
        hit = np.bincount(place, weights=weight * correct, minlength=bins) / total
    edges = np.linspace(0.0, 1.0, bins + 1)
    return Reliability(*(tuple(values.tolist()) for values in (edges, rows, total, mean, hit)))

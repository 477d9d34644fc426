"""Metrics by name, each a `Metric` that knows which direction is better and whether it needs probabilities.

>>> import numpy as np
>>> proba = np.array([[0.7, 0.3], [0.4, 0.6], [0.6, 0.4]])
>>> float(get_metric("accuracy")(np.array([0, 1, 0]), proba))
1.0
>>> get_metric("top-k-accuracy:k=3").name
'top-k-accuracy:k=3'
"""

from ensembler.metrics.metric import METRICS, TIED_DECIMALS, Metric, get_metric

__all__ = ["METRICS", "TIED_DECIMALS", "Metric", "get_metric"]

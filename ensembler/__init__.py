"""Combine the saved class probabilities of several trained models, and say honestly which combination is best.

The public names load on first use, so that ``import ensembler`` costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "SimpleAverage": "combiners.simple_average",
    "AccuracyWeightedAverage": "combiners.accuracy_weighted",
    "ClassWeightedAverage": "combiners.class_weighted",
    "LossWeightedAverage": "combiners.loss_weighted",
    "ExponentialWeightedAverage": "combiners.exponential_weighted",
    "MajorityVote": "combiners.majority_vote",
    "HierarchicalCommittee": "combiners.committee",
    "Stacking": "combiners.stacked",
    "WeightedVote": "combiners.weighted_vote",
    "Median": "combiners.order_statistics",
    "Product": "combiners.product_rule",
    "Maximum": "combiners.order_statistics",
    "Minimum": "combiners.order_statistics",
    "TrimmedMean": "combiners.order_statistics",
    "BordaCount": "combiners.borda",
    "BestMember": "combiners.best",
    "GreedySelection": "combiners.greedy",
    "Predictions": "predictions.prediction_set",
    "load_predictions": "predictions.loading.load",
    "compare_rules": "comparison.compare",
    "sweep_subsets": "subsets.sweep",
}

__all__ = [
    "AccuracyWeightedAverage",
    "BestMember",
    "BordaCount",
    "ClassWeightedAverage",
    "ExponentialWeightedAverage",
    "GreedySelection",
    "HierarchicalCommittee",
    "LossWeightedAverage",
    "MajorityVote",
    "Maximum",
    "Median",
    "Minimum",
    "Predictions",
    "Product",
    "SimpleAverage",
    "Stacking",
    "TrimmedMean",
    "WeightedVote",
    "__version__",
    "compare_rules",
    "load_predictions",
    "sweep_subsets",
]

if TYPE_CHECKING:
    from ensembler.combiners.accuracy_weighted import AccuracyWeightedAverage
    from ensembler.combiners.best import BestMember
    from ensembler.combiners.borda import BordaCount
    from ensembler.combiners.class_weighted import ClassWeightedAverage
    from ensembler.combiners.committee import HierarchicalCommittee
    from ensembler.combiners.exponential_weighted import ExponentialWeightedAverage
    from ensembler.combiners.greedy import GreedySelection
    from ensembler.combiners.loss_weighted import LossWeightedAverage
    from ensembler.combiners.majority_vote import MajorityVote
    from ensembler.combiners.order_statistics import Maximum, Median, Minimum, TrimmedMean
    from ensembler.combiners.product_rule import Product
    from ensembler.combiners.simple_average import SimpleAverage
    from ensembler.combiners.stacked import Stacking
    from ensembler.combiners.weighted_vote import WeightedVote
    from ensembler.comparison.compare import compare_rules
    from ensembler.predictions.loading.load import load_predictions
    from ensembler.predictions.prediction_set import Predictions
    from ensembler.subsets.sweep import sweep_subsets


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ensembler' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"ensembler.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

from .adapters.sklearn import EnsembleClassifier
from .combiners.accuracy_weighted import AccuracyWeightedAverage
from .combiners.best import BestMember
from .combiners.blend import Blend
from .combiners.borda import BordaCount
from .combiners.class_weighted import ClassWeightedAverage
from .combiners.committee import HierarchicalCommittee
from .combiners.exponential_weighted import ExponentialWeightedAverage
from .combiners.fixed_weights import FixedWeights
from .combiners.greedy import GreedySelection
from .combiners.log_pool import LogLinearPool
from .combiners.loss_weighted import LossWeightedAverage
from .combiners.majority_vote import MajorityVote
from .combiners.order_statistics import Maximum, Median, Minimum, TrimmedMean
from .combiners.product_rule import Product
from .combiners.registry import list_rules, make_rule
from .combiners.simple_average import SimpleAverage
from .combiners.simplex import SimplexWeights
from .combiners.stacked import Stacking
from .combiners.super_learner import SuperLearner
from .combiners.weighted_vote import WeightedVote
from .comparison.compare import compare_rules
from .comparison.protocol import Split
from .deployment.abstention import Abstention
from .deployment.abstention_study import study_abstention
from .deployment.cascades.cascade import Cascade
from .deployment.prediction_sets import PredictionSets
from .deployment.recipe import Recipe
from .deployment.sets_study import study_prediction_sets
from .metrics.metric import Metric
from .metrics.selective import risk_coverage
from .predictions.loading.load import load_predictions
from .predictions.prediction_set import Predictions
from .ranking.rank import rank_rules
from .serialization import __version__
from .subsets.sweep import sweep_subsets

__all__ = [
    "Abstention",
    "AccuracyWeightedAverage",
    "BestMember",
    "Blend",
    "BordaCount",
    "Cascade",
    "ClassWeightedAverage",
    "EnsembleClassifier",
    "ExponentialWeightedAverage",
    "FixedWeights",
    "GreedySelection",
    "HierarchicalCommittee",
    "LogLinearPool",
    "LossWeightedAverage",
    "MajorityVote",
    "Maximum",
    "Median",
    "Metric",
    "Minimum",
    "PredictionSets",
    "Predictions",
    "Product",
    "Recipe",
    "SimpleAverage",
    "SimplexWeights",
    "Split",
    "Stacking",
    "SuperLearner",
    "TrimmedMean",
    "WeightedVote",
    "__version__",
    "compare_rules",
    "list_rules",
    "load_predictions",
    "make_rule",
    "rank_rules",
    "risk_coverage",
    "study_abstention",
    "study_prediction_sets",
    "sweep_subsets",
]

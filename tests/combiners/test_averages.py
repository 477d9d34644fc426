"""Averages against scikit-learn's voting classifier, brute force and hand calculation."""

import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import VotingClassifier

from ensembler import (
    AccuracyWeightedAverage,
    BestMember,
    BordaCount,
    ClassWeightedAverage,
    ExponentialWeightedAverage,
    LossWeightedAverage,
    MajorityVote,
    Maximum,
    Median,
    Minimum,
    Product,
    SimpleAverage,
    TrimmedMean,
    WeightedVote,
)
from ensembler.arrays import softmax
from ensembler.combiners._weight_grid import accuracy_over_grid
from ensembler.errors import FitWarning, ParameterError
from ensembler.metrics.scores import accuracy, log_loss
from tests.conftest import draw


class Frozen(ClassifierMixin, BaseEstimator):
    """A classifier whose answers are looked up by row number."""

    def __init__(self, answers=None):
        self.answers = answers

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return self.answers[X[:, 0].astype(int)]

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(-1)]


def voting(proba, labels, how, weights=None):
    members = [(f"m{index}", Frozen(member)) for index, member in enumerate(proba)]
    rows = np.arange(len(labels))[:, None]
    return VotingClassifier(members, voting=how, weights=weights).fit(rows, labels), rows


def test_mean_is_soft_voting():
    proba, labels = draw(1, 6, 500)
    theirs, rows = voting(proba, labels, "soft")
    np.testing.assert_allclose(SimpleAverage().fit(proba).predict_proba(proba), theirs.predict_proba(rows), atol=1e-12)


def test_accuracy_weighted_is_weighted_soft_voting():
    proba, labels = draw(2, 6, 500)
    rule = AccuracyWeightedAverage().fit(proba, labels)
    theirs, rows = voting(proba, labels, "soft", weights=(proba.argmax(-1) == labels).mean(-1))
    np.testing.assert_allclose(rule.predict_proba(proba), theirs.predict_proba(rows), atol=1e-12)
    np.testing.assert_allclose(rule.weights_.sum(), 1)


def test_majority_vote_with_lowest_ties_is_hard_voting():
    proba, labels = draw(3, 6, 2000, 5)
    theirs, rows = voting(proba, labels, "hard")
    np.testing.assert_array_equal(MajorityVote(ties="lowest").fit(proba).predict(proba), theirs.predict(rows))


def test_majority_vote_breaks_ties_by_the_confidence_of_the_voters():
    proba, _ = draw(4, 6, 2000, 5)
    winners = MajorityVote().fit(proba).predict(proba)
    votes = proba.argmax(-1)
    n_ties = 0
    for row in range(2000):
        counts = np.bincount(votes[:, row], minlength=5)
        tied = np.flatnonzero(counts == counts.max())
        means = [proba[votes[:, row] == c, row, c].mean() for c in tied]
        n_ties += len(tied) > 1
        assert winners[row] == tied[int(np.argmax(means))]
    assert n_ties > 200


def test_hard_labels_tie_to_the_lowest_class():
    certain = np.eye(3)[np.array([[2], [1]])]
    assert MajorityVote().fit(certain).predict(certain) == [1]


def test_loss_weights_by_hand():
    proba, labels = draw(5, 4)
    nll = -np.log(proba[:, np.arange(120), labels]).mean(-1)
    np.testing.assert_allclose(LossWeightedAverage().fit(proba, labels).weights_, (1 / nll) / (1 / nll).sum())
    np.testing.assert_allclose(LossWeightedAverage("exp", 2.0).fit(proba, labels).weights_, softmax(-2 * nll))


@pytest.mark.parametrize("by", ["recall", "precision", "f1"])
def test_class_weights_by_scikit_learn(by):
    from sklearn.metrics import precision_recall_fscore_support

    proba, labels = draw(6, 4, 400)
    rule = ClassWeightedAverage(by).fit(proba, labels)
    column = {"precision": 0, "recall": 1, "f1": 2}[by]
    quality = np.array([precision_recall_fscore_support(labels, m.argmax(-1), zero_division=0)[column] for m in proba])
    weights = quality / quality.sum(axis=0)
    np.testing.assert_allclose(rule.weights_, weights)
    np.testing.assert_allclose(rule.scores(proba), np.einsum("mc,mnc->nc", weights, proba))


def test_class_weights_have_a_floor_and_are_equal_for_an_absent_class():
    proba = np.array([[[0.8, 0.1, 0.1], [0.8, 0.1, 0.1]], [[0.1, 0.8, 0.1], [0.1, 0.8, 0.1]]])
    rule = ClassWeightedAverage().fit(proba, [0, 1])
    np.testing.assert_allclose(rule.quality_[:, :2], [[1, 0.25], [0.25, 1]])  # 1 / (2 * 1 + 2)
    np.testing.assert_allclose(rule.weights_, [[0.8, 0.2, 0.5], [0.2, 0.8, 0.5]])


def test_weighted_vote_by_hand():
    proba, labels = draw(7, 5, 300)
    rule = WeightedVote().fit(proba, labels)
    hits = (proba.argmax(-1) == labels).mean(-1)
    scores = np.tile(np.log((np.bincount(labels) + 1) / (300 + 4)), (300, 1))
    for member, hit in zip(proba, hits, strict=True):
        scores[np.arange(300), member.argmax(-1)] += np.log(hit / (1 - hit)) + np.log(3)
    np.testing.assert_allclose(rule.scores(proba), scores)


def test_perfect_members_keep_finite_votes():
    proba = np.eye(2)[np.array([[0, 1, 0, 1]])]
    rule = WeightedVote().fit(proba, [0, 1, 0, 1])
    assert rule.accuracy_ == [1 - 1 / 8]


@pytest.mark.parametrize(
    ("rule", "reduce"), [(Median(), np.median), (Maximum(), np.max), (Minimum(), np.min)], ids=["median", "max", "min"]
)
@pytest.mark.parametrize("n_members", [1, 2, 5, 6])
def test_order_statistics_are_numpys(rule, reduce, n_members):
    proba, _ = draw(8, n_members)
    np.testing.assert_allclose(rule.fit(proba).scores(proba), reduce(proba, axis=0), atol=1e-15)


@pytest.mark.parametrize("n_members", [2, 3, 5, 11])
def test_trimmed_mean_is_scipys(n_members):
    from scipy.stats import trim_mean

    proba, _ = draw(9, n_members)
    drop = max(int(0.2 * n_members), 1) if n_members >= 3 else 0
    np.testing.assert_allclose(
        TrimmedMean().fit(proba).scores(proba), trim_mean(proba, drop / n_members + 1e-9, axis=0)
    )


def test_product_is_the_product_and_its_probabilities_the_geometric_mean():
    from scipy.stats import gmean

    proba, _ = draw(10, 4)
    rule = Product().fit(proba)
    np.testing.assert_array_equal(rule.predict(proba), proba.prod(axis=0).argmax(-1))
    mean = gmean(proba, axis=0)
    np.testing.assert_allclose(rule.predict_proba(proba), mean / mean.sum(-1, keepdims=True))


@pytest.mark.parametrize(("n_classes", "decimals"), [(4, 1), (40, 2), (40, 9)])
def test_borda_is_a_sum_of_mid_ranks(n_classes, decimals):
    from scipy.stats import rankdata

    proba = np.round(draw(11, 4, n_classes=n_classes)[0], decimals)
    proba /= proba.sum(-1, keepdims=True)
    expected = sum(rankdata(member, axis=-1) - 1 for member in proba)
    np.testing.assert_array_equal(BordaCount().fit(proba).scores(proba), expected)


def test_best_member_by_another_metric():
    proba, labels = draw(12, 5, 300)
    rule = BestMember("log-loss").fit(proba, labels)
    assert rule.member_ == int(np.argmin(log_loss(labels, proba)))
    np.testing.assert_array_equal(rule.scores(proba), proba[rule.member_])


def brute_force(proba, labels, weights):
    """Try every grid value, adding members in ascending order."""
    right = []
    for row in weights:
        scores = np.zeros(proba.shape[1:])
        for member, weight in zip(proba, row, strict=True):
            scores += weight * member
        right.append((scores.argmax(-1) == labels).mean())
    return np.array(right)


@pytest.mark.parametrize("kind", ["probabilities", "votes", "coarse", "equal"])
@pytest.mark.parametrize("seed", range(4))
def test_the_grid_of_exponential_weights_is_exact(kind, seed):
    rng = np.random.default_rng(seed)
    n_members, n_samples, n_classes = rng.integers(2, 8), rng.integers(20, 300), rng.integers(2, 8)
    proba, labels = draw(seed, n_members, n_samples, n_classes)
    if kind == "votes":
        proba = np.eye(n_classes)[proba.argmax(-1)]
    if kind == "coarse":
        proba = np.round(proba * 4) + 1e-300
        proba /= proba.sum(-1, keepdims=True)
    if kind == "equal":
        proba = np.repeat(proba[:1], n_members, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        rule = ExponentialWeightedAverage().fit(proba, labels)
    hits = np.clip((proba.argmax(-1) == labels).mean(-1), 1 / (2 * n_samples), 1 - 1 / (2 * n_samples))
    grid = np.array([round(-50 + 0.1 * step, 1) for step in range(2001)])
    np.testing.assert_array_equal(rule.q_grid_, grid)
    weights = softmax(grid[:, None] * np.log(hits))
    expected = brute_force(proba, labels, weights)
    np.testing.assert_allclose(rule.grid_accuracy_, expected, atol=1e-12)
    best = np.flatnonzero(np.isclose(expected, expected.max(), atol=1e-12, rtol=0))
    assert rule.q_ == grid[best[0]]
    assert rule.plateau_width_ == len(best)
    np.testing.assert_allclose(rule.weights_, hits**rule.q_ / (hits**rule.q_).sum())


@pytest.mark.parametrize("many", [1 << 25, 10])
def test_the_grid_with_row_weights_is_exact(many, monkeypatch):
    monkeypatch.setattr("ensembler.arrays.MANY_VALUES", many)
    proba, labels = draw(3, 4, 150)
    row_weights = np.random.default_rng(0).uniform(0, 2, 150)
    weights = softmax(np.linspace(-30, 60, 400)[:, None] * np.log(accuracy(labels, proba)))
    expected = [
        np.average((w @ proba.reshape(4, -1)).reshape(150, -1).argmax(-1) == labels, weights=row_weights)
        for w in weights
    ]
    np.testing.assert_allclose(accuracy_over_grid(proba, labels, row_weights, weights), expected, atol=1e-10)


def test_special_values_of_q(fer):
    validation = fer.validation
    fixed = {
        q: ExponentialWeightedAverage(q_min=q, q_max=q)
        .fit(validation.proba, validation.labels)
        .predict_proba(fer.proba)
        for q in (0, 1, 100000)
    }
    others = {0: SimpleAverage(), 1: AccuracyWeightedAverage(), 100000: BestMember()}
    for q, rule in others.items():
        theirs = rule.fit(validation.proba, validation.labels).predict_proba(fer.proba)
        np.testing.assert_allclose(fixed[q], theirs, atol=1e-9)


def test_where_on_the_plateau():
    proba, labels = draw(20, 6, 12, 3, skill=4.0)
    with pytest.warns(FitWarning, match=r"q = -\d.* (?:is negative|is an end)"):
        smallest = ExponentialWeightedAverage().fit(proba, labels)
    tied = smallest.q_grid_[smallest.grid_accuracy_ == smallest.grid_accuracy_.max()]
    assert smallest.q_ == tied[0]
    nearest = ExponentialWeightedAverage(plateau="nearest-zero").fit(proba, labels)
    assert abs(nearest.q_) == np.abs(tied).min()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        middle = ExponentialWeightedAverage(plateau="middle").fit(proba, labels)
    runs = np.split(tied, np.flatnonzero(np.diff(tied) > 0.15) + 1)
    longest = max(runs, key=len)
    assert middle.q_ == longest[(len(longest) - 1) // 2]


def test_equal_members_give_the_smallest_q_and_a_warning():
    proba = np.repeat(draw(1, 1)[0], 3, axis=0)
    with pytest.warns(FitWarning, match=r"q = -50 is an end of its grid \(2001 of 2001 grid values share"):
        assert ExponentialWeightedAverage().fit(proba, draw(1, 1)[1]).q_ == -50


def test_exponential_relatives():
    proba, labels = draw(14, 4, 200)
    by_accuracy = ExponentialWeightedAverage("exp-accuracy").fit(proba, labels)
    assert by_accuracy.q_grid_[[0, 1, -1]].tolist() == [0, 0.1, 200]
    np.testing.assert_allclose(by_accuracy.weights_, softmax(by_accuracy.q_ * by_accuracy.accuracy_))
    by_loss = ExponentialWeightedAverage("exp-loss").fit(proba, labels)
    np.testing.assert_allclose(by_loss.weights_, softmax(-by_loss.q_ * log_loss(labels, proba)))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (ExponentialWeightedAverage(form="log"), "form is 'log', expected 'power', 'exp-accuracy' or 'exp-loss'"),
        (ExponentialWeightedAverage(q_min=3, q_max=1), "q_min is 3, expected at most q_max, which is 1"),
        (ExponentialWeightedAverage(q_step=0), "q_step is 0, expected a number above 0"),
        (ExponentialWeightedAverage(q_step=1e-9), "a step that makes at most 1,000,001 grid values"),
        (ExponentialWeightedAverage(q_min="low"), "q_min is 'low', expected a number"),
        (ExponentialWeightedAverage(plateau="last"), "plateau is 'last'"),
        (LossWeightedAverage(beta=3.0), "beta is 3.0, expected 1 with form 'inverse', which does not use it"),
        (LossWeightedAverage(form="log"), "form is 'log', expected 'inverse' or 'exp'"),
        (ClassWeightedAverage(by="auc"), "by is 'auc', expected 'recall', 'precision' or 'f1'"),
        (MajorityVote(ties="random"), "ties is 'random', expected 'confidence' or 'lowest'"),
        (TrimmedMean(proportion=0.5), "proportion is 0.5, expected a number of at least 0 and below 0.5"),
        (BestMember(metric="accurcy"), "unknown metric 'accurcy'; did you mean 'accuracy'"),
    ],
)
def test_impossible_parameters(rule, message):
    proba, labels = draw(15)
    with pytest.raises((ParameterError, ValueError), match=message):
        rule.fit(proba, labels)


def test_float32_votes_are_counted_in_float64():
    proba = np.array([[[0.6000001, 0.3999999]], [[0.3999999, 0.6000002]]], dtype=np.float32)
    assert MajorityVote().fit(proba).predict(proba) == [1]

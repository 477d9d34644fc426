"""What must hold for every registered rule."""

import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.base import clone

from ensembler import Median
from ensembler.combiners.additive import AdditiveCombiner
from ensembler.combiners.balanced import Balanced
from ensembler.combiners.calibrated import Calibrated
from ensembler.combiners.registry import all_rules
from ensembler.errors import FitWarning, NotApplicableError, NotFittedError, ParameterError, ShapeError, ValueRangeError
from ensembler.metrics import get_metric
from tests.conftest import draw

DOCUMENTED = [
    "mean",
    "accuracy-weighted",
    "class-weighted",
    "loss-weighted",
    "exponential-weighted",
    "majority-vote",
    "hierarchical-committee",
    "stacking",
    "log-pool",
    "simplex",
    "super-learner",
    "blend",
    "best-member",
    "borda",
    "fixed-weights",
    "greedy",
    "max",
    "median",
    "min",
    "product",
    "trimmed-mean",
    "weighted-vote",
    "bayesian-combination",
    "behaviour-knowledge-space",
    "cma-es",
    "dawid-skene",
    "decision-templates",
    "dempster-shafer",
    "generalised-mean",
    "naive-bayes",
    "rank-average",
    "recall",
    "knop",
    "knora-e",
    "knora-u",
    "lca",
    "mcb",
    "meta-des",
    "ola",
]
NEAREST_ROWS = {"knop", "knora-e", "knora-u", "lca", "meta-des", "ola"}
ORDER_MATTERS = {"best-member", "greedy"}  # equal members: the first wins
CLASS_ORDER_MATTERS = {"stacking", "blend"}  # an optimiser stops at another last digit

LEARNS_OTHER_ANSWERS = {
    *["stacking", "blend", "weighted-vote", "class-weighted", "behaviour-knowledge-space", "decision-templates"],
    *["dempster-shafer", "naive-bayes", "rank-average"],
}  # where they have one member only, too
ADDS_PSEUDO_ROWS = {"behaviour-knowledge-space", "naive-bayes", "recall"}  # to weights of mean 1

pytestmark = pytest.mark.filterwarnings("ignore::ensembler.errors.FitWarning")


def make(name, n_members):
    if name == "hierarchical-committee":
        half = max(1, n_members // 2)
        return all_rules()[name](groups=[list(range(half + 1))[:n_members], list(range(n_members))[half - 1 :]])
    if name == "fixed-weights":
        return all_rules()[name](weights=[1.0] * n_members)
    return all_rules()[name]()


@pytest.fixture(params=DOCUMENTED)
def name(request):
    return request.param


def test_exactly_the_documented_rules_are_found():
    assert list(all_rules()) == DOCUMENTED


def test_output_is_on_the_simplex_and_agrees_with_scores(name):
    proba, labels = draw(1)
    rule = make(name, len(proba)).fit(proba, labels)
    scores, output = rule.scores(proba), rule.predict_proba(proba)
    assert output.shape == scores.shape == proba.shape[1:]
    assert output.dtype == scores.dtype == np.float64
    assert (output >= 0).all()
    np.testing.assert_allclose(output.sum(axis=-1), 1.0, atol=1e-6)
    np.testing.assert_array_equal(output.argmax(-1), scores.argmax(-1))
    np.testing.assert_array_equal(rule.predict(proba), scores.argmax(-1))


@pytest.mark.parametrize(("n_members", "n_samples", "n_classes"), [(1, 30, 3), (4, 1, 3), (3, 40, 2), (2, 2, 2)])
def test_small_shapes(name, n_members, n_samples, n_classes):
    proba, labels = draw(2, n_members, n_samples, n_classes)
    rule = make(name, n_members)
    try:
        output = rule.fit(proba, labels).predict_proba(proba)
    except NotApplicableError as error:
        assert name in {"stacking", "blend"}
        assert n_samples <= 2
        assert "at least two classes" in str(error)
        return
    assert output.shape == (n_samples, n_classes)
    np.testing.assert_allclose(output.sum(axis=-1), 1.0, atol=1e-6)


def test_one_member_is_its_own_ensemble(name):
    proba, labels = draw(3, 1)
    rule = make(name, 1).fit(proba, labels)
    if name not in LEARNS_OTHER_ANSWERS:
        np.testing.assert_array_equal(rule.predict(proba), proba[0].argmax(-1))


def test_arrays_are_not_changed_and_may_be_read_only_strided_or_lists(name):
    proba, labels = draw(4, 3, 40, 3)
    before = proba.copy()
    expected = make(name, 3).fit(proba, labels).predict_proba(proba)
    np.testing.assert_array_equal(proba, before)
    frozen = proba.copy()
    frozen.setflags(write=False)
    strided = np.moveaxis(np.moveaxis(proba, 0, 2).copy(), 2, 0)
    assert not strided.flags.c_contiguous
    for other in (frozen, strided, proba.tolist()):
        again = make(name, 3).fit(other, labels.tolist()).predict_proba(other)
        np.testing.assert_allclose(again, expected, atol=1e-12)


def test_float32_gives_nearly_the_same(name):
    proba, labels = draw(5, 4, 300)
    small = proba.astype(np.float32)
    wide = make(name, 4).fit(small.astype(np.float64), labels).predict_proba(small.astype(np.float64))
    np.testing.assert_allclose(make(name, 4).fit(small, labels).predict_proba(small), wide, atol=1e-6)


def test_member_order_does_not_matter(name):
    proba, labels = draw(6, 5, 200)
    order = np.array([3, 0, 4, 1, 2])
    rule, shuffled = make(name, 5), make(name, 5)
    if name == "hierarchical-committee":
        place = np.argsort(order)
        shuffled.set_params(groups=[[int(place[member]) for member in group] for group in rule.groups])
    first = rule.fit(proba, labels).predict_proba(proba)
    second = shuffled.fit(proba[order], labels).predict_proba(proba[order])
    np.testing.assert_allclose(first, second, atol=1e-4 if name in CLASS_ORDER_MATTERS else 1e-9)


def test_class_order_does_not_matter(name):
    proba, labels = draw(7, 4, 200, 5)
    order = np.array([2, 4, 0, 1, 3])
    first = make(name, 4).fit(proba, labels).predict_proba(proba)
    second = make(name, 4).fit(proba[..., order], np.argsort(order)[labels]).predict_proba(proba[..., order])
    np.testing.assert_allclose(first[:, order], second, atol=1e-3 if name in CLASS_ORDER_MATTERS else 1e-9)


def test_row_order_does_not_matter_to_outputs(name):
    proba, labels = draw(8, 4, 90)
    rule = make(name, 4).fit(proba, labels)
    np.testing.assert_array_equal(rule.predict_proba(proba[:, ::-1])[::-1], rule.predict_proba(proba))


def test_fitting_twice_and_cloning_give_the_same(name):
    proba, labels = draw(9)
    rule = make(name, 5)
    first = rule.fit(proba, labels).predict_proba(proba)
    np.testing.assert_array_equal(rule.fit(proba, labels).predict_proba(proba), first)
    other = clone(rule)
    assert other == rule
    assert not hasattr(other, "n_members_")
    np.testing.assert_array_equal(other.fit(proba, labels).predict_proba(proba), first)


def test_pickle_and_repr(name):
    proba, labels = draw(10)
    rule = make(name, 5).fit(proba, labels)
    again = pickle.loads(pickle.dumps(rule))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(again.predict_proba(proba), rule.predict_proba(proba))
    assert repr(rule).startswith(type(rule).__name__ + "(")


def test_refitting_on_another_shape_forgets_the_first(name):
    rule = make(name, 5)
    rule.fit(*draw(11, 5, 60, 4))
    if name == "hierarchical-committee":
        rule.set_params(groups=[[0], [1]])
    if name == "fixed-weights":
        rule.set_params(weights=[1, 2])
    proba, labels = draw(11, 2, 50, 3)
    assert rule.fit(proba, labels).predict_proba(proba).shape == (50, 3)


def test_before_fit_only_rules_that_learn_nothing_have_scores(name):
    proba, labels = draw(12)
    rule = make(name, 5)
    if rule.is_trainable:
        with pytest.raises(NotFittedError, match=f"{name} is not fitted yet; call fit"):
            rule.predict(proba)
        return
    np.testing.assert_array_equal(rule.predict_proba(proba), make(name, 5).fit(proba, labels).predict_proba(proba))
    assert not hasattr(rule, "n_members_")


def test_score_is_the_metric_of_what_is_predicted(name):
    proba, labels = draw(22)
    rule = make(name, 5).fit(proba, labels)
    assert rule.score(proba, labels) == (rule.predict(proba) == labels).mean()
    weight = np.arange(1.0, 121.0)
    expected = np.average(rule.predict(proba) == labels, weights=weight)
    assert rule.score(proba, labels, weight) == pytest.approx(expected, abs=1e-12)
    assert rule.score(proba, labels, metric="brier") == get_metric("brier")(labels, rule.predict_proba(proba))


def test_weights_that_are_set_are_used_or_cannot_be_set(name):
    proba, labels = draw(23)
    rule = make(name, 5).fit(proba, labels)
    if not rule.is_fixed_weighted_mean:
        return
    before = rule.predict_proba(proba)
    try:
        rule.weights_ = np.array([0.0, 0.0, 1.0, 0.0, 0.0])
    except AttributeError:
        assert name == "mean"
        np.testing.assert_array_equal(rule.predict_proba(proba), before)
        return
    np.testing.assert_allclose(rule.predict_proba(proba), proba[2] / proba[2].sum(axis=1, keepdims=True), atol=1e-12)
    assert rule.members_used() == (2,)


def test_weights_that_cannot_be_are_refused(name):
    proba, labels = draw(26)
    rule = make(name, 5)
    if not hasattr(rule.fit(proba, labels), "weights_") or name == "mean":
        return
    before = rule.predict_proba(proba)
    for weights in ([1.0, 2.0], [1.0, -5.0, 0.0, 0.0, 1.0], [1.0, np.nan, 1.0, 1.0, 1.0], ["a"] * 5):
        with pytest.raises(ParameterError, match=f"{name}: weights_ is"):
            rule.weights_ = weights
    np.testing.assert_array_equal(rule.predict_proba(proba), before)
    rule.weights_ = [1, 0, 0, 0, 0]
    np.testing.assert_array_equal(rule.predict(proba), proba[0].argmax(axis=-1))
    with pytest.raises(NotFittedError, match="before you set weights_"):
        make(name, 5).weights_ = [1, 0, 0, 0, 0]


def test_temperatures_around_a_rule_keep_what_it_says(name):
    proba, labels = draw(27)
    inner = make(name, 5)
    rule = Calibrated(inner, "members").fit(proba, labels)
    assert (rule.name, rule.complexity, rule.members_used()) == (name, inner.complexity, rule.rule_.members_used())
    assert rule.names_members_by_number() == inner.names_members_by_number()
    if rule.rule_.is_fixed_weighted_mean and name != "mean":
        rule.weights_ = [0, 0, 0, 0, 1]
        np.testing.assert_array_equal(rule.predict(proba), proba[4].argmax(axis=-1))
    assert rule.set_params(rule=Median()).name == "median"


@pytest.mark.parametrize("tau", [0, 0.7, "auto"])
def test_a_rule_that_is_shifted_stays_one(name, tau):
    proba, labels = draw(28, n_samples=90)
    inner = make(name, 5)
    rule = Balanced(inner, tau).fit(proba, labels, np.linspace(0, 2, 90))
    assert (rule.name, rule.complexity, rule.members_used()) == (name, inner.complexity, rule.rule_.members_used())
    scores, output = rule.scores(proba), rule.predict_proba(proba)
    np.testing.assert_allclose(output.sum(axis=-1), 1.0, atol=1e-9)
    np.testing.assert_array_equal(output.argmax(axis=-1), scores.argmax(axis=-1))
    assert rule.prior_.sum() == pytest.approx(1)
    assert not hasattr(inner, "n_members_")
    if rule.tau_ == 0:
        np.testing.assert_array_equal(scores, rule.rule_.scores(proba))
        np.testing.assert_array_equal(output, rule.rule_.predict_proba(proba))
    again = pickle.loads(pickle.dumps(rule))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(again.predict_proba(proba), output)
    np.testing.assert_array_equal(clone(rule).fit(proba, labels, np.linspace(0, 2, 90)).predict_proba(proba), output)


def test_members_are_known_after_fit_only(name):
    if all_rules()[name].is_trainable:
        with pytest.raises(NotFittedError, match="before you ask for its members"):
            make(name, 5).members_used()


def test_a_weighted_mean_is_one(name):
    proba, labels = draw(24)
    rule = make(name, 5).fit(proba, labels)
    if rule.is_fixed_weighted_mean:
        expected = np.tensordot(rule.weights_, proba, 1)
        np.testing.assert_allclose(rule.predict_proba(proba), expected, atol=1e-12)


def test_members_that_are_not_used_do_not_matter(name):
    proba, labels = draw(25)
    rule = make(name, 5).fit(proba, labels)
    others = [member for member in range(5) if member not in rule.members_used()]
    changed = proba.copy()
    changed[others] = 1 / proba.shape[2]
    np.testing.assert_array_equal(rule.predict(changed), rule.predict(proba))


def test_other_members_or_classes_than_in_fit_are_refused(name):
    proba, labels = draw(13)
    rule = make(name, 5).fit(proba, labels)
    with pytest.raises(ShapeError, match="proba has 4 members and 4 classes, expected 5 and 4"):
        rule.predict(proba[:4])


def test_learning_rules_ask_for_labels_and_others_do_without(name):
    proba, labels = draw(14)
    rule = make(name, 5)
    if rule.is_trainable:
        with pytest.raises(ParameterError, match=f"{name} learns from labels, got none"):
            rule.fit(proba)
    else:
        np.testing.assert_array_equal(
            rule.fit(proba).predict_proba(proba), make(name, 5).fit(proba, labels).predict_proba(proba)
        )
        assert rule.n_fitted() == 0


def test_bad_arrays_are_refused(name):
    proba, labels = draw(15)
    spoiled = proba.copy()
    spoiled[1, 7, 0] = np.nan
    with pytest.raises(ValueRangeError, match="proba of member 1: row 7 contains nan"):
        make(name, 5).fit(spoiled, labels)
    with pytest.raises(ShapeError, match="labels has 119 rows, the predictions have 120"):
        make(name, 5).fit(proba, labels[1:])


def test_weighing_a_row_twice_is_repeating_it(name):
    if name in {"stacking", "blend"}:
        pytest.skip("folds that choose the regularisation differ when rows are repeated")
    if name in NEAREST_ROWS:
        pytest.skip("the number of neighbours counts rows, of which one that is repeated is several")
    if name in ADDS_PSEUDO_ROWS:
        pytest.skip("a pseudo-row counts less beside more rows")
    proba, labels = draw(16, 4, 80)
    counts = np.random.default_rng(0).integers(1, 4, 80)
    weighted = make(name, 4).fit(proba, labels, counts)
    repeated = make(name, 4).fit(np.repeat(proba, counts, axis=1), np.repeat(labels, counts))
    # Smoothing counts rows, not weights: priors and accuracy limits differ a little.
    np.testing.assert_allclose(weighted.predict_proba(proba), repeated.predict_proba(proba), atol=0.02)


def test_a_class_without_rows_does_not_break_a_fit(name):
    proba, labels = draw(17, 4, 90, 4)
    kept = labels != 2
    rule = make(name, 4).fit(proba[:, kept], labels[kept])
    output = rule.predict_proba(proba)
    assert np.isfinite(output).all()
    np.testing.assert_allclose(output.sum(-1), 1, atol=1e-6)


def test_certain_members_do_not_break_a_rule(name):
    labels = np.arange(40) % 4
    votes = np.stack([labels, (labels + 1) % 4, np.zeros(40, int)])
    certain = np.eye(4)[votes]
    output = make(name, 3).fit(certain, labels).predict_proba(certain)
    assert np.isfinite(output).all()
    np.testing.assert_allclose(output.sum(-1), 1, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    raw=hnp.arrays(np.float64, (3, 12, 3), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0, 3.0])),
    labels=hnp.arrays(np.int64, 12, elements=st.integers(0, 2)),
)
def test_scores_and_probabilities_never_disagree_even_among_ties(raw, labels):
    proba = (raw + 1e-9) / (raw + 1e-9).sum(axis=-1, keepdims=True)
    for name in DOCUMENTED:
        if name in {"stacking", "blend"}:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)
            rule = make(name, 3).fit(proba, labels)
        scores, output = rule.scores(proba), rule.predict_proba(proba)
        np.testing.assert_array_equal(scores.argmax(-1), output.argmax(-1), err_msg=name)
        np.testing.assert_allclose(output.sum(-1), 1, atol=1e-6)


def test_additive_rules_hand_over_contributions_that_sum_to_their_scores():
    proba, labels = draw(18, 6, 70)
    found = []
    for name in DOCUMENTED:
        rule = make(name, 6)
        if isinstance(rule, AdditiveCombiner):
            found.append(name)
            rule.fit(proba, labels)
            total = np.tile(rule.offset(), (70, 1))
            for member in range(6):
                total = total + rule.contribution(member, proba[member])
            np.testing.assert_array_equal(total, rule.scores(proba))
    assert found == [
        "mean",
        "accuracy-weighted",
        "loss-weighted",
        "majority-vote",
        "borda",
        "fixed-weights",
        "product",
        "weighted-vote",
        "dempster-shafer",
        "generalised-mean",
        "naive-bayes",
        "recall",
    ]


# One change for each parameter, made where it must be visible; an option without effect is a defect.
CHANGES = [
    ("fixed-weights", {"weights": [1.0, 2.0, 3.0, 0.0, 5.0, 6.0]}),
    ("class-weighted", {"by": "precision"}),
    ("class-weighted", {"by": "f1"}),
    ("loss-weighted", {"form": "exp"}),
    ("loss-weighted", {"form": "exp", "beta": 5.0}),
    ("exponential-weighted", {"form": "exp-accuracy"}),
    ("exponential-weighted", {"form": "exp-loss"}),
    ("exponential-weighted", {"q_min": 20}),
    ("exponential-weighted", {"q_max": -10}),
    ("exponential-weighted", {"q_step": 7}),
    ("exponential-weighted", {"plateau": "nearest-zero"}),
    ("exponential-weighted", {"plateau": "middle"}),
    ("majority-vote", {"ties": "lowest"}),
    ("stacking", {"strengths": (10.0,)}),
    ("log-pool", {"ridge": 0.5}),
    ("log-pool", {"bias": True}),
    ("log-pool", {"signed": True}),
    ("blend", {"rules": ["log-pool", "mean"]}),
    ("blend", {"weights": "log-loss"}),
    ("greedy", {"metric": "log-loss"}),
    ("greedy", {"n_steps": 3}),
    ("greedy", {"n_init": 5}),
    ("greedy", {"n_bags": 3}),
    ("greedy", {"n_bags": 3, "bag_fraction": 0.8}),
    ("greedy", {"n_bags": 3, "random_state": 7}),
    ("greedy", {"best_prefix": False}),
    ("best-member", {"metric": "ece"}),
    *((name, change) for name in sorted(NEAREST_ROWS) for change in ({"k": 3}, {"votes": True})),
    ("lca", {"among": "true"}),
    ("mcb", {"similarity": 0.4}),
    ("mcb", {"lead": 0.02}),
    ("mcb", {"votes": True}),
    ("meta-des", {"threshold": 0.8}),
    ("trimmed-mean", {"proportion": 0.4}),
    ("hierarchical-committee", {"rules": ("mean", "median")}),
    ("hierarchical-committee", {"groups": [[0, 1], [1, 2]]}),
    ("dempster-shafer", {"squared": False}),
    ("generalised-mean", {"order": -1.5}),
    ("bayesian-combination", {"n_draws": 3}),
    ("bayesian-combination", {"random_state": 7}),
    ("cma-es", {"metric": "accuracy"}),
    ("cma-es", {"n_steps": 1}),
    ("cma-es", {"n_steps": 6, "sigma": 2.0}),
    ("cma-es", {"metric": "accuracy", "random_state": 7}),
    ("dawid-skene", {"max_iter": 1}),
    ("dawid-skene", {"tol": 0.1}),
]


@pytest.mark.parametrize(("name", "change"), CHANGES, ids=lambda value: str(value))
def test_every_parameter_changes_something(name, change):
    # Few rows and good members make a plateau that reaches below zero.
    proba, labels = draw(20, 6, 12, 3, skill=4.0) if "plateau" in change else draw(19, 6, 250, 4)
    base = make(name, 6)
    if name == "greedy" and "n_bags" in change and len(change) > 1:
        base.set_params(n_bags=3)
    if name == "loss-weighted" and "beta" in change:
        base.set_params(form="exp")
    if name == "cma-es" and len(change) > 1:
        base.set_params(**{**change, "sigma": 0.2, "random_state": 0})
    changed = clone(base).set_params(**change)
    before, after = base.fit(proba, labels).predict_proba(proba), changed.fit(proba, labels).predict_proba(proba)
    assert not np.array_equal(before, after)


def test_every_parameter_is_among_those_changes():
    tried = {(name, parameter) for name, change in CHANGES for parameter in change}
    by_hand = {("stacking", "final_estimator"), ("meta-des", "meta_classifier")}
    every = {(name, parameter) for name in DOCUMENTED for parameter in all_rules()[name]().get_params(deep=False)}
    assert every == tried | by_hand

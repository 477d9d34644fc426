"""Dynamic selection, against loops that say what each rule is, DESlib, and figures computed elsewhere."""

import json
import pickle
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

from ensembler import Predictions, compare_rules, load_predictions
from ensembler.arrays import softmax
from ensembler.combiners.base import clone
from ensembler.combiners.dynamic.mcb import MultipleClassifierBehaviour
from ensembler.combiners.dynamic.meta_des import MetaDes
from ensembler.combiners.dynamic.neighbours import NearestProfiles
from ensembler.combiners.registry import family_rules, make_rule
from ensembler.errors import NotApplicableError, ParameterError, ValueRangeError
from ensembler.metrics import METRICS
from tests.combiners.test_neighbours import KINDS, nearest_by_sorting, votes_of
from tests.conftest import draw
from tests.oracles import dynamic_selection

ORACLE = json.loads(Path(dynamic_selection.__file__).with_suffix(".json").read_text())
RULES = family_rules("dynamic")
NEAREST = [name for name in RULES if name != "mcb"]


# --- each rule, one row after another ---


def weights_by_loops(name, fitting, labels, row, k, row_weights, among="assigned", similarity=0.7, lead=0.1):
    """The weights of the members in one row, (M,)."""
    members = range(len(fitting))
    near = nearest_by_sorting(fitting, row[:, None], k)[0]
    votes = fitting.argmax(axis=2)
    right = votes == labels
    if name in ("knop", "knora-u"):
        return [sum(row_weights[i] for i in near if right[m, i]) for m in members]
    if name == "knora-e":
        lengths = [len(list(takewhile(lambda i: right[m, i], near))) for m in members]  # noqa: B023
        return [float(length == max(lengths)) for length in lengths]
    if name == "ola":
        local = [sum(row_weights[i] for i in near if right[m, i]) for m in members]
        return [float(value >= max(local) - 1e-12) for value in local]
    if name == "lca":
        local = []
        for m in members:
            own = row[m].argmax()
            counted = [i for i in near if (votes[m, i] if among == "assigned" else labels[i]) == own]
            total = sum(row_weights[i] for i in counted)
            local.append(sum(row_weights[i] for i in counted if right[m, i]) / total if counted else 0.0)
        return [float(value >= max(local) - 1e-12) for value in local]
    alike = [
        i
        for i in range(len(labels))
        if sum(votes[m, i] == row[m].argmax() for m in members) >= similarity * len(members) - 1e-9
    ]
    if not alike:
        return [1.0 for _ in members]
    local = [sum(row_weights[i] for i in alike if right[m, i]) / sum(row_weights[i] for i in alike) for m in members]
    best = int(np.argmax(local))
    others = [value for m, value in enumerate(local) if m != best]
    ahead = local[best] - max(others, default=-1.0)
    return [float(m == best) if ahead > 1e-9 and ahead >= lead - 1e-9 else 1.0 for m in members]


def output_by_loops(weights, row, votes):
    if not any(weights):
        weights = [1.0 for _ in weights]
    if votes:
        total = sum(weight * np.eye(row.shape[1])[row[m].argmax()] for m, weight in enumerate(weights))
        total = total + 1e-6 * row.mean(axis=0)
    else:
        total = sum(weight * row[m] for m, weight in enumerate(weights))
    return total / total.sum()


@pytest.mark.parametrize("votes", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["probabilities", "votes", "rounded"])
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("knop", {}),
        ("knop", {"k": 3}),
        ("knora-u", {}),
        ("knora-e", {"k": 4}),
        ("ola", {}),
        ("lca", {}),
        ("lca", {"among": "true"}),
        ("mcb", {}),
        ("mcb", {"similarity": 1.0, "lead": 0.02}),
    ],
    ids=str,
)
def test_rules_are_what_their_loops_say(name, parameters, kind, weighted, votes):
    fitting, labels = draw(8, 5, 130, 3)
    new = KINDS[kind](draw(9, 5, 40, 3)[0])
    fitting = KINDS[kind](fitting)
    row_weights = np.random.default_rng(1).integers(1, 4, 130).astype(float) if weighted else np.ones(130)
    rule = make_rule(name).set_params(**parameters, votes=votes).fit(fitting, labels, row_weights)
    row_weights /= row_weights.mean()
    expected = []
    for row in np.moveaxis(new, 1, 0):
        k = parameters.get("k", 7)
        others = {key: value for key, value in parameters.items() if key != "k"}
        expected.append(
            output_by_loops(weights_by_loops(name, fitting, labels, row, k, row_weights, **others), row, votes)
        )
    np.testing.assert_allclose(rule.predict_proba(new), expected, atol=1e-12)


def test_knora_union_is_knop_in_output_space():
    fitting, labels = draw(10, 4, 150, 3)
    new = draw(11, 4, 50, 3)[0]
    knop, union = (make_rule(name).fit(fitting, labels).scores(new) for name in ("knop", "knora-u"))
    np.testing.assert_array_equal(knop, union)


def test_where_no_member_is_correct_nearby_all_count():
    fitting = np.array([[[0.9, 0.1]] * 3, [[0.7, 0.3]] * 3])
    new = np.array([[[0.8, 0.2]], [[0.4, 0.6]]])
    for name in ("knop", "knora-u", "knora-e", "ola", "lca", "meta-des"):
        rule = make_rule(name).fit(fitting, [1, 1, 1])
        np.testing.assert_allclose(rule.predict_proba(new), [[0.6, 0.4]], atol=1e-12)


def test_equal_votes_go_to_the_class_of_the_highest_mean():
    fitting = np.array([[[0.9, 0.1], [0.8, 0.2]], [[0.9, 0.1], [0.6, 0.4]]])
    new = np.array([[[0.6, 0.4]], [[0.1, 0.9]]])
    rule = make_rule("knop:votes=true").fit(fitting, [0, 0])
    assert rule.predict(new).tolist() == [1]


# --- figures computed elsewhere ---


@pytest.mark.parametrize(
    ("text", "n_correct", "log_loss"),
    [
        ("knop", 2471, 0.8550),
        ("knop:votes=true", 2470, 2.58),
        ("knora-u", 2471, 0.8550),
        ("knora-e", 2312, None),
        ("ola", 2369, None),
    ],
)
def test_figures_on_the_published_networks(fer, text, n_correct, log_loss):
    fitting, new = (part.proba.astype(np.float64) for part in (fer.validation, fer))
    fitting, new = (part / part.sum(axis=2, keepdims=True) for part in (fitting, new))
    output = make_rule(text).fit(fitting, fer.validation.true_labels).predict_proba(new)
    assert int((output.argmax(axis=1) == fer.true_labels).sum()) == n_correct
    if log_loss is not None:
        precision = 10 ** -len(str(log_loss).split(".")[1])
        found = float(METRICS["log-loss"](fer.true_labels, output))
        assert found == pytest.approx(log_loss, abs=max(precision / 2, 1e-4))


def deslib_cases():
    for case in ORACLE["cases"]:
        proba, labels = dynamic_selection.draw(case["seed"], case["n_members"], case["n_classes"])
        yield (
            proba[:, : dynamic_selection.N_FIT],
            labels[: dynamic_selection.N_FIT],
            proba[:, dynamic_selection.N_FIT :],
            case,
        )


@pytest.mark.parametrize(
    ("text", "theirs"),
    [("knop", "knop"), ("knora-u", "knora-u"), ("knora-e", "knora-e"), ("ola", "ola"), ('lca:among="true"', "lca")],
)
def test_probabilities_are_those_of_deslib(text, theirs):
    for fitting, labels, new, case in deslib_cases():
        rule = make_rule(text).fit(fitting, labels)
        # DESlib takes the softmax of the members' mean probabilities times their weights.
        ours = softmax(rule.scores(new) / len(new)) if theirs in ("knop", "knora-u") else rule.predict_proba(new)
        expected = np.array(case["answers"][theirs]["proba"])
        # Where all members vote alike DESlib selects none.
        divided = np.ptp(new.argmax(axis=2), axis=0) > 0
        assert divided.sum() > 20
        np.testing.assert_allclose(ours[divided], expected[divided], atol=1e-8)
        np.testing.assert_array_equal(ours.argmax(axis=1), expected.argmax(axis=1))


def test_votes_are_those_of_deslib_but_for_ties():
    for fitting, labels, new, case in deslib_cases():
        rule = make_rule("knop:votes=true").fit(fitting, labels)
        scores = rule.scores(new)
        first, second = np.sort(scores, axis=1)[:, -2:].T[::-1]
        clear = first - second > 0.5
        assert clear.mean() > 0.8
        expected = np.array(case["answers"]["knop:votes=true"]["predicted"])
        np.testing.assert_array_equal(scores.argmax(axis=1)[clear], expected[clear])


def test_meta_learning_is_that_of_deslib():
    for fitting, labels, new, case in deslib_cases():
        meta = LogisticRegression(C=dynamic_selection.STRENGTH, tol=1e-10, max_iter=100_000)
        ours = MetaDes(meta_classifier=meta).fit(fitting, labels).predict_proba(new)
        expected = np.array(case["answers"]["meta-des"]["proba"])
        divided = np.ptp(new.argmax(axis=2), axis=0) > 0
        np.testing.assert_allclose(ours[divided], expected[divided], atol=1e-8)


def test_behaviour_is_that_of_deslib():
    for fitting, labels, new, case in deslib_cases():
        expected = np.array(case["answers"]["mcb"]["competence"])
        ordered = np.sort(expected, axis=1)
        votes, fitting_votes = new.argmax(axis=2), fitting.argmax(axis=2)
        alike = (votes[:, :, None] == fitting_votes[:, None]).mean(axis=0) >= 0.7
        clear = (ordered[:, -1] - ordered[:, -2] >= 0.1) & alike.any(axis=1)
        rule = MultipleClassifierBehaviour().fit(fitting, labels)
        for row in range(new.shape[1]):
            selected = new[expected[row].argmax(), row] if clear[row] else new[:, row].mean(axis=0)
            np.testing.assert_allclose(rule.predict_proba(new[:, row : row + 1])[0], selected, atol=1e-12)


# --- META-DES ---


def test_meta_features_of_a_fitting_row_leave_it_out():
    fitting, labels = draw(12, 3, 60, 3)
    rule = MetaDes(k=4).fit(fitting, labels)
    near = nearest_by_sorting(fitting, fitting, 4, own=True)
    right = fitting.argmax(axis=2) == labels
    rows = []
    for row in range(60):
        for member in range(3):
            own = [right[member, i] for i in near[row]]
            true = [fitting[member, i, labels[i]] for i in near[row]]
            rows.append([*own, *true, np.mean(own), fitting[member, row].max()])
    model = LogisticRegression(tol=1e-10, max_iter=10_000).fit(rows, right.T.ravel())
    np.testing.assert_allclose(rule.coef_, model.coef_[0], atol=1e-4)
    assert rule.intercept_ == pytest.approx(model.intercept_[0], abs=1e-4)


def test_a_meta_classifier_of_ones_own_is_used_and_not_saved():
    fitting, labels = draw(13, 4, 120, 3)
    own = GaussianNB()
    rule = MetaDes(meta_classifier=own).fit(fitting, labels)
    assert not hasattr(own, "classes_")
    assert (rule.predict_proba(fitting) != MetaDes().fit(fitting, labels).predict_proba(fitting)).any()
    np.testing.assert_array_equal(clone(rule).fit(fitting, labels).scores(fitting), rule.scores(fitting))
    with pytest.raises(NotApplicableError, match="meta-des with a GaussianNB cannot be saved"):
        rule.state()
    with pytest.raises(ParameterError, match="KNeighborsClassifier takes no row weights"):
        MetaDes(meta_classifier=KNeighborsClassifier()).fit(fitting, labels, np.linspace(1, 2, 120))
    with pytest.raises(ParameterError, match="meta_classifier is 'forest', expected a scikit-learn classifier"):
        make_rule("meta-des:meta_classifier=forest")


def test_where_nothing_can_be_learned_all_members_are_trusted():
    labels = np.arange(12) % 3
    certain = np.stack([np.eye(3)[labels]] * 2)
    other = draw(14, 2, 5, 3)[0]
    for proba, true in ((certain, labels), (draw(15, 2, 1, 3)[0], np.array([0]))):
        for meta in (None, GaussianNB()):
            rule = MetaDes(meta_classifier=meta).fit(proba, true)
            np.testing.assert_allclose(rule.predict_proba(other), other.mean(axis=0), atol=1e-12)


# --- what they keep ---


@pytest.mark.parametrize("name", RULES)
def test_a_restored_rule_is_the_same_to_the_last_bit(name):
    fitting, labels = draw(16, 4, 90, 3)
    new = draw(17, 4, 50, 3)[0]
    rule = make_rule(name).fit(fitting.astype(np.float32), labels, np.linspace(0.5, 2, 90))
    again = make_rule(name).restore(json.loads(json.dumps(rule.state())))
    np.testing.assert_array_equal(again.scores(new), rule.scores(new))
    assert again.n_fitted() == rule.n_fitted() >= 360
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(rule)).scores(new), rule.scores(new))  # noqa: S301


@pytest.mark.parametrize("name", RULES)
def test_a_state_that_no_rule_fits_is_refused(name):
    fitting, labels = draw(18, 2, 20, 3)
    state = make_rule(name).fit(fitting, labels).state()
    for key, value, message in [
        ("labels_", {"dtype": "int64", "array": [3] * 20}, "labels_ holds 3, expected 0 to 2"),
        ("labels_", {"dtype": "int64", "array": [-1] * 20}, "labels_ holds -1"),
        ("labels_", {"dtype": "int64", "array": [0] * 19}, r"labels_ has shape \(19,\), expected \(20\)"),
        ("row_weights_", {"dtype": "float64", "array": [0.0] * 20}, "row_weights_ holds 0"),
        ("profiles_", {"dtype": "float64", "array": [[0.5] * 5] * 20}, r"profiles_ has shape \(20, 5\)"),
    ]:
        with pytest.raises(ValueRangeError, match=message):
            make_rule(name).restore({**state, key: value})


def test_coefficients_for_other_neighbours_are_refused():
    fitting, labels = draw(25, 2, 20, 3)
    state = MetaDes(k=3).fit(fitting, labels).state()
    with pytest.raises(ValueRangeError, match=r"coef_ has shape \(8,\), expected \(10,\)"):
        MetaDes(k=4).restore(state)


def test_hard_labels_are_compared_and_missing_votes_are_not():
    proba, labels = draw(26, 4, 160, 3)
    votes = votes_of(proba).astype(np.float32)
    hard = Predictions(votes, labels, hard=[True] * 4)
    compared = compare_rules(hard, ["mean", "dynamic"], n_resamples=0)
    assert {rule.name for rule in compared.rules} == {"mean", *RULES}
    assert not compared.left_out
    missing = np.zeros((4, 160), dtype=bool)
    missing[1, ::9] = True
    votes[missing] = 0
    some = Predictions(votes, labels, hard=[True] * 4, missing=missing)
    left_out = dict(compare_rules(some, ["mean", "dynamic"], n_resamples=0).left_out)
    assert set(left_out) == set(RULES)
    assert all(reason == "needs every vote, and 18 are missing" for reason in left_out.values())


def test_committees_are_refitted(run, write_set):
    home = write_set(n_members=3, n_samples=90, n_classes=3)
    told = run("subsets", home, "--rule", "knora-e", "--json")
    assert told.code == 0
    best = json.loads(told.out)["rules"][0]["best"][0]
    data = load_predictions(home)
    chosen = [data.names.index(name) for name in best["members"]]
    rule = make_rule("knora-e").fit(data.validation.proba[chosen], data.validation.true_labels)
    assert best["accuracy"] == pytest.approx(rule.score(data.proba[chosen], data.true_labels))


def test_rules_fitted_on_the_same_rows_search_once(monkeypatch):
    fitting, labels = draw(19, 3, 80, 3)
    new = draw(20, 3, 30, 3)[0]
    searches = []
    search = NearestProfiles._search
    monkeypatch.setattr(NearestProfiles, "_search", lambda self, *given: searches.append(1) or search(self, *given))
    fitted = {}
    for name in NEAREST:
        rule = make_rule(name).reuse(fitted).fit(fitting, labels)
        expected = make_rule(name).fit(fitting, labels)
        before = len(searches)
        shared = rule.predict_proba(new)
        n_searches = len(searches) - before
        assert n_searches == (0 if fitted else 1)
        np.testing.assert_array_equal(shared, expected.predict_proba(new))
        fitted[name] = rule
    assert fitted["ola"].profiles_ is fitted["knop"].profiles_


def test_rules_fitted_on_other_rows_share_nothing():
    fitting, labels = draw(21, 3, 80, 3)
    first = make_rule("knop").fit(fitting, labels)
    for proba, true, weight in (
        (fitting[:, :70], labels[:70], None),
        (fitting[:, ::-1], labels, None),
        (fitting, labels[::-1], None),
        (fitting, labels, np.linspace(1, 2, 80)),
    ):
        rule = make_rule("ola").reuse({"knop": first}).fit(proba, true, weight)
        assert rule.profiles_ is not first.profiles_
        np.testing.assert_array_equal(rule.scores(fitting), make_rule("ola").fit(proba, true, weight).scores(fitting))


def test_fitting_keeps_no_reference_to_what_it_was_given():
    fitting, labels = draw(22, 3, 60, 3)
    rule = make_rule("knop").fit(fitting, labels)
    before = rule.predict_proba(fitting)
    asked, fitting[:], labels[:] = fitting.copy(), 1 / 3, 0
    np.testing.assert_array_equal(rule.predict_proba(asked), before)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("n_classes", [2, 1000])
def test_from_two_classes_to_a_thousand(name, n_classes):
    fitting, labels = draw(23, 3, 40, n_classes)
    output = make_rule(name).fit(fitting, labels).predict_proba(draw(24, 3, 10, n_classes)[0])
    assert output.shape == (10, n_classes)
    np.testing.assert_allclose(output.sum(axis=1), 1)


def test_parameters_that_cannot_be_are_refused():
    for text, message in [
        ("knop:k=0", "k is 0, expected a whole number of at least 1"),
        ("ola:k=1.5", "k is 1.5, expected a whole"),
        ("knora-e:votes=2", "votes is 2, expected true or false"),
        ("lca:among=both", "among is 'both', expected 'assigned' or 'true'"),
        ("mcb:similarity=1.1", "similarity is 1.1, expected a number from 0 to 1"),
        ("mcb:lead=-1", "lead is -1, expected a number from 0 to 1"),
        ("mcb:votes=1", "votes is 1, expected true or false"),
        ("meta-des:threshold=1", "threshold is 1, expected a number from 0 to below 1"),
    ]:
        with pytest.raises(ParameterError, match=message):
            make_rule(text)

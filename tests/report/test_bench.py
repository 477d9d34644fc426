"""Tables and sentences of ``ensembler bench``."""

import math
from dataclasses import replace

import numpy as np
from scipy.special import softmax

from ensembler import Predictions, compare_rules
from ensembler.metrics import Metric
from ensembler.report.bench import advice, conclusion, members_table, reservations
from ensembler.report.brief import leading
from ensembler.report.figures.intervals import forest
from tests.conftest import draw


def test_members_stand_in_the_order_of_the_metric_and_those_without_it_last():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 200)
    proba = softmax(
        np.array([3.0, 2.0, 1.0])[:, None, None] * np.eye(3)[labels] + rng.normal(size=(3, 200, 3)), axis=-1
    )
    proba[0] = np.eye(3)[proba[0].argmax(axis=-1)]
    data = Predictions(proba, labels, names=["votes", "strong", "weak"], hard=[True, False, False])
    result = compare_rules(data, ["mean"], metric="accuracy", n_resamples=0)
    for member, loss in zip(result.members, (math.nan, 0.9, 0.4), strict=True):
        member.metrics["log-loss"] = loss
    by_name = {metric.name: metric for metric in result.metrics}
    loss, accuracy = by_name["log-loss"], by_name["accuracy"]
    result = replace(result, metrics=(loss, accuracy))
    assert [row[0] for row in members_table(result).rows] == ["weak", "strong", "votes"]
    result = replace(result, metrics=(accuracy, loss))
    assert [row[0] for row in members_table(result).rows] == ["votes", "strong", "weak"]


def test_a_conclusion_is_sentences_of_which_the_verdict_comes_first(fer):
    result = compare_rules(fer, ["mean", "median"], fit_on="cross", n_resamples=100)
    assert conclusion(result) == [*advice(result), *reservations(result)]
    assert advice(result) == list(result.verdict.sentences)
    assert reservations(result)[0].startswith("Choosing a rule anew in each fold reached")
    untested = compare_rules(fer, ["mean"], n_resamples=0)
    use = f"Use mean: accuracy {untested['mean'].metrics['accuracy']:.4f}.".replace(" 0.", " .")
    assert advice(untested)[0] == use
    assert "probabilities are not calibrated" in advice(untested)[-1]


def test_a_variant_that_differs_by_where_iterations_ended_is_left_out_of_the_short_table(fer):
    result = compare_rules(fer, ["log-pool", "log-pool:signed=true"], n_resamples=0)
    pool, signed = result["log-pool"], result["log-pool:signed=true"]
    signed.metrics.update({name: value + 1e-9 for name, value in pool.metrics.items()})
    assert [entry.name for entry in shortly(result)] == ["log-pool"]
    signed.metrics["log-loss"] += 1e-4
    assert {entry.name for entry in shortly(result)} == {"log-pool", "log-pool:signed=true"}


def shortly(result):
    """The short table's rules where nothing is marked but the first."""
    return leading(replace(result, chosen=None, luckiest="log-pool", advice=None))


def test_a_metric_of_the_users_own_keeps_its_direction():
    def distance(labels, proba, sample_weight=None):
        return 1 - proba[..., np.arange(len(labels)), labels].mean(axis=-1)

    mine = Metric("my-loss", distance, greater_is_better=False, needs_probabilities=True)
    proba, labels = draw()
    result = compare_rules(Predictions(proba, labels), ["mean", "median"], metric=mine)
    values = [float(row[1]) for row in members_table(result).rows]
    assert values == sorted(values)
    assert values[0] < values[-1]
    assert forest(result).views[0][1].axis.title == "my-loss (less is better)"

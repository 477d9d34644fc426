"""Tables: their order, and how they fit terminals of any width."""

import io
import math
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from scipy.special import softmax

from ensembler import Predictions, compare_rules
from ensembler.metrics import Metric
from ensembler.report.bench import members_table
from ensembler.report.tables import Document, Table, broken, draw
from tests.conftest import draw as draw_members

ROWS = [["exponential-weighted:q_min=0", ".6712 … .7015"], ["mean", ".6633 … .6938"]]


def drawn(width):
    console = Console(file=io.StringIO(), width=width)
    draw(Document([Table("Rules", ["rule", "95 % interval"], ROWS)]), console)
    return console.file.getvalue().splitlines()


def test_names_are_broken_where_a_reader_would():
    assert drawn(60)[3].split("  ")[0] == "exponential-weighted:q_min=0"
    narrow = drawn(38)
    assert [line.split("  ")[0].strip() for line in narrow[3:6]] == ["exponential-weighted:", "q_min=0", "mean"]
    assert max(map(len, narrow)) <= 38


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("hierarchical-committee", ["hierarchical-", "committee"]),
        ("mean", ["mean"]),
        ("onewordthatistoolong", ["onewordthatistoolong"]),
        ("words are left -0.5 to the terminal", ["words are left -0.5 to the terminal"]),
    ],
)
def test_breaking(text, lines):
    assert broken(text, 14).splitlines() == lines


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


def test_members_stand_in_the_order_of_a_metric_of_the_users_own():
    def distance(labels, proba, sample_weight=None):
        return 1 - proba[..., np.arange(len(labels)), labels].mean(axis=-1)

    mine = Metric("my-loss", distance, greater_is_better=False, needs_probabilities=True)
    proba, labels = draw_members()
    result = compare_rules(Predictions(proba, labels), ["mean", "median"], metric=mine, n_resamples=0)
    values = [float(row[1]) for row in members_table(result).rows]
    assert values == sorted(values)
    assert values[0] < values[-1]

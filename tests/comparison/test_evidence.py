"""What many sets say of every rule."""

import numpy as np
import pytest

from ensembler.combiners.families import ALL
from ensembler.combiners.registry import default_rules, family_rules, make_rule
from ensembler.comparison.evidence import read_evidence, shipped_evidence
from ensembler.metrics.pooling import pool_effects


def entry(cluster, n_fit=100, sample=False, kind="probabilities", labels=(), **rules):
    return {
        "set": cluster,
        "cluster": cluster,
        "kind": kind,
        "n_fit": n_fit,
        "n_rows": 50,
        "n_classes": 2,
        "n_members": 5,
        "sample": sample,
        "labels": list(labels),
        "rules": {
            name.replace("_", "-"): {"accuracy": [accuracy, 0.01], "log-loss": [loss, 0.02]}
            for name, (accuracy, loss) in rules.items()
        },
    }


def evidence(*entries):
    choosing = {"accuracy": {"a": 0.1, "b": -0.1, "c": 0.0}}
    return read_evidence({"entries": list(entries), "choosing": choosing, "always": "log-pool"})


def test_the_default_is_the_best_on_average_that_is_no_less_accurate_than_the_mean():
    found = evidence(
        entry("a", log_pool=(0.01, 0.05), simplex=(0.02, 0.03), median=(-0.02, 0.2)),
        entry("b", log_pool=(0.03, 0.01), simplex=(0.0, 0.02), median=(0.01, 0.1)),
    )
    assert found.default_rule(["mean", "log-pool", "simplex", "median"], "probabilities") == "log-pool"
    assert found.default_rule(["mean", "median"], "probabilities") == "mean"
    assert found.default_rule(["median"], "probabilities") == "median"
    assert found.default_rule(["mine"], "probabilities") is None
    assert found.default_rule(["log-pool"], "hard labels") is None


def test_a_rule_that_did_not_run_everywhere_is_not_known():
    found = evidence(entry("a", log_pool=(0.01, 0.05)), entry("b", simplex=(0.02, 0.03)))
    assert found.default_rule(["log-pool", "simplex"], "probabilities") is None


def test_sets_of_one_cluster_count_once_and_the_sets_own_cluster_does_not_count():
    entries = [
        entry("a", labels=["x", "y"], log_pool=(0.01, 0.3)),
        entry("a", labels=["z"], log_pool=(0.01, 0.1)),
        entry("b", labels=["w"], log_pool=(0.01, 0.0)),
    ]
    found = evidence(*entries)
    assert found.average("log-pool", "log-loss", "probabilities") == pytest.approx(0.1)
    assert found.n_sets("probabilities") == 2
    rest = found.without(["z", "unknown"])
    assert [item.cluster for item in rest.entries] == ["b"]
    assert found.without(["unknown"]).entries == found.entries
    assert vars(found.choosing_tally("accuracy")) == {"wins": 1, "ties": 1, "losses": 1}
    assert vars(rest.choosing_tally("accuracy")) == {"wins": 0, "ties": 1, "losses": 1}
    effect = found.effect("log-pool", "log-loss", "probabilities")
    assert effect.effect == pytest.approx(pool_effects([0.2, 0.0], [0.02, 0.02]).effect)


def test_it_pays_from_the_size_from_which_on_all_gains_are_positive():
    def curve(*gains):
        sizes = [10, 20, 40, 80]
        return evidence(
            entry("a", log_pool=(0.01, 0.05)),
            *(entry("a", n, True, log_pool=(0.0, gain)) for n, gain in zip(sizes, gains, strict=True)),
        )

    assert curve(-0.1, 0.1, 0.1, 0.1).pays_from("log-pool", "probabilities") == 20
    assert curve(0.1, -0.1, 0.1, 0.1).pays_from("log-pool", "probabilities") == 40
    assert curve(0.1, 0.1, 0.1, -0.1).pays_from("log-pool", "probabilities") is None
    assert curve(0.1, 0.1, 0.1, 0.1).pays_from("simplex", "probabilities") is None


def test_what_is_shipped_knows_every_rule_that_needs_no_parameters():
    shipped = shipped_evidence()
    for item in shipped.of_kind("probabilities"):
        assert {*item.rules, "mean", "hierarchical-committee"} >= set(family_rules(ALL))
    answers = [name for name in family_rules(ALL) if not make_rule(name).never_recommended]
    for kind in ("probabilities", "hard labels"):
        # What is left out where no rule is named would not be recommended anyway.
        assert shipped.default_rule(answers, kind) == shipped.default_rule(default_rules(), kind)
    assert shipped.n_sets("probabilities") >= 30
    assert shipped.default_rule(default_rules(), "probabilities") == "blend"
    assert shipped.default_rule(default_rules(), "hard labels") is not None
    assert 10 < shipped.pays_from("blend", "probabilities") <= 80
    assert set(shipped.choosing) == {"accuracy", "log-loss"}
    for item in shipped.entries:
        pairs = [vars(value) for by_metric in item.rules.values() for value in by_metric.values()]
        assert all(np.isfinite(pair["value"]) and pair["standard_error"] >= 0 for pair in pairs)


def test_the_default_does_not_depend_on_any_one_set():
    shipped = shipped_evidence()
    for cluster in {item.cluster for item in shipped.entries}:
        own = [label for item in shipped.entries if item.cluster == cluster for label in item.labels]
        assert shipped.without(own).default_rule(default_rules(), "probabilities") == "blend"

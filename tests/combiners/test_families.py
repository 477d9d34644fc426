"""Families of rules, which may be named where a rule may."""

import json

import pytest

from ensembler import compare_rules, load_predictions
from ensembler.combiners.families import FAMILIES
from ensembler.combiners.registry import all_rules, collect, default_rules, family_rules, make_rule, named_rules
from ensembler.errors import RegistryError, UsageError
from ensembler.predictions.bundled import published_folder
from ensembler.ranking.rank import rank_rules
from ensembler.subsets.study import study_subsets

BY_DEFAULT = {
    *["mean", "accuracy-weighted", "class-weighted", "loss-weighted", "exponential-weighted", "majority-vote"],
    *["hierarchical-committee", "stacking", "weighted-vote", "median", "product", "max", "min", "trimmed-mean"],
    *["borda", "best-member", "greedy", "log-pool", "log-pool:signed=true", "simplex", "super-learner", "blend"],
}


def test_each_rule_has_a_family():
    assert {rule.family for rule in all_rules().values()} <= set(FAMILIES)
    every = [text for family in FAMILIES for text in family_rules(family)]
    assert sorted(every) == sorted(family_rules("all"))
    assert set(every) >= BY_DEFAULT
    assert "fixed-weights" not in every


def test_rules_that_run_where_none_is_named():
    assert set(default_rules()) == BY_DEFAULT


def test_a_family_stands_for_its_rules():
    assert named_rules(["simplex", "pooled", "mean"]) == [
        "simplex",
        "log-pool",
        "log-pool:signed=true",
        "super-learner",
        "mean",
    ]
    mean = make_rule("mean")
    assert named_rules([mean, "mean", "mean"]) == [mean, "mean", "mean"]
    assert named_rules(["voting", "voting", "all"])[:1] == family_rules("voting")[:1]
    assert sorted(named_rules(["voting", "all"])) == sorted(family_rules("all"))


def test_a_family_is_no_rule():
    with pytest.raises(UsageError, match="'pooled' stands for log-pool, .*; expected one rule"):
        make_rule("pooled")
    named = type("Named", (all_rules()["mean"],), {"name": "fixed", "__dataclass_fields__": {}})
    with pytest.raises(RegistryError, match="has the name of a family"):
        collect([named])


def test_families_where_rules_are_compared_swept_and_ranked():
    data = load_predictions(published_folder()).take(range(300))
    few = data.pick([0, 1, 2])
    pooled = family_rules("pooled")
    compared = compare_rules(few, ["pooled"], n_resamples=0)
    assert {rule.name for rule in compared.rules} == set(pooled)
    assert [study.scored.rule for study in study_subsets(few, ["voting"]).rules] == family_rules("voting")
    ranked = rank_rules([few, data.pick([3, 4])], "voting", n_resamples=40)
    assert {rule.name for rule in ranked.rules} == set(family_rules("voting"))


def test_the_list_by_family(run):
    text = " ".join(run("list").out.split())
    places = [text.index(f"{family}: {what}") for family, what in FAMILIES.items() if family_rules(family)]
    assert places == sorted(places)
    rules = json.loads(run("list", "--family", "pooled", "--json").out)["rules"]
    assert [(rule["name"], rule["family"]) for rule in rules] == [
        (name, "pooled") for name in ("log-pool", "simplex", "super-learner")
    ]
    wrong = run("list", "--family", "fixd")
    assert wrong.code == 2
    assert "unknown family 'fixd'; did you mean 'fixed'?" in wrong.err

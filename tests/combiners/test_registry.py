"""Finding rules by name."""

import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint

import pytest

from ensembler import GreedySelection, HierarchicalCommittee, SimpleAverage
from ensembler.combiners.base import Combiner
from ensembler.combiners.registry import all_rules, collect, foreign_rules, make_rule, own_rules
from ensembler.errors import ParameterError, RegistryError, UnknownNameError


def test_specs_become_rules_and_rules_specs():
    assert make_rule("greedy:metric=log-loss,n_steps=7") == GreedySelection("log-loss", 7)
    committee = make_rule('hierarchical-committee:groups=[["deep-*"],["shallow-*"]]')
    assert committee == HierarchicalCommittee([["deep-*"], ["shallow-*"]])
    for rule in (GreedySelection("log-loss", 7), committee, SimpleAverage(), make_rule("trimmed-mean:proportion=0.1")):
        assert make_rule(rule.to_text()) == rule


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("medain", UnknownNameError, "unknown rule 'medain'; did you mean 'median'.* known: mean, accuracy-weighted"),
        ("mean:x=1", UnknownNameError, "unknown parameter of rule mean 'x'; known: none"),
        ("greedy:n_steps=1,n_steps=2", ParameterError, "'n_steps' is given twice"),
        ("trimmed-mean:proportion=0.7", ParameterError, "proportion is 0.7"),
    ],
)
def test_wrong_specs(spec, error, message):
    with pytest.raises(error, match=message):
        make_rule(spec)


def test_each_rule_says_what_it_is():
    for rule in all_rules().values():
        assert rule.__doc__
        assert ".. math::" in rule.__doc__ or rule.name in {"hierarchical-committee", "stacking"}
        assert ">>>" in rule.__doc__
        assert rule.source


def test_two_rules_of_one_name_are_refused():
    @dataclass
    class Other(SimpleAverage):
        name = "mean"

    with pytest.raises(RegistryError, match=r"two rules are called 'mean': .*SimpleAverage and .*Other; rename one"):
        collect([*own_rules(), Other])


def test_half_a_rule_is_refused():
    @dataclass
    class Half(Combiner):
        name = "half"

    with pytest.raises(RegistryError, match=r"rule 'half' \(.*Half\) does not implement _fit, _scores"):
        collect([Half])

    class Nameless(SimpleAverage):
        name = ""

    with pytest.raises(RegistryError, match="needs a class attribute 'name' and the decorator @dataclass"):
        collect([Nameless])


@pytest.mark.parametrize(
    ("value", "message"),
    [("absent_package.rules:Mine", "cannot be imported"), ("os.path:join", "expected a subclass of Combiner")],
)
def test_broken_entry_points_are_raised(value, message):
    point = EntryPoint("mine", value, "ensembler.combiners")
    with pytest.raises(RegistryError, match=message):
        list(foreign_rules([point]))


def test_another_distribution_adds_a_rule(tmp_path):
    (tmp_path / "their_rules.py").write_text(
        "from dataclasses import dataclass\n"
        "from ensembler import SimpleAverage\n"
        "@dataclass\n"
        "class Theirs(SimpleAverage):\n"
        "    '''Theirs.'''\n"
        "    name = 'theirs'\n"
        "    source = 'them'\n"
    )
    info = tmp_path / "their_rules-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-rules\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ensembler.combiners]\ntheirs = their_rules:Theirs\n")
    code = "from ensembler.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "bench", "--rule", "theirs"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{tmp_path}:{':'.join(filter(None, sys.path))}"},
    )
    assert done.returncode == 0, done.stderr
    assert "theirs" in done.stdout

"""Messages name arguments to who calls functions, and options to who types commands."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import ensembler
from ensembler import compare_rules, load_predictions, rank_rules, study_abstention
from ensembler.errors import EnsemblerError, argument, read_at_command_line, setting
from ensembler.predictions.loading.inspection import check_predictions

HOME = Path(ensembler.__file__).parent
OPTION = re.compile(r"(?<![\w-])--[a-z]")


def scaled(home, factor):
    """Multiply the members of a set."""
    for path in home.rglob("m*.npy"):
        np.save(path, np.load(path) * factor)
    return home


@pytest.fixture
def percentages(write_set):
    return scaled(write_set("percentages"), 100)


@pytest.fixture
def logits(write_set):
    home = write_set("logits")
    for path in home.rglob("m*.npy"):
        np.save(path, np.log(np.load(path)) - 1)
    return home


REFUSED = {
    "percentages": (lambda home: load_predictions(home), ["bench"], "normalize=True", "--normalize"),
    "logits": (lambda home: load_predictions(home), ["members"], "logits=True", "--logits"),
    "fit_on": (
        lambda home: compare_rules(load_predictions(home), fit_on="x"),
        ["bench", "--fit-on", "x"],
        "value of fit_on",
        "value of --fit-on",
    ),
    "part": (
        lambda home: compare_rules(load_predictions(home), fit_on="part", part=2),
        ["bench", "--part", 2],
        "part is 2",
        "--part is 2",
    ),
    "folds": (
        lambda home: compare_rules(load_predictions(home), folds=1),
        ["bench", "--folds", 1],
        "folds is 1",
        "--folds is 1",
    ),
    "resamples": (
        lambda home: compare_rules(load_predictions(home), n_resamples=-1),
        ["bench", "--resamples", -1],
        "n_resamples is -1",
        "--resamples is -1",
    ),
    "rope": (
        lambda home: rank_rules([load_predictions(home)] * 2, rope=-1),
        ["rank", "{home}", "--rope", -1],
        "rope is -1",
        "--rope is -1",
    ),
    "risk": (
        lambda home: study_abstention(load_predictions(home), risk=2),
        ["abstain", "--risk", 2],
        "risk is 2",
        "--risk is 2",
    ),
    "share": (
        lambda home: study_abstention(load_predictions(home), calibration_share=2),
        ["abstain", "--calibration-share", 2],
        "calibration_share is 2",
        "--calibration-share is 2",
    ),
    "without": (
        lambda home: load_predictions(home, without=["*"]),
        ["members", "--without", "*"],
        "without=['*']",
        "--without '*'",
    ),
}
"""A call, a command, and what either is told."""


@pytest.mark.parametrize("name", REFUSED)
def test_each_is_told_what_can_be_written_there(name, request, write_set, run):
    call, command, python, typed = REFUSED[name]
    home = request.getfixturevalue(name) if name in ("percentages", "logits") else write_set()
    with pytest.raises(EnsemblerError) as caught:
        call(home)
    assert python in str(caught.value)
    assert not OPTION.search(str(caught.value))
    command, *options = command
    done = run(command, home, *[home if word == "{home}" else word for word in options])
    assert done.code
    message = done.err.partition("try: ")[0]
    assert typed in message
    assert not re.search(r"\w+=True|fit_on|n_resamples|calibration_share", message)


def test_findings_and_verdicts_are_spelled_likewise(write_set, run):
    home = write_set(n_samples=200)
    path = home / "m0.npy"
    sharp = np.load(path) ** 40
    np.save(path, sharp / sharp.sum(axis=1, keepdims=True))
    data = load_predictions(home)
    assert any("calibrate='members'" in finding.advice for finding in check_predictions(home).findings)
    verdict = compare_rules(data, ["majority-vote", "best-member"], n_resamples=40).verdict
    assert "use its decisions, or calibrate='ensemble'" in " ".join(verdict.sentences)
    assert "--calibrate members" in run("check", home).out.replace("\n", " ")
    printed = run("bench", home, "--rule", "majority-vote", "--rule", "best-member", "--full").out
    assert "use its decisions, or --calibrate ensemble" in " ".join(printed.split())


def test_what_is_written_can_be_typed_or_evaluated():
    for name, value in (
        ("without", "a 'b'"),
        ("id", "row id"),
        ("fit_on", "cross"),
        ("max_bytes", 10),
        ("normalize", True),
    ):
        assert ast.parse(f"f({setting(name, value)})")
    with read_at_command_line():
        assert argument("n_resamples") == "--resamples"
        with read_at_command_line():
            pass
        assert setting("without", "a b") == "--without 'a b'"
    assert argument("n_resamples") == "n_resamples"


def test_no_message_below_the_command_line_names_an_option():
    """But those of what only commands do, and what is written for them by `spelled`."""
    for path in HOME.rglob("*.py"):
        room = path.relative_to(HOME).parts
        if room[0] in ("cli", "report", "errors.py") or "intake" in room or path.name in COMMANDS_ONLY:
            continue
        for text in texts(ast.parse(path.read_text(encoding="utf-8"))):
            plain = re.sub(r"`ensembler [^`]*`|ensembler predict \S+", "", text)
            assert not OPTION.search(plain) or re.fullmatch(r"--[a-z-]+", plain), (path.name, text)


COMMANDS_ONLY = ("output.py", "files.py", "recipe.py", "formulas.py")
"""Modules of what is written to files by commands."""


def texts(node):
    """Yield the texts of a module, without docstrings and what `spelled` chooses from."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "spelled":
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    for child in ast.iter_child_nodes(node):
        yield from texts(child)

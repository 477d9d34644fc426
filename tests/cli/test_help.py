"""What help and shell completion show, of both programs."""

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from backbones import cli as backbones
from ensembler.cli.app import app

PROGRAMS = {"ensembler": app, "backbones": backbones.app}


def help_of(program, *words):
    """Return a help text as 80 columns show it."""
    env = {"COLUMNS": "80", "NO_COLOR": "1", "FORCE_COLOR": None, "TERM": "dumb"}
    return CliRunner().invoke(PROGRAMS[program], [*words, "--help"], prog_name=program, env=env).output


def commands(program):
    """Return the names of a program's commands."""
    return [command.name or command.callback.__name__ for command in PROGRAMS[program].registered_commands]


@pytest.mark.parametrize("program", PROGRAMS)
def test_flags_have_no_type(program):
    for words in [[], *([command] for command in commands(program))]:
        assert "<bool>" not in help_of(program, *words)
        assert "list[" not in help_of(program, *words)


def test_long_choices_are_broken_between_two_of_them():
    text = help_of("ensembler", "cascade")
    assert "top-probability| " in text
    assert "margin|entropy| " in text
    assert "histogram-equalised|" in help_of("backbones", "train")


def complete(program, *words):
    """Return what a shell is told for the last of some words."""
    env = os.environ | {
        "COMP_WORDS": " ".join((program, *words)),
        "COMP_CWORD": str(len(words)),
        f"_{program.upper().replace('-', '_')}_COMPLETE": "complete_bash",
    }
    module = "backbones" if program == "backbones" else "ensembler"
    code = f"import sys; sys.argv = [{program!r}]; import runpy; runpy.run_module({module!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert not done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (["ben"], ["bench"]),
        (["bench", "--lea"], ["--learning-curve"]),
        (["bench", "--fit-on", ""], ["val", "cross", "part", "test"]),
        (["bench", "--rule", "log-"], ["log-pool"]),
        (["bench", "--rule", "stack"], ["stacking", "stacked"]),
        (["subsets", "--metric", "f"], ["f1"]),
        (["diversity", "--pairs", "disag"], ["disagreement"]),
    ],
)
def test_a_shell_completes_commands_options_and_values(words, known):
    assert complete("ensembler", *words) == known


def test_the_other_names_complete_too():
    assert complete("ensembler-bench", "ben") == ["bench"]
    assert complete("backbones", "tra") == ["train"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_completion_is_shown_under_the_programs_own_name(program):
    """Also of ``python -m``, whose name no shell could complete."""
    env = os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    command = [sys.executable, "-m", program, "--show-completion", "bash"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert f"_{program.upper()}_COMPLETE=complete_bash" in done.stdout
    assert done.stdout.rstrip().endswith(f" {program}")

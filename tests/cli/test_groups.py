"""Option groups become options of a command."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from ensembler.cli.app import app
from ensembler.cli.groups import Omit, expand


@dataclass(frozen=True)
class Place:
    """Where."""

    names: Annotated[list[str] | None, typer.Argument()] = None
    height: Annotated[int, typer.Option(help="How high.")] = 3
    deep: Annotated[bool, typer.Option("--deep")] = False


@dataclass(frozen=True)
class Cellar(Place):
    """Where below."""

    height: Annotated[int, typer.Option(help="How low.")] = -3


def command_of(function):
    program = typer.Typer()
    program.command()(function)

    def call(*words):
        return CliRunner().invoke(program, list(words), env={"COLUMNS": "80", "NO_COLOR": "1"})

    return call


def test_fields_are_options_with_their_defaults_in_their_place():
    got = []

    @expand
    def dig(
        *, first: Annotated[int, typer.Option()] = 1, place: Place, last: Annotated[int, typer.Option()] = 9
    ) -> None:
        """Dig."""
        got.append((first, place, last))

    call = command_of(dig)
    assert call().exit_code == 0
    assert call("a", "b", "--height", "5", "--deep", "--last", "2").exit_code == 0
    assert got == [(1, Place(), 9), (1, Place(["a", "b"], 5, True), 2)]
    text = call("--help").output
    assert "Dig." in text
    assert [text.index(option) for option in ("--first", "--height", "--deep", "--last")] == sorted(
        text.index(option) for option in ("--first", "--height", "--deep", "--last")
    )


def test_options_can_be_left_out_and_reworded():
    got = []

    @expand
    def dig(place: Annotated[Cellar, Omit("names", "deep")]) -> None:
        got.append(place)

    call = command_of(dig)
    assert call("--deep").exit_code == 2
    assert call("a").exit_code == 2
    assert call().exit_code == 0
    assert got == [Cellar()]
    assert "How low." in call("--help").output


def test_an_option_that_the_group_does_not_have_cannot_be_left_out():
    def dig(place: Annotated[Place, Omit("width")]) -> None: ...

    with pytest.raises(TypeError, match="Place has no option 'width'"):
        expand(dig)


@pytest.mark.parametrize(
    ("command", "absent"),
    [
        ("check", ["--weights", "--groups"]),
        ("diversity", ["--val", "--weights", "--groups", "--fit-on"]),
        ("members", ["--weights", "--groups"]),
        ("compare", ["--val", "--only", "--without", "--weights"]),
        ("explain", ["--weights", "--part"]),
        ("predict", ["--groups", "--folds"]),
        ("subsets", ["--weights", "--resamples"]),
    ],
)
def test_commands_refuse_options_that_would_have_no_effect(command, absent):
    for option in absent:
        done = CliRunner().invoke(app, [command, option, "x"])
        assert done.exit_code == 2, option
        assert "No such option" in done.output

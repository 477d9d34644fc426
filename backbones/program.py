"""Commands as their help shows them: no type beside flags, and long lists of choices broken between two of them."""

from collections.abc import Iterable
from typing import Any

from typer.core import TyperCommand, TyperGroup

LONGEST_LINE = 22
"""Characters of choices in a line of help."""


class HelpfulCommand(TyperCommand):
    """A command whose help can be read in a narrow terminal."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options and arguments, each with what help shows of its value."""
        return shown(super().get_params(ctx))


class HelpfulGroup(TyperGroup):
    """A program whose help can be read in a narrow terminal."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options and arguments, each with what help shows of its value."""
        return shown(super().get_params(ctx))


def shown(parameters: Iterable[Any]) -> list[Any]:
    """Return parameters with the value of a flag left out of help, and choices that are long in lines of their own."""
    listed = list(parameters)
    for parameter in listed:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
        elif parameter.metavar and len(parameter.metavar) > LONGEST_LINE:
            parameter.metavar = parameter.metavar.replace("|\n", "|").replace("|", "|\n")
    return listed

"""Commands as their help shows them: no type beside flags, and long lists of choices broken between two of them."""

from collections.abc import Iterable
from pathlib import Path
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
    """Return parameters with the value of a flag left out of help, long choices in lines, and no brackets."""
    listed = list(parameters)
    for parameter in listed:
        if parameter.type_descriptor.annotation == list[Path]:
            # What may be given several times has the type of each.
            parameter.display_type = lambda _: "<path>"
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
        elif parameter.metavar and len(parameter.metavar) > LONGEST_LINE:
            parameter.metavar = parameter.metavar.replace("|\n", "|").replace("|", "|\n")
    return listed

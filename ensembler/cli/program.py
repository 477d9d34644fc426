"""Commands as their help shows them: no type beside flags, and long lists of choices broken between two of them."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, get_args, get_origin

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
    """Return parameters with the value of a flag left out of help, choices broken into lines, and no brackets."""
    listed = list(parameters)
    for parameter in listed:
        annotation = parameter.type_descriptor.annotation
        if get_origin(annotation) is list:
            # What may be given several times has the type of each.
            [element] = get_args(annotation)
            parameter.display_type = partial(label_of_each, "<path>" if element is Path else f"<{element.__name__}>")
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
        elif parameter.metavar:
            parameter.metavar = break_choices(parameter.metavar)
    return listed


def label_of_each(label: str, _: Any) -> str:
    """Return a type's label, whatever the context."""
    return label


def break_choices(text: str) -> str:
    """Break choices into lines after a bar, where they are too long for one.

    >>> print(break_choices("raw|histogram-equalised|local-contrast"))
    raw|
    histogram-equalised|
    local-contrast
    """
    lines = [""]
    for choice in text.replace("|\n", "|").replace("|", "|\n").split("\n"):
        if lines[-1] and len(lines[-1]) + len(choice) > LONGEST_LINE:
            lines.append("")
        lines[-1] += choice
    return "\n".join(lines)


def one_of_these(*choices: str) -> Callable[[str], list[str]]:
    """Return what completes a word to one of some choices."""

    def complete(incomplete: str) -> list[str]:
        return [choice for choice in choices if choice.startswith(incomplete)]

    return complete


def complete_rule(incomplete: str) -> list[str]:
    """Complete the name of a rule or of a family."""
    from ensembler.combiners.families import FAMILIES
    from ensembler.combiners.registry import all_rules

    return one_of_these(*all_rules(), *FAMILIES, "all")(incomplete)


def complete_metric(incomplete: str) -> list[str]:
    """Complete the name of a metric."""
    from ensembler.metrics import METRICS

    return one_of_these(*METRICS)(incomplete)

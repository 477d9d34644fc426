"""Option groups: a dataclass of options that stands in a command's signature as one parameter.

Typer reads flat signatures only, so `expand` shows it one: each field of a group becomes an option of the command, with
the annotation, the default and the place that it has in the group.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

Command = Callable[..., None]


class Omit:
    """The options of a group that a command does not have: ``source: Annotated[Source, Omit("weights")]``."""

    def __init__(self, *names: str) -> None:
        self.names = frozenset(names)


def expand(command: Command) -> Command:
    """Return a command whose option groups are spread over its signature."""
    hints = get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, tuple[Callable[..., Any], list[str]]] = {}
    for parameter in inspect.signature(command).parameters.values():
        kind, omitted = group_of(hints[parameter.name])
        if kind is None:
            parameters.append(parameter.replace(annotation=hints[parameter.name]))
        else:
            options = group_options(kind, omitted)
            groups[parameter.name] = (kind, [option.name for option in options])
            parameters += options

    @functools.wraps(command)
    def flat(**values: Any) -> None:
        for name, (kind, names) in groups.items():
            values[name] = kind(**{option: values.pop(option) for option in names})
        command(**values)

    flat.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return flat


def group_of(hint: Any) -> tuple[Any, frozenset[str]]:
    """Return the option group that an annotation names, None for none, and the options that are left out of it."""
    kind, *marks = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    omitted: frozenset[str] = frozenset().union(*(mark.names for mark in marks if isinstance(mark, Omit)))
    return (kind if isinstance(kind, type) and is_dataclass(kind) else None), omitted


def group_options(kind: Any, omitted: frozenset[str]) -> list[inspect.Parameter]:
    """Return the options of a group as parameters, in the order of its fields."""
    unknown = omitted - {field.name for field in fields(kind)}
    if unknown:
        raise TypeError(f"{kind.__name__} has no option {min(unknown)!r}")
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(kind)
        if field.name not in omitted
    ]

"""Every rule by its name, found by scanning ``combiners/`` and the entry points of other distributions on first use.

A third party adds rules with an entry point that names the class::

    [project.entry-points."ensembler.combiners"]
    my-rule = "my_package.my_module:MyRule"

An import error, a class that is not a rule, or a name that is taken is raised, never swallowed.
"""

import dataclasses
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ensembler import combiners
from ensembler.combiners.base import Combiner
from ensembler.errors import RegistryError, UnknownNameError
from ensembler.serialization import parse_spec

ENTRY_POINT_GROUP = "ensembler.combiners"


@functools.cache
def all_rules() -> dict[str, type[Combiner]]:
    """Return every rule by name, in the order of their `Combiner.list_position`, then of their names."""
    found = collect([*own_rules(), *foreign_rules(entry_points(group=ENTRY_POINT_GROUP))])
    return dict(sorted(found.items(), key=lambda item: (item[1].list_position, item[0])))


def list_rules() -> list[str]:
    """Return the names of all rules.

    >>> list_rules()[:3]
    ['mean', 'accuracy-weighted', 'class-weighted']
    """
    return list(all_rules())


def default_rules() -> list[str]:
    """Return the rules that a comparison runs, as text: all but those that need parameters, and their variants."""
    rules = {name: rule for name, rule in all_rules().items() if not rule.needs_parameters}
    return [text for name, rule in rules.items() for text in (name, *(f"{name}:{item}" for item in rule.variants))]


def own_rules() -> Iterator[type[Combiner]]:
    """Yield the rules defined in the modules of ``ensembler.combiners``: the classes that give themselves a name."""
    for module_info in pkgutil.iter_modules(combiners.__path__, "ensembler.combiners."):
        module = importlib.import_module(module_info.name)
        for value in vars(module).values():
            ours = inspect.isclass(value) and issubclass(value, Combiner) and value.__module__ == module.__name__
            if ours and "name" in vars(value):
                yield value


def foreign_rules(points: Iterable[EntryPoint]) -> Iterator[type[Combiner]]:
    """Yield the rules that entry points name."""
    for point in points:
        try:
            value: Any = point.load()
        except Exception as error:
            raise RegistryError(f"rule {point.name!r} ({point.value}) cannot be imported: {error!r}") from error
        if not (inspect.isclass(value) and issubclass(value, Combiner)):
            raise RegistryError(f"rule {point.name!r} ({point.value}) is {value!r}, expected a subclass of Combiner")
        yield value


def collect(rules: Iterable[Any]) -> dict[str, type[Combiner]]:
    """Return rules by name, refusing two of one name and classes without one."""
    found: dict[str, type[Combiner]] = {}
    for rule in rules:
        where = f"{rule.__module__}.{rule.__qualname__}"
        name = getattr(rule, "name", None)
        if not isinstance(name, str) or not name or "__dataclass_fields__" not in vars(rule):
            raise RegistryError(f"{where} needs a class attribute 'name' and the decorator @dataclass")
        if inspect.isabstract(rule):
            missing = ", ".join(sorted(rule.__abstractmethods__))
            raise RegistryError(f"rule {name!r} ({where}) does not implement {missing}")
        if name in found:
            other = found[name]
            first = f"{other.__module__}.{other.__qualname__}"
            raise RegistryError(f"two rules are called {name!r}: {first} and {where}; rename one")
        found[name] = rule
    return found


def make_rule(spec: str) -> Combiner:
    """Return the rule that ``name`` or ``name:key=value,…`` describes.

    >>> make_rule("trimmed-mean:proportion=0.1")
    TrimmedMean(proportion=0.1)
    """
    name, parameters = parse_spec(spec)
    rules = all_rules()
    if name not in rules:
        raise UnknownNameError("rule", name, rules)
    known = [field.name for field in dataclasses.fields(rules[name])]  # type: ignore[arg-type]
    for key in parameters:
        if key not in known:
            raise UnknownNameError(f"parameter of rule {name}", key, known)
    rule = rules[name](**parameters)
    rule.check_parameters()
    return rule

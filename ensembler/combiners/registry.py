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
from typing import Any, TypeVar

from ensembler import combiners
from ensembler.combiners.base import Combiner
from ensembler.combiners.families import ALL, FAMILIES
from ensembler.errors import ParameterError, RegistryError, UnknownNameError, UsageError
from ensembler.serialization import parse_spec

AnyRule = TypeVar("AnyRule", bound=Combiner)

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
    """Return the rules that a comparison runs where none is named, as text, with their variants."""
    return with_variants(name for name, rule in all_rules().items() if rule.by_default)


def family_rules(family: str) -> list[str]:
    """Return the rules of a family, or ``"all"`` rules, as text, with their variants.

    >>> family_rules("pooled")
    ['log-pool', 'log-pool:signed=true', 'simplex', 'super-learner']
    """
    return with_variants(name for name, rule in all_rules().items() if family in (rule.family, ALL))


def with_variants(names: Iterable[str]) -> list[str]:
    """Return rules as text, each with its variants, without those that mean nothing without parameters."""
    rules = {name: all_rules()[name] for name in names}
    return [
        text
        for name, rule in rules.items()
        if not rule.needs_parameters
        for text in (name, *(f"{name}:{item}" for item in rule.variants))
    ]


def named_rules(rules: Iterable[str | AnyRule]) -> list[str | AnyRule]:
    """Return rules with those of a family in place of the family's name, and every one in place of ``"all"``.

    A rule that is there already is not added by a family.

    >>> named_rules(["simplex", "pooled", "mean"])
    ['simplex', 'log-pool', 'log-pool:signed=true', 'super-learner', 'mean']
    """
    asked = list(rules)
    result: list[str | AnyRule] = []
    for rule in asked:
        if isinstance(rule, str) and rule in (ALL, *FAMILIES):
            result += [text for text in family_rules(rule) if text not in (*result, *asked)]
        else:
            result.append(rule)
    return result


def is_never_recommended(text: str) -> bool:
    """Whether a rule, given as text, is no answer to which one to use; False for one that is not known by name.

    >>> is_never_recommended("dawid-skene:tol=0.001"), is_never_recommended("mean")
    (True, False)
    """
    rule = all_rules().get(text.partition(":")[0])
    return rule is not None and rule.never_recommended


def own_rules() -> Iterator[type[Combiner]]:
    """Yield the rules defined in the modules of ``ensembler.combiners``: the classes that give themselves a name."""
    for module_info in pkgutil.walk_packages(combiners.__path__, "ensembler.combiners."):
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
        if name in (ALL, *FAMILIES):
            raise RegistryError(f"rule {name!r} ({where}) has the name of a family of rules; rename it")
        if name in found:
            other = found[name]
            first = f"{other.__module__}.{other.__qualname__}"
            raise RegistryError(f"two rules are called {name!r}: {first} and {where}; rename one")
        found[name] = rule
    return found


def make_rule(given: Any, subject: str = "rule") -> Combiner:
    """Return the rule that ``name`` or ``name:key=value,…`` describes, and a rule as it is, its parameters checked.

    ``subject`` is what a message calls it.

    Raises
    ------
    UsageError
        It is neither, or there is no such rule or parameter.

    >>> make_rule("trimmed-mean:proportion=0.1")
    TrimmedMean(proportion=0.1)
    """
    if isinstance(given, Combiner):
        given.check_parameters()
        return given
    if not isinstance(given, str):
        is_class = inspect.isclass(given) and issubclass(given, Combiner)
        got, fix = (f"the class {given.__name__}", f"{given.__name__}()") if is_class else (repr(given)[:60], "'mean'")
        raise ParameterError(f"{subject} is {got}, expected a rule or its text, as in {fix}")
    name, parameters = parse_spec(given)
    rules = all_rules()
    if name not in rules:
        if name in (ALL, *FAMILIES):
            raise UsageError(f"{name!r} stands for {', '.join(family_rules(name))}; expected one rule")
        raise UnknownNameError("rule", name, rules)
    known = [field.name for field in dataclasses.fields(rules[name])]  # type: ignore[arg-type]
    for key in parameters:
        if key not in known:
            raise UnknownNameError(f"parameter of rule {name}", key, known)
    rule = rules[name](**parameters)
    rule.check_parameters()
    return rule

"""Parameters of a rule: kept as given, read and set by name, written as text and as JSON."""

import dataclasses
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from ensembler.errors import NotApplicableError, ParameterError, UnknownNameError
from ensembler.serialization import format_spec, is_plain, object_name

AnyRule = TypeVar("AnyRule", bound="Parameterized")


class Parameterized:
    """A dataclass whose fields are its parameters, in scikit-learn's manner."""

    name: ClassVar[str]

    def check_parameters(self) -> None:
        """Raise `ParameterError` for a parameter with an impossible value."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; with ``deep`` also those of parameters that have some, as ``outer__inner``."""
        parameters = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        if deep:
            for name, value in list(parameters.items()):
                if hasattr(value, "get_params") and not isinstance(value, type):
                    parameters.update({f"{name}__{key}": inner for key, inner in value.get_params().items()})
        return parameters

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters by name, ``outer__inner`` for a parameter of a parameter."""
        known = self.get_params(deep=True)
        for name, value in parameters.items():
            if name not in known:
                raise UnknownNameError(f"parameter of {self.name}", name, self.get_params(deep=False))
            outer, nested, inner = name.partition("__")
            if nested:
                getattr(self, outer).set_params(**{inner: value})
            else:
                setattr(self, name, value)
        return self

    def describe_parameters(self) -> dict[str, Any]:
        """Return the parameters for people to read: objects that JSON has no form for as text."""
        return {
            name: value if is_plain(value) else object_name(value)
            for name, value in self.get_params(deep=False).items()
        }

    def plain_parameters(self) -> dict[str, Any]:
        """Return the parameters as JSON holds them, to make the same rule from.

        Raises
        ------
        NotApplicableError
            JSON has no form for one of them.
        """
        parameters = self.get_params(deep=False)
        for name, value in parameters.items():
            if not is_plain(value):
                raise NotApplicableError(
                    f"{self.name} cannot be saved: {name} is {value!r}, which JSON has no form for"
                )
        return parameters

    def changed_parameters(self) -> dict[str, Any]:
        """Return the parameters that differ from their defaults."""
        fields = {field.name: field for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        parameters = self.get_params(deep=False)
        return {name: value for name, value in parameters.items() if not are_equal(value, fields[name].default)}

    def to_text(self) -> str:
        """Return what describes the rule on the command line: its name, and parameters that differ from defaults.

        >>> from ensembler import TrimmedMean
        >>> TrimmedMean(0.1).to_text()
        'trimmed-mean:proportion=0.1'
        """
        return format_spec(self.name, self.changed_parameters())


def are_equal(value: Any, other: Any) -> bool:
    """Whether two parameter values are equal; sequences as such."""
    if isinstance(value, (list, tuple)) and isinstance(other, (list, tuple)):
        return list(value) == list(other)
    if isinstance(value, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(value, other)
    return bool(value == other)


def clone(rule: AnyRule) -> AnyRule:
    """Return an unfitted rule of the same class and parameters."""
    return type(rule)(**rule.get_params(deep=False))


def require(condition: bool, rule: Parameterized, parameter: str, expected: str) -> None:
    """Raise `ParameterError` naming the rule, the parameter, its value and what was expected."""
    if not condition:
        value = getattr(rule, parameter)
        raise ParameterError(f"{rule.name}: {parameter} is {value!r}, expected {expected}")


def is_number(value: Any) -> bool:
    """Whether a parameter is a finite real number (and not a truth value)."""
    return (
        isinstance(value, (int, float, np.integer, np.floating))
        and not isinstance(value, bool)
        and bool(np.isfinite(value))
    )


def is_whole(value: Any) -> bool:
    """Whether a parameter is an integer (and not a truth value)."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)

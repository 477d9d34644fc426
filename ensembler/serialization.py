"""Rules and metrics written as text: ``name`` or ``name:key=value,key=value``.

A value is JSON where it parses as JSON, else a string; commas inside brackets or quotes do not separate.
"""

import json
from typing import Any

from ensembler.errors import ParameterError

OPENING, CLOSING = "[{(", "]})"


def parse_spec(spec: str) -> tuple[str, dict[str, Any]]:
    """Split ``name:key=value,…`` into the name and a dictionary of parameters.

    >>> parse_spec("exponential-weighted:q_min=0,plateau=middle")
    ('exponential-weighted', {'q_min': 0, 'plateau': 'middle'})
    >>> parse_spec('hierarchical-committee:groups=[["deep-*"],["shallow-*"]]')[1]
    {'groups': [['deep-*'], ['shallow-*']]}
    """
    name, colon, rest = spec.partition(":")
    parameters: dict[str, Any] = {}
    for part in split_outside_brackets(rest) if colon else []:
        key, equals, text = part.partition("=")
        key = key.strip()
        if not equals or not key:
            raise ParameterError(f"{spec!r}: got {part!r}, expected key=value, as in {name}:key=value,key=value")
        if key in parameters:
            raise ParameterError(f"{spec!r}: {key!r} is given twice")
        try:
            parameters[key] = json.loads(text)
        except json.JSONDecodeError:
            parameters[key] = text.strip()
    return name.strip(), parameters


def split_outside_brackets(text: str) -> list[str]:
    """Split at commas that stand outside brackets and double quotes."""
    parts, depth, quoted, start = [], 0, False, 0
    for position, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif character in OPENING:
            depth += 1
        elif character in CLOSING:
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]


def format_spec(name: str, parameters: dict[str, Any]) -> str:
    """Write a name and parameters as `parse_spec` reads them; objects that JSON does not know by their ``repr``.

    >>> format_spec("exponential-weighted", {"q_min": 0, "plateau": "middle"})
    'exponential-weighted:q_min=0,plateau=middle'
    """
    parts = []
    for key, value in parameters.items():
        text = (
            value
            if isinstance(value, str) and is_plain(value)
            else json.dumps(value, default=lambda item: getattr(item, "__qualname__", None) or repr(item))
        )
        parts.append(f"{key}={text}")
    return f"{name}:{','.join(parts)}" if parts else name


def is_plain(text: str) -> bool:
    """Whether a string, written without quotes, is read back as itself."""
    try:
        return parse_spec(f"x:y={text}") == ("x", {"y": text})
    except ParameterError:
        return False

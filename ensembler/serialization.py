"""Values as text and as JSON: rules and metrics as ``name:key=value,key=value``, fitted numbers, whole documents.

A value in such a text is JSON where it parses as JSON, else a string; commas inside brackets or quotes do not separate.
"""

import json
import math
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ensembler.errors import ParameterError

__version__: str
"""The version of the package that is installed, looked up on first use."""

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
            if isinstance(value, str) and reads_back(value)
            else json.dumps(value, default=lambda item: getattr(item, "__qualname__", None) or repr(item))
        )
        parts.append(f"{key}={text}")
    return f"{name}:{','.join(parts)}" if parts else name


def reads_back(text: str) -> bool:
    """Whether a string, written without quotes, is read back as itself."""
    try:
        return parse_spec(f"x:y={text}") == ("x", {"y": text})
    except ParameterError:
        return False


def object_name(value: Any) -> str:
    """Return a text for an object that is the same in every process: a function's name, else its ``repr``."""
    return str(getattr(value, "__qualname__", None) or getattr(value, "name", None) or repr(value))


def is_plain(value: Any) -> bool:
    """Whether JSON has a form for a value."""
    if isinstance(value, (list, tuple)):
        return all(is_plain(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str))


def jsonable(value: Any) -> Any:
    """Return a value as JSON can hold it: arrays as lists, numbers that are not finite as None."""
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return jsonable(value.tolist())
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def to_plain(value: Any) -> Any:
    """Return a fitted value as JSON holds it, an array with its kind of numbers; `TypeError` for anything else."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return {"dtype": value.dtype.name, "array": to_plain(value.tolist())}
    if isinstance(value, float) and not np.isfinite(value):
        return {"dtype": "float64", "array": str(value)}
    if isinstance(value, np.generic):
        return to_plain(value.item())
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a {type(value).__name__}, which JSON has no form for")


def from_plain(value: Any) -> Any:
    """Return what `to_plain` was given; sequences as lists."""
    if isinstance(value, dict):
        array = from_plain(value["array"])
        return float(array) if isinstance(array, str) else np.array(array, dtype=np.dtype(value["dtype"]))
    return [from_plain(item) for item in value] if isinstance(value, list) else value


def printable(text: str, escape: Callable[[str], str] = ascii) -> str:
    r"""Return a text whose control characters, directions and half characters are written as escapes.

    Names come from files, and a terminal obeys what stands in them. ``escape`` quotes one character.

    >>> print(printable("a\x1b[2Jb"), printable("two\nlines"))
    a\x1b[2Jb two
    lines
    """
    if text.isprintable():
        return text
    return "".join(character if is_harmless(character) else escape(character)[1:-1] for character in text)


def is_harmless(character: str) -> bool:
    """Whether a character may go to a terminal: no control but line ends and tabs, and none that turns text."""
    return character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def document(schema: str, body: Mapping[str, Any], provenance: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what ``--json`` prints: the schema's name, the body as plain values, and how it came about."""
    plain: dict[str, Any] = jsonable({"schema": schema, **body, "reproducibility": provenance})
    return plain


def __getattr__(name: str) -> str:
    # Looking the version up takes longer than everything else at start-up.
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("ensembler-bench")

"""Values as text and as JSON: rules and metrics as ``name:key=value,key=value``, fitted numbers, whole documents.

A value in such a text is JSON where it parses as JSON, else a string; commas inside brackets or quotes do not separate.
"""

import hashlib
import json
import math
import re
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


ARRAY_KINDS: dict[str, tuple[type, ...]] = {
    "float64": (int, float),
    "float32": (int, float),
    "int64": (int,),
    "bool": (bool,),
}
"""The arrays that JSON documents hold, with the kinds of their numbers there."""
NOT_FINITE = ("nan", "inf", "-inf")


def to_plain(value: Any) -> Any:
    """Return a fitted value as JSON holds it, an array with its kind of numbers; `TypeError` for anything else."""
    if isinstance(value, np.ndarray):
        if value.dtype.name not in ARRAY_KINDS:
            raise TypeError(f"an array of {value.dtype.name}, expected {', '.join(ARRAY_KINDS)}")
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
    """Return what `to_plain` was given, sequences as lists; `ValueError` for what it does not return."""
    if isinstance(value, dict):
        return array_from_plain(value)
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
    return text.translate({ord(one): escape(one)[1:-1] for one in set(text) if not is_harmless(one)})


def is_harmless(character: str) -> bool:
    """Whether a character may go to a terminal: no control but line ends and tabs, and none that turns text."""
    return character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def array_from_plain(value: dict[str, Any]) -> Any:
    """Return the array that ``{"dtype": …, "array": …}`` describes, or the number where it is one that is not finite.

    >>> array_from_plain({"dtype": "float64", "array": [0.5, {"dtype": "float64", "array": "nan"}]})
    array([0.5, nan])
    """
    if set(value) != {"dtype", "array"}:
        raise ValueError(f"has the keys {', '.join(sorted(map(repr, value)))[:80]}, expected dtype and array")
    dtype, content = value["dtype"], value["array"]
    if not isinstance(dtype, str) or dtype not in ARRAY_KINDS:
        raise ValueError(f"has dtype {str(dtype)[:40]!r}, expected {', '.join(ARRAY_KINDS)}")
    if isinstance(content, str):
        if dtype != "float64" or content not in NOT_FINITE:
            raise ValueError(f"holds {content[:40]!r}, expected numbers")
        return float(content)
    try:
        with np.errstate(over="ignore"):
            return np.array(numbers_from_plain(content, ARRAY_KINDS[dtype]), dtype=dtype)
    except OverflowError as error:
        raise ValueError(f"holds a number that does not fit into {dtype}") from error


def numbers_from_plain(content: Any, kinds: tuple[type, ...]) -> Any:
    """Return nested lists of numbers of some kinds, those that are not finite as such."""
    if isinstance(content, list):
        return [numbers_from_plain(item, kinds) for item in content]
    if isinstance(content, dict) and float in kinds:
        return array_from_plain({**content, "array": str(content.get("array"))})
    if type(content) not in kinds:
        raise ValueError(f"holds {str(content)[:40]!r}, expected {kinds[-1].__name__} values")
    return content


STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
BRACKETS = re.compile(rb"[\[\]{}]")
DEEPEST, MOST_BRACKETS = 64, 1_000_000
MOST_DIGITS = 300


def parse_json(data: bytes, most_bytes: int) -> Any:
    """Return the value of a JSON document, strictly: UTF-8, each key once, finite numbers, and of bounded size.

    Raises
    ------
    ValueError
        It is none; the message says why.

    >>> parse_json(b'{"a": [1, 2]}', most_bytes=100)
    {'a': [1, 2]}
    >>> parse_json(b'{"a": 1, "a": 2}', most_bytes=100)
    Traceback (most recent call last):
    ValueError: the key 'a' stands there twice
    """
    if len(data) > most_bytes:
        raise ValueError(f"it is larger than {most_bytes:,} bytes")
    depth = 0
    for index, match in enumerate(BRACKETS.finditer(STRINGS.sub(b"", data))):
        depth += 1 if match.group() in b"[{" else -1
        if depth > DEEPEST or index >= MOST_BRACKETS:
            raise ValueError(f"its brackets are nested deeper than {DEEPEST} or more than {MOST_BRACKETS:,}")
    try:
        value = json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=unique_keys,
            parse_constant=refuse_constant,
            parse_int=bounded_integer,
        )
        # Lone surrogates and numbers such as 1e999 are read, but are no text and no number.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except RecursionError as error:
        raise ValueError("its brackets are nested too deep") from error
    return value


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON, refusing a key that it has twice."""
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise ValueError(f"the key {key[:40]!r} stands there twice")
        made[key] = value
    return made


def bounded_integer(text: str) -> int:
    """Return a whole number of JSON, refusing one that no float could hold."""
    if len(text) > MOST_DIGITS:
        raise ValueError(f"it holds a number of {len(text)} digits, expected at most {MOST_DIGITS}")
    return int(text)


def refuse_constant(name: str) -> Any:
    """Refuse NaN and Infinity, which JSON does not have."""
    raise ValueError(f"{name} is no JSON number")


def json_digest(value: Any) -> str:
    """Return the sha256 of a JSON value, whatever the spaces and the order of keys in its text."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


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

"""The document in a recipe's file, read without trust."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from ensembler.errors import EnsemblerError, FileError, NotApplicableError, ValueRangeError
from ensembler.predictions.files import readable, write_text
from ensembler.serialization import json_digest, parse_json

MOST_BYTES, CHUNK = 1 << 27, 1 << 20
CHECKSUM = "sha256"
HEX = re.compile(r"[0-9a-f]{64}")


class NotRecipeError(FileError):
    """A file that is no recipe of any version."""


def read_document(path: Path) -> dict[str, Any]:
    """Return what a recipe's file holds, whatever its version.

    Raises
    ------
    FileError
        The file is missing, too large, or no JSON with a schema.
    """
    with readable(path):
        if not path.exists():
            raise FileError(f"{path}: no such file")
        with path.open("rb") as stream:
            data = read_at_most(stream, MOST_BYTES + 1)
        try:
            document = parse_json(data, MOST_BYTES)
        except ValueError as error:
            reason = f" ({error})" if data.lstrip()[:1] in (b"{", b"[") else ""
            raise not_recipe(path, reason) from error
    if not isinstance(document, dict) or not isinstance(document.get("schema"), str):
        raise not_recipe(path)
    return document


def read_at_most(stream: BinaryIO, n_bytes: int) -> bytes:
    """Return what a stream gives, up to some number of bytes, without setting the room for all of them aside."""
    data = bytearray()
    while len(data) < n_bytes and (chunk := stream.read(min(CHUNK, n_bytes - len(data)))):
        data += chunk
    return bytes(data)


def not_recipe(path: Path, reason: str = "") -> NotRecipeError:
    """Return the error for a file that is none."""
    return NotRecipeError(f"{path}: no recipe{reason}; expected a file that `ensembler predict --save` wrote")


@contextmanager
def restoring(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while a document is made use of into an error that names its file."""
    try:
        yield
    except FileError as error:
        raise FileError(f"{path}: {error}") from error
    except Exception as error:
        # Rules of other distributions may raise anything when they are given what they did not write.
        what = str(error) if isinstance(error, EnsemblerError) else f"{type(error).__name__}: {error}"
        raise FileError(f"{path}: the recipe is damaged ({what[:500]}); save it again") from error


def write_document(path: str | Path, document: dict[str, Any], subject: str) -> None:
    """Write a document with its checksum; an older file stays until the new one is whole.

    Raises
    ------
    NotApplicableError
        A name in it is no text, or it is too large.
    """
    try:
        text = json.dumps({**document, CHECKSUM: json_digest(document)}, indent=1, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise NotApplicableError(
            f"{error.object[error.start : error.end]!r} of a name is no text; rename it"
        ) from error
    if size >= MOST_BYTES:
        raise NotApplicableError(f"{subject} cannot be saved: as JSON it is larger than {MOST_BYTES:,} bytes")
    write_text(path, text + "\n")


Entries = Mapping[str, tuple[Callable[[Any], bool], str]]
"""What an object of JSON holds: each entry with a test of its kind, and what is expected."""


def check_entries(document: Mapping[str, Any], entries: Entries) -> None:
    """Raise unless an object has its entries, each of the right kind, and no others."""
    missing = [name for name in entries if name not in document]
    surplus = [name for name in document if name not in (*entries, CHECKSUM)]
    if missing or surplus:
        what = [f"it has no {', '.join(missing)}"] if missing else []
        what += [f"it has {', '.join(map(repr, surplus))[:80]}"] if surplus else []
        raise ValueRangeError(f"{' and '.join(what)}, expected {', '.join(entries)}")
    for name, (is_valid, expected) in entries.items():
        if not is_valid(document[name]):
            raise ValueRangeError(f"{name} is not {expected}")


def check_unchanged(document: Mapping[str, Any]) -> None:
    """Raise if a recipe is not as it was saved; people who change one on purpose delete its checksum."""
    rest = {name: value for name, value in document.items() if name != CHECKSUM}
    if document.get(CHECKSUM, json_digest(rest)) != json_digest(rest):
        raise ValueRangeError(f'it was changed after it was saved; if that was meant, delete its line "{CHECKSUM}"')


def is_text(value: Any) -> bool:
    """Whether a value is a text."""
    return isinstance(value, str)


def is_whole(value: Any, low: int) -> bool:
    """Whether a value is an integer of at least some size."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= low


def is_list_of(kind: type) -> Callable[[Any], bool]:
    """Return whether values are lists of something, and not empty."""
    return lambda value: isinstance(value, list) and len(value) > 0 and all(isinstance(item, kind) for item in value)


def is_object(value: Any) -> bool:
    """Whether a value is an object of JSON."""
    return isinstance(value, dict)


def is_names(value: Any) -> bool:
    """Whether a value is a list of different names, and not empty."""
    return is_list_of(str)(value) and all(value) and len(set(value)) == len(value)


def is_balance(value: Any) -> bool:
    """Whether a value is what `Balanced` is made of, or nothing."""
    return value is None or (isinstance(value, dict) and set(value) == {"tau", "metric"})


def is_object_or_none(value: Any) -> bool:
    """Whether a value is an object of JSON, or nothing."""
    return value is None or is_object(value)


def is_provenance(value: Any) -> bool:
    """Whether a value says on how many rows, and on which arrays, a rule was fitted; or nothing."""
    if not isinstance(value, dict):
        return False
    checksums = value.get("sha256", {})
    if not is_whole(value.get("rows", 1), 1) or not isinstance(checksums, dict):
        return False
    return all(is_text(item) and HEX.fullmatch(item) for item in checksums.values())


ENTRIES: Entries = {
    "schema": (is_text, "a text"),
    "ensembler": (is_text, "a text"),
    "rule": (is_text, "the name of a rule"),
    "parameters": (is_object, "parameters by name"),
    "calibrate": (is_text, "'none', 'members' or 'ensemble'"),
    "balance": (is_balance, "null, or tau and metric"),
    "members": (is_names, "a list of different names"),
    "hard": (is_list_of(bool), "a list of true and false"),
    "n_classes": (lambda value: is_whole(value, 2), "a whole number of at least 2"),
    "class_names": (lambda value: value is None or is_list_of(str)(value), "null or a list of names"),
    "state": (is_object, "fitted values by name"),
    "abstention": (is_object_or_none, "null, or a threshold of confidence"),
    "prediction_sets": (is_object_or_none, "null, or quantiles of scores"),
    "fitted_on": (is_provenance, "a number of rows and the checksums of arrays"),
}
"""What a recipe holds, each with a test of its kind and what is expected."""

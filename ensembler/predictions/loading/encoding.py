"""How the text of a .csv is encoded."""

import codecs
from pathlib import Path

from ensembler.errors import FileError
from ensembler.predictions.loading.import_advice import import_words

MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
"""The first bytes of encodings that say what they are; programs call UTF-16 "Unicode text"."""
SPREADSHEET = "cp1252"
"""What spreadsheets on Windows write where they are not asked for another encoding."""
BLOCK = 1 << 20


def encoding_of(path: Path, *, foreign: bool = False) -> str:
    """Return how a text is encoded: as its first bytes say, else in UTF-8; with ``foreign``, else in Windows-1252.

    Raises
    ------
    FileError
        It is in none of these.
    """
    with path.open("rb") as stream:
        start = stream.read(3)
    declared = next((name for mark, name in MARKS.items() if start.startswith(mark)), None)
    encoding = declared or "utf-8"
    broken = first_broken(path, encoding)
    if broken is None:
        return encoding
    if foreign and declared is None and first_broken(path, SPREADSHEET) is None:
        return SPREADSHEET
    advice = "is it damaged?" if foreign or declared else "make a prediction set of it with ensembler import"
    raise FileError(
        f"{path}: line {broken} is not encoded in {encoding.upper().removesuffix('-SIG')}, as texts are expected; "
        f"save it as UTF-8{', or ' if advice.startswith('make') else ': '}{advice}",
        remedy=() if foreign or declared else import_words(str(path)),
    )


def first_broken(path: Path, encoding: str) -> int | None:
    """Return the number of the first line that is no text of an encoding, from 1; None where all are."""
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = 1
    with path.open("rb") as stream:
        while True:
            block = stream.read(BLOCK)
            try:
                lines += decoder.decode(block, final=not block).count("\n")
            except UnicodeDecodeError as error:
                return lines + error.object[: error.start].decode(encoding, "replace").count("\n")
            if not block:
                return None

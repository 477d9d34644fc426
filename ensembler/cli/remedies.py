"""The command line that mends what was refused, ready to be pasted."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

IMPORT_OPTIONS = (
    "--id",
    "--label-column",
    "--drop-column",
    "--proba-column",
    "--labels",
    "--max-bytes",
    "--axes",
    "--classes",
)
"""Options of `ensembler import` that errors may suggest."""
MOST_WORDS = 12
"""Longer command lines, as of a pattern that the shell expanded, are told by their options only."""


def mended_command(words: Sequence[str], remedy: Sequence[str]) -> str:
    """Return the command line that was typed with the options that mend it, or another command.

    >>> mended_command(["bench", "oof.csv"], ["--id", "object_id"])
    'ensembler bench oof.csv --id object_id'
    """
    program = program_name()
    if words[:1] == ["import"]:
        # Options of other commands are no remedy here.
        kept = [list(pair) for pair in zip(remedy[::2], remedy[1::2], strict=False) if pair[0] in IMPORT_OPTIONS]
        return shlex.join([program, *words, *(word for pair in kept for word in pair)]) if kept else ""
    if not remedy[0].startswith("-"):
        return shlex.join([program, *remedy])
    if len(words) > MOST_WORDS:
        return f"{program} {words[0]} … {shlex.join(remedy)}"
    return shlex.join([program, *words, *remedy])


def program_name() -> str:
    """Return the name under which the program was started: what a shell completes, and what help and advice say."""
    name = Path(sys.argv[0]).name
    return name if name in ("ensembler", "ensembler-bench") else "ensembler"

"""The ``ensembler`` command: one module a command, and one place where errors become messages."""

import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from ensembler.cli.app import app
from ensembler.cli.output import CLOSED_PIPE, tell, to_reader
from ensembler.errors import EnsemblerError, read_at_command_line
from ensembler.parallel.blas import THREADS

__all__ = ["main"]

INTERRUPTED = 128 + signal.SIGINT
"""The exit code of a command that was stopped from the keyboard."""


def main() -> None:
    """Run the command line; errors that are meant for users become one line and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character shows a question mark instead of a traceback.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    for name in THREADS:
        os.environ.setdefault(name, "1")
    output = where_output_goes()
    try:
        with read_at_command_line(), to_reader():
            app(prog_name=program_name())
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            tell("stopped")
        if stop.code == 1 and where_output_goes() != output:
            # Typer and Rich turn a pipe that nobody reads any more into an error of the command.
            sys.exit(CLOSED_PIPE)
        raise
    except EnsemblerError as error:
        tell(f"error: {error}")
        remedy = mended_command(sys.argv[1:], error.remedy) if error.remedy else ""
        if remedy:
            tell(f"try: {remedy}")
        sys.exit(error.exit_code)
    except OSError as error:
        tell(f"error: {error.filename or 'input or output'}: {error.strerror or error}")
        sys.exit(1)
    except MemoryError:
        tell("error: the predictions do not fit into memory; give fewer members (--only), or float32 files")
        sys.exit(1)


def program_name() -> str:
    """Return the name under which the program was started: what a shell completes, and what help and advice say."""
    name = Path(sys.argv[0]).name
    return name if name in ("ensembler", "ensembler-bench") else "ensembler"


def where_output_goes() -> tuple[object, ...]:
    """Return what tells whether stdout was replaced, as is done where its reader is gone."""
    try:
        status = os.fstat(1)
    except OSError:
        return (type(sys.stdout),)
    return (type(sys.stdout), status.st_dev, status.st_ino)


IMPORT_OPTIONS = ("--id", "--label-column", "--drop-column", "--proba-column", "--labels", "--max-bytes", "--axes")
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

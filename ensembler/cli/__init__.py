"""The ``ensembler`` command: one module a command, and one place where errors become messages."""

import os
import signal
import sys

from ensembler.cli.app import app
from ensembler.cli.output import CLOSED_PIPE, tell, to_reader
from ensembler.cli.remedies import mended_command, program_name
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


def where_output_goes() -> tuple[object, ...]:
    """Return what tells whether stdout was replaced, as is done where its reader is gone."""
    try:
        status = os.fstat(1)
    except OSError:
        return (type(sys.stdout),)
    return (type(sys.stdout), status.st_dev, status.st_ino)

"""The ``ensembler`` command: one module a command, and one place where errors become messages."""

import sys

from ensembler.cli.app import app
from ensembler.errors import EnsemblerError

__all__ = ["main"]


def main() -> None:
    """Run the command line; errors that are meant for users become one line and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character shows a question mark instead of a traceback.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        app()
    except EnsemblerError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    except OSError as error:
        sys.stderr.write(f"error: {error.filename or 'input or output'}: {error.strerror or error}\n")
        sys.exit(1)
    except MemoryError:
        sys.stderr.write(
            "error: the predictions do not fit into memory; give fewer members (--only), or float32 files\n"
        )
        sys.exit(1)

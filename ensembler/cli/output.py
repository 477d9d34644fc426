"""Printing: results on stdout, progress and warnings on stderr."""

import os
import shlex
import sys
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ensembler.errors import EnsemblerWarning

if TYPE_CHECKING:
    from ensembler.report.tables import Document

WIDTH_WHEN_PIPED = 160
NO_PATHS = ("--rule", "--title")
"""Options whose values are no paths, whatever they look like."""
CLOSED_PIPE = 141
"""The exit code of a command whose reader has enough, as a shell has it for SIGPIPE."""


@contextmanager
def to_reader() -> Iterator[None]:
    """Write to whoever reads stdout; end without a word where they have enough of it, as ``head`` has."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Nothing that is left to write has a reader.
        os._exit(CLOSED_PIPE)


def tell(message: str) -> None:
    """Write a line to stderr, what a terminal would obey in it as escapes."""
    from ensembler.serialization import printable

    sys.stderr.write(f"{printable(message)}\n")


def print_document(document: "Document", *, as_markdown: bool = False) -> None:
    """Print tables for reading, or as Markdown."""
    from rich.console import Console

    from ensembler.report.tables import draw, markdown

    with to_reader():
        if as_markdown:
            sys.stdout.write(markdown(document))
            return
        piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
        draw(document, Console(width=WIDTH_WHEN_PIPED if piped else None, highlight=False, soft_wrap=False))


def print_json(document: Any) -> None:
    """Print one JSON document; what a terminal would obey is written as JSON's own escapes."""
    import json

    from ensembler.serialization import printable

    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    with to_reader():
        sys.stdout.write(printable(text, json.dumps) + "\n")


def command_line() -> str:
    """Return the command as it was typed, with files by their base names, so that it tells nothing of the machine."""
    words = sys.argv[1:]
    pairs = zip(["", *words], words, strict=False)
    return shlex.join(["ensembler", *(word if before == "--rule" else base_name(word) for before, word in pairs)])


def pasteable_command() -> str:
    """Return the command as it was typed, so that it does the same where it is pasted, in the folder it was typed in.

    Paths in that folder are written as seen from it, others in the home folder begin with ``~/``.
    """
    words = sys.argv[1:]
    pairs = zip(["", *words], words, strict=False)
    return " ".join(["ensembler", *(quoted_word(word, is_path=before not in NO_PATHS) for before, word in pairs)])


def quoted_word(word: str, *, is_path: bool) -> str:
    """Return a word as a shell takes it, a path in it without what the machine's folders are called."""
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    if not is_path or option in NO_PATHS or not Path(value).is_absolute():
        return shlex.quote(word)
    path = Path(value)
    for folder, prefix in ((Path.cwd(), ""), (Path.home(), "~/")):
        # What the shell has put in for a tilde is one again; it is not quoted, for then it would be none.
        if path.is_relative_to(folder) and path != folder and not (prefix and equals):
            return f"{option}{equals}{prefix}{shlex.quote(str(path.relative_to(folder)))}"
    return shlex.quote(word)


def base_name(word: str) -> str:
    """Return a path's last part; of ``--option=path`` too. Other words stay."""
    if word.startswith("--rule="):
        return word
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{option}{equals}{Path(value).name}" if os.sep in value else word


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int, str], None] | None]:
    """Yield a callback that draws a bar on stderr, or None when stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ensembler.serialization import printable

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def show(done: int, total: int, name: str) -> None:
            bar.update(task, completed=done, total=total, description=f"{what}: {escape(printable(name)):24.24}")

        yield show


@contextmanager
def warnings_to_stderr(ignore: Collection[str] = ()) -> Iterator[None]:
    """Print our own warnings as one line each, but for findings of these codes; leave all others to Python."""
    original = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if getattr(message, "code", None) in ignore:
            return
        if issubclass(category, EnsemblerWarning):
            tell(f"warning: {message}")
        else:
            original(message, category, filename, lineno, file, line)

    with warnings.catch_warnings():
        warnings.simplefilter("always", EnsemblerWarning)
        warnings.showwarning = show
        yield

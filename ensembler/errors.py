"""Everything that ensembler raises or warns about.

::

    EnsemblerError
    ├── DataError            the input is not what it should be        (exit code 1)
    │   ├── FileError        a file cannot be read, or not be written
    │   ├── ShapeError       axes or lengths do not fit
    │   ├── ValueRangeError  values that cannot be probabilities, labels or weights
    │   └── AlignmentError   files that do not belong together
    │       └── MissingMemberError  predictions of a member are not there
    ├── UsageError           what was asked for does not exist         (exit code 2)
    │   ├── UnknownNameError a rule, parameter, metric or member of that name is not there
    │   └── ParameterError   a parameter has a value it cannot have
    ├── NotApplicableError   a rule that cannot run on this prediction set
    ├── NotFittedError       ``scores`` before ``fit``
    └── RegistryError        a rule that cannot be registered

    EnsemblerWarning
    ├── DataWarning          the input is legal, and probably not what was meant
    └── FitWarning           a fit that ended in a doubtful place

`DataError` and `UsageError` are also `ValueError`, so that code written for scikit-learn catches them.
"""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class EnsemblerError(Exception):
    """Base of every error that ensembler raises on purpose.

    Parameters
    ----------
    message : str
    remedy : sequence of str
        Options of the command line that would mend it, or all words of another command; none where nothing would.
    """

    exit_code = 1

    def __init__(self, message: str = "", *, remedy: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.remedy = tuple(remedy)
        self.parts: tuple[EnsemblerError, ...] = ()
        """The errors that this one tells together."""


class DataError(EnsemblerError, ValueError):
    """The input is not what it should be."""


class FileError(DataError):
    """A file cannot be read, or not be written."""


class ShapeError(DataError):
    """Axes or lengths do not fit."""


class ValueRangeError(DataError):
    """Values that cannot be probabilities, labels or weights."""


class AlignmentError(DataError):
    """Files that do not belong together."""


class MissingMemberError(AlignmentError):
    """Predictions of a member are not there."""


class UsageError(EnsemblerError, ValueError):
    """What was asked for does not exist or contradicts itself."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A rule, parameter, metric or member of that name is not there."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = list(known)
        close = [other for other in known if other.startswith(name)] if name else []
        close = close or difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        guess = f"; did you mean {close[0]!r}?" if close else ";"
        super().__init__(f"unknown {kind} {name!r}{guess} known: {', '.join(known) or 'none'}")


class ParameterError(UsageError):
    """A parameter has a value it cannot have."""


class NotApplicableError(EnsemblerError):
    """A rule that cannot run on this prediction set; the message is the reason."""


class NotFittedError(EnsemblerError, ValueError, AttributeError):
    """A rule was asked for scores before it was fitted."""


class RegistryError(EnsemblerError):
    """A rule that cannot be registered: no name, or a name that is taken."""


class EnsemblerWarning(UserWarning):
    """Base of every warning that ensembler gives."""


class DataWarning(EnsemblerWarning):
    """The input is legal, and probably not what was meant."""


class FitWarning(EnsemblerWarning):
    """A fit that ended in a doubtful place."""


@dataclass
class Reader:
    """Who reads messages: people who type commands, or who call functions."""

    types_commands: bool = False


READER = Reader()
OPTIONS = {"n_resamples": "--resamples", "label": "--label-column", "drop": "--drop-column", "proba": "--proba-column"}
"""Options of the command line that are called otherwise than the argument that they stand for."""
COLUMNS = ("id", "label", "drop", "proba")
"""Arguments of `ensembler.predictions.loading.options.Columns`."""
LISTED = ("only", "without", "drop", "proba", "metric")
"""Arguments that take a list."""


@contextmanager
def read_at_command_line() -> Iterator[None]:
    """Let messages name options of the command line while the block runs, instead of arguments of functions."""
    before, READER.types_commands = READER.types_commands, True
    try:
        yield
    finally:
        READER.types_commands = before


def spelled(typed: str, python: str) -> str:
    """Return the words of a message for who reads it: those for the command line, or those for Python."""
    return typed if READER.types_commands else python


def argument(name: str) -> str:
    """Name an argument of a function, or the option that stands for it.

    >>> argument("fit_on")
    'fit_on'
    >>> with read_at_command_line():
    ...     argument("fit_on")
    '--fit-on'
    """
    return spelled(OPTIONS.get(name, f"--{name.replace('_', '-')}"), name)


def setting(name: str, value: object = True, *, place: str = "") -> str:
    """Write an argument with a value as it would be written in a call, or typed.

    ``place`` stands for a value that is not known.

    >>> setting("normalize"), setting("without", "m 1"), setting("id", "row"), setting("labels", place="FILE")
    ('normalize=True', "without=['m 1']", "columns=Columns(id='row')", 'labels=FILE')
    >>> with read_at_command_line():
    ...     setting("normalize"), setting("without", "m 1"), setting("id", "row"), setting("labels", place="FILE")
    ('--normalize', "--without 'm 1'", '--id row', '--labels FILE')
    """
    if READER.types_commands:
        import shlex

        return argument(name) if value is True and not place else f"{argument(name)} {place or shlex.quote(str(value))}"
    text = place or repr(value)
    written = f"{name}=[{text}]" if name in LISTED else f"{name}={text}"
    return f"columns=Columns({written})" if name in COLUMNS else written


MOST_PROBLEMS = 10
"""So many different problems are told at once."""


class Problems:
    """Errors that are told together, so that nobody mends a set one message a run.

    >>> problems = Problems()
    >>> for name in ("a.csv", "b.csv"):
    ...     with problems.collected():
    ...         raise FileError(f"{name}: is empty")
    >>> problems.raise_all()
    Traceback (most recent call last):
      ...
    ensembler.errors.FileError: a.csv, b.csv: is empty
    """

    def __init__(self) -> None:
        self.errors: list[EnsemblerError] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep an error of the block for later."""
        try:
            yield
        except EnsemblerError as error:
            self.add(error)

    def add(self, error: EnsemblerError) -> None:
        """Keep an error, or those that it tells together."""
        self.errors += error.parts or (error,)

    def raise_all(self) -> None:
        """Raise what was collected, if anything: one error as it is, several as one with a line each."""
        if not self.errors:
            return
        if len(self.errors) == 1:
            raise self.errors[0]
        texts = alike_together([str(error) for error in self.errors])
        kind = common_kind(self.errors)
        shown = texts[:MOST_PROBLEMS]
        if len(texts) > MOST_PROBLEMS:
            shown.append(f"and {len(texts) - MOST_PROBLEMS} more")
        message = shown[0] if len(texts) == 1 else "\n  ".join([f"{len(texts)} problems", *shown])
        together = kind(message, remedy=joined_remedy([error.remedy for error in self.errors]))
        together.parts = tuple(self.errors)
        raise together


def common_kind(errors: Iterable[EnsemblerError]) -> type[EnsemblerError]:
    """Return the kind of an error that tells several: their own where it is one, else what was asked for or the data.

    >>> common_kind([ParameterError("--seed is -1"), UnknownNameError("rule", "meen", ["mean"])]).__name__
    'UsageError'
    """
    kinds = {UsageError if isinstance(error, UnknownNameError) else type(error) for error in errors}
    if len(kinds) == 1:
        return kinds.pop()
    return UsageError if all(issubclass(kind, UsageError) for kind in kinds) else DataError


def alike_together(texts: Iterable[str]) -> list[str]:
    """Return messages that begin with a file's name, those that differ in nothing else as one."""
    files: dict[str, list[str]] = {}
    for text in texts:
        file, colon, rest = text.partition(": ")
        if ";" in file or "{" in file:
            # The colon stands in a sentence, not behind the name of a file.
            file, colon, rest = "", "", text
        files.setdefault(rest if colon else text, []).append(file if colon else "")
    return [f"{name_some(list(dict.fromkeys(names)))}: {rest}" if names[0] else rest for rest, names in files.items()]


def name_some(names: Sequence[str], most: int = 3) -> str:
    """Name the first of many files, and say how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def joined_remedy(remedies: Iterable[Sequence[str]]) -> list[str]:
    """Return the options of several remedies, each once; another command mends all of them alone.

    Of one command on several files of a folder, that on the folder.

    >>> joined_remedy([("import", "m/a.csv", "--out", "preds"), ("import", "m/b.csv", "--out", "preds")])
    ['import', 'm', '--out', 'preds']
    """
    given = list(dict.fromkeys(map(tuple, remedies)))
    commands = [remedy for remedy in given if remedy and not remedy[0].startswith("-")]
    folders = {str(Path(command[1]).parent) for command in commands if len(command) > 1}
    if len(commands) > 1 and len(folders) == 1 and len({(command[0], *command[2:]) for command in commands}) == 1:
        return [commands[0][0], *folders, *commands[0][2:]]
    if commands:
        return list(commands[0])
    pairs: dict[tuple[str, ...], None] = {}
    for remedy in given:
        start = 0
        for position in range(1, len(remedy) + 1):
            if position == len(remedy) or remedy[position].startswith("--"):
                pairs.setdefault(tuple(remedy[start:position]))
                start = position
    return [word for pair in pairs for word in pair]

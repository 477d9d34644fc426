"""Everything that ensembler raises or warns about.

::

    EnsemblerError
    ├── DataError            the input is not what it should be        (exit code 1)
    │   ├── FileError        a file cannot be read, or not be written
    │   ├── ShapeError       axes or lengths do not fit
    │   ├── ValueRangeError  values that cannot be probabilities, labels or weights
    │   └── AlignmentError   files that do not belong together
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
from collections.abc import Iterable


class EnsemblerError(Exception):
    """Base of every error that ensembler raises on purpose."""

    exit_code = 1


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

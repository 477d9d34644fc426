"""What backbones raises on purpose; the messages are for users."""


class BackbonesError(Exception):
    """Base of all; ends a command with exit code 1."""

    exit_code = 1


class DataError(BackbonesError, ValueError):
    """Images or labels are not what they should be."""


class RunError(BackbonesError):
    """A run's folder, checkpoint or weights do not fit what was asked, or a training cannot go on."""


class RunBusyError(RunError):
    """Another process is at the run."""


class ConfigurationError(BackbonesError, ValueError):
    """A parameter has a value it cannot have."""

    exit_code = 2


class DataWarning(UserWarning):
    """The data are legal, and probably not what was meant."""

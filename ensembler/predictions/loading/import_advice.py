"""The command that makes a prediction set of files in another layout, for errors to advise."""

from pathlib import Path


def import_words(*given: str) -> tuple[str, ...]:
    """Return the words of an import of some files, options included, into a folder that is not there yet.

    >>> import_words("models")[:3]
    ('import', 'models', '--out')
    """
    names = ["preds", "imported", *(f"imported-{number}" for number in range(2, 100))]
    return ("import", *given, "--out", next((name for name in names if not Path(name).exists()), names[-1]))

"""What it takes to get the same bytes again: versions, checksums, the seed and the command."""

from typing import Any

import numpy as np

from ensembler import serialization
from ensembler.arrays import digest
from ensembler.predictions.prediction_set import Predictions


def label_checksums(predictions: Predictions) -> list[str]:
    """Return the checksums of the labels of a set's rows, and of its validation rows where there are some."""
    parts = [part for part in (predictions, predictions.validation) if part is not None]
    return [digest(part.true_labels) for part in parts]


def provenance(predictions: Predictions, seed: int | None, command: str | None) -> dict[str, Any]:
    """Return versions, checksums, the seed and the command: what it takes to get the same bytes again.

    ``seed`` is None where nothing is drawn. Labels have a checksum where there are some.
    """
    import platform
    from importlib.metadata import version

    checksums: dict[str, str] = {}
    for prefix, part in (("", predictions), ("val/", predictions.validation)):
        if part is not None:
            checksums |= {f"{prefix}{name}": value for name, value in zip(part.names, part.digests, strict=True)}
            if part.labels is not None:
                checksums[f"{prefix}labels"] = digest(part.true_labels)
    return {
        "versions": {
            "python": platform.python_version(),
            "ensembler": serialization.__version__,
            "numpy": np.__version__,
            "scipy": version("scipy"),
            "scikit-learn": version("scikit-learn"),
        },
        "sha256": checksums,
        "seed": seed,
        "command": command,
    }

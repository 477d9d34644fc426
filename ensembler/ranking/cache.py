"""What was measured of prediction sets, kept in a folder, so that a run that is killed or repeated goes on."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ensembler import serialization
from ensembler.arrays import digest
from ensembler.combiners.base import Combiner
from ensembler.combiners.registry import default_rules
from ensembler.errors import FileError, UsageError
from ensembler.metrics import Metric, get_metric
from ensembler.predictions.files import write_text
from ensembler.predictions.prediction_set import Predictions

Value = TypeVar("Value")


def cache_file(
    folder: Path | None,
    predictions: Predictions,
    rules: Sequence[str | Combiner] | None,
    metric: Metric,
    protocol: Mapping[str, Any],
) -> Path | None:
    """Return the file for one set, named by a checksum of all that its values follow from.

    None without a folder, and for a metric of the user's own, of which no checksum can be taken.
    """
    if folder is None or not is_known(metric):
        return None
    parts = [part for part in (predictions, predictions.validation) if part is not None]
    identity = {
        "version": serialization.__version__,
        "arrays": [array_checksums(part) for part in parts],
        "members": [predictions.names, [dict(facts) for facts in predictions.metadata]],
        "rules": [
            rule if isinstance(rule, str) else repr(rule) for rule in (default_rules() if rules is None else rules)
        ],
        "metric": metric.name,
        "protocol": dict(protocol),
    }
    text = json.dumps(identity, sort_keys=True, default=str)
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()}.json"


def is_known(metric: Metric) -> bool:
    """Whether a metric is the one that goes by its name, and not a function of the user's."""
    try:
        return get_metric(metric.name) == metric
    except UsageError:
        return False


def array_checksums(part: Predictions) -> list[str | None]:
    """Return the checksums of some rows' arrays: members, labels, and row weights and groups where there are some."""
    optional = [None if array is None else digest(array) for array in (part.sample_weight, part.groups)]
    return [*part.digests, digest(part.true_labels), *optional]


def read(path: Path | None, parse: Callable[[Any], Value]) -> Value | None:
    """Return what a file of the cache says, by the function that understands it; None where there is no file."""
    if path is None or not path.exists():
        return None
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FileError(f"{path} is no file of this cache ({error!r}); delete it, or give another folder") from error


def write(path: Path | None, values: Any) -> None:
    """Keep plain values, where there is a cache."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(values))

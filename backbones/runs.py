"""A training run's folder: its configuration, log, weights and result, each written whole or not at all.

::

    runs/deep-a/
      config.json          what was asked for
      last.ckpt            the state after the last finished epoch; deleted when the run is finished
      best.safetensors     the weights of the best epoch on the validation split
      log.csv              one row an epoch
      result.json          best epoch, accuracies, confusion matrices; there when the run is finished
"""

import csv
import dataclasses
import fcntl
import io
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from torch import nn

from backbones.architectures import build, preset
from backbones.errors import ConfigurationError, RunBusyError, RunError
from backbones.faces import CLASSES, Faces
from backbones.input_normalization import check_normalization

OF_THE_DATA = ("n_classes", "size", "class_names", "data_checksum")
"""Fields of a configuration that the data decide."""
RENAMED = {
    "accuracy_without_twins": "accuracy_without_exact_duplicates",
    "twins_of_training_images": "exact_duplicates_of_training_images",
}
"""Figures of a split that older results have under another name."""
LOCK_ATTEMPTS, LOCK_PAUSE = 5, 0.1


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides how a run goes.

    Parameters
    ----------
    architecture : "deep", "shallow" or "agrawal"
    seed : int
        Of the initial weights, the order of rows and the augmentation.
    epochs, batch_size : int
    learning_rate : float
        The start of the plateau schedule, the peak of the one-cycle schedule.
    weight_decay : float
        L2 penalty, as Adam's.
    dropout : float
    schedule : "plateau" or "onecycle"
        Divide the rate when the validation loss is stuck; or one rise and fall over all epochs.
    patience : int or None
        Stop when the validation accuracy has not risen for so many epochs.
    flip, degrees, shift, scale, erasing : float
        Of the augmentation.
    mixup : float
        α of the Beta distribution that images and their labels are mixed by; 0 mixes nothing.
    label_smoothing : float
        Share of the target probability that is spread over all classes; for labels that are wrong now and then.
    weight_averaging : float
        Decay a step of an exponential moving average of the weights, which is what is evaluated and kept; 0 averages
        nothing.
    normalization : "raw", "histogram-equalised" or "local-contrast"
        Of the images, in training and prediction alike.
    width : float
        What numbers of filters and of hidden units are multiplied by.
    precision : "32-true" or "bf16-mixed"
        Of the training steps, in Lightning's words. Images are augmented, and the network evaluated, in 32 bits.
    n_classes, size : int
        Of the data.
    class_names : tuple of str
    data_checksum : str
    """

    architecture: str
    seed: int = 0
    epochs: int = 80
    batch_size: int = 128
    learning_rate: float = 0.01
    weight_decay: float = 1e-7
    dropout: float = 0.3
    schedule: str = "plateau"
    patience: int | None = None
    flip: float = 0.5
    degrees: float = 10.0
    shift: float = 0.1
    scale: float = 0.0
    erasing: float = 0.0
    mixup: float = 0.0
    label_smoothing: float = 0.0
    weight_averaging: float = 0.0
    normalization: str = "raw"
    width: float = 1.0
    precision: str = "32-true"
    n_classes: int = 7
    size: int = 48
    class_names: tuple[str, ...] = CLASSES
    data_checksum: str = ""

    def __post_init__(self) -> None:
        preset(self.architecture)
        check_normalization(self.normalization)
        if self.schedule not in ("plateau", "onecycle"):
            raise ConfigurationError(f"schedule is {self.schedule!r}, expected 'plateau' or 'onecycle'")
        if self.precision not in ("32-true", "bf16-mixed"):
            raise ConfigurationError(f"precision is {self.precision!r}, expected '32-true' or 'bf16-mixed'")
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} is {getattr(self, name)}, expected at least 1")
        if self.batch_size < 2:
            raise ConfigurationError("batch_size is 1, expected at least 2: batch normalisation needs several images")
        if not self.learning_rate > 0:
            raise ConfigurationError(f"learning_rate is {self.learning_rate}, expected a positive number")
        if self.weight_decay < 0:
            raise ConfigurationError(f"weight_decay is {self.weight_decay}, expected at least 0")
        if not 0 <= self.label_smoothing < 1:
            raise ConfigurationError(f"label_smoothing is {self.label_smoothing}, expected at least 0 and below 1")
        if not 0 <= self.mixup < math.inf:
            raise ConfigurationError(f"mixup is {self.mixup}, expected a number that is at least 0")
        if not 0 <= self.weight_averaging < 1:
            raise ConfigurationError(f"weight_averaging is {self.weight_averaging}, expected at least 0 and below 1")
        if not 0 < self.width < math.inf:
            raise ConfigurationError(f"width is {self.width}, expected a positive number")
        if self.patience is not None and self.patience < 1:
            raise ConfigurationError(f"patience is {self.patience}, expected at least 1")

    @classmethod
    def for_faces(cls, architecture: str, faces: Faces, **options: Any) -> Self:
        """Return a configuration for a data set; options that are None take the architecture's or the usual value."""
        start = preset(architecture)
        given = {key: value for key, value in options.items() if value is not None}
        defaults = {"learning_rate": start.learning_rate, "dropout": start.dropout}
        if given.get("schedule", "plateau") == "plateau" and "patience" not in given:
            given["patience"] = 10
        facts = {
            "n_classes": len(faces.class_names),
            "size": faces.size,
            "class_names": faces.class_names,
            "data_checksum": faces.checksum,
        }
        return cls(architecture, **(defaults | given | facts))

    def network(self) -> nn.Module:
        """Build the network, with fresh weights."""
        return build(
            self.architecture, dropout=self.dropout, n_classes=self.n_classes, size=self.size, width=self.width
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return dataclasses.asdict(self) | {"class_names": list(self.class_names)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote; options that are not in it are at their defaults."""
        unknown = sorted(set(values) - {field.name for field in dataclasses.fields(cls)})
        if unknown:
            raise ConfigurationError(
                f"the configuration has the unknown option {unknown[0]!r}; another version of backbones wrote it"
            )
        return cls(**{**values, "class_names": tuple(values["class_names"])})


@dataclass(frozen=True)
class Run:
    """A run's folder."""

    folder: Path

    @property
    def name(self) -> str:
        """The run's name: that of its folder."""
        return self.folder.name

    @property
    def checkpoint(self) -> Path:
        """The state to go on from."""
        return self.folder / "last.ckpt"

    @property
    def weights(self) -> Path:
        """The weights of the best epoch."""
        return self.folder / "best.safetensors"

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end."""
        return (self.folder / "result.json").exists()

    def config(self) -> RunConfig:
        """Read the configuration."""
        try:
            return RunConfig.from_dict(self.read_json("config.json"))
        except ConfigurationError as error:
            raise RunError(f"{self.folder / 'config.json'}: {error}") from error

    def result(self) -> dict[str, Any]:
        """Read the result of a finished run."""
        if not self.finished:
            raise RunError(
                f"{self.folder}: the run is not finished; train it to its end first (the same command goes on)"
            )
        result = self.read_json("result.json")
        for name in ("val", "test"):
            for before, now in RENAMED.items():
                if before in result.get(name, {}):
                    result[name][now] = result[name].pop(before)
        return result

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the folder."""
        path = self.folder / name
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RunError(f"{self.folder}: no {name} in it, expected the folder of a training run") from error
        except ValueError as error:
            raise RunError(f"{path}: is not JSON: {error}") from error
        if not isinstance(values, dict):
            raise RunError(f"{path}: holds {type(values).__name__}, expected an object")
        return values

    def start(self, config: RunConfig) -> None:
        """Make the folder and write the configuration; refuse a folder that holds another one."""
        if (self.folder / "config.json").exists():
            there, wanted = self.config().to_dict(), config.to_dict()
            for name, value in there.items():
                if value != wanted[name]:
                    raise RunError(
                        f"{self.folder}: holds a run with {name}={value!r}, asked for {wanted[name]!r}; "
                        "use another folder, or the same options to go on"
                    )
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write_json("config.json", config.to_dict())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process; refuse if another one is at it. The lock ends with the process.

        It is asked for several times, since `is_locked` of other processes holds it for an instant.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as stream:
            for attempt in range(1, LOCK_ATTEMPTS + 1):
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if attempt == LOCK_ATTEMPTS:
                        raise RunBusyError(
                            f"{self.folder}: another process is training this run; wait, or use another folder"
                        ) from error
                    time.sleep(LOCK_PAUSE)
            yield

    def is_locked(self) -> bool:
        """Whether a process is training this run."""
        try:
            with self.locked():
                return False
        except RunBusyError:
            return True

    def write_json(self, name: str, values: Mapping[str, Any]) -> None:
        """Write a JSON file as a whole."""
        self.write(
            self.folder / name, lambda path: path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        )

    def write_log(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the log as a whole."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        self.write(self.folder / "log.csv", lambda path: path.write_text(text.getvalue(), encoding="utf-8"))

    def read_log(self) -> list[dict[str, float]]:
        """Read the log, all numbers as float."""
        path = self.folder / "log.csv"
        if not path.exists():
            raise RunError(f"{self.folder}: no log.csv in it, expected a run that has finished at least one epoch")
        with path.open(encoding="utf-8", newline="") as stream:
            return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]

    @staticmethod
    def write(path: Path, save: Callable[[Path], Any]) -> None:
        """Let ``save`` write a temporary name, flush it to the disk, and rename it; a failure leaves the old file."""
        temporary = path.with_name(f".{path.name}.new")
        try:
            save(temporary)
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
            temporary.replace(path)
        except OSError as error:
            raise RunError(
                f"{path}: cannot be written: {error.strerror or error}; the previous one is untouched"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)


def best_epoch(rows: list[dict[str, Any]]) -> int:
    """Return the first epoch with the highest validation accuracy."""
    return int(max(rows, key=lambda row: (row["val_accuracy"], -row["epoch"]))["epoch"])


def load_network(run: Run, config: RunConfig) -> nn.Module:
    """Build the run's network with the weights of its best epoch."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path: Path = run.weights
    if not path.exists():
        raise RunError(f"{run.folder}: no best.safetensors in it, expected a run that has finished at least one epoch")
    network = config.network()
    try:
        network.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        first = str(error).strip().splitlines()[0]
        raise RunError(f"{path}: does not hold the weights of a {config.architecture!r} network: {first}") from error
    return network.eval()

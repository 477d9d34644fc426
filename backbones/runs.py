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
import fcntl
import io
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from backbones.configuration import RunConfig, shortened, whole
from backbones.errors import ConfigurationError, RunBusyError, RunError
from backbones.names import fault_of_member
from backbones.reading import read_json, read_text, reading
from backbones.writing import lock_file, make_folder, require_writable, sweep, writable, write, write_text

if TYPE_CHECKING:
    from torch import Tensor

COLUMNS = ("epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate")
"""Of the log."""
RENAMED = {
    "accuracy_without_twins": "accuracy_without_exact_duplicates",
    "twins_of_training_images": "exact_duplicates_of_training_images",
}
"""Figures of a split that older results have under another name."""
LOCK_ATTEMPTS, LOCK_PAUSE = 5, 0.1


@dataclass(frozen=True)
class Run:
    """A run's folder."""

    folder: Path

    @property
    def name(self) -> str:
        """The run's name: that of its folder."""
        return self.folder.name if self.folder.name not in ("", "..") else self.folder.resolve().name

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

    def require_name(self) -> None:
        """Refuse a name under which a prediction set could not hold the run's probabilities."""
        fault = fault_of_member(self.name)
        if fault is not None:
            raise ConfigurationError(f"the run's name, that of its folder, {fault}; use another folder")

    def require_place(self) -> None:
        """Refuse a folder that cannot be written into, or whose name no member can have, before any work."""
        self.require_name()
        require_writable(self.folder)

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
        return check_result(self.read_json("result.json"), self.folder / "result.json")

    def network(self, config: RunConfig) -> nn.Module:
        """Build the network with the weights of the best epoch."""
        return load_network(self, config)

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the folder."""
        path = self.folder / name
        if not path.exists():
            raise RunError(f"{self.folder}: no {name} in it, expected the folder of a training run")
        return read_json(path)

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
        make_folder(self.folder)
        self.write_json("config.json", config.to_dict())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process; refuse if another one is at it. The lock ends with the process.

        It is asked for several times, since `is_locked` of other processes holds it for an instant.
        """
        make_folder(self.folder)
        with lock_file(self.folder / ".lock") as handle:
            for attempt in range(1, LOCK_ATTEMPTS + 1):
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
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

    def drop_state(self) -> None:
        """Remove the state, which a finished run does not need."""
        with writable(self.checkpoint):
            self.checkpoint.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what killed processes have left half written; only for the one that holds the lock."""
        for path in (self.checkpoint, self.weights, *(self.folder / name for name in TEXTS)):
            sweep(path)

    def write_json(self, name: str, values: Mapping[str, Any]) -> None:
        """Write a JSON file as a whole."""
        write_text(self.folder / name, json.dumps(values, indent=2) + "\n")

    def write_weights(self, weights: "Mapping[str, Tensor]") -> None:
        """Write the weights of the best epoch as a whole."""
        from safetensors.torch import save

        write(self.weights, save({name: value.cpu().contiguous() for name, value in weights.items()}))

    def write_log(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the log as a whole."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.folder / "log.csv", text.getvalue())

    def read_log(self) -> list[dict[str, float]]:
        """Read the log, all numbers as float."""
        path = self.folder / "log.csv"
        if not path.exists():
            raise RunError(f"{self.folder}: no log.csv in it, expected a run that has finished at least one epoch")
        text = read_text(path)
        with reading(path, "is not the log of a run"):
            rows = [
                {key: float(value) for key, value in row.items()}
                for row in csv.DictReader(io.StringIO(text), strict=True)
            ]
            check_rows(rows)
        return rows


TEXTS = ("config.json", "log.csv", "result.json")


def check_rows(rows: object) -> None:
    """Refuse what are not the figures of at least one epoch, each with its number, in order."""
    if not isinstance(rows, list) or not rows:
        raise ValueError("it holds no epoch")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or tuple(row) != COLUMNS:
            raise ValueError(f"epoch {number} has other figures than {', '.join(COLUMNS)}")
        if not all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in row.values()):
            raise ValueError(f"epoch {number} has a figure that is no number")
        if row["epoch"] != number or not 0 <= row["val_accuracy"] <= 1:
            raise ValueError(f"epoch {number} is called {row['epoch']}, with an accuracy of {row['val_accuracy']}")


def best_epoch(rows: list[dict[str, Any]]) -> int:
    """Return the first epoch with the highest validation accuracy."""
    return int(max(rows, key=lambda row: (row["val_accuracy"], -row["epoch"]))["epoch"])


def check_result(result: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return a result that was read from a file, its figures by their present names; refuse a damaged one."""
    for name in ("val", "test"):
        for before, now in RENAMED.items():
            if isinstance(result.get(name), dict) and before in result[name]:
                result[name][now] = result[name].pop(before)
    problems = find_faults(result)
    if problems:
        raise RunError(f"{path}: {'; '.join(problems)}; is it damaged?")
    return result


def find_faults(result: Mapping[str, Any]) -> list[str]:
    """Say what a result lacks, or has of another kind."""
    faults = [
        f"{name} {fault}"
        for name in ("best_epoch", "epochs", "parameters", "multiply_adds")
        if (fault := whole(0).fault_of(result.get(name))) is not None
    ]
    if not isinstance(result.get("versions"), dict):
        faults.append(f"versions is {shortened(result.get('versions'))}, expected an object")
    for name in ("val", "test"):
        # There may be no test split.
        if name == "val" or name in result:
            faults += [f"{name}: {fault}" for fault in faults_of_split(result.get(name))]
    return faults


def faults_of_split(part: object) -> list[str]:
    """Say what the figures of a split lack, or have of another kind."""
    if not isinstance(part, dict):
        return [f"is {shortened(part)}, expected figures"]
    faults = []
    accuracies = {name: part.get(name) for name in ("accuracy", "accuracy_without_exact_duplicates")}
    if accuracies["accuracy_without_exact_duplicates"] is None:
        # So it is where every image is among the training images.
        del accuracies["accuracy_without_exact_duplicates"]
    for name, value in accuracies.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            faults.append(f"{name} is {shortened(value)}, expected a number between 0 and 1")
    fault = whole(0).fault_of(part.get("exact_duplicates_of_training_images"))
    if fault is not None:
        faults.append(f"exact_duplicates_of_training_images {fault}")
    counts = part.get("confusion")
    square = isinstance(counts, list) and all(isinstance(row, list) and len(row) == len(counts) for row in counts)
    if not square or any(whole(0).fault_of(count) is not None for row in counts or () for count in row):
        faults.append("confusion is no square of counts")
    return faults


def load_network(run: Run, config: RunConfig) -> nn.Module:
    """Build the run's network with the weights of its best epoch, which are finite numbers."""
    from safetensors.torch import load

    path: Path = run.weights
    if not path.exists():
        raise RunError(f"{run.folder}: no best.safetensors in it, expected a run that has finished at least one epoch")
    with reading(path, f"does not hold the weights of a {config.architecture!r} network"):
        weights = load(path.read_bytes())
    return fill_network(config, weights, path)


def fill_network(config: RunConfig, weights: "dict[str, Tensor]", path: Path) -> nn.Module:
    """Build a network with weights that were read from a file, which are finite numbers of the kinds it has."""
    network = config.outline()
    with reading(path, f"does not hold the weights of a {config.architecture!r} network"):
        outlined = network.state_dict()
        for name, value in weights.items():
            if name in outlined and value.dtype != outlined[name].dtype:
                raise ValueError(f"{name} is {value.dtype}, expected {outlined[name].dtype}")
        # The network takes the file's numbers for its own, so that no more memory is asked for than the file has.
        network.load_state_dict(weights, assign=True)
    damaged = [name for name, value in weights.items() if not value.isfinite().all()]
    if damaged:
        raise RunError(f"{path}: {damaged[0]} has numbers that are not finite; is it damaged? train the run anew")
    return network.eval()

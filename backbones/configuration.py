"""What decides how a run goes, and what each option can be."""

import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import nn

from backbones.architectures import PRESETS, build, preset
from backbones.errors import ConfigurationError
from backbones.faces import CLASSES, Faces
from backbones.input_normalization import NORMALIZATIONS
from backbones.names import fault_of_text
from backbones.reading import first_line

OF_THE_DATA = ("n_classes", "size", "class_names", "data_checksum")
"""Fields of a configuration that the data decide."""
LARGEST_WHOLE, LARGEST = 2**63 - 1, sys.float_info.max


@dataclass(frozen=True)
class Numbers:
    """The numbers that an option can be."""

    expected: str
    low: float = 0
    high: float = LARGEST
    above: bool = False
    below: bool = False
    whole: bool = False

    def fault_of(self, value: object) -> str | None:
        """Say what is wrong with a value."""
        kinds = (int,) if self.whole else (int, float)
        if not isinstance(value, kinds) or isinstance(value, bool):
            return f"is {shortened(value)}, expected {'a whole number' if self.whole else 'a number'}"
        # NaN fails every comparison.
        starts = value > self.low if self.above else value >= self.low
        ends = value < self.high if self.below else value <= self.high
        return None if starts and ends else f"is {shortened(value)}, expected {self.expected}"


def shortened(value: object) -> str:
    """Return how a message shows a value."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def whole(least: int, why: str = "") -> Numbers:
    """Return whole numbers from one on."""
    return Numbers(f"at least {least}{why}", least, LARGEST_WHOLE, whole=True)


SHARE = Numbers("at least 0 and below 1", 0, 1, below=True)
PROBABILITY = Numbers("a probability between 0 and 1", 0, 1)
POSITIVE = Numbers("a positive number", above=True)
NUMBERS = {
    "seed": whole(0),
    "epochs": whole(1),
    "batch_size": whole(2, ": batch normalisation needs several images"),
    "learning_rate": POSITIVE,
    "weight_decay": Numbers("at least 0"),
    "dropout": SHARE,
    "patience": whole(1),
    "flip": PROBABILITY,
    "degrees": Numbers("0 to 180", 0, 180),
    "shift": SHARE,
    "scale": SHARE,
    "erasing": PROBABILITY,
    "mixup": Numbers("a number that is at least 0"),
    "label_smoothing": SHARE,
    "weight_averaging": SHARE,
    "width": POSITIVE,
    "n_classes": whole(2),
    "size": whole(1),
}
CHOICES = {
    "schedule": ("plateau", "onecycle"),
    "normalization": NORMALIZATIONS,
    "precision": ("32-true", "bf16-mixed"),
}


def find_problems(values: Mapping[str, Any]) -> list[str]:
    """Say of each option that has a value which it cannot have what is wrong with it."""
    problems = []
    if "architecture" in values and values["architecture"] not in tuple(PRESETS):
        problems.append(
            f"unknown architecture {shortened(values['architecture'])}, expected one of {', '.join(PRESETS)}"
        )
    for name, choices in CHOICES.items():
        if name in values and values[name] not in choices:
            *others, last = map(repr, choices)
            expected = f"{others[0]} or {last}" if len(others) == 1 else f"one of {', '.join((*others, last))}"
            problems.append(f"{name} is {shortened(values[name])}, expected {expected}")
    for name, numbers in NUMBERS.items():
        if name not in values or (name == "patience" and values[name] is None):
            continue
        fault = numbers.fault_of(values[name])
        if fault is not None:
            problems.append(f"{name} {fault}")
    if not isinstance(values.get("data_checksum", ""), str):
        problems.append(f"data_checksum is {shortened(values['data_checksum'])}, expected text")
    faults = [fault for name in values.get("class_names", ()) if (fault := fault_of_text(name)) is not None]
    return [*problems, *(f"a class's name {fault}" for fault in faults)]


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
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        problems = find_problems(values)
        if problems:
            raise ConfigurationError("; ".join(problems))

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
        try:
            return self.build()
        except (RuntimeError, OverflowError, TypeError, MemoryError) as error:
            raise ConfigurationError(
                f"a {self.architecture!r} network of width {self.width} for images of {self.size}×{self.size} cannot "
                f"be built: {first_line(error)}"
            ) from error

    def outline(self) -> nn.Module:
        """Return the network without weights, which takes no memory."""
        with torch.device("meta"):
            return self.network()

    def build(self) -> nn.Module:
        """Build the network by its architecture's name."""
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
        missing = [name for name in ("architecture", *OF_THE_DATA) if name not in values]
        if missing:
            raise ConfigurationError(f"the configuration has no {', '.join(missing)}")
        names = values["class_names"]
        if not isinstance(names, (list, tuple)) or len(names) != values["n_classes"]:
            raise ConfigurationError(
                f"class_names is {shortened(names)}, expected a name of each of the n_classes classes"
            )
        return cls(**{**values, "class_names": tuple(names)})

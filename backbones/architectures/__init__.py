"""The three networks by name."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from backbones.architectures.agrawal import agrawal
from backbones.architectures.alizadeh import deep, shallow
from backbones.errors import ConfigurationError


@dataclass(frozen=True)
class Preset:
    """How to build a network, and what training of it starts from."""

    build: Callable[..., nn.Module]
    learning_rate: float
    dropout: float


PRESETS = {
    "deep": Preset(deep, learning_rate=0.002, dropout=0.3),
    "shallow": Preset(shallow, learning_rate=0.002, dropout=0.3),
    "agrawal": Preset(agrawal, learning_rate=0.004, dropout=0.0),
}


def preset(name: str) -> Preset:
    """Return a preset, or say which there are."""
    if name not in PRESETS:
        raise ConfigurationError(f"unknown architecture {name!r}, expected one of {', '.join(PRESETS)}")
    return PRESETS[name]


def build(name: str, *, dropout: float, n_classes: int, size: int, width: float = 1.0) -> nn.Module:
    """Build a network by name; ``width`` multiplies the numbers of filters and of hidden units."""
    return preset(name).build(dropout=dropout, n_classes=n_classes, size=size, width=width)

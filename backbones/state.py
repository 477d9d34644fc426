"""The state of a training on the disk: written whole, checked before it is read, read without unpickling code."""

import io
import math
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO

from backbones.configuration import LARGEST, LARGEST_WHOLE, shortened
from backbones.errors import RunError
from backbones.reading import reading
from backbones.writing import write

ANEW = "delete it to start the run anew"


class WholeFiles(CheckpointIO):
    """How Lightning writes and reads states here: as a whole, and with everything that goes wrong as a sentence."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a state as a whole."""
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write(Path(path), content.getvalue())

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a state onto the CPU, from where Lightning takes it to its device."""
        return read_state(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a state."""
        Path(path).unlink(missing_ok=True)


def read_state(path: Path) -> dict[str, Any]:
    """Read a state without unpickling code, if each of its parts has the checksum that was stored with it.

    Raises
    ------
    RunError
        The file cannot be read, is damaged, or holds something else.
    """
    with reading(path, "cannot be read as a state", fix=ANEW):
        content = io.BytesIO(path.read_bytes())
        # PyTorch writes a checksum of each part, and does not look at it again.
        damaged = zipfile.ZipFile(content).testzip()
        if damaged is not None:
            raise ValueError(f"its part {damaged} is damaged")
        content.seek(0)
        state = torch.load(content, weights_only=True, map_location="cpu")
    if not isinstance(state, dict):
        raise RunError(f"{path}: holds {type(state).__name__}, expected the state of a training; {ANEW}")
    return state


VARIES = (
    *("lr", "betas", "_last_lr", "best", "last_epoch", "_step_count", "num_bad_epochs", "cooldown_counter"),
    *("ready", "started", "processed", "completed", "is_last_batch", "_batches_that_stepped"),
)
"""What a training changes of its optimiser, schedule and progress, besides tensors."""


def check_alike(value: Any, template: Any, place: str, *, varies: bool = False) -> None:
    """Refuse a restored value that cannot take the place of the one a training starts with.

    Dictionaries have the same names, sequences the same length, tensors the same shape and kind of finite numbers. What
    a training does not change is the same; of what it changes, whole numbers are not negative, and only a number that
    starts as infinite may stay so. PyTorch takes moments of any shape for those of its weights, and writes past their
    ends.

    Examples
    --------
    >>> check_alike({"lr": 0.5, "fused": True}, {"lr": 0.1, "fused": True}, "state")
    >>> check_alike({"lr": None, "fused": True}, {"lr": 0.1, "fused": True}, "state")
    Traceback (most recent call last):
    ValueError: state lr is None, expected a number
    """
    if isinstance(template, dict):
        if not isinstance(value, dict) or set(value) != set(template):
            raise ValueError(f"{place} has other parts than the training has")
        for name in template:
            check_alike(value[name], template[name], f"{place} {name}", varies=name in VARIES)
    elif isinstance(template, (list, tuple)):
        if not isinstance(value, type(template)) or len(value) != len(template):
            raise ValueError(f"{place} has other parts than the training has")
        for number, (part, like) in enumerate(zip(value, template, strict=True)):
            check_alike(part, like, f"{place} {number}", varies=varies)
    elif isinstance(template, torch.Tensor):
        if not isinstance(value, torch.Tensor) or (value.shape, value.dtype) != (template.shape, template.dtype):
            raise ValueError(f"{place} is no tensor of {template.dtype} of the shape {tuple(template.shape)}")
        if not value.isfinite().all():
            raise ValueError(f"{place} has numbers that are not finite")
    elif not varies:
        if type(value) is not type(template) or value != template:
            raise ValueError(f"{place} is {shortened(value)}, expected {shortened(template)}")
    else:
        fault = fault_of_number(value, template)
        if fault is not None:
            raise ValueError(f"{place} is {shortened(value)}, expected {fault}")


def fault_of_number(value: object, template: float) -> str | None:
    """Say what would have been expected instead of a number."""
    if isinstance(template, bool):
        return None if isinstance(value, bool) else "true or false"
    if isinstance(value, bool) or not isinstance(value, (int, type(template))):
        return "a whole number" if isinstance(template, int) else "a number"
    if isinstance(template, int):
        return None if 0 <= value <= LARGEST_WHOLE else "a whole number that is not negative"
    return None if abs(value) <= LARGEST or value == template == math.inf else "a finite number"

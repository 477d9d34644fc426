"""The state of a training on the disk: written whole, checked before it is read, read without unpickling code."""

import io
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO

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

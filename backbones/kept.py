"""Weights that are kept in half precision: one small file each, with all that predictions need.

A safetensors file holds the weights of a run's best epoch in sixteen bits, and the statistics of batch normalisation in
32; its header holds the run's configuration and result. Predictions from it are computed in 32 bits.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from backbones.configuration import RunConfig
from backbones.errors import ConfigurationError, RunError
from backbones.names import fault_of_member
from backbones.reading import parse_json, reading
from backbones.runs import Run, check_result, fill_network
from backbones.writing import make_folder, write

FORMAT = "backbones.weights/1"
SUFFIX = ".safetensors"
PARTS = ("config", "result")


@dataclass(frozen=True)
class KeptWeights:
    """A file that `keep` wrote, which can be predicted from like the folder of a finished run.

    Parameters
    ----------
    path : path
        The file; without its suffix its name is the member's.
    """

    path: Path

    @property
    def name(self) -> str:
        """The member's name: that of the file."""
        return self.path.name.removesuffix(SUFFIX)

    def require_name(self) -> None:
        """Refuse a name under which a prediction set could not hold the probabilities."""
        fault = fault_of_member(self.name)
        if fault is not None:
            raise ConfigurationError(f"the name of the weights, that of their file, {fault}; rename it")

    def header(self) -> dict[str, Any]:
        """Read the configuration and the result from the file's header."""
        from safetensors import safe_open

        with reading(self.path, "is no file of weights"), safe_open(self.path, framework="pt") as stream:
            texts = stream.metadata() or {}
        if texts.get("format") != FORMAT:
            raise RunError(f"{self.path}: holds no configuration; expected a file that `backbones keep` wrote")
        return {part: parse_json(texts.get(part, ""), self.path) for part in PARTS}

    def config(self) -> RunConfig:
        """Return the configuration of the run."""
        try:
            return RunConfig.from_dict(self.header()["config"])
        except ConfigurationError as error:
            raise RunError(f"{self.path}: {error}") from error

    def result(self) -> dict[str, Any]:
        """Return the result of the run."""
        return check_result(self.header()["result"], self.path)

    def network(self, config: RunConfig) -> nn.Module:
        """Build the network with the kept weights, in 32 bits."""
        from safetensors.torch import load

        with reading(self.path, "is no file of weights"):
            weights = load(self.path.read_bytes())
        full = {name: value.float() if value.dtype == torch.float16 else value for name, value in weights.items()}
        return fill_network(config, full, self.path)


def keep(run: Run, folder: Path) -> Path:
    """Write the weights of a finished run in half precision, and return the file.

    Parameters
    ----------
    run : Run
    folder : path
        Where the file goes; it is named after the run.

    Raises
    ------
    RunError
        The run is not finished, its weights are damaged or beyond half precision, or the file cannot be written.
    """
    from safetensors.torch import save

    run.require_name()
    config, result = run.config(), run.result()
    network = run.network(config)
    # The variances of batch normalisation can be beyond half precision, and take no space.
    halves = network.state_dict() | {name: value.detach().half() for name, value in network.named_parameters()}
    beyond = [name for name, value in halves.items() if not value.isfinite().all()]
    if beyond:
        raise RunError(f"{run.weights}: {beyond[0]} has numbers beyond 65504, the largest of half precision")
    header = {"format": FORMAT, "config": json.dumps(config.to_dict()), "result": json.dumps(result)}
    make_folder(folder)
    path = folder / f"{run.name}{SUFFIX}"
    write(path, save({name: value.contiguous() for name, value in halves.items()}, metadata=header))
    return path


def trained(path: Path) -> Run | KeptWeights:
    """Return what is at a path: a file of kept weights, or else the folder of a run."""
    return KeptWeights(path) if path.is_file() else Run(path)

"""Weights kept in half precision predict as the run does, and damaged ones are refused in a sentence."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load, load_file, save_file

from backbones.configuration import RunConfig
from backbones.errors import ConfigurationError, RunError
from backbones.export import export
from backbones.kept import KeptWeights, keep, trained
from backbones.recipe import BUNDLED, read_recipe
from backbones.runs import Run
from backbones.training import train
from ensembler.predictions.bundled import study_folder
from tests.backbones.conftest import draw_faces
from tests.pages import ROOT

KEPT = sorted((ROOT / "weights").glob("*.safetensors"))


@pytest.fixture(scope="module")
def small():
    return draw_faces(counts=(48, 14, 14), size=24)


@pytest.fixture(scope="module")
def finished(small, tmp_path_factory):
    run = Run(tmp_path_factory.mktemp("runs") / "deep-z")
    config = RunConfig.for_faces(
        "deep", small, epochs=1, batch_size=16, schedule="onecycle", width=0.25, normalization="local-contrast"
    )
    assert train(run, config, small, progress_bar=False, accelerator="cpu")
    return run


@pytest.fixture
def kept(finished, tmp_path):
    return keep(finished, tmp_path / "weights")


def first(weights):
    return next(name for name in weights if name.endswith("weight"))


def rewritten(path, change, **header):
    """Write the file anew with other weights, or another header."""
    with safe_open(path, framework="pt") as stream:
        metadata = stream.metadata()
    weights = load(path.read_bytes())
    change(weights)
    save_file(weights, path, metadata=metadata | header)


def test_kept_weights_predict_as_the_run(finished, kept, small, tmp_path):
    assert kept.name == "deep-z.safetensors"
    assert kept.stat().st_size < 0.6 * finished.weights.stat().st_size
    source = trained(kept)
    assert (source.name, source.config(), source.result()) == ("deep-z", finished.config(), finished.result())
    whole, half = export(finished, small, tmp_path / "whole"), export(source, small, tmp_path / "half")
    assert half.keys() == whole.keys()
    for part in ("", "val"):
        plain, kept_ones = (np.load(tmp_path / name / part / "deep-z.npy") for name in ("whole", "half"))
        np.testing.assert_allclose(kept_ones, plain, atol=1e-3)
    told = [
        json.loads((tmp_path / name / "members.json").read_text())["members"]["deep-z"] for name in ("whole", "half")
    ]
    assert told[0]["hyperparameters"] == told[1]["hyperparameters"]


def test_variances_beyond_half_precision_are_kept(finished, tmp_path):
    run = Run(tmp_path / "large")
    run.start(finished.config())
    run.write_json("result.json", finished.result())
    weights = load_file(finished.weights)
    name = next(name for name in weights if name.endswith("running_var"))
    weights[name] = torch.full_like(weights[name], 3e6)
    save_file(weights, run.weights)
    path = keep(run, tmp_path)
    assert load_file(path)[name].tolist() == weights[name].tolist()
    assert load_file(path)[name.replace("running_var", "weight")].dtype == torch.float16
    bias = name.replace("running_var", "bias")
    weights[bias] = torch.full_like(weights[bias], 7e4)
    save_file(weights, run.weights)
    with pytest.raises(RunError, match=f"{bias} has numbers beyond 65504"):
        keep(run, tmp_path)


def test_what_is_no_file_of_kept_weights_is_refused(finished, kept, small, tmp_path):
    plain = tmp_path / "plain.safetensors"
    plain.write_bytes(finished.weights.read_bytes())
    with pytest.raises(RunError, match="holds no configuration; expected a file that `backbones keep` wrote"):
        trained(plain).config()
    (tmp_path / "text.safetensors").write_text("weights")
    with pytest.raises(RunError, match="text.safetensors: is no file of weights"):
        trained(tmp_path / "text.safetensors").result()
    hidden = tmp_path / ".safetensors"
    hidden.write_bytes(kept.read_bytes())
    with pytest.raises(ConfigurationError, match="the name of the weights"):
        export(trained(hidden), small, tmp_path / "preds")


@pytest.mark.parametrize(
    ("change", "header", "message"),
    [
        (lambda weights: weights.pop(first(weights)), {}, "does not hold the weights of a 'deep' network"),
        (lambda weights: weights[first(weights)].fill_(float("nan")), {}, "numbers that are not finite"),
        (lambda weights: None, {"config": "{"}, "is not JSON"),
        (lambda weights: None, {"config": '{"architecture": "deep"}'}, "the configuration has no n_classes"),
        (lambda weights: None, {"result": "{}"}, "is it damaged"),
    ],
)
def test_damaged_kept_weights_are_refused(change, header, message, kept, small, tmp_path):
    rewritten(kept, change, **header)
    with pytest.raises(RunError, match=message):
        export(KeptWeights(kept), small, tmp_path / "preds")
    assert not (tmp_path / "preds").exists()


def test_a_run_that_is_not_finished_is_not_kept(finished, tmp_path):
    run = Run(tmp_path / "begun")
    run.start(finished.config())
    with pytest.raises(RunError, match="the run is not finished"):
        keep(run, tmp_path)


def test_the_kept_weights_are_of_bundled_members_and_small():
    assert [path.stem for path in KEPT] == ["agrawal-a", "agrawal-b", "agrawal-c", "deep-a"]
    assert sum(path.stat().st_size for path in KEPT) < 20_000_000
    asked = {entry.name: entry for entry in read_recipe(BUNDLED)}
    members = json.loads((study_folder() / "members.json").read_text())["members"]
    for path in KEPT:
        source, entry = KeptWeights(path), asked[path.stem]
        config = source.config().to_dict()
        options = {"architecture": entry.architecture, **entry.options}
        assert {name: config[name] for name in options} == options
        assert source.result()["val"]["accuracy"] == pytest.approx(members[path.stem]["val_accuracy"], abs=1e-3)
        assert config["data_checksum"] == members[path.stem]["data_checksum"]
        source.network(source.config())

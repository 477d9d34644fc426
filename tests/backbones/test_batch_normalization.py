"""Statistics of batch normalisation of a network from which nothing is dropped."""

import numpy as np
import pytest
import torch
from torch import nn

from backbones.architectures import build
from backbones.architectures.layers import Dropout
from backbones.batch_normalization import recalibrate
from backbones.classifier import CALIBRATION_ROWS, Classifier
from backbones.configuration import RunConfig
from backbones.faces import Faces, FaceSplit
from tests.backbones.conftest import draw_faces


def network_with_dropout():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), Dropout(0.5), nn.MaxPool2d(2), nn.Conv2d(4, 3, 3), nn.BatchNorm2d(3)
    )


def test_statistics_are_those_without_dropout():
    network = network_with_dropout()
    images = torch.rand(16, 1, 12, 12)
    recalibrate(network, [images])
    with torch.no_grad():
        first = network[0](images)
        scaled = (first - first.mean((0, 2, 3), keepdim=True)) / (
            first.var((0, 2, 3), unbiased=False, keepdim=True) + network[1].eps
        ).sqrt()
        second = network[4](network[3](scaled * network[1].weight[:, None, None] + network[1].bias[:, None, None]))
    for norm, values in ((network[1], first), (network[5], second)):
        torch.testing.assert_close(norm.running_mean, values.mean((0, 2, 3)))
        torch.testing.assert_close(norm.running_var, values.var((0, 2, 3)))


def test_only_statistics_change():
    network = network_with_dropout().train()
    network[4].eval()
    weights = {name: value.clone() for name, value in network.named_parameters()}
    modes = [module.training for module in network.modules()]
    batches = [torch.rand(8, 1, 12, 12), torch.rand(8, 1, 12, 12)]
    draws = torch.get_rng_state()
    recalibrate(network, batches)
    assert torch.equal(torch.get_rng_state(), draws)
    assert all(torch.equal(value, weights[name]) for name, value in network.named_parameters())
    assert [module.training for module in network.modules()] == modes
    assert [network[1].momentum, network[5].momentum] == [0.1, 0.1]
    assert network[1].num_batches_tracked == 2


def test_batches_weigh_the_same_and_what_was_there_is_forgotten():
    network = nn.BatchNorm1d(2)
    network(torch.randn(50, 2) * 9 + 100)
    batches = list(torch.randn(3, 40, 2, generator=torch.Generator().manual_seed(1)))
    recalibrate(network, batches)
    torch.testing.assert_close(network.running_mean, torch.stack([b.mean(0) for b in batches]).mean(0))
    torch.testing.assert_close(network.running_var, torch.stack([b.var(0) for b in batches]).mean(0))


def test_a_network_without_batch_normalisation_is_left_alone():
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.BatchNorm1d(2, track_running_stats=False))
    before = [value.clone() for value in network.state_dict().values()]
    recalibrate(network, [torch.rand(3, 1, 2, 2)])
    assert all(torch.equal(one, other) for one, other in zip(before, network.state_dict().values(), strict=True))
    assert network[2].running_mean is None


@pytest.mark.parametrize("architecture", ["deep", "shallow"])
def test_predictions_follow_dropout_and_pooling_no_more(architecture):
    """What the last normalisation gives has mean 0 and variance 1, as in training, only after calibration."""
    torch.manual_seed(3)
    network = build(architecture, dropout=0.4, n_classes=7, size=24).train()
    images = torch.rand(64, 1, 24, 24)
    with torch.no_grad():
        for _ in range(60):
            network(images)  # running averages of dropped values
    outputs = []
    last_norm = [module for module in network.modules() if isinstance(module, nn.BatchNorm1d)][-1]
    last_norm.register_forward_hook(lambda module, given, output: outputs.append(output.clone()))

    def shift():
        with torch.no_grad():
            network.eval()(images)
        output = outputs.pop()
        return float(output.mean(0).abs().mean()), float((output.var(0) - 1).abs().mean())

    before = shift()
    recalibrate(network, [images])
    outputs.clear()
    after = shift()
    assert after[0] < 0.02 < 0.05 < before[0]
    assert after[1] < 0.05 < before[1]


def test_an_epoch_is_judged_by_training_images_as_they_are(monkeypatch):
    faces = draw_faces(counts=(70, 14, 14))
    module = Classifier(RunConfig.for_faces("agrawal", faces, epochs=1, schedule="onecycle", seed=4), faces)
    given = []
    monkeypatch.setattr("backbones.classifier.recalibrate", lambda network, batches: given.extend(batches))
    module.on_validation_epoch_start()
    assert len(faces.train) < CALIBRATION_ROWS
    values = torch.cat(given).numpy()
    assert values.dtype == np.float32
    whole = np.rint(values[:, 0] * 255).astype(np.uint8)
    assert sorted(image.tobytes() for image in whole) == sorted(image.tobytes() for image in faces.train.images)


def test_as_many_rows_as_are_needed_are_drawn_from_all(monkeypatch):
    monkeypatch.setattr("backbones.classifier.CALIBRATION_ROWS", 20)
    faces = draw_faces(counts=(70, 14, 14))
    marked = FaceSplit(
        np.arange(70, dtype=np.uint8)[:, None, None] * np.ones((1, 48, 48), np.uint8), faces.train.labels
    )
    faces = Faces(marked, faces.val, faces.test, faces.class_names)
    given = []
    monkeypatch.setattr("backbones.classifier.recalibrate", lambda network, batches: given.append(batches))
    for seed in (4, 4, 5):
        module = Classifier(RunConfig.for_faces("agrawal", faces, epochs=1, schedule="onecycle", seed=seed), faces)
        module.on_validation_epoch_start()
    rows = [torch.cat(batches)[:, 0, 0, 0].mul(255).round().int().tolist() for batches in given]
    assert rows[0] == rows[1] != rows[2]
    assert len(set(rows[0])) == 20
    assert max(rows[0]) > 40
    assert rows[0] != sorted(rows[0])

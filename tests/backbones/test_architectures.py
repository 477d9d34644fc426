"""Sizes, costs and padding of the three networks."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from backbones.architectures import PRESETS, build
from backbones.architectures.agrawal import Agrawal
from backbones.architectures.alizadeh import Alizadeh
from backbones.architectures.layers import SameConv2d, multiply_adds, same_padding, trainable_parameters
from backbones.errors import ConfigurationError

COUNTS = {"deep": (4_474_759, 290.5), "shallow": (9_517_191, 53.2), "agrawal": (463_957, 58.2)}


def network(name, **options):
    return build(name, dropout=PRESETS[name].dropout, n_classes=7, size=48, **options)


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_and_multiply_adds(name):
    parameters, millions = COUNTS[name]
    assert trainable_parameters(network(name)) == parameters
    assert round(multiply_adds(network(name), (1, 48, 48)) / 1e6, 1) == millions


def map_sizes(net):
    sizes = []
    hooks = [m.register_forward_hook(lambda m, i, o: sizes.append(o.shape[-1])) for m in net.features]
    net.eval()(torch.zeros(1, 1, 48, 48))
    for hook in hooks:
        hook.remove()
    return list(dict.fromkeys(sizes))


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("deep", [48, 24, 12, 6, 3]), ("shallow", [48, 24, 12]), ("agrawal", [48, 24, 12, 6, 3, 2, 1])],
)
def test_feature_map_sizes(name, sizes):
    assert map_sizes(network(name)) == sizes


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 24, 48])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_padding_by_keras_rule(size, kernel, stride):
    out = -(-size // stride)
    # Keras: pad the total, the smaller half before, and convolve without padding.
    total = max((out - 1) * stride + kernel - size, 0)
    assert same_padding(size, kernel, stride) == (total // 2, total - total // 2)
    layer = SameConv2d(2, 3, kernel, size=size, stride=stride)
    images = torch.randn(2, 2, size, size)
    before, after = total // 2, total - total // 2
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (before, after), (before, after)))
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    expected = np.empty((2, 3, out, out))
    for row in range(out):
        for column in range(out):
            window = padded[:, :, row * stride : row * stride + kernel, column * stride : column * stride + kernel]
            expected[:, :, row, column] = np.einsum("nchw,ochw->no", window, weight) + bias
    np.testing.assert_allclose(layer(images).detach().numpy(), expected, atol=1e-5)


def test_relu_after_pooling_is_the_order_of_the_source():
    torch.manual_seed(0)
    net = Alizadeh(((8, 3), (8, 5)), (16,), dropout=0.0).eval()
    images = torch.randn(4, 1, 48, 48)
    values = images
    for layer in net.features:
        if isinstance(layer, SameConv2d):
            values = layer(values)
        elif isinstance(layer, nn.BatchNorm2d):
            values = functional.max_pool2d(functional.relu(layer(values)), 2)
    torch.testing.assert_close(net.features(images), values)


def test_the_general_forms():
    bare = Alizadeh(((4, 3),), (), batch_norm=False, dropout=0.0, pool=False, n_classes=3, size=8)
    assert trainable_parameters(bare) == 4 * 9 + 4 + 4 * 64 * 3 + 3
    assert bare(torch.zeros(2, 1, 8, 8)).shape == (2, 3)
    small = Agrawal((3, 4), width=5, depth=2, n_classes=3, size=16)
    assert small(torch.zeros(2, 1, 16, 16)).shape == (2, 3)
    assert trainable_parameters(small) == 50 + 405 + 10 + 230 + 243 + 6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: build("vgg", dropout=0, n_classes=7, size=48),
            "unknown architecture 'vgg', expected one of deep, shallow",
        ),
        (
            lambda: build("agrawal", dropout=0.3, n_classes=7, size=48),
            "dropout is 0.3, expected 0: this network has none",
        ),
        (lambda: build("deep", dropout=1.0, n_classes=7, size=48), "dropout is 1.0, expected at least 0 and below 1"),
        (lambda: build("deep", dropout=0.1, n_classes=7, size=8), "4 poolings leave nothing of the image"),
        (lambda: Agrawal(depth=0), "depth is 0"),
    ],
)
def test_impossible_networks(make, message):
    with pytest.raises(ConfigurationError, match=message):
        make()

"""Layers that PyTorch does not have in this form, and what a network costs."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the padding before and after an axis that makes the output ``ceil(size / stride)`` long.

    The total is ``max((ceil(size / stride) - 1) * stride + kernel - size, 0)``; an odd one goes after, as in Keras.

    >>> same_padding(48, 8, 2), same_padding(3, 8, 2)
    ((3, 3), (3, 4))
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def scaled(units: int, width: float) -> int:
    """Return a number of filters or units multiplied by a width, at least 1.

    >>> scaled(64, 1.5), scaled(64, 1.0)
    (96, 64)
    """
    return max(round(units * width), 1)


class SameConv2d(nn.Conv2d):
    """A convolution with 'same' padding for an input of known size, also with even kernels and strides.

    Parameters
    ----------
    in_channels, out_channels, kernel, stride : int
    size : int
        Height and width of the input.
    bias : bool
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, *, size: int, stride: int = 1, bias: bool = True
    ) -> None:
        before, after = same_padding(size, kernel, stride)
        symmetric = before == after
        super().__init__(
            in_channels, out_channels, kernel, stride=stride, padding=before if symmetric else 0, bias=bias
        )
        self.extra = None if symmetric else (before, after, before, after)

    def forward(self, images: Tensor) -> Tensor:
        """Pad where the convolution itself cannot, and convolve."""
        return super().forward(images if self.extra is None else functional.pad(images, self.extra))


class Dropout(nn.Module):
    """Dropout whose mask is drawn sixteen bits a value on a CPU, several times faster than PyTorch's.

    In training mode each value is zero with probability ``round(rate * 65536) / 65536`` and divided by one minus that
    otherwise; in evaluation mode nothing happens. On an accelerator it is PyTorch's.
    Draws come from PyTorch's global generator.

    Parameters
    ----------
    rate : float, at least 0 and below 1
    """

    LEVELS = 1 << 16

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.threshold = min(round(rate * self.LEVELS), self.LEVELS - 1)

    def forward(self, values: Tensor) -> Tensor:
        """Drop values in training mode."""
        if not self.training or self.threshold == 0:
            return values
        if values.device.type != "cpu":
            return functional.dropout(values, self.threshold / self.LEVELS)
        # Four draws a 64-bit random number, laid out in memory as the values are.
        words = torch.empty(-(-values.numel() // 4), dtype=torch.int64, device=values.device).random_(-(2**63), None)
        draws = words.view(torch.int16)[: values.numel()].as_strided(values.shape, values.stride())
        kept = torch.empty_like(values)
        torch.ge(draws, self.threshold - self.LEVELS // 2, out=kept)
        return values * kept.mul_(self.LEVELS / (self.LEVELS - self.threshold))

    def extra_repr(self) -> str:
        """Return the rate."""
        return f"rate={self.rate}"


def trainable_parameters(network: nn.Module) -> int:
    """Count the numbers that training changes."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def multiply_adds(network: nn.Module, input_shape: Sequence[int]) -> int:
    """Count the multiply-adds of convolutions and linear layers for one input of shape (channels, height, width)."""
    total = 0

    def count(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        weight = module.weight
        assert isinstance(weight, Tensor)
        total += output[0].numel() * weight[0].numel()

    hooks = [
        module.register_forward_hook(count)
        for module in network.modules()
        if isinstance(module, (nn.Conv2d, nn.Linear))
    ]
    was_training = network.training
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, *input_shape))
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return total

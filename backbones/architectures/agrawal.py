"""The network of constituent layers of Agrawal & Mittal."""

from torch import Tensor, nn

from backbones.architectures.layers import SameConv2d, scaled
from backbones.errors import ConfigurationError


class Agrawal(nn.Module):
    """Constituent layers, each [Conv 3×3 → Conv 8×8, stride 2 → BN → ReLU], then global average pooling.

    The last convolution has one filter a class, so there is no fully connected layer; there is no dropout. The forward
    pass gives logits.

    Reported by a later study are seven constituent layers of two convolutions, batch normalisation and ReLU each,
    filter size 8 throughout, no fully connected layer, and about 464,000 parameters. *Inferred* is everything else:
    with both convolutions 8×8 no constant width gives that count; a first convolution of 3×3, width 32, and a second
    one that strides (a review says that it plays the part of the pooling) give 463,957.

    Parameters
    ----------
    kernels : (int, int)
        Of the first and the second convolution.
    width : int
        Filters of every convolution but the last.
    depth : int
        Number of constituent layers.
    n_classes, size, channels : int
        Of the data: classes, height and width, colours.

    References
    ----------
    Agrawal & Mittal, Using CNN for facial expression recognition, The Visual Computer 36 (2020) 405–412,
    doi 10.1007/s00371-019-01630-9.
    """

    def __init__(
        self,
        kernels: tuple[int, int] = (3, 8),
        width: int = 32,
        depth: int = 7,
        *,
        n_classes: int = 7,
        size: int = 48,
        channels: int = 1,
    ) -> None:
        super().__init__()
        if depth < 1 or width < 1:
            raise ConfigurationError(f"depth is {depth} and width {width}, expected at least 1")
        layers: list[nn.Module] = []
        for number in range(depth):
            filters = width if number < depth - 1 else n_classes
            layers += [
                SameConv2d(channels, width, kernels[0], size=size),
                SameConv2d(width, filters, kernels[1], size=size, stride=2),
                nn.BatchNorm2d(filters),
                nn.ReLU(inplace=True),
            ]
            channels, size = filters, -(-size // 2)
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, C) of images (N, channels, height, width)."""
        logits: Tensor = self.classifier(self.features(images))
        return logits


def agrawal(*, dropout: float = 0.0, n_classes: int = 7, size: int = 48, width: float = 1.0) -> Agrawal:
    """Seven constituent layers of 32 filters times ``width``: 463,957 parameters for 7 classes."""
    if dropout:
        raise ConfigurationError(f"dropout is {dropout}, expected 0: this network has none")
    return Agrawal(width=scaled(32, width), n_classes=n_classes, size=size)

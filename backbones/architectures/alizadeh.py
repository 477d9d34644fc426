"""The plain convolutional networks of Alizadeh & Fazel."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from backbones.architectures.layers import Dropout, SameConv2d, scaled
from backbones.errors import ConfigurationError


class Convolution(NamedTuple):
    """Width and kernel of one convolutional layer."""

    filters: int
    kernel: int


DEEP = (Convolution(64, 3), Convolution(128, 5), Convolution(512, 3), Convolution(512, 3))
SHALLOW = (Convolution(64, 3), Convolution(128, 3))


class Alizadeh(nn.Module):
    """[Conv-(BN)-ReLU-(Dropout)-(MaxPool)] × M, [Affine-(BN)-ReLU-(Dropout)] × N, Affine.

    Convolutions have stride 1 and 'same' padding, pooling halves the image. `deep` and `shallow` are the two networks
    of the source; everything is the user's to choose. The forward pass gives logits.

    Parameters
    ----------
    convolutions : sequence of (filters, kernel)
        The M convolutional layers.
    hidden : sequence of int
        Widths of the N fully connected layers.
    batch_norm, pool : bool
        In every layer, and after every convolution.
    dropout : float
        Share of values dropped in every layer; 0 leaves the layer out.
    n_classes, size, channels : int
        Of the data: classes, height and width, colours.

    References
    ----------
    Alizadeh & Fazel, Convolutional Neural Networks for Facial Expression Recognition, 2017, arXiv 1704.06756.

    Notes
    -----
    ReLU comes after dropout and pooling instead of before. Dropout multiplies by numbers that are not negative, and a
    maximum commutes with ReLU, so values and gradients are those of the order in the source, for a quarter of the work.
    """

    def __init__(
        self,
        convolutions: Sequence[tuple[int, int]] = DEEP,
        hidden: Sequence[int] = (256, 512),
        *,
        batch_norm: bool = True,
        dropout: float = 0.3,
        pool: bool = True,
        n_classes: int = 7,
        size: int = 48,
        channels: int = 1,
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ConfigurationError(f"dropout is {dropout}, expected at least 0 and below 1")
        features: list[nn.Module] = []
        for filters, kernel in convolutions:
            if pool and size < 2:
                raise ConfigurationError(
                    f"{len(convolutions)} poolings leave nothing of the image; use fewer convolutions, or pool=False"
                )
            features.append(SameConv2d(channels, filters, kernel, size=size))
            features += [nn.BatchNorm2d(filters)] if batch_norm else []
            features += [Dropout(dropout)] if dropout else []
            features += [nn.MaxPool2d(2)] if pool else []
            features.append(nn.ReLU(inplace=True))
            channels = filters
            size = size // 2 if pool else size
        width = channels * size * size
        classifier: list[nn.Module] = [nn.Flatten()]
        for units in hidden:
            classifier.append(nn.Linear(width, units))
            classifier += [nn.BatchNorm1d(units)] if batch_norm else []
            classifier.append(nn.ReLU(inplace=True))
            classifier += [Dropout(dropout)] if dropout else []
            width = units
        classifier.append(nn.Linear(width, n_classes))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(*classifier)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, C) of images (N, channels, height, width)."""
        logits: Tensor = self.classifier(self.features(images))
        return logits


def deep(*, dropout: float = 0.3, n_classes: int = 7, size: int = 48, width: float = 1.0) -> Alizadeh:
    """Four convolutions and two hidden layers: 4,474,759 parameters for 7 classes of 48×48 at width 1."""
    return widened(DEEP, (256, 512), width, dropout=dropout, n_classes=n_classes, size=size)


def shallow(*, dropout: float = 0.3, n_classes: int = 7, size: int = 48, width: float = 1.0) -> Alizadeh:
    """Two convolutions and one hidden layer: 9,517,191 parameters for 7 classes of 48×48 at width 1."""
    return widened(SHALLOW, (512,), width, dropout=dropout, n_classes=n_classes, size=size)


def widened(convolutions: Sequence[Convolution], hidden: Sequence[int], width: float, **options: Any) -> Alizadeh:
    """Build a network whose filters and hidden units are multiplied by a width."""
    wide = [Convolution(scaled(filters, width), kernel) for filters, kernel in convolutions]
    return Alizadeh(wide, [scaled(units, width) for units in hidden], **options)

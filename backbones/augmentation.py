"""Random flips, rotations, scales, shifts and erased patches of whole batches, and mixtures of images."""

import torch
from torch import Tensor, nn

from backbones.errors import ConfigurationError

ERASED, GREY = (0.02, 0.2), 0.5


class Augmentation(nn.Module):
    """Flip, rotate, scale, shift and partly erase each image of a batch by its own draw, in training mode only.

    The flip, the affine map and the erasing are kornia's. Draws come from PyTorch's global generator, so that seeding
    it repeats them. Rotation, scale and shift are one resampling of the image, bilinear, with the border repeated
    outside.

    Parameters
    ----------
    flip : float
        Probability of a horizontal flip.
    degrees : float
        Rotations are uniform between minus and plus this many degrees.
    shift : float
        Shifts along each axis are uniform up to this share of the image's side.
    scale : float
        Images are enlarged by factors that are uniform between 1 minus and 1 plus this.
    erasing : float
        Probability that a rectangle of 2 to 20 % of the image becomes grey (Zhong et al. 2020, arXiv 1708.04896).
    """

    def __init__(
        self, flip: float = 0.5, degrees: float = 10.0, shift: float = 0.1, scale: float = 0.0, erasing: float = 0.0
    ) -> None:
        super().__init__()
        if not 0 <= flip <= 1:
            raise ConfigurationError(f"flip is {flip}, expected a probability between 0 and 1")
        if not 0 <= degrees <= 180:
            raise ConfigurationError(f"degrees is {degrees}, expected 0 to 180")
        if not 0 <= shift < 1:
            raise ConfigurationError(f"shift is {shift}, expected at least 0 and below 1")
        if not 0 <= scale < 1:
            raise ConfigurationError(f"scale is {scale}, expected at least 0 and below 1")
        if not 0 <= erasing <= 1:
            raise ConfigurationError(f"erasing is {erasing}, expected a probability between 0 and 1")
        from kornia.augmentation import RandomAffine, RandomErasing, RandomHorizontalFlip

        steps: list[nn.Module] = []
        if flip:
            steps.append(RandomHorizontalFlip(p=flip))
        if degrees or shift or scale:
            shifts = (shift, shift) if shift else None
            scales = (1 - scale, 1 + scale) if scale else None
            steps.append(RandomAffine(degrees, shifts, scales, p=1.0, padding_mode="border"))
        if erasing:
            steps.append(RandomErasing(scale=ERASED, value=GREY, p=erasing))
        self.steps = nn.Sequential(*steps)

    def forward(self, images: Tensor) -> Tensor:
        """Return augmented images (N, 1, size, size) in training mode, the same images otherwise."""
        if not self.training:
            return images
        with torch.no_grad():
            augmented: Tensor = self.steps(images)
        return augmented


def mix_up(images: Tensor, share: float) -> Tensor:
    r"""Return :math:`\lambda x_i + (1 - \lambda) x_{i-1}`: each image mixed with the one before it in the batch.

    The order of a batch is random, so its neighbours are a random partner. The loss is mixed in the same way.

    Parameters
    ----------
    images : Tensor (N, 1, size, size)
    share : float
        :math:`\lambda`, drawn from Beta(α, α) for each batch.

    References
    ----------
    Zhang, Cisse, Dauphin & Lopez-Paz, mixup: Beyond empirical risk minimization, ICLR 2018, arXiv 1710.09412.
    """
    return images.roll(1, dims=0).lerp_(images, share)

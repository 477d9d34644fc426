"""What is done to every image before a network sees it, in training, in recalibration and in prediction alike."""

import dataclasses

import numpy as np
import torch
from torch import Tensor

from backbones.errors import ConfigurationError
from backbones.faces import Faces, FaceSplit, Images

NORMALIZATIONS = ("raw", "histogram-equalised", "local-contrast")
NORMALIZED_TOGETHER = 512
NEIGHBOURHOOD = 1 / 12
"""Standard deviation of the Gaussian neighbourhood, as a share of the image's side: 4 pixels of 48."""
FULL_SCALE = 3.0
"""Local contrasts of minus and plus this many standard deviations become 0 and 255."""


def normalize(images: Images, normalization: str) -> Images:
    r"""Return grey images normalised one by one, as uint8 again.

    - ``raw``: as they are.
    - ``histogram-equalised``: grey values are mapped so that their histogram in the image is flat (kornia's
      ``equalize``).
    - ``local-contrast``: with :math:`G` a Gaussian mean over a neighbourhood of a twelfth of the image's side,

      .. math:: v = x - G * x, \quad \sigma = \sqrt{G * v^2}, \quad y = v / \max(\sigma, \bar\sigma)

      where :math:`\bar\sigma` is the mean of :math:`\sigma` over the image; :math:`y` from -3 to 3 becomes 0 to 255.

    Parameters
    ----------
    images : (N, size, size) uint8
    normalization : "raw", "histogram-equalised" or "local-contrast"

    Raises
    ------
    ConfigurationError
        There is no such normalisation.

    References
    ----------
    Local contrast normalisation: Jarrett, Kavukcuoglu, Ranzato & LeCun, What is the best multi-stage architecture for
    object recognition?, ICCV 2009, doi 10.1109/ICCV.2009.5459469. That networks which differ in input normalisation
    make a better committee: Kim, Roh, Dong & Lee, J. Multimodal User Interfaces 10 (2016) 173-189,
    doi 10.1007/s12193-015-0209-0.

    Examples
    --------
    >>> import numpy as np
    >>> dark = np.repeat(np.arange(48, dtype=np.uint8), 48).reshape(1, 48, 48)
    >>> dark.max().item(), normalize(dark, "histogram-equalised").max().item()
    (47, 255)
    """
    check_normalization(normalization)
    if normalization == "raw" or not len(images):
        return images
    function = equalize if normalization == "histogram-equalised" else local_contrast
    parts = []
    for start in range(0, len(images), NORMALIZED_TOGETHER):
        grey = torch.from_numpy(np.array(images[start : start + NORMALIZED_TOGETHER])).unsqueeze(1)
        levels = function(grey.to(torch.float32) / 255) * 255
        parts.append(levels.round().clamp(0, 255).to(torch.uint8).squeeze(1).numpy())
    return np.concatenate(parts)


def check_normalization(normalization: str) -> None:
    """Refuse a name that is not one of the normalisations."""
    if normalization not in NORMALIZATIONS:
        raise ConfigurationError(
            f"normalization is {normalization!r}, expected one of {', '.join(map(repr, NORMALIZATIONS))}"
        )


def equalize(images: Tensor) -> Tensor:
    """Flatten the histogram of each image (N, 1, size, size) between 0 and 1."""
    from kornia.enhance import equalize as kornia_equalize

    equalized: Tensor = kornia_equalize(images)
    return equalized


def local_contrast(images: Tensor) -> Tensor:
    """Return local contrasts of images (N, 1, size, size), 0.5 where there is none."""
    from kornia.filters import gaussian_blur2d

    sigma = images.shape[-1] * NEIGHBOURHOOD
    # A reflected border is shorter than the image.
    reach = min(max(round(2 * sigma), 1), images.shape[-1] - 1)
    kernel = 2 * reach + 1

    def mean(values: Tensor) -> Tensor:
        blurred: Tensor = gaussian_blur2d(values, (kernel, kernel), (sigma, sigma), border_type="reflect")
        return blurred

    details = images - mean(images)
    deviation = mean(details.square()).sqrt()
    # Half a grey level: what is flat stays flat instead of becoming noise.
    least = deviation.mean(dim=(-2, -1), keepdim=True).clamp_min(0.5 / 255)
    return 0.5 + details / torch.maximum(deviation, least) / (2 * FULL_SCALE)


def normalize_faces(faces: Faces, normalization: str) -> Faces:
    """Return the image set with all its images normalised; done once for each set and kept with it."""
    check_normalization(normalization)
    if normalization == "raw":
        return faces
    if normalization not in faces.normalized:
        train, val, test = (
            FaceSplit(normalize(split.images, normalization), split.labels)
            for split in (faces.train, faces.val, faces.test)
        )
        faces.normalized[normalization] = dataclasses.replace(faces, train=train, val=val, test=test, normalized={})
    return faces.normalized[normalization]

"""Input normalisations: the same for every use, and against other people's code."""

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from backbones.errors import ConfigurationError
from backbones.faces import Faces, FaceSplit
from backbones.input_normalization import NORMALIZATIONS, normalize, normalize_faces


def textured(count=5, size=48, seed=0):
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.normal(size=(count, size, size)), (0, 2, 2))
    light = np.linspace(0, 3, size) * np.abs(smooth).max()
    images = smooth + light
    images -= images.min()
    return (images / images.max() * 200).astype(np.uint8)


def test_raw_images_are_left_alone():
    images = textured()
    assert normalize(images, "raw") is images


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_images_are_normalised_one_by_one_and_stay_images(normalization):
    images = textured(3)
    images.flags.writeable = False
    together = normalize(images, normalization)
    assert together.dtype == np.uint8
    assert together.shape == images.shape
    apart = np.concatenate([normalize(images[row : row + 1], normalization) for row in range(3)])
    np.testing.assert_allclose(together.astype(int), apart, atol=1)


def test_equalised_histograms_are_those_of_pillow():
    from PIL import Image, ImageOps

    images = textured()
    expected = np.stack([np.asarray(ImageOps.equalize(Image.fromarray(image))) for image in images])
    difference = np.abs(normalize(images, "histogram-equalised").astype(int) - expected)
    assert difference.max() <= 1


def test_equalising_undoes_brightness_and_contrast():
    images = textured()
    darker = (images * 0.5).astype(np.uint8)
    difference = normalize(images, "histogram-equalised").astype(int) - normalize(darker, "histogram-equalised")
    assert np.abs(difference).mean() < 3


def test_local_contrasts_are_those_of_the_formula():
    images = textured()
    grey = images / 255
    # Twice the standard deviation is where the neighbourhood ends, and the border is reflected.
    mean = {"sigma": (0, 4, 4), "truncate": 2.0, "mode": "mirror"}
    details = grey - gaussian_filter(grey, **mean)
    deviation = np.sqrt(gaussian_filter(details**2, **mean))
    contrast = details / np.maximum(deviation, deviation.mean((1, 2), keepdims=True))
    expected = np.clip(np.rint((0.5 + contrast / 6) * 255), 0, 255)
    difference = np.abs(normalize(images, "local-contrast") - expected)
    assert difference.max() <= 1
    # Most of the light from one side is gone.
    slopes = [np.polyfit(np.arange(48), values.mean((0, 1)), 1)[0] for values in (expected, images)]
    assert abs(slopes[0]) < 0.25 * slopes[1]


@pytest.mark.parametrize("normalization", NORMALIZATIONS[1:])
def test_a_flat_image_stays_flat(normalization):
    assert np.ptp(normalize(np.full((1, 48, 48), 90, np.uint8), normalization)) == 0


@pytest.mark.parametrize("size", [2, 6, 24])
def test_images_of_any_size(size):
    images = np.random.default_rng(0).integers(0, 256, (2, size, size), dtype=np.uint8)
    assert normalize(images, "local-contrast").shape == images.shape


def test_a_set_is_normalised_once_and_keeps_what_it_is():
    images = textured(6)
    split = FaceSplit(images, np.arange(6) % 3)
    nobody = FaceSplit(images[:0], np.arange(0))
    faces = Faces(split, split, nobody, ("a", "b", "c"), "checksum")
    first = normalize_faces(faces, "local-contrast")
    assert normalize_faces(faces, "local-contrast") is first
    assert normalize_faces(faces, "raw") is faces
    assert (first.checksum, first.class_names, len(first.test)) == ("checksum", ("a", "b", "c"), 0)
    np.testing.assert_array_equal(first.train.labels, split.labels)
    np.testing.assert_array_equal(first.val.images, normalize(images, "local-contrast"))
    assert dataclasses.replace(faces) == faces


def test_an_unknown_normalisation_is_refused():
    message = "normalization is 'zca', expected one of 'raw', 'histogram-equalised', 'local-contrast'"
    with pytest.raises(ConfigurationError, match=message):
        normalize(textured(1), "zca")

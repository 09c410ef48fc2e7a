"""Measures how natural a picture looks, without its original: NIQE by Mittal, Soundararajan and Bovik, 2013.

Its model of natural pictures is fitted here to photos, because no package that is still kept ships the
published one. So figures can be compared with each other only, and not with those of other programs.
"""

from collections.abc import Iterable
from math import gamma
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

PATCH = 96
"""Side of a patch in pixels, at the first of two scales."""
LEAST_SHARPNESS = 0.75
"""The model is fitted to patches with at least this share of the sharpness of the sharpest one."""
BELL = np.exp(-(np.arange(-3, 4) ** 2) / (2 * (7 / 6) ** 2))
WINDOW = BELL / BELL.sum()
SHAPES = np.arange(0.2, 10.001, 0.001)
RATIOS = np.array([gamma(2 / each) ** 2 / (gamma(1 / each) * gamma(3 / each)) for each in SHAPES])
"""The squared mean of a generalised Gaussian over its variance, by its shape."""
SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))
TINY = 1e-6
LUMA = np.array((0.299, 0.587, 0.114), np.float32)
Plane = npt.NDArray[np.float64]


class Naturalness(NamedTuple):
    """A Gaussian over the features of patches."""

    mean: Plane
    covariance: Plane


def fit(images: Iterable[Image.Image], *, is_model: bool = False) -> Naturalness:
    """Fit a Gaussian to the patches of all pictures together. The model of natural pictures takes sharp ones
    only.
    """
    found = np.concatenate([features(image, only_sharp=is_model) for image in images])
    return Naturalness(found.mean(axis=0), np.cov(found, rowvar=False))


def distance(one: Naturalness, other: Naturalness) -> float:
    """Return the NIQE of pictures, if the other is the model of natural pictures. Lower is better."""
    apart = one.mean - other.mean
    joint = np.linalg.pinv((one.covariance + other.covariance) / 2)
    return float(np.sqrt(apart @ joint @ apart))


def features(image: Image.Image, *, only_sharp: bool = False) -> Plane:
    """Return 36 features of each patch: 18 at each of two scales."""
    luma = Image.fromarray(np.rint(np.asarray(image.convert("RGB"), np.float32) @ LUMA))
    half = luma.resize((luma.width // 2, luma.height // 2), Image.Resampling.BICUBIC)
    fine, sharpness = normalised(np.asarray(luma, np.float64))
    coarse, _ = normalised(np.asarray(half, np.float64))
    corners = [
        (top, left)
        for top in range(0, luma.height - PATCH + 1, PATCH)
        for left in range(0, luma.width - PATCH + 1, PATCH)
    ]
    if only_sharp:
        sharp = [float(square(sharpness, *corner, PATCH).mean()) for corner in corners]
        corners = [
            corner for corner, each in zip(corners, sharp, strict=True) if each > LEAST_SHARPNESS * max(sharp)
        ]
    return np.array(
        [
            of_patch(square(fine, top, left, PATCH))
            + of_patch(square(coarse, top // 2, left // 2, PATCH // 2))
            for top, left in corners
        ]
    )


def square(plane: Plane, top: int, left: int, side: int) -> Plane:
    return plane[top : top + side, left : left + side]


def normalised(plane: Plane) -> tuple[Plane, Plane]:
    """Return each pixel less the mean around it, divided by the deviation around it, and that deviation."""
    mean = smoothed(plane)
    deviation = np.sqrt(np.abs(smoothed(plane * plane) - mean * mean))
    return (plane - mean) / (deviation + 1), deviation


def smoothed(plane: Plane) -> Plane:
    height, width = plane.shape
    padded = np.pad(plane, 3, "edge")
    across = np.sum([weight * padded[:, at : at + width] for at, weight in enumerate(WINDOW)], axis=0)
    return np.sum([weight * across[at : at + height] for at, weight in enumerate(WINDOW)], axis=0)


def of_patch(patch: Plane) -> list[float]:
    shape, left, right = fit_gaussian(patch)
    found = [shape, (left + right) / 2]
    for shift in SHIFTS:
        shape, left, right = fit_gaussian(patch * np.roll(patch, shift, (0, 1)))
        found += [shape, (right - left) * gamma(2 / shape) / gamma(1 / shape), left, right]
    return found


def fit_gaussian(values: Plane) -> tuple[float, float, float]:
    """Return the shape, the left and the right width of an asymmetric generalised Gaussian."""
    squares = values * values
    left, right = (np.sqrt(squares[side].mean()) if side.any() else TINY for side in (values < 0, values > 0))
    ratio = max(left, TINY) / max(right, TINY)
    flatness = np.abs(values).mean() ** 2 / max(squares.mean(), TINY)
    wanted = flatness * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    shape = float(SHAPES[np.argmin((RATIOS - wanted) ** 2)])
    width = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    return shape, float(left * width), float(right * width)

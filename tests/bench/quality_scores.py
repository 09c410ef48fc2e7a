"""Measures how alike two pictures are: PSNR, SSIM and MS-SSIM of luma, as in papers on upscaling."""

import numpy as np
import numpy.typing as npt
from PIL import Image

BORDER = 4
"""Pixels left out at each edge."""
SIDE, SIGMA = 11, 1.5
"""Side and standard deviation of the Gaussian window, as in Wang et al., 2004."""
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
"""The constants of SSIM that keep its quotient stable."""
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""How much each scale counts in MS-SSIM, from the finest, as in Wang, Simoncelli and Bovik, 2003."""
Plane = npt.NDArray[np.float64]


def luma(image: Image.Image) -> Plane:
    """Return the luma of ITU-R BT.601, not rounded, without the border."""
    rgb = np.asarray(image.convert("RGB"), np.float64)[BORDER:-BORDER, BORDER:-BORDER]
    return rgb @ np.array((0.299, 0.587, 0.114))


def psnr(one: Image.Image, other: Image.Image) -> float:
    """Return dB, at most 60, so that a perfect picture does not outweigh all others."""
    error = float(np.mean((luma(one) - luma(other)) ** 2))
    return min(60.0, float(10 * np.log10(255**2 / max(error, 1e-9))))


def ssim(one: Image.Image, other: Image.Image) -> float:
    luminance, contrast = _similarities(luma(one), luma(other))
    return float(np.mean(luminance * contrast))


def ms_ssim(one: Image.Image, other: Image.Image) -> float:
    """Return the multi-scale SSIM, which follows the preference of people more closely than SSIM.

    Each side of the pictures has at least 184 pixels.
    """
    x, y, result = luma(one), luma(other), 1.0
    for scale, weight in enumerate(SCALE_WEIGHTS):
        luminance, contrast = _similarities(x, y)
        is_last = scale == len(SCALE_WEIGHTS) - 1
        score = float(np.mean(luminance * contrast if is_last else contrast))
        result *= max(0.0, score) ** weight
        x, y = _halved(x), _halved(y)
    return result


def _similarities(x: Plane, y: Plane) -> tuple[Plane, Plane]:
    """Return the similarity of the luminance, and that of contrast and structure, at each place."""
    mean_x, mean_y = blurred(x), blurred(y)
    variance = blurred(x * x) - mean_x**2 + blurred(y * y) - mean_y**2
    covariance = blurred(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    return luminance, (2 * covariance + C2) / (variance + C2)


def _halved(plane: Plane) -> Plane:
    """Return the means of squares of two pixels."""
    height, width = (side // 2 * 2 for side in plane.shape)
    return plane[:height, :width].reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))


def blurred(plane: Plane) -> Plane:
    """Return the plane blurred by the window, only where the whole window lies inside."""
    window = np.exp(-((np.arange(SIDE) - SIDE // 2) ** 2) / (2 * SIGMA**2))
    window /= window.sum()
    across = np.sum(
        [weight * plane[:, at : at - SIDE + 1 or None] for at, weight in enumerate(window)], axis=0
    )
    return np.sum([weight * across[at : at - SIDE + 1 or None] for at, weight in enumerate(window)], axis=0)

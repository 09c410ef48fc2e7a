"""Measures how alike two pictures are: PSNR and SSIM of luma, as in papers on upscaling."""

import numpy as np
import numpy.typing as npt
from PIL import Image

BORDER = 4
"""Pixels left out at each edge."""
SIDE, SIGMA = 11, 1.5
"""Side and standard deviation of the Gaussian window, as in Wang et al., 2004."""
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
"""The constants of SSIM that keep its quotient stable."""
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
    x, y = luma(one), luma(other)
    mean_x, mean_y = blurred(x), blurred(y)
    variance = blurred(x * x) - mean_x**2 + blurred(y * y) - mean_y**2
    covariance = blurred(x * y) - mean_x * mean_y
    numerator = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    return float(np.mean(numerator / ((mean_x**2 + mean_y**2 + C1) * (variance + C2))))


def blurred(plane: Plane) -> Plane:
    """Return the plane blurred by the window, only where the whole window lies inside."""
    window = np.exp(-((np.arange(SIDE) - SIDE // 2) ** 2) / (2 * SIGMA**2))
    window /= window.sum()
    across = np.sum(
        [weight * plane[:, at : at - SIDE + 1 or None] for at, weight in enumerate(window)], axis=0
    )
    return np.sum([weight * across[at : at - SIDE + 1 or None] for at, weight in enumerate(window)], axis=0)

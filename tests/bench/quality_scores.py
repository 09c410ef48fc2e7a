"""How near a picture comes to another: PSNR and SSIM of luma, as papers on upscaling give them."""

import numpy as np
import numpy.typing as npt
from PIL import Image

BORDER = 4
"""Pixels left out at each edge."""
SIDE, SIGMA = 11, 1.5
"""Of the Gaussian window, as in Wang et al., 2004."""
STEADY = ((0.01 * 255) ** 2, (0.03 * 255) ** 2)
Plane = npt.NDArray[np.float64]


def luma(image: Image.Image) -> Plane:
    """ITU-R BT.601, not rounded."""
    rgb = np.asarray(image.convert("RGB"), np.float64)[BORDER:-BORDER, BORDER:-BORDER]
    return rgb @ np.array((0.299, 0.587, 0.114))


def psnr(one: Image.Image, other: Image.Image) -> float:
    """In dB; 60 at most, so that a perfect picture does not outweigh all others."""
    error = float(np.mean((luma(one) - luma(other)) ** 2))
    return min(60.0, float(10 * np.log10(255**2 / max(error, 1e-9))))


def ssim(one: Image.Image, other: Image.Image) -> float:
    x, y = luma(one), luma(other)
    mean_x, mean_y = blurred(x), blurred(y)
    spread = blurred(x * x) - mean_x**2 + blurred(y * y) - mean_y**2
    together = blurred(x * y) - mean_x * mean_y
    first, second = STEADY
    likeness = (2 * mean_x * mean_y + first) * (2 * together + second)
    return float(np.mean(likeness / ((mean_x**2 + mean_y**2 + first) * (spread + second))))


def blurred(plane: Plane) -> Plane:
    """Only where the whole window lies inside."""
    window = np.exp(-((np.arange(SIDE) - SIDE // 2) ** 2) / (2 * SIGMA**2))
    window /= window.sum()
    across = np.sum([share * plane[:, at : at - SIDE + 1 or None] for at, share in enumerate(window)], axis=0)
    return np.sum([share * across[at : at - SIDE + 1 or None] for at, share in enumerate(window)], axis=0)

"""Encodes and decodes test pictures, and measures how alike two pictures are."""

import io
from pathlib import Path

import numpy as np
from PIL import Image


def encoded(picture: Image.Image, file_format: str = "JPEG", **options: object) -> bytes:
    """Return a picture as a file. By default a JPEG has a high quality and full colour resolution."""
    out = io.BytesIO()
    picture.save(
        out, file_format, **({"quality": 95, "subsampling": 0} if file_format == "JPEG" else {}) | options
    )
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def shrunk(photo: Path, factor: int) -> tuple[Image.Image, Image.Image]:
    """Return a photo cut to a multiple of the factor, and the cut photo reduced by the factor (bicubic)."""
    whole = Image.open(photo).convert("RGB")
    whole = whole.crop((0, 0, whole.width // factor * factor, whole.height // factor * factor))
    size = (whole.width // factor, whole.height // factor)
    return whole, whole.resize(size, Image.Resampling.BICUBIC)


def psnr(one: Image.Image, other: Image.Image, border: int = 4) -> float:
    """Return the peak signal-to-noise ratio of luma (ITU-R BT.601) in dB, without the outermost pixels."""
    first, second = (
        np.asarray(each.convert("YCbCr"), np.float64)[border:-border, border:-border, 0]
        for each in (one, other)
    )
    return float(10 * np.log10(255**2 / np.mean((first - second) ** 2)))

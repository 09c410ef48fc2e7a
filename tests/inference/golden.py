"""Upscales files with a network that repeats each pixel, so that every sample of a result is known.

Files are written and read byte by byte, or by libraries that the service does not use for them (pypng,
tifffile, libvips). Otherwise an error in the reader could hide one in the writer.
"""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import png
import pyvips
import tifffile

from images.formats.sniff import sniff
from inference.decoding.pool import Decoder
from inference.networks.network import Answer, Infer, Tensor
from inference.picture import Animation, Format, Pixels
from inference.pipeline import render
from inference.render_spec import RenderSpec
from inference.tiling.tiles import Tiling
from tests.inference.built_models import FAITHFUL

TILING = Tiling(64)


async def nearest(name: str, tensor: Tensor) -> Answer:
    """Repeat each pixel as often as the network's scale, which is the last digit of its name."""
    scale = int(name.removesuffix("_float")[-1])
    return Answer(tensor.repeat(scale, 2).repeat(scale, 3))


def noise(width: int, height: int, channels: int, depth: int = 8) -> Pixels:
    """Return random samples. Alpha, the last of two or four channels, is never 0."""
    random = np.random.default_rng(width * height * channels)
    kind = np.uint16 if depth == 16 else np.uint8
    samples = random.integers(0, 2**depth, (height, width, channels), kind)
    if channels in (2, 4):
        samples[:, :, -1] |= 1
    return samples


def slopes(width: int, height: int, channels: int, depth: int = 8) -> Pixels:
    """Return gradients, which lossy formats keep well. Each channel rises in another direction."""
    down, across = np.mgrid[0:height, 0:width] / np.array([height, width]).reshape(2, 1, 1)
    gradients = [across, down, 1 - across, (across + down) / 2]
    stacked = np.stack(gradients[:channels], axis=2) * 0.8 + 0.1
    return np.rint(stacked * (2**depth - 1)).astype(np.uint16 if depth == 16 else np.uint8)


async def upscaled(
    decoder: Decoder,
    data: bytes,
    file_format: Format,
    factor: int = 2,
    infer: Infer = nearest,
    **options: Any,
) -> bytes:
    """Upscale a file and return the result's. Assert that upload and decoder find the same size."""
    header = sniff(data, largest_pixels=1_000_000)
    original = await decoder.decode(data)
    first = original.frames[0] if isinstance(original, Animation) else original
    assert (header.width, header.height) == first.size
    size = (first.width * factor, first.height * factor)
    return await render(original, RenderSpec(size, file_format, FAITHFUL.networks, TILING, **options), infer)


def read(data: bytes) -> Pixels:
    """Return the samples of a file: height x width x channels, alpha last, 8 or 16 bits like the file."""
    if data.startswith(b"\x89PNG"):
        width, height, rows, facts = png.Reader(bytes=data).asDirect()
        kind = np.uint16 if facts["bitdepth"] == 16 else np.uint8
        return np.vstack([np.asarray(row, kind) for row in rows]).reshape(height, width, -1)
    if data.startswith(b"II*\0"):
        samples = tifffile.imread(io.BytesIO(data))
        return samples.reshape(*samples.shape[:2], -1)
    samples = pyvips.Image.new_from_buffer(data, "").numpy()
    return samples.reshape(*samples.shape[:2], -1)


def repeated(samples: Pixels, factor: int = 2) -> Pixels:
    return samples.repeat(factor, axis=0).repeat(factor, axis=1)


def lanczos(plane: Pixels, factor: int = 2) -> npt.NDArray[np.float64]:
    """Return a plane resampled as alpha is: by sinc(x) sinc(x / 3), renormalised at the borders.

    It is resampled across, and then down. With 8 bits it is rounded in between.
    """

    def matrix(length: int) -> npt.NDArray[np.float64]:
        centres = (np.arange(length * factor) + 0.5) / factor - 0.5
        distance = centres[:, np.newaxis] - np.arange(length)
        weights = np.sinc(distance) * np.sinc(distance / 3) * (np.abs(distance) < 3)
        return weights / weights.sum(axis=1, keepdims=True)

    across = plane.astype(np.float64) @ matrix(plane.shape[1]).T
    if plane.dtype == np.uint8:
        across = np.rint(across.clip(0, 255))
    return np.rint((matrix(plane.shape[0]) @ across).clip(0, np.iinfo(plane.dtype).max))


def assert_upscaled(result: bytes, samples: Pixels, factor: int = 2) -> None:
    """Assert that nothing is lost: size, channels, bits, and every visible colour exactly.

    Alpha must equal Lanczos resampling within rounding.
    """
    found = read(result)
    height, width, channels = samples.shape
    assert found.shape == (height * factor, width * factor, channels)
    assert found.dtype == samples.dtype
    if channels not in (2, 4):
        assert np.array_equal(found, repeated(samples, factor))
        return
    visible = (repeated(samples, factor)[:, :, -1] > 0) & (found[:, :, -1] > 0)
    assert np.array_equal(found[visible][:, :-1], repeated(samples, factor)[visible][:, :-1])
    tolerance = 1 if samples.dtype == np.uint8 else 8
    assert np.abs(found[:, :, -1] - lanczos(samples[:, :, -1], factor)).max() <= tolerance


def psnr(one: Pixels, other: Pixels) -> float:
    """Return the peak signal-to-noise ratio in dB, over all channels."""
    assert one.shape == other.shape
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return float(10 * np.log10(np.iinfo(one.dtype).max ** 2 / max(error, 1e-9)))

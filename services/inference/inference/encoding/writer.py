"""The encoder of each format for still pictures. It takes rows from the top.

Most encoders store no more rows than they must. Those of WebP, AVIF, JPEG XL and GIF store the whole picture.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np

from imagefile import formats
from imagefile.formats import WRITABLE, Format
from inference.encoding import avif, gif, jpeg, jxl, png, tiff, webp
from inference.encoding.options import Options
from inference.picture import Header, Pixels


class Writer(Protocol):
    """An encoder of one picture. Both methods block, so they must run in a thread."""

    def write(self, samples: Pixels) -> None:
        """Take the next rows, height x width x channels, alpha last, of the header's depth."""
        ...

    def finish(self) -> bytes:
        """Return the file. All rows must have been written."""
        ...


ENCODERS: Mapping[Format, Callable[[Header, Options], Writer]] = formats.require_entries(
    WRITABLE,
    {
        "JPEG": jpeg.Writer,
        "PNG": png.Writer,
        "WEBP": webp.Writer,
        "TIFF": tiff.Writer,
        "GIF": gif.Writer,
        "AVIF": avif.Writer,
        "JXL": jxl.Writer,
    },
    "encoder",
)


def open_writer(
    file_format: Format, header: Header, *, quality: int | None = None, is_lossless: bool = True
) -> Writer:
    """Return a writer that also converts what the format does not support: 16 bits a sample, or alpha."""
    writing = WRITABLE[file_format]
    depth = min(header.depth, max(writing.bit_depths))
    channels = header.channels if writing.alpha else 1 if header.is_grey else 3
    encoder = ENCODERS[file_format](
        replace(header, depth=depth, channels=channels), Options(quality, is_lossless)
    )
    if (depth, channels) == (header.depth, header.channels):
        return encoder
    return ConvertingWriter(encoder, keeps_alpha=writing.alpha)


class ConvertingWriter:
    """A writer that reduces 16 bits to 8, and lays transparent pixels on white unless alpha is kept."""

    def __init__(self, writer: Writer, *, keeps_alpha: bool) -> None:
        self._writer = writer
        self._keeps_alpha = keeps_alpha

    def write(self, samples: Pixels) -> None:
        samples = to_eight_bits(samples)
        if not self._keeps_alpha and samples.shape[2] in (2, 4):
            samples = lay_on_white(samples)
        self._writer.write(samples)

    def finish(self) -> bytes:
        return self._writer.finish()


def to_eight_bits(samples: Pixels) -> Pixels:
    if samples.dtype == np.uint16:
        return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return samples


def lay_on_white(samples: Pixels) -> Pixels:
    """Return the colours of 8 bits without alpha, as they look on white."""
    colour, alpha = samples[:, :, :-1].astype(np.uint16), samples[:, :, -1:].astype(np.uint16)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)

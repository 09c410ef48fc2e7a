"""Pictures to files: rows are written from the top, and most formats hold no more of them than they must."""

from dataclasses import replace
from typing import Protocol

import numpy as np

from inference.encoding import jpeg, png, tiff, webp
from inference.picture import Format, Header, Pixels

JPEG_QUALITY = 95
"""With 4:4:4, 49 dB on a photo: far less lost than upscaling won. 4:2:0 would halve the colour detail."""


class Writer(Protocol):
    """Both block, so they belong into a thread."""

    def write(self, samples: Pixels) -> None:
        """The next rows, height x width x channels, alpha last, of the header's depth."""
        ...

    def finish(self) -> bytes: ...


def open_writer(
    file_format: Format, header: Header, *, quality: int | None = None, is_lossless: bool = True
) -> Writer:
    """`quality` is 1 to 100 and means nothing to PNG and TIFF; given, WebP is lossy, else it is as the
    source was.
    """
    match file_format:
        case "JPEG":
            opaque = replace(header, channels=1 if header.is_grey else 3, depth=8)
            return Prepared(jpeg.Writer(opaque, quality or JPEG_QUALITY))
        case "WEBP":
            return Prepared(webp.Writer(header, quality, is_lossless=is_lossless), keeps_alpha=True)
        case "TIFF":
            return tiff.Writer(header)
        case "PNG":
            return png.Writer(header)
        case _:
            raise ValueError(f"{file_format} is not written")


class Prepared:
    """In front of formats that lack something: 16 bits become 8, and alpha is laid on white."""

    def __init__(self, writer: Writer, *, keeps_alpha: bool = False) -> None:
        self._writer = writer
        self._keeps_alpha = keeps_alpha

    def write(self, samples: Pixels) -> None:
        if samples.dtype == np.uint16:
            samples = ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
        if not self._keeps_alpha and samples.shape[2] in (2, 4):
            samples = on_white(samples)
        self._writer.write(samples)

    def finish(self) -> bytes:
        return self._writer.finish()


def on_white(samples: Pixels) -> Pixels:
    colour, alpha = samples[:, :, :-1].astype(np.uint16), samples[:, :, -1:].astype(np.uint16)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)

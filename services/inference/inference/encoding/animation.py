"""The encoder of each format that can be animated. It takes one frame after the other."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from PIL import Image

from imagefile import formats
from imagefile.formats import WRITABLE, Format
from inference.encoding import apng, gif, webp
from inference.encoding.options import Options
from inference.encoding.writer import to_eight_bits
from inference.metadata import with_dpi
from inference.picture import Animation, Header, Pixels
from inference.resampling import as_image


class AnimationWriter(Protocol):
    """An encoder of one animation. All methods block, so they must run in a thread."""

    def write_hidden(self, rows: Sequence[Pixels]) -> None:
        """Take the still picture that is no frame, ahead of all frames. A format may have no place for it."""
        ...

    def write_frame(self, rows: Sequence[Pixels]) -> None:
        """Take all rows of the next upscaled frame: pieces of height x width x channels, alpha last."""
        ...

    def finish(self) -> bytes:
        """Return the file. All frames must have been written."""
        ...


class PillowWriter:
    """Keeps all frames of 8 bits, because Pillow writes a file from all frames at once."""

    def __init__(
        self,
        prepare_frame: Callable[[Pixels], Image.Image],
        encode: Callable[[list[Image.Image], Animation, Options, bytes | None], bytes],
        header: Header,
        original: Animation,
        quality: int | None,
    ) -> None:
        self._prepare_frame = prepare_frame
        self._encode = encode
        self._original = original
        self._options = Options(quality, original.frames[0].is_lossless)
        self._exif = with_dpi(header.exif, header.dpi)
        self._images: list[Image.Image] = []

    def write_hidden(self, rows: Sequence[Pixels]) -> None:
        """Do nothing: GIF and WebP have no such picture."""

    def write_frame(self, rows: Sequence[Pixels]) -> None:
        self._images.append(self._prepare_frame(to_eight_bits(np.concatenate(rows))))

    def finish(self) -> bytes:
        return self._encode(self._images, self._original, self._options, self._exif)


def open_png(header: Header, original: Animation, quality: int | None) -> AnimationWriter:
    return apng.Writer(header, original)


def open_webp(header: Header, original: Animation, quality: int | None) -> AnimationWriter:
    return PillowWriter(as_image, webp.encode_frames, header, original, quality)


def open_gif(header: Header, original: Animation, quality: int | None) -> AnimationWriter:
    return PillowWriter(gif.prepare_frame, gif.encode_frames, header, original, quality)


ENCODERS: Mapping[Format, Callable[[Header, Animation, int | None], AnimationWriter]] = (
    formats.require_entries(
        (name for name, writing in WRITABLE.items() if writing.animated),
        {"PNG": open_png, "WEBP": open_webp, "GIF": open_gif},
        "encoder of animations",
    )
)


def open_writer(
    file_format: Format, header: Header, original: Animation, quality: int | None = None
) -> AnimationWriter:
    """Return a writer that writes the durations and the loop count of the original. `header` describes an
    upscaled frame.
    """
    return ENCODERS[file_format](header, original, quality)

"""The encoder of each format that can be animated. Pillow writes a file from all frames at once."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from PIL import Image

from imagefile import formats
from imagefile.formats import WRITABLE, Format
from inference.encoding import gif, webp
from inference.encoding.options import Options
from inference.picture import Animation, Pixels
from inference.resampling import as_image


class AnimationEncoder(NamedTuple):
    prepare_frame: Callable[[Pixels], Image.Image]
    """Takes an upscaled frame, height x width x channels. The image that it returns is kept in memory."""
    encode: Callable[[list[Image.Image], Animation, Options, bytes | None], bytes]
    """Takes the prepared frames, the original, the options, and the EXIF data."""


ENCODERS: Mapping[Format, AnimationEncoder] = formats.require_entries(
    (name for name in WRITABLE if formats.can_be_animated(name)),
    {
        "WEBP": AnimationEncoder(as_image, webp.encode_frames),
        "GIF": AnimationEncoder(gif.prepare_frame, gif.encode_frames),
    },
    "encoder of animations",
)


def prepare_frame(samples: Pixels, file_format: Format) -> Image.Image:
    return ENCODERS[file_format].prepare_frame(samples)


def encode(
    images: list[Image.Image],
    animation: Animation,
    file_format: Format,
    quality: int | None = None,
    exif: bytes | None = None,
) -> bytes:
    """Encode upscaled frames from `prepare_frame`, with the durations and the loop count of the original."""
    options = Options(quality, animation.frames[0].is_lossless)
    return ENCODERS[file_format].encode(images, animation, options, exif)

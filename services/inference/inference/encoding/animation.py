"""Animations to files: GIF and WebP, which Pillow writes from all frames at once."""

import io

import numpy as np
from PIL import Image

from inference.encoding import webp
from inference.picture import Animation, Format, Pixels
from inference.resampling import as_image

COLOURS = 256
MOST_LOOPS = 65_535
LONGEST_MILLISECONDS = {"GIF": 655_350, "WEBP": (1 << 31) - 1}
"""GIF of a frame, for which equal frames are added up; WebP of all together."""


def held(samples: Pixels, file_format: Format) -> Image.Image:
    """A frame as it is kept until all are there. GIF: with a palette of its own, a quarter of the size."""
    image = as_image(samples)
    if file_format != "GIF":
        return image
    if image.mode == "RGBA":
        return with_transparent_colour(image)
    return image.convert("RGB").quantize(COLOURS, Image.Quantize.MEDIANCUT)


def with_transparent_colour(image: Image.Image) -> Image.Image:
    """GIF knows no half transparency: what is seen by half or more is seen, and colour 255 is not."""
    hidden = np.asarray(image.getchannel("A")) < 128
    colours = image.convert("RGB").quantize(COLOURS - 1, Image.Quantize.MEDIANCUT)
    indices = np.where(hidden, np.uint8(COLOURS - 1), np.asarray(colours))
    result = Image.fromarray(indices, "P")
    palette = colours.getpalette() or []
    result.putpalette(palette + [0] * (3 * COLOURS - len(palette)))
    result.info["transparency"] = COLOURS - 1
    return result


def encode(
    images: list[Image.Image],
    animation: Animation,
    file_format: Format,
    quality: int | None = None,
    exif: bytes | None = None,
) -> bytes:
    """`images` are the upscaled frames as `held` gives them. GIF has no room for `exif`."""
    out = io.BytesIO()
    first = animation.frames[0]
    options: dict[str, object] = {"save_all": True, "append_images": images[1:]}
    longest = LONGEST_MILLISECONDS[file_format] // len(images)
    options["duration"] = [min(each, longest) for each in animation.milliseconds]
    if file_format == "GIF":
        if animation.loop not in (None, 1):
            options["loop"] = max(0, animation.loop - 1)  # how often it is played again
        images[0].save(out, "GIF", disposal=2 if first.has_alpha else 1, optimize=False, **options)
        return out.getvalue()
    options["loop"] = 1 if animation.loop is None else min(animation.loop, MOST_LOOPS)
    options |= {"icc_profile": first.icc or b"", "exif": exif or b""}
    pixels = images[0].width * images[0].height
    options |= webp.options(pixels, quality, is_lossless=first.is_lossless)
    images[0].save(out, "WEBP", **options)
    return out.getvalue()

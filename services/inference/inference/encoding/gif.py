"""GIF, written by Pillow. Each picture has a local palette of at most 256 colours."""

import io

import numpy as np
from PIL import Image

from inference.encoding.options import Options
from inference.picture import Animation, Header, Pixels
from inference.resampling import as_image

COLOURS = 256
LONGEST_MILLISECONDS = 655_350
"""The longest duration of one frame. Pillow merges equal frames, so all frames together must not last longer.
"""


class Writer:
    """A still picture, written as an animation of one frame."""

    def __init__(self, header: Header, options: Options) -> None:
        self._header = header
        self._rows: list[Pixels] = []

    def write(self, samples: Pixels) -> None:
        self._rows.append(samples)

    def finish(self) -> bytes:
        out = io.BytesIO()
        prepare_frame(np.concatenate(self._rows)).save(out, "GIF", optimize=False)
        return out.getvalue()


def prepare_frame(samples: Pixels) -> Image.Image:
    """Return a frame with its palette, which takes a quarter of the memory of its pixels."""
    image = as_image(samples)
    if image.mode == "RGBA":
        return with_transparent_colour(image)
    return image.convert("RGB").quantize(COLOURS, Image.Quantize.MEDIANCUT)


def with_transparent_colour(image: Image.Image) -> Image.Image:
    """Return the picture in 255 colours. Pixels with an alpha below 128 get another, transparent one."""
    hidden = np.asarray(image.getchannel("A")) < 128
    colours = image.convert("RGB").quantize(COLOURS - 1, Image.Quantize.MEDIANCUT)
    indices = np.where(hidden, np.uint8(COLOURS - 1), np.asarray(colours))
    result = Image.fromarray(indices, "P")
    palette = colours.getpalette() or []
    result.putpalette(palette + [0] * (3 * COLOURS - len(palette)))
    result.info["transparency"] = COLOURS - 1
    return result


def encode_frames(
    images: list[Image.Image], animation: Animation, options: Options, exif: bytes | None
) -> bytes:
    """Encode frames from `prepare_frame`. `exif` is ignored, because a GIF cannot contain it."""
    out = io.BytesIO()
    longest = LONGEST_MILLISECONDS // len(images)
    loops: dict[str, object] = {}
    if animation.loop not in (None, 1):
        loops["loop"] = max(0, animation.loop - 1)  # a GIF stores how often it is repeated
    images[0].save(
        out,
        "GIF",
        save_all=True,
        append_images=images[1:],
        duration=[min(round(each), longest) for each in animation.milliseconds],
        disposal=2 if animation.frames[0].has_alpha else 1,
        optimize=False,
        **loops,
    )
    return out.getvalue()

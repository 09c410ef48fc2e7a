"""WebP, encoded as a whole: libwebp takes whole pictures, of at most 16,383 pixels a side."""

import io

from PIL import Image

from inference.encoding.options import Options
from inference.metadata import with_dpi
from inference.picture import Animation, Header, Pixels
from inference.resampling import as_image

DEFAULT_QUALITY = 90
LOSSLESS: dict[str, object] = {"lossless": True, "quality": 24, "method": 1}
"""From quality 25 on, libwebp searches for matches once more. That would save 0.3 to 5 % of the bytes, but
take up to 8 bytes of memory for each pixel.
"""
MOST_PIXELS_WITH_COEFFICIENTS = 33_554_432
"""From method 3 on, libwebp stores all coefficients until the end: up to 20 bytes a pixel if the picture is
noisy. Larger pictures are written by method 2, and are up to 0.9 dB worse.
"""
MOST_LOOPS = 65_535
LONGEST_MILLISECONDS = (1 << 31) - 1
"""The duration of all frames together."""


def save_options(pixels: int, options: Options) -> dict[str, object]:
    """Return Pillow's options for a picture or a frame with this number of pixels."""
    if options.is_lossless and options.quality is None:
        return LOSSLESS
    method = 4 if pixels <= MOST_PIXELS_WITH_COEFFICIENTS else 2
    return {"quality": options.quality or DEFAULT_QUALITY, "method": method}


class Writer:
    def __init__(self, header: Header, options: Options) -> None:
        """Grey becomes RGB, because WebP has no grey."""
        self._header = header
        self._image = Image.new("RGBA" if header.has_alpha else "RGB", (header.width, header.height))
        self._top = 0
        self._options = save_options(header.width * header.height, options)

    def write(self, samples: Pixels) -> None:
        self._image.paste(as_image(samples).convert(self._image.mode), (0, self._top))
        self._top += len(samples)

    def finish(self) -> bytes:
        out = io.BytesIO()
        icc = None if self._header.is_grey else self._header.icc  # a profile for grey does not fit RGB
        exif = with_dpi(self._header.exif, self._header.dpi)
        self._image.save(out, "WEBP", icc_profile=icc, exif=exif, **self._options)
        return out.getvalue()


def encode_frames(
    images: list[Image.Image], animation: Animation, options: Options, exif: bytes | None
) -> bytes:
    out = io.BytesIO()
    longest = LONGEST_MILLISECONDS // len(images)
    images[0].save(
        out,
        "WEBP",
        save_all=True,
        append_images=images[1:],
        duration=[min(round(each), longest) for each in animation.milliseconds],
        loop=1 if animation.loop is None else min(animation.loop, MOST_LOOPS),
        icc_profile=(not animation.frames[0].is_grey and animation.frames[0].icc) or b"",
        exif=exif or b"",
        **save_options(images[0].width * images[0].height, options),
    )
    return out.getvalue()

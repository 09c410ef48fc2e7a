"""WebP, which is encoded at once: libwebp takes whole pictures, of at most 16,383 pixels a side."""

import io

from PIL import Image

from inference.picture import Header, Pixels
from inference.resampling import as_image

USUAL_QUALITY = 90
LOSSLESS: dict[str, object] = {"lossless": True, "quality": 24, "method": 1}
"""From quality 25 on libwebp weighs its matches once more: 0.3 to 5% saved, for up to 8 bytes a pixel."""
MOST_WEIGHED_PIXELS = 33_554_432
"""From method 3 on libwebp keeps all coefficients to the end, of noise in up to 20 bytes a pixel. Without,
a picture is up to 0.9 dB worse.
"""


def options(pixels: int, quality: int | None, *, is_lossless: bool) -> dict[str, object]:
    if is_lossless and quality is None:
        return LOSSLESS
    return {"quality": quality or USUAL_QUALITY, "method": 4 if pixels <= MOST_WEIGHED_PIXELS else 2}


class Writer:
    def __init__(self, header: Header, quality: int | None, *, is_lossless: bool) -> None:
        """Grey becomes RGB, for WebP knows no other; `quality` given, it is lossy."""
        self._header = header
        self._image = Image.new("RGBA" if header.has_alpha else "RGB", (header.width, header.height))
        self._top = 0
        self._options = options(header.width * header.height, quality, is_lossless=is_lossless)

    def write(self, samples: Pixels) -> None:
        self._image.paste(as_image(samples).convert(self._image.mode), (0, self._top))
        self._top += len(samples)

    def finish(self) -> bytes:
        out = io.BytesIO()
        profile = None if self._header.is_grey else self._header.icc  # one for grey is none for RGB
        about = {"icc_profile": profile, "exif": self._header.exif or b""}
        self._image.save(out, "WEBP", **about, **self._options)
        return out.getvalue()

"""WebP, which is encoded at once: libwebp takes whole pictures, of at most 16,383 pixels a side."""

import io

from PIL import Image

from inference.picture import Header, Pixels
from inference.resize import as_image

USUAL_QUALITY = 90


class Writer:
    def __init__(self, header: Header, quality: int | None, *, is_lossless: bool) -> None:
        """Grey becomes RGB, for WebP knows no other; `quality` given, it is lossy."""
        self._header = header
        self._image = Image.new("RGBA" if header.has_alpha else "RGB", (header.width, header.height))
        self._top = 0
        self._options: dict[str, object] = {"quality": quality or USUAL_QUALITY, "method": 4}
        if is_lossless and quality is None:
            self._options = {"lossless": True, "quality": 25, "method": 1}

    def write(self, samples: Pixels) -> None:
        self._image.paste(as_image(samples).convert(self._image.mode), (0, self._top))
        self._top += len(samples)

    def finish(self) -> bytes:
        out = io.BytesIO()
        profile = None if self._header.is_grey else self._header.icc  # one for grey is none for RGB
        about = {"icc_profile": profile, "exif": self._header.exif or b""}
        self._image.save(out, "WEBP", **about, **self._options)
        return out.getvalue()

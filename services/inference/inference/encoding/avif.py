"""AVIF, encoded as a whole by libaom through libvips, with 8, 10 or 12 bits and full colour resolution."""

from typing import Any

import numpy as np
import pyvips

from inference.encoding.options import Options
from inference.metadata import with_dpi
from inference.picture import Header, Pixels

DEFAULT_QUALITY = 90
EFFORT = 1
"""From 0 to 9. A megapixel takes about half a second of one core; with effort 2 it takes twice as long."""
INTERPRETATIONS = {(1, 8): "b-w", (3, 8): "srgb", (1, 16): "grey16", (3, 16): "rgb16"}
"""By number of colours and bits."""


class Writer:
    def __init__(self, header: Header, options: Options) -> None:
        self._header = header
        self._quality = options.quality or DEFAULT_QUALITY
        self._rows: list[Pixels] = []

    def write(self, samples: Pixels) -> None:
        self._rows.append(samples)

    def finish(self) -> bytes:
        header = self._header
        colours = 1 if header.is_grey else 3
        image: Any = pyvips.Image.new_from_array(
            np.concatenate(self._rows), interpretation=INTERPRETATIONS[colours, header.depth]
        ).copy()
        self._rows.clear()
        if header.icc and not header.is_grey:  # libvips writes grey as RGB, which its profile does not fit
            image.set_type(pyvips.GValue.blob_type, "icc-profile-data", header.icc)
        exif = with_dpi(header.exif, header.dpi)
        if exif:
            image.set_type(pyvips.GValue.blob_type, "exif-data", b"Exif\0\0" + exif)
        if not header.dpi:  # otherwise libvips adds 25.4 pixels an inch
            image.set_type(pyvips.GValue.gstr_type, "resolution-unit", "none")
        return image.heifsave_buffer(
            compression="av1",
            bitdepth=8 if header.depth == 8 else header.bits or 12,
            Q=self._quality,
            effort=EFFORT,
            subsample_mode="off",
            keep="all" if exif else "icc",
        )

"""Finds out whether a small GIF or WebP can be decoded, by letting Pillow decode it.

Neither format says how long its compressed pixels must be, so a damaged file can look whole. Larger pictures
would take too long here: the decoding child finds out. The gateway must not import this module.
"""

import io

from PIL import Image

from imagefile.gif import MOST_FRAMES
from imagefile.gif_pictures import read_pictures

MOST_PIXELS = {"GIF": 4_000_000, "WEBP": 1_500_000}
"""Pixels of all frames together. Noise takes up to 0.1 s of processor time."""


def can_be_decoded(file_format: str, data: bytes, pixels: int) -> bool:
    """Return whether the pictures can be decoded. Also return True for other formats and large pictures.

    `pixels` are those of all frames together.
    """
    if file_format not in MOST_PIXELS or pixels > MOST_PIXELS[file_format]:
        return True
    try:
        if file_format == "GIF":
            _decode_gif(data)
        else:
            _decode_webp(data)
    except Exception:  # noqa: BLE001  damaged bytes can make Pillow raise any exception
        return False
    return True


def _decode_gif(data: bytes) -> None:
    for picture in read_pictures(data, MOST_FRAMES):
        if min(picture.size) > 0:
            Image.open(io.BytesIO(picture.file), formats=["GIF"]).load()


def _decode_webp(data: bytes) -> None:
    with Image.open(io.BytesIO(data), formats=["WEBP"]) as opened:
        for index in range(getattr(opened, "n_frames", 1)):
            opened.seek(index)
            opened.load()

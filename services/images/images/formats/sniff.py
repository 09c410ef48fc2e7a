"""What a file is, by its content: format, size, and whether it is all there. No pixel is decoded.

Name and declared type are ignored. The header is read by Pillow; that the file is complete by the marks of
its format.
"""

import io
import re
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from common import errors
from images.formats import gif, png, tiff
from images.formats.formats import Format
from images.formats.parser_bombs import is_parser_bomb

Image.MAX_IMAGE_PIXELS = None  # our own limit is checked from the header
MOST_FRAMES = 2000
MOST_CHUNKS = 64
"""Of a still WebP, before it is taken for lossless; nine kinds are known."""
TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")
TURNED = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""
SAME_FORMAT = {"MPO": Format.JPEG}
"""A JPEG with further pictures behind the first, such as a camera's preview."""
JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""None of those that may stand in the midst of pixels (ITU-T T.81, B.1.1.5)."""
JPEG_PADDING = b"\xff" * 4096


@dataclass(frozen=True, slots=True)
class Header:
    """Width and height in pixels after the EXIF orientation."""

    format: Format
    width: int
    height: int
    frames: int = 1
    is_lossy: bool = False
    has_alpha: bool = False
    """It may hide nothing."""


def sniff(data: bytes, *, largest_pixels: int) -> Header:
    """Raises `InvalidArgument` on `image` for anything that cannot be upscaled."""
    if not data:
        raise _refused("The image field is required.")
    if is_parser_bomb(data) or (data.startswith(b"\xff\xd8") and JPEG_PADDING in data):
        raise _refused("The image is corrupt or incomplete.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _opened(data, largest_pixels)
    except errors.InvalidArgument:
        raise
    except UnidentifiedImageError as error:
        raise _refused("The image must be a file of type: jpeg, png, webp, bmp, tiff, gif.") from error
    except Exception as error:  # Pillow's parsers raise whatever the broken bytes lead them to
        raise _refused("The image is corrupt or incomplete.") from error


def _refused(text: str) -> errors.InvalidArgument:
    return errors.invalid({"image": [text]})


def _opened(data: bytes, largest_pixels: int) -> Header:
    try:
        with Image.open(io.BytesIO(data), formats=[*Format]) as image:
            return _header(image, data, largest_pixels)
    except UnidentifiedImageError:
        if header := _unknown_to_pillow(data, largest_pixels):
            return header
        raise


def _header(image: ImageFile.ImageFile, data: bytes, largest_pixels: int) -> Header:
    format_ = SAME_FORMAT.get(image.format or "") or Format(image.format or "")
    width, height = image.size
    if width * height > largest_pixels:
        raise _refused(f"The image may not have more than {largest_pixels / 1e6:g} megapixels.")
    if not IS_COMPLETE[format_](data):
        raise _refused("The image is corrupt or incomplete.")
    if format_ == Format.TIFF and (obstacle := tiff.obstacle(tiff.tags_of(data))):
        raise _refused(f"The image is of a kind that cannot be upscaled: {obstacle}.")
    frames, pixels = _frames(image, data)
    if frames > MOST_FRAMES:
        raise _refused(f"The image may not have more than {MOST_FRAMES} frames.")
    if frames * pixels > largest_pixels:
        raise _refused(f"The frames may not have more than {largest_pixels / 1e6:g} megapixels together.")
    size = (height, width) if _is_turned(image, data) else (width, height)
    is_lossy = format_ == Format.JPEG or (format_ == Format.WEBP and _webp_is_lossy(data))
    has_alpha = image.mode in TRANSPARENT or "transparency" in image.info
    has_alpha |= format_ == Format.GIF and gif.pictures(data, 0).has_holes
    return Header(format_, *size, frames, is_lossy, has_alpha)


def _unknown_to_pillow(data: bytes, largest_pixels: int) -> Header | None:
    """Grey of 16 bits with alpha or, where numbers are big-endian, with white as zero, in a TIFF."""
    if data[:2] not in (b"II", b"MM"):
        return None
    try:
        tags = tiff.tags_of(data)
        size = tiff.deep_grey(tags)
        is_complete = tiff.is_complete(tags, len(data))
    except Exception:  # noqa: BLE001  as above
        return None
    if size is None and is_complete:
        kind = tiff.obstacle(tags) or "a TIFF with such channels"
        raise _refused(f"The image is of a kind that cannot be upscaled: {kind}.")
    if size is None:
        return None
    if size[0] * size[1] > largest_pixels:
        raise _refused(f"The image may not have more than {largest_pixels / 1e6:g} megapixels.")
    if not is_complete or min(size) < 1:
        raise _refused("The image is corrupt or incomplete.")
    return Header(Format.TIFF, *size, has_alpha=tags.get(tiff.SAMPLES) == 2)


def _frames(image: ImageFile.ImageFile, data: bytes) -> tuple[int, int]:
    """Of an animation, at most one more than is allowed, and the pixels of each. Pillow knows it of WebP once
    it is open.
    """
    if image.format == Format.GIF:
        found = gif.pictures(data, MOST_FRAMES)
        return found.count, found.width * found.height
    return getattr(image, "n_frames", 1) if image.format == Format.WEBP else 1, image.width * image.height


def _is_turned(image: ImageFile.ImageFile, data: bytes) -> bool:
    """Whether the decoder will turn it on its side; broken metadata does not spoil a picture."""
    if ExifTags.Base.Orientation in getattr(image, "tag_v2", ()):
        return False  # a TIFF, whose size Pillow tells upright
    try:
        exif = png.exif(data) if image.format == Format.PNG else image.getexif()
    except Exception:  # noqa: BLE001
        return False
    return exif.get(ExifTags.Base.Orientation) in TURNED


def _jpeg_is_complete(data: bytes) -> bool:
    """Segments lead to a scan, and behind it there is an end-of-image marker (ITU-T T.81, B.1).

    Previews lie within segments, which are stepped over; in pixels the marker cannot stand.
    """
    position = 2
    while marker := JPEG_MARKER.search(data, position):
        position, kind = marker.end(), data[marker.end() - 1]
        if kind == 0xDA:
            return data.rfind(b"\xff\xd9", position) != -1
        if kind not in (0x01, 0xD8):  # these two have no length
            position += int.from_bytes(data[position : position + 2], "big")
    return False


def _webp_is_complete(data: bytes) -> bool:
    """The RIFF header tells the length of what follows it."""
    return len(data) >= struct.unpack_from("<I", data, 4)[0] + 8


def _webp_is_lossy(data: bytes) -> bool:
    """It has no chunk VP8L, as the worker understands it; an animation has its pixels deeper down."""
    position = 12
    for _ in range(MOST_CHUNKS):
        if position + 8 > len(data):
            return True
        name, length = struct.unpack_from("<4sI", data, position)
        if name == b"VP8L":
            return False
        position += 8 + length + length % 2
    return False


def _bmp_is_complete(data: bytes) -> bool:
    """Pixels as long as rows of whole 32-bit words make them, where they are not compressed; no palette
    of more than 256 colours.
    """
    offset, header_size = struct.unpack_from("<II", data, 10)
    if header_size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        return len(data) >= offset + (width * bits + 31) // 32 * 4 * height
    if header_size < 40:
        return len(data) > offset
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if bits <= 8 and struct.unpack_from("<I", data, 46)[0] > 256:
        return False
    is_plain = compression in (0, 3)
    return len(data) >= offset + ((width * bits + 31) // 32 * 4 * abs(height) if is_plain else 1)


def _tiff_is_complete(data: bytes) -> bool:
    return tiff.is_complete(tiff.tags_of(data), len(data))


def _gif_is_complete(data: bytes) -> bool:
    return gif.pictures(data, MOST_FRAMES).count > 0


IS_COMPLETE: dict[Format, Callable[[bytes], bool]] = {
    Format.JPEG: _jpeg_is_complete,
    Format.PNG: png.is_complete,
    Format.WEBP: _webp_is_complete,
    Format.BMP: _bmp_is_complete,
    Format.TIFF: _tiff_is_complete,
    Format.GIF: _gif_is_complete,
}

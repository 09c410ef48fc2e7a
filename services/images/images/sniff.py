"""What a file is, by its content: format, size, and whether it is all there. No pixel is decoded.

Name and declared type are ignored. The header is read by Pillow; that the file is complete by the marks of
its format.
"""

import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from common import errors
from images.formats import Format

Image.MAX_IMAGE_PIXELS = None  # our own limit is checked from the header
TURNED = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""


@dataclass(frozen=True, slots=True)
class Header:
    """Width and height in pixels after the EXIF orientation."""

    format: Format
    width: int
    height: int


def sniff(data: bytes, *, largest_pixels: int) -> Header:
    """Raises `InvalidArgument` on `image` for anything that cannot be upscaled."""
    if not data:
        raise _refused("The image field is required.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=[*Format]) as image:
                return _header(image, data, largest_pixels)
    except errors.InvalidArgument:
        raise
    except UnidentifiedImageError as error:
        raise _refused("The image must be a file of type: jpeg, png, webp, bmp, tiff, gif.") from error
    except Exception as error:  # Pillow's parsers raise whatever the broken bytes lead them to
        raise _refused("The image is corrupt or incomplete.") from error


def _refused(text: str) -> errors.InvalidArgument:
    return errors.invalid({"image": [text]})


def _header(image: ImageFile.ImageFile, data: bytes, largest_pixels: int) -> Header:
    format_, (width, height) = Format(image.format or ""), image.size
    if width * height > largest_pixels:
        raise _refused(f"The image may not have more than {largest_pixels / 1e6:g} megapixels.")
    if not IS_COMPLETE[format_](data):
        raise _refused("The image is corrupt or incomplete.")
    exif = _png_exif(data) if format_ is Format.PNG else image.getexif()
    is_turned = exif.get(ExifTags.Base.Orientation) in TURNED
    return Header(format_, *((height, width) if is_turned else (width, height)))


def _png_exif(data: bytes) -> Image.Exif:
    """Its eXIf chunk, wherever it stands: Pillow would decode the pixels to get there."""
    exif = Image.Exif()
    for kind, body in _png_chunks(data):
        if kind == b"eXIf":
            exif.load(bytes(body))
    return exif


def _jpeg_is_complete(data: bytes) -> bool:
    """Something follows the start of scan, and the end-of-image marker is there (ITU-T T.81, B.1.1.3)."""
    return b"\xff\xda" in data and b"\xff\xd9" in data[data.rindex(b"\xff\xda") :]


def _png_is_complete(data: bytes) -> bool:
    """There is an IEND, and every chunk before it is whole and undamaged."""
    return any(kind == b"IEND" for kind, _ in _png_chunks(data))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Chunks up to the first that is cut off or whose CRC-32 is wrong (ISO/IEC 15948, 5.3)."""
    position, view = 8, memoryview(data)
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            return
        if zlib.crc32(view[position + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            return
        yield kind, view[position + 8 : end]
        position = end + 4


def _webp_is_complete(data: bytes) -> bool:
    """The RIFF header tells the length of what follows it."""
    return len(data) >= struct.unpack_from("<I", data, 4)[0] + 8


def _bmp_is_complete(data: bytes) -> bool:
    """Pixels as long as rows of whole 32-bit words make them, where they are not compressed."""
    offset, header_size = struct.unpack_from("<II", data, 10)
    if header_size < 40:
        return len(data) > offset
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    is_plain = compression in (0, 3)
    return len(data) >= offset + ((width * bits + 31) // 32 * 4 * abs(height) if is_plain else 1)


def _tiff_is_complete(data: bytes) -> bool:
    """Every strip or tile of the first page lies within the file (TIFF 6.0, section 8)."""
    with Image.open(io.BytesIO(data), formats=[Format.TIFF]) as image:
        tags = image.tag_v2  # pyright: ignore[reportAttributeAccessIssue]  a TIFF has them
        offsets, lengths = (tags.get(273), tags.get(279)) if 273 in tags else (tags.get(324), tags.get(325))
    if not offsets or not lengths:
        return False
    return all(
        offset + length <= len(data) for offset, length in zip(_many(offsets), _many(lengths), strict=False)
    )


def _many(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)


def _gif_is_complete(data: bytes) -> bool:
    """Blocks follow each other until the first picture's last one (GIF89a, 20 to 22)."""
    flags, position = data[10], 13
    position += 3 << (flags & 7) + 1 if flags & 0x80 else 0
    while position < len(data):
        if data[position] == 0x2C and position + 10 < len(data):
            local = data[position + 9]
            position += 10 + (3 << (local & 7) + 1 if local & 0x80 else 0) + 1
            return _after_sub_blocks(data, position) is not None
        if data[position] != 0x21:
            return False
        after = _after_sub_blocks(data, position + 2)
        if after is None:
            return False
        position = after
    return False


def _after_sub_blocks(data: bytes, position: int) -> int | None:
    while position < len(data):
        if data[position] == 0:
            return position + 1
        position += data[position] + 1
    return None


IS_COMPLETE: dict[Format, Callable[[bytes], bool]] = {
    Format.JPEG: _jpeg_is_complete,
    Format.PNG: _png_is_complete,
    Format.WEBP: _webp_is_complete,
    Format.BMP: _bmp_is_complete,
    Format.TIFF: _tiff_is_complete,
    Format.GIF: _gif_is_complete,
}

"""What a file is, by its content: format, size, and whether it is all there. No pixel is decoded.

Name and declared type are ignored. The header is read by Pillow; that the file is complete by the marks of
its format.
"""

import io
import re
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from common import errors
from images import tiff
from images.formats import Format
from images.labour import is_laborious

Image.MAX_IMAGE_PIXELS = None  # our own limit is checked from the header
MOST_FRAMES = 2000
TURNED = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""
SAME_FORMAT = {"MPO": Format.JPEG}
"""A JPEG with further pictures behind the first, such as a camera's preview."""
JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""None of those that may stand in the midst of pixels (ITU-T T.81, B.1.1.5)."""
JPEG_PADDING = b"\xff" * 4096
PNG_METADATA = (b"IHDR", b"eXIf", b"iTXt", b"tEXt", b"zTXt")
PNG_WITHOUT_PIXELS = b"\0\0\0\0IDAT\x35\xaf\x06\x1e"


@dataclass(frozen=True, slots=True)
class Header:
    """Width and height in pixels after the EXIF orientation."""

    format: Format
    width: int
    height: int
    frames: int = 1


def sniff(data: bytes, *, largest_pixels: int) -> Header:
    """Raises `InvalidArgument` on `image` for anything that cannot be upscaled."""
    if not data:
        raise _refused("The image field is required.")
    if is_laborious(data) or (data.startswith(b"\xff\xd8") and JPEG_PADDING in data):
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
    if format_ == Format.TIFF and not tiff.is_readable(tiff.tags_of(data)):
        raise _refused("The image is of a kind that cannot be upscaled.")
    frames = _frames(image, data)
    if frames > MOST_FRAMES:
        raise _refused(f"The image may not have more than {MOST_FRAMES} frames.")
    if frames * width * height > largest_pixels:
        raise _refused(f"The frames may not have more than {largest_pixels / 1e6:g} megapixels together.")
    return Header(format_, *((height, width) if _is_turned(image, data) else (width, height)), frames)


def _unknown_to_pillow(data: bytes, largest_pixels: int) -> Header | None:
    """Grey with alpha of 16 bits, in a TIFF."""
    if data[:2] not in (b"II", b"MM"):
        return None
    try:
        tags = tiff.tags_of(data)
        size = tiff.deep_grey_with_alpha(tags)
        is_complete = tiff.is_complete(tags, len(data))
    except Exception:  # noqa: BLE001  as above
        return None
    if size is None:
        return None
    if size[0] * size[1] > largest_pixels:
        raise _refused(f"The image may not have more than {largest_pixels / 1e6:g} megapixels.")
    if not is_complete or min(size) < 1:
        raise _refused("The image is corrupt or incomplete.")
    return Header(Format.TIFF, *size)


def _frames(image: ImageFile.ImageFile, data: bytes) -> int:
    """Of an animation, at most one more than is allowed. Pillow knows it of WebP once it is open."""
    if image.format == Format.GIF:
        return _gif_frames(data)
    return getattr(image, "n_frames", 1) if image.format == Format.WEBP else 1


def _is_turned(image: ImageFile.ImageFile, data: bytes) -> bool:
    """Whether the decoder will turn it on its side; broken metadata does not spoil a picture."""
    if ExifTags.Base.Orientation in getattr(image, "tag_v2", ()):
        return False  # a TIFF, whose size Pillow tells upright
    try:
        exif = _png_exif(data) if image.format == Format.PNG else image.getexif()
    except Exception:  # noqa: BLE001
        return False
    return exif.get(ExifTags.Base.Orientation) in TURNED


def _png_exif(data: bytes) -> Image.Exif:
    """Metadata may stand behind the pixels, which Pillow would decode to get there: it is given the rest."""
    kept = b"".join(chunk for kind, chunk in _png_chunks(data) if kind in PNG_METADATA)
    with Image.open(io.BytesIO(data[:8] + kept + PNG_WITHOUT_PIXELS), formats=[Format.PNG]) as image:
        return Image.Image.getexif(image)


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


def _png_is_complete(data: bytes) -> bool:
    """There are pixels and an IEND, and every chunk before it is whole and undamaged."""
    kinds = {kind for kind, _ in _png_chunks(data)}
    return {b"IDAT", b"IEND"} <= kinds


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Chunks up to IEND, or the first that is cut off or whose CRC-32 is wrong (ISO/IEC 15948, 5.3)."""
    position, view = 8, memoryview(data)
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            return
        if zlib.crc32(view[position + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            return
        yield kind, view[position : end + 4]
        if kind == b"IEND":
            return
        position = end + 4


def _webp_is_complete(data: bytes) -> bool:
    """The RIFF header tells the length of what follows it."""
    return len(data) >= struct.unpack_from("<I", data, 4)[0] + 8


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
    return _gif_frames(data) > 0


def _gif_frames(data: bytes) -> int:
    """Pictures, block by block (GIF89a, 20 to 22); 0 where one of them is cut off. What follows the last
    does no harm.
    """
    flags, position, frames = data[10], 13, 0
    position += 3 << (flags & 7) + 1 if flags & 0x80 else 0
    while position < len(data) and frames <= MOST_FRAMES:
        if data[position] == 0x2C and position + 10 < len(data):
            local = data[position + 9]
            after = _after_sub_blocks(data, position + 11 + (3 << (local & 7) + 1 if local & 0x80 else 0))
            frames = frames + 1 if after else 0
        elif data[position] == 0x21:
            after = _after_sub_blocks(data, position + 2)
        else:
            after = None
        if after is None:
            return frames
        position = after
    return frames


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

"""Decodes the first picture of a JPEG XL file with libjxl, in the decoding child.

libjxl applies the orientation of the codestream. The orientation in the EXIF data repeats it and is ignored.
"""

import ctypes
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from PIL import Image

from imagefile import jxl
from imagefile.formats import READABLE, Format
from imagefile.jxl_header import Header
from inference import libjxl, metadata
from inference.decoding import heif, modes
from inference.decoding.modes import Unsupported
from inference.decoding.protocol import ICC_BYTES, Decoded
from inference.metadata import Metadata

SUCCESS, FAILED, MORE_INPUT, PIXEL_BUFFER, BOX_BUFFER = 0, 1, 2, 5, 7
BASIC_INFO, COLOURS, FULL_IMAGE, BOX = 0x40, 0x100, 0x1000, 0x4000
"""States of the decoder."""
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
LARGEST_EXIF_BYTES = 1 << 20
KEPT_BITS = (10, 12)
"""Depths that a result repeats. All others between 8 and 16 become 16."""


def read(data: bytes, file_format: Format, most_pixels: int) -> Decoded:
    header = jxl.read_header(data)
    if header.width * header.height > most_pixels:
        raise Image.DecompressionBombError(f"{header.width} x {header.height} pixels")
    if problem := jxl.refusal(header):
        raise Unsupported(problem)
    pixels, icc = decode(data, header)
    mode = MODES[(1 if header.is_grey else 3) + header.has_alpha]
    size = (header.width, header.height)
    icc = modes.usable_profile(icc, is_grey=header.is_grey)
    tags = metadata.read_tiff(read_exif(data), is_sideways=header.is_sideways)
    if header.bits <= 8:
        image = Image.frombuffer(mode, size, pixels, "raw", mode, 0, 1)
        return heif.describe(image, data, file_format, icc, tags)
    return describe_deep(pixels, mode, header, data, icc, tags)


def describe_deep(
    pixels: bytes, mode: str, header: Header, data: bytes, icc: bytes, tags: Metadata
) -> Decoded:
    decoded = heif.describe_deep(pixels, mode, (header.width, header.height), header.bits, "JXL", icc, tags)
    if header.bits not in KEPT_BITS:
        decoded.header.pop("bits", None)
    decoded.header["is_lossless"] = not READABLE["JXL"].is_lossy(data)
    return decoded


def decode(data: bytes, header: Header) -> tuple[bytes, bytes]:
    """Return samples of 8 or 16 bits, and the profile that describes them; no bytes for sRGB."""
    channels = (1 if header.is_grey else 3) + header.has_alpha
    depth = libjxl.UINT8 if header.bits <= 8 else libjxl.UINT16
    kind = libjxl.PixelFormat(channels, depth, 0, 0)
    size = header.width * header.height * channels * (1 if depth == libjxl.UINT8 else 2)
    pixels, icc = bytearray(), b""
    with opened(data, BASIC_INFO | COLOURS | FULL_IMAGE) as decoder:
        library = libjxl.load()
        library.JxlDecoderSetUnpremultiplyAlpha(decoder, 1)
        while True:
            match library.JxlDecoderProcessInput(decoder):
                case code if code == BASIC_INFO:
                    check_size(decoder, header)
                case code if code == COLOURS:
                    icc = read_profile(decoder)
                case code if code == PIXEL_BUFFER:
                    pixels = bytearray(size)
                    buffer = (ctypes.c_uint8 * size).from_buffer(pixels)
                    if library.JxlDecoderSetImageOutBuffer(decoder, ctypes.byref(kind), buffer, size):
                        raise ValueError("the picture has another size than its header says")
                case code if code == FULL_IMAGE:
                    return cast("bytes", pixels), icc  # a copy would double the memory
                case code if code == MORE_INPUT:
                    raise OSError("the file ends before its pixels do")
                case code:
                    raise OSError(f"libjxl cannot decode the file: {code}")


@contextmanager
def opened(data: bytes, events: int) -> Generator[Any]:
    library = libjxl.load()
    decoder = library.JxlDecoderCreate(None)
    if not decoder:
        raise MemoryError
    try:
        library.JxlDecoderSubscribeEvents(decoder, events)
        library.JxlDecoderSetInput(decoder, data, len(data))
        library.JxlDecoderCloseInput(decoder)
        yield decoder
    finally:
        library.JxlDecoderDestroy(decoder)


def check_size(decoder: Any, header: Header) -> None:
    """Raise `ValueError` unless libjxl reads the header as we do."""
    info = libjxl.BasicInfo()
    libjxl.load().JxlDecoderGetBasicInfo(decoder, ctypes.byref(info))
    found = (info.width, info.height, info.bits, info.alpha_bits > 0)
    expected = (header.width, header.height, header.bits, header.has_alpha)
    if found != expected:
        raise ValueError(f"libjxl finds {found} instead of {expected}")


def read_profile(decoder: Any) -> bytes:
    """Return the profile of the decoded pixels. No bytes for sRGB, and for a profile that is too long."""
    library, encoding, size = libjxl.load(), libjxl.ColourEncoding(), ctypes.c_size_t()
    which = libjxl.PIXELS_AS_DECODED
    failed = library.JxlDecoderGetColorAsEncodedProfile(decoder, which, ctypes.byref(encoding))
    if not failed and encoding.is_srgb:
        return b""
    failed = library.JxlDecoderGetICCProfileSize(decoder, which, ctypes.byref(size))
    if failed or size.value > ICC_BYTES:
        return b""
    icc = ctypes.create_string_buffer(size.value)
    failed = library.JxlDecoderGetColorAsICCProfile(decoder, which, icc, size.value)
    return b"" if failed else icc.raw


def read_exif(data: bytes) -> bytes:
    """Return the EXIF data of a container as a TIFF structure, which may be compressed by Brotli."""
    if data.startswith(jxl.BARE):
        return b""
    library, content = libjxl.load(), ctypes.create_string_buffer(LARGEST_EXIF_BYTES)
    kind, is_open = ctypes.create_string_buffer(4), False
    with opened(data, BOX) as decoder:
        library.JxlDecoderSetDecompressBoxes(decoder, 1)
        while library.JxlDecoderProcessInput(decoder) == BOX:
            if is_open:
                break
            library.JxlDecoderGetBoxType(decoder, kind, 1)
            is_open = kind.raw == b"Exif"
            if is_open:
                library.JxlDecoderSetBoxBuffer(decoder, content, LARGEST_EXIF_BYTES)
        if not is_open:
            return b""
        size = LARGEST_EXIF_BYTES - library.JxlDecoderReleaseBoxBuffer(decoder)
    start = 4 + int.from_bytes(content.raw[:4], "big")
    return content.raw[start:size]

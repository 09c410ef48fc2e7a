"""Metadata is removed, or kept on request. The tests list the parts of each result."""

import io
import struct
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from inference.decoding.pool import Decoder
from inference.picture import Format
from tests.inference.golden import slopes, upscaled

SAMPLES = slopes(30, 20, 3)
SECRETS = (b"Jane", b"Elm Street", b"secret")
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><dc:creator>Jane, Elm Street</dc:creator></x:xmpmeta>'
IPTC = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", 9) + b"\x1c\x02\x50\0\x04Jane\0"
PICTURE_PARTS = {
    "JPEG": {0xDB, 0xC0, 0xC4, 0xDA, 0xDD, 0xE0, 0xD8},
    "PNG": {b"IHDR", b"IDAT", b"IEND"},
    "WEBP": {b"VP8 ", b"VP8L", b"VP8X", b"ALPH"},
    "TIFF": {256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 338},
}
"""The parts that every picture has."""
EXIF, TAKEN, LENS = ExifTags.IFD.Exif, ExifTags.Base.DateTimeOriginal, ExifTags.Base.LensModel
ASCII, UNDEFINED = 2, 7
"""Types of EXIF's values (CIPA DC-008, 4.6.2)."""


@pytest.fixture(scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


def exif() -> Image.Exif:
    result = Image.Exif()
    result[ExifTags.Base.Artist] = "Jane"
    result[ExifTags.Base.ImageDescription] = "Elm Street"
    result.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"ASCII\0\0\0secret"
    result.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (51.0, 30.0, 1.0)
    return result


def file_of(file_format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(SAMPLES).save(out, file_format, **options)
    return out.getvalue()


def a_jpeg() -> bytes:
    plain = file_of("JPEG", exif=exif(), xmp=XMP, comment=b"secret")
    return plain[:2] + struct.pack(">HH", 0xFFED, len(IPTC) + 2) + IPTC + plain[2:]


def a_png() -> bytes:
    texts = PngInfo()
    texts.add_text("Author", "Jane")
    texts.add_text("Comment", "Elm Street", zip=True)
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    return file_of("PNG", pnginfo=texts, exif=exif())


def a_tiff() -> bytes:
    out = io.BytesIO()
    tags = [(315, 2, 0, "Jane", True), (700, 1, len(XMP), XMP, True), (33723, 7, len(IPTC), IPTC, True)]
    tifffile.imwrite(
        out, SAMPLES, photometric="rgb", description="Elm Street", software="secret", extratags=tags
    )
    return out.getvalue()


FILES = {
    "JPEG": a_jpeg(),
    "PNG": a_png(),
    "WEBP": file_of("WEBP", exif=exif(), xmp=XMP),
    "TIFF": a_tiff(),
    "GIF": file_of("GIF", comment=b"Jane, Elm Street"),
}


def parts(data: bytes, file_format: str) -> Iterator[int | bytes]:
    """Yield segments, chunks or tags."""
    match file_format:
        case "JPEG":
            position = 2
            while data[position + 1] != 0xDA:
                yield data[position + 1]
                position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        case "PNG":
            position = 8
            while position < len(data):
                length, kind = struct.unpack_from(">I4s", data, position)
                yield kind
                position += 12 + length
        case "WEBP":
            position = 12
            while position < len(data):
                kind, length = struct.unpack_from("<4sI", data, position)
                yield kind
                position += 8 + length + length % 2
        case _:
            yield from (tag.code for tag in tifffile.TiffFile(io.BytesIO(data)).pages.first.tags)


@pytest.mark.parametrize("source_format", FILES)
@pytest.mark.parametrize("result_format", PICTURE_PARTS)
async def test_a_result_has_the_parts_of_a_picture_and_no_others(
    decoder: Decoder, source_format: str, result_format: Format
) -> None:
    assert any(secret in FILES[source_format] for secret in SECRETS)

    result = await upscaled(decoder, FILES[source_format], result_format)

    assert set(parts(result, result_format)) <= PICTURE_PARTS[result_format]
    assert not any(secret in result for secret in SECRETS)


@pytest.mark.parametrize("source_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("result_format", ["JPEG", "PNG", "WEBP", "TIFF"])
async def test_metadata_that_is_kept_on_request_is_exif_and_nothing_else(
    decoder: Decoder, source_format: str, result_format: Format
) -> None:
    result = await upscaled(decoder, FILES[source_format], result_format, keeps_metadata=True)

    found = Image.open(io.BytesIO(result)).getexif()
    assert found[ExifTags.Base.Artist] == "Jane"
    assert found[ExifTags.Base.ImageDescription] == "Elm Street"
    assert XMP not in result
    assert b"Photoshop" not in result


async def test_a_thumbnail_is_removed_even_if_metadata_is_kept(decoder: Decoder) -> None:
    """A thumbnail may show the picture as it was before it was cropped."""
    thumbnail = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(SAMPLES[:9, :9])).save(thumbnail, "JPEG", comment=b"secret")
    body = thumbnail.getvalue()
    first = struct.pack("<HHHII", 1, 0x013B, 2, 5, 44) + struct.pack("<I", 26)
    second = struct.pack("<HHHII", 2, 0x0201, 4, 1, 60) + struct.pack("<HHIII", 0x0202, 4, 1, len(body), 0)
    block = b"II*\0\x08\0\0\0" + first + second
    rebuilt = block[:44].ljust(44, b"\0") + b"Jane\0" + bytes(11) + body

    result = await upscaled(decoder, file_of("JPEG", exif=b"Exif\0\0" + rebuilt), "JPEG", keeps_metadata=True)

    assert b"Jane" in result
    assert b"secret" not in result


def types(data: bytes, block: int, directory: int = EXIF) -> dict[int, int]:
    """Return the types in a directory of the EXIF data that begin at `block`, by tag."""
    order = "<" if data[block : block + 2] == b"II" else ">"

    def entries(place: int) -> list[tuple[int, int, int]]:
        count = struct.unpack_from(f"{order}H", data, block + place)[0]
        return [struct.unpack_from(f"{order}HH4xI", data, block + place + 2 + 12 * at) for at in range(count)]

    first = entries(struct.unpack_from(f"{order}I", data, block + 4)[0])
    return {number: kind for number, kind, _ in entries({each[0]: each[2] for each in first}[directory])}


@pytest.mark.parametrize("result_format", ["JPEG", "PNG", "WEBP", "TIFF"])
async def test_texts_and_the_date_of_a_photo_keep_their_types(
    decoder: Decoder, result_format: Format
) -> None:
    about = exif()
    about.get_ifd(EXIF).update({TAKEN: "2024:05:06 07:08:09", LENS: "Objectif"})
    about.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    data = file_of("JPEG", exif=about).replace(b"Objectif", b"Obj\xe9ctif")

    result = await upscaled(decoder, data, result_format, keeps_metadata=True)

    block = 0 if result_format == "TIFF" else result.index(b"MM\0*")
    assert types(result, block) == {TAKEN: ASCII, LENS: ASCII, ExifTags.Base.UserComment: UNDEFINED}
    assert types(result, block, ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == ASCII
    assert b"2024:05:06 07:08:09\0" in result
    assert b"Obj\xe9ctif\0" in result


@pytest.mark.parametrize("byteorder", ["<", ">"])
async def test_metadata_of_16_bit_grey_with_alpha_is_kept(decoder: Decoder, byteorder: Any) -> None:
    """Pillow does not open such a picture."""
    out = io.BytesIO()
    tags = [(315, 2, 0, "Jane", True), (274, 3, 1, 6, True)]
    with tifffile.TiffWriter(out, byteorder=byteorder) as writer:
        writer.write(
            slopes(20, 30, 2, 16), photometric="minisblack", planarconfig="contig", metadata=None,
            extrasamples=["unassalpha"], extratags=tags, software=False,
        )  # fmt: skip

    result = await upscaled(decoder, out.getvalue(), "PNG", keeps_metadata=True)

    assert dict(Image.open(io.BytesIO(result)).getexif()) == {ExifTags.Base.Artist: "Jane"}

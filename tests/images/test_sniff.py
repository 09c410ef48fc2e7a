"""A file is recognised by its content. It must be complete and not too large, and it is not decoded."""

import io
import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from common import errors
from imagefile.formats import Format, refuse_parser_bomb
from imagefile.parser_bombs import ParserBomb
from images.formats.sniff import sniff
from tests.images.decoded_size import decoded_size
from tests.pixels import encoded
from tests.texts import NOT_AN_IMAGE

SIZE = (24, 16)
NOISE = Image.effect_noise(SIZE, 80).convert("RGB")
MANY = 50_000_000
BROKEN = "The image is corrupt or incomplete."

FILES: dict[str, tuple[Format, bytes]] = {
    "jpeg": ("JPEG", encoded(NOISE)),
    "jpeg progressive": ("JPEG", encoded(NOISE, progressive=True)),
    "jpeg with restarts": ("JPEG", encoded(NOISE, restart_marker_blocks=1)),
    "jpeg grey": ("JPEG", encoded(NOISE.convert("L"))),
    "jpeg cmyk": ("JPEG", encoded(NOISE.convert("CMYK"))),
    "png": ("PNG", encoded(NOISE, "PNG")),
    "png palette": ("PNG", encoded(NOISE.convert("P"), "PNG")),
    "webp": ("WEBP", encoded(NOISE, "WEBP")),
    "webp lossless": ("WEBP", encoded(NOISE, "WEBP", lossless=True)),
    "bmp": ("BMP", encoded(NOISE, "BMP")),
    "bmp palette": ("BMP", encoded(NOISE.convert("P"), "BMP")),
    "bmp 1 bit": ("BMP", encoded(NOISE.convert("1"), "BMP")),
    "tiff": ("TIFF", encoded(NOISE, "TIFF")),
    "tiff lzw": ("TIFF", encoded(NOISE, "TIFF", compression="tiff_lzw")),
    "tiff jpeg": ("TIFF", encoded(NOISE, "TIFF", compression="jpeg")),
    "gif": ("GIF", encoded(NOISE.convert("P"), "GIF")),
}

SPARE_BYTES = {"gif": 1, "tiff jpeg": 289, "webp lossless": 1, "bmp 1 bit": 1} | {
    **dict.fromkeys(("png", "png palette"), 24),
    **{name: 200 for name in FILES if name.startswith("jpeg")},
}
"""How many bytes at the end may be missing. A GIF does not need its trailer, a PNG neither its last chunk nor
checksums, a WebP and a BMP not their padding, and a JPEG neither its end marker nor its last blocks. Only the
decoder needs the coding tables after a TIFF's directory.
"""


def sniffed(data: bytes, largest_pixels: int = MANY) -> tuple[Format, int, int]:
    header = sniff(data, largest_pixels=largest_pixels)
    return header.format, header.width, header.height


def refusal(data: bytes, largest_pixels: int = MANY) -> str:
    with pytest.raises(errors.InvalidArgument) as caught:
        sniff(data, largest_pixels=largest_pixels)
    assert list(caught.value.fields) == ["image"]
    return caught.value.fields["image"][0]


def exif_with(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def a_png(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return the noise as a PNG, with more chunks after the pixels."""
    plain = encoded(NOISE, "PNG")
    more = b"".join(
        struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    return plain[:-12] + more + plain[-12:]


def an_os2_bmp() -> bytes:
    """Return the noise as a BMP with the old header of 12 bytes."""
    whole = encoded(NOISE, "BMP")
    pixels = whole[54:]
    header = struct.pack("<IHHHH", 12, *SIZE, 1, 24)
    return b"BM" + struct.pack("<IHHI", 26 + len(pixels), 0, 0, 26) + header + pixels


@pytest.mark.parametrize("kind", FILES)
def test_each_format_is_recognised_by_its_content(kind: str) -> None:
    format_, data = FILES[kind]

    assert sniffed(data) == (format_, *SIZE)


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_cut_off_anywhere_is_refused(kind: str) -> None:
    _, data = FILES[kind]

    for length in range(1, len(data) - SPARE_BYTES.get(kind, 0)):
        assert refusal(data[:length]) in (BROKEN, NOT_AN_IMAGE), length


@pytest.mark.parametrize("kind", FILES)
def test_bytes_after_a_complete_file_do_not_matter(kind: str) -> None:
    format_, data = FILES[kind]

    assert sniffed(data + b"\xff\xda" + b"trailer" * 9) == (format_, *SIZE)


@pytest.mark.parametrize("claimed", [2**32 - 10, 5000])
def test_a_webp_is_whole_if_its_pixels_are_whatever_its_header_claims(claimed: int) -> None:
    data = encoded(NOISE, "WEBP", exif=exif_with(1))
    longer = data[:4] + struct.pack("<I", claimed) + data[8:]

    for file in (longer, longer[:-3], longer[: longer.index(b"EXIF") + 8]):
        assert sniffed(file) == ("WEBP", *SIZE)
        assert decoded_size(file) == SIZE
    assert refusal(longer[: longer.index(b"EXIF") - 9]) == BROKEN


@pytest.mark.parametrize(
    "data", [b"\0", b"BM", b"GIF89a", b"\xff\xd8", b"RIFF\0\0\0\0WEBP", b"II*\0", b"%PDF-1.7"]
)
def test_the_first_bytes_alone_are_no_image(data: bytes) -> None:
    assert refusal(data) in (BROKEN, NOT_AN_IMAGE)


def test_an_empty_file_is_a_missing_field() -> None:
    assert refusal(b"") == "The image field is required."


def test_damaged_bytes_raise_no_other_error() -> None:
    for format_, data in FILES.values():
        for position in range(min(len(data), 400)):
            damaged = data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :]
            try:
                header = sniff(damaged, largest_pixels=MANY)
            except errors.InvalidArgument as error:
                assert list(error.fields) == ["image"], (format_, position)  # noqa: PT017  either is right
            else:
                assert header.width * header.height <= MANY


def test_formats_that_only_pillow_knows_are_refused() -> None:
    for other in ("PPM", "TGA", "ICO", "PCX", "JPEG2000"):
        out = io.BytesIO()
        NOISE.save(out, other)

        assert refusal(out.getvalue()) == NOT_AN_IMAGE


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_that_of_the_upright_picture(format_: str, orientation: int) -> None:
    data = encoded(NOISE, format_, exif=exif_with(orientation))

    header = sniff(data, largest_pixels=MANY)

    assert (header.width, header.height) == (SIZE if orientation < 5 else SIZE[::-1])
    assert (header.width, header.height) == decoded_size(data)


def xmp(orientation: int) -> str:
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="{orientation}"/></x:xmpmeta>'


def with_text(key: str, value: str) -> PngInfo:
    info = PngInfo()
    info.add_itxt(key, value) if key.startswith("XML") else info.add_text(key, value)
    return info


RAW_EXIF = exif_with(6).tobytes()
RAW_PROFILE = f"\nexif\n{len(RAW_EXIF):8}\n{RAW_EXIF.hex()}\n"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(lambda: a_png((b"eXIf", RAW_EXIF.removeprefix(b"Exif\0\0"))), id="png exif at the end"),
        pytest.param(
            lambda: encoded(NOISE, "PNG", pnginfo=with_text("XML:com.adobe.xmp", xmp(6))), id="png xmp"
        ),
        pytest.param(
            lambda: a_png((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(8).encode())),
            id="png xmp at the end",
        ),
        pytest.param(
            lambda: encoded(NOISE, "PNG", pnginfo=with_text("Raw profile type exif", RAW_PROFILE)),
            id="png raw profile",
        ),
        pytest.param(lambda: encoded(NOISE, "JPEG", xmp=xmp(6).encode()), id="jpeg xmp"),
        pytest.param(lambda: encoded(NOISE, "WEBP", xmp=xmp(6).encode()), id="webp xmp"),
    ],
)
def test_an_orientation_is_found_wherever_the_decoder_finds_it(data: Callable[[], bytes]) -> None:
    file = data()

    header = sniff(file, largest_pixels=MANY)

    assert decoded_size(file) == SIZE[::-1]
    assert (header.width, header.height) == SIZE[::-1]


@pytest.mark.parametrize("format_", ["JPEG", "WEBP", "PNG"])
def test_a_picture_with_broken_metadata_is_accepted(format_: str) -> None:
    data = encoded(NOISE, format_, exif=b"Exif\0\0nonsense, and not even long")

    header = sniff(data, largest_pixels=MANY)

    assert (header.width, header.height) == decoded_size(data)


def test_a_photo_with_a_preview_inside_is_a_jpeg() -> None:
    """Many cameras write such files (CIPA DC-007). Pillow calls them MPO."""
    out = io.BytesIO()
    NOISE.save(out, "MPO", save_all=True, append_images=[NOISE.resize((6, 4))])

    assert sniffed(out.getvalue()) == ("JPEG", *SIZE)


def test_a_thumbnail_in_the_metadata_does_not_make_a_photo_complete() -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0" + encoded(NOISE.resize((6, 4)))
    data = encoded(NOISE, exif=exif)

    assert sniffed(data) == ("JPEG", *SIZE)
    for length in range(len(exif) // 2, len(data) - SPARE_BYTES["jpeg"]):
        assert refusal(data[:length]) in (BROKEN, NOT_AN_IMAGE), length


def test_a_bmp_with_an_old_header_must_be_complete_too() -> None:
    data = an_os2_bmp()

    assert sniffed(data) == ("BMP", *SIZE)
    assert refusal(data[:-1]) == BROKEN


def test_the_limit_of_pixels_is_inclusive() -> None:
    for format_, data in FILES.values():
        assert sniffed(data, largest_pixels=24 * 16) == (format_, *SIZE)
        assert (
            refusal(data, largest_pixels=24 * 16 - 1)
            == "The image may not have more than 0.000383 megapixels."
        )


def a_png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    checked = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + checked + struct.pack(">I4s", 9, b"IDAT") + b"\0" * 13


def a_jpeg_header(width: int, height: int) -> bytes:
    data = bytearray(FILES["jpeg"][1])
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(data[: data.index(b"\xff\xda") + 14])


def a_bmp_header(width: int, height: int) -> bytes:
    return FILES["bmp"][1][:18] + struct.pack("<ii", width, height) + FILES["bmp"][1][26:54]


def a_gif_header(width: int, height: int) -> bytes:
    data = FILES["gif"][1]
    return data[:6] + struct.pack("<HH", width, height) + data[10:-40]


@pytest.mark.parametrize("header_of", [a_png_header, a_jpeg_header, a_bmp_header, a_gif_header])
def test_too_many_pixels_are_refused_before_the_file_is_checked(
    header_of: Callable[[int, int], bytes],
) -> None:
    assert refusal(header_of(60_000, 60_000)) == "The image may not have more than 50 megapixels."
    assert refusal(header_of(24, 16)) == BROKEN


def animated(file_format: str, frames: int, size: tuple[int, int] = SIZE) -> bytes:
    pictures = [Image.effect_noise(size, 10 + index).convert("P") for index in range(frames)]
    return encoded(pictures[0], file_format, save_all=True, append_images=pictures[1:])


@pytest.mark.parametrize("frames", [1, 2, 7])
@pytest.mark.parametrize("file_format", ["GIF", "WEBP"])
def test_the_frames_of_an_animation_are_counted(file_format: str, frames: int) -> None:
    assert sniff(animated(file_format, frames), largest_pixels=MANY).frames == frames


@pytest.mark.parametrize("file_format", ["GIF", "WEBP"])
def test_the_limit_of_pixels_holds_for_all_frames_together(file_format: str) -> None:
    data = animated(file_format, 5)

    assert sniff(data, largest_pixels=5 * 24 * 16).frames == 5
    assert refusal(data, 5 * 24 * 16 - 1).startswith("The frames may not have more than")


def test_too_many_frames_are_refused() -> None:
    one = animated("GIF", 1, (1, 1))
    head = one[: one.index(b"\x2c")]
    frame = one[one.index(b"\x2c") : -1]

    assert sniff(head + frame * 2000 + b";", largest_pixels=MANY).frames == 2000
    assert refusal(head + frame * 2001 + b";") == "The image may not have more than 2000 frames."


def test_an_animation_cut_off_in_a_later_frame_is_refused() -> None:
    data = animated("GIF", 3)

    assert refusal(data[:-20]) == BROKEN


PARSER_BOMBS: dict[str, bytes] = {
    "jpeg segments": b"\xff\xd8" + b"\xff\xe1\0\x0cExif\0\0II*\0" * 700_000,
    "jpeg fill bytes": b"\xff\xd8" + (b"\xff" * 4000 + b"\xfe\0\2") * 2_000,
    "jpeg stuffing": b"\xff\xd8" + b"\xff\0" * 4_000_000,
    "png chunks": encoded(NOISE, "PNG")[:33]
    + (b"\0\0\0\0tEXt" + zlib.crc32(b"tEXt").to_bytes(4, "big")) * 800_000,
    "gif extensions": b"GIF89a\1\0\1\0\0\0\0" + b"\x21\xfe\0" * 3_000_000,
    "gif sub-blocks": b"GIF89a\1\0\1\0\0\0\0" + b"\x21\xfe" + b"\1x" * 5_000_000,
    "tiff values, magic number in the wrong byte order": b"II\0*\x08\0\0\0\1\0"
    + struct.pack("<HHII", 273, 4, 2_000_000, 26)
    + bytes(8_000_100),
    "tiff values at the end": b"II*\0"
    + struct.pack("<I", 8_000_108)
    + bytes(8_000_100)
    + struct.pack("<HHHII", 1, 273, 4, 2_000_000, 8),
    "tiff values": b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 273, 4, 2_000_000, 26) + bytes(8_000_100),
}


@pytest.mark.parametrize("kind", PARSER_BOMBS)
def test_a_parser_bomb_is_refused_without_parsing_it(kind: str) -> None:
    """A parser would take up to half a minute, longer than the time limit of a test."""
    with pytest.raises(ParserBomb):
        refuse_parser_bomb(PARSER_BOMBS[kind])
    assert refusal(PARSER_BOMBS[kind]).startswith("The image may not have ")


@pytest.mark.parametrize("kind", FILES)
def test_ordinary_files_are_not_parser_bombs(kind: str) -> None:
    refuse_parser_bomb(FILES[kind][1])

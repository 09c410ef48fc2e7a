"""The resolution of a picture is kept in its result, whether metadata is kept or not."""

import io
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference.decoding.decoders import decode
from inference.encoding.writer import open_writer
from inference.metadata import plausible_dpi
from inference.picture import Picture
from tests.pixels import encoded, opened

SIZE = (24, 16)
NOISE = Image.effect_noise(SIZE, 80).convert("RGB")
MANY = 1_000_000


def exif_with(across: float, down: float, unit: int, orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x011A], exif[0x011B], exif[0x0128] = orientation, across, down, unit
    return exif


def dpi_read(data: bytes) -> list[float] | None:
    return decode(data, MANY).header["dpi"]


def without_a_density(data: bytes) -> bytes:
    """Return a JPEG without the segment JFIF."""
    return data[:2] + data[20:]


def with_photoshop_resolution(data: bytes, across: int, down: int) -> bytes:
    """Return a JPEG with the image resource ResolutionInfo, in 16 bits before and 16 after the point."""
    info = struct.pack(">IHHIHH", across << 16, 1, 1, down << 16, 1, 1)
    body = b"Photoshop 3.0\0" + b"8BIM" + struct.pack(">HHI", 0x03ED, 0, len(info)) + info
    return data[:2] + struct.pack(">BBH", 0xFF, 0xED, len(body) + 2) + body + data[2:]


FILES: dict[str, tuple[bytes, tuple[float, float]]] = {
    "png": (encoded(NOISE, "PNG", dpi=(300, 150)), (300, 150)),
    "png of 16 bits": (encoded(Image.new("I;16", SIZE), "PNG", dpi=(300, 150)), (300, 150)),
    "jfif": (encoded(NOISE, dpi=(300, 150)), (300, 150)),
    "jpeg with exif": (without_a_density(encoded(NOISE, exif=exif_with(300, 300, 2))), (300, 300)),
    "jpeg with exif in centimetres": (
        without_a_density(encoded(NOISE, exif=exif_with(100, 100, 3))), (254, 254)
    ),
    "jpeg on its side": (encoded(NOISE, dpi=(300, 150), exif=exif_with(300, 150, 2, 6)), (150, 300)),
    "jpeg of photoshop without jfif": (
        with_photoshop_resolution(without_a_density(encoded(NOISE)), 300, 150), (300, 150)
    ),
    "cmyk of photoshop": (with_photoshop_resolution(encoded(NOISE.convert("CMYK")), 300, 150), (300, 150)),
    "jfif that photoshop contradicts": (
        with_photoshop_resolution(encoded(NOISE, dpi=(300, 150)), 72, 72), (300, 150)
    ),
    "tiff": (encoded(NOISE, "TIFF", dpi=(300, 150)), (300, 150)),
    "tiff in centimetres": (
        encoded(NOISE, "TIFF", resolution_unit="cm", x_resolution=100, y_resolution=50), (254, 127)
    ),
    "tiff of 16 bits": (encoded(Image.new("I;16", SIZE), "TIFF", dpi=(300, 150)), (300, 150)),
    "bmp": (encoded(NOISE, "BMP", dpi=(300, 150)), (300, 150)),
    "webp": (encoded(NOISE, "WEBP", exif=exif_with(300, 150, 2)), (300, 150)),
}  # fmt: skip


@pytest.mark.parametrize(("data", "dpi"), FILES.values(), ids=FILES)
def test_the_resolution_is_read(data: bytes, dpi: tuple[float, float]) -> None:
    assert dpi_read(data) == pytest.approx(dpi, abs=0.1)


@pytest.mark.parametrize("format_", ["PNG", "TIFF", "WEBP", "GIF"])
def test_a_file_without_a_resolution_has_none(format_: str) -> None:
    assert dpi_read(encoded(NOISE, format_)) is None


@pytest.mark.parametrize(
    "found", [None, (), (0, 0), (-1, 5), (float("nan"), 1), (float("inf"), 1), (1e9, 1), (72,), "ab", 5]
)
def test_an_implausible_resolution_is_none(found: Any) -> None:
    assert plausible_dpi(found) is None


EXIF = b"MM\0*\0\0\0\x08\0\1\x01\x0f\0\2\0\0\0\4Loup\0\0\0\0"


@pytest.mark.parametrize("exif", [None, EXIF])
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF", "JXL"])
def test_a_result_has_no_resolution_if_its_original_has_none(format_: Any, exif: bytes | None) -> None:
    pixels = np.asarray(NOISE)
    header = Picture(pixels=pixels, source_format="PNG").header(SIZE)
    writer = open_writer(format_, replace(header, exif=exif))
    writer.write(pixels)

    found = decode(writer.finish(), MANY).header

    assert found["dpi"] is None
    assert bool(found["exif_bytes"]) == bool(exif)


@pytest.mark.parametrize("exif", [None, EXIF])
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_a_result_has_the_resolution_of_its_original(format_: Any, exif: bytes | None) -> None:
    pixels = np.asarray(NOISE)
    header = Picture(pixels=pixels, source_format="PNG", dpi=(300, 150.5)).header(SIZE)
    writer = open_writer(format_, replace(header, exif=exif))
    writer.write(pixels)

    data = writer.finish()

    assert dpi_read(data) == pytest.approx((300, 150.5), abs=0.51)
    assert opened(data).size == SIZE
    if exif:
        assert opened(data).getexif()[0x010F] == "Loup"


def test_a_resolution_that_does_not_make_sense_spoils_no_picture() -> None:
    out = io.BytesIO()
    NOISE.save(out, "TIFF", dpi=(300, 300))
    data = bytearray(out.getvalue())
    data[data.index(b"\x1a\x01\5\0") + 8] ^= 0xFF

    assert decode(bytes(data), MANY).header["width"] == SIZE[0]

"""A BigTIFF keeps its resolution and its metadata, in either byte order and with 8 and 16 bits."""

import random
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imagefile.tiff_metadata import to_classic
from inference.decoding.decoders import decode
from tests.inference.tiff_files import BYTE, DOUBLE, LONG8, RGB, SHORT, Kind, a_tiff

LENS, EXIF, GPS = 0xA434, 0x8769, 0x8825
SIZE = (11, 19, 3)


def a_big_tiff(order: str, bits: int = 8, *, exif_at: int | None = None, orientation: int = 1) -> bytes:
    """Return a file with a resolution, an artist and the name of a lens."""
    samples = np.zeros(SIZE, np.uint8 if bits == 8 else np.uint16)
    tags: dict[int, tuple[int, tuple[Any, ...]]] = {
        282: (DOUBLE, (300.0,)),
        283: (DOUBLE, (150.0,)),
        296: (SHORT, (2,)),
        315: (BYTE, tuple(b"Jane of Loupe")),
        EXIF: (LONG8, (0,)),
    }
    kind = Kind(
        photometric=RGB, bits=bits, order=order, is_big=True, orientation=orientation, other_tags=tags
    )
    start = len(a_tiff(samples, kind))
    tags[EXIF] = (LONG8, (start if exif_at is None else exif_at,))
    lens = struct.pack(f"{order}QHHQ8sQ", 1, LENS, 2, 8, b"Lens 50\0", 0)
    return a_tiff(samples, kind) + lens


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("orientation", "dpi"), [(1, [300, 150]), (3, [300, 150]), (6, [150, 300])])
def test_a_big_tiff_keeps_resolution_and_metadata(
    order: str, bits: int, orientation: int, dpi: list[int]
) -> None:
    decoded = decode(a_big_tiff(order, bits, orientation=orientation), 1000)

    exif = Image.Exif()
    exif.load([*decoded.parts][-1])
    assert decoded.header["dpi"] == dpi
    assert exif[315] == "Jane of Loupe"
    assert exif.get_ifd(EXIF)[LENS] == "Lens 50"


@pytest.mark.parametrize("exif_at", [0, 8, 16, 2**40, 2**63])
@pytest.mark.parametrize("order", "<>")
def test_a_directory_that_leads_nowhere_spoils_no_picture(order: str, exif_at: int) -> None:
    header = decode(a_big_tiff(order, exif_at=exif_at), 1000).header

    assert (header["width"], header["dpi"]) == (SIZE[1], [300, 150])


def test_damaged_directories_cause_no_error() -> None:
    rng, whole = random.Random(3), a_big_tiff(">")

    for _ in range(500):
        data = bytearray(whole)
        data[rng.randrange(8, len(data))] = rng.randrange(256)
        assert len(to_classic(bytes(data))) < 4 << 20


def test_other_tiffs_stay_as_they_are() -> None:
    data = a_tiff(np.zeros(SIZE, np.uint8), Kind(photometric=RGB))

    assert to_classic(data) is data

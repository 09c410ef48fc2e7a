"""A thumbnail or a mask ahead of the picture in a TIFF is not the picture."""

import io
import struct
from dataclasses import replace

import numpy as np
import pytest
import pyvips
from PIL import Image

from imagefile.tiff_pages import select_picture
from tests.inference.test_golden_tiff_table import assert_right, decoded, some_samples, truth
from tests.inference.tiff_files import BLACK_IS_ZERO, CMYK, LONG, MASK, RGB, SHORT, Kind, a_tiff

REDUCED = Kind(photometric=RGB, other_tags={254: (LONG, (1,))})
OTHERS = {
    "a reduced image": REDUCED,
    "a reduced page": replace(REDUCED, other_tags={254: (LONG, (3,))}),
    "a reduced image by the old tag": replace(REDUCED, other_tags={255: (SHORT, (2,))}),
    "a mask": Kind(bits=1, photometric=BLACK_IS_ZERO, other_tags={254: (LONG, (4,))}),
    "a mask by its photometric interpretation": Kind(bits=1, photometric=MASK),
}
SMALL = np.ones((5, 4, 3), np.uint8)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("is_big", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("first", OTHERS)
def test_the_first_picture_of_full_resolution_is_taken(
    first: str, bits: int, order: str, *, is_big: bool
) -> None:
    other = replace(OTHERS[first], order=order, is_big=is_big)
    kind = Kind(bits=bits, photometric=RGB, order=order, is_big=is_big)
    samples = some_samples(kind)
    channels = 3 if other.photometric == RGB else 1

    data = a_tiff(SMALL[:, :, :channels], other, next_samples=(samples, kind))

    assert_right(data, samples, kind)


def test_a_full_picture_ahead_of_its_thumbnail_stays_the_picture() -> None:
    kind = Kind(photometric=RGB)
    samples = some_samples(kind)

    data = a_tiff(samples, kind, next_samples=(SMALL, REDUCED))

    assert select_picture(data) == data
    assert_right(data, samples, kind)


def test_a_thumbnail_alone_is_the_picture() -> None:
    assert_right(a_tiff(some_samples(REDUCED), REDUCED), some_samples(REDUCED), REDUCED)


def test_the_picture_may_lie_below_the_thumbnail() -> None:
    """The tag SubIFDs names the directory of the picture."""
    kind = Kind(photometric=RGB)
    samples = some_samples(kind)
    data = bytearray(a_tiff(SMALL, REDUCED, next_samples=(samples, kind)))
    first = struct.unpack_from("<I", data, 4)[0]
    entries = struct.unpack_from("<H", data, first)[0]
    below = struct.unpack_from("<I", data, first + 2 + 12 * entries)[0]
    struct.pack_into("<I", data, first + 2 + 12 * entries, 0)
    last = first + 2 + 12 * (entries - 1)
    struct.pack_into("<HHII", data, last, 330, LONG, 1, below)  # in place of the sample format

    assert_right(bytes(data), samples, kind)


def test_directories_that_lead_back_end_the_search() -> None:
    data = bytearray(a_tiff(SMALL, REDUCED, next_samples=(SMALL, REDUCED)))
    first = struct.unpack_from("<I", data, 4)[0]
    struct.pack_into("<I", data, len(data) - 4, first)

    assert select_picture(bytes(data)) == bytes(data)


@pytest.mark.parametrize("end", [0, 4, 8, 20, 200])
def test_a_file_that_is_cut_off_stays_as_it_is(end: int) -> None:
    data = a_tiff(SMALL, REDUCED, next_samples=(SMALL, REDUCED))[:end]

    assert select_picture(data) == data


@pytest.mark.parametrize("planes", [1, 2])
@pytest.mark.parametrize("extra", [(), (0,)])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_cmyk_without_a_profile_has_the_same_colours_in_8_and_in_16_bits(
    planes: int, extra: tuple[int, ...], tile: tuple[int, int] | None
) -> None:
    few = Kind(photometric=CMYK, planes=planes, extra=extra, tile=tile)
    many = replace(few, bits=16)
    samples = some_samples(few)

    _, of_8_bits, _ = decoded(a_tiff(samples, few))
    _, of_16_bits, _ = decoded(a_tiff(samples.astype(np.uint16) * 257, many))

    assert np.abs(of_8_bits - of_16_bits).max() * 255 < 1.01
    assert np.abs(of_16_bits - truth(samples, few)[0]).max() * 255 < 0.01


def test_cmyk_with_a_profile_has_the_same_colours_in_8_and_in_16_bits() -> None:
    profile: bytes = pyvips.Image.profile_load("cmyk")
    steps = np.arange(0, 256, 51, dtype=np.uint8)
    samples = np.stack(np.meshgrid(steps, steps, steps, steps), axis=-1).reshape(36, 36, 4)

    found = []
    for bits in (8, 16):
        stored = samples if bits == 8 else samples.astype(np.uint16) * 257
        kind = Kind(bits=bits, photometric=CMYK, icc=profile)
        found.append(decoded(a_tiff(stored, kind))[1])

    assert np.abs(found[0] - found[1]).max() * 255 < 3


def test_a_damaged_profile_of_cmyk_counts_as_none() -> None:
    kind = Kind(bits=16, photometric=CMYK, icc=b"nonsense" * 20)
    samples = some_samples(kind)

    assert_right(a_tiff(samples, kind), samples, kind)


def test_pillow_writes_jpeg_of_cmyk_that_is_read() -> None:
    samples, out = some_samples(Kind(photometric=CMYK)) // 64 * 64, io.BytesIO()
    samples[:] = samples[:1, :1]
    Image.fromarray(samples, "CMYK").save(out, "TIFF", compression="jpeg", quality=98)

    assert_right(out.getvalue(), samples, Kind(photometric=CMYK), 3)

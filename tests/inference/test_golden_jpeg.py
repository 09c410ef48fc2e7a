"""Every kind of JPEG keeps its colours. Files are written by libvips and Pillow."""

import io
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image

from common import errors
from images.formats.sniff import sniff
from inference.decoding.pool import Decoder
from inference.errors import Undecodable
from inference.picture import Pixels
from tests.images.decoded_size import decoded_size
from tests.inference.golden import psnr, read, repeated, slopes, upscaled
from tests.inference.pictures import decode_still
from tests.jpeg_files import Level, Plane, a_jpeg, segment

SIZE = (61, 43)


@pytest.fixture(scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


def by_libvips(samples: Pixels, **options: Any) -> bytes:
    flat = samples[:, :, 0] if samples.shape[2] == 1 else samples
    return pyvips.Image.new_from_array(flat).jpegsave_buffer(Q=97, **options)


def a_cmyk_jpeg(samples: Pixels, adobe_transform: int | None) -> bytes:
    """Return a JPEG that stores four planes as they are.

    Pillow writes CMYK inverted, as Adobe does, and adds an APP14 segment. Its last byte is the transform:
    0 for CMYK, 2 for YCCK. With None the segment is removed.
    """
    out = io.BytesIO()
    Image.fromarray(255 - samples, "CMYK").save(out, "JPEG", quality=97, subsampling=0)
    data = out.getvalue()
    segment = data.index(b"\xff\xee\x00\x0eAdobe")
    if adobe_transform is None:
        return data[:segment] + data[segment + 16 :]
    return data[: segment + 15] + bytes((adobe_transform,)) + data[segment + 16 :]


def cmyk_to_rgb(cmyk: Pixels) -> Pixels:
    """Return CMYK as RGB, by Pillow's formula."""
    light = (255 - cmyk[:, :, :3].astype(float)) * (255 - cmyk[:, :, 3:].astype(float)) / 255
    return np.rint(light).astype(np.uint8)


def ycbcr(rgb: Pixels) -> Pixels:
    """Return luma and chroma (ITU-T T.871)."""
    matrix = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    return np.rint((rgb @ matrix.T + [0, 128, 128]).clip(0, 255)).astype(np.uint8)


def some_cmyk() -> Pixels:
    return np.concatenate([slopes(*SIZE, 3), slopes(*SIZE, 1) // 3], axis=2)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("options", [{}, {"interlace": True}, {"optimize_coding": True}])
@pytest.mark.parametrize("subsample", ["on", "off"])
@pytest.mark.parametrize("factor", [2, 3, 4])
async def test_grey_and_colour_are_kept(
    decoder: Decoder, channels: int, options: dict[str, Any], subsample: str, factor: int
) -> None:
    samples = slopes(*SIZE, channels)
    data = by_libvips(samples, subsample_mode=subsample, **options)

    result = read(await upscaled(decoder, data, "JPEG", factor))

    assert psnr(result, repeated(samples, factor)) > 40


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", "4:1:1"])
@pytest.mark.parametrize("size", [(1, 1), (1, 17), (16, 1), (17, 9)])
async def test_a_jpeg_may_have_any_size(decoder: Decoder, subsampling: str, size: tuple[int, int]) -> None:
    """At most sizes the last blocks are not full."""
    samples = slopes(*size, 3)
    out = io.BytesIO()
    Image.fromarray(samples).save(out, "JPEG", quality=97, subsampling=subsampling)

    result = read(await upscaled(decoder, out.getvalue(), "PNG"))

    assert psnr(result, repeated(samples)) > 32


async def test_rgb_that_was_not_transformed_is_read_as_rgb(decoder: Decoder) -> None:
    samples = slopes(*SIZE, 3)
    out = io.BytesIO()
    Image.fromarray(samples).save(out, "JPEG", quality=97, keep_rgb=True)

    result = read(await upscaled(decoder, out.getvalue(), "JPEG"))

    assert psnr(result, repeated(samples)) > 40


@pytest.mark.parametrize("transform", [0, None])
async def test_cmyk_is_read_inverted_as_adobe_writes_it(decoder: Decoder, transform: int | None) -> None:
    """Browsers read it so with and without Adobe's segment."""
    samples = some_cmyk()

    result = read(await upscaled(decoder, a_cmyk_jpeg(255 - samples, transform), "JPEG"))

    assert psnr(result, repeated(cmyk_to_rgb(samples))) > 36


async def test_cmyk_stored_as_luma_and_chroma_is_converted(decoder: Decoder) -> None:
    """Photoshop writes YCCK: C, M and Y are transformed like RGB, and K is inverted."""
    samples = some_cmyk()
    planes = np.concatenate([ycbcr(samples[:, :, :3]), 255 - samples[:, :, 3:]], axis=2)

    result = read(await upscaled(decoder, a_cmyk_jpeg(planes, 2), "JPEG"))

    assert psnr(result, repeated(cmyk_to_rgb(samples))) > 36


WIDE = (96, 80)
CORNERS = [[(200, 60, 40), (30, 160, 220)], [(90, 220, 70), (240, 230, 20)]]
"""The colours of the four quarters of a picture."""


def quarters(change: Callable[[Pixels], Pixels], size: tuple[int, int] = WIDE) -> list[Level]:
    """Return the level of each channel by place. The colours are changed first."""
    changed = [[change(np.array([[colour]], np.uint8))[0, 0] for colour in row] for row in CORNERS]

    def level(index: int) -> Level:
        return lambda x, y: float(changed[y >= size[1] / 2][x >= size[0] / 2][index])

    return [level(index) for index in range(len(changed[0][0]))]


def as_it_is(colours: Pixels) -> Pixels:
    return colours


def ink(colours: Pixels) -> Pixels:
    """Return the colours as Adobe stores inks, with full black, which is white."""
    return np.concatenate([colours, np.full((1, 1, 1), 255, np.uint8)], axis=2)


def ycck(colours: Pixels) -> Pixels:
    return ink(ycbcr(255 - colours))


ADOBE = {transform: segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform])) for transform in (0, 1, 2)}
JFIF = segment(0xE0, b"JFIF\0\1\2\0\0\1\0\1\0\0")
MEANINGS: dict[str, tuple[Callable[[Pixels], Pixels], bytes, bytes]] = {
    "numbers alone": (ycbcr, b"\1\2\3", b""),
    "numbers from 0": (ycbcr, b"\0\1\2", b""),
    "unusual numbers": (ycbcr, b'"#$', b""),
    "R, G and B": (as_it_is, b"RGB", b""),
    "R, G and B in JFIF": (ycbcr, b"RGB", JFIF),
    "Adobe, 0": (as_it_is, b"\1\2\3", ADOBE[0]),
    "Adobe, 1": (ycbcr, b"\1\2\3", ADOBE[1]),
    "JFIF and Adobe, 0": (ycbcr, b"\1\2\3", JFIF + ADOBE[0]),
    "inks by their letters": (ink, b"CMYK", b""),
    "Adobe's inks, 0": (ink, b"\1\2\3\4", ADOBE[0]),
    "Adobe's inks, 2": (ycck, b"\1\2\3\4", ADOBE[2]),
}


def assert_corners(pixels: Pixels) -> None:
    height, width = pixels.shape[:2]
    found = [[pixels[y, x] for x in (10, width - 11)] for y in (10, height - 11)]
    assert np.abs(np.array(found, int) - CORNERS).max() <= 8


@pytest.mark.parametrize("name", MEANINGS)
async def test_segments_and_numbers_say_what_the_components_mean(decoder: Decoder, name: str) -> None:
    """Libjpeg and browsers judge in this order: JFIF, Adobe's segment, the components' numbers."""
    change, numbers, before = MEANINGS[name]
    planes = [Plane(level) for level in quarters(change)]

    picture = await decode_still(decoder, a_jpeg(WIDE, planes, numbers=numbers, before=before))

    assert_corners(picture.pixels)


SAMPLINGS = [
    ((2, 2), (1, 1), (1, 1)), ((1, 2), (1, 1), (1, 1)), ((4, 1), (1, 1), (1, 1)), ((1, 4), (1, 1), (1, 1)),
    ((4, 2), (1, 1), (1, 1)), ((3, 1), (1, 1), (1, 1)), ((2, 2), (2, 1), (1, 2)), ((1, 1), (2, 2), (2, 2)),
    ((2, 1), (1, 2), (1, 1)), ((2, 2), (2, 2), (1, 1)), ((3, 2), (1, 1), (1, 2)), ((2, 1), (2, 1), (2, 1)),
]  # fmt: skip


@pytest.mark.parametrize("scans", [(), ([0], [1], [2]), ([0], [1, 2])])
@pytest.mark.parametrize("restart_interval", [0, 3])
def test_any_sampling_in_any_scans_is_read(scans: Sequence[Sequence[int]], restart_interval: int) -> None:
    for factors in SAMPLINGS:
        for size in (WIDE, (93, 75)):
            levels = quarters(ycbcr, size)
            planes = [Plane(level, *each) for level, each in zip(levels, factors, strict=True)]

            data = a_jpeg(size, planes, before=JFIF, scans=scans, restart_interval=restart_interval)

            assert decoded_size(data) == size
            assert_corners(np.asarray(Image.open(io.BytesIO(data))))
            assert not can_be_read(data[: len(data) * 4 // 5] + b"\xff\xd9")


@pytest.mark.parametrize("factors", [(2, 2), (2, 1), (4, 2), (1, 3)])
@pytest.mark.parametrize("restart_interval", [0, 5])
def test_the_factors_of_a_single_component_mean_nothing(
    factors: tuple[int, int], restart_interval: int
) -> None:
    [level, *_] = quarters(ycbcr)

    data = a_jpeg(WIDE, [Plane(level, *factors)], restart_interval=restart_interval)

    assert decoded_size(data) == WIDE
    assert not can_be_read(data[: len(data) * 4 // 5] + b"\xff\xd9")


def can_be_read(data: bytes) -> bool:
    try:
        sniff(data, largest_pixels=1_000_000)
    except errors.InvalidArgument:
        return False
    return True


@pytest.mark.parametrize("frame", [0xC3, 0xC5, 0xC7, 0xCB])
async def test_kinds_that_no_reader_supports_are_refused(decoder: Decoder, frame: int) -> None:
    """Lossless, hierarchical and arithmetic JPEGs, by their frame header (ITU-T T.81, B.1)."""
    data = by_libvips(slopes(*SIZE, 3)).replace(b"\xff\xc0", bytes((0xFF, frame)))

    with pytest.raises(Undecodable):
        await decoder.decode(data)


async def test_twelve_bits_are_refused(decoder: Decoder) -> None:
    data = by_libvips(slopes(*SIZE, 3)).replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc1\x00\x11\x0c")

    with pytest.raises(Undecodable):
        await decoder.decode(data)

"""Every kind of BMP is upscaled exactly. Libraries write only a few kinds, so the tests write the bytes."""

import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest

from common import errors
from images.formats.sniff import BROKEN, sniff
from inference.decoding.pool import Decoder
from inference.picture import Pixels
from tests.inference.golden import assert_upscaled, noise, upscaled

SIZES = [(1, 1), (2, 9), (7, 5), (8, 3), (33, 17)]
SIZE = (33, 17)
PLAIN, RLE8, RLE4, BITFIELDS = 0, 1, 2, 3


@pytest.fixture(scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


def a_bmp(
    size: tuple[int, int],
    bits: int,
    pixels: bytes,
    *,
    compression: int = PLAIN,
    palette: Pixels | None = None,
    masks: tuple[int, ...] = (),
    is_top_down: bool = False,
) -> bytes:
    """Return a file with BITMAPINFOHEADER (Windows 3), or with BITMAPV4HEADER for four masks."""
    table = b"" if palette is None else b"".join(bytes((*entry[::-1].tolist(), 0)) for entry in palette)
    header_size = 108 if len(masks) == 4 else 40
    behind = struct.pack(f"<{len(masks)}I", *masks)
    offset = 14 + max(header_size, 40 + len(behind)) + len(table)
    height = -size[1] if is_top_down else size[1]
    colours = 0 if palette is None else len(palette)
    fields = (header_size, size[0], height, 1, bits, compression, len(pixels), 2835, 2835, colours, 0)
    header = (struct.pack("<IiiHHIIiiII", *fields) + behind).ljust(header_size, b"\0")
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + header + table + pixels


def rows_of(samples: Pixels, *, is_top_down: bool = False) -> bytes:
    """Return rows from the bottom up, each padded to a multiple of four bytes."""
    rows = [row.tobytes() for row in (samples if is_top_down else samples[::-1])]
    return b"".join(row + bytes(-len(row) % 4) for row in rows)


def packed(indices: Pixels, bits: int) -> Pixels:
    """Pack several indices into each byte, the first in the highest bits."""
    planes = np.unpackbits(indices[:, :, np.newaxis].astype(np.uint8), axis=2)[:, :, 8 - bits :]
    return np.packbits(planes.reshape(len(indices), -1), axis=1)


def a_palette(count: int) -> Pixels:
    return np.random.default_rng(count).integers(0, 256, (count, 3), np.uint8)


def some_indices(count: int, size: tuple[int, int] = SIZE) -> Pixels:
    """Return indices in runs of 1 to 5."""
    rng = np.random.default_rng(count)
    flat = np.repeat(rng.integers(0, count, size[0] * size[1]), rng.integers(1, 6, size[0] * size[1]))
    return flat[: size[0] * size[1]].reshape(size[1], size[0]).astype(np.uint8)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("bits", [1, 4, 8])
async def test_a_palette_becomes_its_colours(decoder: Decoder, bits: int, size: tuple[int, int]) -> None:
    palette, indices = a_palette(2**bits), some_indices(2**bits, size)

    data = a_bmp(size, bits, rows_of(packed(indices, bits)), palette=palette)
    result = await upscaled(decoder, data, "PNG")

    assert_upscaled(result, palette[indices])


async def test_a_palette_of_greys_becomes_grey(decoder: Decoder) -> None:
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(256, 3)
    indices = some_indices(256)

    result = await upscaled(decoder, a_bmp(SIZE, 8, rows_of(indices), palette=levels), "PNG")

    assert_upscaled(result, indices[:, :, np.newaxis])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("is_top_down", [False, True])
async def test_24_bits_are_read_from_the_bottom_or_the_top(
    decoder: Decoder, size: tuple[int, int], is_top_down: bool
) -> None:
    samples = noise(*size, 3)

    pixels = rows_of(samples[:, :, ::-1], is_top_down=is_top_down)
    result = await upscaled(decoder, a_bmp(size, 24, pixels, is_top_down=is_top_down), "PNG")

    assert_upscaled(result, samples)


async def test_32_bits_without_masks_have_no_alpha(decoder: Decoder) -> None:
    samples = noise(*SIZE, 3)
    unused = np.zeros((*samples.shape[:2], 1), np.uint8)

    pixels = rows_of(np.concatenate([samples[:, :, ::-1], unused], axis=2))
    result = await upscaled(decoder, a_bmp(SIZE, 32, pixels), "PNG")

    assert_upscaled(result, samples)


@pytest.mark.parametrize(
    ("masks", "order"),
    [((0xFF0000, 0xFF00, 0xFF, 0xFF000000), (2, 1, 0, 3)), ((0xFF, 0xFF00, 0xFF0000, 0xFF000000), range(4))],
)
async def test_32_bits_with_a_mask_for_alpha_keep_alpha(
    decoder: Decoder, masks: tuple[int, ...], order: tuple[int, ...]
) -> None:
    samples = noise(*SIZE, 4)

    pixels = rows_of(samples[:, :, list(order)])
    result = await upscaled(decoder, a_bmp(SIZE, 32, pixels, compression=BITFIELDS, masks=masks), "PNG")

    assert_upscaled(result, samples)


@pytest.mark.parametrize(
    ("masks", "depths"),
    [((), (5, 5, 5)), ((0x7C00, 0x3E0, 0x1F), (5, 5, 5)), ((0xF800, 0x7E0, 0x1F), (5, 6, 5))],
)
async def test_channels_of_5_and_6_bits_fill_the_range_of_8(
    decoder: Decoder, masks: tuple[int, ...], depths: tuple[int, ...]
) -> None:
    levels = [noise(*SIZE, 1)[:, :, 0].astype(np.uint16) % 2**depth for depth in depths]
    words = levels[0] << (depths[1] + depths[2]) | levels[1] << depths[2] | levels[2]

    data = a_bmp(
        SIZE, 16, rows_of(words.astype("<u2")), compression=BITFIELDS if masks else PLAIN, masks=masks
    )
    result = await upscaled(decoder, data, "PNG")

    spread = [level * 255 // (2**depth - 1) for level, depth in zip(levels, depths, strict=True)]
    assert_upscaled(result, np.stack(spread, axis=2).astype(np.uint8))


def runs(row: Pixels, bits: int) -> bytes:
    """Return a row in pairs of a count and a colour. A colour of 4 bits is written twice."""
    out, start = b"", 0
    for end in range(1, len(row) + 1):
        if end == len(row) or row[end] != row[start]:
            colour = int(row[start]) * (17 if bits == 4 else 1)
            out += bytes((end - start, colour))
            start = end
    return out + b"\0\0"


def unencoded(row: Pixels, bits: int) -> bytes:
    """Return a row as one run of single colours, padded to a multiple of two bytes."""
    body = packed(row[np.newaxis], bits).tobytes()
    return bytes((0, len(row))) + body + bytes(len(body) % 2) + b"\0\0"


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("encode", [runs, unencoded])
async def test_run_lengths_are_decoded(
    decoder: Decoder, bits: int, encode: Callable[[Pixels, int], bytes]
) -> None:
    palette, indices = a_palette(2**bits), some_indices(2**bits)

    pixels = b"".join(encode(row, bits) for row in indices[::-1]) + b"\0\1"
    data = a_bmp(SIZE, bits, pixels, compression=RLE8 if bits == 8 else RLE4, palette=palette)
    result = await upscaled(decoder, data, "PNG")

    assert_upscaled(result, palette[indices])


END_OF_ROW, END = b"\0\0", b"\0\1"
RUNS: dict[str, tuple[list[Any], list[list[int]]]] = {
    "a skip within a row": ([(3, 5), b"\0\2\2\0", (3, 7)], [[5, 5, 5, 0, 0, 7, 7, 7]]),
    "a skip of a row": ([(3, 5), b"\0\2\2\1", (3, 7)], [[5, 5, 5], [0, 0, 0, 0, 0, 7, 7, 7]]),
    "an empty row": ([(8, 5), END_OF_ROW, END_OF_ROW, (8, 6)], [[5] * 8, [], [6] * 8]),
    "a short row": ([(2, 5), END_OF_ROW, (8, 6)], [[5, 5], [6] * 8]),
    "a long row": ([(12, 5), END_OF_ROW, (8, 6)], [[5] * 8, [6] * 8]),
    "a skip beyond the end": ([(8, 5), b"\0\2\x09\x09"], [[5] * 8]),
    "pixels with their own colours": ([[1, 2, 3], (5, 4)], [[1, 2, 3, 4, 4, 4, 4, 4]]),
    "more of them than the row has": ([[1, 2, 3], [1, 2, 3, 4, 5, 6, 7]], [[1, 2, 3, 1, 2, 3, 4, 5]]),
}
"""Runs of a picture of 8 x 4 pixels, and the rows that they fill, from the bottom up."""


def stored_runs(parts: list[Any], bits: int) -> bytes:
    """Return runs: counts with a colour, lists of colours, or bytes that are no pixels."""
    out = b""
    for part in parts:
        if isinstance(part, bytes):
            out += part
        elif isinstance(part, list):
            out += unencoded(np.array(part, np.uint8), bits)[:-2]
        else:
            out += bytes((part[0], part[1] * (17 if bits == 4 else 1)))
    return out + END


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("bits", [4, 8])
async def test_runs_may_skip_pixels_and_rows_and_end_early(decoder: Decoder, name: str, bits: int) -> None:
    parts, rows = RUNS[name]
    indices = np.zeros((4, 8), np.uint8)
    for row, levels in zip(indices[::-1], rows, strict=False):
        row[: len(levels)] = levels

    stored, compression = stored_runs(parts, bits), RLE8 if bits == 8 else RLE4
    data = a_bmp((8, 4), bits, stored, compression=compression, palette=a_palette(2**bits))
    result = await upscaled(decoder, data, "PNG")

    assert_upscaled(result, a_palette(2**bits)[indices])


async def test_runs_need_no_end_mark_behind_the_last_pixel(decoder: Decoder) -> None:
    data = a_bmp((8, 2), 8, bytes((8, 5, 0, 0, 8, 6)), compression=RLE8, palette=a_palette(256))

    result = await upscaled(decoder, data, "PNG")

    assert_upscaled(result, a_palette(256)[np.array([[6] * 8, [5] * 8])])


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_runs_that_end_before_the_picture_are_refused(share: float) -> None:
    stored = b"".join(runs(row, 8) for row in some_indices(256))
    data = a_bmp(SIZE, 8, stored[: int(len(stored) * share)], compression=RLE8, palette=a_palette(256))

    with pytest.raises(errors.InvalidArgument) as caught:
        sniff(data, largest_pixels=1_000_000)

    assert caught.value.fields["image"] == [BROKEN]


@pytest.mark.parametrize("bits", [8, 24])
async def test_the_last_row_need_not_be_filled_up(decoder: Decoder, bits: int) -> None:
    samples = noise(*SIZE, bits // 8)
    pixels = rows_of(samples[:, :, ::-1] if bits == 24 else samples[:, :, 0])
    palette = np.arange(256, dtype=np.uint8).repeat(3).reshape(256, 3) if bits == 8 else None
    data = a_bmp(SIZE, bits, pixels, palette=palette)

    result = await upscaled(decoder, data[: len(data) - -SIZE[0] * (bits // 8) % 4], "PNG")

    assert_upscaled(result, samples)


async def test_the_header_of_os2_is_read(decoder: Decoder) -> None:
    palette, indices = a_palette(16), some_indices(16)
    table = palette[:, ::-1].tobytes()
    pixels = rows_of(packed(indices, 4))
    header = struct.pack("<IHHIIHHHH", 26 + len(table) + len(pixels), 0, 0, 26 + len(table), 12, *SIZE, 1, 4)

    result = await upscaled(decoder, b"BM" + header + table + pixels, "PNG")

    assert_upscaled(result, palette[indices])

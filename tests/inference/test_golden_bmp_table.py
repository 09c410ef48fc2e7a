"""BMPs of every header, of odd bit masks, palettes and profiles are right, or refused by their names.

The colours are computed, not read by a library.
"""

import struct
from collections.abc import AsyncIterator

import numpy as np
import pytest
from PIL import ImageCms

from common import errors
from images.formats.sniff import sniff
from inference.decoding.decoders import decode
from inference.decoding.pool import Decoder
from inference.picture import Pixels
from tests.inference.golden import assert_upscaled, noise, upscaled
from tests.inference.pictures import decode_still
from tests.inference.test_golden_bmp import SIZE, a_palette, packed, rows_of, some_indices

MASKS = {
    "4-4-4-4": (16, (0xF00, 0xF0, 0xF, 0xF000)),
    "4-4-4": (16, (0xF00, 0xF0, 0xF, 0)),
    "5-5-5-1": (16, (0x7C00, 0x3E0, 0x1F, 0x8000)),
    "5-6-5 in reverse": (16, (0x1F, 0x7E0, 0xF800, 0)),
    "3-3-2": (16, (0xE0, 0x1C, 0x3, 0)),
    "1-7-8": (16, (0x8000, 0x7F00, 0xFF, 0)),
    "10-10-10": (32, (0x3FF00000, 0xFFC00, 0x3FF, 0)),
    "10-10-10-2": (32, (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000)),
    "11-11-10": (32, (0xFFE00000, 0x1FFC00, 0x3FF, 0)),
    "8-8-8 in the high bits": (32, (0xFF000000, 0xFF0000, 0xFF00, 0)),
    "8-8-8-8 in reverse": (32, (0xFF000000, 0xFF0000, 0xFF00, 0xFF)),
    "16-8-8": (32, (0xFFFF0000, 0xFF00, 0xFF, 0)),
    "no blue": (16, (0xFF00, 0xFF, 0, 0)),
}


@pytest.fixture(scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


def a_bmp(  # noqa: PLR0913  the fields of a header
    bits: int, pixels: bytes, *, header: int = 40, compression: int = 0, masks: tuple[int, ...] = (),
    table: bytes = b"", colours: int = 0, height: int = SIZE[1], tail: bytes = b"", behind: bytes = b"",
) -> bytes:  # fmt: skip
    """Return a file. Masks stand within a header of more than 40 bytes, and behind any other."""
    stored = struct.pack(f"<{len(masks)}I", *masks) + tail
    fields = struct.pack(
        "<IiiHHIIiiII", header, SIZE[0], height, 1, bits, compression, len(pixels), 3780, 3780, colours, 0
    )
    fields = fields[:header] + stored if header <= 40 else (fields + stored).ljust(header, b"\0")
    offset = 14 + len(fields) + len(table)
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + fields + table + pixels + behind


def level(words: Pixels, mask: int) -> Pixels:
    """Return the bits of a mask, spread from 0 to 255."""
    shift = (mask & -mask).bit_length() - 1 if mask else 0
    most = (mask >> shift) or 1
    return np.rint(((words.astype(np.int64) & mask) >> shift) * 255 / most).astype(np.uint8)


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize(("header", "compression"), [(40, 6), (56, 3), (108, 3), (124, 3)])
@pytest.mark.parametrize("is_top_down", [False, True])
async def test_bit_masks_of_any_kind_are_read(
    decoder: Decoder, name: str, header: int, compression: int, *, is_top_down: bool
) -> None:
    bits, masks = MASKS[name]
    words = np.random.default_rng(5).integers(0, 2**bits, SIZE[::-1], np.uint64).astype(f"<u{bits // 8}")
    pixels = rows_of(words, is_top_down=is_top_down)
    height = -SIZE[1] if is_top_down else SIZE[1]

    data = a_bmp(bits, pixels, header=header, compression=compression, masks=masks, height=height)
    found = decode(data, 1_000_000)

    stored = b"".join(bytes(part) for part in found.parts)
    count = SIZE[0] * SIZE[1]
    colours = np.frombuffer(stored, np.uint8, count * 3).reshape(SIZE[1], SIZE[0], 3)
    wanted = np.stack([level(words, mask) for mask in masks[:3]], axis=2)
    assert np.abs(colours.astype(int) - wanted).max() <= (1 if bits == 16 else 0)
    assert found.header["has_alpha"] == bool(masks[3])
    if masks[3]:
        alpha = np.frombuffer(stored, np.uint8, count, count * 3).reshape(SIZE[1], SIZE[0])
        assert np.array_equal(alpha, level(words, masks[3]))
    assert (await decoder.decode(data)) is not None


@pytest.mark.parametrize("header", [40, 52])
async def test_three_masks_behind_or_in_a_header_are_read(decoder: Decoder, header: int) -> None:
    samples = noise(*SIZE, 3)
    words = (samples.astype(np.uint32) << np.array([0, 10, 20], np.uint32)).sum(axis=2, dtype=np.uint32)

    data = a_bmp(32, rows_of(words), header=header, compression=3, masks=(0xFF, 0x3FC00, 0xFF00000))
    result = await upscaled(decoder, data, "PNG")

    assert_upscaled(result, samples)


@pytest.mark.parametrize("masks", [MASKS["4-4-4-4"], (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000))])
async def test_an_alpha_channel_that_is_zero_everywhere_is_opaque(
    decoder: Decoder, masks: tuple[int, tuple[int, ...]]
) -> None:
    bits, channels = masks
    words = np.full(SIZE[::-1], channels[0], f"<u{bits // 8}")

    data = a_bmp(bits, rows_of(words), header=108, compression=3, masks=channels)
    result = await upscaled(decoder, data, "PNG")

    assert_upscaled(result, np.broadcast_to(np.array([255, 0, 0], np.uint8), (*SIZE[::-1], 3)))


@pytest.mark.parametrize("header", [16, 40, 64, 108, 124])
@pytest.mark.parametrize("bits", [1, 4, 8])
async def test_a_palette_behind_any_header_is_read(decoder: Decoder, header: int, bits: int) -> None:
    palette, indices = a_palette(2**bits), some_indices(2**bits)
    table = b"".join(bytes((*entry[::-1].tolist(), 0)) for entry in palette)

    data = a_bmp(bits, rows_of(packed(indices, bits)), header=header, table=table)
    result = await upscaled(decoder, data, "PNG")

    assert_upscaled(result, palette[indices])


@pytest.mark.parametrize("header", [16, 40, 52, 56, 64, 108, 124])
async def test_24_bits_behind_any_header_are_read(decoder: Decoder, header: int) -> None:
    samples = noise(*SIZE, 3)

    result = await upscaled(decoder, a_bmp(24, rows_of(samples[:, :, ::-1]), header=header), "PNG")

    assert_upscaled(result, samples)


@pytest.mark.parametrize("bits", [1, 4, 8])
@pytest.mark.parametrize("count", [2, 3, 16, 200])
def test_a_short_palette_of_greys_is_no_picture_of_fewer_bits(bits: int, count: int) -> None:
    count = min(count, 2**bits)
    levels = np.array([0, 255], np.uint8) if count == 2 else np.arange(count, dtype=np.uint8)
    indices = some_indices(count)
    table = b"".join(bytes((value, value, value, 0)) for value in levels.tolist())

    data = a_bmp(bits, rows_of(packed(indices, bits)), table=table, colours=count)
    found = decode(data, 1_000_000)

    stored = np.frombuffer(b"".join(bytes(part) for part in found.parts), np.uint8)
    found_levels = stored.reshape(SIZE[1], SIZE[0], -1)
    assert np.array_equal(
        found_levels, np.broadcast_to(levels[indices][:, :, np.newaxis], found_levels.shape)
    )


@pytest.mark.parametrize("is_embedded", [True, False])
async def test_an_embedded_profile_is_passed_on(decoder: Decoder, *, is_embedded: bool) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = rows_of(noise(*SIZE, 3)[:, :, ::-1])
    kind = b"DEBM" if is_embedded else b"BGRs"
    tail = bytes(16) + kind + bytes(48 + 4) + struct.pack("<II", 124 + len(pixels), len(profile))

    data = a_bmp(24, pixels, header=124, tail=tail, behind=profile)
    original = await decode_still(decoder, data)

    assert original.icc == (profile if is_embedded else None)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (a_bmp(16, bytes(4000), compression=6, masks=(0xFF, 0xFF, 0, 0)), "bit masks overlap or have gaps"),
        (a_bmp(16, bytes(4000), compression=6, masks=(5, 0xF0, 0, 0)), "bit masks overlap or have gaps"),
        (a_bmp(16, bytes(4000), compression=6, masks=(1 << 17, 1, 2, 0)), "bit masks overlap or have gaps"),
        (a_bmp(24, bytes(4000), compression=4), "compressed by JPEG"),
        (a_bmp(0, bytes(4000), compression=5), "compressed by PNG"),
        (a_bmp(1, bytes(4000), header=64, compression=3), "compressed by Huffman coding"),
        (a_bmp(24, bytes(4000), header=64, compression=4), "compressed by RLE of 24 bits"),
        (a_bmp(2, bytes(4000)), "of 2 bits a pixel"),
        (a_bmp(64, bytes(9000)), "of 64 bits a pixel"),
        (a_bmp(8, bytes(4000), compression=1, height=-9), "run lengths begin at the top"),
        (a_bmp(24, bytes(4000), header=80), "a header of 80 bytes"),
    ],
)
def test_what_is_not_read_is_refused_by_its_name(data: bytes, name: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        sniff(data, largest_pixels=1_000_000)

    assert name in caught.value.fields["image"][0]

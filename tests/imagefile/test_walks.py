"""Each walk yields the parts of a file, stops at the first part that is cut off, and refuses parser bombs."""

import io
import struct
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, TiffImagePlugin

from imagefile import gif, jpeg, jpeg_scans, png, tiff, tiff_metadata, webp
from imagefile.parser_bombs import ParserBomb
from imagefile.tiff import Tags
from tests.pixels import encoded

SIZE = (24, 16)
NOISE = Image.effect_noise(SIZE, 80).convert("RGB")
EXTENSION = b"\x21\xfe\x01x\0"


def an_animated_gif(frames: int = 3) -> bytes:
    pictures = [Image.effect_noise(SIZE, 10 + index).convert("P") for index in range(frames)]
    return encoded(pictures[0], "GIF", save_all=True, append_images=pictures[1:])


def a_tiff(order: str = "<", *, big: bool = False, **options: Any) -> bytes:
    out = io.BytesIO()
    with tifffile.TiffWriter(out, byteorder=order, bigtiff=big) as writer:  # pyright: ignore[reportArgumentType]
        writer.write(np.ones((16, 24, 3), np.uint16), photometric="rgb", metadata=None, **options)
    return out.getvalue()


def test_the_segments_of_a_jpeg_end_with_its_first_scan() -> None:
    data = encoded(NOISE, progressive=True, exif=b"Exif\0\0" + bytes(20))

    found = list(jpeg.segments(data))

    assert [each.marker for each in found if each.marker in (jpeg.APP1, 0xC2, jpeg.START_OF_SCAN)] == [
        jpeg.APP1, 0xC2, jpeg.START_OF_SCAN
    ]  # fmt: skip
    assert data[found[1].start : found[1].end] == b"Exif\0\0" + bytes(20)
    assert data.count(b"\xff\xda") > 1
    assert found[-1].start == data.index(b"\xff\xda") + 4


def test_bytes_between_the_segments_of_a_jpeg_are_skipped() -> None:
    data = encoded(NOISE)
    with_junk = data[:2] + b"junk\xff\0\xff\xff" + data[2:]

    assert [each.marker for each in jpeg.segments(with_junk)] == [each.marker for each in jpeg.segments(data)]
    assert jpeg_scans.is_complete(with_junk)


def test_the_chunks_of_a_png_end_with_iend_or_before_a_chunk_that_is_cut_off() -> None:
    data = encoded(NOISE, "PNG")

    assert [chunk.kind for chunk in png.chunks(data + data)] == [b"IHDR", b"IDAT", b"IEND"]
    assert [chunk.kind for chunk in png.chunks(data[:-13])] == [b"IHDR"]
    assert b"".join(chunk.whole for chunk in png.chunks(data)) == data[8:]


def test_sound_chunks_end_before_a_damaged_critical_chunk_and_leave_out_other_damaged_ones() -> None:
    data = encoded(NOISE, "PNG", dpi=(300, 300))
    no_resolution, no_pixels = bytearray(data), bytearray(data)
    no_resolution[data.index(b"pHYs") + 5] ^= 1
    no_pixels[data.index(b"IDAT") + 5] ^= 1

    assert [chunk.kind for chunk in png.sound_chunks(bytes(no_resolution))] == [b"IHDR", b"IDAT", b"IEND"]
    assert [chunk.kind for chunk in png.sound_chunks(bytes(no_pixels))] == [b"IHDR", b"pHYs"]


def test_the_blocks_of_a_gif_reach_without_gaps_to_the_trailer() -> None:
    data = an_animated_gif()

    found = list(gif.blocks(data))

    assert [each.end for each in found[:-1]] == [each.start for each in found[1:]]
    assert sum(each.kind == gif.PICTURE for each in found) == gif.summarise(data).frames == 3
    assert data[found[-1].end :] == b";"


@pytest.mark.parametrize("missing", [2, 10, 100])
def test_a_gif_whose_last_picture_is_cut_off_has_no_frames(missing: int) -> None:
    data = an_animated_gif()[:-missing]

    assert [each for each in gif.blocks(data) if each.is_cut_off] == [list(gif.blocks(data))[-1]]
    assert gif.summarise(data).frames == 0


def test_a_gif_whose_last_extension_is_cut_off_keeps_its_frames() -> None:
    data = an_animated_gif()[:-1] + EXTENSION[:-1]

    assert gif.summarise(data).frames == 3


@pytest.mark.parametrize("options", [{}, {"tile": (16, 16)}, {"rowsperstrip": 3, "compression": "zlib"}])
@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
def test_the_tags_of_a_tiff_equal_those_that_pillow_reads(
    order: str, big: bool, options: dict[str, Any]
) -> None:
    data = a_tiff(order, big=big, **options)
    file = io.BytesIO(data)
    by_pillow = TiffImagePlugin.ImageFileDirectory_v2(file.read(16 if big else 8))
    file.seek(by_pillow.next)
    by_pillow.load(file)

    by_loupe = Tags(data)

    for tag in (
        *tiff.STRUCTURE,
        tiff.STRIP_OFFSETS,
        tiff.STRIP_LENGTHS,
        tiff.TILE_OFFSETS,
        tiff.TILE_LENGTHS,
    ):
        expected = by_pillow.get(tag, ())
        assert by_loupe.numbers(tag) == (expected if isinstance(expected, tuple) else (expected,)), tag


def test_a_missing_tag_or_a_text_is_not_a_number() -> None:
    tags = Tags(a_tiff(software="Loupe"))

    assert tags.number(tiff.ORIENTATION, 1) == 1
    assert 305 in tags
    assert not tags.has_integers(305)
    for tag in (tiff.ORIENTATION, 305):
        with pytest.raises(ValueError, match="tag"):
            tags.number(tag)


def test_the_tags_of_a_tiff_end_before_a_value_beyond_its_end() -> None:
    directory = struct.pack("<H", 3)
    for tag, count, value in ((256, 1, 24), (258, 9, 1 << 20), (257, 1, 16)):
        directory += struct.pack("<HHII", tag, tiff.LONG, count, value)

    tags = Tags(b"II*\0\x08\0\0\0" + directory + bytes(4))

    assert tags.number(tiff.WIDTH) == 24
    assert tiff.HEIGHT not in tags


def test_too_many_tags_are_a_parser_bomb() -> None:
    data = b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0" + struct.pack("<Q", tiff.MOST_VALUES + 1)

    with pytest.raises(ParserBomb):
        tiff.walk(data)
    with pytest.raises(ParserBomb):
        Tags(data)


def test_the_chunks_of_a_webp_include_those_of_its_frames() -> None:
    pictures = [Image.effect_noise(SIZE, 10 + index).convert("RGB") for index in range(3)]
    data = encoded(pictures[0], "WEBP", save_all=True, append_images=pictures[1:], lossless=True)

    assert [kind for kind in webp.chunk_kinds(data) if kind in (webp.FRAME, webp.LOSSLESS)] == [
        webp.FRAME, webp.LOSSLESS
    ] * 3  # fmt: skip
    assert not webp.is_lossy(data)


def test_a_tiff_without_exif_is_not_copied() -> None:
    """A copy of the file for each of many small pages would take longer than to decode them."""
    data = a_tiff()

    assert tiff_metadata.without_directories(data) is data

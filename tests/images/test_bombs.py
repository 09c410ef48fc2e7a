"""A file that would cost a parser or a decoder far more than its size explains is refused, and the text names
why.
"""

from dataclasses import replace
from itertools import pairwise

import pytest
from PIL import Image

from imagefile import bmp, bmp_runs, heif, jpeg_pixels, jpeg_scans, tiff
from imagefile.formats import refuse_parser_bomb
from imagefile.parser_bombs import ParserBomb
from images.formats.sniff import sniff
from tests.heif_files import a_grid
from tests.images.bombs import (
    BOMBS,
    LARGEST_BYTES,
    NOISE,
    exif_of_shared_values,
    tiff_of,
    webp_with,
    with_last_scan_repeated,
)
from tests.images.test_sniff import MANY, refusal, sniffed
from tests.pixels import encoded


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_refused_by_a_text_that_names_the_thing_and_the_limit(kind: str) -> None:
    make, problem = BOMBS[kind]
    data = make()

    assert len(data) <= LARGEST_BYTES
    assert refusal(data) == f"The image may not have {problem}."


@pytest.mark.parametrize("kind", [kind for kind in BOMBS if "tiles far larger" not in kind])
def test_a_bomb_is_refused_before_any_other_parser_reads_it(kind: str) -> None:
    with pytest.raises(ParserBomb):
        refuse_parser_bomb(BOMBS[kind][0]())


def test_as_many_scans_as_encoders_write_are_accepted() -> None:
    """A picture of four channels has the most: mozjpeg and jpegtran write up to 64."""
    for mode in ("L", "RGB", "CMYK"):
        data = encoded(NOISE.convert(mode), progressive=True)

        assert sniffed(data) == ("JPEG", *NOISE.size)
        structure = jpeg_scans.read(data)
        assert structure is not None
        assert len(structure.scans) <= 64


def test_the_pixels_of_one_scan_are_read_between_two_looks_at_the_clock() -> None:
    structure = jpeg_scans.read(with_last_scan_repeated(80, Image.new("RGB", (64, 64))))
    assert structure is not None

    pieces = list(pairwise(jpeg_pixels.boundaries(structure)))
    of_several = [(a, b) for a, b in pieces if sum(a < scan.end <= b for scan in structure.scans) > 1]

    assert len(structure.scans) > 80
    assert of_several == []
    assert pieces[-1][1] == structure.last.end


def test_strips_that_share_a_few_bytes_are_accepted() -> None:
    """Some writers store equal tiles once."""
    data = tiff_of([(2000, 100)] * 12, bytes(4000))

    tiff.walk(data)

    assert sniffed(data) == ("TIFF", 24, 12)


def test_strips_of_no_bytes_are_no_bomb() -> None:
    tiff.walk(tiff_of([(5_000_000, 0)] * 1000, bytes(100)))


def test_exif_values_that_are_shared_a_little_are_accepted() -> None:
    assert sniffed(webp_with((b"EXIF", exif_of_shared_values(20, 1000)))) == ("WEBP", *NOISE.size)


def test_the_coded_pixels_of_tiles_are_limited_to_twice_those_of_a_picture() -> None:
    data = encoded(NOISE, "TIFF")

    assert tiff.coded_pixels(tiff.Tags(data)) == 0
    assert tiff.coded_pixels(tiff.Tags(tiff_of([(9, 9)] * 3, b"", tiled=True))) == 3 * 256 * 256


def test_each_tile_of_a_grid_counts_as_often_as_it_is_named() -> None:
    summary = heif.summarise(a_grid(2, 3, (192, 128)))

    assert summary.coded_pixels == 6 * 64 * 64


def test_run_lengths_behind_the_last_pixel_are_not_read() -> None:
    header = replace(bmp.read_header(encoded(Image.new("P", (24, 16)), "BMP")), compression=bmp.RLE8)

    assert bmp_runs.expand(bytes(header.offset) + bytes((24, 7, 0, 0)) * 16 + b"\0", header) == b"\7" * 384


@pytest.mark.parametrize("junk", [b"\7" * 1000, b"\7"])
def test_a_gif_with_some_unknown_bytes_is_accepted(junk: bytes) -> None:
    data = encoded(NOISE.convert("P"), "GIF")

    assert sniff(data[:-1] + junk + b";", largest_pixels=MANY).frames == 1

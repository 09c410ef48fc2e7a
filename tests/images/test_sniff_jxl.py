"""A JPEG XL file is recognised, measured and judged from its header, without decoding it."""

import random
import struct
from typing import Any

import imagecodecs
import numpy as np
import pytest

from common import errors
from images.formats.sniff import BROKEN, Header, sniff
from images.uploads.output import Output
from tests.heif_files import box
from tests.inference.golden import noise, slopes
from tests.jxl_files import BLACK, SIGNATURE, contained, jxl

MANY = 50_000_000
SAMPLES = slopes(61, 43, 3)
PICTURE = jxl(SAMPLES)
MANY_CHANNELS = b"\xff\x0a" + (1 | 1 << 6 | 0x3FFF << 15).to_bytes(4, "little") + bytes(70_000)
"""8 x 8 pixels with 4,096 channels beside the colours."""


def sniffed(data: bytes) -> Header:
    return sniff(data, largest_pixels=MANY)


def refusal(data: bytes, largest_pixels: int = MANY) -> str:
    with pytest.raises(errors.InvalidArgument) as caught:
        sniff(data, largest_pixels=largest_pixels)
    return caught.value.fields["image"][0]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("quality", [None, 90])
def test_a_file_stays_jpeg_xl(channels: int, quality: int | None) -> None:
    header = sniffed(jxl(slopes(61, 43, channels), quality=quality))

    assert header == Header("JXL", 61, 43, is_lossy=quality is not None, has_alpha=channels in (2, 4))
    assert Output().format_for(header) == "JXL"


@pytest.mark.parametrize(
    "size",
    [
        (1, 1),
        (8, 8),
        (256, 256),
        (300, 200),
        (16, 9),
        (12, 10),
        (4, 3),
        (15, 12),
        (2, 1),
        (513, 1),
        (1, 9000),
    ],
)
def test_each_way_to_write_a_size_is_read(size: tuple[int, int]) -> None:
    for data in (jxl(slopes(*size, 1)), contained(jxl(slopes(*size, 1)), parts=5)):
        header = sniffed(data)

        assert (header.width, header.height) == size


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_that_of_the_upright_picture(orientation: int) -> None:
    header = sniffed(jxl(SAMPLES, orientation=orientation))

    assert (header.width, header.height) == ((61, 43) if orientation < 5 else (43, 61))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"colours": {"transfer": 16}}, "HDR pictures (PQ and HLG) cannot be upscaled yet."),
        ({"colours": {"primaries": 9, "transfer": 18}}, "HDR pictures (PQ and HLG) cannot be upscaled yet."),
        (
            {"samples": (SAMPLES / 255).astype(np.float32)},
            "The image is of a kind that cannot be upscaled: floating-point samples.",
        ),
        (
            {"extra": (BLACK,)},
            "The image is of a kind that cannot be upscaled: JPEG XL with inks (CMYK).",
        ),
    ],
)
def test_what_is_not_supported_is_refused_by_its_name(options: dict[str, Any], text: str) -> None:
    rest = {name: value for name, value in options.items() if name != "samples"}

    assert refusal(jxl(options.get("samples", SAMPLES), **rest)) == text


def test_a_container_must_hold_the_whole_codestream() -> None:
    whole, parts = contained(PICTURE, exif=b"MM\0*"), contained(PICTURE, parts=3)

    for data in (whole, parts):
        assert sniffed(data).width == 61
        assert sniffed(data + b"\0\0\1\0Exif").width == 61  # metadata that is cut off
        for cut in range(len(SIGNATURE), len(data), 37):
            assert refusal(data[:cut]) == BROKEN


@pytest.mark.parametrize(
    "data",
    [
        PICTURE[:2],
        PICTURE[:4],
        SIGNATURE,
        SIGNATURE + box(b"jxlc", b""),
        SIGNATURE + box(b"jxlc", b"\xff\xd8\xff\xe0" + bytes(100)),
        SIGNATURE + box(b"jxlp", struct.pack(">I", 0x80000000)),
        MANY_CHANNELS,
    ],
)
def test_files_without_a_picture_are_refused(data: bytes) -> None:
    assert refusal(data) == BROKEN


def test_a_file_made_to_keep_a_parser_busy_is_refused() -> None:
    data = SIGNATURE + box(b"free") * 20_000 + box(b"jxlc", PICTURE)

    assert refusal(data) == "The image may not have more than 10000 boxes."


def test_an_animation_is_its_first_frame_with_a_warning() -> None:
    frames = np.stack([slopes(30, 20, 3), slopes(30, 20, 3)[::-1]])
    sequence = sniffed(bytes(imagecodecs.jpegxl_encode(frames, lossless=True))).sequence

    assert (sequence.sizes, sequence.problem) == (
        (),
        "The image is an animation: only its first picture was upscaled.",
    )
    assert sniffed(jxl(slopes(30, 20, 3))).sequence.problem == ""


def test_too_many_pixels_are_refused() -> None:
    assert refusal(PICTURE, 61 * 43 - 1)
    longest = b"\xff\x0a" + (0b11 << 1 | (1 << 30) - 1 << 3 | 1 << 33).to_bytes(8, "little") + bytes(20)
    assert refusal(longest) == "The image may not have more than 50 megapixels."


def test_damaged_files_are_refused_or_accepted_without_another_error() -> None:
    rng = random.Random(7)
    source = contained(jxl(noise(30, 20, 4), icc=b""), exif=b"MM\0*\0\0\0\x08\0\0\0\0\0\0", parts=2)

    for _ in range(500):
        data = bytearray(source)
        data[rng.randrange(12, 200)] = rng.randrange(256)
        try:
            sniffed(bytes(data))
        except errors.InvalidArgument as error:
            assert list(error.fields) == ["image"]  # noqa: PT017

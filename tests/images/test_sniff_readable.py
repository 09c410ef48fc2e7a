"""A file with a feature that the decoder does not support is refused at the upload,
if its header shows the feature."""

import io
import struct
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from common import errors
from images.formats.sniff import Header, sniff
from inference.decoding.pool import Decoder
from inference.errors import Undecodable
from tests.pixels import encoded
from tests.texts import NOT_AN_IMAGE

SIZE = (24, 16)
NOISE = Image.effect_noise(SIZE, 80).convert("RGB")
MANY = 50_000_000
BROKEN = "The image is corrupt or incomplete."


def refusal(data: bytes, largest_pixels: int = MANY) -> str:
    with pytest.raises(errors.InvalidArgument) as caught:
        sniff(data, largest_pixels=largest_pixels)
    return caught.value.fields["image"][0]


def a_tiff(kind: str, channels: int = 1, **options: Any) -> bytes:
    samples, out = np.ones((SIZE[1], SIZE[0], channels), kind).squeeze(), io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        writer.write(samples, photometric="minisblack", metadata=None, **options)
    return out.getvalue()


def grey_with_alpha_of_16_bits(orientation: int = 1) -> bytes:
    tags = [(274, "H", 1, orientation, True)]
    return a_tiff("uint16", 2, planarconfig="contig", extrasamples=["unassalpha"], extratags=tags)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_grey_with_alpha_of_16_bits_is_accepted_although_pillow_does_not_open_it(orientation: int) -> None:
    header = sniff(grey_with_alpha_of_16_bits(orientation), largest_pixels=MANY)

    width, height = SIZE if orientation < 5 else SIZE[::-1]
    assert header == Header("TIFF", width, height, has_alpha=True)


def test_grey_of_16_bits_with_white_as_zero_needs_no_number_of_samples() -> None:
    """The default is one sample a pixel (TIFF 6.0, section 8)."""
    samples, out = np.ones((SIZE[1], SIZE[0]), "uint16"), io.BytesIO()
    with tifffile.TiffWriter(out, byteorder=">") as writer:
        writer.write(samples, photometric="miniswhite", metadata=None)
    entry, unknown_tag = struct.pack(">HHI", 277, 3, 1), struct.pack(">HHI", 276, 3, 1)

    data = out.getvalue().replace(entry, unknown_tag)

    assert sniff(data, largest_pixels=MANY) == Header("TIFF", *SIZE)


def test_the_limit_of_pixels_holds_for_grey_with_alpha_of_16_bits() -> None:
    data = grey_with_alpha_of_16_bits()

    assert sniff(data, largest_pixels=24 * 16).width == 24
    assert refusal(data, 24 * 16 - 1) == "The image may not have more than 0.000383 megapixels."


def test_grey_with_alpha_of_16_bits_must_be_complete() -> None:
    data = grey_with_alpha_of_16_bits()

    for length in range(len(data)):
        assert refusal(data[:length]) in (BROKEN, NOT_AN_IMAGE, "The image field is required."), length


@pytest.mark.parametrize("kind", ["float32", "int8", "int16", "int32", "uint32"])
def test_samples_of_unknown_range_are_refused(kind: str) -> None:
    bits = kind.lstrip("uintfloa")
    why = f"{bits} bits a sample" if bits == "32" else "signed or floating-point samples"
    assert refusal(a_tiff(kind)) == f"The image is of a kind that cannot be upscaled: a TIFF of {why}."


def with_value(data: bytes, tag: int, value: int, kind: int = 3) -> bytes:
    """Replace the number of one tag in a little-endian TIFF."""
    start, changed = data.index(struct.pack("<HHI", tag, 3, 1)), bytearray(data)
    changed[start : start + 12] = struct.pack("<HHIHH", tag, kind, 1, value, 0)
    return bytes(changed)


@pytest.mark.parametrize(("compression", "name"), [(50001, " (WebP)"), (3, " (CCITT)"), (60000, "")])
def test_an_unsupported_compression_is_refused_by_its_number_and_name(compression: int, name: str) -> None:
    """3 is a compression for black and white only, and 60000 is none."""
    data = with_value(encoded(NOISE, "TIFF"), 259, compression)

    why = f"a TIFF of 8 bits a sample with compression {compression}{name}"
    assert refusal(data) == f"The image is of a kind that cannot be upscaled: {why}."


def test_jpeg_of_16_bits_is_refused() -> None:
    assert "with compression 7" in refusal(with_value(a_tiff("uint16"), 259, 7))


def test_tags_that_hold_bytes_instead_of_numbers_are_refused() -> None:
    """Pillow opens such a file, but cannot decode it."""
    data = encoded(NOISE, "TIFF")

    assert refusal(with_value(data, 284, 1, kind=1)) == BROKEN


def in_planes(kind: str, count: int, photometric: str, extra: list[str]) -> bytes:
    samples, out = np.ones((count, 16, 24), kind), io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        writer.write(
            samples,
            planarconfig="separate",
            metadata=None,
            photometric=photometric,
            extrasamples=extra or None,
        )
    return out.getvalue()


@pytest.fixture
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (in_planes("uint16", 5, "rgb", ["unspecified"] * 2), "RGB of 16 bits a sample, with 2 more channels"),
        (
            in_planes("uint8", 5, "rgb", ["unassalpha", "unspecified"]),
            "RGB of 8 bits a sample, with 2 more channels",
        ),
        (in_planes("uint8", 4, "rgb", ["assocalpha"]), "RGB of 8 bits a sample, with alpha"),
        (in_planes("uint8", 3, "ycbcr", []), "YCbCr of 8 bits a sample"),
    ],
    ids=["16 bits and two more", "alpha and one more", "premultiplied", "ycbcr"],
)
async def test_planes_that_the_decoder_does_not_support_are_refused(
    decoder: Decoder, data: bytes, name: str
) -> None:
    with pytest.raises(Undecodable):
        await decoder.decode(data)

    text = f"The image is of a kind that cannot be upscaled: a TIFF in {name}, in separate planes."
    assert refusal(data) == text


def test_grey_of_16_bits_with_two_more_channels_is_refused() -> None:
    """libvips would take the three channels for colours."""
    data = in_planes("uint16", 3, "minisblack", ["unspecified"] * 2)

    kind = "a TIFF in grey of 16 bits a sample, with 2 more channels, in separate planes"
    assert refusal(data) == f"The image is of a kind that cannot be upscaled: {kind}."


@pytest.mark.parametrize("bits", [8, 16])
def test_grey_and_alpha_in_separate_planes_are_refused(bits: int) -> None:
    samples, out = np.ones((2, 16, 24), f"uint{bits}"), io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        writer.write(samples, planarconfig="separate", extrasamples=["unassalpha"], metadata=None)

    kind = f"a TIFF in grey of {bits} bits a sample, with alpha, in separate planes"
    assert refusal(out.getvalue()) == f"The image is of a kind that cannot be upscaled: {kind}."


def test_a_png_without_pixels_is_refused() -> None:
    whole = encoded(NOISE, "PNG")
    start, end = whole.index(b"IDAT") - 4, whole.index(b"IEND") - 4

    assert refusal(whole[:start] + whole[end:]) == BROKEN


def test_a_bmp_with_more_colours_than_a_palette_has_is_refused() -> None:
    data = bytearray(encoded(NOISE.convert("P"), "BMP"))

    data[46:50] = struct.pack("<I", 300)

    assert refusal(bytes(data)) == BROKEN


def test_bytes_after_the_end_of_a_png_are_not_read() -> None:
    whole = encoded(NOISE, "PNG")
    start, end = whole.index(b"IDAT") - 4, whole.index(b"IEND") - 4

    assert sniff(whole + whole[start:end], largest_pixels=MANY).frames == 1
    assert refusal(whole[:start] + whole[end:] + whole[start:end]) == BROKEN


@pytest.mark.parametrize("size", [(0, 16), (24, 0), (-24, -16)])
def test_grey_with_alpha_of_16_bits_without_a_size_is_refused(size: tuple[int, int]) -> None:
    data = bytearray(grey_with_alpha_of_16_bits())
    for tag, side in zip((256, 257), size, strict=True):
        entry = data.index(struct.pack("<HHI", tag, 4, 1))
        data[entry : entry + 12] = struct.pack("<HHIi", tag, 9, 1, side)

    assert refusal(bytes(data)) == BROKEN

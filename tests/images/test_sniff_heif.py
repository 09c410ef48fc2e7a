"""A HEIC or an AVIF is recognised, measured and judged from its boxes, without decoding it."""

import random
import struct
from dataclasses import replace

import pytest
from PIL import Image

from common import errors
from images.formats.sniff import BROKEN, Header, sniff, unknown_text
from images.uploads.output import Output
from tests.heif_files import (
    CODED,
    SIZE,
    CodedItem,
    a_grid,
    box,
    clap,
    coded_item,
    full,
    heic,
    of_items,
    transformed,
)
from tests.pixels import encoded
from tests.texts import NOT_AN_IMAGE

MANY = 50_000_000
NOISE = Image.effect_noise((24, 16), 80)
AVIF = encoded(Image.merge("LA", (NOISE, NOISE)).convert("RGBA"), "AVIF")
NCLX = b"nclx\0\1\0\r"
"""The colours of sRGB in a file of libavif."""


def sniffed(data: bytes) -> Header:
    return sniff(data, largest_pixels=MANY)


def refusal(data: bytes, largest_pixels: int = MANY) -> str:
    with pytest.raises(errors.InvalidArgument) as caught:
        sniff(data, largest_pixels=largest_pixels)
    return caught.value.fields["image"][0]


@pytest.mark.parametrize(
    ("name", "depth", "has_alpha", "becomes"),
    [
        ("rgb", 8, False, "JPEG"),
        ("grey", 8, False, "JPEG"),
        ("rgba", 8, True, "PNG"),
        ("rgb10", 10, False, "PNG"),
        ("rgb12", 12, False, "PNG"),
        ("rgba12", 12, True, "PNG"),
    ],
)
def test_depth_and_alpha_decide_what_a_heic_becomes(
    name: str, depth: int, has_alpha: bool, becomes: str
) -> None:
    header = sniffed(heic(name))

    assert header == Header("HEIF", *SIZE, is_lossy=True, depth=depth, has_alpha=has_alpha)
    assert Output().format_for(header) == becomes


@pytest.mark.parametrize("quarters", range(4))
def test_the_size_is_that_of_the_upright_picture(quarters: int) -> None:
    header = sniffed(transformed(irot=quarters))

    assert (header.width, header.height) == (SIZE if quarters % 2 else SIZE[::-1])


def test_a_picture_of_tiles_has_the_size_of_the_whole() -> None:
    header = sniffed(a_grid(2, 3, (170, 100)))

    assert (header.width, header.height) == (170, 100)


@pytest.mark.parametrize("name", ["pq", "hlg"])
def test_hdr_is_refused_by_its_name(name: str) -> None:
    as_avif = AVIF.replace(NCLX, b"nclx\0\x09\0" + bytes([16 if name == "pq" else 18]))

    assert as_avif != AVIF
    for data in (heic(name), as_avif):
        assert refusal(data) == "HDR pictures (PQ and HLG) cannot be upscaled yet."


def test_an_avif_has_its_depth_and_alpha() -> None:
    assert sniffed(AVIF) == Header("AVIF", 24, 16, is_lossy=True, has_alpha=True)
    assert Output().format_for(sniffed(AVIF)) == "AVIF"
    for size in range(len(AVIF)):
        assert refusal(AVIF[:size]) in (BROKEN, NOT_AN_IMAGE, "The image field is required.")


def test_another_coding_is_refused_by_its_name() -> None:
    assert refusal(heic("rgb").replace(b"hvc1", b"vvc1")) == "Pictures coded as 'vvc1' cannot be upscaled."


@pytest.mark.parametrize("name", ["rgb", "rgba", "rgb12", "exif", "transformed"])
def test_a_heic_that_is_cut_off_anywhere_is_refused(name: str) -> None:
    data = heic(name)

    for percent in range(0, 100, 5):
        assert refusal(data[: len(data) * percent // 100]) in (
            BROKEN, NOT_AN_IMAGE, "The image field is required."
        )  # fmt: skip
    if name not in ("exif", "transformed"):  # which end with metadata
        assert refusal(data[:-1]) == BROKEN


@pytest.mark.parametrize("whole", [heic("rgba"), AVIF], ids=["heic", "avif"])
def test_flipped_bits_are_refused_or_leave_a_picture(whole: bytes) -> None:
    rng = random.Random("heic")
    for _ in range(500):
        data = bytearray(whole)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        try:
            header = sniffed(bytes(data))
        except errors.InvalidArgument as error:
            assert list(error.fields) == ["image"]  # noqa: PT017
        else:
            assert 0 < header.width * header.height <= MANY


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (a_grid(2, 2, (128, 128), tiles=3), BROKEN),
        (a_grid(2, 2, (200, 128)), BROKEN),
        (a_grid(200, 200, (12_800, 12_800)), "The image may not have more than 4000 items."),
        (a_grid(2, 2, (128, 128), extents=20_000), "The image may not have more than 40000 extents."),
        (
            heic("rgb")[:28] + box(b"free") * 10_001 + heic("rgb")[28:],
            "The image may not have more than 10000 boxes.",
        ),
        (
            heic("rgb")[:28] + full(b"meta", box(b"free") * 10_001),
            "The image may not have more than 10000 boxes.",
        ),
        (heic("rgb")[:28] + full(b"meta", full(b"iloc", b"\x44\0" + struct.pack(">H", 65_535))), BROKEN),
        (heic("rgb")[:28] + struct.pack(">I4sQ", 1, b"meta", 2**64 - 1), BROKEN),
        (heic("rgb")[:28], BROKEN),
    ],
)
def test_files_made_to_keep_a_parser_busy_are_refused(data: bytes, text: str) -> None:
    assert refusal(data) == text


@pytest.mark.parametrize("brand", [b"hevc", b"hevs", b"heis", b"msf1", b"avis"])
def test_a_sequence_without_a_still_picture_is_refused_by_its_name(brand: bytes) -> None:
    data = (
        box(b"ftyp", brand, bytes(4), b"msf1")
        + box(b"moov", full(b"mvhd", bytes(96)))
        + box(b"mdat", bytes(64))
    )

    text = "The image is of a kind that cannot be upscaled: a sequence without a still picture."
    assert refusal(data) == text


@pytest.mark.parametrize("size", [(CODED[0] + 1, 20), (20, CODED[1] + 1)])
def test_a_picture_cut_to_more_than_it_has_is_refused(size: tuple[int, int]) -> None:
    item = coded_item(heic("rgb"))

    data = of_items({1: replace(item, properties=[*item.properties, clap(size)])}, brand=b"heic")

    assert refusal(data) == BROKEN


@pytest.mark.parametrize("kind", [b"jpeg", b"avc1", b"unci", b"vvc1", b"j2k1"])
def test_items_of_other_codings_are_refused_by_their_names(kind: bytes) -> None:
    data = of_items(
        {1: CodedItem(kind, bytes(64), [full(b"ispe", struct.pack(">II", 64, 48))])}, brand=b"mif1"
    )

    assert refusal(data) == f"Pictures coded as '{kind.decode()}' cannot be upscaled."


@pytest.mark.parametrize("grow", [(33, 21 + 2**20), (4096, 16), (25, 16)])
def test_an_avif_that_claims_more_pixels_than_are_coded_is_refused(grow: tuple[int, int]) -> None:
    size = struct.pack(">II", 24, 16)

    assert size in AVIF
    assert refusal(AVIF.replace(size, struct.pack(">II", *grow))) == BROKEN


def test_too_many_pixels_are_refused_whether_shown_or_coded() -> None:
    text = "The image may not have more than 50 megapixels."

    assert refusal(a_grid(1, 1, (8_000, 8_000), claimed=(8_000, 8_000))) == text
    assert refusal(a_grid(1, 1, (64, 64), claimed=(20_000, 20_000))) == text
    assert refusal(heic("rgb"), largest_pixels=61 * 43 - 1)


def test_an_installation_may_take_fewer_formats_and_its_refusal_says_which() -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        sniff(heic("rgb"), largest_pixels=MANY, accepted=("JPEG", "PNG"))

    assert caught.value.fields["image"] == ["The image must be a file of type: jpeg, png."]
    assert unknown_text(("JPEG", "PNG")) == caught.value.fields["image"][0]


def test_an_avif_sequence_is_its_primary_picture_with_a_warning() -> None:
    frames = [NOISE.convert("RGB"), NOISE.rotate(90).convert("RGB")]
    data = encoded(frames[0], "AVIF", save_all=True, append_images=frames[1:], duration=100)

    problem = sniffed(data).sequence.problem

    assert problem == "The image is an animation: only its first picture was upscaled."
    assert sniffed(AVIF).sequence.problem == ""

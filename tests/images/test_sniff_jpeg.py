"""A JPEG is complete if its scans have all pixels. Its end marker says nothing about that."""

import io
import struct
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from common import errors
from images.formats.sniff import sniff
from tests.images.decoded_size import decoded_size
from tests.pixels import encoded

SIZE = (120, 96)
NOISE = Image.effect_noise(SIZE, 80).convert("RGB")
END = b"\xff\xd9"
BROKEN = "The image is corrupt or incomplete."
PREVIEW = encoded(NOISE.resize((16, 16)))
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "baseline": ("RGB", {}),
    "without subsampling": ("RGB", {"subsampling": 0}),
    "progressive": ("RGB", {"progressive": True}),
    "grey": ("L", {}),
    "grey progressive": ("L", {"progressive": True}),
    "cmyk": ("CMYK", {}),
    "restarts": ("RGB", {"restart_marker_blocks": 1}),
    "restarts of rows": ("RGB", {"restart_marker_rows": 1}),
    "restarts progressive": ("RGB", {"restart_marker_blocks": 3, "progressive": True}),
    "optimised": ("RGB", {"optimize": True, "quality": 30}),
}
FILES = {name: encoded(NOISE.convert(mode), **options) for name, (mode, options) in KINDS.items()}


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def with_segment(marker: int, body: bytes) -> bytes:
    data = FILES["baseline"]
    return data[:2] + segment(marker, body) + data[2:]


def a_multi_picture_file() -> bytes:
    out = io.BytesIO()
    NOISE.save(out, "MPO", save_all=True, append_images=[NOISE.rotate(180)])
    return out.getvalue()


def refusal(data: bytes) -> str:
    with pytest.raises(errors.InvalidArgument) as caught:
        sniff(data, largest_pixels=50_000_000)
    return caught.value.fields["image"][0]


def size(data: bytes) -> tuple[int, int]:
    header = sniff(data, largest_pixels=50_000_000)
    return header.width, header.height


@pytest.mark.parametrize("kind", FILES)
def test_a_file_without_an_end_marker_is_whole(kind: str) -> None:
    data = FILES[kind].removesuffix(END)

    assert size(data) == decoded_size(data) == SIZE


@pytest.mark.parametrize(
    "end",
    [
        b"",
        END,
        bytes(40) + END,
        bytes(60_000),
        bytes(60_000) + END,
        b"\xff" * 40 + END,
        PREVIEW,
        b"trailer" + PREVIEW,
        b"\xff\xe1\0\x20" + END,
    ],
    ids=[
        "none",
        "appended",
        "padded",
        "zeros",
        "zeros and an end",
        "filled",
        "a preview",
        "a trailer",
        "metadata",
    ],
)
@pytest.mark.parametrize("kind", FILES)
def test_a_part_of_the_pixels_is_refused_whatever_follows(kind: str, end: bytes) -> None:
    data = FILES[kind]
    start = data.index(b"\xff\xda")

    for percent in range(5, 95, 15):
        assert refusal(data[: start + (len(data) - start) * percent // 100] + end) == BROKEN, percent


@pytest.mark.parametrize("kind", FILES)
def test_what_follows_all_pixels_does_no_harm(kind: str) -> None:
    data = FILES[kind]

    for more in (b"\0" * 5000, b"\xff" * 500, b"garbage", PREVIEW, data[: len(data) // 2], END * 3):
        assert size(data + more) == decoded_size(data + more) == SIZE


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("sides", [(8, 8), (512, 512), (333, 777), (1024, 768)])
def test_a_plain_picture_whose_pixels_are_zeros_is_whole(
    sides: tuple[int, int], mode: str, progressive: bool
) -> None:
    data = encoded(Image.new(mode, sides, "white"), optimize=True, progressive=progressive, subsampling=2)

    for file in (data, data.removesuffix(END), data + bytes(5000), data.removesuffix(END) + bytes(5000)):
        assert size(file) == sides


def test_a_file_of_several_pictures_is_read_as_its_first() -> None:
    data = a_multi_picture_file()
    first = data[: data.index(b"\xff\xd8\xff", 2)]

    assert size(data) == decoded_size(data) == SIZE
    assert refusal(first[: len(first) // 2] + data[len(first) :]) == BROKEN


def test_a_second_start_marker_is_refused() -> None:
    data = FILES["baseline"]

    assert refusal(data[: data.index(b"\xff\xda")] + data) == BROKEN


def test_the_decoder_also_refuses_half_of_the_pixels() -> None:
    data = FILES["progressive"]

    with pytest.raises(OSError, match="ends before its pixels do"):
        decoded_size(data[: len(data) // 2] + END)


DAMAGED: dict[str, bytes] = {
    "jfif": with_segment(0xE0, b"JFIF"),
    "exif": with_segment(0xE1, b"Exif\0\0nonsense" * 9),
    "exif that is too short": with_segment(0xE1, b"Exif\0\0"),
    "xmp": with_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x" + b"\xff" * 99),
    "profile without numbers": with_segment(0xE2, b"ICC_PROFILE\0"),
    "profile with wrong numbers": with_segment(0xE2, b"ICC_PROFILE\0\7\7nonsense"),
    "pictures": with_segment(0xE2, b"MPF\0MM\0*\0\0\0\x08\0\1\xb0\1\0\4\0\0\0\1\0\0\0\2"),
    "photoshop": with_segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04"),
    "photoshop without a size": with_segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0"),
    "photoshop with a long name": with_segment(0xED, b"Photoshop 3.0\x008BIM\x03\xed\xff"),
    "photoshop without a marker": with_segment(0xED, b"Photoshop 3.0\x008BIM\x03"),
    "photoshop with a short resolution": with_segment(
        0xED, b"Photoshop 3.0\x008BIM\x03\xed\0\0\0\0\0\x02\0\1"
    ),
    "adobe": with_segment(0xEE, b"Adobe"),
    "comment": with_segment(0xFE, b"\xff\xd8\xff\xd9"),
    "bytes between": FILES["baseline"][:20] + b"junk\0" + FILES["baseline"][20:],
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_damaged_metadata_does_no_harm(data: bytes) -> None:
    assert size(data) == decoded_size(data) == SIZE


def with_frame(change: Callable[[bytes], bytes], marker: int = 0xC0) -> bytes:
    data = FILES["baseline"]
    start = data.index(b"\xff\xc0")
    body = data[start + 4 : start + 19]
    return data[:start] + segment(marker, change(body)) + data[start + 19 :]


UNSUPPORTED: dict[str, tuple[str, bytes]] = {
    "12 bits": ("a JPEG of 12 bits a sample", with_frame(lambda body: b"\x0c" + body[1:], 0xC1)),
    "12 bits progressive": ("a JPEG of 12 bits a sample", with_frame(lambda body: b"\x0c" + body[1:], 0xC2)),
    "16 bits lossless": ("a JPEG of 16 bits a sample", with_frame(lambda body: b"\x10" + body[1:], 0xC3)),
    "arithmetic": ("a JPEG with arithmetic coding", with_frame(bytes, 0xC9)),
    "arithmetic progressive": ("a JPEG with arithmetic coding", with_frame(bytes, 0xCA)),
    "arithmetic lossless": ("a JPEG with arithmetic coding", with_frame(bytes, 0xCB)),
    "hierarchical": ("a hierarchical JPEG", with_frame(bytes, 0xDE)),
    "differential": ("a hierarchical JPEG", with_frame(bytes, 0xC5)),
    "two channels": ("a JPEG of two channels", with_frame(lambda body: body[:5] + b"\2" + body[6:12])),
    "no height": (
        "a JPEG whose height follows its pixels (DNL)", with_frame(lambda body: body[:1] + b"\0\0" + body[3:])
    ),
    "JPEG-LS": ("a JPEG-LS file", with_frame(bytes, 0xF7)),
}  # fmt: skip


@pytest.mark.parametrize(("feature", "data"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_a_kind_that_cannot_be_read_is_refused_by_its_name(feature: str, data: bytes) -> None:
    assert refusal(data) == f"The image is of a kind that cannot be upscaled: {feature}."

"""An upload says how many pages or frames can be upscaled together. A damaged animation refuses nothing."""

import struct
from collections.abc import Callable

import numpy as np
import pytest

from images.formats.sniff import Header, sniff
from images.uploads.output import Output
from images.uploads.sequence_plan import plan
from images.uploads.sizing import Limits
from inference.decoding.decoders import decode
from tests.inference.apng_files import Chunks, Frame, chunks_of_apng, file_of
from tests.inference.golden import noise
from tests.inference.tiff_files import RGB, Kind, some_pages

SIZE = (20, 13)
MANY = 1_000_000
DAMAGED = "The animation is damaged: its frames were left out, and the still picture was upscaled."
LIMITS = Limits(
    max_scale=4, longest_side=16_384, largest_pixels=268_435_456, largest_animation_pixels=100_000_000
)
Change = Callable[[Chunks], Chunks]


def three_frames() -> Chunks:
    frames = [Frame(noise(*SIZE, 3)), Frame(noise(7, 5, 3), (3, 4)), Frame(noise(4, 9, 3), (16, 4))]
    return chunks_of_apng(*frames)


def places(chunks: Chunks, kind: bytes) -> list[int]:
    return [index for index, chunk in enumerate(chunks) if chunk[0] == kind]


def without(kind: bytes, which: int) -> Change:
    def change(chunks: Chunks) -> Chunks:
        place = places(chunks, kind)[which]
        return chunks[:place] + chunks[place + 1 :]

    return change


def changed(kind: bytes, which: int, offset: int, code: str, value: int) -> Change:
    """Replace a number in the body of a chunk."""

    def change(chunks: Chunks) -> Chunks:
        place = places(chunks, kind)[which]
        body = bytearray(chunks[place][1])
        struct.pack_into(code, body, offset, value)
        return [*chunks[:place], (kind, bytes(body)), *chunks[place + 1 :]]

    return change


def cut_pixels(chunks: Chunks) -> Chunks:
    place = places(chunks, b"fdAT")[-1]
    return [*chunks[:place], (b"fdAT", chunks[place][1][:6]), *chunks[place + 1 :]]


def announce_late(chunks: Chunks) -> Chunks:
    place, pixels = places(chunks, b"acTL")[0], places(chunks, b"IDAT")[0]
    return [*chunks[:place], *chunks[place + 1 : pixels + 1], chunks[place], *chunks[pixels + 1 :]]


def swap_numbers(chunks: Chunks) -> Chunks:
    one, two = places(chunks, b"fdAT")[:2]
    result = [*chunks]
    result[one], result[two] = chunks[two], chunks[one]
    return result


DAMAGES: dict[str, Change] = {
    "the last frame's pixels are cut off": cut_pixels,
    "pixels are missing": without(b"fdAT", 1),
    "a frame's header is missing": without(b"fcTL", 1),
    "the first frame's header is missing": without(b"fcTL", 0),
    "wrong numbers": changed(b"fdAT", 2, 0, ">I", 77),
    "pixels in disorder": swap_numbers,
    "acTL behind IDAT": announce_late,
    "no acTL": without(b"acTL", 0),
    "more frames are announced": changed(b"acTL", 0, 0, ">I", 4),
    "fewer frames are announced": changed(b"acTL", 0, 0, ">I", 2),
    "no frame is announced": changed(b"acTL", 0, 0, ">I", 0),
    "a frame without width": changed(b"fcTL", 1, 4, ">I", 0),
    "a frame reaches beyond the picture": changed(b"fcTL", 1, 12, ">I", 14),
    "a frame lies below the picture": changed(b"fcTL", 2, 16, ">I", 4_000_000_000),
    "an unknown disposal": changed(b"fcTL", 1, 24, ">B", 3),
    "an unknown blending": changed(b"fcTL", 1, 25, ">B", 2),
    "the first frame is smaller than the picture": changed(b"fcTL", 0, 4, ">I", 19),
}


def sniffed(data: bytes, most: int = MANY) -> Header:
    return sniff(data, largest_pixels=most)


def test_a_sound_animation_has_all_frames() -> None:
    sequence = sniffed(file_of(three_frames())).sequence

    assert (sequence.sizes, sequence.others, sequence.problem) == ((SIZE,) * 3, 2, "")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_animation_is_its_still_picture(damage: str) -> None:
    data = file_of(DAMAGES[damage](three_frames()))

    sequence = sniffed(data).sequence

    assert (sequence.sizes, sequence.problem) == ((), DAMAGED)
    assert "follow" not in decode(data, MANY, all_pictures=True).header


@pytest.mark.parametrize("share", [0.75, 0.85, 0.95])
def test_an_animation_that_is_cut_off_is_its_still_picture(share: float) -> None:
    data = file_of(three_frames())

    sequence = sniffed(data[: int(len(data) * share)]).sequence

    assert (sequence.sizes, sequence.problem) == ((), DAMAGED)


def test_a_wrong_checksum_in_a_frame_damages_the_animation() -> None:
    data = bytearray(file_of(three_frames()))
    data[data.index(b"fdAT") + 10] ^= 1

    assert sniffed(bytes(data)).sequence.problem == DAMAGED


def test_a_still_png_is_no_animation() -> None:
    chunks = [chunk for chunk in three_frames() if chunk[0] in (b"IHDR", b"IDAT", b"IEND")]

    assert (
        sniffed(file_of(chunks)).sequence == sniffed(file_of(chunks_of_apng(Frame(noise(9, 9, 3))))).sequence
    )


def test_frames_and_a_hidden_still_picture_share_the_limit_of_pixels() -> None:
    frames = [Frame(noise(*SIZE, 3)), Frame(noise(1, 1, 3))]
    data = file_of(chunks_of_apng(*frames, hidden=noise(*SIZE, 3)))

    assert len(sniffed(data, 780).sequence.sizes) == 3
    assert sniffed(data, 779).sequence.sizes == ()
    assert "more than 0.000779 megapixels together" in sniffed(data, 779).sequence.problem


def test_more_frames_than_allowed_are_left_out() -> None:
    dot = Frame(np.zeros((1, 1, 1), np.uint8))

    assert len(sniffed(file_of(chunks_of_apng(*[dot] * 2000))).sequence.sizes) == 2000
    assert sniffed(file_of(chunks_of_apng(*[dot] * 2001))).sequence.problem == (
        "The image has more than 2000 frames: only the first was upscaled."
    )


def a_header(*sizes: tuple[int, int]) -> Header:
    return sniffed(some_pages([(noise(*size, 3), Kind(photometric=RGB)) for size in sizes]))


@pytest.mark.parametrize(
    ("file_format", "sizes", "text"),
    [
        ("PNG", [SIZE] * 3, "A result in PNG has one page of this image: 2 other pages were left out."),
        ("JPEG", [SIZE] * 2, "A result in JPEG has one page of this image: the other page was left out."),
    ],
)
def test_a_format_without_pages_leaves_the_others_out(
    file_format: str, sizes: list[tuple[int, int]], text: str
) -> None:
    found = plan(a_header(*sizes), Output(format=file_format), (40, 26), LIMITS)  # pyright: ignore[reportArgumentType]

    assert found.sizes == ()
    assert found.warnings == ({"field": "output_format", "message": text},)


def test_results_share_the_limit_of_animations() -> None:
    header = a_header(SIZE, SIZE, (9, 9))
    within = Limits(4, 16_384, 268_435_456, 2 * 40 * 26 + 18 * 18)
    beyond = Limits(4, 16_384, 268_435_456, 2 * 40 * 26 + 18 * 18 - 1)

    assert plan(header, Output(), (40, 26), within).sizes == (SIZE, SIZE, (9, 9))
    assert plan(header, Output(), (40, 26), beyond).sizes == ()
    assert (
        "together in the result: only the first"
        in plan(header, Output(), (40, 26), beyond).warnings[0]["message"]
    )


def test_a_page_with_a_side_that_is_too_long_makes_the_first_one_come_alone() -> None:
    found = plan(a_header((9, 9), (4200, 1)), Output(), (36, 36), LIMITS)

    assert found.sizes == ()
    assert "a side of more than 16384 pixels" in found.warnings[0]["message"]


def test_large_frames_of_a_webp_make_the_first_one_come_alone() -> None:
    frames = [Frame(noise(*SIZE, 3))] * 2
    header = sniffed(file_of(chunks_of_apng(*frames)))

    assert plan(header, Output(format="WEBP"), (40, 26), LIMITS).sizes == (SIZE,) * 2
    assert plan(header, Output(format="WEBP"), (5000, 4000), LIMITS).sizes == ()
    assert plan(header, Output(format="PNG"), (5000, 4000), LIMITS).sizes == (SIZE,) * 2

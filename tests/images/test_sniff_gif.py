"""A frame of a GIF may reach beyond the canvas.

It counts with the size of the canvas that the decoder then needs.
"""

import struct

import pytest
from PIL import Image

from common import errors
from images.formats.sniff import sniff
from inference.decoding.pool import Decoder
from inference.errors import Undecodable
from tests.inference.pictures import decode_animation
from tests.pixels import encoded

MANY = 50_000_000


def animated(second: tuple[int, int], frames: int = 2) -> bytes:
    """Return an animation. Its first frame has 10 x 8 pixels, and the others claim the size `second`."""
    images = [Image.effect_noise((10, 8), 10 + index).convert("P") for index in range(frames)]
    data = bytearray(encoded(images[0], "GIF", save_all=True, append_images=images[1:]))
    offset = data.index(b",\0\0\0\0\x0a\0\x08\0")
    while (offset := data.find(b",\0\0\0\0\x0a\0\x08\0", offset + 1)) > 0:
        struct.pack_into("<HH", data, offset + 5, *second)
    return bytes(data)


def refusal(data: bytes, largest_pixels: int = MANY) -> str:
    with pytest.raises(errors.InvalidArgument) as caught:
        sniff(data, largest_pixels=largest_pixels)
    return caught.value.fields["image"][0]


async def test_a_frame_far_beyond_the_canvas_is_refused_by_sniff_and_by_the_decoder() -> None:
    data, decoder = animated((65_000, 65_000)), Decoder()

    with pytest.raises(Undecodable) as caught:
        await decode_animation(decoder, data)
    await decoder.aclose()

    assert caught.value.reason == "too_many_pixels"
    assert refusal(data) == "The frames may not have more than 50 megapixels together."


def test_every_frame_counts_with_the_enlarged_canvas() -> None:
    data = animated((3000, 2000), frames=5)  # so large that the upload does not decode it

    assert sniff(data, largest_pixels=5 * 3000 * 2000).frames == 5
    assert refusal(data, 5 * 3000 * 2000 - 1).startswith("The frames may not have more than")


def test_the_size_of_the_picture_is_that_of_its_canvas() -> None:
    header = sniff(animated((3000, 2000)), largest_pixels=MANY)

    assert (header.width, header.height) == (10, 8)


@pytest.mark.parametrize(("canvas", "has_alpha"), [((10, 8), False), ((11, 8), True), ((10, 9), True)])
def test_a_frame_smaller_than_its_canvas_has_alpha(canvas: tuple[int, int], has_alpha: bool) -> None:
    data = bytearray(animated((10, 8), frames=1))
    struct.pack_into("<HH", data, 6, *canvas)

    header = sniff(bytes(data), largest_pixels=MANY)

    assert (header.width, header.height) == canvas
    assert header.has_alpha == has_alpha

"""A decoder's time grows with the pixels of the file. Running out of it is the fault of the picture."""

import asyncio
import contextlib
import signal

import psutil
import pytest
from PIL import Image

from inference.decoding.crashes import OUT_OF_MEMORY, crash
from inference.decoding.pool import Decoder
from inference.decoding.protocol import Limits
from inference.errors import DecoderCrashed, Undecodable
from inference.worker import FAILURE_TEXTS
from tests.inference.pictures import decode_still
from tests.inference.test_pool import child_of, photo, png_of, start_frozen_decode
from tests.pixels import encoded

SPENT_SECONDS = 3
"""A child has used less than this when it begins, and decodes these files in less."""


@pytest.mark.parametrize(
    ("pixels", "seconds"),
    [(0, 5), (384, 6), (1_000_000, 6), (12_000_000, 13), (50_000_000, 35), (80_000_000, 35)],
)
def test_a_file_has_five_seconds_and_more_for_each_megapixel_up_to_the_limit(
    pixels: int, seconds: int
) -> None:
    assert Limits().seconds_for(pixels) == seconds


def test_a_higher_limit_of_pixels_has_as_much_time_for_each_pixel() -> None:
    limits = Limits().for_pixels(100_000_000)

    assert limits.seconds_for(384) == Limits().seconds_for(384)
    assert limits.seconds_for(100_000_000) == 65


@pytest.mark.parametrize(
    ("file_format", "mode"),
    [("PNG", "RGB"), ("PNG", "I;16"), ("JPEG", "RGB"), ("WEBP", "RGB"), ("BMP", "RGB"), ("TIFF", "RGB"),
     ("TIFF", "I;16"), ("GIF", "P"), ("AVIF", "RGB")],
)  # fmt: skip
async def test_the_time_of_a_child_grows_with_the_pixels_of_each_format(file_format: str, mode: str) -> None:
    decoder = Decoder()

    await decoder.decode(encoded(Image.new(mode, (24, 16)), file_format))
    small = child_of(decoder).rlimit(psutil.RLIMIT_CPU)[0]
    await decoder.decode(encoded(Image.new(mode, (3000, 2800)), file_format))
    large = child_of(decoder).rlimit(psutil.RLIMIT_CPU)[0]

    assert 7 <= small < 7 + SPENT_SECONDS
    assert 12 <= large < 12 + 2 * SPENT_SECONDS
    await decoder.aclose()


async def test_the_frames_of_an_animation_count_together() -> None:
    decoder = Decoder()
    frames = [Image.new("P", (1000, 1000), index) for index in range(8)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])

    await decoder.decode(data)

    assert child_of(decoder).rlimit(psutil.RLIMIT_CPU)[0] >= 1 + 5 + 5
    await decoder.aclose()


async def test_a_small_file_after_a_large_one_has_the_time_of_a_small_one() -> None:
    decoder = Decoder()
    await decoder.decode(encoded(Image.new("L", (5000, 5000)), "PNG"))
    large = child_of(decoder).rlimit(psutil.RLIMIT_CPU)[0]

    await decoder.decode(png_of(photo()))

    assert child_of(decoder).rlimit(psutil.RLIMIT_CPU)[0] < large
    await decoder.aclose()


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (signal.SIGXCPU, "too_much_time"),
        (signal.SIGSEGV, "decoder_crashed"),
        (signal.SIGABRT, "decoder_crashed"),
        (signal.SIGFPE, "decoder_crashed"),
    ],
)
async def test_a_child_that_the_picture_ends_is_the_fault_of_the_picture(
    number: signal.Signals, reason: str
) -> None:
    decoder = Decoder()
    work = await start_frozen_decode(decoder)

    child_of(decoder).send_signal(number)
    child_of(decoder).resume()

    with pytest.raises(Undecodable) as caught:
        await work
    assert caught.value.reason == reason
    assert reason in FAILURE_TEXTS
    assert (await decode_still(decoder, png_of(photo()))).size == (90, 60)
    await decoder.aclose()


def test_a_child_without_memory_is_the_fault_of_the_picture_and_one_that_is_killed_is_not() -> None:
    error = EOFError("the answer is cut off")

    out_of_memory = crash(OUT_OF_MEMORY, error)

    assert isinstance(out_of_memory, Undecodable)
    assert out_of_memory.reason == "too_much_memory"
    for status in (-signal.SIGKILL, -signal.SIGTERM, 0, 1, None):
        assert isinstance(crash(status, error), DecoderCrashed)


@pytest.mark.parametrize(("decoders", "most"), [(1, 1), (2, 1), (3, 1), (4, 2), (9, 4)])
async def test_a_user_takes_half_of_the_decoders_at_most_and_one_at_least(decoders: int, most: int) -> None:
    shares = Decoder(processes=decoders).shares

    async with contextlib.AsyncExitStack() as stack:
        for _ in range(most):
            assert await shares.has_room("omar", 0)
            await stack.enter_async_context(shares.place("omar"))
        assert not await shares.has_room("omar", 0)
        assert await shares.has_room("jane", 0)
        async with shares.place(""), shares.place(""), shares.place("jane"):
            waiting = asyncio.create_task(stack.enter_async_context(shares.place("omar")))
            await asyncio.sleep(0)
            assert not waiting.done()
        waiting.cancel()
        await asyncio.wait({waiting})

    assert await shares.has_room("omar", 0)


async def test_the_decoder_of_another_user_is_free_while_one_user_waits_for_its_own() -> None:
    decoder = Decoder(processes=2)
    first = await start_frozen_decode(decoder, "omar")
    second = asyncio.create_task(decoder.decode(png_of(photo()), 0, "omar"))

    other = await decode_still(decoder, png_of(photo((30, 20))))

    assert other.size == (30, 20)
    assert not second.done()
    for task in (first, second):
        task.cancel()
    await asyncio.wait({first, second})
    await decoder.aclose()

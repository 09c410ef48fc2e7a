"""The decoding child has limits. Neither its death nor a cancelled decode affects the next file."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvloop
from PIL import Image

from inference.decoding.pool import Decoder
from inference.decoding.protocol import Limits
from inference.errors import DecoderCrashed, Undecodable
from inference.picture import Picture
from tests.inference.pictures import decode_still

PHOTO = Path(__file__).parents[2] / "docs" / "photos" / "chelsea.png"


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Decoder]]:
    """Return a function that makes decoders, which end with the test."""
    started: list[Decoder] = []

    def start(limits: Limits | None = None, **options: int) -> Decoder:
        started.append(Decoder(limits, **options))
        return started[-1]

    yield start
    for decoder in started:
        await decoder.aclose()


def photo(size: tuple[int, int] = (90, 60)) -> Image.Image:
    return Image.open(PHOTO).convert("RGB").resize(size)


def png_of(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def child_of(decoder: Decoder) -> psutil.Process:
    (child,) = decoder._pool.children
    return psutil.Process(child.pid)


def wait_for_death(child: psutil.Process) -> None:
    deadline = time.monotonic() + 5
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def start_frozen_decode(decoder: Decoder, fairness_key: str = "") -> asyncio.Task[Any]:
    """Start to decode a file in a child that is frozen and does not answer."""
    await decoder.decode(png_of(photo()))
    child_of(decoder).suspend()
    work = asyncio.create_task(decoder.decode(png_of(photo()), 0, fairness_key))
    await asyncio.sleep(0)
    return work


async def test_the_limit_of_pixels_is_inclusive(start: Callable[..., Decoder]) -> None:
    decoder = start(Limits(pixels=5400))

    picture = await decode_still(decoder, png_of(photo((90, 60))))

    assert picture.size == (90, 60)
    with pytest.raises(Undecodable):
        await decoder.decode(png_of(photo((91, 60))))


async def test_a_file_that_needs_too_much_memory_is_undecodable_and_the_next_file_is_decoded(
    start: Callable[..., Decoder],
) -> None:
    decoder = start(Limits(memory_bytes=150 << 20))
    bomb = png_of(Image.new("RGB", (7000, 7000)))

    with pytest.raises(Undecodable) as caught:
        await decoder.decode(bomb)

    assert caught.value.reason == "too_much_memory"
    assert (await decode_still(decoder, png_of(photo()))).size == (90, 60)


async def test_the_child_has_limits_and_a_filter_of_system_calls(start: Callable[..., Decoder]) -> None:
    decoder = start(Limits(memory_bytes=300 << 20, cpu_seconds=4))

    await decoder.decode(png_of(photo()))

    child = child_of(decoder)
    assert child.rlimit(psutil.RLIMIT_AS) == (300 << 20, 300 << 20)
    assert child.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
    assert child.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    status = Path(f"/proc/{child.pid}/status").read_text()
    assert "NoNewPrivs:\t1\nSeccomp:\t2\n" in status
    assert child.rlimit(psutil.RLIMIT_NOFILE) == (16, 16)
    assert child.rlimit(psutil.RLIMIT_CPU)[0] in (5, 6)
    assert child.environ() == {}
    assert os.getpgid(child.pid) != os.getpgid(0)


async def test_a_child_killed_while_it_decodes_is_a_crash_and_the_next_file_is_decoded(
    start: Callable[..., Decoder],
) -> None:
    decoder = start()
    work = await start_frozen_decode(decoder)

    child_of(decoder).send_signal(signal.SIGKILL)

    with pytest.raises(DecoderCrashed):
        await work
    assert (await decode_still(decoder, png_of(photo()))).size == (90, 60)


async def test_a_child_that_hangs_is_a_crash_and_the_next_file_is_decoded(
    start: Callable[..., Decoder],
) -> None:
    decoder = start(deadline_seconds=1)
    work = await start_frozen_decode(decoder)
    hung = child_of(decoder)

    with pytest.raises(DecoderCrashed):
        await work

    assert not hung.is_running()
    assert (await decode_still(decoder, png_of(photo()))).size == (90, 60)


async def test_a_cancelled_decode_ends_its_child_and_the_next_file_is_decoded(
    start: Callable[..., Decoder],
) -> None:
    decoder = start()
    work = await start_frozen_decode(decoder)
    cancelled = child_of(decoder)

    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work

    assert not cancelled.is_running()
    assert (await decode_still(decoder, png_of(photo((30, 20))))).size == (30, 20)


async def test_a_child_that_died_while_idle_is_replaced_silently(start: Callable[..., Decoder]) -> None:
    decoder = start()
    await decoder.decode(png_of(photo()))
    idle = child_of(decoder)

    idle.kill()
    await asyncio.to_thread(wait_for_death, idle)

    assert (await decode_still(decoder, png_of(photo()))).size == (90, 60)


async def test_a_child_is_replaced_after_a_number_of_files(start: Callable[..., Decoder]) -> None:
    decoder = start(files_per_process=2)
    data = png_of(photo())

    await decoder.decode(data)
    first = child_of(decoder)
    await decoder.decode(data)

    assert not first.is_running()
    await decoder.decode(data)
    assert child_of(decoder).pid != first.pid


async def test_files_are_decoded_side_by_side_in_several_children(start: Callable[..., Decoder]) -> None:
    decoder = start(processes=2)
    sizes = [(width, 20) for width in range(30, 40)]

    pictures = await asyncio.gather(*(decode_still(decoder, png_of(photo(size))) for size in sizes))

    assert [picture.size for picture in pictures] == sizes
    assert len(decoder._pool.children) == 2


async def test_closing_ends_the_children(start: Callable[..., Decoder]) -> None:
    decoder = start()
    work = await start_frozen_decode(decoder)
    child = child_of(decoder)

    await decoder.aclose()

    with pytest.raises(DecoderCrashed):
        await work
    assert not child.is_running()


def test_the_decoder_runs_under_uvloop() -> None:
    async def decoded() -> Picture:
        decoder = Decoder()
        picture = await decode_still(decoder, png_of(photo()))
        await decoder.aclose()
        return picture

    assert uvloop.run(decoded()).size == (90, 60)


PARENT = """
import asyncio, sys
from inference.decoding.pool import Decoder

async def main():
    decoder = Decoder()
    await decoder.decode(open(sys.argv[1], "rb").read())
    print(next(iter(decoder._pool.children)).pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_no_child_outlives_a_killed_parent() -> None:
    command = [sys.executable, "-c", PARENT, PHOTO]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))

        parent.kill()

    wait_for_death(child)

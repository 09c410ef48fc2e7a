"""Files of every kind are cut off at every twentieth, and one bit is flipped in 500 places of each.

Each ends as the whole picture, or is refused with the true cause. None crashes the decoder, and its memory
does not grow.
"""

import re
from collections.abc import AsyncGenerator, Mapping

import numpy as np
import psutil
import pytest

from images.formats.sniff import BROKEN, UNKNOWN
from inference.decoding.pool import Decoder
from inference.picture import Picture, Pixels
from tests.corpus.checked import Outcome, checked
from tests.corpus.kinds import FILES, HEICS, bmps, tiffs

FLIPS, SHARES = 500, range(5, 100, 5)
KINDS: Mapping[str, bytes] = FILES | {f"heic of a telephone: {name}": data for name, data in HEICS.items()}
REFUSALS = (
    re.escape(BROKEN),
    re.escape(UNKNOWN),
    r"The image is of a kind that cannot be upscaled: .+\.",
    r"The image may not have more than .+",
    r"The frames may not have more than .+",
    r"HDR pictures \(PQ and HLG\) cannot be upscaled yet\.",
    r"Pictures coded as .+ cannot be upscaled\.",
)
REASONS = ("", "corrupt_image", "unsupported_format", "too_many_pixels", "too_much_memory")
GROWTH = 64 << 20
"""Bytes by which the child's memory may grow while it decodes the last four fifths of the files."""


@pytest.fixture(scope="module")
async def decoder() -> AsyncGenerator[Decoder]:
    decoder = Decoder(files_per_process=100_000)
    yield decoder
    await decoder.aclose()


def are_equal(some: tuple[Picture, ...], others: tuple[Picture, ...]) -> bool:
    """Return whether the pictures are equal, or turned: the orientation may stand behind the pixels."""
    return len(some) == len(others) and all(
        any(np.array_equal(np.rot90(samples_of(one), quarters), samples_of(other)) for quarters in range(4))
        for one, other in zip(some, others, strict=True)
    )


def samples_of(picture: Picture) -> Pixels:
    if picture.alpha is None:
        return picture.pixels
    return np.dstack([picture.pixels, picture.alpha])


def names_a_cause(outcome: Outcome) -> bool:
    is_known = not outcome.refusal or any(re.fullmatch(text, outcome.refusal) for text in REFUSALS)
    return is_known and outcome.reason in REASONS


def memory(decoder: Decoder) -> int:
    [child] = decoder._pool.children
    return psutil.Process(child.pid).memory_info().rss


@pytest.mark.parametrize("kind", KINDS)
async def test_a_file_that_is_cut_off_is_refused_or_whole(decoder: Decoder, kind: str) -> None:
    data = KINDS[kind]
    whole = await checked(decoder, data)

    for share in SHARES:
        outcome = await checked(decoder, data[: len(data) * share // 100])

        assert outcome.refusal in ("", BROKEN, UNKNOWN, whole.refusal), share
        assert outcome.reason in ("", "corrupt_image", "unsupported_format"), share
        is_upscaled = outcome.is_accepted and outcome.is_decoded
        assert not is_upscaled or are_equal(outcome.frames, whole.frames), share


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", KINDS)
async def test_one_flipped_bit_crashes_nothing_and_is_named(decoder: Decoder, kind: str) -> None:
    data, used = KINDS[kind], list[int]()

    for position in range(0, len(data) * 8, max(1, len(data) * 8 // FLIPS)):
        damaged = bytearray(data)
        damaged[position // 8] ^= 1 << position % 8
        assert names_a_cause(await checked(decoder, bytes(damaged))), position
        used.append(memory(decoder))

    assert used[-1] - used[len(used) // 5] < GROWTH


@pytest.mark.timeout(600)
@pytest.mark.parametrize("table", [tiffs, bmps])
async def test_each_file_of_a_table_is_decoded_or_refused_at_the_upload(
    decoder: Decoder, table: type[dict[str, bytes]]
) -> None:
    for name, data in table().items():
        outcome = await checked(decoder, data)

        assert names_a_cause(outcome), name
        is_run_length = name.endswith(("compression 1", "compression 2"))  # random runs, seen in decoding
        assert outcome.is_decoded or not outcome.is_accepted or is_run_length, name

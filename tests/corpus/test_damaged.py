"""Files of every kind are damaged at random. None may crash the decoder or be read with two sizes."""

import random
from collections.abc import AsyncGenerator

import pytest

from inference.decoding.pool import Decoder
from tests.corpus.checked import checked
from tests.corpus.kinds import FILES

DAMAGED_COPIES = 150


@pytest.fixture(scope="module")
async def decoder() -> AsyncGenerator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Change some bytes, most of them near the beginning, or remove, repeat or cut off a piece."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        position = int(len(result) * rng.random() ** rng.choice((1, 3)))
        result[min(position, len(result) - 1)] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
    start, end = sorted(rng.randrange(len(result)) for _ in range(2))
    match rng.randrange(6):
        case 0:
            del result[start:end]
        case 1:
            result[start:start] = result[start:end]
        case 2:
            del result[end:]
        case _:
            pass
    return bytes(result)


@pytest.mark.parametrize("kind", FILES)
async def test_a_damaged_file_is_decoded_or_refused_without_a_crash(decoder: Decoder, kind: str) -> None:
    rng = random.Random(kind)

    outcomes = [await checked(decoder, damaged(FILES[kind], rng)) for _ in range(DAMAGED_COPIES)]

    assert (await checked(decoder, FILES[kind])).is_decoded
    assert any(not outcome.is_accepted for outcome in outcomes)

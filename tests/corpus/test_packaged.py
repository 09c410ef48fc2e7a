"""Decodes the thousand files that Pillow is tested with: crashes, bombs, truncated and unusual files."""

import os
from collections.abc import AsyncGenerator
from pathlib import Path

import psutil
import pytest

from inference.decoding.pool import Decoder
from tests.corpus.checked import checked

FOLDER = Path(os.environ["LOUPE_CORPUS"])
FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file() and path.stat().st_size <= 10_485_760)
LONGEST_SECONDS = 2.0
"""A file that takes longer keeps a decoder busy, as an attacker would. This is no claim about speed."""


@pytest.fixture(scope="module")
async def decoder() -> AsyncGenerator[Decoder]:
    decoder = Decoder(files_per_process=10_000)
    yield decoder
    await decoder.aclose()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
async def test_every_file_is_decoded_or_refused_promptly(decoder: Decoder, path: Path) -> None:
    outcome = await checked(decoder, path.read_bytes())

    assert outcome.seconds < LONGEST_SECONDS
    assert outcome.is_decoded or not outcome.is_accepted


async def test_one_child_decodes_all_files_in_bounded_memory(decoder: Decoder) -> None:
    [child] = decoder._pool.children

    assert child.files == len(FILES)
    assert psutil.Process(child.pid).memory_info().rss < 600 << 20

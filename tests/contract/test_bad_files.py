"""Malicious files are refused soon and leave nothing behind. Unusual files are upscaled correctly."""

import asyncio

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.client import download_result, upload_image, upscale
from tests.contract.api_client import invalid_fields
from tests.contract.bad_files import HARMFUL, JPEG, ODD, PHOTO, PNG, truncated_files
from tests.e2e.test_refusals import count_traces
from tests.pixels import opened

SECONDS = 20
"""Far more than any file needs. An endless parser would take longer."""
TRUNCATED = dict(truncated_files())


@pytest.mark.parametrize("kind", HARMFUL)
async def test_a_harmful_file_is_refused_and_leaves_nothing(
    stack: Stack, jane: httpx2.AsyncClient, kind: str
) -> None:
    before = await count_traces(stack, jane)

    answer = await asyncio.wait_for(upscale(jane, HARMFUL[kind]), SECONDS)

    assert list(invalid_fields(answer)) == ["image"]
    assert await count_traces(stack, jane) == before


@pytest.mark.parametrize("kind", TRUNCATED)
async def test_a_file_that_ends_between_its_parts_is_refused(jane: httpx2.AsyncClient, kind: str) -> None:
    answer = await asyncio.wait_for(upscale(jane, TRUNCATED[kind]), SECONDS)

    assert list(invalid_fields(answer)) == ["image"]


@pytest.mark.parametrize("kind", ODD)
async def test_an_odd_file_is_upscaled_like_the_normal_one(jane: httpx2.AsyncClient, kind: str) -> None:
    plain = await upload_image(jane, PNG if "jpeg" not in kind else JPEG)

    odd = await download_result(jane, await upload_image(jane, ODD[kind], "odd.txt"))

    assert opened(odd).size == (2 * PHOTO.width, 2 * PHOTO.height)
    assert opened(odd).tobytes() == opened(await download_result(jane, plain)).tobytes()
    assert "icc_profile" not in opened(odd).info
    assert not any(mark in odd for mark in (b"PK\3\4", b"alert", b"nonsense"))


async def test_the_service_still_works_afterwards(jane: httpx2.AsyncClient) -> None:
    await asyncio.gather(*(upscale(jane, data) for data in HARMFUL.values()))

    result = await download_result(jane, await upload_image(jane, JPEG))

    assert opened(result).size == (2 * PHOTO.width, 2 * PHOTO.height)

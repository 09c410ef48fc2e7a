"""A user whose manifests had too many refused items may send more of them in the next hour."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
import sqlalchemy as sa

from common import errors
from images.domain import undecodable
from images.uploads.manifests import Manifests
from loupe.images.v1 import images_pb2 as pb
from tests.images.harness import Harness
from tests.images.upload_traces import set_plan

JANE, OMAR = 1, 2
LIMIT = 3
GOOD = pb.CreateManifestRequest.Item(image_url="https://example.com/a.png")
BAD = pb.CreateManifestRequest.Item(image_url="ftp://x", problems={"image_url": "No."})


@pytest.fixture
async def manifests(harness: Harness) -> Manifests:
    await set_plan(harness, "professional", JANE)
    settings = harness.settings.model_copy(update={"refused_items_per_hour": LIMIT})
    return Manifests(replace(harness.context, settings=settings))


def manifest(*items: pb.CreateManifestRequest.Item) -> pb.CreateManifestRequest:
    return pb.CreateManifestRequest(items=items, max_scale=4, skips_refused_items=True)


async def test_a_manifest_with_refused_items_is_refused_after_too_many(
    harness: Harness, manifests: Manifests
) -> None:
    for _ in range(2):
        await manifests.accept(JANE, manifest(BAD, BAD))

    with pytest.raises(errors.ResourceExhausted) as caught:
        await manifests.accept(JANE, manifest(BAD, GOOD))

    assert caught.value.reason == "too_many_refused_items"
    assert 0 < caught.value.retry_after_seconds <= undecodable.HOUR
    await manifests.accept(JANE, manifest(GOOD))
    await manifests.accept(OMAR, manifest(BAD))
    async with harness.sessions.begin() as session:
        connection = await session.connection()
        await connection.execute(sa.text("UPDATE undecodable SET items_hour = items_hour - 1"))
        counted = (await connection.execute(sa.text("SELECT count(*) FROM image"))).scalar_one()
    assert counted == 6
    await manifests.accept(JANE, manifest(BAD))


async def test_manifests_that_come_together_do_not_pass_the_limit_together(manifests: Manifests) -> None:
    sent = (manifests.accept(JANE, manifest(*[BAD] * LIMIT)) for _ in range(4))

    outcomes = await asyncio.gather(*sent, return_exceptions=True)

    assert Counter(map(type, outcomes)) == {type(None): 1, errors.ResourceExhausted: 3}

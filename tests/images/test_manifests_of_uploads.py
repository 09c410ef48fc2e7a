"""Direct uploads of manifests: none is kept for longer than something may still read it."""

import uuid

from images.domain import fetches
from loupe.images.v1 import images_pb2 as pb
from tests.contract.api_client import SMALL
from tests.images.harness import Harness
from tests.images.test_direct_uploads import stored
from tests.images.test_manifests import JANE, NOWHERE, execute, fetching, until
from tests.images.upload_traces import set_plan


async def a_manifest(harness: Harness) -> pb.Batch:
    """Create a manifest of one direct upload, whose file is stored."""
    await set_plan(harness, "professional", JANE)
    item = pb.CreateManifestRequest.Item(upload_id=await stored(harness, SMALL))
    request = pb.CreateManifestRequest(items=[item], max_scale=4)
    return (await harness.user(JANE).CreateManifest(request)).batch


async def test_the_upload_of_a_cancelled_item_is_kept_for_an_hour_and_longer_once_it_is_retried(
    harness: Harness,
) -> None:
    batch = await a_manifest(harness)
    left = "SELECT extract(epoch FROM expires_at - now()) / 3600 FROM direct_upload"

    await harness.user(JANE).DeleteBatch(pb.DeleteBatchRequest(id=batch.id))
    cancelled = (await execute(harness, left)).scalar_one()
    await harness.user(JANE).RetryBatch(pb.RetryBatchRequest(id=batch.id))
    retried = (await execute(harness, left)).scalar_one()
    async with fetching(harness, NOWHERE):
        await until(harness, pending_with_file=1)

    assert cancelled <= 1 < retried
    assert (await execute(harness, left)).scalar_one() <= 1


async def test_a_fetch_that_nobody_wants_any_more_keeps_no_upload(harness: Harness) -> None:
    image = (await a_manifest(harness)).images[0]
    async with harness.sessions.begin() as session:
        [claim] = await fetches.claim(session, uuid.uuid4(), {}, 9, 9, 30)
    await execute(harness, "UPDATE image SET status = 'failed'")

    async with harness.sessions.begin() as session:
        await fetches.forget_unwanted(session, claim)

    left = await execute(harness, "SELECT expires_at <= now() + interval '1 hour' FROM direct_upload")
    assert (claim.image_id, left.scalars().all()) == (image.id, [True])

"""A user whose files take long to decode leaves decoders and places to other users."""

from dataclasses import replace

import pytest

from common import messages
from images.tables import Image
from loupe.images.v1 import images_pb2
from tests.inference.worker.harness import STANDARD, Harness


def of_omar(image: Image) -> bytes:
    return images_pb2.ImageSubmitted(image_id=image.id or 0, fairness_key="omar").SerializeToString()


async def test_a_job_is_not_started_while_its_user_takes_its_share_of_the_decoders(harness: Harness) -> None:
    image, worker = await harness.job(), replace(harness.worker, share_seconds=0.0)

    async with worker.decoder.shares.place("omar"):
        with pytest.raises(messages.RetryLater):
            await worker.handle(of_omar(image), STANDARD)

    assert (await harness.row(image)).attempt == 0
    await worker.handle(of_omar(image), STANDARD)
    assert [result.HasField("output") for result in await harness.results()] == [True]


async def test_the_job_of_another_user_and_one_without_a_key_are_done_meanwhile(harness: Harness) -> None:
    others, worker = [await harness.job() for _ in range(2)], replace(harness.worker, share_seconds=0.0)

    async with worker.decoder.shares.place("jane"):
        await worker.handle(of_omar(others[0]), STANDARD)
        await harness.do(others[1])

    assert len(await harness.results()) == 2

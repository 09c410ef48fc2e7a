"""The parts of the release before that matter in an upgrade and a rollback: its worker, and its sweeper.

They are copied from that release. Its `images` published all jobs to the stream JOBS, and looked only there.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from datetime import timedelta

import nats.errors
import sqlalchemy as sa
from nats.js import JetStreamContext, api

from common import outbox
from common.db import Sessions
from loupe.images.v1 import images_pb2 as pb
from loupe.inference.v1 import inference_pb2
from tests.images.harness import RULES
from tests.images.harness import Harness as ImagesHarness

FORGOTTEN_AFTER, LOST_AFTER = timedelta(minutes=30), timedelta(seconds=30)
LOST = sa.text("""
    UPDATE image SET dispatched_at = NULL WHERE id IN (
        SELECT id FROM image WHERE status = 'pending' AND dispatched_at < now() - :silent_for
        FOR UPDATE SKIP LOCKED
    ) RETURNING user_id
""")
DISPATCH = sa.text("""
    UPDATE image SET dispatched_at = now() WHERE id IN (
        SELECT id FROM image
        WHERE user_id = :user_id AND status = 'pending' AND dispatched_at IS NULL
        ORDER BY id
        LIMIT greatest(0, :window - (
            SELECT count(*) FROM image
            WHERE user_id = :user_id AND status IN ('pending', 'processing') AND dispatched_at IS NOT NULL))
    ) RETURNING id, is_priority
""")


async def sweep(sessions: Sessions, js: JetStreamContext) -> None:
    """Queue lost images again, in the stream JOBS."""
    stream = await js.stream_info("JOBS")
    silent_for = FORGOTTEN_AFTER if stream.state.messages else LOST_AFTER
    async with sessions.begin() as session:
        lost = await (await session.connection()).execute(LOST, {"silent_for": silent_for})
        users = sorted(set(lost.scalars().all()))
    for user_id in users:
        async with sessions.begin() as session:
            connection = await session.connection()
            values = {"user_id": user_id, "window": RULES.window}
            for image_id, is_priority in (await connection.execute(DISPATCH, values)).all():
                subject = "images.submitted.priority" if is_priority else "images.submitted.standard"
                await outbox.publish(session, subject, pb.ImageSubmitted(image_id=image_id))


class OldWorker:
    """Takes jobs from the stream JOBS, and is ready to be handed another image than that of its message."""

    def __init__(self, images_harness: ImagesHarness, js: JetStreamContext) -> None:
        self._images = images_harness.service()
        self._js = js
        self.received: list[int] = []
        self.done: list[int] = []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        config = api.ConsumerConfig(
            durable_name="inference",
            filter_subjects=["images.submitted.*"],
            ack_policy=api.AckPolicy.EXPLICIT,
            ack_wait=1.0,
            max_deliver=-1,
            max_ack_pending=10_000,
        )
        await self._js.add_consumer("JOBS", config)
        task = asyncio.create_task(self._consume())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _consume(self) -> None:
        subscription = await self._js.pull_subscribe_bind("inference", "JOBS")
        while True:
            with contextlib.suppress(nats.errors.TimeoutError):
                [message] = await subscription.fetch(1, timeout=1)
                await self._handle(pb.ImageSubmitted.FromString(message.data).image_id)
                await message.ack_sync()

    async def _handle(self, image_id: int) -> None:
        self.received.append(image_id)
        request = pb.StartWorkRequest(image_id=image_id, models=["auto"], takes_another=True)
        response = await self._images.StartWork(request)
        if not response.HasField("order"):
            return
        order = response.order
        output = inference_pb2.Output(bytes=1, seconds=1.0)
        finished = inference_pb2.Finished(image_id=order.image_id, fence=order.fence, output=output)
        await self._js.publish("inference.finished", finished.SerializeToString())
        self.done.append(order.image_id)

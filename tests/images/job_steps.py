"""The steps of a job, each in its own transaction as the servicer or handler does it,
and the events that follow."""

from datetime import timedelta

from sqlmodel import col, update

from common.db import Sessions, now
from images.domain import jobs, library
from images.tables import Image
from loupe.images.v1 import images_pb2 as pb
from loupe.inference.v1 import inference_pb2
from tests.images.harness import RULES, read_events

JANE, OMAR = 1, 2


async def dispatch(sessions: Sessions, user_id: int = JANE) -> None:
    async with sessions.begin() as session:
        await jobs.lock_user(session, user_id)
        await jobs.dispatch(session, user_id, RULES)


async def start(sessions: Sessions, image: Image) -> Image | None:
    async with sessions.begin() as session:
        return await jobs.start(session, image.id or 0, RULES)


async def stop(sessions: Sessions, image: Image, fence: int, *, excused: bool = False) -> None:
    async with sessions.begin() as session:
        await jobs.stop(session, image.id or 0, fence, excused=excused)


async def send_heartbeat(sessions: Sessions, image: Image, fence: int, percent: int = 0) -> bool:
    async with sessions.begin() as session:
        return await jobs.record_heartbeat(session, image.id or 0, fence, percent)


async def delete(sessions: Sessions, image: Image, *, rules: jobs.Rules = RULES) -> None:
    async with sessions.begin() as session:
        await library.delete(session, image.user_id, image.id or 0, rules)


async def finish(
    sessions: Sessions,
    image: Image,
    fence: int,
    *,
    failure: str = "",
    pictures: int = 0,
    rules: jobs.Rules = RULES,
) -> None:
    event = inference_pb2.Finished(image_id=image.id or 0, fence=fence, upscaled_path=image.upscaled_path)
    if failure:
        event.failure.CopyFrom(inference_pb2.Failure(code=failure, message="No.", retryable=True))
    else:
        event.output.CopyFrom(inference_pb2.Output(bytes=321, seconds=1.5, pictures=pictures))
    async with sessions.begin() as session:
        await jobs.finish(session, event, rules)


async def read_queued_ids(sessions: Sessions) -> list[int]:
    return [
        pb.ImageSubmitted.FromString(payload).image_id
        for subject, payload in await read_events(sessions)
        if subject in (jobs.STANDARD, jobs.PRIORITY)
    ]


async def read_outcomes(sessions: Sessions) -> list[tuple[str, pb.ImageEnded]]:
    return [
        (subject, pb.ImageEnded.FromString(payload))
        for subject, payload in await read_events(sessions)
        if subject in ("images.completed", "images.failed", "images.cancelled")
    ]


async def read_dropped_keys(sessions: Sessions) -> list[str]:
    return [
        key
        for subject, payload in await read_events(sessions)
        if subject == "images.objects_dropped"
        for key in pb.ObjectsDropped.FromString(payload).keys
    ]


async def set_heartbeat_age(sessions: Sessions, image: Image, seconds: float) -> None:
    """Set the worker's last heartbeat to `seconds` ago."""
    async with sessions.begin() as session:
        past = now() - timedelta(seconds=seconds)
        await session.exec(
            update(Image).where(col(Image.id) == image.id).values(heartbeat_at=past, started_at=past)
        )

"""Files that still have to be fetched for images of manifests: which one is next, and how a fetch ends.

The image of such a file is pending, with the turn `tables.NO_FILE_TURN`: no worker gets it. Users share the
fetches: a free place goes to the user with the fewest fetches under way. A process claims a fetch for a short
time and renews the claim. If it dies, another one begins the fetch again, and the fence tells their outcomes
apart.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from images.domain import batch_progress, direct_uploads, jobs, undecodable
from images.tables import Image, Status
from images.upload_tables import DirectUpload, ImageSource
from loupe.inference.v1 import inference_pb2

FETCH_FAILED = "fetch_failed"
CLAIMED_FOR = timedelta(seconds=20)
"""The duration of a process's claim on a fetch, by the database's clock. The process renews it."""
CLAIM = sa.text(f"""
    WITH RECURSIVE waiting AS (
        (SELECT user_id FROM image_source WHERE due_at IS NOT NULL ORDER BY user_id LIMIT 1)
        UNION ALL
        SELECT (SELECT user_id FROM image_source WHERE due_at IS NOT NULL AND user_id > waiting.user_id
            ORDER BY user_id LIMIT 1)
        FROM waiting WHERE user_id IS NOT NULL
    ), candidate AS (
        SELECT found.image_id, found.due_at, busy.number
            + row_number() OVER (PARTITION BY waiting.user_id ORDER BY found.image_id) AS turn
        FROM waiting, LATERAL (
            SELECT count(*) AS number FROM image_source
            WHERE user_id = waiting.user_id AND due_at IS NOT NULL AND claimed_until > now()
        ) AS busy, LATERAL (
            SELECT image_id, due_at FROM image_source
            WHERE user_id = waiting.user_id AND due_at <= now() AND coalesce(claimed_until <= now(), true)
                AND waiting.user_id NOT IN ({undecodable.OVER_LIMIT})
            ORDER BY image_id
            LIMIT greatest(0, least(:free, :most_of_user
                - coalesce((CAST(:running AS jsonb) ->> waiting.user_id::text)::bigint, 0)))
        ) AS found
    ), chosen AS MATERIALIZED (
        SELECT image_id FROM image_source WHERE image_id IN (
            SELECT image_id FROM candidate ORDER BY turn, due_at, image_id LIMIT :free
        ) AND coalesce(claimed_until <= now(), true) FOR UPDATE SKIP LOCKED
    )
    UPDATE image_source SET fence = fence + 1, fetcher_id = :fetcher_id, claimed_until = now() + :claimed_for
    FROM chosen WHERE image_source.image_id = chosen.image_id
    RETURNING image_source.image_id, user_id, url, upload_id, output_format, max_scale, fence, failures
""").bindparams(sa.bindparam("fetcher_id", type_=sa.Uuid), sa.bindparam("claimed_for", type_=sa.Interval))  # noqa: S608
"""Visits each waiting user once in the index, and a few rows of each, however many there are. Leaves out
users who are over the limit of `undecodable`, because what is fetched for them would be refused.
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """A fetch that this process has claimed."""

    image_id: int
    user_id: int
    url: str | None
    upload_id: uuid.UUID | None
    output_format: str | None
    max_scale: int
    fence: int
    failures: int


async def claim(
    session: AsyncSession,
    fetcher_id: uuid.UUID,
    running: Mapping[int, int],
    free: int,
    most_of_user: int,
    undecodable_per_hour: int,
) -> list[Claim]:
    """Claim up to `free` fetches. `running` says how many this process has of each user, who may have
    `most_of_user` in it.
    """
    values = {
        "free": free,
        "most_of_user": most_of_user,
        "running": json.dumps(running),
        "fetcher_id": fetcher_id,
        "claimed_for": CLAIMED_FOR,
    } | undecodable.limits_now(undecodable_per_hour)
    rows = (await (await session.connection()).execute(CLAIM, values)).mappings().all()
    return [Claim(**row) for row in rows]


async def renew(session: AsyncSession, fetcher_id: uuid.UUID, image_ids: Sequence[int]) -> None:
    """Claim these fetches of the process for longer."""
    await session.exec(
        update(ImageSource)
        .where(col(ImageSource.image_id).in_(image_ids), col(ImageSource.fetcher_id) == fetcher_id)
        .values(claimed_until=sa.func.now() + CLAIMED_FOR)
    )


async def put_off(session: AsyncSession, claim: Claim, seconds: float, *, failed: bool) -> None:
    """Let the fetch begin again later. `failed` counts that its host failed."""
    await session.exec(
        update(ImageSource)
        .where(*_is_current(claim))
        .values(
            due_at=sa.func.now() + timedelta(seconds=seconds),
            failures=col(ImageSource.failures) + int(failed),
            claimed_until=None,
        )
    )


async def lock(session: AsyncSession, claim: Claim) -> Image | None:
    """Lock the image for which this process has fetched. Return None if it does not need this fetch."""
    image = await jobs.lock_image(session, claim.image_id)
    source = await session.exec(select(ImageSource.image_id).where(*_is_current(claim)).with_for_update())
    is_wanted = image is not None and image.status == Status.PENDING and not image.has_file
    return image if is_wanted and source.one_or_none() is not None else None


async def forget_unwanted(session: AsyncSession, claim: Claim) -> None:
    """Fetch nothing more for an image that does not need this fetch, unless another process has begun one."""
    if await lock(session, claim) is None:
        await _stop(session, *_is_current(claim))


async def complete(
    session: AsyncSession, image: Image, direct: DirectUpload | None, rules: jobs.Rules
) -> None:
    """Queue the image, whose columns describe its stored file by now. The caller has locked it.

    The file of its direct upload is not needed any more.
    """
    image.turn = 0.0
    await batch_progress.record_file(session, image)
    await session.exec(sa.delete(ImageSource).where(col(ImageSource.image_id) == image.id))
    if direct:
        await direct_uploads.expire_soon(session, [direct.id])
        await jobs.drop_objects(session, direct.object_key)
    await session.flush()
    await jobs.dispatch(session, image.user_id, rules)


async def fail(
    session: AsyncSession, image: Image, message: str, rules: jobs.Rules, *, retryable: bool
) -> None:
    """Fail the image because there is no file for it. Its place in the quota is released."""
    await forget(session, [image.id or 0])
    failure = inference_pb2.Failure(code=FETCH_FAILED, message=message, retryable=retryable)
    await jobs.fail(session, image, failure, rules)


async def forget(session: AsyncSession, image_ids: Sequence[int]) -> None:
    """Fetch nothing for these images, unless they are retried. Their direct uploads expire within an hour."""
    await _stop(session, col(ImageSource.image_id).in_(image_ids))


async def begin_again(session: AsyncSession, images: Sequence[Image]) -> None:
    """Fetch the files of those of these images that have none. Their direct uploads are kept for it."""
    without_file = [image.id or 0 for image in images if not image.has_file]
    if without_file:
        changed = await session.exec(
            update(ImageSource)
            .where(col(ImageSource.image_id).in_(without_file))
            .values(due_at=sa.func.now(), failures=0, claimed_until=None)
            .returning(col(ImageSource.upload_id))
        )
        await direct_uploads.keep(session, [each for each in changed.scalars() if each])


async def with_source(session: AsyncSession, images: Sequence[Image]) -> set[int]:
    """Return the ids of those of these images whose file can be fetched (again)."""
    image_ids = [image.id or 0 for image in images]
    found = await session.exec(select(ImageSource.image_id).where(col(ImageSource.image_id).in_(image_ids)))
    return set(found.all())


async def drop_uploads(session: AsyncSession, images: Sequence[Image]) -> None:
    """Have the direct uploads deleted whose files these images wait for. Call it before the images go."""
    image_ids = [image.id or 0 for image in images if not image.has_file]
    if not image_ids:
        return
    found = await session.exec(
        select(DirectUpload.id, DirectUpload.object_key)
        .join(ImageSource, col(ImageSource.upload_id) == col(DirectUpload.id))
        .where(col(ImageSource.image_id).in_(image_ids))
    )
    if uploads := found.all():
        await direct_uploads.expire_soon(session, [upload_id for upload_id, _ in uploads])
        await jobs.drop_objects(session, *(key for _, key in uploads))


async def _stop(session: AsyncSession, *which: sa.ColumnElement[bool]) -> None:
    changed = await session.exec(
        update(ImageSource)
        .where(*which)
        .values(due_at=None, claimed_until=None)
        .returning(col(ImageSource.upload_id))
    )
    await direct_uploads.expire_soon(session, [each for each in changed.scalars() if each])


def _is_current(claim: Claim) -> tuple[sa.ColumnElement[bool], ...]:
    return col(ImageSource.image_id) == claim.image_id, col(ImageSource.fence) == claim.fence

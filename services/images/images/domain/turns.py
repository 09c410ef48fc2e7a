"""Decides which waiting image enters the stream next: users take turns by megapixels.

The stream is first in, first out, so it holds only what the running workers can take in two rounds. The order
is that of deficit round robin, without its rounds: an image's turn is the sum of the megapixels that its user
had up to and including it, and the smallest turn is next. A user who comes back starts where the others are
by now, so that a pause saves up nothing.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel.ext.asyncio.session import AsyncSession

from common.db import now
from images.domain import undecodable
from images.tables import HAS_NO_TURN, IS_IN_STREAM, WAITS

GONE_AFTER = timedelta(minutes=1)
"""A worker that has not announced itself for this long no longer runs."""
PLACES_WITHOUT_WORKERS = 2
"""The places that are assumed while no worker runs, so that a starting worker finds jobs."""
ROUNDS = 2
"""Rounds of jobs of the running workers that the stream may hold."""
ROUNDS_WITH_NEWCOMERS = 3
"""The same, if the last round is only small images of users who have nothing else in the stream."""
RESERVE_SECONDS = 0.25
"""The stream may hold these rounds in any case if the workers need less time for all its jobs. Otherwise fast
workers would wait for the next jobs.
"""
SMALL_MEGAPIXELS = 8.0
"""An image is small up to this size of its result, and up to this many megapixels that networks write."""
LEAST_MEGAPIXELS = 0.25
"""An image counts at least as much, because each job takes some time beside its pixels."""
MOST_GIVEN = 1000
"""The most images that get their turns at a time. There are more only after an upgrade."""
MOST_READ = 256
"""Waiting images of each size that are considered beyond the free places."""
LOCK = {"space": 0x7475726E, "lock": 0}
"""The advisory lock of `LOCK_IF_NEEDED`. Two numbers cannot be mistaken for a user's lock, which is one."""

HAS_TURN = f"{WAITS} AND turn > 0"
WORK = "coalesce(work_megapixels, upscaled_width::float8 * upscaled_height / 1e6)"
GIVE_TURNS = sa.text(f"""
    WITH fresh AS (
        SELECT id, user_id, is_priority, {WORK} AS megapixels,
            upscaled_width::float8 * upscaled_height / 1e6 AS result_megapixels
        FROM image WHERE {HAS_NO_TURN} AND (user_id = :user_id OR :user_id IS NULL)
        ORDER BY user_id, id LIMIT :most_given FOR UPDATE SKIP LOCKED
    ), owner AS (
        SELECT user_id, is_priority, greatest(
            (SELECT max(turn) FROM image WHERE {IS_IN_STREAM} AND is_priority = fresh.is_priority),
            (SELECT turn FROM image WHERE status IN ('pending', 'processing')
                AND user_id = fresh.user_id AND is_priority = fresh.is_priority AND turn > 0
                ORDER BY turn DESC LIMIT 1),
            0) AS turn
        FROM (SELECT DISTINCT user_id, is_priority FROM fresh) AS fresh
    )
    UPDATE image SET turn = given.turn, is_small = given.is_small FROM (
        SELECT id, greatest(megapixels, result_megapixels) <= :small AS is_small, turn + sum(
            greatest(megapixels, :least)) OVER (PARTITION BY user_id, is_priority ORDER BY id) AS turn
        FROM fresh JOIN owner USING (user_id, is_priority)
    ) AS given WHERE image.id = given.id
""")  # noqa: S608  all parts are constants
POOL = """
    alive AS (SELECT * FROM worker WHERE announced_at > :alive),
    pool AS (
        SELECT coalesce(sum(coalesce(places, 1)), :places_without_workers) AS places,
            sum(megapixels_per_second) AS speed,
            coalesce(avg(seconds_per_job), 0) / greatest(count(*), 1) AS seconds_per_job
        FROM alive
    ),
    queue AS (SELECT * FROM (VALUES (true), (false)) AS queue (is_priority))
"""
LOCK_IF_NEEDED = sa.text(f"""
    WITH {POOL} SELECT pg_advisory_xact_lock(:space, :lock) WHERE EXISTS (
        SELECT FROM queue, pool
        WHERE coalesce((
            SELECT id FROM image WHERE {HAS_TURN} AND is_priority = queue.is_priority AND is_small
            ORDER BY turn, id LIMIT 1
        ), (
            SELECT id FROM image WHERE {HAS_TURN} AND is_priority = queue.is_priority AND NOT is_small
            ORDER BY turn, id LIMIT 1
        )) IS NOT NULL AND (
            SELECT count(*) FROM image WHERE {IS_IN_STREAM} AND is_priority = queue.is_priority
        ) < :rounds_with_newcomers * places)
""")  # noqa: S608
"""Takes the lock, and returns a row, if an image waits and the stream has room. One transaction at a time
lets images in, so that several replicas together let in no more than one would. It reads at most one row of
each size, and none of the images whose files are still fetched.
"""
CHOOSE = sa.text(f"""
    WITH {POOL},
    speed AS (
        SELECT key AS kind, sum(value::float8) AS speed
        FROM alive, jsonb_each_text(coalesce(speeds, '{{}}')) GROUP BY key
    ), in_stream AS MATERIALIZED (
        SELECT user_id, is_priority, is_small, turn,
            coalesce({WORK} / coalesce(speed.speed, pool.speed) + seconds_per_job, :reserve) AS seconds
        FROM image CROSS JOIN pool LEFT JOIN speed ON kind = work_kind WHERE {IS_IN_STREAM}
    ), in_queue AS (
        SELECT is_priority, count(user_id) AS jobs, coalesce(sum(seconds), 0) AS seconds,
            count(*) FILTER (WHERE NOT is_small) AS large, max(turn) AS last_turn
        FROM queue LEFT JOIN in_stream USING (is_priority) GROUP BY is_priority
    ), of_user AS (
        SELECT user_id, count(*) AS jobs FROM in_stream GROUP BY user_id
    ), candidate AS (
        SELECT found.*, coalesce(of_user.jobs, 0) AS own_jobs,
            coalesce(of_user.jobs, 0) + row_number() OVER (PARTITION BY user_id ORDER BY turn, id)
                AS own_number,
            coalesce(work / coalesce(speed.speed, pool.speed) + seconds_per_job, :reserve) AS seconds
        FROM pool, queue, (VALUES (true), (false)) AS size (is_small), LATERAL (
            SELECT id, user_id, is_priority, is_small, turn, work_kind, {WORK} AS work FROM image
            WHERE {HAS_TURN} AND is_priority = queue.is_priority AND image.is_small = size.is_small
                AND user_id NOT IN ({undecodable.OVER_LIMIT})
            ORDER BY turn, id LIMIT :rounds_with_newcomers * places + :most_read
        ) AS found LEFT JOIN of_user USING (user_id) LEFT JOIN speed ON kind = work_kind
    ), counted AS (
        SELECT *, row_number() OVER (PARTITION BY is_priority, is_small ORDER BY turn, id) AS number_of_size
        FROM candidate WHERE own_number <= :window OR :window = 0
    ), possible AS (
        SELECT counted.*, jobs, in_queue.seconds AS seconds_before,
            row_number() OVER (PARTITION BY is_priority ORDER BY turn, id) AS number,
            sum(counted.seconds) OVER (PARTITION BY is_priority ORDER BY turn, id) AS seconds_until,
            is_small AND own_jobs = 0 AND turn - greatest(work, :least) <= last_turn
                AND row_number() OVER (PARTITION BY user_id ORDER BY turn, id) = 1 AS is_newcomer
        FROM counted JOIN in_queue USING (is_priority) CROSS JOIN pool
        WHERE is_small OR large + number_of_size <= places
    ), judged AS (
        SELECT *, jobs + number <= :rounds * places OR jobs + number <= :rounds_with_newcomers * places
            AND seconds_before + seconds_until <= :reserve AS fits
        FROM possible CROSS JOIN pool
    )
    SELECT id FROM (
        SELECT id, fits, is_newcomer, places, jobs
            + count(*) FILTER (WHERE fits) OVER (PARTITION BY is_priority)
            + row_number() OVER (PARTITION BY is_priority, fits, is_newcomer ORDER BY turn, id) AS number
        FROM judged
    ) AS extra WHERE fits OR is_newcomer AND number <= :rounds_with_newcomers * places
""")  # noqa: S608
"""Returns the ids of the next images: as many as `ROUNDS` and `RESERVE_SECONDS` allow, and one small image
more of each newcomer: a user who has none in the stream, and has not had more than the others. No more images
are large than there are places, because another one would be in the way of small ones.
"""
LET_IN = sa.text(f"""
    UPDATE image SET dispatched_at = now() WHERE id IN (
        SELECT id FROM image WHERE id = ANY(:ids) AND {WAITS} FOR UPDATE SKIP LOCKED
    ) RETURNING id, user_id, is_priority, is_small, turn, request_id, trace_parent
""")  # noqa: S608
"""Leaves out rows that another transaction has locked: to wait for it here could end in a deadlock."""


async def give(session: AsyncSession, user_id: int | None) -> None:
    """Give a turn to the user's images that have none; None: to those of all users."""
    parameters = {
        "user_id": user_id,
        "small": SMALL_MEGAPIXELS,
        "least": LEAST_MEGAPIXELS,
        "most_given": MOST_GIVEN,
    }
    statement = GIVE_TURNS.bindparams(sa.bindparam("user_id", type_=sa.BigInteger))
    await (await session.connection()).execute(statement, parameters)


async def let_in(session: AsyncSession, window: int, undecodable_per_hour: int) -> Sequence[sa.Row[Any]]:
    """Mark the next images as dispatched, and return them in the order of their turns.

    `window` limits the unfinished images of one user in the stream; 0: no limit. Images of users who are over
    `undecodable_per_hour` keep their turns, and wait for the next hour.
    """
    connection = await session.connection()
    pool = {
        "alive": now() - GONE_AFTER,
        "places_without_workers": PLACES_WITHOUT_WORKERS,
        "rounds_with_newcomers": ROUNDS_WITH_NEWCOMERS,
    }
    if not (await connection.execute(LOCK_IF_NEEDED, pool | LOCK)).all():
        return []
    limits = {
        "rounds": ROUNDS,
        "reserve": RESERVE_SECONDS,
        "least": LEAST_MEGAPIXELS,
        "most_read": MOST_READ,
        "window": window,
    }
    over = undecodable.limits_now(undecodable_per_hour)
    ids = (await connection.execute(CHOOSE, pool | limits | over)).scalars().all()
    rows = (await connection.execute(LET_IN, {"ids": ids})).all() if ids else []
    return sorted(rows, key=lambda row: (row.turn, row.id))

"""Inserts and removes a million images of one user, in many states, between images of another user."""

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

INSERT = text("""
    INSERT INTO image (user_id, original_filename, original_path, original_bytes, original_width,
        original_height, upscaled_path, upscaled_format, upscaled_width, upscaled_height, status, api_request,
        is_priority, reservation_id, reserved_until, attempt, excused, created_at, updated_at, expires_at)
    SELECT CASE WHEN n % 10 = 0 THEN CAST(:other_user_id AS bigint) ELSE :user_id END,
        'photo.png', n::text, 1, 1, 1, 'key', 'PNG', 2, 2,
        CASE WHEN n % 7 = 0 THEN 'failed' WHEN n % 100 = 0 THEN 'pending' ELSE 'completed' END,
        true, false, '00000000-0000-4000-8000-000000000000', now(), 0, 0, now(), now(),
        CASE WHEN :are_due THEN now() - make_interval(secs => 2000000 - n) END
    FROM generate_series(1, :count) AS n
""")
WITH_OTHERS = 1_111_111
REMOVE = (
    "ALTER TABLE image DISABLE TRIGGER image_deleted_event",  # nobody needs a million events
    "DELETE FROM image WHERE user_id = :user_id OR user_id = :other_user_id",
    "ALTER TABLE image ENABLE TRIGGER image_deleted_event",
)


async def a_million_images(session: AsyncSession, user_id: int, other_user_id: int) -> None:
    await insert_images(session, user_id, other_user_id, WITH_OTHERS)


async def insert_images(
    session: AsyncSession, user_id: int, other_user_id: int, count: int, *, are_due: bool = False
) -> None:
    """Insert `count` images of both users. `are_due`: their time to expire has come."""
    connection = await session.connection()
    users = {"user_id": user_id, "other_user_id": other_user_id}
    await connection.execute(INSERT, users | {"count": count, "are_due": are_due})
    await connection.execute(text("ANALYZE image"))


async def remove_images(session: AsyncSession, user_id: int, other_user_id: int) -> None:
    """Remove all images of both users, without their events."""
    connection = await session.connection()
    _, delete, _ = REMOVE
    for statement in REMOVE:
        users = {"user_id": user_id, "other_user_id": other_user_id} if statement is delete else {}
        await connection.execute(text(statement), users)

"""Inserts a million images of one user, in every status but `processing`, between images of another user."""

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

INSERT = text("""
    INSERT INTO image (user_id, original_filename, original_path, original_bytes, original_width,
        original_height, upscaled_path, upscaled_format, upscaled_width, upscaled_height, status, api_request,
        is_priority, reservation_id, reserved_until, attempt, excused, created_at, updated_at)
    SELECT CASE WHEN n % 10 = 0 THEN CAST(:other_user_id AS bigint) ELSE :user_id END,
        'photo.png', n::text, 1, 1, 1, 'key', 'PNG', 2, 2,
        CASE WHEN n % 7 = 0 THEN 'failed' WHEN n % 100 = 0 THEN 'pending' ELSE 'completed' END,
        true, false, '00000000-0000-4000-8000-000000000000', now(), 0, 0, now(), now()
    FROM generate_series(1, 1111111) AS n
""")


async def a_million_images(session: AsyncSession, user_id: int, other_user_id: int) -> None:
    connection = await session.connection()
    await connection.execute(INSERT, {"user_id": user_id, "other_user_id": other_user_id})
    await connection.execute(text("ANALYZE image"))

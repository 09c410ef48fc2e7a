"""The webhooks of users."""

from collections.abc import Sequence

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from outbound.tables import Webhook


async def list_all(session: AsyncSession, user_id: int) -> Sequence[Webhook]:
    """Return all webhooks of a user, newest first."""
    own = select(Webhook).where(Webhook.user_id == user_id).order_by(col(Webhook.id).desc())
    return (await session.exec(own)).all()

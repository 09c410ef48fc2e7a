"""Finds and deletes what outbound stores of a user."""

from sqlmodel import col, delete
from sqlmodel.ext.asyncio.session import AsyncSession

from outbound.tables import AccountSecret, Delivery, Lane, Turn, Webhook


async def delete_everything(session: AsyncSession, user_id: int) -> None:
    """Delete all rows of a user. Repeating it changes nothing."""
    for table in (Turn, Webhook, AccountSecret, Lane, Delivery):
        await session.exec(delete(table).where(col(table.user_id) == user_id))

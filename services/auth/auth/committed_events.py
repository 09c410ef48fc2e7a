"""Security events that are recorded with a transaction."""

from functools import partial

from sqlmodel.ext.asyncio.session import AsyncSession

from common import db
from common.security_events import record


def record_on_commit(session: AsyncSession, name: str, **ids: object) -> None:
    """Record the event once the transaction has committed, and never if it rolls back."""
    db.on_commit(session, partial(record, name, **ids))

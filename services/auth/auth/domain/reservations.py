"""Says which mail addresses are free.

A former address stays reserved for its user while the change can be undone. Otherwise an attacker could
change the address of an account, register the former one, and so close the way back.
"""

from datetime import timedelta

import sqlalchemy as sa
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from auth.tables import AddressChange, User
from common import errors
from common.db import now

WAY_BACK = timedelta(hours=72)
LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtext('address'), hashtext(:email))")
"""Nobody takes an address while it becomes free: the reservation is visible only after the commit."""


async def require_free(session: AsyncSession, email: str, user_id: int = 0) -> None:
    """Refuse an address that another user has, or had until a moment ago and may still put back."""
    await lock(session, email)
    owned = select(User.id).where(User.email == email, col(User.id) != user_id)
    reserved = select(AddressChange.id).where(
        AddressChange.former_email == email,
        AddressChange.user_id != user_id,
        col(AddressChange.done_at) > now() - WAY_BACK,
        col(AddressChange.undone_at).is_(None),
    )
    if (await session.exec(owned)).first() or (await session.exec(reserved)).first():
        raise taken()


async def lock(session: AsyncSession, email: str) -> None:
    """Have others who need this address wait until the transaction ends."""
    await (await session.connection()).execute(LOCK, {"email": email})


def taken() -> errors.ServiceError:
    return errors.invalid({"email": ["The email has already been taken."]})

"""Sessions of the console: rows beside the API tokens, which no list of tokens has."""

from datetime import timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from auth.domain import tokens
from auth.recording import record
from auth.tables import User
from common.db import now
from loupe.contract import ABILITIES

LIFETIME = timedelta(days=30)
MOST_SESSIONS = 50
"""A further session of a user ends the one that has been unused for the longest time."""


async def start(session: AsyncSession, user: User) -> str:
    """Create a session of the console for a user who has just proven who they are. Return its text."""
    instant = now()
    created, text = await tokens.create(
        session,
        user,
        tokens.TokenSpec("Console", ABILITIES, instant + tokens.CONSOLE_IDLE),
        most=MOST_SESSIONS,
        signed_in_at=instant,
        console_ends_at=instant + LIFETIME,
    )
    await record(session, "sign_in.admitted", user_id=user.id, token_id=created.id)
    return text

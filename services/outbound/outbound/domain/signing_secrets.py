"""The secrets of webhooks and accounts. Rows have them encrypted."""

from datetime import datetime, timedelta

from cryptography.fernet import InvalidToken
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from common import log
from outbound.domain import lanes
from outbound.recording import record
from outbound.signing import Cipher, new_secret
from outbound.tables import AccountSecret, Webhook

LOG = log.get(__name__)
PREVIOUS_SECRET_FOR = timedelta(hours=24)
"""How long the secret before the present one signs too."""
LOST = "its deliveries fail until its user rotates the secret"
"""The consequence for a row that was encrypted with a key that is lost."""


async def of_account(session: AsyncSession, user_id: int, cipher: Cipher, now: datetime) -> AccountSecret:
    """Return the secret of the user's account. Make it if there is none."""
    await lanes.lock(session, user_id)
    row = await session.get(AccountSecret, user_id)
    if row is None:
        row = AccountSecret(user_id=user_id, secret=cipher.encrypt(new_secret()), created_at=now)
        session.add(row)
        await session.flush()
    return row


async def rotate(
    session: AsyncSession, row: Webhook | AccountSecret, encrypted_secret: bytes, now: datetime
) -> None:
    """Replace the secret. The one before signs too, for a day."""
    row.previous_secret, row.previous_secret_expires_at = row.secret, now + PREVIOUS_SECRET_FOR
    row.secret = encrypted_secret
    webhook_id = row.id if isinstance(row, Webhook) else None
    await record(session, "webhook.secret_rotated", user_id=row.user_id, webhook_id=webhook_id)


def signing(row: Webhook | AccountSecret, cipher: Cipher, now: datetime) -> list[str]:
    """Return the secrets that sign now, the present one first."""
    expires_at = row.previous_secret_expires_at
    previous = row.previous_secret if expires_at and expires_at > now else None
    return [cipher.decrypt(each) for each in (row.secret, previous) if each]


async def encrypt_again(session: AsyncSession, cipher: Cipher) -> None:
    """Encrypt all secrets with the present key, so that the key before it is needed no longer."""
    for table in (Webhook, AccountSecret):
        for row in (await session.exec(select(table).with_for_update())).all():
            try:
                row.secret = cipher.encrypt_again(row.secret)
                row.previous_secret = row.previous_secret and cipher.encrypt_again(row.previous_secret)
            except InvalidToken:
                LOG.warning("secret of a webhook cannot be decrypted", user_id=row.user_id, action=LOST)

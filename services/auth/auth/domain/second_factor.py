"""The second factor: codes of six digits that change every 30 s (TOTP, RFC 6238), and recovery codes.

The secret is encrypted at rest as signing keys are. A recovery code has 80 random bits, so its SHA-256 is
enough. Each code works once. Callers lock the user's row first.
"""

import base64
import hashlib
import hmac
import secrets
import time
from datetime import datetime

from cryptography.fernet import InvalidToken, MultiFernet
from pyotp import random_base32
from pyotp.totp import TOTP
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from auth.domain import users
from auth.recording import record
from auth.tables import RecoveryCode, User
from common import errors, log
from common.db import now
from loupe import refusals

LOG = log.get(__name__)
ISSUER = "Loupe"
RECOVERY_CODES = 10
RECOVERY_CODE_BYTES = 10
STEP_SECONDS = 30
TOLERATED_STEPS = (-1, 0, 1)
"""The user's clock may differ by one interval."""
SPACERS = str.maketrans("", "", " -")
ADVICE = "only recovery codes work for this user; `loupe-admin user reset-second-factor` ends it"
"""The advice of a log line about a user whose factor was encrypted with a secret that is lost."""


async def encrypt_again(session: AsyncSession, cipher: MultiFernet) -> None:
    """Encrypt the secrets of all users with the newest secret of the installation."""
    has_secret = select(User).where(col(User.second_factor_secret).is_not(None))
    for user in (await session.exec(has_secret.with_for_update())).all():
        try:
            user.second_factor_secret = cipher.rotate(user.second_factor_secret or b"")
        except InvalidToken:
            LOG.warning("second factor cannot be decrypted", user_id=user.id, action=ADVICE)


def start(user: User, cipher: MultiFernet) -> tuple[str, str]:
    """Make a secret that counts after its first code. Return it, and as an address for a QR code."""
    if user.email_verified_at is None:  # a stranger could lock the owner of the address out
        raise errors.refused(refusals.EMAIL_UNVERIFIED)
    if user.second_factor_at:
        raise errors.refused(refusals.SECOND_FACTOR_ENABLED)
    secret = random_base32()
    user.second_factor_secret, user.second_factor_step = cipher.encrypt(secret.encode()), None
    return secret, TOTP(secret).provisioning_uri(name=user.email, issuer_name=ISSUER)


async def confirm(session: AsyncSession, user: User, otp: str, cipher: MultiFernet) -> list[str]:
    """Switch the second factor on, and return its recovery codes. Refuse a wrong code."""
    if user.second_factor_at:
        raise errors.refused(refusals.SECOND_FACTOR_ENABLED)
    if user.second_factor_secret is None:
        raise errors.refused(refusals.SECOND_FACTOR_MISSING)
    if not _use_code(user, _plain(otp), cipher):
        raise wrong_code(otp)
    user.second_factor_at = now()
    await users.mark_changed(session, user)
    await record(session, "second_factor.enabled", user_id=user.id)
    return await replace_recovery_codes(session, user)


async def use(session: AsyncSession, user: User, otp: str, cipher: MultiFernet) -> bool:
    """Use up the code or recovery code. Return False if it is wrong, or was used before."""
    if user.second_factor_at is None:
        return False
    plain = _plain(otp)
    if _use_code(user, plain, cipher):
        return True
    is_it = (col(RecoveryCode.user_id) == user.id, col(RecoveryCode.code_hash) == _hash(plain))
    used = await session.exec(delete(RecoveryCode).where(*is_it).returning(col(RecoveryCode.user_id)))
    if used.first() is None:
        return False
    await record(session, "second_factor.recovery_code_used", user_id=user.id)
    return True


async def replace_recovery_codes(session: AsyncSession, user: User) -> list[str]:
    """Make new recovery codes, and return them. The former ones stop working."""
    await session.exec(delete(RecoveryCode).where(col(RecoveryCode.user_id) == user.id))
    codes = [
        base64.b32encode(secrets.token_bytes(RECOVERY_CODE_BYTES)).decode().lower()
        for _ in range(RECOVERY_CODES)
    ]
    session.add_all(RecoveryCode(user_id=user.id or 0, code_hash=_hash(code)) for code in codes)
    await session.flush()
    return ["-".join(code[start : start + 4] for start in range(0, len(code), 4)) for code in codes]


async def remove(session: AsyncSession, user: User) -> None:
    """Switch the second factor off."""
    user.second_factor_secret = user.second_factor_at = user.second_factor_step = None
    await session.exec(delete(RecoveryCode).where(col(RecoveryCode.user_id) == user.id))
    await users.mark_changed(session, user)
    await record(session, "second_factor.disabled", user_id=user.id)


async def remove_since(session: AsyncSession, user: User, instant: datetime) -> None:
    """Remove what was made after the instant: the factor, or only recovery codes or an unused secret."""
    if user.second_factor_at is None:
        user.second_factor_secret = None
    elif user.second_factor_at > instant:
        await remove(session, user)
    else:
        is_later = (col(RecoveryCode.user_id) == user.id, col(RecoveryCode.made_at) > instant)
        await session.exec(delete(RecoveryCode).where(*is_later))


def wrong_code(otp: str) -> errors.ServiceError:
    text = "The otp is incorrect." if otp else "The otp field is required."
    return errors.invalid({"otp": [text]})


def _use_code(user: User, code: str, cipher: MultiFernet) -> bool:
    """Return whether this is the code of an interval that is near now, and newer than the last used one."""
    try:
        secret = TOTP(cipher.decrypt(user.second_factor_secret or b"").decode())
    except InvalidToken:
        LOG.warning("second factor cannot be decrypted", user_id=user.id, action=ADVICE)
        return False
    step_now = int(time.time()) // STEP_SECONDS
    for step in (step_now + difference for difference in TOLERATED_STEPS):
        is_new = user.second_factor_step is None or step > user.second_factor_step
        if is_new and hmac.compare_digest(secret.generate_otp(step).encode(), code.encode()):
            user.second_factor_step = step
            return True
    return False


def _plain(otp: str) -> str:
    """Return the code as it is compared, without the spaces and hyphens that people type."""
    return otp.translate(SPACERS).lower()


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()

"""The base of all parts of the gRPC service: database, keys, policy, and the proof that a change needs."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlmodel.ext.asyncio.session import AsyncSession

from auth.domain import guess_limits, mail_requests, second_factor, users
from auth.key_ring import KeyRing
from auth.passwords import Hasher
from auth.policy import Policy
from auth.recording import record
from auth.tables import Token, User
from common import errors
from common.db import Sessions
from common.identity import Principal
from loupe import refusals
from loupe.auth.v1 import auth_pb2 as pb

NewAccount = pb.RegisterRequest | pb.CreateUserRequest | pb.FinishFirstRunRequest
"""The requests that hold name, address and password of a new user."""


@dataclass(frozen=True, slots=True)
class Proof:
    """The fields of a request that prove that its token was not stolen. Both may be empty."""

    current_password: str
    otp: str


class Servicer:
    def __init__(
        self,
        sessions: Sessions,
        ring: KeyRing,
        hasher: Hasher,
        *,
        secret: str,
        previous_secrets: Sequence[str],
        policy: Policy,
    ) -> None:
        self._sessions = sessions
        self._ring = ring
        self._hasher = hasher
        self._secret = secret
        self._previous_secrets = previous_secrets
        self._policy = policy

    @asynccontextmanager
    async def _registered(
        self, request: NewAccount, password_confirmation: str, *, is_verified: bool
    ) -> AsyncGenerator[tuple[AsyncSession, User]]:
        """Register a user, and yield the transaction with the user.

        Raise `InvalidArgument` with each field at fault.
        """
        email = users.check_registration(
            request.name,
            request.email,
            request.password,
            password_confirmation,
            refuse_common=self._policy.refuse_common_passwords,
        )
        password_hash = await self._hasher.hash(request.password)
        async with self._sessions.begin() as session:
            user = await users.register(
                session,
                name=request.name,
                email=email,
                password_hash=password_hash,
                is_verified=is_verified,
                mails_per_day=self._policy.mails_per_day,
            )
            yield session, user

    async def _record(self, name: str, *, user_id: int | None, **ids: object) -> None:
        """Record an event that changes nothing else, such as a refusal."""
        async with self._sessions.begin() as session:
            await record(session, name, user_id=user_id, **ids)

    async def _notify(self, session: AsyncSession, user: User, template: str) -> None:
        """Request a mail that says what changed in the account."""
        per_day = self._policy.mails_per_day
        await mail_requests.notify_of_account(session, user, template, per_day=per_day)

    async def _require_proof(self, principal: Principal, proof: Proof) -> None:
        """Refuse unless the caller's token comes from a recent login, or the request proves who sends it.

        A user with a second factor proves it by a code, because a thief of the token may know the password
        too. A user who is gone is left to the caller.
        """
        if not self._policy.reauthentication_minutes:
            return
        async with self._sessions.begin() as session:
            user = await session.get(User, principal.user_id)
            token = await session.get(Token, principal.token_id)
        if user is None or (token and self._policy.is_recent(token.signed_in_at)):
            return
        if user.second_factor_at:
            is_proven = bool(proof.otp) and await self._use_code(principal.user_id, proof.otp)
            field, proof_name, sent = "otp", "code of the second factor as `otp`", proof.otp
        else:
            is_proven = bool(proof.current_password) and await self._matches(user, proof.current_password)
            field, proof_name, sent = "current_password", "current password", proof.current_password
        if not is_proven:
            await self._record(
                "account.reauthentication_refused", user_id=user.id, token_id=principal.token_id
            )
            refusal = errors.refused(refusals.REAUTHENTICATION_REQUIRED, proof=proof_name)
            if sent:
                refusal.fields[field] = [f"The {field.replace('_', ' ')} is incorrect."]
            raise refusal

    async def _matches(self, user: User, password: str) -> bool:
        """Return whether this is the user's password. Wrong ones are counted, and too many are refused."""
        bucket = guess_limits.bucket_of_user(user.id or 0, per_account=self._policy.guesses_per_account)
        async with self._sessions.begin() as session:
            await guess_limits.count(session, [bucket])
        is_right = await self._hasher.matches(password, user.password_hash)
        if is_right:
            async with self._sessions.begin() as session:
                await guess_limits.uncount(session, [bucket])
        return is_right

    async def _use_code(self, user_id: int, otp: str) -> bool:
        """Use up a code of the second factor. Wrong ones are counted, and too many are refused."""
        bucket = guess_limits.bucket_of_user(user_id, per_account=self._policy.guesses_per_account)
        async with self._sessions.begin() as session:
            await guess_limits.count(session, [bucket])
        async with self._sessions.begin() as session:
            user = await users.lock_existing(session, user_id)
            is_right = await second_factor.use(session, user, otp, self._ring.cipher)
            if is_right:
                await guess_limits.uncount(session, [bucket])
            else:
                await record(session, "second_factor.refused", user_id=user_id)
        return is_right

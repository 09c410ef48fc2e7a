"""The gRPC methods that need no token: register, log in, and follow the links in mails."""

import secrets
from collections.abc import Awaitable, Callable, Sequence

from sqlmodel.ext.asyncio.session import AsyncSession

from auth import links
from auth.convert import user_to_proto
from auth.domain import addresses, console_sessions, credentials, guess_limits, tokens, users
from auth.servicer import Servicer
from auth.tables import Token, User
from common import errors, rpc, trace
from loupe.auth.v1 import auth_pb2 as pb


class LoginMethods(Servicer):
    async def Register(self, request: pb.RegisterRequest, context: rpc.Context) -> pb.RegisterResponse:
        is_verified, confirmation = not self._policy.email_verification, request.password_confirmation
        async with self._registered(request, confirmation, is_verified=is_verified) as (session, user):
            _, text = await self._create_token(session, user, request.device_name)
        return pb.RegisterResponse(user=user_to_proto(user), token=text)

    async def Login(self, request: pb.LoginRequest, context: rpc.Context) -> pb.LoginResponse:
        async def create(session: AsyncSession, user: User) -> str:
            return (await self._create_token(session, user, request.device_name))[1]

        user, text = await self._log_in(request.email, request.password, request.otp, create)
        return pb.LoginResponse(user=user_to_proto(user), token=text)

    async def StartConsoleSession(
        self, request: pb.StartConsoleSessionRequest, context: rpc.Context
    ) -> pb.StartConsoleSessionResponse:
        async def create(session: AsyncSession, user: User) -> str:
            await guess_limits.remember_client(session, user.id or 0, trace.client_address.get())
            return await console_sessions.start(session, user)

        user, text = await self._log_in(request.email, request.password, request.otp, create)
        return pb.StartConsoleSessionResponse(user=user_to_proto(user), session=text)

    async def _log_in(
        self, email: str, password: str, otp: str, create: Callable[[AsyncSession, User], Awaitable[str]]
    ) -> tuple[User, str]:
        """Return the user and what `create` makes for them, or raise why the login is refused."""
        user, buckets = await self._count_login(email)
        is_right = await self._hasher.matches(password, user.password_hash if user else None)
        if user is None or not is_right:
            async with self._sessions.begin() as session:
                refusal = await credentials.wrong_login(session, user)
            raise refusal
        if otp and user.second_factor_at:
            buckets = [*buckets, await self._count_code(user, buckets)]
        text = ""
        async with self._sessions.begin() as session:
            refusal = await credentials.missing_for_login(session, user, otp, self._ring.cipher)
            if not credentials.is_guess(refusal, otp):  # a guess stays counted
                await guess_limits.uncount(session, buckets, forgive=refusal is None)
            if refusal is None:
                user = await users.get(session, user.id or 0)
                text = await create(session, user)
        if refusal:
            raise refusal
        return user, text

    async def VerifyEmail(
        self, request: pb.VerifyEmailRequest, context: rpc.Context
    ) -> pb.VerifyEmailResponse:
        link = links.read(self._secret, "verify", request.token, *self._previous_secrets)
        async with self._sessions.begin() as session:
            user, is_left = await addresses.verify(session, link, keep_address=request.keep_address)
        return pb.VerifyEmailResponse(user=user_to_proto(user), needs_confirmation=is_left)

    async def ResendVerification(
        self, request: pb.ResendVerificationRequest, context: rpc.Context
    ) -> pb.ResendVerificationResponse:
        async with self._sessions.begin() as session:
            await addresses.request_verification_mail(
                session, request.email, mails_per_day=self._policy.mails_per_day
            )
        return pb.ResendVerificationResponse()

    async def ForgotPassword(
        self, request: pb.ForgotPasswordRequest, context: rpc.Context
    ) -> pb.ForgotPasswordResponse:
        async with self._sessions.begin() as session:
            await users.request_reset_mail(session, request.email, mails_per_day=self._policy.mails_per_day)
        return pb.ForgotPasswordResponse()

    async def ResetPassword(
        self, request: pb.ResetPasswordRequest, context: rpc.Context
    ) -> pb.ResetPasswordResponse:
        link = links.read(self._secret, "reset", request.token, *self._previous_secrets)
        async with self._sessions.begin() as session:
            user = await credentials.user_of_reset_link(session, link)
        credentials.check_password_reset(
            request.password,
            request.password_confirmation,
            refuse_common=self._policy.refuse_common_passwords,
        )
        password_hash = await self._hasher.hash(request.password)
        async with self._sessions.begin() as session:
            user = await credentials.reset_password(session, user, password_hash)
            await self._notify(session, user, "password_changed")
            await guess_limits.remember_client(session, link.user_id, trace.client_address.get())
            await tokens.revoke_all(session, link.user_id)
        return pb.ResetPasswordResponse()

    async def RestoreAddress(
        self, request: pb.RestoreAddressRequest, context: rpc.Context
    ) -> pb.RestoreAddressResponse:
        link = links.read(self._secret, "restore", request.token, *self._previous_secrets)
        password_hash = await self._hasher.hash(secrets.token_urlsafe())
        async with self._sessions.begin() as session:
            user = await addresses.restore(session, link, password_hash)
            await tokens.revoke_all(session, link.user_id)
        seal = links.seal_of(self._secret, password_hash)
        return pb.RestoreAddressResponse(
            user=user_to_proto(user),
            reset_token=links.sign(self._secret, "reset", link.user_id, user.email, seal),
        )

    async def _count_login(self, email: str) -> tuple[User | None, Sequence[guess_limits.Bucket]]:
        """Count a login before its password is checked. Refuse it after too many wrong ones.

        Return also the user who has the address, if there is one.
        """
        user_id = None
        try:
            async with self._sessions.begin() as session:
                user = await users.find_by_email(session, email)
                user_id = user.id if user else None
                buckets = await guess_limits.buckets_of_login(
                    session,
                    users.normalize(email),
                    user_id or 0,
                    trace.client_address.get(),
                    per_account=self._policy.guesses_per_account,
                    per_address=self._policy.guesses_per_address,
                )
                await guess_limits.count(session, buckets)
        except errors.ResourceExhausted:
            await self._record("sign_in.delayed", user_id=user_id)
            raise
        return user, buckets

    async def _count_code(self, user: User, buckets: Sequence[guess_limits.Bucket]) -> guess_limits.Bucket:
        """Count a code before it is checked. Refuse it after too many wrong ones, from whatever address."""
        bucket = guess_limits.bucket_of_codes(user.id or 0, per_account=self._policy.guesses_per_account)
        try:
            async with self._sessions.begin() as session:
                await guess_limits.count(session, [bucket])
        except errors.ResourceExhausted:
            await self._record("sign_in.delayed", user_id=user.id)
            async with self._sessions.begin() as session:
                await guess_limits.uncount(session, buckets)
            raise
        return bucket

    async def _create_token(self, session: AsyncSession, user: User, device_name: str) -> tuple[Token, str]:
        """Create the token of a login or registration, and remember from where it came."""
        await guess_limits.remember_client(session, user.id or 0, trace.client_address.get())
        return await tokens.create_by_login(
            session, user, device_name, self._policy.token_expires_at, most=self._policy.tokens_per_user
        )

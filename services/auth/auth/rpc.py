"""The gRPC service. Each method decodes a request, calls the domain in a transaction, and encodes."""

import hmac
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import SecretStr

from auth import links
from auth.convert import token_to_proto, user_to_proto
from auth.domain import credentials, keys, tokens, users
from auth.key_ring import KeyRing
from auth.passwords import Hasher
from auth.tables import Token, User
from common import errors, rpc, timestamps
from common.db import Sessions
from loupe.auth.v1 import auth_pb2 as pb
from loupe.auth.v1 import auth_pb2_grpc

CALLERS = {
    "Register": rpc.services("gateway"),
    "Login": rpc.services("gateway"),
    "Authenticate": rpc.services("gateway"),
    "VerifyEmail": rpc.services("gateway"),
    "ResendVerification": rpc.services("gateway"),
    "GetUser": rpc.users("user:read"),
    "ListTokens": rpc.users("user:read"),
    "RevokeToken": rpc.ANY_USER,
    "RevokeAllTokens": rpc.ANY_USER,
    "CreateToken": rpc.ANY_USER,
    "ForgotPassword": rpc.services("gateway"),
    "ResetPassword": rpc.services("gateway"),
    "ChangePassword": rpc.ANY_USER,
    "UpdateUser": rpc.ANY_USER,
    "DeleteUser": rpc.ANY_USER,
    "FindUser": rpc.services("operator"),
    "ListUsers": rpc.services("operator"),
    "CreateUser": rpc.services("operator"),
    "MarkEmailVerified": rpc.services("operator"),
    "RotateKeys": rpc.services("operator"),
    "IssueServiceToken": rpc.EVERYONE,
    "GetJwks": rpc.EVERYONE,
}
USER_AUDIENCES = ("auth", "billing", "images")
"""Services that a user's request may reach."""


class AuthService(auth_pb2_grpc.AuthServiceServicer):
    def __init__(
        self,
        sessions: Sessions,
        ring: KeyRing,
        hasher: Hasher,
        *,
        clients: dict[str, SecretStr],
        secret: str,
        previous_secrets: Sequence[str] = (),
        email_verification: bool,
    ) -> None:
        self._sessions = sessions
        self._ring = ring
        self._hasher = hasher
        self._clients = clients
        self._secret = secret
        self._previous_secrets = previous_secrets
        self._email_verification = email_verification

    async def Register(self, request: pb.RegisterRequest, context: rpc.Context) -> pb.RegisterResponse:
        email = users.check_registration(
            request.name, request.email, request.password, request.password_confirmation
        )
        password_hash = await self._hasher.hash(request.password)
        async with self._sessions.begin() as session:
            user = await users.register(
                session,
                name=request.name,
                email=email,
                password_hash=password_hash,
                is_verified=not self._email_verification,
            )
            _, text = await tokens.create(session, user, request.device_name)
        return pb.RegisterResponse(user=user_to_proto(user), token=text)

    async def Login(self, request: pb.LoginRequest, context: rpc.Context) -> pb.LoginResponse:
        async with self._sessions.begin() as session:
            user = await users.find_by_email(session, request.email)
        is_right = await self._hasher.matches(request.password, user.password_hash if user else None)
        user = credentials.check_login(user, password_is_right=is_right)
        async with self._sessions.begin() as session:
            await credentials.lock_for_login(session, user)
            _, text = await tokens.create(session, user, request.device_name)
        return pb.LoginResponse(user=user_to_proto(user), token=text)

    async def Authenticate(
        self, request: pb.AuthenticateRequest, context: rpc.Context
    ) -> pb.AuthenticateResponse:
        async with self._sessions.begin() as session:
            user, token = await tokens.authenticate(session, request.token)
        return pb.AuthenticateResponse(
            user=user_to_proto(user),
            token_id=token.id or 0,
            abilities=token.abilities,
            internal_tokens={name: await self._internal_token(name, user, token) for name in USER_AUDIENCES},
            expires_at=timestamps.to_proto(token.expires_at),
        )

    async def VerifyEmail(
        self, request: pb.VerifyEmailRequest, context: rpc.Context
    ) -> pb.VerifyEmailResponse:
        link = links.read(self._secret, "verify", request.token, *self._previous_secrets)
        async with self._sessions.begin() as session:
            user = await users.verify(session, link)
        return pb.VerifyEmailResponse(user=user_to_proto(user))

    async def ResendVerification(
        self, request: pb.ResendVerificationRequest, context: rpc.Context
    ) -> pb.ResendVerificationResponse:
        async with self._sessions.begin() as session:
            await users.request_verification_mail(session, request.email)
        return pb.ResendVerificationResponse()

    async def GetUser(self, request: pb.GetUserRequest, context: rpc.Context) -> pb.GetUserResponse:
        async with self._sessions.begin() as session:
            user = await users.get(session, rpc.principal().user_id)
        return pb.GetUserResponse(user=user_to_proto(user))

    async def ListTokens(self, request: pb.ListTokensRequest, context: rpc.Context) -> pb.ListTokensResponse:
        async with self._sessions.begin() as session:
            found = await tokens.list_for_user(session, rpc.principal().user_id)
        return pb.ListTokensResponse(tokens=[token_to_proto(token) for token in found])

    async def RevokeToken(
        self, request: pb.RevokeTokenRequest, context: rpc.Context
    ) -> pb.RevokeTokenResponse:
        principal = rpc.principal()
        tokens.require_may_revoke(principal, request.token_id)
        async with self._sessions.begin() as session:
            await tokens.revoke(session, principal.user_id, request.token_id)
        return pb.RevokeTokenResponse()

    async def RevokeAllTokens(
        self, request: pb.RevokeAllTokensRequest, context: rpc.Context
    ) -> pb.RevokeAllTokensResponse:
        principal = rpc.principal()
        tokens.require_all_abilities(principal.abilities)
        async with self._sessions.begin() as session:
            await tokens.revoke_all(session, principal.user_id)
        return pb.RevokeAllTokensResponse()

    async def CreateToken(
        self, request: pb.CreateTokenRequest, context: rpc.Context
    ) -> pb.CreateTokenResponse:
        principal = rpc.principal()
        tokens.require_all_abilities(principal.abilities)
        spec = tokens.check_spec(request.name, list(request.abilities), request.expires_at)
        async with self._sessions.begin() as session:
            token, text = await tokens.create_by_token(session, principal, spec)
        return pb.CreateTokenResponse(token=token_to_proto(token), text=text)

    async def ForgotPassword(
        self, request: pb.ForgotPasswordRequest, context: rpc.Context
    ) -> pb.ForgotPasswordResponse:
        async with self._sessions.begin() as session:
            await users.request_reset_mail(session, request.email)
        return pb.ForgotPasswordResponse()

    async def ResetPassword(
        self, request: pb.ResetPasswordRequest, context: rpc.Context
    ) -> pb.ResetPasswordResponse:
        link = links.read(self._secret, "reset", request.token, *self._previous_secrets)
        async with self._sessions.begin() as session:
            user = await credentials.user_of_reset_link(session, link)
        credentials.check_password_reset(request.password, request.password_confirmation)
        password_hash = await self._hasher.hash(request.password)
        async with self._sessions.begin() as session:
            await credentials.reset_password(session, user, password_hash)
            await tokens.revoke_all(session, link.user_id)
        return pb.ResetPasswordResponse()

    async def ChangePassword(
        self, request: pb.ChangePasswordRequest, context: rpc.Context
    ) -> pb.ChangePasswordResponse:
        principal = rpc.principal()
        tokens.require_all_abilities(principal.abilities)
        async with self._sessions.begin() as session:
            user = await users.get(session, principal.user_id)
        is_right = await self._hasher.matches(request.current_password, user.password_hash)
        credentials.check_password_change(
            request.current_password,
            request.password,
            request.password_confirmation,
            current_is_right=is_right,
        )
        password_hash = await self._hasher.hash(request.password)
        async with self._sessions.begin() as session:
            await credentials.change_password(session, user, password_hash)
            await tokens.revoke_all(session, principal.user_id, except_token_id=principal.token_id)
        return pb.ChangePasswordResponse()

    async def UpdateUser(self, request: pb.UpdateUserRequest, context: rpc.Context) -> pb.UpdateUserResponse:
        principal = rpc.principal()
        tokens.require_all_abilities(principal.abilities)
        name = request.name if request.HasField("name") else None
        email = request.email if request.HasField("email") else None
        users.check_changes(name, email)
        async with self._sessions.begin() as session:
            user = await users.change(
                session, principal.user_id, name=name, email=email, is_verified=not self._email_verification
            )
        return pb.UpdateUserResponse(user=user_to_proto(user))

    async def DeleteUser(self, request: pb.DeleteUserRequest, context: rpc.Context) -> pb.DeleteUserResponse:
        principal = rpc.principal()
        tokens.require_all_abilities(principal.abilities)
        async with self._sessions.begin() as session:
            await tokens.revoke_all(session, principal.user_id)
            await users.remove(session, principal.user_id)
        return pb.DeleteUserResponse()

    async def FindUser(self, request: pb.FindUserRequest, context: rpc.Context) -> pb.FindUserResponse:
        async with self._sessions.begin() as session:
            user = await users.get_by_email(session, request.email)
            found = await tokens.list_for_user(session, user.id or 0)
        return pb.FindUserResponse(user=user_to_proto(user), token_count=len(found))

    async def ListUsers(self, request: pb.ListUsersRequest, context: rpc.Context) -> pb.ListUsersResponse:
        limit = users.check_page_size(request.limit)
        async with self._sessions.begin() as session:
            page = await users.list_page(
                session,
                after_id=request.after_id,
                limit=limit,
                search=request.search,
                only_unverified=request.unverified,
            )
        next_after_id = page[-1].id or 0 if len(page) == limit else 0
        return pb.ListUsersResponse(users=[user_to_proto(user) for user in page], next_after_id=next_after_id)

    async def CreateUser(self, request: pb.CreateUserRequest, context: rpc.Context) -> pb.CreateUserResponse:
        email = users.check_registration(request.name, request.email, request.password, request.password)
        password_hash = await self._hasher.hash(request.password)
        async with self._sessions.begin() as session:
            user = await users.register(
                session, name=request.name, email=email, password_hash=password_hash, is_verified=True
            )
        return pb.CreateUserResponse(user=user_to_proto(user))

    async def MarkEmailVerified(
        self, request: pb.MarkEmailVerifiedRequest, context: rpc.Context
    ) -> pb.MarkEmailVerifiedResponse:
        async with self._sessions.begin() as session:
            user = await users.mark_verified(session, request.user_id)
        return pb.MarkEmailVerifiedResponse(user=user_to_proto(user))

    async def RotateKeys(self, request: pb.RotateKeysRequest, context: rpc.Context) -> pb.RotateKeysResponse:
        return pb.RotateKeysResponse(key_id=await self._ring.rotate())

    async def IssueServiceToken(
        self, request: pb.IssueServiceTokenRequest, context: rpc.Context
    ) -> pb.IssueServiceTokenResponse:
        secret = self._clients.get(request.client, SecretStr(""))
        require_secret(request.secret, secret.get_secret_value())
        seconds = keys.SERVICE_TOKEN_SECONDS
        expires_at = datetime.fromtimestamp(int(datetime.now(UTC).timestamp()) + seconds, UTC)
        return pb.IssueServiceTokenResponse(
            token=await self._ring.sign(request.audience, f"service:{request.client}", seconds),
            expires_at=timestamps.to_proto(expires_at),
        )

    async def GetJwks(self, request: pb.GetJwksRequest, context: rpc.Context) -> pb.GetJwksResponse:
        return pb.GetJwksResponse(jwks=await self._ring.jwks())

    async def _internal_token(self, audience: str, user: User, token: Token) -> str:
        return await self._ring.sign(
            audience,
            str(user.id),
            keys.USER_TOKEN_SECONDS,
            token_id=token.id,
            abilities=token.abilities,
            # no service reads this, but services of the previous release refuse a token without it
            verified=user.email_verified_at is not None,
        )


def require_secret(given: str, expected: str) -> None:
    if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        raise errors.Unauthenticated("unknown client or wrong secret", reason="client_refused")

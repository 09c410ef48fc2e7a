"""The gRPC service. Each method decodes a request, calls the domain in a transaction, and encodes."""

import hmac
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import SecretStr

from auth.convert import token_to_proto, user_to_proto
from auth.domain import addresses, audit, credentials, keys, mail_requests, operators, tokens, users
from auth.key_ring import KeyRing
from auth.passwords import Hasher
from auth.policy import Policy
from auth.rpc_audit import AuditMethods
from auth.rpc_first_run import FirstRunMethods
from auth.rpc_login import LoginMethods
from auth.rpc_operators import OperatorMethods
from auth.rpc_second_factor import SecondFactorMethods
from auth.servicer import Proof
from auth.tables import Token, User
from common import errors, rpc, timestamps
from common.db import Sessions
from loupe.auth.v1 import auth_pb2 as pb
from loupe.auth.v1 import auth_pb2_grpc
from loupe.settings.v1.settings_pb2 import Setting

CALLERS = {
    "Register": rpc.services("gateway"),
    "Login": rpc.services("gateway"),
    "StartConsoleSession": rpc.services("gateway"),
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
    "RestoreAddress": rpc.services("gateway"),
    "StartSecondFactor": rpc.ANY_USER,
    "ConfirmSecondFactor": rpc.ANY_USER,
    "ReplaceRecoveryCodes": rpc.ANY_USER,
    "RemoveSecondFactor": rpc.ANY_USER,
    "ListOwnAudit": rpc.users("user:read"),
    "ListAudit": rpc.OPERATORS,
    "FindUser": rpc.OPERATORS,
    "ListUsers": rpc.OPERATORS,
    "CreateUser": rpc.services("operator"),
    "MarkEmailVerified": rpc.OPERATORS,
    "ResetSecondFactor": rpc.OPERATORS,
    "SetBlocked": rpc.OPERATORS,
    "GetSettings": rpc.OPERATORS,
    "SetOperator": rpc.services("operator"),
    "StartFirstRun": rpc.services("operator"),
    "GetFirstRun": rpc.services("gateway"),
    "FinishFirstRun": rpc.services("gateway"),
    "RotateKeys": rpc.services("operator"),
    "IssueServiceToken": rpc.EVERYONE,
    "GetJwks": rpc.EVERYONE,
}
USER_AUDIENCES = ("auth", "billing", "images", "outbound")
"""Services that a user's request may reach."""


class AuthService(
    LoginMethods,
    SecondFactorMethods,
    OperatorMethods,
    AuditMethods,
    FirstRunMethods,
    auth_pb2_grpc.AuthServiceServicer,
):
    def __init__(
        self,
        sessions: Sessions,
        ring: KeyRing,
        hasher: Hasher,
        *,
        clients: dict[str, SecretStr],
        secret: str,
        previous_secrets: Sequence[str] = (),
        policy: Policy,
        settings: Sequence[Setting] = (),
    ) -> None:
        super().__init__(
            sessions, ring, hasher, secret=secret, previous_secrets=previous_secrets, policy=policy
        )
        self._clients = clients
        self._settings = settings

    async def Authenticate(
        self, request: pb.AuthenticateRequest, context: rpc.Context
    ) -> pb.AuthenticateResponse:
        async with self._sessions.begin() as session:
            user, token = await tokens.authenticate(
                session, request.token, is_console_session=request.is_console_session
            )
        operators.refuse_blocked(user)
        abilities = operators.abilities_of(
            user, token, need_second_factor=self._policy.operators_need_second_factor
        )
        internal_tokens = {
            name: await self._internal_token(name, user, token, abilities) for name in USER_AUDIENCES
        }
        return pb.AuthenticateResponse(
            user=user_to_proto(user),
            token_id=token.id or 0,
            abilities=abilities,
            internal_tokens=internal_tokens,
            expires_at=timestamps.to_proto(token.expires_at),
        )

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
            await tokens.revoke(session, principal, request.token_id)
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
        spec = replace(spec, expires_at=spec.expires_at or self._policy.token_expires_at)
        async with self._sessions.begin() as session:
            needs_proof = await tokens.gives_more(session, principal, spec)
        if needs_proof:
            await self._require_proof(principal, Proof(request.current_password, request.otp))
        async with self._sessions.begin() as session:
            token, text = await tokens.create_by_token(
                session, principal, spec, most=self._policy.tokens_per_user
            )
        return pb.CreateTokenResponse(token=token_to_proto(token), text=text)

    async def ChangePassword(
        self, request: pb.ChangePasswordRequest, context: rpc.Context
    ) -> pb.ChangePasswordResponse:
        principal = rpc.principal()
        tokens.require_all_abilities(principal.abilities)
        async with self._sessions.begin() as session:
            user = await users.get(session, principal.user_id)
        is_right = bool(request.current_password) and await self._matches(user, request.current_password)
        if request.current_password and not is_right:
            await self._record("password.change_refused", user_id=user.id, token_id=principal.token_id)
        credentials.check_password_change(
            request.current_password,
            request.password,
            request.password_confirmation,
            current_is_right=is_right,
            refuse_common=self._policy.refuse_common_passwords,
        )
        if user.second_factor_at:
            await self._require_proof(principal, Proof(request.current_password, request.otp))
        password_hash = await self._hasher.hash(request.password)
        async with self._sessions.begin() as session:
            await tokens.lock_caller(session, principal)
            user = await credentials.change_password(session, user, password_hash)
            await self._notify(session, user, "password_changed")
            await tokens.revoke_all(session, principal.user_id, except_token_id=principal.token_id)
        return pb.ChangePasswordResponse()

    async def UpdateUser(self, request: pb.UpdateUserRequest, context: rpc.Context) -> pb.UpdateUserResponse:
        principal = rpc.principal()
        tokens.require_all_abilities(principal.abilities)
        name = request.name if request.HasField("name") else None
        email = request.email if request.HasField("email") else None
        users.check_changes(name, email)
        async with self._sessions.begin() as session:
            needs_proof = await addresses.is_new(session, principal.user_id, email)
        if needs_proof:
            await self._require_proof(principal, Proof(request.current_password, request.otp))
            async with self._sessions.begin() as session:
                per_day = self._policy.mails_per_day
                await mail_requests.count_change(session, principal.user_id, per_day=per_day)
        async with self._sessions.begin() as session:
            await tokens.lock_caller(session, principal)
            user = await addresses.change_user(
                session,
                principal.user_id,
                name=name,
                email=email,
                is_verified=not self._policy.email_verification,
                mails_per_day=self._policy.mails_per_day,
            )
        return pb.UpdateUserResponse(user=user_to_proto(user))

    async def DeleteUser(self, request: pb.DeleteUserRequest, context: rpc.Context) -> pb.DeleteUserResponse:
        principal = rpc.principal()
        tokens.require_all_abilities(principal.abilities)
        await self._require_proof(principal, Proof(request.current_password, request.otp))
        async with self._sessions.begin() as session:
            if await users.lock(session, principal.user_id):
                user = await tokens.lock_caller(session, principal)
                await tokens.revoke_all(session, principal.user_id)
                await self._notify(session, user, "account_deleted")
            await users.remove(session, principal.user_id)
            await audit.forget_client(session, principal.user_id)
        return pb.DeleteUserResponse()

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

    async def GetSettings(
        self, request: pb.GetSettingsRequest, context: rpc.Context
    ) -> pb.GetSettingsResponse:
        return pb.GetSettingsResponse(settings=self._settings)

    async def GetJwks(self, request: pb.GetJwksRequest, context: rpc.Context) -> pb.GetJwksResponse:
        return pb.GetJwksResponse(jwks=await self._ring.jwks())

    async def _internal_token(self, audience: str, user: User, token: Token, abilities: Sequence[str]) -> str:
        return await self._ring.sign(
            audience,
            str(user.id),
            keys.USER_TOKEN_SECONDS,
            token_id=token.id,
            abilities=abilities,
            role=user.role,
            # no service reads this, but services of the previous release refuse a token without it
            verified=user.email_verified_at is not None,
        )


def require_secret(given: str, expected: str) -> None:
    if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        raise errors.Unauthenticated("unknown client or wrong secret", reason="client_refused")

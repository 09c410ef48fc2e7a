"""The gRPC methods for operators."""

from auth.convert import user_to_proto
from auth.domain import second_factor, tokens, users
from auth.servicer import Servicer
from common import rpc
from loupe.auth.v1 import auth_pb2 as pb


class OperatorMethods(Servicer):
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
        email = users.check_registration(
            request.name,
            request.email,
            request.password,
            request.password,
            refuse_common=self._policy.refuse_common_passwords,
        )
        password_hash = await self._hasher.hash(request.password)
        async with self._sessions.begin() as session:
            user = await users.register(
                session,
                name=request.name,
                email=email,
                password_hash=password_hash,
                is_verified=True,
                mails_per_day=self._policy.mails_per_day,
            )
        return pb.CreateUserResponse(user=user_to_proto(user))

    async def MarkEmailVerified(
        self, request: pb.MarkEmailVerifiedRequest, context: rpc.Context
    ) -> pb.MarkEmailVerifiedResponse:
        async with self._sessions.begin() as session:
            user = await users.mark_verified(session, await users.lock_existing(session, request.user_id))
        return pb.MarkEmailVerifiedResponse(user=user_to_proto(user))

    async def ResetSecondFactor(
        self, request: pb.ResetSecondFactorRequest, context: rpc.Context
    ) -> pb.ResetSecondFactorResponse:
        async with self._sessions.begin() as session:
            user = await users.lock_existing(session, request.user_id)
            if user.second_factor_secret:
                await second_factor.remove(session, user)
                if not request.without_notice:
                    await self._notify(session, user, "factor_reset")
        return pb.ResetSecondFactorResponse(user=user_to_proto(user))

    async def RotateKeys(self, request: pb.RotateKeysRequest, context: rpc.Context) -> pb.RotateKeysResponse:
        key_id = await self._ring.rotate()
        return pb.RotateKeysResponse(key_id=key_id)

"""The gRPC methods for operators."""

from sqlmodel.ext.asyncio.session import AsyncSession

from auth.convert import user_to_proto
from auth.domain import operators, second_factor, tokens, users
from auth.servicer import Proof, Servicer
from common import errors, rpc
from loupe.auth.v1 import auth_pb2 as pb


class OperatorMethods(Servicer):
    async def FindUser(self, request: pb.FindUserRequest, context: rpc.Context) -> pb.FindUserResponse:
        async with self._sessions.begin() as session:
            by_id = request.user_id
            user = await (users.get(session, by_id) if by_id else users.get_by_email(session, request.email))
            found = await tokens.list_for_user(session, user.id or 0)
        return pb.FindUserResponse(user=user_to_proto(user), token_count=len(found))

    async def ListUsers(self, request: pb.ListUsersRequest, context: rpc.Context) -> pb.ListUsersResponse:
        limit = users.check_page_size(request.limit)
        async with self._sessions.begin() as session:
            if request.page:
                return await _numbered_page(session, request, limit)
            wanted = users.filters(request.search, unverified=request.unverified)
            page = await users.list_page(session, wanted, after_id=request.after_id, limit=limit)
        next_after_id = page[-1].id or 0 if len(page) == limit else 0
        return pb.ListUsersResponse(users=[user_to_proto(user) for user in page], next_after_id=next_after_id)

    async def CreateUser(self, request: pb.CreateUserRequest, context: rpc.Context) -> pb.CreateUserResponse:
        async with self._registered(request, request.password, is_verified=True) as (_, user):
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
        # a stolen session must not switch off what guards its owner: `RemoveSecondFactor` needs a code
        _refuse_own_account(request.user_id, "You cannot reset the second factor of your own account.")
        if rpc.principal().acts_as_operator:  # `loupe-admin` calls with a credential that no browser holds
            await self._require_proof(rpc.principal(), Proof(request.current_password, request.otp))
        async with self._sessions.begin() as session:
            user = await users.lock_existing(session, request.user_id)
            if user.second_factor_secret:
                await second_factor.remove(session, user)
                if not request.without_notice:
                    await self._notify(session, user, "factor_reset")
        return pb.ResetSecondFactorResponse(user=user_to_proto(user))

    async def SetOperator(
        self, request: pb.SetOperatorRequest, context: rpc.Context
    ) -> pb.SetOperatorResponse:
        change = operators.appoint if request.is_operator else operators.dismiss
        async with self._sessions.begin() as session:
            user = await users.lock_existing(session, request.user_id)
            await change(session, user)
        return pb.SetOperatorResponse(user=user_to_proto(user))

    async def SetBlocked(self, request: pb.SetBlockedRequest, context: rpc.Context) -> pb.SetBlockedResponse:
        _refuse_own_account(request.user_id, "You cannot block your own account.")
        change = operators.block if request.is_blocked else operators.unblock
        async with self._sessions.begin() as session:
            user = await users.lock_existing(session, request.user_id)
            await change(session, user)
        return pb.SetBlockedResponse(user=user_to_proto(user))

    async def RotateKeys(self, request: pb.RotateKeysRequest, context: rpc.Context) -> pb.RotateKeysResponse:
        key_id = await self._ring.rotate()
        return pb.RotateKeysResponse(key_id=key_id)


def _refuse_own_account(user_id: int, text: str) -> None:
    if user_id == rpc.principal().user_id:
        raise errors.InvalidArgument(text, reason="own_account")


async def _numbered_page(
    session: AsyncSession, request: pb.ListUsersRequest, size: int
) -> pb.ListUsersResponse:
    wanted = users.filters(
        request.search,
        unverified=request.unverified,
        blocked=request.blocked,
        operators=request.operators,
    )
    found, total = await users.numbered_page(session, wanted, number=request.page, size=size)
    return pb.ListUsersResponse(users=map(user_to_proto, found), total=total)

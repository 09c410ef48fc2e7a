"""The gRPC methods of the first run."""

from auth.convert import user_to_proto
from auth.domain import console_sessions, first_run, guess_limits
from auth.servicer import Servicer
from common import errors, rpc, timestamps, trace
from loupe import refusals
from loupe.auth.v1 import auth_pb2 as pb


class FirstRunMethods(Servicer):
    async def StartFirstRun(
        self, request: pb.StartFirstRunRequest, context: rpc.Context
    ) -> pb.StartFirstRunResponse:
        async with self._sessions.begin() as session:
            code, expires_at = await first_run.start(session)
        return pb.StartFirstRunResponse(code=code, expires_at=timestamps.to_proto(expires_at))

    async def GetFirstRun(
        self, request: pb.GetFirstRunRequest, context: rpc.Context
    ) -> pb.GetFirstRunResponse:
        async with self._sessions.begin() as session:
            return pb.GetFirstRunResponse(is_open=await first_run.is_open(session))

    async def FinishFirstRun(
        self, request: pb.FinishFirstRunRequest, context: rpc.Context
    ) -> pb.FinishFirstRunResponse:
        await self._require_first_run_code(request.code)
        confirmation = request.password_confirmation
        async with self._registered(request, confirmation, is_verified=True) as (session, user):
            await first_run.finish(session, request.code, user)
            await guess_limits.remember_client(session, user.id or 0, trace.client_address.get())
            text = await console_sessions.start(session, user)
        return pb.FinishFirstRunResponse(user=user_to_proto(user), session=text)

    async def _require_first_run_code(self, code: str) -> None:
        """Refuse a wrong code. Wrong ones are counted by client address, and too many have to wait."""
        bucket = guess_limits.bucket_of_first_run(
            trace.client_address.get(), per_address=self._policy.guesses_per_address
        )
        async with self._sessions.begin() as session:
            await guess_limits.count(session, [bucket])
        async with self._sessions.begin() as session:
            is_right = await first_run.is_valid(session, code)
            if is_right:
                await guess_limits.uncount(session, [bucket])
        if not is_right:
            await self._record("first_run.refused", user_id=None)
            raise errors.refused(refusals.FIRST_RUN_REFUSED)

"""The gRPC methods of the second factor."""

from auth.domain import guess_limits, second_factor, tokens, users
from auth.recording import record
from auth.servicer import Proof, Servicer
from common import errors, rpc, trace
from loupe import refusals
from loupe.auth.v1 import auth_pb2 as pb


class SecondFactorMethods(Servicer):
    async def StartSecondFactor(
        self, request: pb.StartSecondFactorRequest, context: rpc.Context
    ) -> pb.StartSecondFactorResponse:
        principal = rpc.principal()
        tokens.require_all_abilities(principal.abilities)
        await self._require_proof(principal, Proof(request.current_password, request.otp))
        async with self._sessions.begin() as session:
            user = await tokens.lock_caller(session, principal)
            secret, uri = second_factor.start(user, self._ring.cipher)
        return pb.StartSecondFactorResponse(secret=secret, uri=uri)

    async def ConfirmSecondFactor(
        self, request: pb.ConfirmSecondFactorRequest, context: rpc.Context
    ) -> pb.ConfirmSecondFactorResponse:
        principal = rpc.principal()
        tokens.require_all_abilities(principal.abilities)
        bucket = guess_limits.bucket_of_user(principal.user_id, per_account=self._policy.guesses_per_account)
        async with self._sessions.begin() as session:
            await guess_limits.count(session, [bucket])
        try:
            async with self._sessions.begin() as session:
                user = await tokens.lock_caller(session, principal)
                codes = await second_factor.confirm(session, user, request.otp, self._ring.cipher)
                await self._notify(session, user, "factor_enabled")
                await guess_limits.uncount(session, [bucket])
                here = trace.client_address.get()
                await guess_limits.forget_clients(session, principal.user_id, except_client=here)
        except errors.InvalidArgument:
            if request.otp:
                await self._record("second_factor.refused", user_id=principal.user_id)
            raise
        return pb.ConfirmSecondFactorResponse(recovery_codes=codes)

    async def ReplaceRecoveryCodes(
        self, request: pb.ReplaceRecoveryCodesRequest, context: rpc.Context
    ) -> pb.ReplaceRecoveryCodesResponse:
        await self._require_code(request.otp)
        async with self._sessions.begin() as session:
            user = await tokens.lock_caller(session, rpc.principal())
            codes = await second_factor.replace_recovery_codes(session, user)
            await record(session, "second_factor.recovery_codes_replaced", user_id=user.id)
        return pb.ReplaceRecoveryCodesResponse(recovery_codes=codes)

    async def RemoveSecondFactor(
        self, request: pb.RemoveSecondFactorRequest, context: rpc.Context
    ) -> pb.RemoveSecondFactorResponse:
        await self._require_code(request.otp)
        async with self._sessions.begin() as session:
            user = await tokens.lock_caller(session, rpc.principal())
            await second_factor.remove(session, user)
            await self._notify(session, user, "factor_disabled")
        return pb.RemoveSecondFactorResponse()

    async def _require_code(self, otp: str) -> None:
        """Refuse a caller without a second factor, and a wrong code.

        A recent login is not enough: a stolen token may be recent, and must not switch the second factor off.
        """
        principal = rpc.principal()
        tokens.require_all_abilities(principal.abilities)
        async with self._sessions.begin() as session:
            user = await users.get(session, principal.user_id)
        if user.second_factor_at is None:
            raise errors.refused(refusals.SECOND_FACTOR_MISSING)
        if not otp or not await self._use_code(principal.user_id, otp):
            raise second_factor.wrong_code(otp)

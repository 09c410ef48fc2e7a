"""The second factor of the caller's account: codes of an app, and recovery codes."""

from fastapi import APIRouter, Request
from pydantic import BaseModel

from gateway.backend import BackendDep
from gateway.http import bodies
from gateway.http.envelope import Envelope, Message
from gateway.identity.route_access import VerifiedOwner
from gateway.openapi.operation import Operation, json_body
from gateway.routes.account import PROOF_NEEDED, Proof
from loupe import refusals
from loupe.auth.v1 import auth_pb2 as pb

router = APIRouter(prefix="/api/user/second-factor", tags=["account"])
EXAMPLE_CODES = ["abcd-efgh-ijkl-mnop", "qrst-uvwx-yz23-4567"]


class Code(BaseModel):
    otp: str = ""


class NewSecondFactor(BaseModel):
    secret: str
    uri: str


class RecoveryCodes(BaseModel):
    recovery_codes: list[str]


START_SECOND_FACTOR = Operation(
    id="startSecondFactor",
    summary="Get the secret of a second factor",
    message="Second factor started",
    description=(
        "Show `uri` as a QR code, or `secret` as text, for an app that makes codes (TOTP, RFC 6238). "
        f"It counts after its first code. {PROOF_NEEDED.format(what='This')}"
    ),
    example_data={
        "secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        "uri": "otpauth://totp/Loupe:jane%40example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Loupe",
    },
    body=json_body(Proof, example={"current_password": "A-good-one-0"}),
    refusals=(refusals.REAUTHENTICATION_REQUIRED, refusals.SECOND_FACTOR_ENABLED),
)


@router.post("")
@START_SECOND_FACTOR.describes
async def start_second_factor(request: Request, caller: VerifiedOwner) -> Envelope[NewSecondFactor]:
    values = await bodies.parse(request, Proof)
    response = await caller.auth.StartSecondFactor(pb.StartSecondFactorRequest(**values))
    return START_SECOND_FACTOR.answer(NewSecondFactor(secret=response.secret, uri=response.uri))


CONFIRM_SECOND_FACTOR = Operation(
    id="confirmSecondFactor",
    summary="Switch the second factor on",
    message="Second factor switched on",
    description="Needs a code. The recovery codes are shown only this once. Each replaces one code.",
    example_data={"recovery_codes": EXAMPLE_CODES},
    body=json_body(Code, "otp", example={"otp": "123456"}),
    refusals=(refusals.SECOND_FACTOR_ENABLED, refusals.SECOND_FACTOR_MISSING),
)


@router.post("/confirm")
@CONFIRM_SECOND_FACTOR.describes
async def confirm_second_factor(
    request: Request, caller: VerifiedOwner, backend: BackendDep
) -> Envelope[RecoveryCodes]:
    values = await bodies.parse(request, Code)
    response = await caller.auth.ConfirmSecondFactor(pb.ConfirmSecondFactorRequest(**values))
    backend.callers.forget(caller.user.id)
    return CONFIRM_SECOND_FACTOR.answer(RecoveryCodes(recovery_codes=list(response.recovery_codes)))


REPLACE_RECOVERY_CODES = Operation(
    id="replaceRecoveryCodes",
    summary="Replace the recovery codes",
    message="Recovery codes replaced",
    description="Needs a code of the second factor. The former recovery codes stop working.",
    example_data={"recovery_codes": EXAMPLE_CODES},
    body=json_body(Code, "otp", example={"otp": "123456"}),
    refusals=(refusals.SECOND_FACTOR_MISSING,),
)


@router.post("/recovery-codes")
@REPLACE_RECOVERY_CODES.describes
async def replace_recovery_codes(request: Request, caller: VerifiedOwner) -> Envelope[RecoveryCodes]:
    values = await bodies.parse(request, Code)
    response = await caller.auth.ReplaceRecoveryCodes(pb.ReplaceRecoveryCodesRequest(**values))
    return REPLACE_RECOVERY_CODES.answer(RecoveryCodes(recovery_codes=list(response.recovery_codes)))


REMOVE_SECOND_FACTOR = Operation(
    id="removeSecondFactor",
    summary="Switch the second factor off",
    message="Second factor switched off",
    description="Needs a code of the second factor, or a recovery code.",
    body=json_body(Code, "otp", example={"otp": "123456"}),
    refusals=(refusals.SECOND_FACTOR_MISSING,),
)


@router.delete("")
@REMOVE_SECOND_FACTOR.describes
async def remove_second_factor(request: Request, caller: VerifiedOwner, backend: BackendDep) -> Message:
    values = await bodies.parse(request, Code)
    await caller.auth.RemoveSecondFactor(pb.RemoveSecondFactorRequest(**values))
    backend.callers.forget(caller.user.id)
    return REMOVE_SECOND_FACTOR.done()

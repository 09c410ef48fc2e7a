"""Access to the API: register, log in, log out, set a forgotten password, verify an address."""

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from gateway.backend import Backend, BackendDep
from gateway.http import bodies
from gateway.http.envelope import Envelope, Message
from gateway.identity.access import Access, limit_by_address, shows_credential
from gateway.identity.route_access import AccountOwner, TokenHolder
from gateway.openapi import examples
from gateway.openapi.operation import Operation, json_body
from gateway.routes.account import User, to_user
from loupe import refusals
from loupe.auth.v1 import auth_pb2
from loupe.billing.v1 import billing_pb2

router = APIRouter(prefix="/api", tags=["auth"])
LONGEST_DEVICE_NAME = 255


class Registration(BaseModel):
    name: str = ""
    email: str = ""
    password: str = ""
    password_confirmation: str = ""
    device_name: str = ""


class Credentials(BaseModel):
    email: str = ""
    password: str = ""
    device_name: str = ""
    otp: str = ""


class VerificationMailRequest(BaseModel):
    email: str = ""


class ForgottenPassword(BaseModel):
    email: str = ""


class NewPassword(BaseModel):
    token: str = ""
    """The text after the `#` in the mailed link."""
    password: str = ""
    password_confirmation: str = ""


class AddressToRestore(BaseModel):
    token: str = ""
    """The text after the `#` in the mailed link."""


class RestoredAddress(BaseModel):
    email: str
    reset_token: str
    """Works as `token` of `reset-password`."""


class Session(BaseModel):
    user: User
    token: str
    token_type: str = "Bearer"  # noqa: S105  the name of the scheme


REGISTER = Operation(
    id="register",
    summary="Create an account",
    message="Registration successful. Please verify your email to access all features.",
    description=(
        "The token works for the account at once. It works for everything else after the address is verified."
    ),
    example_data={"user": examples.JANE, "token": "1|abc123…", "token_type": "Bearer"},
    body=json_body(
        Registration,
        "name",
        "email",
        "password",
        "password_confirmation",
        example=examples.REGISTRATION,
    ),
)


@router.post("/auth/register", status_code=201, dependencies=[Depends(limit_by_address)])
@REGISTER.describes
async def register(request: Request, backend: BackendDep) -> Envelope[Session]:
    values = await bodies.parse(request, Registration)
    values["device_name"] = _device_name(request, values["device_name"])
    # plans first: if billing is unavailable, no account has been created yet
    plans = await backend.as_gateway.billing.ListPlans(billing_pb2.ListPlansRequest())
    response = await backend.as_gateway.auth.Register(auth_pb2.RegisterRequest(**values))
    user = to_user(request, response.user, plans.plans[0])
    return REGISTER.answer(Session(user=user, token=response.token))


LOGIN = Operation(
    id="login",
    summary="Log in",
    message="Login successful",
    description=(
        "For accounts with a verified address. An account with a second factor needs `otp`. "
        "After too many wrong passwords or codes each further attempt has to wait."
    ),
    example_data={"user": examples.PAID_JANE, "token": "2|xyz789…", "token_type": "Bearer"},
    body=json_body(
        Credentials, "email", "password", example={"email": "jane@example.com", "password": "A-good-one-1"}
    ),
    refusals=(
        refusals.INVALID_CREDENTIALS,
        refusals.ACCOUNT_BLOCKED,
        refusals.EMAIL_UNVERIFIED,
        refusals.SECOND_FACTOR_REQUIRED,
    ),
)


@router.post("/auth/login", dependencies=[Depends(limit_by_address)])
@LOGIN.describes
async def login(request: Request, backend: BackendDep) -> Envelope[Session]:
    values = await bodies.parse(request, Credentials)
    values["device_name"] = _device_name(request, values["device_name"])
    response = await backend.as_gateway.auth.Login(auth_pb2.LoginRequest(**values))
    caller = await backend.callers.find_by_token(response.token)
    user = to_user(request, response.user, caller.entitlement.plan)
    return LOGIN.answer(Session(user=user, token=response.token))


LOGOUT = Operation(
    id="logout",
    summary="Revoke the token of this request",
    message="Logout successful",
    description="Other tokens stay valid.",
)


@router.post("/auth/logout")
@LOGOUT.describes
async def logout(caller: TokenHolder, backend: BackendDep) -> Message:
    await caller.auth.RevokeToken(auth_pb2.RevokeTokenRequest(token_id=caller.token_id))
    backend.callers.forget(caller.user.id)
    return LOGOUT.done()


REVOKE_ALL_TOKENS = Operation(
    id="revokeAllTokens",
    summary="Revoke all of your tokens",
    message="All tokens revoked successfully",
    description="This includes the token of this request. Use this if a token is compromised.",
)


@router.post("/auth/revoke-all")
@REVOKE_ALL_TOKENS.describes
async def revoke_all(caller: AccountOwner, backend: BackendDep) -> Message:
    await caller.auth.RevokeAllTokens(auth_pb2.RevokeAllTokensRequest())
    backend.callers.forget(caller.user.id)
    return REVOKE_ALL_TOKENS.done()


FORGOT_PASSWORD = Operation(
    id="forgotPassword",
    summary="Ask for a mail to set a new password",
    message="If that address is known, a mail with a link is on its way",
    description="The answer is the same whether or not there is such a user.",
    body=json_body(ForgottenPassword, "email", example={"email": "jane@example.com"}),
)


@router.post("/auth/forgot-password", dependencies=[Depends(limit_by_address)])
@FORGOT_PASSWORD.describes
async def forgot_password(request: Request, backend: BackendDep) -> Message:
    values = await bodies.parse(request, ForgottenPassword)
    await backend.as_gateway.auth.ForgotPassword(auth_pb2.ForgotPasswordRequest(**values))
    return FORGOT_PASSWORD.done()


RESET_PASSWORD = Operation(
    id="resetPassword",
    summary="Set a new password by the mailed link",
    message="Password reset successfully",
    description="All tokens are revoked.",
    body=json_body(
        NewPassword,
        "token",
        "password",
        "password_confirmation",
        example={"token": "eyJhbGciOi…"} | examples.NEW_PASSWORD,
    ),
    refusals=(refusals.INVALID_SIGNATURE,),
)


@router.post("/auth/reset-password", dependencies=[Depends(limit_by_address)])
@RESET_PASSWORD.describes
async def reset_password(request: Request, backend: BackendDep) -> Message:
    values = await bodies.parse(request, NewPassword)
    await backend.as_gateway.auth.ResetPassword(auth_pb2.ResetPasswordRequest(**values))
    return RESET_PASSWORD.done()


VERIFY_EMAIL = Operation(
    id="verifyEmail",
    summary="Verify an address with the signed text of the mail's link",
    message="Email verified successfully",
    description=(
        "The link opens the page `/verify-email/{signed}`, which does the same for a person. For another "
        "address of an account the page first asks, because mail servers open links too. This needs no "
        "token, and works also the second time."
    ),
    refusals=(refusals.INVALID_SIGNATURE,),
)


@router.get("/email/verify/{signed}", dependencies=[Depends(limit_by_address)])
@VERIFY_EMAIL.describes
async def verify_email(request: Request, signed: str, backend: BackendDep) -> Message:
    await verify_address(request, backend, signed)
    return VERIFY_EMAIL.done()


async def verify_address(
    request: Request, backend: Backend, signed: str, *, keep_address: bool = False
) -> bool:
    """Mark the address in the signed text as verified. Raise `PermissionDenied` if the text is not valid.

    Return False if `keep_address` has kept it from replacing the address of an account. A HEAD changes
    nothing, because programs that check links send it.
    """
    if request.state.is_head:
        return True
    response = await backend.as_gateway.auth.VerifyEmail(
        auth_pb2.VerifyEmailRequest(token=signed, keep_address=keep_address)
    )
    backend.callers.forget(response.user.id)
    return not response.needs_confirmation


RESEND_VERIFICATION = Operation(
    id="resendVerification",
    summary="Send the verification mail again",
    message="Verification link sent",
    description=(
        "With a token, the mail goes to its user; without one, to `email`. "
        "The answer is the same whether or not there is such a user."
    ),
    body=json_body(VerificationMailRequest, example={"email": "jane@example.com"}),
    token_is_optional=True,
)


@router.post("/email/verification-notification", status_code=202)
@RESEND_VERIFICATION.describes
async def resend_verification(request: Request, backend: BackendDep) -> Message:
    if shows_credential(request):
        email = (await Access(requires_verification=False)(request)).user.email
    else:
        await limit_by_address(request)
        email = (await bodies.parse(request, VerificationMailRequest))["email"]
    await backend.as_gateway.auth.ResendVerification(auth_pb2.ResendVerificationRequest(email=email))
    return RESEND_VERIFICATION.done()


RESTORE_ADDRESS = Operation(
    id="restoreAddress",
    summary="Undo the change of an address",
    message="Address restored successfully. Please set a new password.",
    description=(
        "With the signed text of the notice that the former address got, for 72 hours. It works once. All "
        "tokens are revoked, and the password is useless from now on: `reset_token` sets a new one. The link "
        "opens the page `/restore-address`, which does the same for a person."
    ),
    example_data={"email": "jane@example.com", "reset_token": "eyJhbGciOi…"},
    body=json_body(AddressToRestore, "token", example={"token": "eyJhbGciOi…"}),
    refusals=(refusals.INVALID_SIGNATURE,),
)


@router.post("/email/restore", dependencies=[Depends(limit_by_address)])
@RESTORE_ADDRESS.describes
async def restore_address(request: Request, backend: BackendDep) -> Envelope[RestoredAddress]:
    values = await bodies.parse(request, AddressToRestore)
    response = await backend.as_gateway.auth.RestoreAddress(auth_pb2.RestoreAddressRequest(**values))
    backend.callers.forget(response.user.id)
    return RESTORE_ADDRESS.answer(
        RestoredAddress(email=response.user.email, reset_token=response.reset_token)
    )


def _device_name(request: Request, device_name: str) -> str:
    """Return the label of a new token: the given name, or else the user agent."""
    return (device_name or request.headers.get("user-agent", ""))[:LONGEST_DEVICE_NAME]

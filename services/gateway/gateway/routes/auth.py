"""Getting in and out: register, login, logout, a forgotten password, the verification link."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from gateway.backend import Backend
from gateway.http import bodies
from gateway.http.envelope import Envelope, Message
from gateway.identity.access import Access, public
from gateway.identity.callers import Caller
from gateway.routes.account import User, to_user
from loupe.auth.v1 import auth_pb2
from loupe.billing.v1 import billing_pb2

router = APIRouter(prefix="/api", tags=["auth"])
Anyone = Annotated[Caller, Depends(Access(verified=False))]
Owner = Annotated[Caller, Depends(Access(everything=True, verified=False))]
LONGEST_LABEL = 255


class Registration(BaseModel):
    name: str = ""
    email: str = ""
    password: str = ""
    password_confirmation: str = ""
    device_name: str = ""


class Login(BaseModel):
    email: str = ""
    password: str = ""
    device_name: str = ""


class Resend(BaseModel):
    email: str = ""


class Forgotten(BaseModel):
    email: str = ""


class NewPassword(BaseModel):
    token: str = ""
    """The text behind the `#` of the mailed link."""
    password: str = ""
    password_confirmation: str = ""


class Session(BaseModel):
    user: User
    token: str
    token_type: str = "Bearer"  # noqa: S105  the scheme's name


@router.post(
    "/auth/register",
    status_code=201,
    dependencies=[Depends(public)],
    openapi_extra=bodies.described(Registration, "name", "email", "password", "password_confirmation"),
)
async def register(request: Request) -> Envelope[Session]:
    backend: Backend = request.app.state.backend
    values = bodies.checked(Registration, await bodies.read(request))
    values["device_name"] = _label(request, values["device_name"])
    plans = await backend.plans.ListPlans(billing_pb2.ListPlansRequest())  # before anything has happened
    response = await backend.accounts.Register(auth_pb2.RegisterRequest(**values))
    user = to_user(request, response.user, plans.plans[0])
    message = "Registration successful. Please verify your email to access all features."
    return Envelope(message=message, data=Session(user=user, token=response.token))


@router.post(
    "/auth/login",
    dependencies=[Depends(public)],
    openapi_extra=bodies.described(Login, "email", "password"),
)
async def login(request: Request) -> Envelope[Session]:
    backend: Backend = request.app.state.backend
    values = bodies.checked(Login, await bodies.read(request))
    values["device_name"] = _label(request, values["device_name"])
    response = await backend.accounts.Login(auth_pb2.LoginRequest(**values))
    caller = await backend.callers.of_token(response.token)
    user = to_user(request, response.user, caller.entitlement.plan)
    return Envelope(message="Login successful", data=Session(user=user, token=response.token))


@router.post("/auth/logout")
async def logout(request: Request, caller: Anyone) -> Message:
    backend: Backend = request.app.state.backend
    await backend.auth.RevokeToken(auth_pb2.RevokeTokenRequest(token_id=caller.token_id))
    backend.callers.forget(caller.user.id)
    return Message(message="Logout successful")


@router.post("/auth/revoke-all")
async def revoke_all(request: Request, caller: Owner) -> Message:
    backend: Backend = request.app.state.backend
    await backend.auth.RevokeAllTokens(auth_pb2.RevokeAllTokensRequest())
    backend.callers.forget(caller.user.id)
    return Message(message="All tokens revoked successfully")


@router.post(
    "/auth/forgot-password",
    dependencies=[Depends(public)],
    openapi_extra=bodies.described(Forgotten, "email"),
)
async def forgot_password(request: Request) -> Message:
    """The answer never tells whether there is such a user."""
    backend: Backend = request.app.state.backend
    values = bodies.checked(Forgotten, await bodies.read(request))
    await backend.accounts.ForgotPassword(auth_pb2.ForgotPasswordRequest(**values))
    return Message(message="If that address is known, a mail with a link is on its way")


@router.post(
    "/auth/reset-password",
    dependencies=[Depends(public)],
    openapi_extra=bodies.described(NewPassword, "token", "password", "password_confirmation"),
)
async def reset_password(request: Request) -> Message:
    """All tokens end."""
    backend: Backend = request.app.state.backend
    values = bodies.checked(NewPassword, await bodies.read(request))
    await backend.accounts.ResetPassword(auth_pb2.ResetPasswordRequest(**values))
    return Message(message="Password reset successfully")


@router.get("/email/verify/{signed}", dependencies=[Depends(public)])
async def verify_email(request: Request, signed: str) -> Message:
    """The link in the verification mail: needs no session and may be opened twice."""
    backend: Backend = request.app.state.backend
    response = await backend.accounts.VerifyEmail(auth_pb2.VerifyEmailRequest(token=signed))
    backend.callers.forget(response.user.id)
    return Message(message="Email verified successfully")


@router.post("/email/verification-notification", status_code=202, openapi_extra=bodies.described(Resend))
async def resend_verification(request: Request) -> Message:
    """With a token for its user, without one for `email`; the answer never tells whether there is such a
    user.
    """
    backend: Backend = request.app.state.backend
    if "authorization" in request.headers:
        email = (await Access(verified=False)(request)).user.email
    else:
        await public(request)
        email = bodies.checked(Resend, await bodies.read(request))["email"]
    await backend.accounts.ResendVerification(auth_pb2.ResendVerificationRequest(email=email))
    return Message(message="Verification link sent")


def _label(request: Request, device_name: str) -> str:
    return (device_name or request.headers.get("user-agent", ""))[:LONGEST_LABEL]

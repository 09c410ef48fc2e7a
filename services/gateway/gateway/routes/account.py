"""The caller's own account: profile, password, deletion."""

from html import escape
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel

from gateway.backend import BackendDep, base_url
from gateway.http import bodies
from gateway.http.envelope import Envelope, Message
from gateway.identity.route_access import AccountOwner, AccountReader
from gateway.openapi import examples
from gateway.openapi.operation import Operation, json_body
from loupe import refusals
from loupe.auth.v1 import auth_pb2
from loupe.billing.v1 import billing_pb2
from rest.values import format_time

router = APIRouter(prefix="/api", tags=["account"])
photos = APIRouter(include_in_schema=False)
PROOF_NEEDED = (
    "{what} needs a token from a login of the last 15 minutes, or `current_password`; "
    "with a second factor `otp` instead."
)
COLOURS = ("#2f5d8a", "#7a4e8c", "#2e7d63", "#9a5b2d", "#8a3b4f", "#4b5f2a")


class PricingPlan(BaseModel):
    id: int
    name: str
    slug: str


class User(BaseModel):
    id: int
    name: str
    email: str
    email_verified_at: str | None
    profile_photo_url: str
    created_at: str
    updated_at: str
    pricing_plan: PricingPlan
    pending_email: str | None
    second_factor: bool


class Proof(BaseModel):
    """The proof that the token is in the right hands if it comes from no recent login."""

    current_password: str = ""
    otp: str = ""


class UserChanges(BaseModel):
    name: str | None = None
    email: str | None = None
    current_password: str = ""
    otp: str = ""


class PasswordChange(BaseModel):
    current_password: str = ""
    password: str = ""
    password_confirmation: str = ""
    otp: str = ""


GET_USER = Operation(
    id="getUser",
    summary="Get your profile",
    message="User retrieved successfully",
    description="Includes the plan that you are on.",
    example_data=examples.PAID_JANE,
)


@router.get("/user")
@GET_USER.describes
async def get_user(request: Request, caller: AccountReader) -> Envelope[User]:
    return GET_USER.answer(to_user(request, caller.user, caller.entitlement.plan))


UPDATE_USER = Operation(
    id="updateUser",
    summary="Change your name or address",
    message="User updated successfully",
    description=(
        "A field that is not sent stays as it is. A new address is `pending_email` until it is verified. "
        f"{PROOF_NEEDED.format(what='A new address')}"
    ),
    example_data=examples.PAID_JANE,
    body=json_body(UserChanges, example={"name": "Jane Smith"}),
    refusals=(refusals.REAUTHENTICATION_REQUIRED,),
)


@router.patch("/user")
@UPDATE_USER.describes
async def update_user(request: Request, caller: AccountOwner, backend: BackendDep) -> Envelope[User]:
    values = await bodies.parse(request, UserChanges)
    response = await caller.auth.UpdateUser(auth_pb2.UpdateUserRequest(**values))
    backend.callers.forget(caller.user.id)
    return UPDATE_USER.answer(to_user(request, response.user, caller.entitlement.plan))


DELETE_USER = Operation(
    id="deleteUser",
    summary="Delete your account",
    message="Account deleted successfully",
    description=f"The account, images and files are gone for good. {PROOF_NEEDED.format(what='This')}",
    body=json_body(Proof, example={"current_password": "A-good-one-0"}),
    refusals=(refusals.REAUTHENTICATION_REQUIRED,),
)


@router.delete("/user")
@DELETE_USER.describes
async def delete_user(request: Request, caller: AccountOwner, backend: BackendDep) -> Message:
    # before there was a proof to send, a body without a type did not matter
    values = await bodies.parse(request, Proof) if "content-type" in request.headers else {}
    await caller.auth.DeleteUser(auth_pb2.DeleteUserRequest(**values))
    backend.callers.forget(caller.user.id)
    return DELETE_USER.done()


CHANGE_PASSWORD = Operation(
    id="changePassword",
    summary="Change your password",
    message="Password updated successfully",
    description=(
        "All other tokens are revoked. An account with a second factor needs a login of the last 15 minutes, "
        "or `otp`, too."
    ),
    body=json_body(
        PasswordChange,
        "current_password",
        "password",
        "password_confirmation",
        example={"current_password": "A-good-one-0"} | examples.NEW_PASSWORD,
    ),
    refusals=(refusals.REAUTHENTICATION_REQUIRED,),
)


@router.put("/user/password")
@CHANGE_PASSWORD.describes
async def change_password(request: Request, caller: AccountOwner, backend: BackendDep) -> Message:
    values = await bodies.parse(request, PasswordChange)
    await caller.auth.ChangePassword(auth_pb2.ChangePasswordRequest(**values))
    backend.callers.forget(caller.user.id)
    return CHANGE_PASSWORD.done()


@photos.get("/photos/{initials}.svg")
async def profile_photo(initials: Annotated[str, Path(max_length=8)], shade: int = 0) -> Response:
    """Return a picture of the initials. It is drawn here, so that no third party learns the name."""
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="64" height="64">'
        f'<rect width="64" height="64" fill="{COLOURS[shade % len(COLOURS)]}"/>'
        '<text x="32" y="41" font-family="sans-serif" font-size="26" text-anchor="middle" fill="#fff">'
        f"{escape(initials)}</text></svg>"
    )
    headers = {"Cache-Control": "public, max-age=86400", "Content-Security-Policy": "default-src 'none'"}
    return Response(svg, media_type="image/svg+xml", headers=headers)


def to_user(request: Request, user: auth_pb2.User, plan: billing_pb2.Plan) -> User:
    letters = [word[0] for word in user.name.split() if word[0].isalnum()]
    initials = quote("".join(letters[:2]).upper() or "?", safe="")
    return User(
        id=user.id,
        name=user.name,
        email=user.email,
        email_verified_at=format_time(user.email_verified_at) if user.HasField("email_verified_at") else None,
        profile_photo_url=f"{base_url(request)}/photos/{initials}.svg?shade={user.id % len(COLOURS)}",
        created_at=format_time(user.created_at),
        updated_at=format_time(user.updated_at),
        pricing_plan=PricingPlan(id=plan.id, name=plan.name, slug=plan.slug),
        pending_email=user.pending_email or None,
        second_factor=user.second_factor,
    )

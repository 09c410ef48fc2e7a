"""Sign-in and sign-out of the console. They lie outside of the API for programs, which needs no cookie."""

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from common import errors
from gateway.backend import BackendDep
from gateway.http import bodies
from gateway.http.envelope import Envelope, Message
from gateway.identity import console_cookie
from gateway.identity.access import limit_by_address
from gateway.identity.route_access import TokenHolder
from gateway.routes.account import User, to_user
from loupe import refusals
from loupe.auth.v1 import auth_pb2 as pb

router = APIRouter(prefix="/console/session", include_in_schema=False)


class SignIn(BaseModel):
    email: str = ""
    password: str = ""
    otp: str = ""


async def require_console(request: Request, backend: BackendDep) -> None:
    """Refuse pages of other sites: they must neither sign a person in nor out."""
    if not console_cookie.is_from_console(request, backend.settings.public_url):
        raise errors.refused(refusals.FOREIGN_PAGE)
    if not console_cookie.may_have_cookie(request):
        raise errors.refused(refusals.HTTPS_REQUIRED)


@router.post("", dependencies=[Depends(limit_by_address), Depends(require_console)])
async def start_session(request: Request, response: Response, backend: BackendDep) -> Envelope[User]:
    """Give the browser a new session. A session that it already has ends."""
    values = await bodies.parse(request, SignIn)
    try:
        started = await backend.as_gateway.auth.StartConsoleSession(pb.StartConsoleSessionRequest(**values))
    except errors.Internal as error:
        if error.message.startswith("UNIMPLEMENTED"):  # this replica of auth is of the release before
            raise errors.refused(refusals.SERVICE_UNAVAILABLE) from error
        raise
    await _end_earlier(request, backend)
    caller = await backend.callers.find_by_token(started.session, is_console_session=True)
    console_cookie.set_cookie(request, response, started.session)
    return Envelope(message="Login successful", data=to_user(request, started.user, caller.entitlement.plan))


@router.delete("", dependencies=[Depends(require_console)])
async def end_session(
    request: Request, response: Response, caller: TokenHolder, backend: BackendDep
) -> Message:
    if not caller.is_console_session:
        raise errors.refused(refusals.UNAUTHENTICATED)
    await caller.auth.RevokeToken(pb.RevokeTokenRequest(token_id=caller.token_id))
    backend.callers.forget(caller.user.id)
    console_cookie.set_cookie(request, response, "")
    return Message(message="Logout successful")


async def _end_earlier(request: Request, backend: BackendDep) -> None:
    text, is_console_session = console_cookie.credential_of(request, backend.settings.public_url)
    if not (text and is_console_session):
        return
    try:
        earlier = await backend.callers.find_by_token(text, is_console_session=True)
        await earlier.auth.RevokeToken(pb.RevokeTokenRequest(token_id=earlier.token_id))
        backend.callers.forget(earlier.user.id)
    except (errors.Unauthenticated, errors.PermissionDenied, errors.NotFound):
        return  # it has ended already

"""The first run: the owner of the one-time code of a fresh installation becomes its first operator."""

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from gateway.backend import BackendDep
from gateway.http import bodies
from gateway.http.envelope import Envelope
from gateway.identity import console_cookie
from gateway.identity.access import limit_by_address, limit_by_caller_or_address
from gateway.routes.account import User, to_user
from gateway.routes.admin.values import takes
from gateway.routes.console_sessions import require_console
from loupe.auth.v1 import auth_pb2 as pb

router = APIRouter(prefix="/first-run")


class FirstRun(BaseModel):
    is_open: bool
    """There is no operator yet, so that the code creates one."""


class FirstOperator(BaseModel):
    code: str = ""
    name: str = ""
    email: str = ""
    password: str = ""
    password_confirmation: str = ""


@router.get("", dependencies=[Depends(limit_by_caller_or_address)])
async def get_first_run(backend: BackendDep) -> Envelope[FirstRun]:
    found = await backend.as_gateway.auth.GetFirstRun(pb.GetFirstRunRequest())
    return Envelope(message="First run retrieved successfully", data=FirstRun(is_open=found.is_open))


@router.post(
    "",
    status_code=201,
    dependencies=[Depends(limit_by_address), Depends(require_console)],
    openapi_extra=takes(FirstOperator),
)
async def finish_first_run(request: Request, response: Response, backend: BackendDep) -> Envelope[User]:
    """Create the first operator, whose address counts as verified, and sign the browser in."""
    values = await bodies.parse(request, FirstOperator)
    finished = await backend.as_gateway.auth.FinishFirstRun(pb.FinishFirstRunRequest(**values))
    caller = await backend.callers.find_by_token(finished.session, is_console_session=True)
    console_cookie.set_cookie(request, response, finished.session)
    user = to_user(request, finished.user, caller.entitlement.plan)
    return Envelope(message="Operator created successfully", data=user)

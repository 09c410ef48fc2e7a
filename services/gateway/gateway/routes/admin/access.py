"""Tells what the caller's session may do, so that the console knows which pages to show."""

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.http.envelope import Envelope
from gateway.identity.route_access import TokenHolder
from loupe.contract import ADMIN

router = APIRouter(prefix="/access")


class OperatorAccess(BaseModel):
    is_operator: bool
    """The caller may call everything below `/api/admin` now."""
    needs_second_factor: bool
    """The caller is an operator, but has no second factor, which this installation demands."""


@router.get("")
async def get_access(caller: TokenHolder) -> Envelope[OperatorAccess]:
    found = OperatorAccess(
        is_operator=ADMIN in caller.abilities, needs_second_factor=caller.lacks_second_factor_of_operators
    )
    return Envelope(message="Access retrieved successfully", data=found)

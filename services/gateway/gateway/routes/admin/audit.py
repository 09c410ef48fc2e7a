"""Lists for operators what happened to all accounts."""

from typing import Annotated

from fastapi import APIRouter, Query

from common import errors
from gateway.http.envelope import Page
from gateway.identity.route_access import OperatorSession
from gateway.routes import audit
from gateway.routes.admin.values import instant_of
from gateway.routes.paging import Paging
from loupe.auth.v1 import auth_pb2 as pb

router = APIRouter(prefix="/audit")


class InstallationEntry(audit.AuditEntry):
    user_id: int | None
    """To whom it happened. Null if no account is known, as after a login with an unknown address."""
    user_email: str | None
    """Null also if the account was deleted."""
    operator_id: int | None
    operator_email: str | None


@router.get("")
async def list_installation_audit(
    caller: OperatorSession,
    paging: Paging,
    user_id: Annotated[int, Query(ge=0, lt=1 << 63)] = 0,
    event: audit.EventFilter = None,
    since: audit.Since = None,
    until: audit.Until = None,
) -> Page[InstallationEntry]:
    """List what happened, newest first. `from` and `to` are instants. Entries are counted up to 10,000."""
    if event and event not in audit.NAMES:
        raise errors.invalid({"event": [errors.choice_text("event", audit.NAMES)]})
    response = await caller.auth.ListAudit(
        pb.ListAuditRequest(
            page=paging.number,
            limit=paging.size,
            user_id=user_id,
            event=event or "",
            since=instant_of("from", since),
            until=instant_of("to", until),
            newest_first=True,  # for replicas of auth of the release before, which do not know `page`
        )
    )
    found = [
        InstallationEntry(
            **audit.to_entry(entry).model_dump(),
            user_id=entry.user_id or None,
            user_email=response.emails.get(entry.user_id),
            operator_id=entry.operator_id or None,
            operator_email=response.emails.get(entry.operator_id),
        )
        for entry in response.entries
    ]
    return paging.answer("Audit retrieved successfully", found, response.total)

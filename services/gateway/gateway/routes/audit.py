"""Lists what happened to the caller's account, from the audit of auth."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from common.security_events import EVENTS
from gateway.http.envelope import Page
from gateway.identity.route_access import PlanReader
from gateway.openapi import examples
from gateway.openapi.operation import Operation
from gateway.routes.paging import PAGES_DESCRIPTION, Paging
from loupe import refusals
from loupe.audit.v1 import audit_pb2
from loupe.auth.v1 import auth_pb2 as pb
from rest.choices import a_choice
from rest.values import format_time

router = APIRouter(prefix="/api/audit", tags=["account"])
NAMES = sorted(name for name, event in EVENTS.items() if event.is_audited)
EVENT = a_choice("AuditEvent", "The name of an event.", NAMES)
Event = Annotated[str, Field(json_schema_extra=EVENT)]
ACTOR = a_choice(
    "AuditActor",
    "Who caused it: you, or somebody who claimed to be you; an operator; or Loupe itself.",
    ("user", "operator", "system"),
)
EventFilter = Annotated[Event | None, Query(alias="event")]
Since = Annotated[str | None, Query(alias="from")]
Until = Annotated[str | None, Query(alias="to")]


class AuditEntry(BaseModel):
    id: str
    event: Event
    description: str
    actor: Annotated[str, Field(json_schema_extra=ACTOR)]
    client_address: str | None
    user_agent: str | None
    request_id: str | None
    details: dict[str, str]
    occurred_at: str


LIST_AUDIT = Operation(
    id="listAudit",
    summary="List what happened to your account",
    message="Audit retrieved successfully",
    description=(
        "Logins, also failed ones, and changes of tokens, password, address, second factor, plan, quota and "
        f"webhooks, and deletions. {PAGES_DESCRIPTION} Entries are counted up to 10,000."
    ),
    example_data=[examples.AUDIT_ENTRY],
    refusals=(refusals.VALIDATION_FAILED,),
)


@router.get("")
@LIST_AUDIT.describes
async def list_audit(
    caller: PlanReader,
    paging: Paging,
    event: EventFilter = None,
    since: Since = None,
    until: Until = None,
) -> Page[AuditEntry]:
    response = await caller.auth.ListOwnAudit(
        pb.ListOwnAuditRequest(
            page=paging.number,
            per_page=paging.size,
            event=event or "",
            since=since or "",
            until=until or "",
        )
    )
    found = [to_entry(entry) for entry in response.entries]
    return paging.answer(LIST_AUDIT.message, found, response.total)


def to_entry(entry: audit_pb2.Entry) -> AuditEntry:
    """Convert an entry. A replica of auth may know events that this one does not."""
    known = EVENTS.get(entry.event)
    return AuditEntry(
        id=entry.id,
        event=entry.event,
        description=known.meaning if known else entry.event,
        actor=audit_pb2.Actor.Name(entry.actor).removeprefix("ACTOR_").lower(),
        client_address=entry.client_address or None,
        user_agent=entry.user_agent or None,
        request_id=entry.request_id or None,
        details=dict(sorted(entry.details.items())),
        occurred_at=format_time(entry.occurred_at),
    )

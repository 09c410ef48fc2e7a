"""The gRPC methods that read the audit."""

import uuid
from collections.abc import Sequence

from sqlalchemy import ColumnElement
from sqlmodel.ext.asyncio.session import AsyncSession

from auth.convert import entry_to_proto, own_entry_to_proto
from auth.domain import audit, users
from auth.servicer import Servicer
from auth.tables import AuditEntry
from common import errors, rpc, timestamps
from loupe.auth.v1 import auth_pb2 as pb


class AuditMethods(Servicer):
    async def ListOwnAudit(
        self, request: pb.ListOwnAuditRequest, context: rpc.Context
    ) -> pb.ListOwnAuditResponse:
        async with self._sessions.begin() as session:
            found, total = await audit.page(
                session,
                rpc.principal().user_id,
                number=request.page,
                size=request.per_page,
                event=request.event,
                since=request.since,
                until=request.until,
            )
        return pb.ListOwnAuditResponse(entries=map(own_entry_to_proto, found), total=total)

    async def ListAudit(self, request: pb.ListAuditRequest, context: rpc.Context) -> pb.ListAuditResponse:
        limit = audit.check_page_size(request.limit)
        since = timestamps.from_proto(request.since) if request.HasField("since") else None
        until = timestamps.from_proto(request.until) if request.HasField("until") else None
        wanted = audit.filters(request.user_id, request.event, since, until)
        async with self._sessions.begin() as session:
            if request.page:
                return await _numbered_page(session, wanted, number=request.page, size=limit)
            found = await audit.list_all(
                session,
                wanted,
                after=_to_position(request.after) if request.HasField("after") else None,
                limit=limit,
                newest_first=request.newest_first,
            )
        next_after = _to_next(found[-1]) if len(found) == limit else None
        return pb.ListAuditResponse(entries=map(entry_to_proto, found), next_after=next_after)


async def _numbered_page(
    session: AsyncSession, wanted: Sequence[ColumnElement[bool]], *, number: int, size: int
) -> pb.ListAuditResponse:
    found, total = await audit.numbered_page(session, wanted, number=number, size=size)
    ids = {user_id for entry in found for user_id in (entry.user_id, entry.operator_id) if user_id}
    emails = await users.emails_of(session, ids)
    return pb.ListAuditResponse(entries=map(entry_to_proto, found), total=total, emails=emails)


def _to_position(after: pb.AuditPosition) -> audit.Position:
    try:
        return timestamps.from_proto(after.occurred_at), uuid.UUID(after.id)
    except ValueError as error:
        message = f"{after.id!r} is not the id of an entry"
        raise errors.InvalidArgument(message, reason="invalid_position") from error


def _to_next(last: AuditEntry) -> pb.AuditPosition:
    return pb.AuditPosition(occurred_at=timestamps.to_proto(last.occurred_at), id=str(last.id))

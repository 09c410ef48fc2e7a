"""The gRPC methods that read the audit."""

import uuid

from auth.convert import entry_to_proto, own_entry_to_proto
from auth.domain import audit
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
        async with self._sessions.begin() as session:
            found = await audit.list_all(
                session,
                after=_to_position(request.after) if request.HasField("after") else None,
                limit=limit,
                user_id=request.user_id,
                event=request.event,
                since=timestamps.from_proto(request.since) if request.HasField("since") else None,
                until=timestamps.from_proto(request.until) if request.HasField("until") else None,
                newest_first=request.newest_first,
            )
        next_after = _to_next(found[-1]) if len(found) == limit else None
        return pb.ListAuditResponse(entries=map(entry_to_proto, found), next_after=next_after)


def _to_position(after: pb.AuditPosition) -> audit.Position:
    try:
        return timestamps.from_proto(after.occurred_at), uuid.UUID(after.id)
    except ValueError as error:
        message = f"{after.id!r} is not the id of an entry"
        raise errors.InvalidArgument(message, reason="invalid_position") from error


def _to_next(last: AuditEntry) -> pb.AuditPosition:
    return pb.AuditPosition(occurred_at=timestamps.to_proto(last.occurred_at), id=str(last.id))

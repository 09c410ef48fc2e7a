"""The gRPC service. Each method decodes a request, calls the domain in a transaction, and encodes."""

from common import rpc
from common.db import Sessions
from loupe.outbound.v1 import outbound_pb2 as pb
from loupe.outbound.v1 import outbound_pb2_grpc
from outbound.convert import to_webhook
from outbound.domain import webhooks

CALLERS = {"ListWebhooks": rpc.users("user:read")}


class OutboundService(outbound_pb2_grpc.OutboundServiceServicer):
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def ListWebhooks(
        self, request: pb.ListWebhooksRequest, context: rpc.Context
    ) -> pb.ListWebhooksResponse:
        async with self._sessions.begin() as session:
            found = await webhooks.list_all(session, rpc.principal().user_id)
        return pb.ListWebhooksResponse(webhooks=map(to_webhook, found))

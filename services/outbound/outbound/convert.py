"""Rows as messages of the contract."""

from common import timestamps
from loupe.outbound.v1 import outbound_pb2 as pb
from outbound.tables import Webhook


def to_webhook(row: Webhook) -> pb.Webhook:
    return pb.Webhook(
        id=row.id or 0,
        url=row.url,
        types=row.types,
        description=row.description,
        is_enabled=row.is_enabled,
        disabled_reason=row.disabled_reason or "",
        failing_since=timestamps.to_proto(row.failing_since),
        created_at=timestamps.to_proto(row.created_at),
        updated_at=timestamps.to_proto(row.updated_at),
        previous_secret_expires_at=timestamps.to_proto(row.previous_secret_expires_at),
    )

"""Converts rows to protobuf."""

from auth.tables import AuditEntry, Token, User
from common import timestamps
from loupe.audit.v1 import audit_pb2
from loupe.auth.v1 import auth_pb2 as pb
from loupe.contract import OPERATOR


def user_to_proto(user: User) -> pb.User:
    return pb.User(
        id=user.id or 0,
        name=user.name,
        email=user.email,
        email_verified_at=timestamps.to_proto(user.email_verified_at),
        created_at=timestamps.to_proto(user.created_at),
        updated_at=timestamps.to_proto(user.updated_at),
        pending_email=user.pending_email or "",
        second_factor=user.second_factor_at is not None,
        is_operator=user.role == OPERATOR,
        blocked_at=timestamps.to_proto(user.blocked_at),
    )


def token_to_proto(token: Token) -> pb.Token:
    return pb.Token(
        id=token.id or 0,
        name=token.name,
        abilities=token.abilities,
        last_used_at=timestamps.to_proto(token.last_used_at),
        created_at=timestamps.to_proto(token.created_at),
        expires_at=timestamps.to_proto(token.expires_at),
    )


def entry_to_proto(entry: AuditEntry) -> audit_pb2.Entry:
    return audit_pb2.Entry(
        id=str(entry.id),
        event=entry.event,
        user_id=entry.user_id or 0,
        actor=audit_pb2.Actor.Value(f"ACTOR_{entry.actor.upper()}"),
        operator_id=entry.operator_id or 0,
        client_address=entry.client_address or "",
        user_agent=entry.user_agent or "",
        request_id=entry.request_id or "",
        occurred_at=timestamps.to_proto(entry.occurred_at),
        details=entry.details,
    )


def own_entry_to_proto(entry: AuditEntry) -> audit_pb2.Entry:
    """Convert an entry for the user whom it is about. Who the operator was, and from where, is left out."""
    found = entry_to_proto(entry)
    if found.actor == audit_pb2.ACTOR_OPERATOR:
        for name in ("operator_id", "client_address", "user_agent", "request_id"):
            found.ClearField(name)
    return found
